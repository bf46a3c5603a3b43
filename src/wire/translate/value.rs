//! A value of the client's body, and where it stands there, so that a refusal can name it. Objects are read as strictly as
//! everywhere: a key that comes twice is refused.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::prompt::Set;
use crate::wire::ask::AskFault;
use crate::wire::endpoints::Dialect;
use crate::wire::json::{Cursor, JsonFault, Kind, members};

/// The longest spelling of something that says nothing, in bytes.
const LONGEST_IDLE: usize = 256;

/// The most items of an array that is read one by one.
const MOST_ITEMS: usize = 65_536;

/// What stands between words of JSON.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// See the file's head.
#[derive(Clone, Debug)]
pub(super) struct Value<'a> {
    /// As in `messages[3].content`.
    pub(super) path: String,
    /// What stands there, as it was sent.
    pub(super) raw: &'a RawValue,
    /// Whose API it is translated for: refusals name it.
    pub(super) to: Dialect,
}

/// A provider's name, as refusals have it.
pub(super) const fn company(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "OpenAI",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Google",
    }
}

/// Whether both are the same JSON, however they are spelled.
fn is_same(one: &str, other: &str) -> bool {
    // Nothing that says nothing is long, but for its blanks.
    let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
    other.len() < LONGEST_IDLE && read(other).is_some_and(|other| read(one) == Some(other))
}

impl<'a> Value<'a> {
    /// The members of the body itself, which is translated for `to`.
    ///
    /// # Errors
    /// When it is no object, or has a key twice.
    pub(super) fn of_body(body: &'a [u8], to: Dialect) -> Result<Vec<(Cow<'a, str>, Self)>, AskFault> {
        let members = members(body)?;
        Ok(members
            .into_iter()
            .map(|(name, raw)| (name.clone(), Self { path: name.into_owned(), raw, to }))
            .collect())
    }

    /// `value`, as what stands here.
    pub(super) fn set<T>(&self, value: T) -> Set<T> {
        Set { value, path: self.path.clone() }
    }

    /// A refusal of it: `why` completes a sentence that begins with its path.
    pub(super) fn refuse(&self, why: &str) -> AskFault {
        self.set(()).refuse(why)
    }

    /// A refusal because there is no such thing in the other dialect.
    pub(super) fn inexpressible(&self) -> AskFault {
        self.set(()).inexpressible(self.to)
    }

    /// Whether it says nothing.
    pub(super) fn is_null(&self) -> bool {
        self.raw.get() == "null"
    }

    /// Refuses it unless it is null or one of `idle`, which say nothing either.
    pub(super) fn must_be_idle(&self, idle: &[&str]) -> Result<(), AskFault> {
        let is_idle = |idle: &&str| *idle == self.raw.get() || is_same(idle, self.raw.get());
        if self.is_null() || idle.iter().any(is_idle) { Ok(()) } else { Err(self.inexpressible()) }
    }

    /// Whether it is a string.
    pub(super) fn is_text(&self) -> bool {
        self.raw.get().starts_with('"')
    }

    /// The string it must be.
    pub(super) fn text(&self) -> Result<String, AskFault> {
        serde_json::from_str(self.raw.get()).map_err(|_| self.refuse("must be a string"))
    }

    /// True or false; `None` for null.
    pub(super) fn flag(&self) -> Result<Option<bool>, AskFault> {
        serde_json::from_str(self.raw.get()).map_err(|_| self.refuse("must be true or false"))
    }

    /// The number it must be, as it was spelled.
    pub(super) fn number(&self) -> Result<&'a RawValue, AskFault> {
        let number: Option<f64> = serde_json::from_str(self.raw.get()).ok();
        if number.is_some() { Ok(self.raw) } else { Err(self.refuse("must be a number")) }
    }

    /// The items of the array it must be.
    pub(super) fn items(&self) -> Result<Vec<Self>, AskFault> {
        let mut cursor = Cursor::new(self.raw.get());
        if cursor.kind()? != Kind::Array {
            return Err(self.refuse("must be an array"));
        }
        let mut items = Vec::new();
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            // What is read of an item takes more room than the item: many small ones would take too much.
            if items.len() == MOST_ITEMS {
                return Err(
                    self.refuse(&format!("must hold at most {MOST_ITEMS} items where it is translated"))
                );
            }
            let item = serde_json::from_str(cursor.skip()?);
            let raw: &'a RawValue = item.map_err(|_| cursor.fault("expected a value"))?;
            items.push(Self { path: format!("{}[{}]", self.path, items.len()), raw, to: self.to });
        }
        Ok(items)
    }

    /// The members of the object it must be.
    pub(super) fn members(&self) -> Result<Vec<(Cow<'a, str>, Self)>, AskFault> {
        let members = members(self.raw.get().as_bytes()).map_err(|fault| match fault {
            JsonFault::NotAnObject => self.refuse("must be an object"),
            other => AskFault::Json(other),
        })?;
        let at = |(name, raw): (Cow<'a, str>, &'a RawValue)| {
            let path = format!("{}.{name}", self.path);
            (name, Self { path, raw, to: self.to })
        };
        Ok(members.into_iter().map(at).collect())
    }

    /// The JSON object that the string it must be holds, as it is spelled there; an empty one of an empty text.
    pub(super) fn object_text(&self) -> Result<Box<RawValue>, AskFault> {
        let text = self.text()?;
        let json = match text.trim_matches(BLANKS) {
            "" => "{}",
            json => json,
        };
        let mut cursor = Cursor::new(json);
        // As strictly as the body itself is read, in which it will stand.
        let is_object = cursor.kind() == Ok(Kind::Object) && cursor.skip().is_ok() && cursor.end().is_ok();
        let raw = RawValue::from_string(json.to_owned()).ok().filter(|_| is_object);
        raw.ok_or_else(|| self.refuse("must be the text of a JSON object"))
    }

    /// The object it must be, passed on as it was sent.
    pub(super) fn object(&self) -> Result<&'a RawValue, AskFault> {
        if self.raw.get().starts_with('{') { Ok(self.raw) } else { Err(self.refuse("must be an object")) }
    }
}
