//! Identities: of users, tokens, channels, requests and stored responses. Owns the types and how a request id is minted;
//! must not know what they identify.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::clock::Timestamp;

/// A user's number; 1 is the first admin.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub i64);

/// A token's number; never reused.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A channel's name, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(pub Arc<str>);

impl ChannelName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest id of a response, in bytes.
const LONGEST_RESPONSE_ID: usize = 256;

/// A provider's own id of a response that it stores. Of characters alone that mean nothing in a path, a query or a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResponseId(Arc<str>);

impl ResponseId {
    /// Reads one as its provider spells it: 1 to 256 ASCII letters, digits and `_-.:=`, a letter or a digit first; `None` for
    /// anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:=".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_id = begins && text.len() <= LONGEST_RESPONSE_ID && text.bytes().all(is_plain);
        is_id.then(|| Self(Arc::from(text)))
    }

    /// As its provider spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identity of one request, of its hold and of its ledger row: a UUIDv7 (RFC 9562) minted here. What a
/// client sends as an id never becomes one (R5).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

thread_local! {
    static RANDOM: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

impl RequestId {
    /// A new id for a request that came in at `at`. Ids of one millisecond are in no order.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn mint(at: Timestamp) -> Self {
        let mut random = [0; 10];
        RANDOM.with_borrow_mut(|rng| {
            let rng = rng.get_or_insert_with(|| {
                ChaCha20Rng::try_from_rng(&mut getrandom::SysRng)
                    .expect("the operating system gives random bytes")
            });
            rng.fill_bytes(&mut random);
        });
        Self::assemble(at, random)
    }

    fn assemble(at: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        let millis = at.millis().max(0).to_be_bytes();
        bytes[..6].copy_from_slice(&millis[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// The id as it is stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the hyphenated form that [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut bytes = [0; 16];
        let mut digits = 0;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16)?;
            bytes[digits / 2] = bytes[digits / 2] << 4 | u8::try_from(digit).ok()?;
            digits += 1;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for byte in self.0 {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0x0f)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_id_is_a_uuid_of_version_7_and_reads_back() {
        let at = Timestamp::from_millis(0x0190_1234_5678);
        let id = RequestId::assemble(at, [0xff; 10]);
        assert_eq!(id.to_string(), "01901234-5678-7fff-bfff-ffffffffffff");
        assert_eq!(RequestId::parse(&id.to_string()), Some(id));
        assert_ne!(RequestId::mint(at), RequestId::mint(at));
        assert!(RequestId::mint(at) < RequestId::mint(Timestamp::from_millis(0x0190_1234_5679)));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "01901234-5678-7fff-bfff-fffffffffff", "01901234x5678-7fff-bfff-ffffffffffff"] {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }
    #[test]
    fn an_id_of_a_response_is_safe_wherever_it_stands() {
        let longest = "r".repeat(LONGEST_RESPONSE_ID);
        for text in
            ["resp_67ccd2bed1ec8190-b14f", "ad5663da-63e6-86c6-e0be-ff15effa8357", "a:b=c.d", &longest]
        {
            assert_eq!(ResponseId::parse(text).unwrap().as_str(), text);
        }
        let longer = format!("{longest}r");
        for text in
            ["", ".", "..", "-x", "a/b", "a%2Fb", "a b", "a?b", "a#b", "a\\b", "a\nb", "é", "a\0", &longer]
        {
            assert_eq!(ResponseId::parse(text), None, "{text:?}");
        }
    }
}
