//! What a client asks, whatever its dialect: what `read` of each dialect makes, and `write` of each provider's takes. All that two
//! dialects can both say has a place here; each place remembers where it stood in the client's body, so that a provider that
//! cannot say it refuses it by the name the client knows. Must not know of a wire format.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use super::value::company;
use crate::wire::ask::AskFault;
use crate::wire::endpoints::Dialect;

/// Something that the client set, and where.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    /// What.
    pub(super) value: T,
    /// As in `messages[3].content`.
    pub(super) path: String,
}

impl<T> Set<T> {
    /// A refusal of it: `why` completes a sentence that begins with its path.
    pub(super) fn refuse(&self, why: &str) -> AskFault {
        AskFault::Parameter { param: Cow::Owned(self.path.clone()), message: format!("{} {why}", self.path) }
    }

    /// A refusal because the API of `to` has no such thing.
    pub(super) fn inexpressible(&self, to: Dialect) -> AskFault {
        let company = company(to);
        self.refuse(&format!(
            "has no counterpart in the API of this model's provider ({company}), and is not dropped in silence; leave it out"
        ))
    }
}

impl<'a> Set<&'a RawValue> {
    /// The number, as it was spelled, if it is in the range that `to` takes.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn within(&self, range: RangeInclusive<f64>, to: Dialect) -> Result<&'a RawValue, AskFault> {
        let number: Option<f64> = serde_json::from_str(self.value.get()).ok();
        if number.is_some_and(|number| range.contains(&number)) {
            return Ok(self.value);
        }
        let (least, most, company) = (range.start(), range.end(), company(to));
        let why = format!(
            "must be a number from {least} to {most}: this model's provider ({company}) takes no other"
        );
        Err(self.refuse(&why))
    }
}

/// A request. What is `None` or empty was not set, or was set to what says nothing.
#[derive(Debug, Default)]
pub(super) struct Prompt<'a> {
    /// The model, as the client calls it.
    pub(super) model: String,
    /// Whether the answer is streamed.
    pub(super) stream: bool,
    /// At most so many units of output.
    pub(super) cap: Option<i64>,
    /// More the model does not give, whatever is asked; `None` where that is not known.
    pub(super) most: Option<i64>,
    /// What the system or the developer says.
    pub(super) system: Vec<Set<String>>,
    /// The conversation. Two turns of one speaker never follow each other, and none is empty.
    pub(super) turns: Vec<Turn>,
    /// The tools that the client runs.
    pub(super) tools: Vec<Set<Tool>>,
    /// Which of them the model is to call.
    pub(super) choice: Option<Set<Choice>>,
    /// Whether several may be called at once.
    pub(super) parallel: Option<Set<Parallel>>,
    /// Texts that end the answer.
    pub(super) stops: Option<Set<Vec<String>>>,
    /// Numbers that steer the choice of words, as they were spelled.
    pub(super) temperature: Option<Set<&'a RawValue>>,
    pub(super) top_p: Option<Set<&'a RawValue>>,
    pub(super) top_k: Option<Set<&'a RawValue>>,
    pub(super) presence_penalty: Option<Set<&'a RawValue>>,
    pub(super) frequency_penalty: Option<Set<&'a RawValue>>,
    pub(super) seed: Option<Set<&'a RawValue>>,
    /// How much the model is to think.
    pub(super) thinking: Option<Set<Thinking>>,
    /// The form of the answer; text where nothing is said.
    pub(super) format: Option<Set<Format>>,
    /// Who asks, in the client's own words.
    pub(super) user: Option<Set<String>>,
    /// The tier of service.
    pub(super) tier: Option<Set<Tier>>,
}

impl Prompt<'_> {
    /// Adds what `speaker` says: to its turn, if it spoke last.
    pub(super) fn say(&mut self, speaker: Speaker, mut parts: Vec<Set<Part>>) {
        match self.turns.last_mut().filter(|turn| turn.speaker == speaker) {
            Some(turn) => turn.parts.append(&mut parts),
            None if parts.is_empty() => {}
            None => self.turns.push(Turn { speaker, parts }),
        }
    }
}

/// Who speaks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The client, also where it says what a tool gave.
    User,
    /// The model.
    Model,
}

/// What one side says.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) speaker: Speaker,
    pub(super) parts: Vec<Set<Part>>,
}

/// A part of what is said.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Words; never empty.
    Text(String),
    /// An image.
    Image(Media),
    /// A document: PDF.
    Document(Media),
    /// A call of a tool that the model made.
    Call(Call),
    /// What a tool gave.
    Outcome(Outcome),
    /// What the model thought before, and the provider's proof of it.
    Thought {
        /// Empty where the provider keeps it to itself.
        text: String,
        /// Only the provider that made it can read it.
        signature: Option<String>,
    },
}

/// A file.
#[derive(Clone, Debug)]
pub(super) enum Media {
    /// Its data.
    Inline {
        /// As in `image/png`.
        media_type: String,
        /// In base64.
        data: String,
    },
    /// Its address, `https://…`.
    Url(String),
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// A JSON object, as it was sent.
    pub(super) arguments: Box<RawValue>,
    /// The provider's proof that it thought before it called.
    pub(super) signature: Option<String>,
}

/// What a tool gave.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The call it answers.
    pub(super) call: String,
    /// Text and images; may be empty.
    pub(super) parts: Vec<Set<Part>>,
    /// Whether it went well.
    pub(super) success: Success,
}

/// Whether a tool did what it was called for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Success {
    /// It did, or nothing is said.
    Done,
    /// It did not.
    Failed,
}

/// A tool that the client runs.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: Option<String>,
    /// The JSON schema of its arguments, as it was sent; `None` where it takes none.
    pub(super) schema: Option<Box<RawValue>>,
    /// Whether the arguments must keep to the schema.
    pub(super) strict: Option<bool>,
}

/// Which tools the model is to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Whichever it likes, or none.
    Auto,
    /// None.
    Nothing,
    /// At least one.
    Any,
    /// This one.
    Named(String),
}

/// Whether several tools may be called at once.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Parallel {
    Allowed,
    Forbidden,
}

/// How much the model is to think.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Not at all.
    Off,
    /// As much as it finds right.
    Adaptive,
    /// So hard.
    Effort(Effort),
    /// At most so many units.
    Budget(i64),
}

/// How hard a model thinks.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    Highest,
}

/// The form of an answer.
#[derive(Clone, Debug)]
pub(super) enum Format {
    /// Some JSON object.
    Json,
    /// JSON of a schema.
    Schema {
        /// What the client calls it.
        name: Option<String>,
        description: Option<String>,
        /// As it was sent.
        schema: Box<RawValue>,
        /// Whether the answer must keep to it.
        strict: Option<bool>,
    },
}

/// The tier of service that a client names; none where the provider decides.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Default,
    Flex,
    Priority,
}
