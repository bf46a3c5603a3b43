//! What Anthropic answers, as a chat completion: a message whole. Here also what `stream` shares with it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::NotAnAnswer;

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
    stop_details: Option<StopDetails>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// A block of content, or the beginning of one.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
}

/// Why it was stopped.
#[derive(Deserialize)]
pub(super) struct StopDetails {
    explanation: Option<String>,
}

/// The provider's figures, as far as they can be told; what they cost is the meter's to read.
#[derive(Copy, Clone, Debug, Default, Deserialize)]
pub(super) struct Figures {
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

/// Usage as OpenAI spells it: the input is all of it, the cached part among it.
#[derive(Copy, Clone, Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Copy, Clone, Debug, Serialize)]
struct PromptDetails {
    cached_tokens: i64,
    cache_write_tokens: i64,
}

#[derive(Copy, Clone, Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: i64,
}

/// A call of a tool.
#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) function: Function<'a>,
}

/// What of a function is called.
#[derive(Serialize)]
pub(super) struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: i64,
    message: Told<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Told<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

/// The chat completion that `body`, a message, is; made at `created` in Unix seconds.
///
/// # Errors
/// When it is no message.
pub(super) fn tell(body: &[u8], created: i64) -> Result<Vec<u8>, NotAnAnswer> {
    let message: Message<'_> = serde_json::from_slice(body).map_err(|_| NotAnAnswer)?;
    let reason = message.stop_reason.as_deref().unwrap_or_default();
    let completion = Completion {
        id: &message.id,
        object: "chat.completion",
        created,
        model: &message.model,
        choices: [Choice {
            index: 0,
            message: Told {
                role: "assistant",
                content: joined(&message.content, |block| block.text.as_deref()),
                refusal: refusal(reason, message.stop_details.as_ref()),
                reasoning_content: joined(&message.content, |block| block.thinking.as_deref()),
                tool_calls: calls(&message.content)?,
            },
            logprobs: None,
            finish_reason: finish_reason(reason),
        }],
        usage: Figures::read(message.usage).usage(),
    };
    serde_json::to_vec(&completion).map_err(|_| NotAnAnswer)
}

/// The texts of all blocks as one; `None` where there is none.
fn joined<'a>(blocks: &'a [Block<'_>], text: impl Fn(&'a Block<'_>) -> Option<&'a str>) -> Option<String> {
    let texts: Vec<&str> = blocks.iter().filter_map(text).collect();
    if texts.is_empty() { None } else { Some(texts.concat()) }
}

fn calls<'a>(blocks: &'a [Block<'a>]) -> Result<Vec<ToolCall<'a>>, NotAnAnswer> {
    let used = blocks.iter().filter(|block| block.kind == "tool_use");
    used.map(|block| {
        let name = Some(block.name.as_deref().ok_or(NotAnAnswer)?);
        let function = Function { name, arguments: block.input.map_or("{}", RawValue::get) };
        let id = Some(block.id.as_deref().ok_or(NotAnAnswer)?);
        Ok(ToolCall { index: None, id, kind: Some("function"), function })
    })
    .collect()
}

/// OpenAI's word for why an answer ended.
pub(super) fn finish_reason(stop_reason: &str) -> &'static str {
    match stop_reason {
        "tool_use" => "tool_calls",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "refusal" => "content_filter",
        // The model's own end, a stop sequence, and what is not known here.
        _ => "stop",
    }
}

/// What a refusal says.
pub(super) fn refusal<'a>(stop_reason: &str, details: Option<&'a StopDetails>) -> Option<&'a str> {
    let said = details.and_then(|details| details.explanation.as_deref());
    (stop_reason == "refusal").then_some(said.unwrap_or(REFUSED))
}

impl Figures {
    /// Reads a `usage`; what cannot be read says nothing.
    pub(super) fn read(raw: Option<&RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// Both at their largest: usage in a stream is cumulative.
    pub(super) fn merged(self, other: Self) -> Self {
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

    /// The same as OpenAI spells it.
    pub(super) fn usage(self) -> Usage {
        let cached_tokens = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write_tokens = self.cache_creation_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens.unwrap_or(0);
        let prompt_tokens = fresh.saturating_add(cached_tokens).saturating_add(cache_write_tokens);
        let completion_tokens = self.output_tokens.unwrap_or(0);
        let thought = self.output_tokens_details.and_then(|details| details.thinking_tokens);
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails { cached_tokens, cache_write_tokens },
            completion_tokens_details: CompletionDetails { reasoning_tokens: thought.unwrap_or(0) },
        }
    }
}
