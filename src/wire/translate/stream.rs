//! What Anthropic streams, as the chunks of a chat completion: each event makes none, one or a few. What ends the stream is
//! `message_stop`, and becomes `[DONE]`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::NotAnAnswer;
use super::answer::{Block, Figures, Function, StopDetails, ToolCall, Usage, finish_reason, refusal};
use crate::wire::meter::UsageEvent;
use crate::wire::sse::Event;

/// Tells one stream.
#[derive(Debug)]
pub struct ChatStream {
    id: String,
    model: String,
    created: i64,
    usage_event: UsageEvent,
    figures: Figures,
    calls: Vec<Call>,
    is_finished: bool,
}

/// A call of a tool that was begun.
#[derive(Debug)]
struct Call {
    /// Of its block of content.
    block: u64,
    has_arguments: bool,
}

/// An event. What is not known of it is passed over.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    message: Option<Head>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    delta: Option<Change>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    model: String,
    usage: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Change {
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Null in all but the last, as OpenAI does it; not there when nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: i64,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

impl ChatStream {
    /// A stream that was asked for at `created`, in Unix seconds, whose client asked for its usage or did not.
    pub(super) fn new(created: i64, usage_event: UsageEvent) -> Self {
        Self {
            id: String::new(),
            model: String::new(),
            created,
            usage_event,
            figures: Figures::default(),
            calls: Vec::new(),
            is_finished: false,
        }
    }

    /// What the client is told of `event`; nothing of one that has no counterpart.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tell(&mut self, event: &Event) -> Result<Bytes, NotAnAnswer> {
        let Some(data) = event.data().filter(|data| !data.trim_ascii().is_empty()) else {
            return Ok(Bytes::new());
        };
        if data.trim_ascii() == b"[DONE]" {
            return Ok(self.end().into());
        }
        let told: Told<'_> = serde_json::from_slice(&data).map_err(|_| NotAnAnswer)?;
        let mut out = Vec::new();
        match told.kind.as_str() {
            "message_start" => self.begin(told.message.ok_or(NotAnAnswer)?, &mut out),
            "content_block_start" => {
                self.begin_block(told.index, &told.content_block.ok_or(NotAnAnswer)?, &mut out)?;
            }
            "content_block_delta" => {
                self.change(told.index, &told.delta.ok_or(NotAnAnswer)?, &mut out)?;
            }
            "content_block_stop" => self.end_block(told.index, &mut out),
            "message_delta" => {
                self.figures = self.figures.merged(Figures::read(told.usage));
                if let Some(delta) = &told.delta {
                    self.finish(delta, &mut out);
                }
            }
            "message_stop" => out = self.end(),
            // Keeps the connection alive, or is not known here.
            _ => {}
        }
        Ok(out.into())
    }

    fn begin(&mut self, head: Head, out: &mut Vec<u8>) {
        self.figures = self.figures.merged(Figures::read(head.usage.as_deref()));
        (self.id, self.model) = (head.id, head.model);
        self.put(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None, out);
    }

    fn begin_block(&mut self, index: u64, block: &Block<'_>, out: &mut Vec<u8>) -> Result<(), NotAnAnswer> {
        if block.kind != "tool_use" {
            self.words(block.text.as_deref(), block.thinking.as_deref(), out);
            return Ok(());
        }
        let (Some(id), Some(name)) = (block.id.as_deref(), block.name.as_deref()) else {
            return Err(NotAnAnswer);
        };
        // The input comes in pieces, after this; `{}` stands for it here.
        let arguments = block.input.map(RawValue::get).filter(|input| *input != "{}").unwrap_or_default();
        let call = self.calls.len();
        self.calls.push(Call { block: index, has_arguments: !arguments.is_empty() });
        let function = Function { name: Some(name), arguments };
        self.call(ToolCall { index: Some(call), id: Some(id), kind: Some("function"), function }, out);
        Ok(())
    }

    fn change(&mut self, index: u64, delta: &Change, out: &mut Vec<u8>) -> Result<(), NotAnAnswer> {
        self.words(delta.text.as_deref(), delta.thinking.as_deref(), out);
        let Some(arguments) = delta.partial_json.as_deref().filter(|json| !json.is_empty()) else {
            return Ok(());
        };
        let at = self.calls.iter().rposition(|call| call.block == index).ok_or(NotAnAnswer)?;
        if let Some(call) = self.calls.get_mut(at) {
            call.has_arguments = true;
        }
        self.arguments(at, arguments, out);
        Ok(())
    }

    /// A call without arguments has an empty object of them.
    fn end_block(&self, index: u64, out: &mut Vec<u8>) {
        let empty = self.calls.iter().rposition(|call| call.block == index && !call.has_arguments);
        if let Some(at) = empty {
            self.arguments(at, "{}", out);
        }
    }

    fn finish(&mut self, delta: &Change, out: &mut Vec<u8>) {
        let Some(reason) = delta.stop_reason.as_deref() else { return };
        self.is_finished = true;
        let refusal = refusal(reason, delta.stop_details.as_ref());
        self.put(Delta { refusal, ..Delta::default() }, Some(finish_reason(reason)), out);
    }

    /// What stands at the end of every stream.
    fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.is_finished, true) {
            self.put(Delta::default(), Some(finish_reason("")), &mut out);
        }
        if self.usage_event == UsageEvent::Client {
            self.chunk(&[], Some(Some(self.figures.usage())), &mut out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        out
    }

    fn words(&self, text: Option<&str>, thinking: Option<&str>, out: &mut Vec<u8>) {
        let content = text.filter(|text| !text.is_empty());
        let reasoning_content = thinking.filter(|text| !text.is_empty());
        if content.is_some() || reasoning_content.is_some() {
            self.put(Delta { content, reasoning_content, ..Delta::default() }, None, out);
        }
    }

    fn arguments(&self, call: usize, arguments: &str, out: &mut Vec<u8>) {
        let function = Function { name: None, arguments };
        self.call(ToolCall { index: Some(call), id: None, kind: None, function }, out);
    }

    fn call(&self, call: ToolCall<'_>, out: &mut Vec<u8>) {
        self.put(Delta { tool_calls: Some([call]), ..Delta::default() }, None, out);
    }

    fn put(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let choice = Choice { index: 0, delta, logprobs: None, finish_reason };
        self.chunk(&[choice], (self.usage_event == UsageEvent::Client).then_some(None), out);
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<Option<Usage>>, out: &mut Vec<u8>) {
        let Self { id, model, created, .. } = self;
        let chunk = Chunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage };
        out.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut *out, &chunk).expect("a vector takes all, and strings are always JSON");
        out.extend_from_slice(b"\n\n");
    }
}
