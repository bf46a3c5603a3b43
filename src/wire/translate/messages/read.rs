//! Reads the body of one of Anthropic's messages. Each member is understood, says nothing, or is refused.
//!
//! What says nothing elsewhere: `cache_control`, since other providers cache by themselves; and whatever asks for what is done in
//! any case, as `eager_input_streaming`.

#[cfg(test)]
mod tests;
mod tools;
mod turns;

use serde_json::value::RawValue;

use crate::wire::ask::{Ask, AskFault};
use crate::wire::endpoints::Dialect;
use crate::wire::translate::prompt::{Effort, Format, Prompt, Set, Thinking, Tier};
use crate::wire::translate::value::Value;

/// What is read of a body.
struct Draft<'a> {
    prompt: Prompt<'a>,
    /// The member `system`, which goes before what messages of that role say.
    system: Vec<Set<String>>,
    thinking: Option<Set<Thinking>>,
    effort: Option<Set<Effort>>,
}

/// What a message asks, for a provider whose dialect is `to`.
///
/// # Errors
/// The first member that cannot be understood.
pub(in crate::wire::translate) fn prompt(ask: &Ask, to: Dialect) -> Result<Prompt<'_>, AskFault> {
    let prompt =
        Prompt { model: ask.model.clone(), stream: ask.stream, cap: ask.cap.asked, ..Prompt::default() };
    let mut draft = Draft { prompt, system: Vec::new(), thinking: None, effort: None };
    for (name, value) in Value::of_body(&ask.body, to)? {
        draft.member(&name, &value)?;
    }
    let Draft { mut prompt, mut system, thinking, effort } = draft;
    system.append(&mut prompt.system);
    prompt.system = system;
    prompt.thinking = weighed(thinking, effort)?;
    Ok(prompt)
}

impl<'a> Draft<'a> {
    fn member(&mut self, name: &str, value: &Value<'a>) -> Result<(), AskFault> {
        let prompt = &mut self.prompt;
        match name {
            // These were read before.
            "model" | "stream" | "max_tokens" => {}
            _ if value.is_null() => {}
            "system" => self.system = turns::texts(value)?,
            "messages" => turns::read(prompt, value)?,
            "tools" => prompt.tools = tools::list(value)?,
            "tool_choice" => tools::choose(prompt, value)?,
            "stop_sequences" => prompt.stops = stops(value)?,
            "temperature" => prompt.temperature = Some(value.set(fraction(value)?)),
            "top_p" => prompt.top_p = Some(value.set(fraction(value)?)),
            "top_k" => prompt.top_k = Some(value.set(value.number()?)),
            "metadata" => metadata(prompt, value)?,
            "thinking" => self.thinking = Some(value.set(thinking(value)?)),
            "output_config" => self.output_config(value)?,
            // The older place of `output_config.format`.
            "output_format" => self.format(value)?,
            "service_tier" => prompt.tier = tier(value)?,
            "cache_control" => cache_control(value)?,
            "context_management" => context_edits(value)?,
            _ => value.must_be_idle(idle(name))?,
        }
        Ok(())
    }

    fn output_config(&mut self, value: &Value<'a>) -> Result<(), AskFault> {
        for (name, value) in value.members()? {
            match name.as_ref() {
                _ if value.is_null() => {}
                "effort" => self.effort = Some(value.set(effort(&value)?)),
                "format" => self.format(&value)?,
                _ => return Err(value.inexpressible()),
            }
        }
        Ok(())
    }

    /// The form of the answer, which has two places.
    fn format(&mut self, value: &Value<'a>) -> Result<(), AskFault> {
        if self.prompt.format.is_some() {
            return Err(value.refuse(
                "must not stand beside another: of output_format and output_config.format one can be sent",
            ));
        }
        self.prompt.format = Some(format(value)?);
        Ok(())
    }
}

/// What a member that has no counterpart anywhere may hold without saying anything.
fn idle(name: &str) -> &'static [&'static str] {
    match name {
        "mcp_servers" | "betas" => &["[]"],
        "speed" => &["\"standard\""],
        "inference_geo" => &["\"global\""],
        _ => &[],
    }
}

/// How hard the model is to think, from both places that say so. An effort is the more telling one; a budget, or none at all, cannot be
/// said beside another effort than Anthropic's default.
fn weighed(
    thinking: Option<Set<Thinking>>,
    effort: Option<Set<Effort>>,
) -> Result<Option<Set<Thinking>>, AskFault> {
    let Some(effort) = effort else { return Ok(thinking) };
    match thinking {
        Some(Set { value: Thinking::Budget(_) | Thinking::Off, .. }) if effort.value != Effort::High => {
            Err(effort.refuse(
                "cannot be said beside thinking that is disabled or has a budget; leave one of them out",
            ))
        }
        Some(thinking @ Set { value: Thinking::Budget(_) | Thinking::Off, .. }) => Ok(Some(thinking)),
        _ => Ok(Some(Set { value: Thinking::Effort(effort.value), path: effort.path })),
    }
}

fn thinking(value: &Value<'_>) -> Result<Thinking, AskFault> {
    let (mut kind, mut budget) = (String::new(), None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => kind = value.text()?,
            _ if value.is_null() => {}
            "budget_tokens" => budget = Some(units(&value)?),
            // Whether it is told is the teller's business.
            "display" => value.must_be_idle(&["\"summarized\"", "\"omitted\""])?,
            _ => return Err(value.inexpressible()),
        }
    }
    match (kind.as_str(), budget) {
        ("disabled", None) => Ok(Thinking::Off),
        ("adaptive", None) => Ok(Thinking::Adaptive),
        ("enabled", Some(budget)) => Ok(Thinking::Budget(budget)),
        _ => Err(value.refuse("must be disabled, adaptive, or enabled with budget_tokens")),
    }
}

fn units(value: &Value<'_>) -> Result<i64, AskFault> {
    let units: Option<i64> = serde_json::from_str(value.raw.get()).ok();
    units.filter(|units| *units > 0).ok_or_else(|| value.refuse("must be an integer over 0"))
}

fn effort(value: &Value<'_>) -> Result<Effort, AskFault> {
    Ok(match value.text()?.as_str() {
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" | "max" => Effort::Highest,
        _ => return Err(value.refuse("must be low, medium, high, xhigh or max")),
    })
}

/// JSON of a schema, which Anthropic keeps to in any case.
fn format(value: &Value<'_>) -> Result<Set<Format>, AskFault> {
    let mut schema = None;
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => value.must_be_idle(&["\"json_schema\""])?,
            "schema" => schema = Some(value.object()?.to_owned()),
            _ => value.must_be_idle(&[])?,
        }
    }
    let schema = schema.ok_or_else(|| value.refuse("must have a schema"))?;
    Ok(value.set(Format::Schema { name: None, description: None, schema, strict: Some(true) }))
}

fn stops(value: &Value<'_>) -> Result<Option<Set<Vec<String>>>, AskFault> {
    let texts: Vec<String> = value.items()?.iter().map(Value::text).collect::<Result<_, _>>()?;
    Ok((!texts.is_empty()).then(|| value.set(texts)))
}

/// A number that Anthropic itself takes from 0 to 1 alone.
fn fraction<'a>(value: &Value<'a>) -> Result<&'a RawValue, AskFault> {
    let number = value.number()?;
    let is_fraction = number.get().parse::<f64>().is_ok_and(|number| (0.0..=1.0).contains(&number));
    if is_fraction { Ok(number) } else { Err(value.refuse("must be a number from 0 to 1")) }
}

fn metadata(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    for (name, value) in value.members()? {
        match name.as_ref() {
            _ if value.is_null() => {}
            "user_id" => prompt.user = Some(value.set(value.text()?)),
            _ => return Err(value.inexpressible()),
        }
    }
    Ok(())
}

fn tier(value: &Value<'_>) -> Result<Option<Set<Tier>>, AskFault> {
    match value.raw.get() {
        "\"auto\"" => Ok(None),
        "\"standard_only\"" => Ok(Some(value.set(Tier::Default))),
        _ => Err(value.refuse("must be auto or standard_only")),
    }
}

/// A place in the input up to which Anthropic is to cache it. What others cache, they find by themselves.
fn cache_control(value: &Value<'_>) -> Result<(), AskFault> {
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => value.must_be_idle(&["\"ephemeral\""])?,
            "ttl" => value.must_be_idle(&["\"5m\"", "\"1h\""])?,
            _ => value.must_be_idle(&[])?,
        }
    }
    Ok(())
}

/// Edits of the input that the provider makes. One that takes earlier thoughts out says nothing: another provider is not given them
/// but for its own.
fn context_edits(value: &Value<'_>) -> Result<(), AskFault> {
    for (name, value) in value.members()? {
        match name.as_ref() {
            "edits" => {
                for edit in value.items()? {
                    let clears_thoughts = edit.members()?.into_iter().any(|(name, value)| {
                        name == "type" && value.raw.get() == "\"clear_thinking_20251015\""
                    });
                    if !clears_thoughts {
                        return Err(edit.inexpressible());
                    }
                }
            }
            _ => value.must_be_idle(&[])?,
        }
    }
    Ok(())
}
