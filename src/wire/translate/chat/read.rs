//! Reads the body of a chat. Each member is understood, says nothing, or is refused.

mod tools;
mod turns;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::wire::ask::{Ask, AskFault};
use crate::wire::endpoints::Dialect;
use crate::wire::translate::prompt::{Effort, Format, Parallel, Prompt, Set, Thinking, Tier};
use crate::wire::translate::value::Value;

/// What a chat asks, for a provider whose dialect is `to`.
///
/// # Errors
/// The first member that cannot be understood.
pub(in crate::wire::translate) fn prompt(ask: &Ask, to: Dialect) -> Result<Prompt<'_>, AskFault> {
    let mut prompt =
        Prompt { model: ask.model.clone(), stream: ask.stream, cap: ask.cap.asked, ..Prompt::default() };
    for (name, value) in Value::of_body(&ask.body, to)? {
        member(&mut prompt, &name, &value)?;
    }
    Ok(prompt)
}

fn member<'a>(prompt: &mut Prompt<'a>, name: &str, value: &Value<'a>) -> Result<(), AskFault> {
    match name {
        // These were read before.
        "model" | "stream" | "max_tokens" | "max_completion_tokens" => {}
        _ if value.is_null() => {}
        "messages" => turns::read(prompt, value)?,
        "tools" => prompt.tools = tools::list(value)?,
        "tool_choice" => prompt.choice = Some(value.set(tools::choice(value)?)),
        "parallel_tool_calls" => prompt.parallel = parallel(value)?,
        "stop" => prompt.stops = stops(value)?,
        "temperature" => prompt.temperature = Some(value.set(value.number()?)),
        "top_p" => prompt.top_p = Some(value.set(value.number()?)),
        "presence_penalty" => prompt.presence_penalty = penalty(value)?,
        "frequency_penalty" => prompt.frequency_penalty = penalty(value)?,
        "seed" => prompt.seed = Some(value.set(value.number()?)),
        "reasoning_effort" => prompt.thinking = Some(value.set(thinking(value)?)),
        "response_format" => prompt.format = format(value)?,
        "user" | "safety_identifier" => user(prompt, value)?,
        "service_tier" => prompt.tier = tier(value)?,
        "stream_options" => stream_options(value)?,
        _ => value.must_be_idle(idle(name))?,
    }
    Ok(())
}

/// What a member that has no counterpart anywhere may hold without saying anything.
fn idle(name: &str) -> &'static [&'static str] {
    match name {
        "n" | "best_of" => &["1"],
        "logprobs" | "store" | "background" => &["false"],
        "top_logprobs" => &["0"],
        "logit_bias" | "metadata" => &["{}"],
        "modalities" => &["[\"text\"]"],
        "verbosity" => &["\"medium\""],
        "functions" => &["[]"],
        _ => &[],
    }
}

fn parallel(value: &Value<'_>) -> Result<Option<Set<Parallel>>, AskFault> {
    let said = |is_allowed| if is_allowed { Parallel::Allowed } else { Parallel::Forbidden };
    Ok(value.flag()?.map(|is_allowed| value.set(said(is_allowed))))
}

fn stops(value: &Value<'_>) -> Result<Option<Set<Vec<String>>>, AskFault> {
    let texts: Vec<String> = if value.is_text() {
        vec![value.text()?]
    } else {
        value.items()?.iter().map(Value::text).collect::<Result<_, _>>()?
    };
    Ok((!texts.is_empty()).then(|| value.set(texts)))
}

fn penalty<'a>(value: &Value<'a>) -> Result<Option<Set<&'a RawValue>>, AskFault> {
    let number = value.number()?;
    Ok((!matches!(number.get(), "0" | "0.0")).then(|| value.set(number)))
}

/// How hard the model is to think.
fn thinking(value: &Value<'_>) -> Result<Thinking, AskFault> {
    Ok(match value.text()?.as_str() {
        "none" => Thinking::Off,
        "minimal" => Thinking::Effort(Effort::Minimal),
        "low" => Thinking::Effort(Effort::Low),
        "medium" => Thinking::Effort(Effort::Medium),
        "high" => Thinking::Effort(Effort::High),
        "xhigh" => Thinking::Effort(Effort::Highest),
        _ => return Err(value.refuse("must be none, minimal, low, medium, high or xhigh")),
    })
}

/// An answer of a given form: text, JSON, or JSON of a schema.
fn format(value: &Value<'_>) -> Result<Option<Set<Format>>, AskFault> {
    let (mut kind, mut described) = (String::new(), None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => kind = value.text()?,
            "json_schema" => described = Some(value),
            _ => value.must_be_idle(&[])?,
        }
    }
    let format = match (kind.as_str(), described) {
        ("text", None) => return Ok(None),
        ("json_object", None) => Format::Json,
        ("json_schema", Some(described)) => schema(&described)?,
        _ => return Err(value.refuse("must be of type text, json_object, or json_schema with a json_schema")),
    };
    Ok(Some(value.set(format)))
}

fn schema(described: &Value<'_>) -> Result<Format, AskFault> {
    let (mut called, mut description, mut schema, mut strict) = (None, None, None, None);
    for (name, value) in described.members()? {
        match name.as_ref() {
            _ if value.is_null() => {}
            "name" => called = Some(value.text()?),
            "description" => description = Some(value.text()?),
            "strict" => strict = value.flag()?,
            "schema" => schema = Some(value.object()?.to_owned()),
            _ => return Err(value.inexpressible()),
        }
    }
    let schema = schema.ok_or_else(|| described.refuse("must have a schema"))?;
    Ok(Format::Schema { name: called, description, schema, strict })
}

/// Both names of whoever asks mean the same.
fn user(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    let user = value.text()?;
    if prompt.user.as_ref().is_some_and(|known| known.value != user) {
        return Err(value.refuse("must not differ: of user and safety_identifier one can be sent"));
    }
    prompt.user = Some(value.set(user));
    Ok(())
}

fn tier(value: &Value<'_>) -> Result<Option<Set<Tier>>, AskFault> {
    let tier = match value.raw.get() {
        "\"auto\"" => return Ok(None),
        "\"default\"" => Tier::Default,
        "\"flex\"" => Tier::Flex,
        "\"priority\"" => Tier::Priority,
        _ => return Err(value.inexpressible()),
    };
    Ok(Some(value.set(tier)))
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
