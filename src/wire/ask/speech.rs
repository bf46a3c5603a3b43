//! Reads the body of `POST /v1/audio/speech`, in one pass. By the character, what it costs is known beforehand; by the token or
//! the second it is bounded by the length of the text.

use super::inputs::PER_INPUT;
use super::reader::Reader;
use super::tally::long;
use crate::wire::json::{JsonFault, Kind};

/// What is read at the top level.
const READ: [&str; 6] = ["model", "input", "instructions", "stream_format", "models", "fallbacks"];

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let mut has_input = false;
    reader.body(&READ, |reader, _, name| match name {
        "model" => reader.model(),
        "input" => {
            has_input = true;
            reader.spoken_text()
        }
        // By the token, how it shall be spoken costs too.
        "instructions" => reader.string("instructions"),
        "stream_format" => reader.stream_format(),
        "models" | "fallbacks" => reader.second_model(name),
        // A voice, a speed, a format: none of them costs.
        _ => reader.control(),
    })?;
    reader.require_model("tts-1");
    if !has_input {
        reader.refuse("input", "input is missing; it must be a string: what is to be spoken");
    }
    reader.fields.choices = 1;
    reader.fields.spoken = true;
    reader.fields.added = PER_INPUT;
    Ok(())
}

impl Reader<'_> {
    fn spoken_text(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Text {
            self.cursor.skip()?;
            self.refuse("input", "input must be a string: what is to be spoken");
            return Ok(());
        }
        let text = self.cursor.text()?;
        self.fields.media.characters = long(text.decode().chars().count());
        self.fields.media.spoken_bytes = long(text.length);
        self.fields.tally.text(&text);
        Ok(())
    }

    fn stream_format(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.fields.stream = self.cursor.text()?.decode() == "sse",
            _ if self.cursor.skip()? == "null" => {}
            _ => self.refuse("stream_format", "stream_format must be \"audio\" or \"sse\""),
        }
        Ok(())
    }
}
