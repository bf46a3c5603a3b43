//! Terms: what one request may cost at most, what it cost, and what it costs at least. The only place that rounds:
//! once, up, to a whole nanodollar.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

mod media;

use std::fmt;
use std::sync::Arc;

use super::entry::{PriceEntry, Rates};
use super::rate::{Multiplier, Rate};
use crate::money::Money;
use crate::usage::{TokenCount, Usage};

use media::{Basis, Job};
pub use media::{Shown, Task};

/// Femtodollars times billionths (of a multiplier) in a nanodollar.
const PER_NANO: i128 = 1_000_000_000_000_000;

/// A provider's service tier, as its answer names it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The ordinary one.
    Default,
    /// Faster and dearer.
    Priority,
    /// Slower and cheaper.
    Flex,
}

/// The service tier that a request asks for.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum TierAsk {
    /// The ordinary one.
    Default,
    /// None, or the provider's choice: any may be billed.
    #[default]
    Auto,
    /// Priority, or the ordinary one where there is no room in it.
    Priority,
    /// Flex, or the ordinary one.
    Flex,
}

/// Whether the body names input that the gateway never sees (files, URLs, stored prompts, PDF, video, hosted tools).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum UnseenInput {
    /// All input is in the body.
    #[default]
    None,
    /// There may be as much as the model takes.
    Some,
}

/// Whether audio may come back.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Speech {
    /// Text (and images) only.
    #[default]
    Silent,
    /// Audio too.
    Spoken,
}

/// What a request can use at most, besides its output cap, and what else its price depends on. No count is negative.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Tokens of text: at most its bytes, and constants per message and tool.
    pub text_tokens: i64,
    /// Images in the body, each [`PriceEntry`]'s `image_tokens`.
    pub images: i64,
    /// Tokens of audio in the body.
    pub audio_tokens: i64,
    /// Whether there is more input than the body shows.
    pub unseen_input: UnseenInput,
    /// Tokens of a predicted output, billed as output where the prediction fails, for each choice.
    pub predicted_tokens: i64,
    /// Calls of tools that the provider runs and bills each.
    pub tool_calls: i64,
    /// How many answers are asked for; 0 counts as 1.
    pub choices: i64,
    /// Whether audio may come back.
    pub speech: Speech,
    /// The service tier asked for.
    pub tier: TierAsk,
}

/// A cost beyond [`Money::MAX`], or counts that are negative: no amount.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct MoneyFault;

impl fmt::Display for MoneyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("costs more than the largest amount there is")
    }
}

impl std::error::Error for MoneyFault {}

/// The price and the multiplier that a request was admitted at, kept until it is settled.
#[derive(Clone, Debug)]
pub struct Terms {
    /// `None` = free.
    entry: Option<Arc<PriceEntry>>,
    multiplier: Multiplier,
    job: Job,
}

/// The parts of a hold, in femtodollars before the multiplier.
struct Worst {
    /// What the request costs with no output.
    fixed: i128,
    /// What each token of the output cap adds.
    per_output_token: i128,
}

impl Terms {
    /// The largest output cap.
    pub const MAX_CAP: i64 = 2_147_483_647;

    /// The terms of `entry` for a token of a group with `multiplier`.
    pub fn new(entry: Arc<PriceEntry>, multiplier: Multiplier) -> Self {
        Self { entry: Some(entry), multiplier, job: Job::default() }
    }

    /// Costs nothing: an unpriced model where those are free.
    pub fn free() -> Self {
        Self { entry: None, multiplier: Multiplier::ONE, job: Job::default() }
    }

    /// The same for a request for `task`; `None` where the entry has no price for that.
    pub fn for_task(self, task: &Task<'_>) -> Option<Self> {
        match &self.entry {
            None => Some(self),
            Some(entry) => Some(Self { job: Job::of(task, entry)?, ..self }),
        }
    }

    /// Tokens of output that each answer can have where no field of the request bounds them.
    pub const fn unbounded_output(&self) -> i64 {
        self.job.output
    }

    /// The worst a request within `bound` can cost when its output is capped at `output_cap` tokens a choice: input at
    /// the dearest rate it could be billed at, the cap times the choices at the dearest output rate.
    ///
    /// # Errors
    /// When that is no amount.
    pub fn hold(&self, bound: &Bound, output_cap: i64) -> Result<Money, MoneyFault> {
        let Some(entry) = &self.entry else { return Ok(Money::ZERO) };
        let worst = self.worst(entry, bound)?;
        let output = times(worst.per_output_token, output_cap)?;
        self.rounded_up(plus(worst.fixed, output)?)
    }

    /// The largest output cap, at most [`Terms::MAX_CAP`], whose hold fits `room`; `None` when not even none does.
    pub fn affordable(&self, bound: &Bound, room: Money) -> Option<i64> {
        let room = i128::from(room.less(Money::ZERO).min(Money::MAX).nanos());
        let Some(entry) = &self.entry else { return Some(Self::MAX_CAP) };
        let worst = self.worst(entry, bound).ok()?;
        if self.multiplier.billionths() == 0 {
            return Some(Self::MAX_CAP);
        }
        // A cost rounded up fits whole nanodollars exactly when the cost itself does.
        let most = room.checked_mul(PER_NANO)?.checked_div(self.multiplier.billionths())?;
        let left = most.checked_sub(worst.fixed).filter(|left| *left >= 0)?;
        let cap = left.checked_div(worst.per_output_token).unwrap_or(i128::MAX);
        Some(i64::try_from(cap).unwrap_or(Self::MAX_CAP).min(Self::MAX_CAP))
    }

    /// What `usage` costs, kind by kind, at the prices of the tier that the answer names (`None`: the ordinary one) and
    /// of the length of its input.
    ///
    /// # Errors
    /// When that is no amount.
    pub fn charge(&self, usage: &Usage, tier: Option<Tier>) -> Result<Money, MoneyFault> {
        let Some(entry) = &self.entry else { return Ok(Money::ZERO) };
        let used = self.used(entry, usage, tier.unwrap_or(Tier::Default))?;
        self.rounded_up(plus(entry.per_request.femtos(), used)?)
    }

    /// What `usage` costs, in femtodollars before the multiplier, by whatever the request is billed by.
    fn used(&self, entry: &PriceEntry, usage: &Usage, tier: Tier) -> Result<i128, MoneyFault> {
        match self.job.basis {
            Basis::Tokens => {}
            Basis::Characters(_) => return self.job.most(entry),
            Basis::Images { rate, .. } => return times(rate.femtos(), usage.image_output.get()),
            Basis::Seconds { rate, .. } => {
                return times(rate.femtos(), usage.audio_input.plus(usage.audio_output).get());
            }
        }
        let rates = entry.rates(tier, usage.all_input().get());
        let mut cost = times(entry.per_tool_call.femtos(), usage.tool_calls.get())?;
        for (count, rate) in by_kind(usage, &rates) {
            cost = plus(cost, times(rate.femtos(), count.get())?)?;
        }
        Ok(cost)
    }

    /// What an accepted request uses at least when nobody says: [`Terms::floor_tokens`] of input, or what it is known beforehand
    /// to be billed by.
    pub fn floor_usage(&self, text_bytes: i64, messages: i64) -> Usage {
        let floor = self.job.floor();
        match self.job.basis {
            Basis::Tokens => Usage { input: Self::floor_tokens(text_bytes, messages), ..floor },
            _ => floor,
        }
    }

    /// What `usage`, a [`Terms::floor_usage`], costs; at most [`Money::MAX`].
    pub fn floor(&self, usage: &Usage) -> Money {
        let Some(entry) = &self.entry else { return Money::ZERO };
        let cost = self.used(entry, usage, Tier::Default);
        cost.and_then(|cost| self.rounded_up(cost)).unwrap_or(Money::MAX)
    }

    /// ⌈bytes / 4⌉, and 4 for each message.
    pub const fn floor_tokens(text_bytes: i64, messages: i64) -> TokenCount {
        let text = TokenCount::clamped(text_bytes.saturating_add(3).div_euclid(4));
        text.plus(TokenCount::clamped(messages.saturating_mul(4)))
    }

    /// Whether a hold bounds the cost of the service tier that is asked for. Priority costs more than the base, so it must have
    /// prices of its own; flex costs less.
    pub fn prices_tier(&self, ask: TierAsk) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.prices(ask))
    }

    /// Whether no input can cost anything, so that counting it is for nothing.
    pub fn input_is_free(&self) -> bool {
        let dearest = |entry: &Arc<PriceEntry>| entry.dearest(TierAsk::Auto, i64::MAX).any_input();
        self.multiplier.billionths() == 0
            || self.entry.as_ref().is_none_or(|entry| dearest(entry) == Rate::ZERO)
    }

    /// The most output, in tokens, that the model gives; `None` where the entry does not say.
    pub fn max_output_tokens(&self) -> Option<i64> {
        self.entry.as_ref().and_then(|entry| entry.max_output_tokens)
    }

    fn worst(&self, entry: &PriceEntry, bound: &Bound) -> Result<Worst, MoneyFault> {
        if self.job.basis == Basis::Tokens {
            return worst(entry, bound);
        }
        let fixed = plus(self.job.most(entry)?, entry.per_request.femtos())?;
        Ok(Worst { fixed, per_output_token: 0 })
    }

    /// Femtodollars, times the multiplier, as whole nanodollars: the one rounding.
    fn rounded_up(&self, femtos: i128) -> Result<Money, MoneyFault> {
        let cost = femtos.checked_mul(self.multiplier.billionths()).ok_or(MoneyFault)?;
        let up = plus(cost, PER_NANO)?.checked_sub(1).ok_or(MoneyFault)?;
        let nanos = i64::try_from(up.div_euclid(PER_NANO)).map_err(|_| MoneyFault)?;
        Some(Money::from_nanos(nanos)).filter(|money| *money <= Money::MAX).ok_or(MoneyFault)
    }
}

fn worst(entry: &PriceEntry, bound: &Bound) -> Result<Worst, MoneyFault> {
    let image_tokens = times(i128::from(entry.image_tokens), bound.images)?;
    let seen = plus(plus(i128::from(bound.text_tokens), image_tokens)?, i128::from(bound.audio_tokens))?;
    let seen = i64::try_from(seen).map_err(|_| MoneyFault)?;
    let all_input = match bound.unseen_input {
        UnseenInput::None => seen,
        UnseenInput::Some => seen.max(entry.max_input_tokens),
    };
    let rates = entry.dearest(bound.tier, all_input);
    let input = match bound.unseen_input {
        UnseenInput::None => {
            let text = rates.any_text_input();
            let images = text.max(rates.image_input).femtos().checked_mul(image_tokens).ok_or(MoneyFault)?;
            let audio = times(text.max(rates.audio_input).femtos(), bound.audio_tokens)?;
            plus(plus(times(text.femtos(), bound.text_tokens)?, images)?, audio)?
        }
        UnseenInput::Some => times(rates.any_input().femtos(), all_input)?,
    };
    let silent = rates.any_silent_output();
    let output = match bound.speech {
        Speech::Silent => silent,
        Speech::Spoken => silent.max(rates.audio_output),
    };
    let per_output_token = times(output.femtos(), bound.choices.max(1))?;
    let predicted = times(per_output_token, bound.predicted_tokens)?;
    let calls = times(entry.per_tool_call.femtos(), bound.tool_calls)?;
    let fixed = plus(plus(input, predicted)?, plus(calls, entry.per_request.femtos())?)?;
    Ok(Worst { fixed, per_output_token })
}

fn by_kind(usage: &Usage, rates: &Rates) -> [(TokenCount, Rate); 10] {
    [
        (usage.input, rates.input),
        (usage.cached_input, rates.cached_input),
        (usage.cache_write, rates.cache_write),
        (usage.cache_write_1h, rates.cache_write_1h),
        (usage.output, rates.output),
        (usage.reasoning, rates.reasoning),
        (usage.audio_input, rates.audio_input),
        (usage.audio_output, rates.audio_output),
        (usage.image_input, rates.image_input),
        (usage.image_output, rates.image_output),
    ]
}

fn plus(one: i128, other: i128) -> Result<i128, MoneyFault> {
    one.checked_add(other).ok_or(MoneyFault)
}

/// `each × count`, for a count that is not negative.
fn times(each: i128, count: i64) -> Result<i128, MoneyFault> {
    if count < 0 {
        return Err(MoneyFault);
    }
    each.checked_mul(i128::from(count)).ok_or(MoneyFault)
}

#[cfg(test)]
mod tests;
