//! Kinds of fields that a flag can hold, as text that becomes JSON: an amount never passes through a binary float.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::money::{AmountFault, Money};

/// An amount in credits: a JSON number, digit for digit as it was typed. Its range is the API's to judge.
#[derive(Clone, Debug)]
pub struct Credits(Box<RawValue>);

impl Credits {
    /// Takes what a JSON number may look like.
    ///
    /// # Errors
    /// When it is no number.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be a number of credits such as 50 or 12.5";
        if Money::parse_credits(text) == Err(AmountFault::NotANumber) {
            return Err(WRONG);
        }
        RawValue::from_string(text.to_owned()).map(Self).map_err(|_| WRONG)
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// One `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair(String, String);

impl Pair {
    /// Splits at the first `=`.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
        Ok(Self(key.to_owned(), value.to_owned()))
    }
}

/// Writes pairs as one object, in order; a key that comes twice is the API's to refuse.
///
/// # Errors
/// Of the serializer.
pub fn as_object<S: Serializer>(pairs: &[Pair], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(pairs.len()))?;
    for Pair(key, value) in pairs {
        object.serialize_entry(key, value)?;
    }
    object.end()
}
