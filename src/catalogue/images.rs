//! Prices of images: one for all, or a table by size and quality. Owns which of them a request is at; knows nothing of tokens.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use toml::Value;

use super::rate::Rate;
use super::row::{RowFault, each};

/// The key of the price of whatever no other key names.
const DEFAULT: &str = "default";

/// What a request says where the provider shall choose.
const AUTO: &str = "auto";

/// The prices of one model's images, each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImagePrices {
    default: Rate,
    named: Vec<Named>,
}

/// A price by what its key names: a size, a quality, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    size: Option<String>,
    quality: Option<String>,
    rate: Rate,
}

/// Whether two words are the same.
type Same = fn(&str, &str) -> bool;

impl ImagePrices {
    /// Reads one price, or a table with a `default`.
    ///
    /// # Errors
    /// A key that names neither a size nor a quality, a value that is no price, or a table without `default`.
    pub(super) fn parse(value: &Value) -> Result<Self, RowFault> {
        let Some(table) = value.as_table() else {
            return Ok(Self { default: each("per_image", value)?, named: Vec::new() });
        };
        let mut default = None;
        let mut named = Vec::new();
        for (key, price) in table {
            let rate = each(key, price).map_err(|fault| fault.under("per_image"))?;
            if key == DEFAULT {
                default = Some(rate);
            } else {
                let (size, quality) = parts(key)?;
                named.push(Named { size, quality, rate });
            }
        }
        let missing = "is missing: the price of an image of any other size and quality";
        let default = default.ok_or_else(|| RowFault::new("per_image.default", missing))?;
        Ok(Self { default, named })
    }

    /// The price of an image of what a request names. The key of just that, else of its size, else of its quality, else
    /// `default`. Where it names one of both and no key is of just that, or where it leaves one to the provider (`auto`),
    /// the dearest of all that it may come to. Some providers mind the case of letters and some do not: the dearer counts.
    pub(super) fn of(&self, size: Option<&str>, quality: Option<&str>) -> Rate {
        let exactly = self.spelled(str::eq, size, quality);
        exactly.max(self.spelled(str::eq_ignore_ascii_case, size, quality))
    }

    fn spelled(&self, same: Same, size: Option<&str>, quality: Option<&str>) -> Rate {
        let is_auto = |word: &&str| same(word, AUTO);
        let is_open = size.as_ref().is_some_and(is_auto) || quality.as_ref().is_some_and(is_auto);
        let (size, quality) = (size.filter(|size| !is_auto(size)), quality.filter(|word| !is_auto(word)));
        if is_open {
            return self.dearest(same, size, quality);
        }
        let exact = self.just(same, size, quality);
        match (size, quality) {
            (None, None) => self.default,
            (Some(_), Some(_)) => {
                let either = || self.just(same, size, None).or_else(|| self.just(same, None, quality));
                exact.or_else(either).unwrap_or(self.default)
            }
            _ => exact.unwrap_or_else(|| self.dearest(same, size, quality)),
        }
    }

    /// The price whose key names just this.
    fn just(&self, same: Same, size: Option<&str>, quality: Option<&str>) -> Option<Rate> {
        let is_word = |own: &Option<String>, asked: Option<&str>| match (own, asked) {
            (Some(own), Some(asked)) => same(own, asked),
            (own, asked) => own.is_none() && asked.is_none(),
        };
        let is_it = |named: &&Named| is_word(&named.size, size) && is_word(&named.quality, quality);
        self.named.iter().find(is_it).map(|named| named.rate)
    }

    /// The dearest price that names nothing else than this, or less.
    fn dearest(&self, same: Same, size: Option<&str>, quality: Option<&str>) -> Rate {
        let agrees = |own: &Option<String>, asked: Option<&str>| {
            own.as_deref().is_none_or(|own| asked.is_none_or(|asked| same(own, asked)))
        };
        let fits = |named: &&Named| agrees(&named.size, size) && agrees(&named.quality, quality);
        self.named.iter().filter(fits).map(|named| named.rate).fold(self.default, Rate::max)
    }
}

/// The size and the quality that a key names. What begins with a digit is a size.
fn parts(key: &str) -> Result<(Option<String>, Option<String>), RowFault> {
    let is_word =
        |part: &str| !part.is_empty() && part.len() <= 64 && part.bytes().all(|b| b.is_ascii_graphic());
    let is_size = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
    let owned = |part: &str| Some(part.to_owned());
    match key.split_once('/') {
        Some((size, quality)) if is_word(size) && is_word(quality) && !quality.contains('/') => {
            Ok((owned(size), owned(quality)))
        }
        None if is_word(key) && key != AUTO => {
            Ok(if is_size(key) { (owned(key), None) } else { (None, owned(key)) })
        }
        _ => Err(RowFault::new(
            format!("per_image.{key}"),
            "must be a size (\"1024x1024\"), a quality (\"high\"), both (\"1024x1024/high\"), or default",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(text: &str) -> Result<ImagePrices, RowFault> {
        let table: toml::Table = format!("p = {text}").parse().unwrap();
        ImagePrices::parse(&table["p"])
    }

    fn dollars(prices: &ImagePrices, size: &str, quality: &str) -> String {
        let some = |text: &'static str, own: &str| (own != text).then(|| own.to_owned());
        let (size, quality) = (some("", size), some("", quality));
        let femtos = prices.of(size.as_deref(), quality.as_deref()).femtos();
        format!("{}", femtos.div_euclid(10_000_000_000_000))
    }

    #[test]
    fn each_size_and_quality_has_its_price() {
        let one = prices("0.04").unwrap();
        assert_eq!((dollars(&one, "", ""), dollars(&one, "1x1", "hd")), ("4".to_owned(), "4".to_owned()));
        // Cents.
        let table = prices(
            "{ \"1024x1024/hd\" = 0.08, \"1792x1024\" = 0.09, low = 0.01, \"512x512/low\" = 0.02, default = 0.04 }",
        )
        .unwrap();
        for (size, quality, cents) in [
            ("", "", "4"),
            ("1024x1024", "hd", "8"),
            ("1024x1024", "standard", "4"),
            ("1792x1024", "hd", "9"),
            // In letters of another case: the dearer of both readings.
            ("1024X1024", "HD", "8"),
            ("1792X1024", "standard", "9"),
            ("1024x1024", "LOW", "4"),
            ("AUTO", "Auto", "9"),
            ("1024x1024", "low", "1"),
            ("512x512", "low", "2"),
            // Of a key of its own.
            ("1792x1024", "", "9"),
            ("", "low", "1"),
            // Named by half: what it may come to at most.
            ("1024x1024", "", "8"),
            ("", "hd", "9"),
            ("512x512", "", "4"),
            // Left to the provider.
            ("auto", "", "9"),
            ("1024x1024", "auto", "8"),
            ("auto", "low", "9"),
            ("auto", "auto", "9"),
        ] {
            assert_eq!(dollars(&table, size, quality), cents, "{size}/{quality}");
        }
    }

    #[test]
    fn faults_name_the_key() {
        for (text, key) in [
            ("-1", "per_image"),
            ("true", "per_image"),
            ("{ \"1x1\" = 1 }", "per_image.default"),
            ("{ default = -1 }", "per_image.default"),
            ("{ default = 1, \"1x1\" = \"x\" }", "per_image.1x1"),
            ("{ default = 1, \"1x1/a/b\" = 1 }", "per_image.1x1/a/b"),
            ("{ default = 1, \"/hd\" = 1 }", "per_image./hd"),
            ("{ default = 1, \"a b\" = 1 }", "per_image.a b"),
            ("{ default = 1, auto = 1 }", "per_image.auto"),
        ] {
            assert_eq!(prices(text).unwrap_err().key, key, "{text}");
        }
    }
}
