//! Reads what OpenAI's chat answers, and those who follow it: completions and the pieces of a stream of one.

use super::usage::Reported;
use super::{Content, Document, Meter};
use crate::wire::ask::ServiceTier;
use crate::wire::json::{Cursor, JsonFault, Kind};

impl Meter {
    /// Reads a completion, or a piece of one.
    pub(super) fn chat(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        match cursor.kind()? {
            Kind::Object => {}
            Kind::Array => {
                // Google wraps its errors so.
                let mut array = cursor.enter()?;
                while cursor.next_item(&mut array)? {
                    document.is_error |= self.chat(cursor)?.is_error;
                }
                return Ok(document);
            }
            _ => return cursor.skip().map(|_| document),
        }
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            match key.decode().as_ref() {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usage" => document.has_usage |= self.usage(cursor)?,
                "x_groq" => self.nested_usage(cursor)?,
                "service_tier" => self.tier(cursor)?,
                "choices" if cursor.kind()? == Kind::Array => document.content = self.choices(cursor)?,
                _ => cursor.skip().map(|_| ())?,
            }
        }
        Ok(document)
    }

    /// Reads the usage that comes next; whether it says anything.
    pub(super) fn usage(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        Ok(self.take_usage(&Reported::read(cursor)?))
    }

    fn nested_usage(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(|_| ());
        }
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            match key.decode().as_ref() {
                "usage" => self.usage(cursor).map(|_| ())?,
                _ => cursor.skip().map(|_| ())?,
            }
        }
        Ok(())
    }

    pub(super) fn tier(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Text => self.tier = Some(ServiceTier::named(&cursor.text()?.decode())),
            _ => cursor.skip().map(|_| ())?,
        }
        Ok(())
    }

    /// Reads the choices; whether there are any.
    pub(super) fn choices(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, JsonFault> {
        let mut content = Content::Hollow;
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            content = Content::Some;
            self.members(cursor, |meter, cursor, name| match name {
                "delta" | "message" => meter.message(cursor),
                "text" => meter.text(cursor),
                _ => cursor.skip().map(|_| ()),
            })?;
        }
        Ok(content)
    }

    /// What the model wrote: one message, or the next piece of it.
    fn message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        // Some send the same thought under two names; the longer counts.
        let (mut thought, mut same_thought) = (0, 0);
        self.members(cursor, |meter, cursor, name| {
            match name {
                "content" | "refusal" => meter.text(cursor)?,
                "reasoning_content" => thought = meter.measure(cursor)?,
                "reasoning" => same_thought = meter.measure(cursor)?,
                "tool_calls" | "function_call" | "audio" => meter.parts(cursor)?,
                "images" => meter.has_output |= cursor.skip()? != "null",
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        self.wrote(thought.max(same_thought));
        Ok(())
    }

    /// Text, or an array of parts that hold text.
    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Object | Kind::Array => self.parts(cursor),
            _ => self.plain_text(cursor),
        }
    }

    /// The bytes of a text that comes next, which do not count yet.
    fn measure(&self, cursor: &mut Cursor<'_>) -> Result<usize, JsonFault> {
        match cursor.kind()? {
            Kind::Text => Ok(cursor.text()?.length),
            _ => cursor.skip().map(|_| 0),
        }
    }

    /// Tool calls, sound, parts of content: what the model wrote is under these names, at any depth.
    fn parts(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Array => {
                let mut array = cursor.enter()?;
                while cursor.next_item(&mut array)? {
                    self.parts(cursor)?;
                }
                Ok(())
            }
            Kind::Object => self.members(cursor, |meter, cursor, name| match name {
                "text" | "refusal" | "name" | "arguments" | "input" | "transcript" => meter.text(cursor),
                "data" => {
                    meter.has_output |= !matches!(cursor.skip()?, "null" | "\"\"");
                    Ok(())
                }
                "function" | "custom" | "thinking" => meter.text(cursor),
                _ => cursor.skip().map(|_| ()),
            }),
            _ => cursor.skip().map(|_| ()),
        }
    }
}
