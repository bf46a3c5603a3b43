//! The tools, and which of them the model is to call, as a chat has them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::translate::prompt::{self, Prompt};

/// A tool that the client runs.
#[derive(Serialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Which tools the model is to call.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Choice<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Called<'a>,
    },
}

#[derive(Serialize)]
pub(super) struct Called<'a> {
    name: &'a str,
}

/// The tools.
pub(super) fn list<'a>(prompt: &'a Prompt<'_>) -> Vec<Tool<'a>> {
    let tools = prompt.tools.iter().map(|tool| &tool.value);
    tools
        .map(|tool| Tool {
            kind: "function",
            function: Function {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.schema.as_deref(),
                strict: tool.strict,
            },
        })
        .collect()
}

/// The choice to send. Where there is nothing to choose from, none need be said, unless a call is asked for.
pub(super) fn choice<'a>(prompt: &'a Prompt<'_>) -> Option<Choice<'a>> {
    let has_tools = !prompt.tools.is_empty();
    match &prompt.choice.as_ref()?.value {
        prompt::Choice::Auto => has_tools.then_some(Choice::Word("auto")),
        prompt::Choice::Nothing => has_tools.then_some(Choice::Word("none")),
        prompt::Choice::Any => Some(Choice::Word("required")),
        prompt::Choice::Named(name) => Some(Choice::Named { kind: "function", function: Called { name } }),
    }
}
