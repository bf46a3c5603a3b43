//! The tools of a chat, and which of them the model is to call.

use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Choice, Set, Tool};
use crate::wire::translate::value::Value;

/// Reads the member `tools`.
///
/// # Errors
/// The first that is no function.
pub(super) fn list(value: &Value<'_>) -> Result<Vec<Set<Tool>>, AskFault> {
    value.items()?.iter().map(|item| Ok(item.set(tool(item)?))).collect()
}

/// Reads the member `tool_choice`.
///
/// # Errors
/// When it is none of those there are.
pub(super) fn choice(value: &Value<'_>) -> Result<Choice, AskFault> {
    match value.raw.get() {
        "\"auto\"" => Ok(Choice::Auto),
        "\"none\"" => Ok(Choice::Nothing),
        "\"required\"" => Ok(Choice::Any),
        _ if value.is_text() => Err(value.refuse("must be auto, none, required, or name a function")),
        _ => named(value).map(Choice::Named),
    }
}

fn tool(value: &Value<'_>) -> Result<Tool, AskFault> {
    let mut function = None;
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" if value.raw.get() == "\"function\"" => {}
            "function" => function = Some(value),
            _ => value.must_be_idle(&[])?,
        }
    }
    let function = function.ok_or_else(|| value.refuse("must have a function"))?;
    let (mut called, mut description, mut schema, mut strict) = (None, None, None, None);
    for (name, value) in function.members()? {
        match name.as_ref() {
            "name" => called = Some(value.text()?),
            _ if value.is_null() => {}
            "description" => description = Some(value.text()?),
            "parameters" => schema = Some(value.object()?.to_owned()),
            "strict" => strict = value.flag()?,
            _ => return Err(value.inexpressible()),
        }
    }
    let name = called.ok_or_else(|| function.refuse("must have a name"))?;
    Ok(Tool { name, description, schema, strict })
}

/// The function that a choice names.
fn named(value: &Value<'_>) -> Result<String, AskFault> {
    let mut function = None;
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => value.must_be_idle(&["\"function\""])?,
            "function" => function = Some(value),
            _ => value.must_be_idle(&[])?,
        }
    }
    let function = function.ok_or_else(|| value.refuse("must have a function"))?;
    let mut called = None;
    for (name, value) in function.members()? {
        match name.as_ref() {
            "name" => called = Some(value.text()?),
            _ => value.must_be_idle(&[])?,
        }
    }
    called.ok_or_else(|| function.refuse("must have a name"))
}
