//! The conversation as the messages of a chat. What a tool gave is a message of its own there, and stands right behind the call.

use std::borrow::Cow;

use serde::Serialize;

use super::TO;
use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Call, Media, Outcome, Part, Prompt, Set, Speaker, Success, Turn};

/// Said in front of what a tool gave that failed: a chat has no other place for it.
const FAILED: &str = "The tool failed.";

/// Stands in what a tool gave for an image, which a chat takes in a user's message alone: in the next one.
const FOLLOWS: &str = "(The image follows.)";

/// Said there, in front of it.
const SHOWN: &str = "What the tool showed:";

/// What a document is called; a chat wants a name.
const DOCUMENT: &str = "document.pdf";

/// A message.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(super) enum Message<'a> {
    System {
        content: Content<'a>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<Content<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: Content<'a>,
    },
}

/// Words alone are a string, which every server takes.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Piece<'a>>),
}

/// A part of a message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    File { file: File },
}

#[derive(Serialize)]
pub(super) struct ImageUrl<'a> {
    url: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct File {
    filename: &'static str,
    file_data: String,
}

/// A call of a tool.
#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// All that was said, what the system says first.
///
/// # Errors
/// The first part that cannot be said.
pub(super) fn of<'a>(prompt: &'a Prompt<'_>) -> Result<Vec<Message<'a>>, AskFault> {
    let mut messages = Vec::with_capacity(prompt.turns.len().saturating_add(1));
    let said = prompt.system.iter().map(|text| Piece::Text { text: &text.value }).collect();
    messages.extend(content(said).map(|content| Message::System { content }));
    for turn in &prompt.turns {
        match turn.speaker {
            Speaker::User => of_user(turn, &mut messages)?,
            Speaker::Model => messages.extend(of_model(turn)?),
        }
    }
    Ok(messages)
}

/// The outcomes of tools stand first: nothing may come between them and the calls.
fn of_user<'a>(turn: &'a Turn, messages: &mut Vec<Message<'a>>) -> Result<(), AskFault> {
    let mut pieces = Vec::new();
    for part in &turn.parts {
        match &part.value {
            Part::Outcome(outcome) => messages.push(of_tool(outcome, &mut pieces)?),
            _ => pieces.extend(piece(part)?),
        }
    }
    messages.extend(content(pieces).map(|content| Message::User { content }));
    Ok(())
}

/// What a tool gave; its images are put behind `shown`.
fn of_tool<'a>(outcome: &'a Outcome, shown: &mut Vec<Piece<'a>>) -> Result<Message<'a>, AskFault> {
    let mut pieces = Vec::new();
    if outcome.success == Success::Failed {
        pieces.push(Piece::Text { text: FAILED });
    }
    for part in &outcome.parts {
        match &part.value {
            Part::Text(text) => pieces.push(Piece::Text { text }),
            Part::Image(media) => {
                pieces.push(Piece::Text { text: FOLLOWS });
                let image = Piece::ImageUrl { image_url: ImageUrl { url: url(media) } };
                shown.extend([Piece::Text { text: SHOWN }, image]);
            }
            _ => {
                return Err(part.refuse(
                    "must be text or an image: this model's provider (OpenAI) takes no other result of a tool",
                ));
            }
        }
    }
    let content = content(pieces).unwrap_or(Content::Text(""));
    Ok(Message::Tool { tool_call_id: &outcome.call, content })
}

/// What the model said; `None` of thoughts alone.
fn of_model(turn: &Turn) -> Result<Option<Message<'_>>, AskFault> {
    let (mut pieces, mut tool_calls) = (Vec::new(), Vec::new());
    for part in &turn.parts {
        match &part.value {
            Part::Call(call) => tool_calls.push(called(call)),
            Part::Image(_) | Part::Document(_) => return Err(part.inexpressible(TO)),
            _ => pieces.extend(piece(part)?),
        }
    }
    let content = content(pieces);
    let is_said = content.is_some() || !tool_calls.is_empty();
    Ok(is_said.then_some(Message::Assistant { content, tool_calls }))
}

fn called(call: &Call) -> ToolCall<'_> {
    let function = Function { name: &call.name, arguments: call.arguments.get() };
    ToolCall { id: &call.id, kind: "function", function }
}

fn content(pieces: Vec<Piece<'_>>) -> Option<Content<'_>> {
    match pieces.as_slice() {
        [] => None,
        [Piece::Text { text }] => Some(Content::Text(text)),
        _ => Some(Content::Parts(pieces)),
    }
}

/// A part of what one side says; `None` of what only the provider that made it can read.
fn piece(part: &Set<Part>) -> Result<Option<Piece<'_>>, AskFault> {
    Ok(Some(match &part.value {
        Part::Text(text) => Piece::Text { text },
        Part::Image(media) => Piece::ImageUrl { image_url: ImageUrl { url: url(media) } },
        Part::Document(Media::Inline { media_type, data }) if media_type == "application/pdf" => {
            let file_data = data_url(media_type, data);
            Piece::File { file: File { filename: DOCUMENT, file_data } }
        }
        Part::Document(_) => {
            return Err(part
                .refuse("must be a PDF in base64: this model's provider (OpenAI) takes no other document"));
        }
        Part::Thought { .. } => return Ok(None),
        // A call is the model's, an outcome the client's; no reader has them elsewhere.
        Part::Call(_) | Part::Outcome(_) => return Err(part.inexpressible(TO)),
    }))
}

fn url(media: &Media) -> Cow<'_, str> {
    match media {
        Media::Url(url) => url.into(),
        Media::Inline { media_type, data } => data_url(media_type, data).into(),
    }
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}
