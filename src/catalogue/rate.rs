//! Prices and multipliers as exact decimals. A price is held in whole femtodollars (10^-15 US dollars) a unit: 9
//! decimals of a price per million, 15 of a price each. No float takes part in a result.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::fmt;

use crate::money::{AmountFault, scaled_decimal};

/// The price of one unit (a token, a request, a call), in femtodollars; never negative, at most $1 000 000.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rate(i128);

/// The most that anything costs, each or per million, in dollars.
const MAX_DOLLARS: i128 = 1_000_000;

impl Rate {
    pub(super) const ZERO: Self = Self(0);

    /// Femtodollars in one dollar a million: 10^15 / 10^6.
    const PER_MILLION: i64 = 1_000_000_000;
    /// Femtodollars in a dollar.
    const EACH: i64 = 1_000_000_000_000_000;

    /// The price of one unit, femtodollars.
    pub(super) const fn femtos(self) -> i128 {
        self.0
    }

    /// Reads US dollars per million units.
    ///
    /// # Errors
    /// Not a decimal, negative, too large, or finer than 9 decimals.
    pub(super) fn parse_per_million(text: &str) -> Result<Self, String> {
        decimal_of(text, Self::PER_MILLION, 9).map(Self)
    }

    /// Reads US dollars each.
    ///
    /// # Errors
    /// Not a decimal, negative, too large, or finer than 15 decimals.
    pub(super) fn parse_each(text: &str) -> Result<Self, String> {
        decimal_of(text, Self::EACH, 15).map(Self)
    }
}

/// What a group's prices are multiplied by: an exact decimal, 0 ..= 1 000 000, at most 9 decimals.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Multiplier(i128);

impl Multiplier {
    /// Once: the prices as they are.
    pub const ONE: Self = Self(1_000_000_000);

    /// Reads a decimal.
    ///
    /// # Errors
    /// A sentence: not a decimal, negative, too large, or finer than 9 decimals.
    pub fn parse(text: &str) -> Result<Self, String> {
        decimal_of(text, 1_000_000_000, 9).map(Self)
    }

    /// In billionths.
    pub(super) const fn billionths(self) -> i128 {
        self.0
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0.div_euclid(Self::ONE.0), self.0.rem_euclid(Self::ONE.0));
        let fraction = format!("{fraction:09}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { write!(f, "{whole}") } else { write!(f, "{whole}.{fraction}") }
    }
}

/// `text × scale` as a whole number, 0 ..= 1 000 000 × scale.
fn decimal_of(text: &str, scale: i64, decimals: u8) -> Result<i128, String> {
    let number = scaled_decimal(text, scale).map_err(|fault| match fault {
        AmountFault::NotANumber | AmountFault::NotWholeQuota { .. } => {
            "must be a plain decimal number such as 2.5".to_owned()
        }
        AmountFault::TooLarge => "must be at most 1000000".to_owned(),
    })?;
    if number.value < 0 {
        return Err("must not be negative".to_owned());
    }
    if !number.exact {
        return Err(format!("must have at most {decimals} decimals (and 18 digits)"));
    }
    if number.value > i128::from(scale).saturating_mul(MAX_DOLLARS) {
        return Err("must be at most 1000000".to_owned());
    }
    Ok(number.value)
}

/// The decimal text of a TOML string or number; of a float, its shortest decimal spelling: what was typed. `None` for
/// what is neither, and for `nan` and `inf`.
pub fn decimal_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) if number.is_finite() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_toml(text: &str) -> Result<i128, String> {
        let table: toml::Table = format!("v = {text}").parse().unwrap();
        let text = decimal_text(&table["v"]).ok_or("no decimal")?;
        Rate::parse_per_million(&text).map(Rate::femtos)
    }

    #[test]
    fn prices_are_read_exactly() {
        for (text, femtos) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("2.50", 2_500_000_000),
            ("0.1", 100_000_000),
            ("1e-9", 1),
            ("0.000000001", 1),
            ("\"0.0375\"", 37_500_000),
            ("1_000_000", 1_000_000_000_000_000),
            ("-0.0", 0),
        ] {
            assert_eq!(of_toml(text), Ok(femtos), "{text}");
        }
        for text in
            ["-1", "1e-10", "1000000.1", "\"\"", "\"1,5\"", "\"$1\"", "nan", "inf", "true", "[]", "1e300"]
        {
            assert!(of_toml(text).is_err(), "{text}");
        }
        assert_eq!(decimal_text(&toml::Value::Float(f64::NAN)), None);
        assert_eq!(decimal_text(&toml::Value::Float(f64::INFINITY)), None);
        assert_eq!(Rate::parse_each("0.001333333333333").map(Rate::femtos), Ok(1_333_333_333_333));
    }

    #[test]
    fn multipliers_are_exact() {
        for (text, shown) in [("1", "1"), ("0", "0"), ("1.10", "1.1"), ("0.000000001", "0.000000001")] {
            assert_eq!(Multiplier::parse(text).unwrap().to_string(), shown);
        }
        assert_eq!(Multiplier::parse("1.0"), Ok(Multiplier::ONE));
        assert!(Multiplier::parse("-0.5").is_err() && Multiplier::parse("0.0000000001").is_err());
    }
}
