//! Reads the body of `POST /v1/rerank`, in one pass. There is no output: what it costs is its input, and the query is read anew
//! with each document.

use super::inputs::PER_INPUT;
use super::messages::content;
use super::reader::Reader;
use crate::wire::json::{JsonFault, Kind};

/// What is read at the top level.
const READ: [&str; 5] = ["model", "query", "documents", "models", "fallbacks"];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 7] = [
    "top_n",
    "top_k",
    "return_documents",
    "max_chunks_per_doc",
    "max_tokens_per_doc",
    "truncation",
    "rank_fields",
];

/// What is read of it alone.
#[derive(Default)]
struct Seen {
    has_query: bool,
    documents: Option<i64>,
    /// Bytes and text of the documents.
    of_documents: (i64, i64),
}

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let mut seen = Seen::default();
    reader.body(&READ, |reader, key, name| {
        match name {
            "model" => reader.model()?,
            "query" => {
                seen.has_query = true;
                reader.query()?;
            }
            "documents" => {
                let before = (reader.fields.tally.bytes, reader.fields.tally.text);
                seen.documents = Some(reader.documents()?);
                let tally = &reader.fields.tally;
                seen.of_documents =
                    (tally.bytes.saturating_sub(before.0), tally.text.saturating_sub(before.1));
            }
            "models" | "fallbacks" => reader.second_model(name)?,
            _ if CONTROLS.contains(&name) => reader.control()?,
            _ => reader.unknown(key)?,
        }
        Ok(())
    })?;
    reader.require_model("rerank-2.5");
    if !seen.has_query {
        reader.refuse("query", "query is missing; it must be a string");
    }
    if seen.documents.is_none() {
        reader.refuse("documents", "documents is missing; it must be an array of strings or objects");
    }
    reader.multiply(&seen);
    reader.fields.choices = 1;
    Ok(())
}

impl Reader<'_> {
    /// All but the documents counts once for each of them.
    fn multiply(&mut self, seen: &Seen) {
        let documents = seen.documents.unwrap_or_default();
        let more = documents.saturating_sub(1).max(0);
        let fields = &mut self.fields;
        let query = fields.tally.bytes.saturating_sub(seen.of_documents.0);
        // Around the query and around the document.
        let around = documents.saturating_mul(2 * PER_INPUT);
        fields.added = fields.added.saturating_add(query.saturating_mul(more)).saturating_add(around);
        let query_text = fields.tally.text.saturating_sub(seen.of_documents.1);
        fields.tally.text = fields.tally.text.saturating_add(query_text.saturating_mul(more));
    }

    fn query(&mut self) -> Result<(), JsonFault> {
        if matches!(self.cursor.kind()?, Kind::Text | Kind::Object) {
            return content(&mut self.cursor, &mut self.fields.tally);
        }
        self.cursor.skip()?;
        self.refuse("query", "query must be a string");
        Ok(())
    }

    /// How many there are.
    fn documents(&mut self) -> Result<i64, JsonFault> {
        const WRONG: &str = "documents must be an array of strings or objects";
        let mut count = 0_i64;
        if self.cursor.kind()? != Kind::Array {
            self.cursor.skip()?;
            self.refuse("documents", WRONG);
            return Ok(count);
        }
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            count = count.saturating_add(1);
            if matches!(self.cursor.kind()?, Kind::Text | Kind::Object) {
                content(&mut self.cursor, &mut self.fields.tally)?;
            } else {
                self.cursor.skip()?;
                self.refuse("documents", WRONG);
            }
        }
        Ok(count)
    }
}
