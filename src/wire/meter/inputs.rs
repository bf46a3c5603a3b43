//! Reads answers of models that write nothing: embeddings, moderations, rankings. What was used is the input, where the answer
//! says so at all.

use super::usage::Reported;
use super::{Content, Document, Meter};
use crate::wire::json::{Cursor, JsonFault, Kind};

impl Meter {
    /// Reads a list of results.
    pub(super) fn results(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        self.members(cursor, |meter, cursor, name| {
            match name {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usage" => document.has_usage |= meter.input_usage(cursor)?,
                "data" | "results" if cursor.kind()? == Kind::Array => {
                    cursor.skip()?;
                    document.content = Content::Some;
                }
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        Ok(document)
    }

    /// Reads the usage that comes next. Some name the input, some only a total, which is the same here.
    fn input_usage(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        Ok(self.take_usage(&Reported::read_input(cursor)?))
    }
}
