//! The tools, and which of them the model is to call, as Anthropic takes them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::translate::prompt::{self, Parallel, Prompt};

/// The schema of a function without parameters.
const NO_PARAMETERS: &str = "{\"type\":\"object\",\"properties\":{}}";

/// A tool that the client runs.
#[derive(Serialize)]
pub(super) struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Which tools the model is to call.
#[derive(Serialize)]
pub(super) struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// The tools.
pub(super) fn list<'a>(prompt: &'a Prompt<'_>) -> Vec<Tool<'a>> {
    let none: &RawValue = serde_json::from_str(NO_PARAMETERS).expect("it is JSON");
    let tools = prompt.tools.iter().map(|tool| &tool.value);
    tools
        .map(|tool| Tool {
            name: &tool.name,
            description: tool.description.as_deref(),
            input_schema: tool.schema.as_deref().unwrap_or(none),
            strict: tool.strict.filter(|strict| *strict),
        })
        .collect()
}

/// The choice to send. Where there is nothing to choose from, none need be said, unless a call is asked for.
pub(super) fn choice<'a>(prompt: &'a Prompt<'_>) -> Option<Choice<'a>> {
    let chosen = prompt.choice.as_ref().map(|choice| kind(&choice.value));
    if prompt.tools.is_empty() {
        return chosen.filter(|choice| matches!(choice.kind, "any" | "tool"));
    }
    let is_serial = prompt.parallel.as_ref().is_some_and(|parallel| parallel.value == Parallel::Forbidden);
    if !is_serial {
        return chosen;
    }
    let mut chosen = chosen.unwrap_or_else(|| kind(&prompt::Choice::Auto));
    chosen.disable_parallel_tool_use = (chosen.kind != "none").then_some(true);
    Some(chosen)
}

fn kind(choice: &prompt::Choice) -> Choice<'_> {
    let (kind, name) = match choice {
        prompt::Choice::Auto => ("auto", None),
        prompt::Choice::Nothing => ("none", None),
        prompt::Choice::Any => ("any", None),
        prompt::Choice::Named(name) => ("tool", Some(name.as_str())),
    };
    Choice { kind, name, disable_parallel_tool_use: None }
}
