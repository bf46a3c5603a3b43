//! The one strict reader of JSON objects. Owns the rules every body is held to: one document, valid UTF-8, at most
//! [`MAX_DEPTH`] deep, no key twice. Its faults say where, never what: a body may hold a prompt or a secret.

mod cursor;

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

pub(super) use cursor::{Cursor, Kind, Text};

/// The deepest nesting that is read, counting the outermost object as 1.
pub const MAX_DEPTH: u32 = 128;

/// The most members of an object that is read by name; objects nobody reads may have any number.
pub const MAX_MEMBERS: usize = 1024;

/// The most bytes of a foreign key that a fault repeats.
const MAX_NAMED: usize = 64;

/// Why a body is not the object that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// No JSON at all, or more than one document.
    Malformed {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault in bytes, from 1.
        column: usize,
        /// What was expected there.
        reason: &'static str,
    },
    /// JSON, but not an object.
    NotAnObject,
    /// A key that comes twice, or that equals a known one but for the case of its letters; at most 64 bytes of it.
    Duplicate(String),
    /// Nested beyond [`MAX_DEPTH`].
    TooDeep,
    /// An object of more than [`MAX_MEMBERS`] members.
    TooManyMembers,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { line, column, reason } => {
                write!(f, "The body is not valid JSON: {reason} at line {line}, column {column}")
            }
            Self::NotAnObject => f.write_str("The body must be a JSON object"),
            Self::Duplicate(key) => {
                write!(
                    f,
                    "The key {key:?} comes twice, or differs from a known key only in the case of its letters"
                )
            }
            Self::TooDeep => write!(f, "The body is nested too deep: at most {MAX_DEPTH} levels are read"),
            Self::TooManyMembers => write!(f, "An object of the body has more than {MAX_MEMBERS} members"),
        }
    }
}

impl std::error::Error for JsonFault {}

/// The members of the object that `text` holds, in their order; keys unescaped, values as they were sent.
///
/// # Errors
/// When `text` is not exactly one JSON object within the bounds, or has a key twice after unescaping.
pub fn members(text: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>, JsonFault> {
    let text = utf8(text)?;
    let mut cursor = Cursor::new(text);
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        cursor.end()?;
        return Err(JsonFault::NotAnObject);
    }
    let mut members = Vec::new();
    let mut names = Names::default();
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let key = key.decode();
        names.note(key.clone(), &[])?;
        let value = cursor.skip()?;
        let value: &RawValue = serde_json::from_str(value).map_err(|_| cursor.fault("expected a value"))?;
        members.push((key, value));
    }
    cursor.end()?;
    names.check()?;
    Ok(members)
}

/// Whether `key` equals one of `read_names` only when case is ignored, as servers written in Go match keys; `ſ` (U+017F)
/// counts as an s and `K` (U+212A) as a k. A key that equals one exactly is none.
pub fn lookalike(key: &str, read_names: &[&str]) -> bool {
    !read_names.contains(&key) && read_names.iter().any(|name| folds_to(key, name))
}

fn folds_to(key: &str, name: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(name);
    }
    let folded = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars().map(folded))
}

/// The keys of one object that enforcement reads.
#[derive(Default)]
pub(super) struct Names<'a> {
    seen: Vec<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Takes note of `key`.
    ///
    /// # Errors
    /// When it is a [`lookalike`] of `read_names`, or one key too many.
    pub(super) fn note(&mut self, key: Cow<'a, str>, read_names: &[&str]) -> Result<(), JsonFault> {
        self.look(&key, read_names)?;
        if self.seen.len() >= MAX_MEMBERS {
            return Err(JsonFault::TooManyMembers);
        }
        self.seen.push(key);
        Ok(())
    }

    /// Judges `key` without taking note of it.
    ///
    /// # Errors
    /// When it is a [`lookalike`] of `read_names`.
    pub(super) fn look(&self, key: &str, read_names: &[&str]) -> Result<(), JsonFault> {
        if lookalike(key, read_names) { Err(duplicate(key)) } else { Ok(()) }
    }

    /// To be called at the object's end.
    ///
    /// # Errors
    /// When a key came twice.
    pub(super) fn check(mut self) -> Result<(), JsonFault> {
        self.seen.sort_unstable();
        match self.seen.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
            Some(key) => Err(duplicate(key)),
            None => Ok(()),
        }
    }
}

fn duplicate(key: &str) -> JsonFault {
    JsonFault::Duplicate(shortened(key, MAX_NAMED).to_owned())
}

/// At most the first `most` bytes of `text`, cut between characters.
pub(super) fn shortened(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// `bytes` as text.
///
/// # Errors
/// [`JsonFault::Malformed`] where the first byte that is not UTF-8 stands.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, JsonFault> {
    std::str::from_utf8(bytes).map_err(|fault| malformed(bytes, fault.valid_up_to(), "expected UTF-8"))
}

/// A fault at byte `at` of `text`.
fn malformed(text: &[u8], at: usize, reason: &'static str) -> JsonFault {
    let before = text.get(..at).unwrap_or(text);
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline.saturating_add(1));
    JsonFault::Malformed {
        line: memchr::memchr_iter(b'\n', before).count().saturating_add(1),
        column: before.len().saturating_sub(line_start).saturating_add(1),
        reason,
    }
}

#[cfg(test)]
mod tests;
