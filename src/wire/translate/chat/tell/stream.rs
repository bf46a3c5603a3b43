//! Tells a stream as the chunks of a chat completion: each delta makes one or none. What ends it is `[DONE]`.

use std::borrow::Cow;

use serde::Serialize;

use super::{Function, ToolCall, Usage, finish_reason};
use crate::wire::meter::UsageEvent;
use crate::wire::translate::telling::{Asked, Delta, Figures, Finish};

/// Tells one stream.
#[derive(Debug)]
pub(in crate::wire::translate) struct Stream {
    id: String,
    model: String,
    created: i64,
    usage_event: UsageEvent,
    figures: Figures,
    is_finished: bool,
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
    delta: Change<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Change<'a> {
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

impl Stream {
    /// A stream that answers what was asked.
    pub(in crate::wire::translate) fn new(asked: Asked) -> Self {
        let Asked { created, usage_event, model, .. } = asked;
        let figures = Figures::default();
        Self { id: String::new(), model, created, usage_event, figures, is_finished: false }
    }

    /// Appends to `out` what the client is told of `delta`.
    pub(in crate::wire::translate) fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let change = match delta {
            Delta::Begin { id, model } => {
                (self.id, self.model) = (id.clone(), model.clone());
                Change { role: Some("assistant"), content: Some(""), ..Change::default() }
            }
            Delta::Text(text) => Change { content: Some(text), ..Change::default() },
            Delta::Thought(text) => Change { reasoning_content: Some(text), ..Change::default() },
            Delta::Refusal(text) => Change { refusal: Some(text), ..Change::default() },
            Delta::Call { index, id, name, signature } => {
                called(ToolCall::begun(Some(*index), (id, name), signature.as_deref()))
            }
            Delta::Arguments { index, json } => {
                let function = Function { name: None, arguments: Cow::Borrowed(json) };
                let (index, extra_content) = (Some(*index), None);
                called(ToolCall { index, id: None, kind: None, function, extra_content })
            }
            Delta::Finish(finish) => return self.finish(finish, out),
            Delta::Figures(figures) => return self.figures = *figures,
            // No chat has a place for it.
            Delta::Signature(_) => return,
        };
        self.put(change, None, out);
    }

    /// Appends what stands at the end of every stream.
    pub(in crate::wire::translate) fn end(&mut self, out: &mut Vec<u8>) {
        if !self.is_finished {
            self.finish(&Finish::End, out);
        }
        if self.usage_event == UsageEvent::Client {
            self.chunk(&[], Some(Some(Usage::of(self.figures))), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn finish(&mut self, finish: &Finish, out: &mut Vec<u8>) {
        self.is_finished = true;
        self.put(Change::default(), Some(finish_reason(finish)), out);
    }

    fn put(&self, delta: Change<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
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

fn called(call: ToolCall<'_>) -> Change<'_> {
    Change { tool_calls: Some([call]), ..Change::default() }
}
