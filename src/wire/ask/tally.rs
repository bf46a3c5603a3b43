//! The sum of a request's input while it is walked. Owns what counts as what; knows no dialect.

use std::borrow::Cow;

use crate::wire::json::{Cursor, JsonFault, Kind, Text};

/// Members whose strings are labels: they bound the input but are no text.
const LABELS: [&str; 6] = ["role", "type", "id", "tool_call_id", "tool_use_id", "signature"];

/// Keys that a model never sees as such: a tokenizer need not count them (their bytes do count).
const STRUCTURE: [&str; 15] = [
    "role",
    "type",
    "id",
    "tool_call_id",
    "tool_use_id",
    "signature",
    "thinking",
    "content",
    "text",
    "name",
    "tool_calls",
    "function",
    "arguments",
    "image_url",
    "url",
];

/// Walks the object that comes next.
pub(super) type Walk<'a> = fn(&mut Cursor<'a>, &mut Tally<'a>) -> Result<(), JsonFault>;

/// What was walked so far.
#[derive(Debug, Default)]
pub(super) struct Tally<'a> {
    /// Bytes that may reach the model.
    pub(super) bytes: i64,
    /// Bytes of them that are text.
    pub(super) text: i64,
    /// Messages.
    pub(super) messages: i64,
    /// Tools and functions.
    pub(super) tools: i64,
    /// Inline images.
    pub(super) images: i64,
    /// Units of inline audio.
    pub(super) audio: i64,
    /// Whether there is input that is only named, or whose size says nothing.
    pub(super) unseen: bool,
    /// What `bytes` counts, when it is wanted.
    pub(super) texts: Option<Vec<Cow<'a, str>>>,
}

impl<'a> Tally<'a> {
    /// A string that is text.
    pub(super) fn text(&mut self, text: &Text<'a>) {
        self.text = self.text.saturating_add(long(text.length));
        self.label(text);
    }

    /// A string that is no text but may reach the model.
    pub(super) fn label(&mut self, text: &Text<'a>) {
        self.bytes = self.bytes.saturating_add(long(text.length));
        if let Some(texts) = &mut self.texts {
            texts.push(text.decode());
        }
    }

    /// A text that stands in the body without quotes and escapes.
    pub(super) fn plain(&mut self, text: &'a str) {
        self.text = self.text.saturating_add(long(text.len()));
        self.raw(text);
    }

    /// A key.
    pub(super) fn key(&mut self, key: &Text<'a>) {
        self.bytes = self.bytes.saturating_add(long(key.length));
        if let Some(texts) = &mut self.texts {
            let key = key.decode();
            if !STRUCTURE.contains(&key.as_ref()) {
                texts.push(key);
            }
        }
    }

    /// JSON that may reach the model in whatever form.
    pub(super) fn raw(&mut self, json: &'a str) {
        self.bytes = self.bytes.saturating_add(long(json.len()));
        if let Some(texts) = &mut self.texts {
            texts.push(Cow::Borrowed(json));
        }
    }

    /// JSON that is given to the model.
    pub(super) fn raw_text(&mut self, json: &'a str) {
        self.text = self.text.saturating_add(long(json.len()));
        self.raw(json);
    }

    /// Walks any value: strings, keys, and the rest as it is spelled.
    ///
    /// # Errors
    /// When it is no JSON or too deep.
    pub(super) fn walk(&mut self, cursor: &mut Cursor<'a>) -> Result<(), JsonFault> {
        match cursor.kind()? {
            Kind::Text => self.text(&cursor.text()?),
            Kind::Object => {
                let mut object = cursor.enter()?;
                while let Some(key) = cursor.next_key(&mut object)? {
                    self.member(cursor, &key)?;
                }
            }
            Kind::Array => {
                let mut array = cursor.enter()?;
                while cursor.next_item(&mut array)? {
                    self.walk(cursor)?;
                }
            }
            Kind::Number | Kind::True | Kind::False | Kind::Null => self.raw(cursor.skip()?),
        }
        Ok(())
    }

    /// Walks the array of messages that comes next, of which each object is one that `message` walks.
    ///
    /// # Errors
    /// As [`Tally::walk`], and what `message` finds wrong.
    pub(super) fn messages(&mut self, cursor: &mut Cursor<'a>, message: Walk<'a>) -> Result<(), JsonFault> {
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            self.messages = self.messages.saturating_add(1);
            self.part(cursor, message)?;
        }
        Ok(())
    }

    /// Walks the content that comes next: text, a part, or an array of parts, of which `part` walks the objects.
    ///
    /// # Errors
    /// As [`Tally::walk`], and what `part` finds wrong.
    pub(super) fn content(&mut self, cursor: &mut Cursor<'a>, part: Walk<'a>) -> Result<(), JsonFault> {
        if cursor.kind()? != Kind::Array {
            return self.part(cursor, part);
        }
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            self.part(cursor, part)?;
        }
        Ok(())
    }

    fn part(&mut self, cursor: &mut Cursor<'a>, part: Walk<'a>) -> Result<(), JsonFault> {
        if cursor.kind()? == Kind::Object { part(cursor, self) } else { self.walk(cursor) }
    }

    /// Walks the member `key`, whose value comes next.
    ///
    /// # Errors
    /// As [`Tally::walk`].
    pub(super) fn member(&mut self, cursor: &mut Cursor<'a>, key: &Text<'a>) -> Result<(), JsonFault> {
        self.key(key);
        self.value(cursor, key)
    }

    /// Walks the value of the member `key`, which comes next.
    ///
    /// # Errors
    /// As [`Tally::walk`].
    pub(super) fn value(&mut self, cursor: &mut Cursor<'a>, key: &Text<'a>) -> Result<(), JsonFault> {
        if cursor.kind()? == Kind::Text && LABELS.contains(&key.decode().as_ref()) {
            self.label(&cursor.text()?);
            return Ok(());
        }
        self.walk(cursor)
    }
}

/// A length as the sums here hold it.
pub(super) fn long(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
