//! The tools of a chat, and which of them the model is to call, as Anthropic takes them.

use serde::Serialize;
use serde_json::value::RawValue;

use super::value::Value;
use crate::wire::ask::AskFault;

/// The schema of a function without parameters.
const NO_PARAMETERS: &str = "{\"type\":\"object\",\"properties\":{}}";

/// A tool that the client runs.
#[derive(Serialize)]
pub(super) struct Tool {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    input_schema: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Which tools the model is to call.
#[derive(Serialize)]
pub(super) struct Choice {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// What the body says about tools.
#[derive(Default)]
pub(super) struct Tools {
    /// The tools.
    pub(super) list: Vec<Tool>,
    choice: Option<Choice>,
    is_serial: bool,
}

impl Tools {
    /// Takes the member `tools`.
    pub(super) fn take_list(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        for item in value.items()? {
            self.list.push(tool(&item)?);
        }
        Ok(())
    }

    /// Takes the member `parallel_tool_calls`.
    pub(super) fn take_parallel(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        self.is_serial = value.flag()? == Some(false);
        Ok(())
    }

    /// Takes the member `tool_choice`.
    pub(super) fn take_choice(&mut self, value: &Value<'_>) -> Result<(), AskFault> {
        let kind = match value.raw.get() {
            "\"auto\"" => "auto",
            "\"none\"" => "none",
            "\"required\"" => "any",
            _ if value.is_text() => {
                return Err(value.refuse("must be auto, none, required, or name a function"));
            }
            _ => {
                let name = Some(named(value)?);
                self.choice = Some(Choice { kind: "tool", name, disable_parallel_tool_use: None });
                return Ok(());
            }
        };
        self.choice = Some(Choice { kind, name: None, disable_parallel_tool_use: None });
        Ok(())
    }

    /// The choice to send. Where there is nothing to choose from, none need be said, unless a call is asked for.
    pub(super) fn choice(&mut self) -> Option<Choice> {
        let mut choice = self.choice.take();
        if self.list.is_empty() {
            return choice.filter(|choice| matches!(choice.kind, "any" | "tool"));
        }
        if self.is_serial {
            let auto = || Choice { kind: "auto", name: None, disable_parallel_tool_use: None };
            let chosen = choice.get_or_insert_with(auto);
            chosen.disable_parallel_tool_use = (chosen.kind != "none").then_some(true);
        }
        choice
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
            "strict" => strict = value.flag()?.filter(|strict| *strict),
            _ => return Err(value.inexpressible()),
        }
    }
    let name = called.ok_or_else(|| function.refuse("must have a name"))?;
    let none = || RawValue::from_string(NO_PARAMETERS.to_owned()).expect("it is JSON");
    Ok(Tool { name, description, input_schema: schema.unwrap_or_else(none), strict })
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
