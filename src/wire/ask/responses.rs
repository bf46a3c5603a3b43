//! Reads the body of `POST /v1/responses`, in one pass; what follows up a response has none.

use bytes::Bytes;

use super::items::walk_items;
use super::reader::{Fields, Reader, integer};
use super::tools::UNBOUNDED_CALLS;
use super::{Ask, Form};
use crate::ids::ResponseId;
use crate::wire::json::{JsonFault, Kind, Text};

/// What is read at the top level.
const READ: [&str; 19] = [
    "model",
    "input",
    "instructions",
    "stream",
    "max_output_tokens",
    "tools",
    "max_tool_calls",
    "text",
    "service_tier",
    "background",
    "previous_response_id",
    "conversation",
    "prompt",
    "context_management",
    "models",
    "fallbacks",
    "cached_content",
    "extra_body",
    "store",
];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 16] = [
    "stream_options",
    "temperature",
    "top_p",
    "top_logprobs",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "include",
    "truncation",
    "metadata",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "client_metadata",
    "seed",
];

/// Types of tools that the client runs, but whose schema is the provider's.
const CLIENT_RUN: [&str; 4] = ["local_shell", "apply_patch", "computer_use_preview", "computer"];

/// Units of input that such a schema has at most.
const OWN_SCHEMA_ADDS: i64 = 1_024;

/// What is read of a response alone.
#[derive(Default)]
struct Seen {
    has_input: bool,
    max_tool_calls: Option<i64>,
}

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let mut seen = Seen::default();
    reader.fields.stores = true;
    reader.body(&READ, |reader, key, name| seen.member(reader, key, name))?;
    reader.require_model("gpt-4.1-mini");
    if !seen.has_input {
        reader.refuse("input", "input is missing; it must be a string or an array of items");
    }
    let fields = &mut reader.fields;
    if let Some(most) = seen.max_tool_calls
        && fields.provider_calls > 0
    {
        // It bounds the calls of all the provider's tools together.
        fields.provider_calls = most;
    }
    fields.choices = 1;
    Ok(())
}

impl Ask {
    /// A request without a body, about a response of `model`.
    pub fn about(model: &str) -> Self {
        let fields = Fields { model: model.to_owned(), choices: 1, ..Fields::default() };
        Self::of(fields, Form::Responses, Bytes::new())
    }
}

impl Seen {
    fn member<'a>(&mut self, reader: &mut Reader<'a>, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
        match name {
            "model" => reader.model(),
            "input" => {
                self.has_input = true;
                reader.items()
            }
            "instructions" => reader.instructions(),
            "stream" => {
                reader.fields.stream = reader.flag("stream")?;
                Ok(())
            }
            "max_output_tokens" => reader.cap("max_output_tokens"),
            "tools" => reader.response_tools(),
            "max_tool_calls" => {
                self.max_tool_calls = reader.most_calls()?;
                Ok(())
            }
            "text" => reader.given(),
            "service_tier" => reader.service_tier(),
            "background" => reader.background(),
            "store" => {
                // Whatever else it is, the provider judges.
                reader.fields.stores = reader.cursor.skip()? != "false";
                Ok(())
            }
            "previous_response_id" => {
                self.has_input |= reader.previous_response()?;
                Ok(())
            }
            "conversation" | "prompt" => {
                // Either may hold the input, and a stored prompt tools of the provider.
                self.has_input |= reader.stored(key, name)?;
                Ok(())
            }
            "models" | "fallbacks" => reader.second_model(name),
            "context_management" | "cached_content" | "extra_body" => reader.named_elsewhere(key, name),
            _ if CONTROLS.contains(&name) => reader.control(),
            _ => reader.unknown(key),
        }
    }
}

impl<'a> Reader<'a> {
    fn items(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.one_message(),
            Kind::Array => walk_items(&mut self.cursor, &mut self.fields.tally),
            _ => {
                self.cursor.skip()?;
                self.refuse("input", "input must be a string or an array of items");
                Ok(())
            }
        }
    }

    fn instructions(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.one_message(),
            Kind::Null => self.control(),
            _ => {
                self.cursor.skip()?;
                self.refuse("instructions", "instructions must be a string");
                Ok(())
            }
        }
    }

    fn one_message(&mut self) -> Result<(), JsonFault> {
        let tally = &mut self.fields.tally;
        tally.messages = tally.messages.saturating_add(1);
        tally.text(&self.cursor.text()?);
        Ok(())
    }

    fn response_tools(&mut self) -> Result<(), JsonFault> {
        let start = self.cursor.offset();
        self.tools(is_own_type)?;
        // Cheap and generous: each place where such a type could be named.
        let json = self.cursor.since(start);
        let named = CLIENT_RUN.iter().map(|name| json.matches(name).count()).sum::<usize>();
        let named = i64::try_from(named).unwrap_or(i64::MAX).min(self.fields.tally.tools);
        self.fields.added = named.saturating_mul(OWN_SCHEMA_ADDS);
        Ok(())
    }

    fn most_calls(&mut self) -> Result<Option<i64>, JsonFault> {
        match integer(self.cursor.skip()?) {
            Ok(most) if most.is_none_or(|most| (1..=super::LARGEST_CAP).contains(&most)) => return Ok(most),
            _ => self.refuse("max_tool_calls", "max_tool_calls must be an integer, at least 1"),
        }
        Ok(None)
    }

    /// The response that this one goes on from, which the provider keeps; whether one is named.
    fn previous_response(&mut self) -> Result<bool, JsonFault> {
        let id = match self.cursor.kind()? {
            Kind::Null => return self.control().map(|()| false),
            Kind::Text => ResponseId::parse(&self.cursor.text()?.decode()),
            _ => self.control().map(|()| None)?,
        };
        if id.is_none() {
            self.refuse("previous_response_id", "previous_response_id must be the id of a response");
        }
        self.fields.tally.unseen = true;
        self.fields.previous = id;
        Ok(true)
    }

    /// A conversation or a prompt that the provider keeps; whether one is named.
    fn stored(&mut self, key: &Text<'a>, name: &str) -> Result<bool, JsonFault> {
        if self.cursor.kind()? == Kind::Null {
            return self.control().map(|()| false);
        }
        self.named_elsewhere(key, name)?;
        if name == "prompt" {
            self.provider_tool(UNBOUNDED_CALLS);
        }
        Ok(true)
    }
}

/// Whether a tool of this type is run by the client.
fn is_own_type(kind: Option<&str>) -> bool {
    // A namespace is what the tools inside it are: they are looked at one by one.
    let is_text = |kind: &str| matches!(kind, "function" | "custom" | "namespace");
    kind.is_some_and(|kind| is_text(kind) || CLIENT_RUN.contains(&kind))
}
