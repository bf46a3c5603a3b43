//! Server-sent events, sans-io: takes chunks as the network cuts them and gives events, each with its raw bytes
//! exactly as they came. All raw bytes together are the input. Must not know what the events say.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// One event: everything up to and with the blank line that ends it. Also a comment, or a blank line, by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The bytes as they came.
    pub raw: Bytes,
    /// Behind the byte order mark, if there is one.
    start: usize,
    data: Lines,
    name: Option<Range<usize>>,
}

/// Where the lines of `data` are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Lines {
    #[default]
    None,
    One(Range<usize>),
    /// Found again when asked for: there may be millions of them.
    Several,
}

/// An event is larger than the bound. Nothing more comes of its stream.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct EventTooLarge;

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Splitter {
    max_event_bytes: usize,
    /// What is left of the last chunk.
    chunk: Bytes,
    /// How far `chunk` was looked at.
    looked: usize,
    /// The start of an event whose end has not come yet.
    held: BytesMut,
    /// No byte of the current line has come yet.
    at_line_start: bool,
    /// The last byte was a CR: an LF belongs to it.
    after_cr: bool,
    /// No event was given yet: a byte order mark may stand at the start.
    at_stream_start: bool,
}

impl Event {
    /// The event's data without field names, lines joined by LF; `None` when it has no data line.
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        match &self.data {
            Lines::None => None,
            Lines::One(span) => Some(Cow::Borrowed(self.at(span))),
            Lines::Several => {
                let mut joined = Vec::new();
                for (at, span) in values(&self.raw, self.start, b"data").enumerate() {
                    if at > 0 {
                        joined.push(b'\n');
                    }
                    joined.extend_from_slice(self.at(&span));
                }
                Some(Cow::Owned(joined))
            }
        }
    }

    /// The value of the event's last `event` line.
    pub fn name(&self) -> Option<&[u8]> {
        self.name.as_ref().map(|span| self.at(span))
    }

    fn at(&self, span: &Range<usize>) -> &[u8] {
        self.raw.get(span.clone()).unwrap_or_default()
    }

    /// Of bytes that are no server-sent event, in which `data` stands there, if at all.
    pub fn plain(raw: Bytes, data: Option<Range<usize>>) -> Self {
        let data = data.map_or(Lines::None, Lines::One);
        Self { raw, start: 0, data, name: None }
    }

    fn parse(raw: Bytes, start: usize) -> Self {
        let mut data = Lines::None;
        for span in values(&raw, start, b"data").take(2) {
            data = match data {
                Lines::None => Lines::One(span),
                Lines::One(_) | Lines::Several => Lines::Several,
            };
        }
        let name = values(&raw, start, b"event").last();
        Self { raw, start, data, name }
    }
}

/// Where the values of the fields `name` are in an event.
fn values<'a>(raw: &'a [u8], start: usize, name: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = start;
    std::iter::from_fn(move || {
        loop {
            let rest = raw.get(at..).filter(|rest| !rest.is_empty())?;
            let line = at;
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            at = at.saturating_add(end).saturating_add(1);
            if let Some(value) = field(rest.get(..end).unwrap_or_default(), name) {
                return Some(line.saturating_add(value)..line.saturating_add(end));
            }
        }
    })
}

/// Where in `line` the value of the field `name` starts; `None` when it is another field.
fn field(line: &[u8], name: &[u8]) -> Option<usize> {
    match line.strip_prefix(name)? {
        [] => Some(name.len()),
        [b':', b' ', ..] => Some(name.len().saturating_add(2)),
        [b':', ..] => Some(name.len().saturating_add(1)),
        _ => None,
    }
}

impl Splitter {
    /// Of a new stream, whose events are at most `max_event_bytes` long.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            chunk: Bytes::new(),
            looked: 0,
            held: BytesMut::new(),
            at_line_start: true,
            after_cr: false,
            at_stream_start: true,
        }
    }

    /// Takes the next chunk. What an earlier one held must have been asked for first, else it is copied.
    pub fn push(&mut self, chunk: Bytes) {
        if !self.chunk.is_empty() {
            self.chunk = [self.chunk.as_ref(), chunk.as_ref()].concat().into();
            return;
        }
        self.chunk = chunk;
        self.looked = 0;
    }

    /// The next event that is complete; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When an event grows beyond the bound, complete or not.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLarge> {
        let end = self.find_end();
        let so_far = end.unwrap_or(self.chunk.len()).saturating_add(self.held.len());
        if so_far > self.max_event_bytes {
            return Err(EventTooLarge);
        }
        if let Some(end) = end {
            let part = self.chunk.split_to(end);
            self.looked = 0;
            return Ok(Some(self.event(part)));
        }
        self.held.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
        self.looked = 0;
        Ok(None)
    }

    /// What came after the last blank line, when the stream has ended; a client would drop it.
    pub fn finish(&mut self) -> Option<Event> {
        let rest = std::mem::take(&mut self.chunk);
        let event = self.event(rest);
        (!event.raw.is_empty()).then_some(event)
    }

    fn event(&mut self, last: Bytes) -> Event {
        let raw = if self.held.is_empty() {
            last
        } else {
            self.held.extend_from_slice(&last);
            self.held.split().freeze()
        };
        let has_mark = std::mem::take(&mut self.at_stream_start) && raw.starts_with(b"\xEF\xBB\xBF");
        Event::parse(raw, if has_mark { 3 } else { 0 })
    }

    /// The offset in the chunk behind the next blank line. A CR ends a line at once, whatever follows: nothing waits.
    fn find_end(&mut self) -> Option<usize> {
        loop {
            let rest = self.chunk.get(self.looked..).filter(|rest| !rest.is_empty())?;
            if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
                self.looked = self.looked.saturating_add(1);
                continue;
            }
            let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.looked = self.chunk.len();
                self.at_line_start = false;
                return None;
            };
            let blank = self.at_line_start && found == 0;
            let mut past = found.saturating_add(1);
            if rest.get(found) == Some(&b'\r') {
                match rest.get(past) {
                    Some(b'\n') => past = past.saturating_add(1),
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.looked = self.looked.saturating_add(past);
            self.at_line_start = true;
            if blank {
                return Some(self.looked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Vec<(Option<String>, Option<String>)>;

    /// Events that say something, and all raw bytes, of a stream cut at `cuts`.
    fn split(stream: &[u8], cuts: &[usize]) -> (Seen, Vec<u8>) {
        let mut splitter = Splitter::new(1 << 20);
        let (mut seen, mut raw) = (Vec::new(), Vec::new());
        let mut take = |event: &Event| {
            raw.extend_from_slice(&event.raw);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            if event.data().is_some() {
                seen.push((event.name().map(text), event.data().map(|data| text(&data))));
            }
        };
        let mut from = 0;
        for to in cuts.iter().copied().chain([stream.len()]) {
            splitter.push(Bytes::copy_from_slice(&stream[from..to]));
            while let Some(event) = splitter.next_event().unwrap() {
                take(&event);
            }
            from = to;
        }
        if let Some(event) = splitter.finish() {
            take(&event);
        }
        (seen, raw)
    }

    #[test]
    fn events_are_the_same_wherever_they_are_cut() {
        let some = |text: &str| Some(text.to_owned());
        let stream = "\u{feff}data: one\n\n: comment\n\ndata:two\r\n\r\nevent: x\rdata: é😀\r\r\n\ndata: a\ndata:  b\r\ndata\rdata:c\n\nid: 7\n\n\
            event:y\nretry: 1\ndata: {\"a\":\"\\n\"}\r\n\r\ndatum: no\ndata : no\n\ndata: last";
        let want = vec![
            (None, some("one")),
            (None, some("two")),
            (some("x"), some("é😀")),
            (None, some("a\n b\n\nc")),
            (some("y"), some("{\"a\":\"\\n\"}")),
            (None, some("last")),
        ];
        let stream = stream.as_bytes();
        assert_eq!(split(stream, &[]), (want.clone(), stream.to_vec()));
        let every: Vec<usize> = (1..stream.len()).collect();
        assert_eq!(split(stream, &every), (want.clone(), stream.to_vec()), "at every byte");
        for first in 0..stream.len() {
            for second in [first, first + 1, first + 2, stream.len()] {
                let cuts = [first, second.min(stream.len())];
                assert_eq!(split(stream, &cuts), (want.clone(), stream.to_vec()), "{cuts:?}");
            }
        }
    }

    #[test]
    fn an_event_is_given_as_soon_as_its_blank_line_is_there() {
        let mut splitter = Splitter::new(100);
        splitter.push(Bytes::from_static(b"data: a\r\n\r"));
        assert_eq!(splitter.next_event().unwrap().unwrap().raw.as_ref(), b"data: a\r\n\r");
        splitter.push(Bytes::from_static(b"\ndata: b\r\n\r\n"));
        let event = splitter.next_event().unwrap().unwrap();
        assert_eq!(
            (event.raw.as_ref(), event.data().as_deref()),
            (&b"\ndata: b\r\n\r\n"[..], Some(&b"b"[..]))
        );
        assert_eq!((splitter.next_event(), splitter.finish()), (Ok(None), None));
    }

    #[test]
    fn an_event_within_one_chunk_is_not_copied() {
        let chunk = Bytes::from("data: a\n\ndata: b\n\n".to_owned());
        let mut splitter = Splitter::new(100);
        splitter.push(chunk.clone());
        let first = splitter.next_event().unwrap().unwrap();
        let second = splitter.next_event().unwrap().unwrap();
        assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
        assert_eq!(second.raw.as_ptr(), chunk[9..].as_ptr());
    }

    #[test]
    fn an_event_is_bounded_whole_or_in_pieces() {
        let event = Bytes::from(format!("data: {}\n\n", "x".repeat(42)));
        let run = |bound: usize, piece: usize| {
            let mut splitter = Splitter::new(bound);
            for chunk in event.chunks(piece) {
                splitter.push(Bytes::copy_from_slice(chunk));
                splitter.next_event()?;
            }
            Ok::<_, EventTooLarge>(())
        };
        for piece in [1, 7, 50] {
            assert_eq!(run(50, piece), Ok(()));
            assert_eq!(run(49, piece), Err(EventTooLarge));
        }
    }
}
