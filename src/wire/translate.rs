//! Translation: a request in one dialect made into one of another, and what comes back made into the first. Pure functions,
//! bytes in and bytes out. What the other dialect cannot express is refused by the field's name, never dropped in silence.
//! Must not know of channels, prices or HTTP.
//!
//! What is held for a translated request is computed from the translated body, by the same [`Ask`] that reads a client's own:
//! what is checked is what is sent. What it costs is read from the provider's bytes, before they are translated.
//!
//! No pair of dialects knows of the other. Between them stand `prompt` (what is asked) and `telling` (what is answered); each dialect
//! has a room with up to four modules: `read` makes a client's body a prompt and `tell` tells it an answer, `write` makes a
//! prompt a provider's body and `hear` makes what that answers a telling. `retelling` puts them together. `blocks` is for tellers whose
//! answers are rows of blocks, `members` for readers of objects.

mod blocks;
mod chat;
mod gemini;
mod members;
mod messages;
mod prompt;
mod proof;
mod responses;
mod retelling;
#[cfg(test)]
mod shown;
mod telling;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use bytes::Bytes;

use super::ask::{Ask, AskFault, AskLimits, Form};
use super::endpoints::{CHAT, Call, Dialect, GENERATE, MESSAGES, STREAM_GENERATE};
use super::meter::{Metering, UsageEvent};
use prompt::Prompt;
pub use retelling::Retelling;
use telling::Asked;

/// A provider's answer that does not have the form of one, so that it cannot be told.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct NotAnAnswer;

/// A client's dialect that can be translated.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Source {
    Chat,
    Messages,
    Responses,
}

/// What of a provider a request can be translated into.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The chat of OpenAI, or of one who speaks it.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`.
    Content,
}

/// How a channel wants to be asked.
#[derive(Copy, Clone, Debug)]
pub struct Manner<'a> {
    /// What it calls the model.
    pub model: &'a str,
    /// The field in which it takes a cap of the output, where its API has several.
    pub cap_field: &'a str,
    /// The most units of output that the model gives, where that is known.
    pub most_output: Option<i64>,
}

/// A request that was translated, and all it takes to translate what comes back.
#[derive(Clone, Debug)]
pub struct Translation {
    source: Source,
    target: Target,
    asked: Asked,
    call: &'static Call,
}

/// What a body of this form can be translated into, the best first.
pub const fn targets(form: Form) -> &'static [Target] {
    match Source::of(form) {
        Some(Source::Chat) => &[Target::Messages, Target::Content],
        Some(Source::Responses) => &[Target::Chat, Target::Messages, Target::Content],
        Some(Source::Messages) => &[Target::Chat, Target::Content],
        None => &[],
    }
}

impl Source {
    const fn of(form: Form) -> Option<Self> {
        match form {
            Form::Chat => Some(Self::Chat),
            Form::Messages => Some(Self::Messages),
            Form::Responses => Some(Self::Responses),
            // What they ask is not a conversation.
            Form::Completions | Form::Embeddings | Form::Moderations | Form::Rerank | Form::Speech => None,
            Form::Images | Form::ImageEdits | Form::Transcription => None,
            // Google's own clients get Google's own models.
            Form::Generate | Form::StreamGenerate => None,
            Form::CountContent | Form::EmbedContent | Form::EmbedContents => None,
        }
    }

    fn prompt(self, ask: &Ask, to: Dialect) -> Result<Prompt<'_>, AskFault> {
        match self {
            Self::Chat => chat::read::prompt(ask, to),
            Self::Messages => messages::read::prompt(ask, to),
            Self::Responses => responses::read::prompt(ask, to),
        }
    }
}

impl Target {
    /// The form of the body, streamed or not.
    pub const fn form(self) -> Form {
        match self {
            Self::Chat => Form::Chat,
            Self::Messages => Form::Messages,
            Self::Content => Form::Generate,
        }
    }

    const fn call(self, prompt: &Prompt<'_>) -> &'static Call {
        match self {
            Self::Chat => &CHAT,
            Self::Messages => &MESSAGES,
            Self::Content if prompt.stream => &STREAM_GENERATE,
            Self::Content => &GENERATE,
        }
    }

    const fn metering(self) -> Metering {
        match self {
            Self::Chat => Metering::Chat,
            Self::Messages => Metering::Messages,
            Self::Content => Metering::Generate,
        }
    }
}

impl Translation {
    /// Makes `ask` into a request to `target` in a channel's `manner`, at `now` in Unix seconds. What is asked then is read from
    /// the new body; its model is still the client's name for it.
    ///
    /// # Errors
    /// A field that is set and has no counterpart there, or is not what it must be; or a form that is not translated.
    pub fn of(ask: &Ask, target: Target, manner: Manner<'_>, now: i64) -> Result<(Ask, Self), AskFault> {
        let source = Source::of(ask.form).ok_or_else(untranslatable)?;
        let mut prompt = source.prompt(ask, target.form().dialect())?;
        prompt.most = manner.most_output;
        prompt.cap = prompt.cap.map(|cap| prompt.most.map_or(cap, |most| cap.min(most)));
        let body = match target {
            Target::Chat => chat::write::body(&prompt, manner.cap_field)?,
            Target::Messages => messages::write::body(&prompt, manner.model)?,
            Target::Content => gemini::write::body(&prompt, manner.model)?,
        };
        let (call, body) = (target.call(&prompt), Bytes::from(body));
        let limits = AskLimits { max_choices: 1 };
        let translated = match target {
            Target::Chat | Target::Messages => Ask::parse(call.form, body, &limits)?,
            // Its path names the model.
            Target::Content => Ask::parse_for(&ask.model, call.form, body, &limits)?,
        };
        let usage_event = if ask.wants_usage { UsageEvent::Client } else { UsageEvent::Gateway };
        let asked = Asked { created: now, usage_event, body: ask.body.clone(), model: ask.model.clone() };
        Ok((translated, Self { source, target, asked, call }))
    }

    /// How the provider is called.
    pub const fn call(&self) -> &'static Call {
        self.call
    }

    /// Path and query at the provider; `{id}` stands for the model's name there.
    pub fn path_and_query(&self) -> Cow<'static, str> {
        if self.call.form == Form::StreamGenerate {
            // Events, and no array.
            return format!("{}?alt=sse", self.call.path).into();
        }
        self.call.path.into()
    }

    /// The form of what the client asked.
    pub const fn client_form(&self) -> Form {
        match self.source {
            Source::Chat => Form::Chat,
            Source::Messages => Form::Messages,
            Source::Responses => Form::Responses,
        }
    }

    /// Whether a cap is sent even where nothing need be bounded: where the provider takes no request without, and where the client
    /// named one, which may be beyond what a model of another provider's can say.
    pub const fn caps(&self, translated: &Ask) -> bool {
        match self.target {
            Target::Messages => true,
            Target::Chat | Target::Content => translated.cap.asked.is_some(),
        }
    }

    /// Where the usage stands in what the provider answers.
    pub const fn metering(&self) -> Metering {
        self.target.metering()
    }

    /// A whole answer of the provider as the client is told it.
    ///
    /// # Errors
    /// When it is none.
    pub fn answer(&self, body: &[u8]) -> Result<Vec<u8>, NotAnAnswer> {
        retelling::whole(self.target, self.source, &self.asked, body)
    }

    /// Tells a stream of the provider, event by event.
    pub fn stream(&self) -> Retelling {
        Retelling::new(self.target, self.source, self.asked.clone())
    }
}

/// Said of a form that is none of those above; [`targets`] names nothing for it, so nobody asks.
fn untranslatable() -> AskFault {
    let message = "model is not served in the dialect of this request".to_owned();
    AskFault::Parameter { param: "model".into(), message }
}
