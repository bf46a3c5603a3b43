//! Reads input that is given as texts or as ids of tokens, as embeddings and the older completions take it, and the strings of
//! such bodies. Each id is one unit of input, whatever its bytes.

use super::reader::Reader;
use crate::wire::json::{JsonFault, Kind};

/// Units of input that a model may put around each input: a begin, an end, a separator.
pub(super) const PER_INPUT: i64 = 4;

/// Bytes of text that a unit of input is about: what the floor takes an id for.
const BYTES_PER_ID: i64 = 4;

impl Reader<'_> {
    /// A string, an array of strings, an array of ids, or an array of such arrays; anything else is refused. How many inputs
    /// those are: an array of ids is one.
    pub(super) fn inputs(&mut self, param: &'static str) -> Result<i64, JsonFault> {
        let mut count = 0_i64;
        let mut has_ids = false;
        match self.cursor.kind()? {
            Kind::Text => {
                self.input_text()?;
                count = 1;
            }
            Kind::Array => {
                let mut array = self.cursor.enter()?;
                while self.cursor.next_item(&mut array)? {
                    match self.cursor.kind()? {
                        Kind::Text => self.input_text()?,
                        Kind::Array => self.ids(param)?,
                        _ => {
                            self.id(param)?;
                            has_ids = true;
                            continue;
                        }
                    }
                    count = count.saturating_add(1);
                }
            }
            _ => {
                self.cursor.skip()?;
                self.no_input(param);
            }
        }
        let count = count.saturating_add(i64::from(has_ids));
        self.fields.added = self.fields.added.saturating_add(count.saturating_mul(PER_INPUT));
        Ok(count)
    }

    /// A string that the model reads; null is none, anything else is refused.
    pub(super) fn string(&mut self, param: &'static str) -> Result<(), JsonFault> {
        if self.cursor.kind()? == Kind::Text {
            return self.input_text();
        }
        if self.cursor.skip()? != "null" {
            self.refuse(param, &format!("{param} must be a string"));
        }
        Ok(())
    }

    fn input_text(&mut self) -> Result<(), JsonFault> {
        let text = self.cursor.text()?;
        self.fields.tally.text(&text);
        Ok(())
    }

    fn ids(&mut self, param: &'static str) -> Result<(), JsonFault> {
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            self.id(param)?;
        }
        Ok(())
    }

    fn id(&mut self, param: &'static str) -> Result<(), JsonFault> {
        let kind = self.cursor.kind()?;
        self.cursor.skip()?;
        if kind == Kind::Number {
            self.fields.added = self.fields.added.saturating_add(1);
            let text = &mut self.fields.tally.text;
            *text = text.saturating_add(BYTES_PER_ID);
        } else {
            self.no_input(param);
        }
        Ok(())
    }

    fn no_input(&mut self, param: &'static str) {
        self.refuse(param, &format!("{param} must be a string, an array of strings, or token ids"));
    }
}
