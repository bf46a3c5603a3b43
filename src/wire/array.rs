//! A JSON array that streams, sans-io, as Gemini sends it: takes chunks as the network cuts them and gives its elements, each
//! with its raw bytes exactly as they came. All raw bytes together are the input. Must not know what the elements say.

use bytes::{Bytes, BytesMut};

use super::sse::{Event, EventTooLarge};

/// Cuts a streamed array into its elements; the bracket or comma before one belongs to it. Also takes a single object.
#[derive(Debug)]
pub struct ArraySplitter {
    max_event_bytes: usize,
    held: BytesMut,
    /// How far `held` was looked at.
    looked: usize,
    /// Where in `held` the element begins that has begun.
    start: usize,
    depth: usize,
    text: Text,
    array: Array,
}

/// Where a place is in the strings of an element.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    Escaped,
}

/// What is known of the array itself.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Array {
    Unseen,
    Open,
    Closed,
}

impl ArraySplitter {
    /// Of a new stream, whose elements are at most `max_event_bytes` long.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            held: BytesMut::new(),
            looked: 0,
            start: 0,
            depth: 0,
            text: Text::Outside,
            array: Array::Unseen,
        }
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        self.held.extend_from_slice(chunk);
    }

    /// The next element that is complete; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When an element grows beyond the bound, complete or not.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLarge> {
        let end = self.find_end();
        if end.unwrap_or(self.held.len()) > self.max_event_bytes {
            return Err(EventTooLarge);
        }
        let Some(end) = end else { return Ok(None) };
        let raw = self.held.split_to(end).freeze();
        self.looked = 0;
        Ok(Some(Event::plain(raw, Some(self.start..end))))
    }

    /// What came after the last element, when the stream has ended.
    pub fn finish(&mut self) -> Option<Event> {
        let raw: Bytes = std::mem::take(&mut self.held).freeze();
        (!raw.is_empty()).then(|| Event::plain(raw, None))
    }

    /// Whether the array is whole: its closing bracket came; or there never was one, and nothing is open.
    pub fn is_whole(&self) -> bool {
        self.depth == 0 && self.array != Array::Open
    }

    /// The offset behind the element that ends next.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(byte) = self.held.get(self.looked).copied() {
            let at = self.looked;
            self.looked = self.looked.saturating_add(1);
            if self.depth == 0 {
                self.between(byte, at);
            } else if self.within(byte) {
                return Some(self.looked);
            }
        }
        None
    }

    fn between(&mut self, byte: u8, at: usize) {
        match byte {
            b'[' if self.array == Array::Unseen => self.array = Array::Open,
            b'{' | b'[' => {
                self.start = at;
                self.depth = 1;
            }
            b']' if self.array == Array::Open => self.array = Array::Closed,
            _ => {}
        }
    }

    /// Takes a byte of an element; whether it is the last one.
    fn within(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Escaped, _) | (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Outside, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
            (Text::Outside, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            (Text::Inside | Text::Outside, _) => {}
        }
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(splitter: &mut ArraySplitter, raw: &mut Vec<u8>, seen: &mut Vec<String>) {
        while let Some(event) = splitter.next_event().unwrap() {
            raw.extend_from_slice(&event.raw);
            seen.push(String::from_utf8(event.data().unwrap().to_vec()).unwrap());
        }
    }

    #[test]
    fn elements_are_cut_wherever_the_network_cuts() {
        for (text, want, whole) in [
            (
                "[{\"a\":\"]}\\\"\\\\\"}\r\n,\r\n{\"b\":[{}]}\n]\n",
                &["{\"a\":\"]}\\\"\\\\\"}", "{\"b\":[{}]}"][..],
                true,
            ),
            ("[]", &[], true),
            ("[", &[], false),
            ("[{}", &["{}"], false),
            ("[{},{", &["{}"], false),
            (" {\"error\":{}}", &["{\"error\":{}}"], true),
            ("<html>", &[], true),
            ("", &[], true),
        ] {
            for size in 1..=text.len().max(1) {
                let mut splitter = ArraySplitter::new(100);
                let (mut raw, mut seen) = (Vec::new(), Vec::new());
                for chunk in text.as_bytes().chunks(size) {
                    splitter.push(chunk);
                    read(&mut splitter, &mut raw, &mut seen);
                }
                raw.extend(splitter.finish().map(|event| event.raw.to_vec()).unwrap_or_default());
                assert_eq!(raw, text.as_bytes(), "{text} by {size}");
                assert_eq!(
                    (seen.as_slice(), splitter.is_whole()),
                    (&want.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()[..], whole),
                    "{text} by {size}"
                );
            }
        }
    }

    #[test]
    fn an_element_beyond_the_bound_ends_it() {
        let mut splitter = ArraySplitter::new(8);
        splitter.push(b"[{\"a\":1}");
        assert!(splitter.next_event().unwrap().is_some());
        splitter.push(b",{\"a\":123");
        assert_eq!(splitter.next_event(), Err(EventTooLarge));
    }
}
