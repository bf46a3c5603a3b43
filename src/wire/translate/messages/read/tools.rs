//! The tools of a message, and which of them the model is to call.

use super::cache_control;
use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Choice, Parallel, Prompt, Set, Tool};
use crate::wire::translate::value::{Value, company};

/// The tools, each of which its client runs.
///
/// # Errors
/// The first that it does not, or that cannot be described elsewhere.
pub(super) fn list(value: &Value<'_>) -> Result<Vec<Set<Tool>>, AskFault> {
    value.items()?.iter().map(|item| Ok(item.set(tool(item)?))).collect()
}

fn tool(value: &Value<'_>) -> Result<Tool, AskFault> {
    check_type(value)?;
    let (mut called, mut description, mut schema, mut strict) = (None, None, None, None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "name" => called = Some(value.text()?),
            "type" => {}
            _ if value.is_null() => {}
            "description" => description = Some(value.text()?),
            "input_schema" => schema = Some(value.object()?.to_owned()),
            "strict" => strict = value.flag()?,
            "cache_control" => cache_control(&value)?,
            // When its description is read, and how soon its arguments come, changes nothing that it says.
            "defer_loading" | "eager_input_streaming" => value.flag().map(|_| ())?,
            "allowed_callers" => callers(&value)?,
            "input_examples" => value.must_be_idle(&["[]"])?,
            _ => return Err(value.inexpressible()),
        }
    }
    let name = called.ok_or_else(|| value.refuse("must have a name"))?;
    Ok(Tool { name, description, schema, strict })
}

/// A tool of a type of Anthropic's own is run there, or its schema is known there alone.
fn check_type(value: &Value<'_>) -> Result<(), AskFault> {
    for (name, kind) in value.members()? {
        if name == "type" && !kind.is_null() && kind.text()? != "custom" {
            return Err(value.refuse(&format!(
                "is of the type {}, which this model's provider ({}) cannot be given: it takes custom tools alone; leave it out",
                kind.raw.get(),
                company(value.to)
            )));
        }
    }
    Ok(())
}

/// Only the model itself may call it.
fn callers(value: &Value<'_>) -> Result<(), AskFault> {
    value.items()?.iter().try_for_each(|caller| caller.must_be_idle(&["\"direct\""]))
}

/// Takes the member `tool_choice`.
///
/// # Errors
/// When it is none.
pub(super) fn choose(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    let (mut kind, mut called) = (String::new(), None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => kind = value.text()?,
            _ if value.is_null() => {}
            "name" => called = Some(value.text()?),
            "disable_parallel_tool_use" => {
                let said = |is_serial| if is_serial { Parallel::Forbidden } else { Parallel::Allowed };
                prompt.parallel = value.flag()?.map(|is_serial| value.set(said(is_serial)));
            }
            _ => return Err(value.inexpressible()),
        }
    }
    let choice = match (kind.as_str(), called) {
        ("auto", None) => Choice::Auto,
        ("any", None) => Choice::Any,
        ("none", None) => Choice::Nothing,
        ("tool", Some(name)) => Choice::Named(name),
        _ => return Err(value.refuse("must be of type auto, any, none, or tool with a name")),
    };
    prompt.choice = Some(value.set(choice));
    Ok(())
}
