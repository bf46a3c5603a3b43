//! The body of a chat as one of Anthropic's messages. Each member is translated, says nothing, or is refused.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::tools::{Choice, Tool, Tools};
use super::turns::{Block, Conversation, Turn};
use super::value::Value;
use crate::wire::ask::{Ask, AskFault};

/// The least that Anthropic takes for thinking, in output units.
const LEAST_BUDGET: i64 = 1_024;

/// What is left for the answer when thinking has its budget and the client named no cap, in output units.
const BESIDE_THINKING: i64 = 4_096;

/// Parts of the names of models that are told how much to think in output units. All newer ones are told how hard to try.
const BUDGETED: [&str; 7] =
    ["claude-3", "-4-0", "-4-1", "-4-5", "opus-4-2025", "sonnet-4-2025", "haiku-4-2025"];

/// The body that is sent.
#[derive(Default, Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block>,
    messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<i64>,
}

#[derive(Default, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

#[derive(Serialize)]
struct Metadata {
    user_id: String,
}

/// The body under way.
struct Draft<'a> {
    body: Body<'a>,
    tools: Tools,
    provider_model: &'a str,
}

/// The body for Anthropic, which calls the model `provider_model`; the body itself still has the client's name for it.
///
/// # Errors
/// The first member that cannot be translated.
pub(super) fn body(ask: &Ask, provider_model: &str) -> Result<Vec<u8>, AskFault> {
    let body = Body {
        model: &ask.model,
        max_tokens: ask.cap.asked,
        stream: ask.stream.then_some(true),
        ..Body::default()
    };
    let mut draft = Draft { body, tools: Tools::default(), provider_model };
    for (name, value) in Value::of_body(&ask.body)? {
        draft.member(&name, &value)?;
    }
    let Draft { mut body, mut tools, .. } = draft;
    body.tool_choice = tools.choice();
    body.tools = tools.list;
    Ok(serde_json::to_vec(&body).expect("strings and JSON can always be written as JSON"))
}

impl<'a> Draft<'a> {
    fn member(&mut self, name: &str, value: &Value<'a>) -> Result<(), AskFault> {
        match name {
            // These were read before.
            "model" | "stream" | "max_tokens" | "max_completion_tokens" => {}
            _ if value.is_null() => {}
            "messages" => {
                let Conversation { system, turns } = Conversation::read(value)?;
                (self.body.system, self.body.messages) = (system, turns);
            }
            "tools" => self.tools.take_list(value)?,
            "tool_choice" => self.tools.take_choice(value)?,
            "parallel_tool_calls" => self.tools.take_parallel(value)?,
            "stop" => self.body.stop_sequences = stops(value)?,
            "temperature" => self.body.temperature = Some(value.number_up_to(1.0)?),
            "top_p" => self.body.top_p = Some(value.number_up_to(1.0)?),
            "reasoning_effort" => self.effort(value)?,
            "response_format" => self.format(value)?,
            "user" | "safety_identifier" => self.user(value)?,
            "service_tier" => self.tier(value)?,
            "stream_options" => stream_options(value)?,
            _ => value.must_be_idle(idle(name))?,
        }
        Ok(())
    }

    /// How hard the model is to think.
    fn effort(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        let (budget, effort) = match value.text()?.as_str() {
            "none" => return Ok(()),
            "minimal" => (LEAST_BUDGET, "low"),
            "low" => (2_048, "low"),
            "medium" => (8_192, "medium"),
            "high" => (16_384, "high"),
            "xhigh" => (32_768, "xhigh"),
            _ => return Err(value.refuse("must be none, minimal, low, medium, high or xhigh")),
        };
        if !BUDGETED.iter().any(|part| self.provider_model.contains(part)) {
            self.body.thinking = Some(Thinking { kind: "adaptive", budget_tokens: None });
            self.body.output_config.get_or_insert_default().effort = Some(effort);
            return Ok(());
        }
        // The cap includes what is thought; half of the client's own is left for the answer.
        let budget = self.body.max_tokens.map_or(budget, |cap| budget.min(cap.div_euclid(2)));
        if budget < LEAST_BUDGET {
            return Err(
                value.refuse("needs a max_completion_tokens of at least 2048 with this model, or none")
            );
        }
        self.body.max_tokens.get_or_insert(budget.saturating_add(BESIDE_THINKING));
        self.body.thinking = Some(Thinking { kind: "enabled", budget_tokens: Some(budget) });
        Ok(())
    }

    /// An answer of a given form: text, or JSON of a schema.
    fn format(&mut self, value: &Value<'a>) -> Result<(), AskFault> {
        let (mut kind, mut described) = (String::new(), None);
        for (name, value) in value.members()? {
            match name.as_ref() {
                "type" => kind = value.text()?,
                "json_schema" => described = Some(value),
                _ => value.must_be_idle(&[])?,
            }
        }
        let described = match (kind.as_str(), described) {
            ("text", None) => return Ok(()),
            ("json_schema", Some(described)) => described,
            _ => {
                return Err(value.refuse(
                    "must be text, or a json_schema: this model's provider (Anthropic) has no other",
                ));
            }
        };
        let mut schema = None;
        for (name, value) in described.members()? {
            match name.as_ref() {
                // A label, and a promise that Anthropic makes in any case.
                "name" | "strict" => {}
                "schema" => schema = Some(value.object()?),
                _ => value.must_be_idle(&[])?,
            }
        }
        let schema = schema.ok_or_else(|| described.refuse("must have a schema"))?;
        self.body.output_config.get_or_insert_default().format = Some(Format { kind: "json_schema", schema });
        Ok(())
    }

    /// Both names of whoever asks mean the same.
    fn user(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        let user_id = value.text()?;
        if self.body.metadata.as_ref().is_some_and(|known| known.user_id != user_id) {
            return Err(value.refuse("must not differ: of user and safety_identifier one can be sent"));
        }
        self.body.metadata = Some(Metadata { user_id });
        Ok(())
    }

    fn tier(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        self.body.service_tier = match value.raw.get() {
            "\"auto\"" => None,
            "\"default\"" => Some("standard_only"),
            _ => return Err(value.inexpressible()),
        };
        Ok(())
    }
}

/// What a member that has no counterpart may hold without saying anything.
fn idle(name: &str) -> &'static [&'static str] {
    match name {
        "n" | "best_of" => &["1"],
        "logprobs" | "store" | "background" => &["false"],
        "top_logprobs" => &["0"],
        "presence_penalty" | "frequency_penalty" => &["0", "0.0"],
        "logit_bias" | "metadata" => &["{}"],
        "modalities" => &["[\"text\"]"],
        "verbosity" => &["\"medium\""],
        "functions" => &["[]"],
        _ => &[],
    }
}

fn stops(value: &Value<'_>) -> Result<Vec<String>, AskFault> {
    if value.is_text() {
        return Ok(vec![value.text()?]);
    }
    value.items()?.iter().map(Value::text).collect()
}

fn stream_options(value: &Value<'_>) -> Result<(), AskFault> {
    for (name, value) in value.members()? {
        match Cow::as_ref(&name) {
            "include_usage" => {}
            _ => value.must_be_idle(&["false"])?,
        }
    }
    Ok(())
}
