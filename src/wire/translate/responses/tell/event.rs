//! The events of a response's stream. Each has a number, one more than the one before it.

use serde::Serialize;

use super::echo::Response;
use super::item::{Item, Part};

/// An event, but for its type and number. Each has some of these members.
#[derive(Default, Serialize)]
pub(super) struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Response<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<&'a Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[(); 0]>,
}

#[derive(Serialize)]
struct Numbered<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    event: Event<'a>,
}

/// Writes events.
#[derive(Debug, Default)]
pub(super) struct Events {
    written: u64,
}

impl<'a> Event<'a> {
    /// About the output at this place.
    pub(super) fn of(at: usize) -> Self {
        Self { output_index: Some(at), ..Self::default() }
    }

    /// About what is within an item, which is one part at most.
    pub(super) fn within(item: &'a Item, at: usize) -> Self {
        let event = Self { item_id: Some(item.id()), ..Self::of(at) };
        match item {
            Item::Message { .. } => Self { content_index: Some(0), ..event },
            Item::Reasoning { .. } => Self { summary_index: Some(0), ..event },
            Item::FunctionCall { .. } | Item::CustomToolCall { .. } => event,
        }
    }
}

impl Events {
    /// Writes one.
    pub(super) fn put(&mut self, kind: &'static str, event: Event<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let event = Numbered { kind, sequence_number: self.written, event };
        let start = out.len();
        serde_json::to_writer(&mut *out, &event).expect("a vector takes all, and strings are always JSON");
        // What is repeated of the client's body may have line ends between its words; here they would end the event.
        let written = out.get_mut(start..).unwrap_or_default();
        written.iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        out.extend_from_slice(b"\n\n");
        self.written = self.written.saturating_add(1);
    }

    /// Writes that an item is whole, and so is what is within it.
    pub(super) fn put_done(&mut self, item: &Item, at: usize, out: &mut Vec<u8>) {
        let within = || Event::within(item, at);
        match item {
            Item::Message { content, .. } => {
                for part in content {
                    self.put_part(part, item, at, out);
                    self.put("response.content_part.done", Event { part: Some(part), ..within() }, out);
                }
            }
            Item::Reasoning { summary, .. } => {
                for part in summary {
                    self.put_part(part, item, at, out);
                    let done = Event { part: Some(part), ..within() };
                    self.put("response.reasoning_summary_part.done", done, out);
                }
            }
            Item::FunctionCall { name, arguments, .. } => {
                let done = Event { name: Some(name), arguments: Some(arguments), ..within() };
                self.put("response.function_call_arguments.done", done, out);
            }
            Item::CustomToolCall { input, .. } => {
                let said = Event { delta: Some(input), ..within() };
                self.put("response.custom_tool_call_input.delta", said, out);
                let done = Event { input: Some(input), ..within() };
                self.put("response.custom_tool_call_input.done", done, out);
            }
        }
        self.put("response.output_item.done", Event { item: Some(item), ..Event::of(at) }, out);
    }

    fn put_part(&mut self, part: &Part, item: &Item, at: usize, out: &mut Vec<u8>) {
        let within = Event::within(item, at);
        match part {
            Part::OutputText { text, .. } => {
                let done = Event { text: Some(text), logprobs: Some([]), ..within };
                self.put("response.output_text.done", done, out);
            }
            Part::Refusal { refusal } => {
                self.put("response.refusal.done", Event { refusal: Some(refusal), ..within }, out);
            }
            Part::SummaryText { text } => {
                let done = Event { text: Some(text), ..within };
                self.put("response.reasoning_summary_text.done", done, out);
            }
        }
    }
}
