//! Reads the bodies of `POST /v1/audio/transcriptions` and `/translations`, part by part: sound to be heard, and what is said about
//! it. No field bounds what is written.

use super::parts::Field;
use super::reader::Reader;
use super::tally::long;
use crate::wire::json::JsonFault;
use crate::wire::multipart::FormFault;
use crate::wire::sound;

/// The parts that are read.
pub(super) const READ: [&str; 14] = [
    "model",
    "file",
    "prompt",
    "stream",
    "response_format",
    "language",
    "temperature",
    "known_speaker_names",
    "known_speaker_references",
    "models",
    "fallbacks",
    "url",
    "file_url",
    "file_id",
];

/// Those of them that are lists.
pub(super) const LISTS: [&str; 4] =
    ["include", "timestamp_granularities", "known_speaker_names", "known_speaker_references"];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 6] =
    ["language", "temperature", "include", "timestamp_granularities", "chunking_strategy", "user"];

/// Bytes of sound that are one unit of input at most.
const BYTES_PER_UNIT: i64 = 16;

/// A body that is JSON holds no sound.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    reader.body(&[], |reader, _, _| reader.control())?;
    reader.refuse("file", "file is missing; send multipart/form-data");
    Ok(())
}

/// Reads the parts.
///
/// # Errors
/// When one that is read is no text.
pub(super) fn read_parts<'a>(reader: &mut Reader<'a>, fields: &[Field<'a>]) -> Result<(), FormFault> {
    let mut has_file = false;
    for field in fields {
        match field.base() {
            "model" => reader.take_model_part(field)?,
            "file" => {
                has_file = true;
                reader.sound(field);
            }
            "prompt" | "known_speaker_names" => reader.fields.tally.plain(field.text()?),
            "known_speaker_references" => reader.hear(field),
            "stream" => reader.fields.stream = reader.flag_part("stream", field)?,
            "response_format" => {
                reader.fields.media.wants_text = matches!(field.text()?, "text" | "srt" | "vtt");
            }
            "models" | "fallbacks" => reader.second_model_part(field),
            "url" => reader.refuse("url", NAMED),
            "file_url" => reader.refuse("file_url", NAMED),
            "file_id" => reader.refuse("file_id", NAMED),
            name if CONTROLS.contains(&name) => {}
            _ => reader.unknown_part(field),
        }
    }
    reader.require_model("whisper-1");
    if !has_file {
        reader.refuse("file", "file is missing; it must be the sound, as a file");
    }
    reader.fields.choices = 1;
    // What is said about the sound is one message.
    reader.fields.tally.messages = 1;
    Ok(())
}

/// What is said to whoever names sound instead of sending it.
const NAMED: &str = "sound that is only named cannot be bounded here: send it as file";

impl<'a> Reader<'a> {
    fn sound(&mut self, field: &Field<'a>) {
        if !field.is_file() {
            self.refuse("file", "file must have a file's name");
        }
        let bytes = field.bytes();
        self.fields.media.sound_seconds = sound::seconds(bytes, bytes.len());
        self.hear(field);
    }

    /// Counts sound.
    fn hear(&mut self, field: &Field<'a>) {
        let bytes = long(field.bytes().len());
        let units = bytes.saturating_add(BYTES_PER_UNIT).saturating_sub(1).div_euclid(BYTES_PER_UNIT);
        let tally = &mut self.fields.tally;
        tally.audio = tally.audio.saturating_add(units);
        let heard = &mut self.fields.media.sound_bytes;
        *heard = heard.saturating_add(bytes);
    }
}
