//! A cursor over JSON text: pulls one value after the other, with spans, without building anything. Every value
//! is validated as it is passed, also those that are skipped: syntax, escapes, surrogates, depth.

use std::borrow::Cow;
use std::ops::Range;

use super::{JsonFault, MAX_DEPTH, malformed};

/// What kind of value comes next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    Text,
    /// A digit or a minus sign.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// An object or array that was entered and not yet left.
#[derive(Debug)]
pub(in crate::wire) struct Nest {
    close: u8,
    at_start: bool,
}

/// A string: its text as sent, and how long it is without its escapes.
#[derive(Copy, Clone, Debug)]
pub(in crate::wire) struct Text<'a> {
    quoted: &'a str,
    /// Bytes of UTF-8 after unescaping.
    pub(in crate::wire) length: usize,
}

impl<'a> Text<'a> {
    /// The text without its escapes; borrowed when it has none.
    pub(in crate::wire) fn decode(&self) -> Cow<'a, str> {
        let inner = self.quoted.get(1..self.quoted.len().saturating_sub(1)).unwrap_or_default();
        if inner.len() == self.length {
            return Cow::Borrowed(inner);
        }
        Cow::Owned(serde_json::from_str(self.quoted).expect("the cursor has validated every escape"))
    }
}

/// A place in a JSON text. After an error the place is meaningless.
pub(in crate::wire) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    /// At the start of `text`.
    pub(in crate::wire) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The offset in bytes of what comes next.
    pub(in crate::wire) const fn offset(&self) -> usize {
        self.at
    }

    /// The text from the offset `start` up to this place.
    pub(in crate::wire) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// A fault at this place.
    pub(in crate::wire) fn fault(&self, reason: &'static str) -> JsonFault {
        malformed(self.text.as_bytes(), self.at, reason)
    }

    /// The kind of the value that comes next, which is not consumed.
    pub(in crate::wire) fn kind(&mut self) -> Result<Kind, JsonFault> {
        match self.after_blanks() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.fault("expected a value")),
        }
    }

    /// Enters the object or array that comes next.
    pub(in crate::wire) fn enter(&mut self) -> Result<Nest, JsonFault> {
        let close = match self.after_blanks() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return Err(self.fault("expected an object or array")),
        };
        if self.depth >= MAX_DEPTH {
            return Err(JsonFault::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.advance(1);
        Ok(Nest { close, at_start: true })
    }

    /// The key of the next member, or `None` behind the object's end. The member's value must be consumed before the
    /// next call.
    pub(in crate::wire) fn next_key(&mut self, object: &mut Nest) -> Result<Option<Text<'a>>, JsonFault> {
        if !self.next_item(object)? {
            return Ok(None);
        }
        if self.after_blanks() != Some(b'"') {
            return Err(self.fault("expected a key in quotes"));
        }
        let key = self.text()?;
        if self.after_blanks() != Some(b':') {
            return Err(self.fault("expected a colon"));
        }
        self.advance(1);
        Ok(Some(key))
    }

    /// Whether a further item comes; the nest is left when not. The item must be consumed before the next call.
    pub(in crate::wire) fn next_item(&mut self, nest: &mut Nest) -> Result<bool, JsonFault> {
        let next = self.after_blanks();
        if next == Some(nest.close) {
            self.advance(1);
            self.depth = self.depth.saturating_sub(1);
            return Ok(false);
        }
        if nest.at_start {
            nest.at_start = false;
            return Ok(true);
        }
        if next != Some(b',') {
            return Err(self.fault(if nest.close == b'}' {
                "expected a comma or }"
            } else {
                "expected a comma or ]"
            }));
        }
        self.advance(1);
        if self.after_blanks() == Some(nest.close) {
            return Err(self.fault("expected no comma at the end"));
        }
        Ok(true)
    }

    /// Passes the value that comes next, whatever it is, and gives its text.
    pub(in crate::wire) fn skip(&mut self) -> Result<&'a str, JsonFault> {
        let span = self.skip_span()?;
        Ok(self.since(span.start))
    }

    /// Passes the value that comes next, whatever it is, and gives its place.
    pub(in crate::wire) fn skip_span(&mut self) -> Result<Range<usize>, JsonFault> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            // The recursion ends at MAX_DEPTH.
            Kind::Object => {
                let mut object = self.enter()?;
                while self.next_key(&mut object)?.is_some() {
                    self.skip_span()?;
                }
            }
            Kind::Array => {
                let mut array = self.enter()?;
                while self.next_item(&mut array)? {
                    self.skip_span()?;
                }
            }
            Kind::Text => {
                self.text()?;
            }
            Kind::Number => self.number()?,
            Kind::True => self.word("true")?,
            Kind::False => self.word("false")?,
            Kind::Null => self.word("null")?,
        }
        Ok(start..self.at)
    }

    /// The string that comes next.
    pub(in crate::wire) fn text(&mut self) -> Result<Text<'a>, JsonFault> {
        if self.after_blanks() != Some(b'"') {
            return Err(self.fault("expected a string"));
        }
        let start = self.at;
        self.advance(1);
        let mut length = 0_usize;
        loop {
            let rest = self.rest();
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.text.len();
                return Err(self.fault("expected the end of a string"));
            };
            let (plain, rest) = rest.split_at(found);
            if plain.iter().fold(false, |control, byte| control | (*byte < 0x20)) {
                self.advance(plain.iter().take_while(|byte| **byte >= 0x20).count());
                return Err(self.fault("expected control characters to be escaped"));
            }
            length = length.saturating_add(found);
            self.advance(found.saturating_add(1));
            if rest.first() == Some(&b'"') {
                return Ok(Text { quoted: self.text.get(start..self.at).unwrap_or_default(), length });
            }
            length = length.saturating_add(self.escape()?);
        }
    }

    /// Refuses anything but blanks up to the end.
    pub(in crate::wire) fn end(&mut self) -> Result<(), JsonFault> {
        match self.after_blanks() {
            None => Ok(()),
            Some(_) => Err(self.fault("expected the end of the body")),
        }
    }

    /// Passes what follows a backslash; gives the bytes it stands for.
    fn escape(&mut self) -> Result<usize, JsonFault> {
        let kind = self.rest().first().copied();
        match kind {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.advance(1);
                Ok(1)
            }
            Some(b'u') => {
                self.advance(1);
                self.code_point()
            }
            _ => Err(self.fault("expected a known escape")),
        }
    }

    fn code_point(&mut self) -> Result<usize, JsonFault> {
        let unit = self.code_unit()?;
        if let Some(letter) = char::from_u32(unit) {
            return Ok(letter.len_utf8());
        }
        let low = if (0xD800..0xDC00).contains(&unit) && self.rest().starts_with(b"\\u") {
            self.advance(2);
            self.code_unit()?
        } else {
            0
        };
        if (0xDC00..0xE000).contains(&low) { Ok(4) } else { Err(self.fault("expected surrogates in pairs")) }
    }

    fn code_unit(&mut self) -> Result<u32, JsonFault> {
        let digits = self.text.get(self.at..self.at.saturating_add(4));
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.fault("expected four hexadecimal digits"))?;
        self.advance(4);
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        if self.rest().first() == Some(&b'-') {
            self.advance(1);
        }
        match self.rest().first() {
            Some(b'0') => self.advance(1),
            _ => self.digits()?,
        }
        if self.rest().first() == Some(&b'.') {
            self.advance(1);
            self.digits()?;
        }
        if matches!(self.rest().first(), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.rest().first(), Some(b'+' | b'-')) {
                self.advance(1);
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        match self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => Err(self.fault("expected a digit")),
            count => {
                self.advance(count);
                Ok(())
            }
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonFault> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.fault("expected a value"));
        }
        self.advance(word.len());
        Ok(())
    }

    /// Passes blanks; the byte that then comes next, not consumed.
    fn after_blanks(&mut self) -> Option<u8> {
        loop {
            match self.rest().first().copied() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.advance(1),
                other => return other,
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    const fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }
}
