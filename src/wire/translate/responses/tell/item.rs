//! How OpenAI spells the items of a response's output.

use serde::Serialize;

/// An item under way.
pub(super) const BEGUN: &str = "in_progress";

/// An item that is whole.
pub(super) const DONE: &str = "completed";

/// An item in which the answer was cut.
pub(super) const CUT: &str = "incomplete";

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<Part>,
    },
    Reasoning {
        id: String,
        summary: Vec<Part>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        arguments: String,
    },
    CustomToolCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
    },
}

/// A part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: String },
    SummaryText { text: String },
}

impl Part {
    /// Words of the model.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::OutputText { text: text.into(), annotations: [], logprobs: [] }
    }

    /// What it thought.
    pub(super) fn summary(text: impl Into<String>) -> Self {
        Self::SummaryText { text: text.into() }
    }
}

impl Item {
    /// A message of one part.
    pub(super) fn message(id: String, status: &'static str, part: Part) -> Self {
        Self::Message { id, status, role: "assistant", content: vec![part] }
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Message { id, .. }
            | Self::Reasoning { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::CustomToolCall { id, .. } => id,
        }
    }

    /// The part of a message.
    pub(super) fn part(&self) -> Option<&Part> {
        match self {
            Self::Message { content, .. } => content.first(),
            _ => None,
        }
    }

    /// Whether it is a message of a model that will not answer.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.part(), Some(Part::Refusal { .. }))
    }

    /// The same before its first word.
    pub(super) fn emptied(&self) -> Self {
        let mut item = self.clone();
        match &mut item {
            Self::Message { status, content, .. } => {
                *status = BEGUN;
                content.clear();
            }
            Self::Reasoning { summary, encrypted_content, .. } => {
                summary.clear();
                *encrypted_content = None;
            }
            Self::FunctionCall { status, arguments: words, .. }
            | Self::CustomToolCall { status, input: words, .. } => {
                *status = BEGUN;
                words.clear();
            }
        }
        item
    }
}
