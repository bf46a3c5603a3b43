//! The prices of one model, resolved: what each kind of token costs, in each tier and at each length.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use super::images::ImagePrices;
use super::rate::Rate;
use super::row::{Kinds, Named, PriceRow};
use super::terms::{Tier, TierAsk};

/// The input, in tokens, that a model is taken to accept when its entry does not say.
pub const UNKNOWN_MAX_INPUT: i64 = 1_000_000;

/// What an image counts, in input tokens, when the entry does not say.
const IMAGE_TOKENS: i64 = 10_000;

/// A price for each kind.
pub(super) type Rates = Kinds<Rate>;

/// The prices of one model. What an entry leaves out:
///
/// - `cached_input`, `cache_write`, `audio_input`, `image_input` cost as `input`; `cache_write_1h` as `cache_write`;
///   `reasoning`, `audio_output`, `image_output` as `output`;
/// - an entry with one of `input` and `output` prices both alike, so that nothing is free because it was forgotten;
/// - in a long-context or service tier, a kind costs as its plain kind in that tier, but never less than the entry's
///   own named price of that kind; where the tier has no such plain kind, what the entry charges outside the tier;
/// - where a long context and a service tier meet, each kind costs the dearer of the two;
/// - a tier without prices costs what the entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceEntry {
    base: Rates,
    long: Option<Long>,
    priority: Option<Rates>,
    flex: Option<Rates>,
    /// Whether it has a price for text.
    pub(super) is_for_text: bool,
    /// The price of a character that is spoken, where it has one.
    pub(super) per_character: Option<Rate>,
    /// The price of a second of sound, where it has one.
    pub(super) per_second: Option<Rate>,
    /// The prices of an image that is made, where it has them.
    pub(super) per_image: Option<ImagePrices>,
    pub(super) per_request: Rate,
    pub(super) per_tool_call: Rate,
    pub(super) max_output_tokens: Option<i64>,
    pub(super) max_input_tokens: i64,
    pub(super) image_tokens: i64,
    pub(super) max_seconds: Option<i64>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Long {
    above: i64,
    rates: Rates,
}

impl PriceEntry {
    /// The entry of a row.
    pub(super) fn from_row(row: &PriceRow) -> Self {
        let mut named = row.named;
        named.input = row.named.input.or(row.named.output);
        named.output = row.named.output.or(row.named.input);
        let base = resolve(&named, &Named::default(), &Rates::default());
        let tier = |tier: &Named| resolve(tier, &named, &base);
        Self {
            base,
            long: row.long_context.map(|long| Long { above: long.above, rates: tier(&long.named) }),
            priority: row.priority.as_ref().map(tier),
            flex: row.flex.as_ref().map(tier),
            is_for_text: row.prices_text(),
            per_character: row.per_character,
            per_second: row.per_second,
            per_image: row.per_image.clone(),
            per_request: row.per_request.unwrap_or_default(),
            per_tool_call: row.per_tool_call.unwrap_or_default(),
            max_output_tokens: row.max_output_tokens,
            max_input_tokens: row.max_input_tokens.unwrap_or(UNKNOWN_MAX_INPUT),
            image_tokens: row.image_tokens.unwrap_or(IMAGE_TOKENS),
            max_seconds: row.max_seconds,
        }
    }

    /// The prices of a request with `all_input` tokens of input, answered in `tier`.
    pub(super) fn rates(&self, tier: Tier, all_input: i64) -> Rates {
        let rates = match tier {
            Tier::Default => None,
            Tier::Priority => self.priority,
            Tier::Flex => self.flex,
        };
        match (rates, self.long_rates(all_input)) {
            (Some(tier), Some(long)) => dearer(&tier, &long),
            (Some(rates), None) | (None, Some(rates)) => rates,
            (None, None) => self.base,
        }
    }

    /// For each kind, the most it can cost with up to `all_input` tokens of input.
    pub(super) fn dearest(&self, ask: TierAsk, all_input: i64) -> Rates {
        let (priority, flex) = match ask {
            TierAsk::Default => (None, None),
            TierAsk::Auto => (self.priority, self.flex),
            TierAsk::Priority => (self.priority, None),
            TierAsk::Flex => (None, self.flex),
        };
        [priority, flex, self.long_rates(all_input)]
            .iter()
            .flatten()
            .fold(self.base, |dearest, rates| dearer(&dearest, rates))
    }

    /// Whether the entry has prices for every tier that `ask` names by its own word and that may cost more than the base.
    pub(super) fn prices(&self, ask: TierAsk) -> bool {
        ask != TierAsk::Priority || self.priority.is_some()
    }

    fn long_rates(&self, all_input: i64) -> Option<Rates> {
        self.long.filter(|long| all_input > long.above).map(|long| long.rates)
    }
}

impl Rates {
    /// The dearest that text of the input can cost, whatever the cache does with it.
    pub(super) fn any_text_input(&self) -> Rate {
        self.input.max(self.cached_input).max(self.cache_write).max(self.cache_write_1h)
    }

    /// The dearest that any input can cost.
    pub(super) fn any_input(&self) -> Rate {
        self.any_text_input().max(self.audio_input).max(self.image_input)
    }

    /// The dearest that output can cost where no audio comes.
    pub(super) fn any_silent_output(&self) -> Rate {
        self.output.max(self.reasoning).max(self.image_output)
    }
}

/// Fills in what `named` leaves out; `outer` and `base` are the entry's own prices where `named` is a tier of it.
fn resolve(named: &Named, outer: &Named, base: &Rates) -> Rates {
    let follow = |plain: Option<Rate>, own: Option<Rate>, base: Rate| match plain {
        Some(plain) => plain.max(own.unwrap_or_default()),
        None => base,
    };
    let input = named.input.unwrap_or(base.input);
    let output = named.output.unwrap_or(base.output);
    let cache_write =
        named.cache_write.unwrap_or_else(|| follow(named.input, outer.cache_write, base.cache_write));
    let plain_write = named.cache_write.or(named.input).map(|_| cache_write);
    let of_input = |kind: Option<Rate>, own, base| kind.unwrap_or_else(|| follow(named.input, own, base));
    let of_output = |kind: Option<Rate>, own, base| kind.unwrap_or_else(|| follow(named.output, own, base));
    Rates {
        input,
        cached_input: of_input(named.cached_input, outer.cached_input, base.cached_input),
        cache_write,
        cache_write_1h: named
            .cache_write_1h
            .unwrap_or_else(|| follow(plain_write, outer.cache_write_1h, base.cache_write_1h)),
        output,
        reasoning: of_output(named.reasoning, outer.reasoning, base.reasoning),
        audio_input: of_input(named.audio_input, outer.audio_input, base.audio_input),
        audio_output: of_output(named.audio_output, outer.audio_output, base.audio_output),
        image_input: of_input(named.image_input, outer.image_input, base.image_input),
        image_output: of_output(named.image_output, outer.image_output, base.image_output),
    }
}

/// Kind by kind, the dearer of two.
fn dearer(one: &Rates, other: &Rates) -> Rates {
    Rates {
        input: one.input.max(other.input),
        cached_input: one.cached_input.max(other.cached_input),
        cache_write: one.cache_write.max(other.cache_write),
        cache_write_1h: one.cache_write_1h.max(other.cache_write_1h),
        output: one.output.max(other.output),
        reasoning: one.reasoning.max(other.reasoning),
        audio_input: one.audio_input.max(other.audio_input),
        audio_output: one.audio_output.max(other.audio_output),
        image_input: one.image_input.max(other.image_input),
        image_output: one.image_output.max(other.image_output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> PriceEntry {
        PriceEntry::from_row(&PriceRow::parse(&format!("model = \"m\"\n{text}").parse().unwrap()).unwrap())
    }

    fn rate(text: &str) -> Rate {
        Rate::parse_per_million(text).unwrap()
    }

    #[test]
    fn absent_kinds_cost_as_their_plain_kind() {
        let rates = entry("input = 2\noutput = 8\ncache_write = 2.5").rates(Tier::Default, 0);
        assert_eq!(
            (rates.cached_input, rates.audio_input, rates.image_input),
            (rate("2"), rate("2"), rate("2"))
        );
        assert_eq!((rates.cache_write, rates.cache_write_1h), (rate("2.5"), rate("2.5")));
        assert_eq!(
            (rates.reasoning, rates.audio_output, rates.image_output),
            (rate("8"), rate("8"), rate("8"))
        );
    }

    #[test]
    fn nothing_is_free_by_omission() {
        assert_eq!(entry("input = 2").rates(Tier::Default, 0).output, rate("2"));
        assert_eq!(entry("output = 8").rates(Tier::Default, 0).input, rate("8"));
        assert_eq!(entry("input = 2\noutput = 0").rates(Tier::Default, 0).output, Rate::ZERO);
    }

    #[test]
    fn tiers_fall_back_within_themselves_and_never_below_a_named_price() {
        let entry = entry(
            "input = 2\noutput = 8\ncached_input = 0.5\naudio_input = 40
            long_context = { above = 100, input = 4 }
            tiers = { priority = { output = 16 }, flex = { input = 1, output = 4 } }",
        );
        let long = entry.rates(Tier::Default, 101);
        assert_eq!(entry.rates(Tier::Default, 100).input, rate("2"));
        assert_eq!((long.input, long.cached_input, long.cache_write), (rate("4"), rate("4"), rate("4")));
        assert_eq!((long.audio_input, long.output, long.reasoning), (rate("40"), rate("8"), rate("8")));
        let priority = entry.rates(Tier::Priority, 0);
        assert_eq!((priority.input, priority.cached_input), (rate("2"), rate("0.5")));
        assert_eq!((priority.output, priority.reasoning), (rate("16"), rate("16")));
        let flex = entry.rates(Tier::Flex, 0);
        assert_eq!((flex.cached_input, flex.audio_input, flex.reasoning), (rate("1"), rate("40"), rate("4")));
        assert_eq!(entry.rates(Tier::Flex, 101).input, rate("4"));
        assert_eq!(entry.dearest(TierAsk::Default, 0).output, rate("8"));
        assert_eq!(entry.dearest(TierAsk::Auto, 101).output, rate("16"));
        assert_eq!(entry.dearest(TierAsk::Flex, 0).output, rate("8"));
    }

    /// Rates in the order of `Rates`' fields, dollars a million.
    fn rates(each: [u8; 10]) -> Rates {
        let [a, b, c, d, e, f, g, h, i, j] = each.map(|dollars| rate(&dollars.to_string()));
        Rates {
            input: a,
            cached_input: b,
            cache_write: c,
            cache_write_1h: d,
            audio_input: e,
            image_input: f,
            output: g,
            reasoning: h,
            audio_output: i,
            image_output: j,
        }
    }

    #[test]
    fn the_dearest_of_any_kind_is_found_wherever_it_is() {
        for dear in 0..10 {
            let rates = rates(std::array::from_fn(|kind| if kind == dear { 9 } else { 1 }));
            let nine = |kinds: &[usize]| rate(if kinds.contains(&dear) { "9" } else { "1" });
            assert_eq!(rates.any_text_input(), nine(&[0, 1, 2, 3]), "{dear}");
            assert_eq!(rates.any_input(), nine(&[0, 1, 2, 3, 4, 5]), "{dear}");
            assert_eq!(rates.any_silent_output(), nine(&[6, 7, 9]), "{dear}");
        }
        let (one, other) = ([1, 9, 2, 8, 3, 7, 4, 6, 5, 11], [9, 1, 8, 2, 7, 3, 6, 4, 11, 5]);
        let both = rates([9, 9, 8, 8, 7, 7, 6, 6, 11, 11]);
        assert_eq!(dearer(&rates(one), &rates(other)), both);
        assert_eq!(dearer(&rates(other), &rates(one)), both);
    }

    #[test]
    fn priority_needs_prices_of_its_own() {
        let without = entry("input = 2\noutput = 8\ntiers = { flex = { input = 1, output = 4 } }");
        let with = entry("input = 2\noutput = 8\ntiers = { priority = { output = 16 } }");
        assert!(!without.prices(TierAsk::Priority) && with.prices(TierAsk::Priority));
        for ask in [TierAsk::Default, TierAsk::Auto, TierAsk::Flex] {
            assert!(without.prices(ask) && with.prices(ask), "{ask:?}");
        }
    }
}
