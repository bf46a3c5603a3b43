//! Reads the body of `POST /v1/moderations`, in one pass. There is no output: what it costs is its input.

use super::inputs::PER_INPUT;
use super::messages::content;
use super::reader::Reader;
use crate::wire::json::{JsonFault, Kind};

/// What is read at the top level.
const READ: [&str; 4] = ["model", "input", "models", "fallbacks"];

/// The model that OpenAI takes where the body names none.
const DEFAULT_MODEL: &str = "omni-moderation-latest";

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let (mut has_model, mut has_input) = (false, false);
    reader.body(&READ, |reader, key, name| {
        has_model |= name == "model";
        has_input |= name == "input";
        match name {
            "model" => reader.model(),
            "input" => reader.judged(),
            "models" | "fallbacks" => reader.second_model(name),
            _ => reader.unknown(key),
        }
    })?;
    if !has_model {
        // What is priced is what is sent: the name is put into the body, see `outgoing`.
        DEFAULT_MODEL.clone_into(&mut reader.fields.model);
    }
    if !has_input {
        reader.refuse("input", "input is missing; it must be a string, or an array of strings or parts");
    }
    reader.fields.choices = 1;
    Ok(())
}

impl Reader<'_> {
    /// Text or pictures to be judged: a string, or an array of strings or of parts as messages have them.
    fn judged(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.judged_one(),
            Kind::Array => {
                let mut array = self.cursor.enter()?;
                while self.cursor.next_item(&mut array)? {
                    self.judged_one()?;
                }
                Ok(())
            }
            _ => {
                self.cursor.skip()?;
                self.refuse("input", "input must be a string, or an array of strings or parts");
                Ok(())
            }
        }
    }

    fn judged_one(&mut self) -> Result<(), JsonFault> {
        self.fields.added = self.fields.added.saturating_add(PER_INPUT);
        if matches!(self.cursor.kind()?, Kind::Text | Kind::Object) {
            return content(&mut self.cursor, &mut self.fields.tally);
        }
        self.cursor.skip()?;
        self.refuse("input", "input must be a string, or an array of strings or parts");
        Ok(())
    }
}
