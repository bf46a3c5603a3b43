//! Translation: a request in one dialect made into one of another, and what comes back made into the first. Pure functions,
//! bytes in and bytes out. What the other dialect cannot express is refused by the field's name, never dropped in silence.
//! Must not know of channels, prices or HTTP.
//!
//! What is held for a translated request is computed from the translated body, by the same [`Ask`] that reads a client's own:
//! what is checked is what is sent. What it costs is read from the provider's bytes, before they are translated.
//!
//! So far there is one pair: OpenAI's chat to Anthropic's messages. `request` makes the body, `turns` its messages, `tools` its
//! tools; `answer` and `stream` tell what comes back.

mod answer;
mod proof;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod turns;
mod value;

use bytes::Bytes;

use super::ask::{Ask, AskFault, AskLimits, Form};
use super::endpoints::{Call, Dialect, MESSAGES};
use super::meter::{Metering, UsageEvent};
pub use stream::ChatStream;

/// A provider's answer that does not have the form of one, so that it cannot be told.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct NotAnAnswer;

/// A request that was translated, and all it takes to translate what comes back.
#[derive(Clone, Debug)]
pub struct Translation {
    usage_event: UsageEvent,
    created: i64,
}

/// The dialects into which a body of this form can be translated, the best first.
pub const fn targets(form: Form) -> &'static [Dialect] {
    match form {
        Form::Chat => &[Dialect::Anthropic],
        _ => &[],
    }
}

impl Translation {
    /// Makes `ask` into a request to Anthropic, where the model is called `provider_model`, at `now` in Unix seconds. What is asked
    /// then is read from the new body; its model is still the client's name for it.
    ///
    /// # Errors
    /// A field that is set and has no counterpart there, or is not what it must be.
    pub fn of(ask: &Ask, provider_model: &str, now: i64) -> Result<(Ask, Self), AskFault> {
        let body = request::body(ask, provider_model)?;
        let translated = Ask::parse(Form::Messages, Bytes::from(body), &AskLimits { max_choices: 1 })?;
        let usage_event = if ask.wants_usage { UsageEvent::Client } else { UsageEvent::Gateway };
        Ok((translated, Self { usage_event, created: now }))
    }

    /// How the provider is called.
    pub const fn call(&self) -> &'static Call {
        &MESSAGES
    }

    /// Where the usage stands in what the provider answers.
    pub const fn metering(&self) -> Metering {
        Metering::Messages
    }

    /// A whole answer of the provider as the client is told it.
    ///
    /// # Errors
    /// When it is none.
    pub fn answer(&self, body: &[u8]) -> Result<Vec<u8>, NotAnAnswer> {
        answer::tell(body, self.created)
    }

    /// Tells a stream of the provider, event by event.
    pub fn stream(&self) -> ChatStream {
        ChatStream::new(self.created, self.usage_event)
    }
}
