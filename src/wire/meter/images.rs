//! Reads what OpenAI's images answer: a list of them, or the events of a stream of one.

use super::{Content, Document, Meter};
use crate::wire::json::{Cursor, JsonFault, Kind};

impl Meter {
    /// Reads a list of images, or an event.
    pub(super) fn images(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        let mut is_whole = false;
        self.members(cursor, |meter, cursor, name| {
            match name {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usage" => document.has_usage |= meter.usage(cursor)?,
                "data" if cursor.kind()? == Kind::Array => {
                    document.content = Content::Some;
                    let mut array = cursor.enter()?;
                    while cursor.next_item(&mut array)? {
                        let is_image = cursor.kind()? == Kind::Object;
                        cursor.skip()?;
                        meter.made(i64::from(is_image));
                    }
                }
                "type" if cursor.kind()? == Kind::Text => match cursor.text()?.decode().as_ref() {
                    "error" => document.is_error = true,
                    event if event.ends_with(".completed") => is_whole = true,
                    event if event.ends_with(".partial_image") => {
                        meter.has_output = true;
                        document.content = Content::Some;
                    }
                    _ => document.content = Content::Idle,
                },
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        if is_whole {
            self.made(1);
            document.content = Content::End;
        }
        Ok(document)
    }

    fn made(&mut self, images: i64) {
        self.has_output |= images > 0;
        self.media.images = self.media.images.saturating_add(images);
    }
}
