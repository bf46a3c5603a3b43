//! Reads the body of a response. Each member is understood, says nothing, or is refused.
//!
//! What says nothing elsewhere: how OpenAI is to cache (`prompt_cache_*`), what a client keeps there for itself (`metadata`,
//! `client_metadata`), and how many of OpenAI's own tools may be called, since none can be. `store` is true where nothing is said, so
//! it is taken; the response says that it was not stored.

mod items;
#[cfg(test)]
mod tests;

use super::tools;
use crate::wire::ask::{Ask, AskFault};
use crate::wire::endpoints::Dialect;
use crate::wire::translate::members::Members;
use crate::wire::translate::prompt::{Effort, Format, Parallel, Prompt, Set, Thinking, Tier};
use crate::wire::translate::value::Value;

/// The kinds of what can be included that there can be.
const INCLUDED: [&str; 1] = ["\"reasoning.encrypted_content\""];

/// What a response asks, for a provider whose dialect is `to`.
///
/// # Errors
/// The first member that cannot be understood.
pub(in crate::wire::translate) fn prompt(ask: &Ask, to: Dialect) -> Result<Prompt<'_>, AskFault> {
    let mut prompt =
        Prompt { model: ask.model.clone(), stream: ask.stream, cap: ask.cap.asked, ..Prompt::default() };
    let mut instructions = Vec::new();
    for (name, value) in Value::of_body(&ask.body, to)? {
        if name == "instructions" && !value.is_null() {
            instructions.push(value.set(value.text()?));
        } else {
            member(&mut prompt, &name, &value)?;
        }
    }
    instructions.retain(|said| !said.value.is_empty());
    instructions.append(&mut prompt.system);
    prompt.system = instructions;
    Ok(prompt)
}

fn member<'a>(prompt: &mut Prompt<'a>, name: &str, value: &Value<'a>) -> Result<(), AskFault> {
    match name {
        // These were read before.
        "model" | "stream" | "max_output_tokens" => {}
        _ if value.is_null() => {}
        "input" => items::read(prompt, value)?,
        "tools" => prompt.tools = tools::list(value)?,
        "tool_choice" => prompt.choice = Some(value.set(tools::choice(value)?)),
        "parallel_tool_calls" => prompt.parallel = parallel(value)?,
        "temperature" => prompt.temperature = Some(value.set(value.number()?)),
        "top_p" => prompt.top_p = Some(value.set(value.number()?)),
        "reasoning" => prompt.thinking = reasoning(value)?,
        "text" => prompt.format = text(value)?,
        "user" | "safety_identifier" => user(prompt, value)?,
        "service_tier" => prompt.tier = tier(value)?,
        "include" => value.items()?.iter().try_for_each(|item| item.must_be_idle(&INCLUDED))?,
        "store" => value.flag().map(|_| ())?,
        "metadata" | "client_metadata" => value.object().map(|_| ())?,
        "prompt_cache_options" => cache_options(value)?,
        "prompt_cache_key" | "prompt_cache_retention" => value.text().map(|_| ())?,
        "max_tool_calls" => value.number().map(|_| ())?,
        "stream_options" => {
            let mut options = Members::of(value)?;
            options.pass(&["include_obfuscation"]);
            options.done()?;
        }
        _ => value.must_be_idle(idle(name))?,
    }
    Ok(())
}

/// What a member that has no counterpart anywhere may hold without saying anything.
fn idle(name: &str) -> &'static [&'static str] {
    match name {
        "background" => &["false"],
        "top_logprobs" => &["0"],
        "truncation" => &["\"disabled\""],
        "context_management" => &["[]"],
        _ => &[],
    }
}

/// How OpenAI is to cache. What asks for anything else than an answer is no such thing: `prewarm` wants none.
fn cache_options(value: &Value<'_>) -> Result<(), AskFault> {
    let mut options = Members::of(value)?;
    options.pass(&["mode", "ttl"]);
    options.idle("prewarm", &["false"])?;
    options.done()
}

fn parallel(value: &Value<'_>) -> Result<Option<Set<Parallel>>, AskFault> {
    let said = |is_allowed| if is_allowed { Parallel::Allowed } else { Parallel::Forbidden };
    Ok(value.flag()?.map(|is_allowed| value.set(said(is_allowed))))
}

/// How hard the model is to think. Whether its thoughts are told is the teller's business.
fn reasoning(value: &Value<'_>) -> Result<Option<Set<Thinking>>, AskFault> {
    let mut members = Members::of(value)?;
    for name in ["summary", "generate_summary"] {
        members.idle(name, &["\"auto\"", "\"concise\"", "\"detailed\""])?;
    }
    let thinking = members.take("effort").map(|effort| effort_of(&effort)).transpose()?;
    members.done()?;
    Ok(thinking)
}

fn effort_of(value: &Value<'_>) -> Result<Set<Thinking>, AskFault> {
    Ok(value.set(match value.text()?.as_str() {
        "none" => Thinking::Off,
        "minimal" => Thinking::Effort(Effort::Minimal),
        "low" => Thinking::Effort(Effort::Low),
        "medium" => Thinking::Effort(Effort::Medium),
        "high" => Thinking::Effort(Effort::High),
        "xhigh" | "max" => Thinking::Effort(Effort::Highest),
        _ => return Err(value.refuse("must be none, minimal, low, medium, high, xhigh or max")),
    }))
}

/// An answer of a given form: text, JSON, or JSON of a schema.
fn text(value: &Value<'_>) -> Result<Option<Set<Format>>, AskFault> {
    let mut members = Members::of(value)?;
    members.idle("verbosity", &["\"medium\""])?;
    let format = members.take("format").map(|format| format_of(&format)).transpose()?.flatten();
    members.done()?;
    Ok(format)
}

fn format_of(value: &Value<'_>) -> Result<Option<Set<Format>>, AskFault> {
    let mut members = Members::of(value)?;
    let format = match members.text("type")?.as_deref() {
        Some("text") => None,
        Some("json_object") => Some(Format::Json),
        Some("json_schema") => Some(Format::Schema {
            name: members.text("name")?,
            description: members.text("description")?,
            schema: members.needed("schema")?.object()?.to_owned(),
            strict: members.take("strict").map(|strict| strict.flag()).transpose()?.flatten(),
        }),
        _ => return Err(value.refuse("must be of type text, json_object or json_schema")),
    };
    members.done()?;
    Ok(format.map(|format| value.set(format)))
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
    let tier = match value.text()?.as_str() {
        "auto" => return Ok(None),
        "default" => Tier::Default,
        "flex" => Tier::Flex,
        "priority" => Tier::Priority,
        _ => return Err(value.inexpressible()),
    };
    Ok(Some(value.set(tier)))
}
