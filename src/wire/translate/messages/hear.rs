//! What Anthropic answers: a message whole, or a stream's events.

mod stream;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::telling::{Delta, Figures, Finish};
pub(in crate::wire::translate) use stream::Stream;

/// Said where a provider refuses without a word.
const REFUSED: &str = "The model's provider ended the answer with a refusal.";

/// A message. What is not known of it is passed over.
#[derive(Deserialize)]
struct Message<'a> {
    id: String,
    model: String,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// A block of content, or the beginning of one.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Why it was stopped.
struct End {
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
}

#[derive(Deserialize)]
struct StopDetails {
    explanation: Option<String>,
}

/// The provider's figures, as far as they can be told; what they cost is the meter's to read.
#[derive(Copy, Clone, Debug, Default, Deserialize)]
struct Counts {
    #[serde(default)]
    input_tokens: Option<i64>,
    #[serde(default)]
    cache_read_input_tokens: Option<i64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<i64>,
    #[serde(default)]
    output_tokens: Option<i64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<i64>,
}

/// What `body`, a message, says.
///
/// # Errors
/// When it is no message.
pub(in crate::wire::translate) fn whole(body: &[u8]) -> Result<Vec<Delta>, NotAnAnswer> {
    let message: Message<'_> = serde_json::from_slice(body).map_err(|_| NotAnAnswer)?;
    let Message { stop_reason, stop_sequence, stop_details, .. } = message;
    let mut deltas = vec![Delta::Begin { id: message.id, model: message.model }];
    let mut calls = 0;
    for block in message.content {
        if block.kind == "tool_use" {
            let json = block.arguments()?.to_owned();
            deltas.push(block.called(calls)?);
            deltas.push(Delta::Arguments { index: calls, json });
            calls += 1;
        } else {
            block.words(&mut deltas);
        }
    }
    End { stop_reason, stop_sequence, stop_details }.told(&mut deltas);
    deltas.push(Delta::Figures(Counts::read(message.usage).figures()));
    Ok(deltas)
}

impl Block<'_> {
    /// The call that it begins, the `index`th of its answer.
    fn called(self, index: usize) -> Result<Delta, NotAnAnswer> {
        let (Some(id), Some(name)) = (self.id, self.name) else { return Err(NotAnAnswer) };
        Ok(Delta::Call { index, id, name, signature: None })
    }

    /// The object of arguments that it has so far.
    fn arguments(&self) -> Result<&str, NotAnAnswer> {
        let json = self.input.map_or("{}", RawValue::get);
        if json.starts_with('{') { Ok(json) } else { Err(NotAnAnswer) }
    }

    /// What it says, where it is no call.
    fn words(self, deltas: &mut Vec<Delta>) {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        deltas.extend(filled(self.thinking).map(Delta::Thought));
        deltas.extend(filled(self.signature).map(Delta::Signature));
        deltas.extend(filled(self.text).map(Delta::Text));
    }
}

impl End {
    /// Why the answer ended; always said, as this is the end.
    fn told(self, deltas: &mut Vec<Delta>) {
        let finish = match self.stop_reason.as_deref().unwrap_or_default() {
            "tool_use" => Finish::Calls,
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "refusal" => {
                let said = self.stop_details.and_then(|details| details.explanation);
                deltas.push(Delta::Refusal(said.unwrap_or_else(|| REFUSED.to_owned())));
                Finish::Refused
            }
            "stop_sequence" => Finish::Stop(self.stop_sequence),
            // The model's own end, and what is not known here.
            _ => Finish::End,
        };
        deltas.push(Delta::Finish(finish));
    }
}

impl Counts {
    /// Reads a `usage`; what cannot be read says nothing.
    fn read(raw: Option<&RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// Both at their largest: usage in a stream is cumulative.
    fn merged(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(other.input_tokens),
            cache_read_input_tokens: self.cache_read_input_tokens.max(other.cache_read_input_tokens),
            cache_creation_input_tokens: self
                .cache_creation_input_tokens
                .max(other.cache_creation_input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            output_tokens_details: self.output_tokens_details.max(other.output_tokens_details),
        }
    }

    /// The same as all dialects can tell it: Anthropic counts what the cache had apart.
    fn figures(self) -> Figures {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens.unwrap_or(0);
        let thought = self.output_tokens_details.and_then(|details| details.thinking_tokens);
        Figures {
            input: fresh.saturating_add(cached).saturating_add(cache_write),
            cached,
            cache_write,
            output: self.output_tokens.unwrap_or(0),
            thought: thought.unwrap_or(0),
        }
    }
}
