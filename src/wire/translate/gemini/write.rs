//! What a client asks, as the body of Gemini's `generateContent`. Who asks is not said: Google has no place for it, and it changes
//! no answer.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::contents::{Content, contents, system};
use super::thinking::{ThinkingConfig, thinking};
use crate::wire::ask::AskFault;
use crate::wire::endpoints::Dialect;
use crate::wire::translate::prompt::{Choice, Format, Parallel, Prompt, Set, Tier};

/// The most texts that may end an answer.
const MOST_STOPS: usize = 5;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// JSON schema as it is; `parameters` beside it takes a part of OpenAPI's alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_sequences: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

/// The body for Gemini, which calls the model `provider_model`.
///
/// # Errors
/// The first thing in it that Gemini's models cannot be asked.
pub(in crate::wire::translate) fn body(
    prompt: &Prompt<'_>,
    provider_model: &str,
) -> Result<Vec<u8>, AskFault> {
    forbid_serial(prompt)?;
    let body = Body {
        contents: contents(&prompt.turns, provider_model)?,
        system_instruction: system(&prompt.system),
        tools: tools(prompt),
        tool_config: tool_config(prompt),
        generation_config: generation_config(prompt, provider_model)?,
        service_tier: prompt.tier.as_ref().map(|tier| tier_word(tier.value)),
    };
    Ok(serde_json::to_vec(&body).expect("strings and JSON can always be written as JSON"))
}

/// Gemini's models call as many tools at once as they like.
fn forbid_serial(prompt: &Prompt<'_>) -> Result<(), AskFault> {
    let calls_none = matches!(&prompt.choice, Some(choice) if choice.value == Choice::Nothing);
    match &prompt.parallel {
        Some(parallel)
            if parallel.value == Parallel::Forbidden && !prompt.tools.is_empty() && !calls_none =>
        {
            Err(parallel.refuse(
                "cannot forbid parallel calls: the API of this model's provider (Google) cannot; allow them, or leave it out",
            ))
        }
        _ => Ok(()),
    }
}

fn tools<'a>(prompt: &'a Prompt<'_>) -> Option<[Tools<'a>; 1]> {
    let function_declarations: Vec<Declaration<'a>> = prompt
        .tools
        .iter()
        .map(|tool| Declaration {
            name: &tool.value.name,
            description: tool.value.description.as_deref(),
            parameters_json_schema: tool.value.schema.as_deref(),
        })
        .collect();
    (!function_declarations.is_empty()).then_some([Tools { function_declarations }])
}

/// Which tools are to be called. Arguments are kept to their schema where a call is asked for (`ANY`), and, where the model may
/// choose, in the mode `VALIDATED`, for all tools at once.
fn tool_config<'a>(prompt: &'a Prompt<'_>) -> Option<ToolConfig<'a>> {
    let is_strict = prompt.tools.iter().any(|tool| tool.value.strict == Some(true));
    let chosen = prompt.choice.as_ref().map(|choice| &choice.value);
    let (mode, name) = match chosen {
        None | Some(Choice::Auto) if is_strict => ("VALIDATED", None),
        None => return None,
        Some(Choice::Auto | Choice::Nothing) if prompt.tools.is_empty() => return None,
        Some(Choice::Auto) => ("AUTO", None),
        Some(Choice::Nothing) => ("NONE", None),
        Some(Choice::Any) => ("ANY", None),
        Some(Choice::Named(name)) => ("ANY", Some(name.as_str())),
    };
    let allowed_function_names = name.map(|name| [name]);
    Some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names } })
}

/// Everything that steers the answer; `None` where nothing does.
fn generation_config(prompt: &Prompt<'_>, provider_model: &str) -> Result<Option<Box<RawValue>>, AskFault> {
    let mut config = Config {
        max_output_tokens: prompt.cap,
        temperature: number(prompt.temperature.as_ref(), 0.0..=2.0)?,
        top_p: number(prompt.top_p.as_ref(), 0.0..=1.0)?,
        top_k: whole(prompt.top_k.as_ref())?,
        stop_sequences: stops(prompt.stops.as_ref())?,
        presence_penalty: number(prompt.presence_penalty.as_ref(), -2.0..=2.0)?,
        frequency_penalty: number(prompt.frequency_penalty.as_ref(), -2.0..=2.0)?,
        seed: whole(prompt.seed.as_ref())?,
        ..Config::default()
    };
    if let Some(format) = &prompt.format {
        config.response_mime_type = Some("application/json");
        config.response_json_schema = schema(format)?;
    }
    if let Some(asked) = &prompt.thinking {
        let (thinking, cap) = thinking(asked, prompt.cap, prompt.most, provider_model)?;
        (config.thinking_config, config.max_output_tokens) = (thinking, cap);
    }
    let raw = to_raw_value(&config).expect("numbers, strings and JSON can always be written as JSON");
    Ok((raw.get() != "{}").then_some(raw))
}

/// A number within bounds, as it was spelled.
fn number<'a>(
    set: Option<&Set<&'a RawValue>>,
    range: RangeInclusive<f64>,
) -> Result<Option<&'a RawValue>, AskFault> {
    set.map(|set| set.within(range, Dialect::Gemini)).transpose()
}

/// A whole number of 32 bits, as it was spelled.
fn whole<'a>(set: Option<&Set<&'a RawValue>>) -> Result<Option<&'a RawValue>, AskFault> {
    let Some(set) = set else { return Ok(None) };
    match set.value.get().parse::<i32>() {
        Ok(_) => Ok(Some(set.value)),
        Err(_) => Err(set.refuse(
            "must be a whole number of at most 32 bits: this model's provider (Google) takes no other",
        )),
    }
}

fn stops(set: Option<&Set<Vec<String>>>) -> Result<Option<&[String]>, AskFault> {
    let Some(set) = set.filter(|set| !set.value.is_empty()) else { return Ok(None) };
    if set.value.len() > MOST_STOPS {
        return Err(set.refuse(&format!(
            "must hold at most {MOST_STOPS} texts: this model's provider (Google) takes no more"
        )));
    }
    Ok(Some(&set.value))
}

/// The schema of an answer. Its name is a label; that the answer keeps to it is so in any case.
fn schema(format: &Set<Format>) -> Result<Option<&RawValue>, AskFault> {
    match &format.value {
        Format::Json => Ok(None),
        Format::Schema { description: Some(_), .. } => Err(format.refuse(
            "has a description, for which this model's provider (Google) has no place; put it into the schema",
        )),
        Format::Schema { schema, .. } => Ok(Some(schema)),
    }
}

const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Default => "standard",
        Tier::Flex => "flex",
        Tier::Priority => "priority",
    }
}
