//! What a request for images or sound is billed by, and how much of that there can be. Owns the rates by which sound and text
//! are turned into seconds and tokens where nobody says.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use super::{MoneyFault, Terms, times};
use crate::catalogue::entry::PriceEntry;
use crate::catalogue::rate::Rate;
use crate::usage::{TokenCount, Usage};

/// The fewest bytes of sound a second that are held for: 6 kbit/s, as low as codecs of speech go.
const LEAST_BYTES: i64 = 750;

/// The bytes of sound a second that are charged where nothing tells its length: 32 kbit/s, as speech is usually packed.
const USUAL_BYTES: i64 = 4_000;

/// Bytes of sound that are held as one token.
const BYTES_PER_TOKEN: i64 = 16;

/// Tokens that a second of sound is to models that hear.
const HEARD: i64 = 10;

/// Tokens that a second of sound is from models that speak.
const SPOKEN: i64 = 21;

/// Bytes of text that are spoken in a second, where nothing tells the length of the sound. Held is a second for each byte.
const USUAL_TEXT: i64 = 15;

/// What a request is for, as far as its price depends on that.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Task<'a> {
    /// Text, or whatever a model answers with usage by the token.
    Text,
    /// To speak a text.
    Speech {
        /// Its length in characters.
        characters: i64,
        /// Its length in bytes.
        bytes: i64,
    },
    /// To make images.
    Images {
        /// How many, at least 1.
        count: i64,
        /// Their size, as the request spells it.
        size: Option<&'a str>,
        /// Their quality, as the request spells it.
        quality: Option<&'a str>,
        /// At most so many tokens of output are each of them, where the entry does not say.
        tokens: i64,
    },
    /// To hear sound and write down what is said.
    Transcript {
        /// The length of the sound in bytes.
        bytes: i64,
        /// Its length in seconds, as its head tells.
        told: Option<i64>,
    },
}

/// What an answer shows of its use without any figures.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether there is an answer at all, at least its beginning.
    pub is_answer: bool,
    /// About so many tokens of text that were written.
    pub output: TokenCount,
    /// Calls of the provider's tools.
    pub tool_calls: TokenCount,
    /// Images that were made.
    pub images: TokenCount,
    /// Seconds of sound, heard or spoken, rounded up, as it tells.
    pub seconds: Option<TokenCount>,
    /// Seconds of sound that there are at least.
    pub least_seconds: TokenCount,
}

/// What a request is billed by.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Basis {
    /// Tokens of each kind.
    #[default]
    Tokens,
    /// So many characters, whatever comes of them.
    Characters(i64),
    /// Images.
    Images {
        /// Each.
        rate: Rate,
        /// At most so many.
        count: i64,
    },
    /// Seconds of sound.
    Seconds {
        /// Each.
        rate: Rate,
        /// At most so many.
        most: i64,
    },
}

/// What a request is for, worked out at its price.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) basis: Basis,
    /// Tokens of output that each answer can have, where no field of the request bounds them.
    pub(super) output: i64,
    sound: Sound,
    /// Seconds of sound that are charged where nobody says.
    likely: i64,
}

/// Where sound is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Sound {
    /// Nowhere.
    #[default]
    None,
    /// In the request.
    Heard,
    /// In the answer.
    Spoken,
}

impl Sound {
    /// So much sound.
    fn usage(self, count: TokenCount) -> Usage {
        match self {
            Self::None => Usage::default(),
            Self::Heard => Usage { audio_input: count, ..Usage::default() },
            Self::Spoken => Usage { audio_output: count, ..Usage::default() },
        }
    }
}

impl Job {
    /// `task` at the prices of `entry`: what its medium is sold by where that has a price, else the token. `None` where neither
    /// has one.
    pub(super) fn of(task: &Task<'_>, entry: &PriceEntry) -> Option<Self> {
        let basis = match *task {
            Task::Text => None,
            Task::Speech { characters, .. } if entry.per_character.is_some() => {
                Some(Basis::Characters(characters))
            }
            Task::Speech { bytes, .. } => entry.per_second.map(|rate| Basis::Seconds { rate, most: bytes }),
            Task::Images { count, size, quality, .. } => {
                entry.per_image.as_ref().map(|prices| Basis::Images { rate: prices.of(size, quality), count })
            }
            Task::Transcript { bytes, told } => {
                let most = up(bytes, LEAST_BYTES).max(told.unwrap_or(0));
                entry.per_second.map(|rate| Basis::Seconds { rate, most })
            }
        };
        let basis = match basis {
            None if !entry.is_for_text => return None,
            None => Basis::Tokens,
            Some(Basis::Seconds { rate, most }) => {
                Basis::Seconds { rate, most: most.min(entry.max_seconds.unwrap_or(i64::MAX)) }
            }
            Some(basis) => basis,
        };
        let output = if basis == Basis::Tokens { tokens_out(task, entry.max_output_tokens) } else { 0 };
        let (sound, likely) = likely(task);
        let most = if let Basis::Seconds { most, .. } = basis { most } else { i64::MAX };
        Some(Self { basis, output, sound, likely: likely.min(most) })
    }

    /// What the request is taken to use at least, beside its text.
    pub(super) fn floor(&self) -> Usage {
        let likely = TokenCount::clamped(self.likely);
        match self.basis {
            Basis::Characters(_) => Usage::default(),
            Basis::Images { count, .. } => {
                Usage { image_output: TokenCount::clamped(count), ..Usage::default() }
            }
            Basis::Seconds { .. } => self.sound.usage(likely),
            Basis::Tokens if self.sound == Sound::Heard => self.sound.usage(tokens(likely, HEARD)),
            Basis::Tokens => Usage::default(),
        }
    }

    /// The most that it costs beside tokens, in femtodollars before the multiplier.
    pub(super) fn most(&self, entry: &PriceEntry) -> Result<i128, MoneyFault> {
        match self.basis {
            Basis::Tokens => Ok(0),
            Basis::Characters(count) => times(entry.per_character.unwrap_or_default().femtos(), count),
            Basis::Images { rate, count } => times(rate.femtos(), count),
            Basis::Seconds { rate, most } => times(rate.femtos(), most),
        }
    }
}

impl Terms {
    /// The usage that is billed: `told` by the provider in tokens, or what the answer itself shows, where that is what is
    /// sold. `None` where neither is known.
    pub fn billed(&self, told: Option<Usage>, shown: &Shown) -> Option<Usage> {
        match self.job.basis {
            Basis::Tokens => told,
            Basis::Characters(_) => shown.is_answer.then(Usage::default),
            Basis::Images { .. } => {
                let images = Usage { image_output: shown.images, ..Usage::default() };
                (shown.images > TokenCount::ZERO).then_some(images)
            }
            Basis::Seconds { .. } => shown.seconds.map(|seconds| self.job.sound.usage(seconds)),
        }
    }

    /// The usage where it is not known: what the request uses at least, `floor`, and what the answer shows.
    pub fn counted(&self, floor: Usage, shown: &Shown) -> Usage {
        let job = &self.job;
        match job.basis {
            Basis::Tokens => {}
            Basis::Seconds { .. } if job.sound == Sound::Heard => {
                return Usage { audio_input: floor.audio_input.max(shown.least_seconds), ..floor };
            }
            _ => return floor,
        }
        let mut usage = Usage { output: shown.output, tool_calls: shown.tool_calls, ..floor };
        match job.sound {
            Sound::None => usage.image_output = tokens(shown.images, job.output),
            Sound::Heard => {
                let least = usage.audio_input.max(tokens(shown.least_seconds, HEARD));
                let heard = shown.seconds.map(|seconds| tokens(seconds, HEARD));
                usage.audio_input = heard.unwrap_or(least);
            }
            Sound::Spoken if shown.is_answer => {
                let seconds = shown.seconds.unwrap_or(TokenCount::clamped(job.likely));
                usage.audio_output = tokens(seconds, SPOKEN).min(TokenCount::clamped(job.output));
            }
            Sound::Spoken => {}
        }
        usage
    }
}

/// Tokens of output that one answer can have.
fn tokens_out(task: &Task<'_>, most: Option<i64>) -> i64 {
    match *task {
        Task::Text => 0,
        Task::Speech { bytes, .. } => bytes.saturating_mul(SPOKEN).min(most.unwrap_or(i64::MAX)),
        Task::Images { tokens, .. } => most.unwrap_or(tokens),
        // Nobody writes more than is said.
        Task::Transcript { bytes, .. } => most.unwrap_or(up(bytes, BYTES_PER_TOKEN)),
    }
    .clamp(0, Terms::MAX_CAP)
}

/// Where the sound of a task is, and its seconds as far as that is known beforehand.
fn likely(task: &Task<'_>) -> (Sound, i64) {
    match *task {
        Task::Text | Task::Images { .. } => (Sound::None, 0),
        Task::Speech { bytes, .. } => (Sound::Spoken, up(bytes, USUAL_TEXT)),
        Task::Transcript { bytes, told } => (Sound::Heard, told.unwrap_or(up(bytes, USUAL_BYTES))),
    }
}

/// `count / per`, rounded up; `per` is positive.
fn up(count: i64, per: i64) -> i64 {
    count.saturating_add(per.saturating_sub(1)).checked_div(per).unwrap_or(count)
}

fn tokens(count: TokenCount, each: i64) -> TokenCount {
    TokenCount::clamped(count.get().saturating_mul(each))
}
