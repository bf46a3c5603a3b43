//! The conversation as turns of blocks.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Media, Outcome, Part, Prompt, Set, Speaker, Success};
use crate::wire::translate::proof::unmarked;

/// The types of images that Anthropic takes inline.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The type of documents that it does.
const PDF: &str = "application/pdf";

/// A block of content.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
}

/// Where a file comes from.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

/// What one side says.
#[derive(Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// What the system says, text by text.
pub(super) fn system<'a>(prompt: &'a Prompt<'_>) -> Vec<Block<'a>> {
    prompt.system.iter().map(|text| Block::Text { text: &text.value }).collect()
}

/// The whole conversation.
///
/// # Errors
/// The first part that cannot be said.
pub(super) fn turns<'a>(prompt: &'a Prompt<'_>) -> Result<Vec<Turn<'a>>, AskFault> {
    let mut turns = Vec::with_capacity(prompt.turns.len());
    for turn in &prompt.turns {
        let role = match turn.speaker {
            Speaker::User => "user",
            Speaker::Model => "assistant",
        };
        let content = blocks(&turn.parts)?;
        // A turn of thoughts alone that nobody can prove.
        if !content.is_empty() {
            turns.push(Turn { role, content });
        }
    }
    Ok(turns)
}

fn blocks(parts: &[Set<Part>]) -> Result<Vec<Block<'_>>, AskFault> {
    parts.iter().filter_map(|part| block(part).transpose()).collect()
}

fn block(part: &Set<Part>) -> Result<Option<Block<'_>>, AskFault> {
    Ok(Some(match &part.value {
        Part::Text(text) => Block::Text { text },
        Part::Image(media) => Block::Image { source: image(media, part)? },
        Part::Document(media) => Block::Document { source: document(media, part)? },
        Part::Call(call) => Block::ToolUse { id: &call.id, name: &call.name, input: &call.arguments },
        Part::Outcome(outcome) => result(outcome)?,
        // Anthropic takes no thought without a proof of its own.
        Part::Thought { text, signature: Some(signature) } if unmarked(signature).is_none() => {
            Block::Thinking { thinking: text, signature }
        }
        Part::Thought { .. } => return Ok(None),
    }))
}

fn result(outcome: &Outcome) -> Result<Block<'_>, AskFault> {
    Ok(Block::ToolResult {
        tool_use_id: &outcome.call,
        content: blocks(&outcome.parts)?,
        is_error: (outcome.success == Success::Failed).then_some(true),
    })
}

fn image<'a>(media: &'a Media, part: &Set<Part>) -> Result<Source<'a>, AskFault> {
    match media {
        Media::Url(url) => Ok(Source::Url { url }),
        Media::Inline { media_type, data } if IMAGES.contains(&media_type.as_str()) => {
            Ok(Source::Base64 { media_type, data })
        }
        Media::Inline { .. } => Err(part.refuse(
            "must be a JPEG, PNG, GIF or WebP image in base64: this model's provider (Anthropic) takes no other",
        )),
    }
}

fn document<'a>(media: &'a Media, part: &Set<Part>) -> Result<Source<'a>, AskFault> {
    match media {
        Media::Url(url) => Ok(Source::Url { url }),
        Media::Inline { media_type, data } if media_type == PDF => Ok(Source::Base64 { media_type, data }),
        Media::Inline { .. } => {
            Err(part.refuse("must be a PDF: this model's provider (Anthropic) takes no other document"))
        }
    }
}
