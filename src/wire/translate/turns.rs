//! The messages of a chat as turns of a conversation with Anthropic's models. Messages of one side that follow each other make
//! one turn, so the results of several tools come back together; what the system or the developer says goes before all.

use serde::Serialize;
use serde_json::value::RawValue;

use super::value::Value;
use crate::wire::ask::AskFault;

/// The types of images that Anthropic takes inline.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// A block of content.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    Image {
        source: Source,
    },
    ToolUse {
        id: String,
        name: String,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block>,
    },
}

/// Where an image comes from.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source {
    Base64 { media_type: &'static str, data: String },
    Url { url: String },
}

/// What one side says.
#[derive(Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Block>,
}

/// The whole conversation.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Block>,
    pub(super) turns: Vec<Turn>,
}

/// What is read of a message.
#[derive(Default)]
struct Message<'a> {
    role: String,
    content: Option<Value<'a>>,
    refusal: Option<String>,
    calls: Option<Value<'a>>,
    call_id: Option<String>,
    reasoning: Option<String>,
}

impl Conversation {
    /// Reads the array of messages.
    ///
    /// # Errors
    /// The first thing in it that cannot be said.
    pub(super) fn read(messages: &Value<'_>) -> Result<Self, AskFault> {
        let mut all = Self::default();
        for value in messages.items()? {
            all.take(&value)?;
        }
        if all.turns.is_empty() {
            return Err(messages.refuse("must hold a message of a user"));
        }
        Ok(all)
    }

    fn take(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        let message = Message::read(value)?;
        message.check_role(value)?;
        match message.role.as_str() {
            "system" | "developer" => self.system.extend(message.texts()?),
            "user" => {
                let blocks = message.parts()?;
                self.say("user", blocks, value)?;
            }
            "assistant" => {
                let blocks = message.of_assistant()?;
                self.say("assistant", blocks, value)?;
            }
            "tool" => {
                let content = message.texts()?;
                let missing = || value.refuse("must have a tool_call_id");
                let tool_use_id = message.call_id.ok_or_else(missing)?;
                self.say("user", vec![Block::ToolResult { tool_use_id, content }], value)?;
            }
            _ => return Err(value.refuse("must have the role system, developer, user, assistant or tool")),
        }
        Ok(())
    }

    fn say(&mut self, role: &'static str, mut blocks: Vec<Block>, value: &Value<'_>) -> Result<(), AskFault> {
        if blocks.is_empty() {
            return Err(
                value.refuse("must have content: this model's provider (Anthropic) takes no empty message")
            );
        }
        match self.turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.content.append(&mut blocks),
            None => self.turns.push(Turn { role, content: blocks }),
        }
        Ok(())
    }
}

impl<'a> Message<'a> {
    fn read(value: &Value<'a>) -> Result<Self, AskFault> {
        let mut message = Self::default();
        for (name, value) in value.members()? {
            match name.as_ref() {
                "role" => message.role = value.text()?,
                _ if value.is_null() => {}
                "content" => message.content = Some(value),
                "refusal" => message.refusal = Some(value.text()?),
                "tool_calls" => message.calls = Some(value),
                "tool_call_id" => message.call_id = Some(value.text()?),
                // What an answer of ours has beside its text, sent back: no provider reads it again.
                "reasoning_content" => message.reasoning = Some(value.text()?),
                "annotations" => value.must_be_idle(&["[]"])?,
                _ => return Err(value.inexpressible()),
            }
        }
        Ok(message)
    }

    /// Refuses what only a message in another role may have.
    fn check_role(&self, value: &Value<'_>) -> Result<(), AskFault> {
        let of_assistant = self.calls.is_some() || self.refusal.is_some() || self.reasoning.is_some();
        if (of_assistant && self.role != "assistant") || (self.call_id.is_some() && self.role != "tool") {
            return Err(value.refuse("has a field that does not belong to a message in its role"));
        }
        Ok(())
    }

    /// Its content, which must be text alone.
    fn texts(&self) -> Result<Vec<Block>, AskFault> {
        let blocks = self.parts()?;
        match &self.content {
            Some(content) if !blocks.iter().all(|block| matches!(block, Block::Text { .. })) => {
                Err(content.refuse("must be text alone in this role"))
            }
            _ => Ok(blocks),
        }
    }

    /// Its content, whatever it is; blocks without text are left out, as Anthropic takes none.
    fn parts(&self) -> Result<Vec<Block>, AskFault> {
        let Some(content) = &self.content else { return Ok(Vec::new()) };
        if content.is_text() {
            return Ok(text_block(content.text()?).into_iter().collect());
        }
        let mut blocks = Vec::new();
        for item in content.items()? {
            blocks.extend(part(&item)?);
        }
        Ok(blocks)
    }

    fn of_assistant(&self) -> Result<Vec<Block>, AskFault> {
        let mut blocks = self.texts()?;
        blocks.extend(self.refusal.clone().and_then(text_block));
        if let Some(calls) = &self.calls {
            for item in calls.items()? {
                blocks.push(call(&item)?);
            }
        }
        Ok(blocks)
    }
}

fn text_block(text: String) -> Option<Block> {
    (!text.is_empty()).then_some(Block::Text { text })
}

/// A part of a message's content.
fn part(value: &Value<'_>) -> Result<Option<Block>, AskFault> {
    let (mut kind, mut text, mut image) = (String::new(), None, None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => kind = value.text()?,
            _ if value.is_null() => {}
            "text" | "refusal" => text = Some(value.text()?),
            "image_url" => image = Some(image_of(&value)?),
            _ => return Err(value.inexpressible()),
        }
    }
    match (kind.as_str(), text, image) {
        ("text" | "refusal", Some(text), None) => Ok(text_block(text)),
        ("image_url", None, Some(source)) => Ok(Some(Block::Image { source })),
        _ => Err(value.refuse("must be a part of type text or image_url: no other can be sent to this model's provider (Anthropic)")),
    }
}

fn image_of(value: &Value<'_>) -> Result<Source, AskFault> {
    let mut source = None;
    for (name, value) in value.members()? {
        match name.as_ref() {
            "url" => source = Some(source_of(&value)?),
            "detail" => value.must_be_idle(&["\"auto\"", "\"high\""])?,
            _ => value.must_be_idle(&[])?,
        }
    }
    source.ok_or_else(|| value.refuse("must have a url"))
}

/// An image by its data or by its address.
fn source_of(value: &Value<'_>) -> Result<Source, AskFault> {
    let url = value.text()?;
    let Some(inline) = url.strip_prefix("data:") else {
        let is_https = url.starts_with("https://");
        return if is_https {
            Ok(Source::Url { url })
        } else {
            Err(value.refuse("must be an https:// or data: URL"))
        };
    };
    let (kind, data) = inline.split_once(";base64,").unwrap_or_default();
    let media_type = IMAGES.into_iter().find(|image| *image == kind);
    let wrong =
        || value.refuse("must be a JPEG, PNG, GIF or WebP image in base64, as in data:image/png;base64,…");
    Ok(Source::Base64 { media_type: media_type.ok_or_else(wrong)?, data: data.to_owned() })
}

/// A call of a tool that the model made.
fn call(value: &Value<'_>) -> Result<Block, AskFault> {
    let (mut id, mut function) = (None, None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "id" => id = Some(value.text()?),
            "type" => value.must_be_idle(&["\"function\""])?,
            "function" => function = Some(value),
            "index" => {}
            _ => value.must_be_idle(&[])?,
        }
    }
    let (Some(id), Some(function)) = (id, function) else {
        return Err(value.refuse("must have an id and a function"));
    };
    let (mut called, mut input) = (None, None);
    for (name, value) in function.members()? {
        match name.as_ref() {
            "name" => called = Some(value.text()?),
            "arguments" => input = Some(arguments(&value)?),
            _ => value.must_be_idle(&[])?,
        }
    }
    let (Some(name), Some(input)) = (called, input) else {
        return Err(function.refuse("must have a name and arguments"));
    };
    Ok(Block::ToolUse { id, name, input })
}

/// Arguments are a text that holds an object; there it is the object itself.
fn arguments(value: &Value<'_>) -> Result<Box<RawValue>, AskFault> {
    let text = value.text()?;
    let text = if text.trim().is_empty() { "{}".to_owned() } else { text.trim().to_owned() };
    let is_object = text.starts_with('{');
    let raw = RawValue::from_string(text).ok().filter(|_| is_object);
    raw.ok_or_else(|| value.refuse("must be the text of a JSON object"))
}
