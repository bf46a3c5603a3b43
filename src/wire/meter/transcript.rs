//! Reads what transcriptions and translations answer: a text in JSON or as it is, or the events of a stream of one. Some servers
//! stream it in the manner of their chat.

use super::{Content, Document, Meter};
use crate::wire::json::{Cursor, JsonFault, Kind};

/// What an event says of the answer.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Event {
    /// It is none, or of a chat.
    #[default]
    None,
    /// Nothing has happened.
    Idle,
    /// A part of the text.
    Part,
    /// All of it.
    End,
    /// An error.
    Error,
}

impl Meter {
    /// Watches a piece of a reply that is text as it is.
    pub fn on_text(&mut self, piece: &[u8]) {
        self.seen.answer |= !piece.is_empty();
        self.wrote(piece.len());
        self.media.read(piece);
    }

    /// Reads a transcript, or an event.
    pub(super) fn transcript(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        let mut event = Event::None;
        let before = self.output_bytes;
        let mut text = 0;
        self.members(cursor, |meter, cursor, name| {
            match name {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "type" if cursor.kind()? == Kind::Text => event = event_of(&cursor.text()?.decode()),
                "delta" => meter.plain_text(cursor)?,
                "text" if cursor.kind()? == Kind::Text => {
                    text = cursor.text()?.length;
                    document.content = Content::Some;
                }
                "duration" => meter.told_seconds(cursor.skip()?),
                "usage" => document.has_usage |= meter.usage_or_length(cursor)?,
                "choices" if cursor.kind()? == Kind::Array => document.content = meter.choices(cursor)?,
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        document.content = match event {
            Event::None => document.content,
            Event::Idle => Content::Idle,
            Event::Part => Content::Some,
            Event::End => Content::End,
            Event::Error => {
                document.is_error = true;
                Content::None
            }
        };
        if matches!(event, Event::None | Event::End) && text > 0 {
            // A stream tells its text twice, piece by piece and again as a whole: the larger counts.
            let told = std::mem::replace(&mut self.output_bytes, 0);
            self.wrote(text);
            self.output_bytes = self.output_bytes.max(told).max(before);
        }
        Ok(document)
    }

    /// Reads the usage that comes next: in tokens, or as the length of the sound.
    fn usage_or_length(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        if cursor.kind()? != Kind::Object {
            return self.usage(cursor);
        }
        let json = cursor.skip()?;
        let mut has_length = false;
        self.members(&mut Cursor::new(json), |meter, cursor, name| {
            let value = cursor.skip()?;
            if matches!(name, "seconds" | "prompt_audio_seconds") && value != "null" {
                has_length = true;
                meter.told_seconds(value);
            }
            Ok(())
        })?;
        Ok(self.usage(&mut Cursor::new(json))? || has_length)
    }

    /// Takes a length in seconds as JSON spells it; what is no length is not believed, nor is none at all.
    fn told_seconds(&mut self, json: &str) {
        match whole_seconds(json) {
            Some(seconds) => self.media.told = self.media.told.max(Some(seconds).filter(|told| *told > 0)),
            None => self.suspect |= json != "null",
        }
    }
}

fn event_of(name: &str) -> Event {
    match name {
        "transcript.text.done" => Event::End,
        "transcript.text.delta" | "transcript.text.segment" => Event::Part,
        "error" => Event::Error,
        // A transcript that says its own kind is none.
        name if name.starts_with("transcript.") => Event::Idle,
        _ => Event::None,
    }
}

/// A number of seconds, rounded up; a string that holds one, too, as some spell it.
fn whole_seconds(json: &str) -> Option<i64> {
    let text = json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(json);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let is_more = fraction.bytes().any(|digit| digit != b'0');
    let seconds = whole.parse::<i64>().ok()?.checked_add(i64::from(is_more))?;
    Some(seconds).filter(|seconds| *seconds <= i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        for (json, want) in [
            ("0", Some(0)),
            ("9", Some(9)),
            ("9.0", Some(9)),
            ("8.470000267028809", Some(9)),
            ("\"8.47\"", Some(9)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483647.1", None),
            ("-1", None),
            ("1e3", None),
            ("1.", None),
            ("null", None),
            ("true", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(whole_seconds(json), want, "{json}");
        }
    }
}
