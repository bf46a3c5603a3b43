//! A prompt as JSON, so that tests can say what they expect of a reader in one line.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::prompt::{Format, Media, Part, Prompt, Set, Success};

/// What is set in `prompt`, but for the model's name. Paths stand where `paths` names them.
pub(super) fn shown(prompt: &Prompt<'_>) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        value.into_iter().for_each(|value| drop(all.insert(name.to_owned(), value)));
    };
    put("stream", prompt.stream.then_some(json!(true)));
    put("cap", prompt.cap.map(Value::from));
    put("system", some(prompt.system.iter().map(|said| json!(said.value)).collect()));
    let turns = prompt.turns.iter().map(|turn| {
        let parts: Vec<Value> = turn.parts.iter().map(|part| part_shown(&part.value)).collect();
        json!({format!("{:?}", turn.speaker): parts})
    });
    put("turns", some(turns.collect()));
    let tools = prompt.tools.iter().map(|tool| {
        let tool = &tool.value;
        json!([tool.name, tool.description, tool.schema.as_deref().map(RawValue::get), tool.strict])
    });
    put("tools", some(tools.collect()));
    put("choice", prompt.choice.as_ref().map(debugged));
    put("parallel", prompt.parallel.as_ref().map(debugged));
    put("stops", prompt.stops.as_ref().map(|stops| json!(stops.value)));
    for (name, number) in
        [("temperature", &prompt.temperature), ("top_p", &prompt.top_p), ("top_k", &prompt.top_k)]
    {
        put(name, number.as_ref().map(|number| json!(number.value.get())));
    }
    put("thinking", prompt.thinking.as_ref().map(debugged));
    put("format", prompt.format.as_ref().map(|format| format_shown(&format.value)));
    put("user", prompt.user.as_ref().map(|user| json!(user.value)));
    put("tier", prompt.tier.as_ref().map(debugged));
    Value::Object(all)
}

/// Where each part of the conversation stood.
pub(super) fn paths<'a>(prompt: &'a Prompt<'_>) -> Vec<&'a str> {
    prompt.turns.iter().flat_map(|turn| &turn.parts).map(|part| part.path.as_str()).collect()
}

fn some(list: Vec<Value>) -> Option<Value> {
    (!list.is_empty()).then_some(Value::Array(list))
}

fn debugged<T: std::fmt::Debug>(set: &Set<T>) -> Value {
    json!(format!("{:?}", set.value))
}

fn format_shown(format: &Format) -> Value {
    match format {
        Format::Json => json!("json"),
        Format::Schema { name, description, schema, strict } => {
            json!([name, description, schema.get(), strict])
        }
    }
}

fn media_shown(media: &Media) -> Value {
    match media {
        Media::Inline { media_type, data } => json!([media_type, data]),
        Media::Url(url) => json!(url),
    }
}

fn part_shown(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!(text),
        Part::Image(media) => json!({"image": media_shown(media)}),
        Part::Document(media) => json!({"document": media_shown(media)}),
        Part::Call(call) => json!({"call": [call.id, call.name, call.arguments.get()]}),
        Part::Outcome(outcome) => {
            let parts: Vec<Value> = outcome.parts.iter().map(|part| part_shown(&part.value)).collect();
            let word = if outcome.success == Success::Failed { "failed" } else { "outcome" };
            json!({word: [outcome.call, parts]})
        }
        Part::Thought { text, signature } => json!({"thought": [text, signature]}),
    }
}
