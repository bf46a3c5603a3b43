//! A `[[prices]]` table as it is typed: which keys there are and what values they take. Knows nothing of what an absent
//! key means (see `entry`).
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::fmt;

use toml::{Table, Value};

use super::images::ImagePrices;
use super::provider::Provider;
use super::rate::{Rate, decimal_text};

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The key, from the row down: `tiers.priority.input`; empty where the row as a whole is meant.
    pub key: String,
    /// A sentence: what is wrong and what would be right.
    pub message: String,
}

impl RowFault {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }

    pub(super) fn under(mut self, parent: &str) -> Self {
        self.key = if self.key.is_empty() { parent.to_owned() } else { format!("{parent}.{}", self.key) };
        self
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.key, self.message)
        }
    }
}

/// One value for each kind of token.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds<T> {
    pub(super) input: T,
    pub(super) cached_input: T,
    pub(super) cache_write: T,
    pub(super) cache_write_1h: T,
    pub(super) output: T,
    pub(super) reasoning: T,
    pub(super) audio_input: T,
    pub(super) audio_output: T,
    pub(super) image_input: T,
    pub(super) image_output: T,
}

/// The prices that a table names.
pub(super) type Named = Kinds<Option<Rate>>;

/// The keys of the kinds, as [`Kinds::place`] knows them.
const KINDS: [&str; 10] = [
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
];

/// The kinds that a long-context table may name.
const LONG_KINDS: [&str; 4] = ["input", "cached_input", "cache_write", "output"];

/// The largest number of tokens that a key may state.
const MAX_TOKENS: i64 = 2_147_483_647;

impl<T> Kinds<T> {
    fn place(&mut self, kind: &str) -> Option<&mut T> {
        Some(match kind {
            "input" => &mut self.input,
            "cached_input" => &mut self.cached_input,
            "cache_write" => &mut self.cache_write,
            "cache_write_1h" => &mut self.cache_write_1h,
            "output" => &mut self.output,
            "reasoning" => &mut self.reasoning,
            "audio_input" => &mut self.audio_input,
            "audio_output" => &mut self.audio_output,
            "image_input" => &mut self.image_input,
            "image_output" => &mut self.image_output,
            _ => return None,
        })
    }
}

/// Prices of input beyond a length.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct LongRow {
    /// The most input, in tokens, that the plain prices hold for.
    pub(super) above: i64,
    pub(super) named: Named,
}

/// The prices of one model, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceRow {
    /// An exact name, or a prefix and `*`.
    pub model: String,
    /// The provider it is for; `None` = any.
    pub provider: Option<Provider>,
    pub(super) named: Named,
    pub(super) long_context: Option<LongRow>,
    pub(super) priority: Option<Named>,
    pub(super) flex: Option<Named>,
    pub(super) per_request: Option<Rate>,
    pub(super) per_tool_call: Option<Rate>,
    /// The price of a character that is spoken.
    pub(super) per_character: Option<Rate>,
    /// The price of a second of sound, heard or spoken.
    pub(super) per_second: Option<Rate>,
    /// The prices of an image that is made.
    pub(super) per_image: Option<ImagePrices>,
    pub(super) max_output_tokens: Option<i64>,
    pub(super) max_input_tokens: Option<i64>,
    pub(super) image_tokens: Option<i64>,
    /// The longest sound that the model takes, or gives, in seconds.
    pub(super) max_seconds: Option<i64>,
}

impl PriceRow {
    /// The keys that a row may have, besides the kinds of token.
    const OTHER_KEYS: [&str; 13] = [
        "model",
        "provider",
        "long_context",
        "tiers",
        "per_request",
        "per_image",
        "per_second",
        "per_million_characters",
        "per_tool_call",
        "max_output_tokens",
        "max_input_tokens",
        "image_tokens",
        "max_seconds",
    ];

    /// All keys that a row may have.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        Self::OTHER_KEYS.into_iter().chain(KINDS)
    }

    /// Reads a row.
    ///
    /// # Errors
    /// The first key that is unknown, missing, or has a value it cannot have; a row that names no price at all.
    pub fn parse(table: &Table) -> Result<Self, RowFault> {
        let mut row = Self::default();
        for (key, value) in table {
            row.set(key, value)?;
        }
        if row.model.is_empty() {
            return Err(RowFault::new("model", "is missing: the name of the model that is priced"));
        }
        let is_priced = row.prices_text() || row.per_character.is_some();
        if !is_priced && row.per_second.is_none() && row.per_image.is_none() {
            return Err(RowFault::new("", "names no price; write input and output, USD per million tokens"));
        }
        Ok(row)
    }

    /// Whether it has a price for text: by the token, or by the request.
    pub(super) const fn prices_text(&self) -> bool {
        self.named.input.is_some() || self.named.output.is_some() || self.per_request.is_some()
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), RowFault> {
        if let Some(place) = self.named.place(key) {
            *place = Some(per_million(key, value)?);
            return Ok(());
        }
        match key {
            "model" => self.model = model(value)?,
            "provider" => self.provider = Some(provider(value)?),
            "long_context" => {
                self.long_context = Some(long_row(table(key, value)?).map_err(|fault| fault.under(key))?);
            }
            "tiers" => self.set_tiers(table(key, value)?).map_err(|fault| fault.under(key))?,
            "per_request" => self.per_request = Some(each(key, value)?),
            "per_tool_call" => self.per_tool_call = Some(each(key, value)?),
            "per_second" => self.per_second = Some(each(key, value)?),
            "per_million_characters" => {
                self.per_character = Some(per_million(key, value)?);
            }
            "per_image" => self.per_image = Some(ImagePrices::parse(value)?),
            "max_output_tokens" => self.max_output_tokens = Some(tokens(key, value)?),
            "max_input_tokens" => self.max_input_tokens = Some(tokens(key, value)?),
            "image_tokens" => self.image_tokens = Some(tokens(key, value)?),
            "max_seconds" => self.max_seconds = Some(whole(key, value, "seconds")?),
            _ => return Err(unknown(key, Self::keys())),
        }
        Ok(())
    }

    fn set_tiers(&mut self, tiers: &Table) -> Result<(), RowFault> {
        for (tier, value) in tiers {
            let place = match tier.as_str() {
                "priority" => &mut self.priority,
                "flex" => &mut self.flex,
                _ => return Err(unknown(tier, ["priority", "flex"].into_iter())),
            };
            let mut named = Named::default();
            for (key, value) in table(tier, value)? {
                let kind = named.place(key).ok_or_else(|| unknown(key, KINDS.into_iter()));
                *kind.map_err(|fault| fault.under(tier))? =
                    Some(per_million(key, value).map_err(|fault| fault.under(tier))?);
            }
            *place = Some(named);
        }
        Ok(())
    }
}

fn long_row(table: &Table) -> Result<LongRow, RowFault> {
    let mut long = LongRow { above: 0, named: Named::default() };
    for (key, value) in table {
        match key.as_str() {
            "above" => long.above = tokens(key, value)?,
            _ if LONG_KINDS.contains(&key.as_str()) => {
                if let Some(place) = long.named.place(key) {
                    *place = Some(per_million(key, value)?);
                }
            }
            _ => return Err(unknown(key, ["above"].into_iter().chain(LONG_KINDS))),
        }
    }
    if long.above == 0 {
        return Err(RowFault::new("above", "is missing: the input tokens beyond which these prices hold"));
    }
    Ok(long)
}

fn per_million(key: &str, value: &Value) -> Result<Rate, RowFault> {
    let text = decimal_text(value)
        .ok_or_else(|| RowFault::new(key, "must be a number, or a decimal in quotes: USD per million"))?;
    Rate::parse_per_million(&text).map_err(|message| RowFault::new(key, message))
}

pub(super) fn each(key: &str, value: &Value) -> Result<Rate, RowFault> {
    let text = decimal_text(value)
        .ok_or_else(|| RowFault::new(key, "must be a number, or a decimal in quotes: USD each"))?;
    Rate::parse_each(&text).map_err(|message| RowFault::new(key, message))
}

fn tokens(key: &str, value: &Value) -> Result<i64, RowFault> {
    whole(key, value, "tokens")
}

fn whole(key: &str, value: &Value, unit: &str) -> Result<i64, RowFault> {
    let count = value.as_integer().filter(|count| (1..=MAX_TOKENS).contains(count));
    count.ok_or_else(|| RowFault::new(key, format!("must be a whole number of {unit}, 1 to 2147483647")))
}

fn table<'a>(key: &str, value: &'a Value) -> Result<&'a Table, RowFault> {
    value.as_table().ok_or_else(|| RowFault::new(key, "must be a table: { … }"))
}

fn model(value: &Value) -> Result<String, RowFault> {
    let fault = || RowFault::new("model", "must be a name of 1 to 256 bytes; a * may stand at its end only");
    let name = value.as_str().ok_or_else(fault)?;
    let body = name.strip_suffix('*').unwrap_or(name);
    let well_formed = !name.is_empty() && name.len() <= 256 && name.trim() == name;
    if !well_formed || body.contains('*') || body.chars().any(char::is_control) {
        return Err(fault());
    }
    Ok(name.to_owned())
}

fn provider(value: &Value) -> Result<Provider, RowFault> {
    value.as_str().and_then(Provider::parse).ok_or_else(|| {
        RowFault::new(
            "provider",
            "must be \"openai\", \"anthropic\", \"gemini\" or \"demo\", or absent for any",
        )
    })
}

fn unknown(key: &str, known: impl Iterator<Item = &'static str>) -> RowFault {
    RowFault::new(key, format!("is no key here; known are {}", known.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PriceRow, RowFault> {
        PriceRow::parse(&text.parse().unwrap())
    }

    #[test]
    fn every_key_is_read() {
        let row = parse(
            r#"model = "m-*"
            provider = "gemini"
            input = 1
            cached_input = 0.1
            cache_write = "1.25"
            cache_write_1h = 2
            output = 4
            reasoning = 5
            audio_input = 6
            audio_output = 7
            image_input = 8
            image_output = 9
            long_context = { above = 200000, input = 2, cached_input = 0.2, cache_write = 2.5, output = 8 }
            tiers = { priority = { input = 2 }, flex = { input = 0.5, audio_output = 1 } }
            per_request = 0.01
            per_image = { "1024x1024/hd" = 0.08, default = 0.04 }
            per_second = 0.001333333333333
            per_million_characters = 15
            per_tool_call = 0.01
            max_output_tokens = 1
            max_input_tokens = 2
            image_tokens = 3
            max_seconds = 4"#,
        )
        .unwrap();
        assert_eq!((row.model.as_str(), row.provider), ("m-*", Some(Provider::Gemini)));
        assert_eq!(row.named.cache_write, Some(Rate::parse_per_million("1.25").unwrap()));
        assert_eq!(row.long_context.unwrap().above, 200_000);
        assert_eq!(row.flex.unwrap().audio_output, Some(Rate::parse_per_million("1").unwrap()));
        assert_eq!(
            (row.max_output_tokens, row.max_input_tokens, row.image_tokens, row.max_seconds),
            (Some(1), Some(2), Some(3), Some(4))
        );
        assert!(
            row.per_image.is_some() && row.per_second == Some(Rate::parse_each("0.001333333333333").unwrap())
        );
    }

    #[test]
    fn faults_name_the_key() {
        for (text, key) in [
            ("input = 1", "model"),
            ("model = \"\"\ninput = 1", "model"),
            ("model = \"a*b\"\ninput = 1", "model"),
            ("model = \"m\"", ""),
            ("model = \"m\"\nprovider = \"azure\"\ninput = 1", "provider"),
            ("model = \"m\"\ninptu = 1", "inptu"),
            ("model = \"m\"\ninput = -1", "input"),
            ("model = \"m\"\ninput = true", "input"),
            ("model = \"m\"\ninput = 1\nmax_output_tokens = 0", "max_output_tokens"),
            ("model = \"m\"\ninput = 1\nmax_output_tokens = 1.5", "max_output_tokens"),
            ("model = \"m\"\ninput = 1\nlong_context = { input = 2 }", "long_context.above"),
            (
                "model = \"m\"\ninput = 1\nlong_context = { above = 1, reasoning = 2 }",
                "long_context.reasoning",
            ),
            ("model = \"m\"\ninput = 1\ntiers = { fast = {} }", "tiers.fast"),
            ("model = \"m\"\ninput = 1\ntiers = { flex = { input = \"x\" } }", "tiers.flex.input"),
            ("model = \"m\"\ninput = 1\ntiers = { flex = { inptu = 1 } }", "tiers.flex.inptu"),
            ("model = \"m\"\nper_image = { \"1x1\" = 1 }", "per_image.default"),
            ("model = \"m\"\nper_image = { default = -1 }", "per_image.default"),
            ("model = \"m\"\nper_second = \"x\"", "per_second"),
            ("model = \"m\"\nper_second = 1\nmax_seconds = 0", "max_seconds"),
        ] {
            assert_eq!(parse(text).unwrap_err().key, key, "{text}");
        }
    }
}
