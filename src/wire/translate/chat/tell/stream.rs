//! Tells a stream as the chunks of a chat completion: each delta makes one or none. What ends it is `[DONE]`.

use std::borrow::Cow;

use serde::Serialize;

use super::{Function, ToolCall, Usage, finish_reason, named, own_id};
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
    /// As it was heard last: some providers say it in each chunk, and go on.
    finish: Option<Finish>,
    is_begun: bool,
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
        Self { id: own_id(created), model, created, usage_event, figures, finish: None, is_begun: false }
    }

    /// Appends to `out` what the client is told of `delta`.
    pub(in crate::wire::translate) fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let change = match delta {
            Delta::Begin { id, model } => {
                named(&mut self.id, id);
                named(&mut self.model, model);
                return self.begin(out);
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
            // Nothing stands behind it in a chat, so it waits for the end.
            Delta::Finish(finish) => return self.finish = Some(finish.clone()),
            Delta::Figures(figures) => return self.figures = *figures,
            // No chat has a place for it.
            Delta::Signature(_) => return,
        };
        self.begin(out);
        self.put(change, None, out);
    }

    /// Once, before all else.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_begun, true) {
            let first = Change { role: Some("assistant"), content: Some(""), ..Change::default() };
            self.put(first, None, out);
        }
    }

    /// Appends what stands at the end of every stream.
    pub(in crate::wire::translate) fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        let finish = self.finish.as_ref().unwrap_or(&Finish::End);
        self.put(Change::default(), Some(finish_reason(finish)), out);
        if self.usage_event == UsageEvent::Client {
            self.chunk(&[], Some(Some(Usage::of(self.figures))), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
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
