//! Reads the body of `POST /v1/embeddings`, in one pass. There is no output: what it costs is its input.

use super::reader::Reader;
use crate::wire::json::{JsonFault, Text};

/// What is read at the top level.
const READ: [&str; 4] = ["model", "input", "models", "fallbacks"];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 5] = ["dimensions", "encoding_format", "user", "output_dimension", "output_dtype"];

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let mut inputs = None;
    let mut unknown = 0_i64;
    reader.body(&READ, |reader, key, name| {
        match name {
            "model" => reader.model()?,
            "input" => inputs = Some(reader.inputs("input")?),
            "models" | "fallbacks" => reader.second_model(name)?,
            _ if CONTROLS.contains(&name) => reader.control()?,
            _ => unknown = unknown.saturating_add(unknown_bytes(reader, key)?),
        }
        Ok(())
    })?;
    reader.require_model("text-embedding-3-small");
    let Some(inputs) = inputs else {
        reader.refuse("input", "input is missing; it must be a string, an array of strings, or token ids");
        return Ok(());
    };
    // What is not known here may be put before every input, as an instruction is.
    reader.fields.added = reader.fields.added.saturating_add(unknown.saturating_mul(inputs));
    reader.fields.choices = 1;
    Ok(())
}

/// Takes a member that nobody here knows; the bytes of it.
fn unknown_bytes<'a>(reader: &mut Reader<'a>, key: &Text<'a>) -> Result<i64, JsonFault> {
    let before = reader.fields.tally.bytes;
    reader.unknown(key)?;
    Ok(reader.fields.tally.bytes.saturating_sub(before))
}
