//! Watches speech go by: bytes of sound, or the events of a stream of it. Sound tells at most how long it is; the last event of a
//! stream may tell what was used.

use super::{Content, Document, Meter};
use crate::wire::json::{Cursor, JsonFault, Kind};

impl Meter {
    /// Watches a piece of a reply that is sound by its content type.
    pub fn on_sound(&mut self, piece: &[u8]) {
        self.seen.answer |= !piece.is_empty();
        self.has_output |= !piece.is_empty();
        self.media.hear(piece);
    }

    /// Reads an event of a stream of speech; or a whole answer that has the sound inside, as some servers give it.
    pub(super) fn speech(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        self.members(cursor, |meter, cursor, name| {
            match name {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usage" => document.has_usage |= meter.usage(cursor)?,
                "type" if cursor.kind()? == Kind::Text => match cursor.text()?.decode().as_ref() {
                    "speech.audio.done" => document.content = Content::End,
                    "speech.audio.delta" => document.content = Content::Some,
                    "error" => document.is_error = true,
                    _ => {}
                },
                "audio" | "audio_data" | "data" => {
                    let is_sound = !matches!(cursor.skip()?, "null" | "\"\"");
                    meter.has_output |= is_sound;
                    if is_sound && document.content == Content::None {
                        document.content = Content::Some;
                    }
                }
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        Ok(document)
    }
}
