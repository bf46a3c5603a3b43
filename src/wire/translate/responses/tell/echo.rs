//! The response object, which repeats what was asked as the client spelled it.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::item::Item;
use crate::wire::json::members;
use crate::wire::translate::telling::Figures;

/// What stands where nothing was asked; null for all others.
const UNASKED: [(&str, &str); 7] = [
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("reasoning", "{\"effort\":null,\"summary\":null}"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("truncation", "\"disabled\""),
];

/// What was asked, as far as a response repeats it.
#[derive(Debug)]
pub(super) struct Echo {
    members: HashMap<String, Box<RawValue>>,
    null: Box<RawValue>,
    /// Whether the client is told what the model thinks.
    pub(super) tells_thoughts: bool,
}

/// How far a response is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// And why.
    Incomplete(&'static str),
}

/// The object.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) created_at: i64,
    pub(super) status: &'static str,
    pub(super) background: bool,
    pub(super) error: (),
    pub(super) incomplete_details: Option<Incomplete>,
    pub(super) instructions: &'a RawValue,
    pub(super) max_output_tokens: &'a RawValue,
    pub(super) max_tool_calls: &'a RawValue,
    pub(super) metadata: &'a RawValue,
    pub(super) model: &'a str,
    pub(super) output: &'a [Item],
    pub(super) parallel_tool_calls: &'a RawValue,
    pub(super) previous_response_id: (),
    pub(super) prompt_cache_key: &'a RawValue,
    pub(super) reasoning: &'a RawValue,
    pub(super) safety_identifier: &'a RawValue,
    pub(super) service_tier: &'a RawValue,
    /// Nothing is kept that was translated.
    pub(super) store: bool,
    pub(super) temperature: &'a RawValue,
    pub(super) text: &'a RawValue,
    pub(super) tool_choice: &'a RawValue,
    pub(super) tools: &'a RawValue,
    pub(super) top_logprobs: i64,
    pub(super) top_p: &'a RawValue,
    pub(super) truncation: &'a RawValue,
    pub(super) usage: Option<Usage>,
    pub(super) user: &'a RawValue,
}

#[derive(Serialize)]
pub(super) struct Incomplete {
    reason: &'static str,
}

/// What was used.
#[derive(Serialize)]
pub(super) struct Usage {
    input_tokens: i64,
    input_tokens_details: InputDetails,
    output_tokens: i64,
    output_tokens_details: OutputDetails,
    total_tokens: i64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: i64,
    cache_write_tokens: i64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: i64,
}

impl Echo {
    /// Of this body.
    pub(super) fn of(body: &[u8]) -> Self {
        let asked = members(body).unwrap_or_default().into_iter();
        let asked = asked.filter(|(name, value)| name != "input" && value.get() != "null");
        let mut kept: HashMap<String, Box<RawValue>> =
            asked.map(|(name, value)| (name.into_owned(), value.to_owned())).collect();
        for (name, unasked) in UNASKED {
            kept.entry(name.to_owned()).or_insert_with(|| raw(unasked));
        }
        let tells_thoughts = kept.get("reasoning").is_some_and(|reasoning| asks_for_summary(reasoning));
        Self { members: kept, null: raw("null"), tells_thoughts }
    }

    /// A response of this status. What is not of the request is to be filled in.
    pub(super) fn response(&self, status: Status) -> Response<'_> {
        let (status, incomplete_details) = match status {
            Status::InProgress => ("in_progress", None),
            Status::Completed => ("completed", None),
            Status::Incomplete(reason) => ("incomplete", Some(Incomplete { reason })),
        };
        Response {
            id: String::new(),
            object: "response",
            created_at: 0,
            status,
            background: false,
            error: (),
            incomplete_details,
            instructions: self.member("instructions"),
            max_output_tokens: self.member("max_output_tokens"),
            max_tool_calls: self.member("max_tool_calls"),
            metadata: self.member("metadata"),
            model: "",
            output: &[],
            parallel_tool_calls: self.member("parallel_tool_calls"),
            previous_response_id: (),
            prompt_cache_key: self.member("prompt_cache_key"),
            reasoning: self.member("reasoning"),
            safety_identifier: self.member("safety_identifier"),
            service_tier: self.member("service_tier"),
            store: false,
            temperature: self.member("temperature"),
            text: self.member("text"),
            tool_choice: self.member("tool_choice"),
            tools: self.member("tools"),
            top_logprobs: 0,
            top_p: self.member("top_p"),
            truncation: self.member("truncation"),
            usage: None,
            user: self.member("user"),
        }
    }

    fn member(&self, name: &str) -> &RawValue {
        self.members.get(name).unwrap_or(&self.null)
    }
}

impl Usage {
    /// What these figures say.
    pub(super) fn of(figures: &Figures) -> Self {
        Self {
            input_tokens: figures.input,
            input_tokens_details: InputDetails {
                cached_tokens: figures.cached,
                cache_write_tokens: figures.cache_write,
            },
            output_tokens: figures.output,
            output_tokens_details: OutputDetails { reasoning_tokens: figures.thought },
            total_tokens: figures.input.saturating_add(figures.output),
        }
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("it is JSON")
}

/// Whether a `reasoning` names the kind of summary it wants.
fn asks_for_summary(reasoning: &RawValue) -> bool {
    members(reasoning.get().as_bytes())
        .unwrap_or_default()
        .iter()
        .any(|(name, value)| matches!(name.as_ref(), "summary" | "generate_summary") && value.get() != "null")
}
