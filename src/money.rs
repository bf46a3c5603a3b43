//! Money: whole nanodollars, checked. Owns [`Money`] and its outward spellings, quota and credits; the only
//! room that converts between them. No float, no `as`, no unchecked operation.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::fmt;

/// An amount in nanodollars (10^-9 US dollars). May be negative where a difference is meant.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmountFault {
    /// Not a JSON number.
    NotANumber,
    /// Beyond [`Money::MAX`], either way.
    TooLarge,
    /// Not a whole number of quota; the nearest amounts that are, in credits.
    NotWholeQuota {
        /// The nearest amount below.
        below: Money,
        /// The nearest amount above.
        above: Money,
    },
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One US dollar.
    #[cfg(test)]
    pub const DOLLAR: Self = Self(1_000_000_000);
    /// One quota: 1/500 000 of a dollar.
    pub const QUOTA: Self = Self(2_000);
    /// One credit: 1/200 of a dollar.
    pub const CREDIT: Self = Self(5_000_000);
    /// The largest amount anywhere: $1 000 000.
    pub const MAX: Self = Self(1_000_000_000_000_000);
    /// Credits in a dollar.
    pub const CREDITS_PER_USD: i64 = 200;

    /// So many nanodollars.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The nanodollars.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// So much quota; `None` beyond [`Money::MAX`] either way.
    pub fn from_quota(quota: i64) -> Option<Self> {
        let amount = Self(quota.checked_mul(Self::QUOTA.0)?);
        (amount.0.checked_abs()? <= Self::MAX.0).then_some(amount)
    }

    /// The sum, unless it overflows.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// `self − other`, clamped to the range of the type and at least zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// With the sign turned.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// Whole quota, rounded down: how `remain_*` is shown.
    pub const fn quota_down(self) -> i64 {
        self.0.div_euclid(Self::QUOTA.0)
    }

    /// Whole quota, rounded up: how `used_*` is shown.
    pub fn quota_up(self) -> i64 {
        let down = self.quota_down();
        if self.0.rem_euclid(Self::QUOTA.0) == 0 { down } else { down.saturating_add(1) }
    }

    /// Reads an amount in credits from the decimal text of a JSON number, exactly.
    ///
    /// # Errors
    /// When the text is no JSON number, is out of range, or is not a whole number of quota.
    pub fn parse_credits(text: &str) -> Result<Self, AmountFault> {
        let nanos = scaled_decimal(text, Self::CREDIT.0)?;
        let whole = nanos.value.rem_euclid(i128::from(Self::QUOTA.0)) == 0;
        if nanos.exact && whole {
            return Self::in_range(nanos.value);
        }
        let quota = nanos.value.div_euclid(i128::from(Self::QUOTA.0));
        let above = quota.checked_add(1).ok_or(AmountFault::TooLarge)?;
        let of_quota = |quota: i128| quota.checked_mul(i128::from(Self::QUOTA.0)).unwrap_or(i128::MAX);
        Err(AmountFault::NotWholeQuota {
            below: Self::in_range(of_quota(quota))?,
            above: Self::in_range(of_quota(above))?,
        })
    }

    fn in_range(nanos: i128) -> Result<Self, AmountFault> {
        let nanos = i64::try_from(nanos).map_err(|_| AmountFault::TooLarge)?;
        if nanos.unsigned_abs() > Self::MAX.0.unsigned_abs() {
            return Err(AmountFault::TooLarge);
        }
        Ok(Self(nanos))
    }

    /// The exact number of dollars, as JSON writes it: at most nine decimals, none that are zero at the end.
    pub fn dollars(self) -> String {
        decimal(i128::from(self.0), 9)
    }
}

/// A whole number of quota, spelled in credits as JSON writes it: at most four decimals.
pub fn credits_of_quota(quota: i64) -> String {
    // 1 quota = 1/2500 credit = 0.0004 credit.
    decimal(i128::from(quota).saturating_mul(4), 4)
}

impl fmt::Display for Money {
    /// `$1.5`, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dollars().strip_prefix('-') {
            Some(dollars) => write!(f, "-${dollars}"),
            None => write!(f, "${}", self.dollars()),
        }
    }
}

/// `value / 10^places` in plain decimal digits.
fn decimal(value: i128, places: usize) -> String {
    let magnitude = value.unsigned_abs();
    // Nearly all amounts are small, and a wide division is slow.
    let digits = u64::try_from(magnitude).map_or_else(|_| magnitude.to_string(), |small| small.to_string());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
    let mut text = String::with_capacity(digits.len().saturating_add(places).saturating_add(3));
    if value < 0 {
        text.push('-');
    }
    text.push_str(if whole.is_empty() { "0" } else { whole });
    let zeros = places.saturating_sub(fraction.len());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.extend(std::iter::repeat_n('0', zeros));
        text.push_str(fraction);
    }
    text
}

/// `number × scale`, rounded down where the digits go beyond a whole number.
pub struct Scaled {
    /// The product, rounded down.
    pub value: i128,
    /// Whether nothing was rounded away.
    pub exact: bool,
}

/// Multiplies a JSON number's decimal text by `scale`, without a float.
///
/// # Errors
/// When `text` is no JSON number, or the product does not fit 10^30.
pub fn scaled_decimal(text: &str, scale: i64) -> Result<Scaled, AmountFault> {
    let number = split_number(text).ok_or(AmountFault::NotANumber)?;
    let mut digits = format!("{}{}", number.whole, number.fraction);
    let fraction_digits = i64::try_from(number.fraction.len()).map_err(|_| AmountFault::TooLarge)?;
    let mut exponent = number.exponent.saturating_sub(fraction_digits);
    digits.truncate(digits.trim_end_matches('0').len().max(1).min(digits.len()));
    let dropped = number.whole.len().saturating_add(number.fraction.len()).saturating_sub(digits.len());
    exponent = exponent.saturating_add(i64::try_from(dropped).map_err(|_| AmountFault::TooLarge)?);
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(Scaled { value: 0, exact: true });
    }
    let magnitude = i64::try_from(digits.len()).map_err(|_| AmountFault::TooLarge)?.saturating_add(exponent);
    if magnitude > 18 {
        return Err(AmountFault::TooLarge);
    }
    if magnitude < -18 {
        let value = if number.negative { -1 } else { 0 };
        return Ok(Scaled { value, exact: false });
    }
    let scaled = scale_digits(digits, exponent, scale)?;
    if number.negative { scaled.negated() } else { Ok(scaled) }
}

impl Scaled {
    /// With the sign turned; still rounded down.
    fn negated(self) -> Result<Self, AmountFault> {
        let turned = self.value.checked_neg().ok_or(AmountFault::TooLarge)?;
        let value = if self.exact { turned } else { turned.checked_sub(1).ok_or(AmountFault::TooLarge)? };
        Ok(Self { value, exact: self.exact })
    }
}

/// `digits × 10^exponent × scale`; the caller has bounded the magnitude.
fn scale_digits(digits: &str, exponent: i64, scale: i64) -> Result<Scaled, AmountFault> {
    // Beyond 18 significant digits nothing can be exact at our scales; what is cut is noted.
    let kept = digits.get(..digits.len().min(18)).unwrap_or(digits);
    let cut = digits.len().saturating_sub(kept.len());
    let exponent = exponent.saturating_add(i64::try_from(cut).map_err(|_| AmountFault::TooLarge)?);
    let mut value: i128 = kept.parse().map_err(|_| AmountFault::NotANumber)?;
    value = value.checked_mul(i128::from(scale)).ok_or(AmountFault::TooLarge)?;
    let mut exact = cut == 0;
    let power = u32::try_from(exponent.unsigned_abs()).ok().and_then(|n| 10_i128.checked_pow(n));
    let power = power.ok_or(AmountFault::TooLarge)?;
    if exponent >= 0 {
        value = value.checked_mul(power).ok_or(AmountFault::TooLarge)?;
    } else {
        exact = exact && value.checked_rem_euclid(power) == Some(0);
        value = value.checked_div_euclid(power).ok_or(AmountFault::TooLarge)?;
    }
    Ok(Scaled { value, exact })
}

struct Number<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

/// Takes a JSON number (RFC 8259) apart.
fn split_number(text: &str) -> Option<Number<'_>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    Some(Number { negative, whole, fraction, exponent })
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000_000_000);
    Some(if negative { size.saturating_neg() } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_read_exactly_or_refused() {
        let quota = |text: &str| Money::parse_credits(text).map(Money::quota_down);
        for (text, want) in [
            ("0", 0),
            ("-0", 0),
            ("1", 2_500),
            ("0.0004", 1),
            ("200", 500_000),
            ("2e2", 500_000),
            ("0.2E+3", 500_000),
            ("12.5000", 31_250),
            ("-50", -125_000),
            ("200000000", 500_000_000_000),
            ("0.00000000000000000000e99", 0),
        ] {
            assert_eq!(quota(text), Ok(want), "{text}");
        }
        for text in ["200000001", "1e400", "-200000000.0004", "99999999999999999999999999999999999999999"] {
            assert_eq!(quota(text), Err(AmountFault::TooLarge), "{text}");
        }
        for text in ["", "-", "+1", "01", "1.", ".5", "1e", "NaN", "Infinity", "1 ", "0x1", "1e1.5"] {
            assert_eq!(quota(text), Err(AmountFault::NotANumber), "{text}");
        }
    }

    #[test]
    fn the_two_nearest_amounts_are_named() {
        let near = |text: &str| match Money::parse_credits(text) {
            Err(AmountFault::NotWholeQuota { below, above }) => {
                (credits_of_quota(below.quota_down()), credits_of_quota(above.quota_down()))
            }
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(near("0.0005"), ("0.0004".to_owned(), "0.0008".to_owned()));
        assert_eq!(near("1.00000000000000000000000000000000001"), ("1".to_owned(), "1.0004".to_owned()));
        assert_eq!(near("-0.0001"), ("-0.0004".to_owned(), "0".to_owned()));
        assert_eq!(near("1e-300"), ("0".to_owned(), "0.0004".to_owned()));
        assert_eq!(near("-1e-300"), ("-0.0004".to_owned(), "0".to_owned()));
    }

    #[test]
    fn what_is_left_rounds_down_and_what_is_used_up() {
        let amount = Money::from_nanos(4_001);
        assert_eq!((amount.quota_down(), amount.quota_up()), (2, 3));
        assert_eq!(Money::from_nanos(-1).quota_down(), -1);
        assert_eq!(Money::from_quota(500_000_000_001), None);
        assert_eq!(Money::from_quota(i64::MIN), None);
    }

    #[test]
    fn spellings_are_exact() {
        assert_eq!(Money::from_nanos(1).dollars(), "0.000000001");
        assert_eq!(Money::from_nanos(-1_500_000_000).dollars(), "-1.5");
        assert_eq!(Money::MAX.dollars(), "1000000");
        assert_eq!(Money::from_nanos(-1_500_000_000).to_string(), "-$1.5");
        assert_eq!(credits_of_quota(1), "0.0004");
        assert_eq!(credits_of_quota(500_000), "200");
    }
}
