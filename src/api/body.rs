//! Reads the fields of a body, strictly: each by its name and type, or refused by its name.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use crate::api::refusal::{NAME_MOST, Refusal};
use crate::money::{AmountFault, Money, credits_of_quota};
use crate::wire::{JsonFault, members};

/// The largest amount, in quota.
pub const QUOTA_MOST: i64 = Money::MAX.quota_down();

/// The longest value that a refusal repeats, in bytes.
const SHOWN_MOST: usize = 40;

/// The members of one object, and where it stands: `tokens[17].`, or nothing for the body itself.
#[derive(Debug)]
pub struct Fields<'a> {
    place: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not one JSON object, or has a key twice.
    pub fn of_body(body: &'a [u8]) -> Result<Self, Refusal> {
        match members(body) {
            Ok(members) => Ok(Self { place: String::new(), members }),
            Err(fault @ JsonFault::Duplicate(_)) => Err(Refusal::DuplicateField(fault.to_string())),
            Err(fault) => Err(Refusal::InvalidJson(fault.to_string())),
        }
    }

    /// Reads the object `raw` that stands at `place`.
    ///
    /// # Errors
    /// As [`Fields::of_body`].
    pub fn of_member(place: &str, raw: &'a RawValue) -> Result<Self, Refusal> {
        match members(raw.get().as_bytes()) {
            Ok(members) => Ok(Self { place: format!("{place}."), members }),
            Err(JsonFault::Duplicate(key)) => {
                Err(Refusal::DuplicateField(format!("{place}.{key}: this key comes twice")))
            }
            Err(JsonFault::NotAnObject) => {
                Err(Refusal::field(place, format!("must be an object, not {}", shown(raw))))
            }
            Err(fault) => Err(Refusal::field(place, fault.to_string())),
        }
    }

    /// Refuses any field that is not among `known`; for those in `elsewhere`, with the words that say where it is changed.
    ///
    /// # Errors
    /// The first such field.
    pub fn allow(&self, known: &[&str], elsewhere: &[(&str, &str)]) -> Result<(), Refusal> {
        let Some((name, _)) = self.members.iter().find(|(name, _)| !known.contains(&name.as_ref())) else {
            return Ok(());
        };
        let why = elsewhere.iter().find(|(field, _)| field == name).map_or("unknown field", |(_, why)| why);
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Err(self.fault(&name, why))
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// A refusal of a field here.
    pub fn fault(&self, name: &str, why: impl Into<String>) -> Refusal {
        Refusal::field(self.name_of(name), why)
    }

    /// A field's whole name.
    pub fn name_of(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    /// Whether this is an element of a list, and not the body.
    pub fn is_nested(&self) -> bool {
        !self.place.is_empty()
    }

    /// The field as it was sent.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    /// A JSON integer in `range`: digits alone, no fraction, no exponent, no `-0`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        match parse_integer(raw.get()).filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.fault(
                name,
                format!("must be an integer from {} to {}, not {}", range.start(), range.end(), shown(raw)),
            )),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.raw(name).map(|raw| (raw, raw.get())) {
            None => Ok(None),
            Some((_, "true")) => Ok(Some(true)),
            Some((_, "false")) => Ok(Some(false)),
            Some((raw, _)) => Err(self.fault(name, format!("must be true or false, not {}", shown(raw)))),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// When it is anything else, or no Unicode text (half of a surrogate pair).
    pub fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        read_text(raw)
            .map(Some)
            .ok_or_else(|| self.fault(name, format!("must be a string of Unicode text, not {}", shown(raw))))
    }

    /// A list's elements.
    ///
    /// # Errors
    /// When it is no list, or has not from 1 to `most` elements.
    pub fn list(&self, name: &str, most: usize) -> Result<Option<Vec<&'a RawValue>>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let elements: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| self.fault(name, format!("must be an array, not {}", shown(raw))))?;
        if elements.is_empty() || elements.len() > most {
            let why = format!("must have 1 to {most} elements, not {}", elements.len());
            return Err(self.fault(name, why));
        }
        Ok(Some(elements))
    }

    /// An object of strings.
    ///
    /// # Errors
    /// When it is no object, a value is no string, or a key comes twice.
    pub fn pairs(&self, name: &str) -> Result<Option<Vec<(String, String)>>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let object = Self::of_member(&self.name_of(name), raw)?;
        let pair = |(key, value): &(Cow<'_, str>, &RawValue)| {
            let text = read_text(value)
                .ok_or_else(|| object.fault(key, format!("must be a string, not {}", shown(value))))?;
            Ok((key.to_string(), text))
        };
        object.members.iter().map(pair).collect::<Result<_, _>>().map(Some)
    }

    /// An amount in quota, 0 to the largest amount.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn quota(&self, name: &str) -> Result<Option<Money>, Refusal> {
        Ok(self.integer(name, 0..=QUOTA_MOST)?.and_then(Money::from_quota))
    }

    /// An amount in credits, read from its decimal text; not negative.
    ///
    /// # Errors
    /// When it is no number, negative, too large, or not a whole number of quota.
    pub fn credits(&self, name: &str) -> Result<Option<Money>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        if raw.get().starts_with('-') {
            return Err(self.fault(name, format!("must not be negative, not {}", shown(raw))));
        }
        self.signed_credits(name)
    }

    /// An amount in credits that may be negative.
    ///
    /// # Errors
    /// When it is no number, too large either way, or not a whole number of quota.
    pub fn signed_credits(&self, name: &str) -> Result<Option<Money>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        Money::parse_credits(raw.get()).map(Some).map_err(|fault| {
            let shown = shown(raw);
            let credits = |amount: Money| credits_of_quota(amount.quota_down());
            let why = match fault {
                AmountFault::NotANumber => format!("must be a number of credits, not {shown}"),
                AmountFault::TooLarge => {
                    format!("must be at most {} credits, not {shown}", credits(Money::MAX))
                }
                AmountFault::NotWholeQuota { below, above } => format!(
                    "must be a multiple of 0.0004 credits (a whole number of quota), not {shown}; the nearest are {} and {}",
                    credits(below),
                    credits(above)
                ),
            };
            self.fault(name, why)
        })
    }

    /// A name: 1 to 50 characters, none of them a control character.
    ///
    /// # Errors
    /// When it is anything else; `too_long` makes the refusal of a longer one.
    pub fn name(&self, too_long: impl FnOnce(String) -> Refusal) -> Result<Option<String>, Refusal> {
        let Some(name) = self.text("name")? else { return Ok(None) };
        if name.is_empty() {
            return Err(self.fault("name", "must have 1 to 50 characters, not none"));
        }
        if name.chars().count() > NAME_MOST {
            return Err(too_long(self.name_of("name")));
        }
        if name.chars().any(char::is_control) {
            return Err(self.fault("name", "must not contain control characters"));
        }
        Ok(Some(name))
    }
}

/// A JSON integer's value, from its text; `None` for `1.0`, `1e3`, `-0`, `"1"` and what does not fit.
pub fn parse_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits.len() == 1 || !digits.starts_with('0');
    if !plain || !canonical || text == "-0" {
        return None;
    }
    text.parse().ok()
}

/// A JSON string's text; `None` for anything else.
pub fn read_text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A value as a refusal repeats it.
fn shown(raw: &RawValue) -> String {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "an array".to_owned(),
        _ if text.len() <= SHOWN_MOST => text.to_owned(),
        _ => format!("{}…", text.get(..text.floor_char_boundary(SHOWN_MOST)).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_json_integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("500000000000", Some(500_000_000_000)),
            ("-0", None),
            ("1.0", None),
            ("1e3", None),
            ("\"1\"", None),
            ("null", None),
            ("true", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_integer(text), value, "{text}");
        }
    }

    #[test]
    fn a_field_of_another_type_is_refused_by_its_name() {
        let body = br#"{"n":1.5,"t":null,"b":"true","c":0.0003,"d":-1,"m":{"a":1},"l":[],"s":"\ud800"}"#;
        let fields = Fields::of_body(body).unwrap();
        let names = [
            fields.integer("n", 0..=9).err(),
            fields.text("t").err(),
            fields.boolean("b").err(),
            fields.credits("c").err(),
            fields.credits("d").err(),
            fields.pairs("m").err(),
            fields.list("l", 3).err(),
            fields.text("s").err(),
        ];
        let refused: Vec<String> = names
            .into_iter()
            .map(|fault| match fault {
                Some(Refusal::Field(name, _)) => name,
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(refused, ["n", "t", "b", "c", "d", "m.a", "l", "s"]);
    }

    #[test]
    fn an_amount_between_two_quota_names_both() {
        let fields = Fields::of_body(br#"{"c":0.0003}"#).unwrap();
        let Err(Refusal::Field(_, why)) = fields.credits("c") else { panic!("refused") };
        assert!(why.ends_with("the nearest are 0 and 0.0004"), "{why}");
    }

    #[test]
    fn bodies_that_are_no_object_have_codes_of_their_own() {
        assert!(matches!(Fields::of_body(b"{"), Err(Refusal::InvalidJson(_))));
        assert!(matches!(Fields::of_body(b"[]"), Err(Refusal::InvalidJson(_))));
        assert!(matches!(Fields::of_body(br#"{"a":1,"\u0061":2}"#), Err(Refusal::DuplicateField(_))));
    }
}
