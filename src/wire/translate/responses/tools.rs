//! The tools of a response, in both directions. Other dialects know functions alone. A custom tool, whose input is any text, becomes a
//! function of one text; the functions of a namespace carry its name in front of theirs. What the model calls is told by the names
//! that the client knows.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::ask::AskFault;
use crate::wire::translate::members::Members;
use crate::wire::translate::prompt::{Choice, Set, Tool};
use crate::wire::translate::value::{Value, company};

/// The arguments of a custom tool.
const FREE_TEXT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

/// What stands between the names of a namespace and of its function.
const WITHIN: &str = "__";

/// How the client knows a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its name within its namespace.
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) kind: Kind,
}

/// What a tool takes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON.
    Function,
    /// Any text.
    Custom,
}

/// The arguments of a custom tool, as a function has them.
#[derive(Deserialize)]
struct FreeText {
    input: String,
}

/// The tools, each of which its client runs.
///
/// # Errors
/// The first that it does not, or that cannot be described elsewhere.
pub(super) fn list(value: &Value<'_>) -> Result<Vec<Set<Tool>>, AskFault> {
    let mut tools = Vec::new();
    for item in value.items()? {
        let mut members = Members::of(&item)?;
        match members.text("type")?.as_deref() {
            Some("namespace") => tools.append(&mut namespace(&item, members)?),
            kind => tools.push(item.set(tool(&item, kind, members)?)),
        }
    }
    let mut names = HashSet::new();
    for tool in &tools {
        if !names.insert(tool.value.name.as_str()) {
            return Err(tool.refuse(&format!("has a name that another tool has: {}", tool.value.name)));
        }
    }
    Ok(tools)
}

/// The functions of a namespace.
fn namespace(value: &Value<'_>, mut members: Members<'_>) -> Result<Vec<Set<Tool>>, AskFault> {
    let outer = members.needed("name")?.text()?;
    let about = members.text("description")?.filter(|about| !about.is_empty());
    let mut tools = Vec::new();
    for item in members.needed("tools")?.items()? {
        let mut inner = Members::of(&item)?;
        let kind = inner.text("type")?;
        let mut tool = tool(&item, kind.as_deref(), inner)?;
        tool.name = full_name(&tool.name, Some(&outer));
        let described = [about.as_deref(), tool.description.as_deref()];
        let described: Vec<&str> = described.into_iter().flatten().collect();
        tool.description = (!described.is_empty()).then(|| described.join("\n\n"));
        tools.push(item.set(tool));
    }
    members.done()?;
    if tools.is_empty() {
        return Err(value.refuse("must hold a tool"));
    }
    Ok(tools)
}

fn tool(value: &Value<'_>, kind: Option<&str>, mut members: Members<'_>) -> Result<Tool, AskFault> {
    let schema = match kind {
        Some("function") => members.take("parameters").map(|schema| schema.object().map(ToOwned::to_owned)),
        Some("custom") => {
            if let Some(format) = members.take("format") {
                plain(&format)?;
            }
            Some(Ok(RawValue::from_string(FREE_TEXT.to_owned()).expect("it is JSON")))
        }
        // One that OpenAI runs, or whose schema it alone knows.
        kind => {
            let kind = kind.unwrap_or_default();
            return Err(value.refuse(&format!(
                "is of the type {kind:?}, which this model's provider ({}) cannot be given: it takes function, namespace and custom tools; leave it out",
                company(value.to)
            )));
        }
    };
    let strict = if kind == Some("function") {
        members.take("strict").map(|strict| strict.flag()).transpose()?.flatten()
    } else {
        None
    };
    let tool = Tool {
        name: members.needed("name")?.text()?,
        description: members.text("description")?,
        schema: schema.transpose()?,
        strict,
    };
    // When its description is read, and what it will give, change nothing that it says.
    members.pass(&["defer_loading", "output_schema"]);
    members.idle("async", &["false"])?;
    if let Some(callers) = members.take("allowed_callers") {
        callers.items()?.iter().try_for_each(|caller| caller.must_be_idle(&["\"direct\""]))?;
    }
    members.done()?;
    Ok(tool)
}

/// A custom tool's input is any text; a grammar cannot be kept to elsewhere.
fn plain(format: &Value<'_>) -> Result<(), AskFault> {
    let mut format = Members::of(format)?;
    format.idle("type", &["\"text\""])?;
    format.done()
}

/// Which tools the model is to call.
///
/// # Errors
/// When it is none of the choices there are.
pub(super) fn choice(value: &Value<'_>) -> Result<Choice, AskFault> {
    if value.is_text() {
        return match value.text()?.as_str() {
            "auto" => Ok(Choice::Auto),
            "none" => Ok(Choice::Nothing),
            "required" => Ok(Choice::Any),
            _ => Err(value.refuse("must be auto, none, required, or name a function or a custom tool")),
        };
    }
    let mut members = Members::of(value)?;
    if !matches!(members.text("type")?.as_deref(), Some("function" | "custom")) {
        return Err(value.inexpressible());
    }
    let name = members.needed("name")?.text()?;
    let outer = members.text("namespace")?;
    members.done()?;
    Ok(Choice::Named(full_name(&name, outer.as_deref())))
}

/// The name of a tool where there are no namespaces.
pub(super) fn full_name(name: &str, namespace: Option<&str>) -> String {
    namespace.map_or_else(|| name.to_owned(), |outer| format!("{outer}{WITHIN}{name}"))
}

/// A custom tool's input, as arguments of a function.
pub(super) fn wrapped(input: &str) -> Box<RawValue> {
    let input = serde_json::to_string(input).expect("a string is always JSON");
    RawValue::from_string(format!("{{\"input\":{input}}}")).expect("it was written as JSON")
}

/// The input within such arguments; they themselves where there is none.
pub(super) fn unwrapped(arguments: &str) -> String {
    serde_json::from_str(arguments).map_or_else(|_| arguments.to_owned(), |text: FreeText| text.input)
}

/// The tools of a body that are not known by their own names alone, by the names that a model calls them.
pub(super) fn renamed(body: &[u8]) -> Vec<(String, Known)> {
    #[derive(Deserialize)]
    struct Body {
        tools: Option<Vec<Described>>,
    }
    #[derive(Deserialize)]
    struct Described {
        #[serde(rename = "type")]
        kind: String,
        name: Option<String>,
        tools: Option<Vec<Described>>,
    }
    fn known(tool: Described, namespace: Option<&str>) -> Option<(String, Known)> {
        let kind = if tool.kind == "custom" { Kind::Custom } else { Kind::Function };
        let name = tool.name?;
        let namespace = namespace.map(ToOwned::to_owned);
        Some((full_name(&name, namespace.as_deref()), Known { name, namespace, kind }))
    }
    let Ok(Body { tools: Some(tools) }) = serde_json::from_slice(body) else { return Vec::new() };
    let mut all = Vec::new();
    for tool in tools {
        match tool.kind.as_str() {
            "custom" => all.extend(known(tool, None)),
            "namespace" => {
                let outer = tool.name.unwrap_or_default();
                let inner = tool.tools.unwrap_or_default();
                all.extend(inner.into_iter().filter_map(|tool| known(tool, Some(&outer))));
            }
            _ => {}
        }
    }
    all
}
