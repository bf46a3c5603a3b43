//! How Anthropic spells a message and the events of its stream.

use serde::Serialize;
use serde_json::value::RawValue;

use super::input;
use crate::wire::translate::blocks::Block;
use crate::wire::translate::telling::Figures;

/// A message.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Content<'a>>,
    #[serde(flatten)]
    pub(super) ending: Ending<'a>,
    pub(super) usage: Usage,
}

/// Why it ended; nothing of it is known before it did.
#[derive(Default, Serialize)]
pub(super) struct Ending<'a> {
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_details: Option<StopDetails<'a>>,
}

/// What is said of a refusal.
#[derive(Serialize)]
pub(super) struct StopDetails<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) category: Option<&'static str>,
    pub(super) explanation: Option<&'a str>,
}

/// A block of content.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Box<RawValue> },
}

/// What was used: input without what the cache gave or took.
#[derive(Serialize)]
pub(super) struct Usage {
    input_tokens: i64,
    cache_creation_input_tokens: i64,
    cache_read_input_tokens: i64,
    output_tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: i64,
}

/// An event of a stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: usize, content_block: Content<'a> },
    ContentBlockDelta { index: usize, delta: Change<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: Ending<'a>, usage: Usage },
    MessageStop,
}

/// What an event adds to a block.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Change<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

impl Event<'_> {
    /// Its name, which is its type.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

impl<'a> Message<'a> {
    /// One of which nothing but its name is known.
    pub(super) fn begun(id: &'a str, model: &'a str) -> Self {
        let usage = Usage::of(&Figures::default());
        let (kind, role) = ("message", "assistant");
        Self { id, kind, role, model, content: Vec::new(), ending: Ending::default(), usage }
    }
}

impl<'a> Content<'a> {
    /// A block before its first word; `None` of what is none.
    pub(super) fn begun(block: &'a Block) -> Option<Self> {
        match block {
            // Its pieces come behind it.
            Block::Call(call) => Some(Self::ToolUse { id: &call.id, name: &call.name, input: input("{}") }),
            _ => Self::whole(block),
        }
    }

    /// A whole block; `None` of what stands elsewhere.
    pub(super) fn whole(block: &'a Block) -> Option<Self> {
        Some(match block {
            Block::Text(text) => Self::Text { text },
            Block::Thought { text, signature } => {
                Self::Thinking { thinking: text, signature: signature.as_deref().unwrap_or_default() }
            }
            Block::Proof(data) => Self::RedactedThinking { data },
            Block::Refusal(_) => return None,
            Block::Call(call) => {
                Self::ToolUse { id: &call.id, name: &call.name, input: input(&call.arguments) }
            }
        })
    }
}

impl Usage {
    /// What these figures say.
    pub(super) fn of(figures: &Figures) -> Self {
        let fresh = figures.input.saturating_sub(figures.cached).saturating_sub(figures.cache_write);
        let thought = OutputDetails { thinking_tokens: figures.thought };
        Self {
            input_tokens: fresh.max(0),
            cache_creation_input_tokens: figures.cache_write,
            cache_read_input_tokens: figures.cached,
            output_tokens: figures.output,
            output_tokens_details: (figures.thought > 0).then_some(thought),
        }
    }
}
