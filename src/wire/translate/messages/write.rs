//! Writes a prompt as the body of Anthropic's messages. Each part of it is said, says nothing, or is refused.

mod blocks;
mod thinking;
mod tools;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::ask::AskFault;
use crate::wire::endpoints::Dialect;
use crate::wire::translate::prompt::{Format, Prompt, Set, Tier};
use blocks::{Block, Turn};
use thinking::Thinking;
use tools::{Choice, Tool};

/// Whom it is written for.
const TO: Dialect = Dialect::Anthropic;

/// The body that is sent.
#[derive(Default, Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Schema<'a>>,
}

#[derive(Serialize)]
struct Schema<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// The body for Anthropic, which calls the model `provider_model`; the body itself still has the client's name for it.
///
/// # Errors
/// The first thing that cannot be said there.
pub(in crate::wire::translate) fn body(
    prompt: &Prompt<'_>,
    provider_model: &str,
) -> Result<Vec<u8>, AskFault> {
    refuse_unknown(prompt)?;
    let sampled = |set: &Option<Set<_>>| set.as_ref().map(|number| number.within(0.0..=1.0, TO)).transpose();
    let mut body = Body {
        model: &prompt.model,
        max_tokens: prompt.cap,
        stream: prompt.stream.then_some(true),
        system: blocks::system(prompt),
        messages: blocks::turns(prompt)?,
        tools: tools::list(prompt),
        tool_choice: tools::choice(prompt),
        stop_sequences: prompt.stops.as_ref().map_or(&[], |stops| &stops.value),
        temperature: sampled(&prompt.temperature)?,
        top_p: sampled(&prompt.top_p)?,
        top_k: prompt.top_k.as_ref().map(|number| number.value),
        metadata: prompt.user.as_ref().map(|user| Metadata { user_id: &user.value }),
        service_tier: tier(prompt.tier.as_ref())?,
        ..Body::default()
    };
    if let Some(plan) = thinking::plan(prompt, provider_model)? {
        body.thinking = Some(plan.thinking);
        body.max_tokens = plan.cap;
        if plan.effort.is_some() {
            body.output_config.get_or_insert_default().effort = plan.effort;
        }
    }
    if let Some(format) = &prompt.format {
        body.output_config.get_or_insert_default().format = Some(schema(format)?);
    }
    Ok(serde_json::to_vec(&body).expect("strings and JSON can always be written as JSON"))
}

/// Refuses what Anthropic has no words for.
fn refuse_unknown(prompt: &Prompt<'_>) -> Result<(), AskFault> {
    let numbers = [&prompt.presence_penalty, &prompt.frequency_penalty, &prompt.seed];
    match numbers.into_iter().flatten().next() {
        Some(number) => Err(number.inexpressible(TO)),
        None => Ok(()),
    }
}

/// The schema of the answer. Its name is a label, and Anthropic keeps to it in any case.
fn schema<'a>(format: &'a Set<Format>) -> Result<Schema<'a>, AskFault> {
    match &format.value {
        Format::Schema { schema, description: None, .. } => Ok(Schema { kind: "json_schema", schema }),
        Format::Schema { description: Some(_), .. } => Err(format
            .refuse("must have no description: this model's provider (Anthropic) takes the schema alone")),
        Format::Json => {
            Err(format
                .refuse("must be text, or a json_schema: this model's provider (Anthropic) has no other"))
        }
    }
}

fn tier(tier: Option<&Set<Tier>>) -> Result<Option<&'static str>, AskFault> {
    let Some(tier) = tier else { return Ok(None) };
    match tier.value {
        Tier::Default => Ok(Some("standard_only")),
        Tier::Flex | Tier::Priority => Err(tier.inexpressible(TO)),
    }
}
