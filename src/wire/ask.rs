//! What a request asks: the few fields that enforcement must read, and how much input there is at most. The body is read
//! once, in one pass, and kept as it came; what is sent on is cut from those same bytes (R1). Must not know of
//! prices, budgets or who asks.

mod anthropic;
mod blocks;
mod chat;
mod completions;
mod embeddings;
mod gemini;
mod gemini_config;
mod gemini_parts;
mod images;
mod inputs;
mod items;
mod marks;
mod media;
mod messages;
mod moderations;
mod parts;
mod reader;
mod rerank;
mod responses;
mod speech;
mod tally;
#[cfg(test)]
mod tests;
mod tools;
mod transcriptions;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::endpoints::Dialect;
use super::json::{JsonFault, utf8};
use super::multipart::{BodyType, FormFault};
use crate::ids::ResponseId;
pub(in crate::wire) use gemini::tier_named;
pub(super) use marks::{Marks, Place, RepeatedModel, StreamOptions};
pub use media::Media;
use reader::{Fields, Reader};

/// The largest output cap a client may ask for.
pub const LARGEST_CAP: i64 = 1 << 31;

/// Units of input held for each message, beside its text.
const PER_MESSAGE: i64 = 16;

/// Units of input held for each tool, beside its text.
const PER_TOOL: i64 = 32;

/// The form of a request's body: which fields it has, and where.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// OpenAI's completions of the older kind, of a prompt.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// OpenAI's moderations.
    Moderations,
    /// Rankings of documents, as several companies have them in OpenAI's manner.
    Rerank,
    /// OpenAI's speech.
    Speech,
    /// OpenAI's images, made of a text.
    Images,
    /// OpenAI's images, made of images.
    ImageEdits,
    /// OpenAI's transcriptions and translations of sound.
    Transcription,
    /// Gemini's `generateContent`.
    Generate,
    /// The same, streamed.
    StreamGenerate,
    /// Gemini's `countTokens`.
    CountContent,
    /// Gemini's `embedContent`.
    EmbedContent,
    /// Gemini's `batchEmbedContents`.
    EmbedContents,
}

impl Form {
    /// The dialect it belongs to.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Completions | Self::Responses => Dialect::OpenAi,
            Self::Embeddings | Self::Moderations | Self::Rerank | Self::Speech => Dialect::OpenAi,
            Self::Images | Self::ImageEdits | Self::Transcription => Dialect::OpenAi,
            Self::Messages => Dialect::Anthropic,
            Self::Generate | Self::StreamGenerate | Self::CountContent => Dialect::Gemini,
            Self::EmbedContent | Self::EmbedContents => Dialect::Gemini,
        }
    }

    /// Whether an answer holds what a model wrote, which a field of the request can bound.
    pub const fn has_output(self) -> bool {
        match self {
            Self::Chat | Self::Messages | Self::Completions | Self::Responses => true,
            Self::Generate | Self::StreamGenerate => true,
            Self::Embeddings | Self::Moderations | Self::Rerank | Self::Speech => false,
            Self::Images | Self::ImageEdits | Self::Transcription => false,
            Self::CountContent | Self::EmbedContent | Self::EmbedContents => false,
        }
    }

    /// Whether its body may be of this type.
    pub const fn takes(self, body: &BodyType) -> bool {
        match body {
            BodyType::Json => !matches!(self, Self::Transcription),
            BodyType::Parts(_) => self.takes_parts(),
        }
    }

    /// Whether its body may have parts.
    pub const fn takes_parts(self) -> bool {
        matches!(self, Self::ImageEdits | Self::Transcription)
    }

    fn read(self, reader: &mut Reader<'_>, limits: &AskLimits) -> Result<(), JsonFault> {
        match self {
            Self::Chat => chat::read(reader, limits),
            Self::Messages => anthropic::read(reader),
            Self::Completions => completions::read(reader, limits),
            Self::Responses => responses::read(reader),
            Self::Embeddings => embeddings::read(reader),
            Self::Moderations => moderations::read(reader),
            Self::Rerank => rerank::read(reader),
            Self::Speech => speech::read(reader),
            Self::Images | Self::ImageEdits => images::read(reader, limits),
            Self::Transcription => transcriptions::read(reader),
            Self::Generate => gemini::generate(reader, limits),
            Self::StreamGenerate => gemini::stream(reader, limits),
            Self::CountContent => gemini::count(reader),
            Self::EmbedContent => gemini::embed(reader),
            Self::EmbedContents => gemini::embed_all(reader),
        }
    }
}

/// What an operator bounds in a request.
#[derive(Copy, Clone, Debug)]
pub struct AskLimits {
    /// The most answers to one request, at least 1.
    pub max_choices: i64,
}

/// A request, read once.
pub struct Ask {
    /// The body as it came.
    pub body: Bytes,
    /// Its form.
    pub form: Form,
    /// The model's name as the client spells it: 1 to 256 bytes, no control characters.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client itself asked for usage in the stream.
    pub wants_usage: bool,
    /// What the client says about the length of the answer.
    pub cap: Cap,
    /// Answers asked for, 1 to [`AskLimits::max_choices`].
    pub choices: i64,
    /// Bytes of text in messages, tools and response format: a quarter of it is about what a model counts.
    pub text_bytes: i64,
    /// At most so many units of input, inline media and what is unseen apart.
    pub text_bound: i64,
    /// The number of messages.
    pub messages: i64,
    /// The number of tools and functions.
    pub tools: i64,
    /// Images that are in the body.
    pub images: i64,
    /// At most so many units of audio that is in the body: one per 16 bytes.
    pub audio_tokens: i64,
    /// Whether the body names input that the gateway cannot see (URLs, files, a conversation, results of the provider's
    /// own tools), or holds some whose size says nothing (PDF, video).
    pub unseen_input: bool,
    /// At most so many calls of tools that the provider runs itself.
    pub provider_calls: i64,
    /// Bytes of the predicted output, which costs as output too.
    pub predicted_bytes: i64,
    /// Whether the answer may be spoken.
    pub spoken: bool,
    /// What it says of images and sound.
    pub media: Media,
    /// The tier of service asked for.
    pub tier: ServiceTier,
    /// Output units reserved for thinking, when the client says so.
    pub thinking_budget: Option<i64>,
    /// Whether the provider stores the answer, so that it can be followed up.
    pub stores: bool,
    /// The stored response that it goes on from.
    pub previous: Option<ResponseId>,
    added: i64,
    marks: Marks,
    has_parts: bool,
}

/// How long the answer may be, as the client says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// The larger of the fields that hold a number: 1 to 2^31 units for each choice.
    pub asked: Option<i64>,
    /// The fields that are in the body, in its order.
    pub fields: Vec<CapField>,
}

/// A field of the body that caps the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapField {
    /// Its name.
    pub name: &'static str,
    /// What it holds; `None` for null.
    pub value: Option<i64>,
    pub(super) span: Range<usize>,
}

/// A provider's tier of service.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceTier {
    /// The provider decides: nothing, `auto`, or a word unknown here.
    #[default]
    Auto,
    /// `default`
    Default,
    /// `priority`: quicker and dearer.
    Priority,
    /// `flex`: slower and cheaper.
    Flex,
}

impl ServiceTier {
    /// The tier that `word` names.
    pub fn named(word: &str) -> Self {
        match word {
            "default" => Self::Default,
            "priority" => Self::Priority,
            "flex" => Self::Flex,
            _ => Self::Auto,
        }
    }
}

/// Why a body is no request that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskFault {
    /// Not a JSON object that may be read.
    Json(JsonFault),
    /// Not a body of parts that may be read.
    Form(FormFault),
    /// A field is bad or missing.
    Parameter {
        /// The field's name.
        param: Cow<'static, str>,
        /// What was wrong and what would be right.
        message: String,
    },
}

impl From<JsonFault> for AskFault {
    fn from(fault: JsonFault) -> Self {
        Self::Json(fault)
    }
}

impl From<FormFault> for AskFault {
    fn from(fault: FormFault) -> Self {
        Self::Form(fault)
    }
}

impl fmt::Debug for Ask {
    /// Never the body: it holds the prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl Ask {
    /// Reads a body of this form.
    ///
    /// # Errors
    /// When the body is no strict JSON object, or a field that enforcement reads is not what it must be.
    pub fn parse(form: Form, body: Bytes, limits: &AskLimits) -> Result<Self, AskFault> {
        Self::parse_for("", form, body, limits)
    }

    /// The same of a body whose path names the `model`, percent-decoded; empty where the body does.
    ///
    /// # Errors
    /// As [`Ask::parse`]; also when that is no name of a model, or the body names another.
    pub fn parse_for(model: &str, form: Form, body: Bytes, limits: &AskLimits) -> Result<Self, AskFault> {
        let own = body.clone();
        let mut reader = Reader::new(utf8(&own)?);
        model.clone_into(&mut reader.fields.model);
        form.read(&mut reader, limits)?;
        Ok(Self::of(reader.finish()?, form, body))
    }

    /// What was read of `body`.
    fn of(fields: Fields<'_>, form: Form, body: Bytes) -> Self {
        let tally = fields.tally;
        Self {
            model: fields.model,
            stream: fields.stream,
            wants_usage: fields.wants_usage,
            cap: fields.cap,
            choices: fields.choices,
            text_bytes: tally.text,
            text_bound: bound(tally.bytes, tally.messages, tally.tools).saturating_add(fields.added),
            messages: tally.messages,
            tools: tally.tools,
            images: tally.images,
            audio_tokens: tally.audio,
            unseen_input: tally.unseen,
            provider_calls: fields.provider_calls,
            predicted_bytes: fields.predicted_bytes,
            spoken: fields.spoken,
            media: fields.media,
            tier: fields.tier,
            thinking_budget: fields.thinking_budget,
            stores: fields.stores,
            previous: fields.previous,
            added: fields.added,
            marks: fields.marks,
            has_parts: false,
            form,
            body,
        }
    }

    /// All text that [`Ask::text_bound`] counts by its bytes, for a tokenizer. Walks the body once more.
    pub fn texts(&self) -> Vec<Cow<'_, str>> {
        if self.has_parts {
            return self.texts_of_parts();
        }
        let mut reader = Reader::collecting(utf8(&self.body).unwrap_or_default());
        reader.fields.model.clone_from(&self.model);
        match self.form.read(&mut reader, &AskLimits { max_choices: i64::MAX }) {
            Ok(()) => reader.into_texts(),
            Err(_) => Vec::new(),
        }
    }

    /// At most so many units of input, when a tokenizer counted `counted` in [`Ask::texts`]: the same constants as in
    /// [`Ask::text_bound`], and never more than that.
    pub fn counted_bound(&self, counted: i64) -> i64 {
        bound(counted, self.messages, self.tools).saturating_add(self.added).min(self.text_bound)
    }

    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether the body has parts, and is no JSON.
    pub const fn has_parts(&self) -> bool {
        self.has_parts
    }
}

/// Units of input at most, of so many units of text. A byte-level tokenizer makes at most one of each byte.
const fn bound(text: i64, messages: i64, tools: i64) -> i64 {
    let messages = messages.saturating_mul(PER_MESSAGE);
    let tools = tools.saturating_mul(PER_TOOL);
    text.saturating_add(messages).saturating_add(tools)
}
