//! What a model used: counts by kind. Owns [`TokenCount`] and [`Usage`]; knows no price and no wire format.

/// A number of a model's units of text (or audio, or image); never negative, at most [`TokenCount::MAX`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenCount(i64);

impl TokenCount {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The largest count that is believed of one request: 2^31 − 1 units.
    pub const MAX: Self = Self(2_147_483_647);

    /// The count, or `None` when it is negative or above [`TokenCount::MAX`].
    pub const fn parse(count: i64) -> Option<Self> {
        if count < 0 || count > Self::MAX.0 { None } else { Some(Self(count)) }
    }

    /// `count`, or the nearest count in range.
    pub const fn clamped(count: i64) -> Self {
        match Self::parse(count) {
            Some(count) => count,
            None if count < 0 => Self::ZERO,
            None => Self::MAX,
        }
    }

    /// The plain number, 0 ..= 2^31 − 1.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, at most [`TokenCount::MAX`].
    pub const fn plus(self, other: Self) -> Self {
        Self::clamped(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    pub const fn minus(self, other: Self) -> Self {
        Self::clamped(self.0.saturating_sub(other.0))
    }
}

/// What one request used. The kinds are disjoint: a cached input unit is not counted under `input`, a
/// reasoning unit not under `output`, so that a cost is a plain sum over kinds.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Plain text input.
    pub input: TokenCount,
    /// Input read from the provider's cache.
    pub cached_input: TokenCount,
    /// Input written to a short-lived (5 minutes) cache.
    pub cache_write: TokenCount,
    /// Input written to a one-hour cache.
    pub cache_write_1h: TokenCount,
    /// Plain text output.
    pub output: TokenCount,
    /// Output spent on reasoning.
    pub reasoning: TokenCount,
    /// Audio heard.
    pub audio_input: TokenCount,
    /// Audio spoken.
    pub audio_output: TokenCount,
    /// Images seen, where the provider counts them apart.
    pub image_input: TokenCount,
    /// Images made.
    pub image_output: TokenCount,
    /// Calls of tools that the provider runs itself.
    pub tool_calls: TokenCount,
}

impl Usage {
    /// The number of kinds, the length of [`Usage::counts`].
    pub const KINDS: usize = 11;

    /// The names of the kinds, in the order of [`Usage::counts`]; also the columns of the store.
    pub const NAMES: [&'static str; Self::KINDS] = [
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
        "tool_calls",
    ];

    /// The counts in the order of [`Usage::NAMES`].
    pub const fn counts(&self) -> [TokenCount; Self::KINDS] {
        [
            self.input,
            self.cached_input,
            self.cache_write,
            self.cache_write_1h,
            self.output,
            self.reasoning,
            self.audio_input,
            self.audio_output,
            self.image_input,
            self.image_output,
            self.tool_calls,
        ]
    }

    /// All input and all output of sums by kind, in the order of [`Usage::NAMES`]; sums may go beyond [`TokenCount::MAX`].
    pub fn totals(kinds: &[i64; Self::KINDS]) -> (i64, i64) {
        let [input, cached, write, write_1h, output, reasoning, heard, spoken, seen, drawn, _calls] = *kinds;
        let sum = |kinds: &[i64]| kinds.iter().fold(0_i64, |sum, count| sum.saturating_add(*count));
        (sum(&[input, cached, write, write_1h, heard, seen]), sum(&[output, reasoning, spoken, drawn]))
    }

    /// All input, whatever its kind.
    pub const fn all_input(&self) -> TokenCount {
        self.input
            .plus(self.cached_input)
            .plus(self.cache_write)
            .plus(self.cache_write_1h)
            .plus(self.audio_input)
            .plus(self.image_input)
    }

    /// All output, whatever its kind.
    pub const fn all_output(&self) -> TokenCount {
        self.output.plus(self.reasoning).plus(self.audio_output).plus(self.image_output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_out_of_range_are_not_counts() {
        assert_eq!(TokenCount::parse(-1), None);
        assert_eq!(TokenCount::parse(2_147_483_648), None);
        assert_eq!(TokenCount::clamped(i64::MAX), TokenCount::MAX);
        assert_eq!(TokenCount::MAX.plus(TokenCount::MAX), TokenCount::MAX);
        assert_eq!(TokenCount::ZERO.minus(TokenCount::MAX), TokenCount::ZERO);
    }

    #[test]
    fn totals_are_all_input_and_all_output() {
        // Each kind a bit of its own, in the order of the names; calls of tools are neither.
        let kinds = std::array::from_fn(|index| 1_i64 << index);
        assert_eq!(Usage::NAMES[4], "output");
        let input = [0, 1, 2, 3, 6, 8];
        let output = [4, 5, 7, 9];
        let of = |indices: &[usize]| indices.iter().map(|index| kinds[*index]).sum::<i64>();
        assert_eq!(Usage::totals(&kinds), (of(&input), of(&output)));
        let [a, b, c, d, e, f, g, h, i, j, k] = kinds.map(TokenCount::clamped);
        let usage = Usage {
            input: a,
            cached_input: b,
            cache_write: c,
            cache_write_1h: d,
            output: e,
            reasoning: f,
            audio_input: g,
            audio_output: h,
            image_input: i,
            image_output: j,
            tool_calls: k,
        };
        assert_eq!(usage.counts().map(TokenCount::get), kinds);
        assert_eq!((usage.all_input().get(), usage.all_output().get()), (of(&input), of(&output)));
    }
}
