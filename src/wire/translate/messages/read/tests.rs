//! Bodies of Anthropic's clients, and what they ask.

use bytes::Bytes;
use serde_json::{Value, json};

use super::prompt;
use crate::wire::ask::{Ask, AskFault, AskLimits, Form};
use crate::wire::endpoints::Dialect;
use crate::wire::translate::shown::{paths, shown};

fn asked(more: &Value) -> Ask {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
    Ask::parse(Form::Messages, Bytes::from(body.to_string()), &AskLimits { max_choices: 1 }).unwrap()
}

/// What is read of a body with these members, without the conversation that every body has.
fn read(more: &Value) -> Value {
    let ask = asked(more);
    let mut all = shown(&prompt(&ask, Dialect::OpenAi).unwrap());
    if more.get("messages").is_none() {
        all.as_object_mut().unwrap().remove("turns");
    }
    all
}

fn turns(messages: &Value, to: Dialect) -> Value {
    let ask = asked(&json!({"messages": messages}));
    shown(&prompt(&ask, to).unwrap())["turns"].clone()
}

fn refused(more: &Value) -> (String, String) {
    match prompt(&asked(more), Dialect::OpenAi).unwrap_err() {
        AskFault::Parameter { param, message } => (param.into_owned(), message),
        other => panic!("{other:?}"),
    }
}

fn assert_refused(more: &Value, param: &str) {
    let (named, message) = refused(more);
    assert_eq!(named, param, "{more}");
    assert!(message.starts_with(param), "{message}");
}

#[test]
fn members_of_the_body() {
    let schema = json!({"type": "object"});
    let tool = json!({"name": "f", "description": "d", "input_schema": schema});
    let chosen = |choice: Value| json!({"tools": [tool], "tool_choice": choice});
    let listed = json!([["f", "d", "{\"type\":\"object\"}", null]]);
    let format = json!({"type": "json_schema", "schema": schema});
    let formed = json!([null, null, "{\"type\":\"object\"}", true]);
    for (more, want) in [
        (json!({}), json!({})),
        (
            json!({"system": null, "tools": [], "stop_sequences": [], "thinking": null, "metadata": {"user_id": null}, "top_k": null,
                "output_config": {}, "service_tier": "auto", "container": null, "mcp_servers": [], "stream": false,
                "speed": "standard", "inference_geo": "global", "cache_control": {"type": "ephemeral", "ttl": "1h"},
                "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}),
            json!({}),
        ),
        (
            json!({"max_tokens": 7, "stream": true, "stop_sequences": ["a", "b"], "temperature": 1.0, "top_p": 0.50, "top_k": 5,
                "metadata": {"user_id": "u"}, "service_tier": "standard_only", "system": "be brief"}),
            json!({"cap": 7, "stream": true, "stops": ["a", "b"], "temperature": "1.0", "top_p": "0.5", "top_k": "5",
                "user": "u", "tier": "Default", "system": ["be brief"]}),
        ),
        (
            json!({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": ""},
                {"type": "text", "text": "b"}]}),
            json!({"system": ["a", "b"]}),
        ),
        (chosen(json!({"type": "auto"})), json!({"tools": listed, "choice": "Auto"})),
        (chosen(json!({"type": "none"})), json!({"tools": listed, "choice": "Nothing"})),
        (
            chosen(json!({"type": "any", "disable_parallel_tool_use": true})),
            json!({"tools": listed, "choice": "Any", "parallel": "Forbidden"}),
        ),
        (
            chosen(json!({"type": "tool", "name": "f", "disable_parallel_tool_use": false})),
            json!({"tools": listed, "choice": "Named(\"f\")", "parallel": "Allowed"}),
        ),
        (
            json!({"tools": [{"type": "custom", "name": "g", "strict": true, "defer_loading": true, "eager_input_streaming": true,
                "allowed_callers": ["direct"], "input_examples": [], "cache_control": {"type": "ephemeral"}}]}),
            json!({"tools": [["g", null, null, true]]}),
        ),
        (json!({"output_config": {"format": format}}), json!({"format": formed})),
        (json!({"output_format": format}), json!({"format": formed})),
    ] {
        assert_eq!(read(&more), want, "{more}");
    }
}

/// Two members say how much the model is to think.
#[test]
fn thinking() {
    let enabled = json!({"type": "enabled", "budget_tokens": 2048});
    for (thinking, effort, want) in [
        (json!(null), json!(null), json!(null)),
        (json!({"type": "disabled"}), json!(null), json!("Off")),
        (json!({"type": "disabled"}), json!("high"), json!("Off")),
        (json!({"type": "adaptive", "display": "omitted"}), json!(null), json!("Adaptive")),
        (json!({"type": "adaptive"}), json!("low"), json!("Effort(Low)")),
        (json!({"type": "adaptive"}), json!("max"), json!("Effort(Highest)")),
        (json!(null), json!("medium"), json!("Effort(Medium)")),
        (enabled.clone(), json!(null), json!("Budget(2048)")),
        (enabled.clone(), json!("high"), json!("Budget(2048)")),
    ] {
        let more = json!({"thinking": thinking, "output_config": {"effort": effort}});
        assert_eq!(read(&more)["thinking"], want, "{more}");
    }
    let more = json!({"thinking": enabled, "output_config": {"effort": "low"}});
    assert_eq!(refused(&more).0, "output_config.effort");
}

#[test]
fn messages() {
    let mark = json!({"type": "ephemeral"});
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}});
    let pdf = json!({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}, "citations": {"enabled": false}});
    let words =
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}});
    let used = json!({"type": "tool_use", "id": "t1", "name": "f", "input": {"z": 1, "a": []}, "caller": {"type": "direct"}});
    let result = |content: Value| json!({"type": "tool_result", "tool_use_id": "t1", "content": content, "cache_control": mark});
    let messages = json!([
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two", "cache_control": mark}, image, pdf, words]},
        {"role": "system", "content": "mind this"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "EqQB"}, {"type": "redacted_thinking", "data": "Em"},
            {"type": "text", "text": "well", "citations": null}, used]},
        {"role": "user", "content": [result(json!([{"type": "text", "text": "r"}, image])),
            {"type": "tool_result", "tool_use_id": "t2", "is_error": true}, result(json!("s")),
            result(json!([{"type": "tool_reference", "tool_name": "g"}]))]},
    ]);
    let shown_image = json!({"image": ["image/png", "QUJD"]});
    assert_eq!(
        turns(&messages, Dialect::OpenAi),
        json!([
            {"User": ["one", "two", shown_image, {"document": "https://x/y.pdf"}, "words"]},
            {"Model": [{"thought": ["hm", null]}, "well", {"call": ["t1", "f", "{\"a\":[],\"z\":1}"]}]},
            {"User": [{"outcome": ["t1", ["r", shown_image]]}, {"failed": ["t2", []]}, {"outcome": ["t1", ["s"]]},
                {"outcome": ["t1", ["g"]]}]},
        ])
    );
    let ask = asked(&json!({"system": "first", "messages": messages}));
    let read = prompt(&ask, Dialect::OpenAi).unwrap();
    assert_eq!(shown(&read)["system"], json!(["first", "mind this"]));
    let paths = paths(&read);
    assert_eq!(&paths[..2], ["messages[0].content", "messages[1].content[0]"]);
    assert_eq!(paths.last(), Some(&"messages[4].content[3]"));
}

/// A proof of thought goes to the provider that made it alone.
#[test]
fn proofs() {
    let model = json!([
        {"type": "thinking", "thinking": "a", "signature": "EqQB"}, {"type": "thinking", "thinking": "b", "signature": "gemini.G1"},
        {"type": "redacted_thinking", "data": "gemini.G2"}, {"type": "redacted_thinking", "data": "Em"},
        {"type": "thinking", "thinking": "", "signature": "EqQB"}, {"type": "text", "text": "x"}]);
    let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": model}, {"role": "user", "content": "go"}]);
    let thought = |text: &str, signature: Value| json!({"thought": [text, signature]});
    for (to, want) in [
        (Dialect::OpenAi, json!([thought("a", json!(null)), thought("b", json!(null)), "x"])),
        (
            Dialect::Gemini,
            json!([
                thought("a", json!(null)),
                thought("b", json!("gemini.G1")),
                thought("", json!("gemini.G2")),
                "x"
            ]),
        ),
    ] {
        assert_eq!(turns(&messages, to)[1]["Model"], want, "{to:?}");
    }
}

#[test]
fn what_is_refused() {
    let tool = |more: Value| {
        let mut tool = json!({"name": "f"});
        more.as_object().unwrap().iter().for_each(|(name, value)| tool[name.as_str()] = value.clone());
        json!({"tools": [tool]})
    };
    for (more, param) in [
        (json!({"container": "c"}), "container"),
        (
            json!({"output_format": {"schema": {}}, "output_config": {"format": {"schema": {}}}}),
            "output_format",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "gs://bucket/x"}}]}]}),
            "messages[0].content[0].source.url",
        ),
        (json!({"mcp_servers": [{}]}), "mcp_servers"),
        (json!({"speed": "fast"}), "speed"),
        (json!({"frequency_penalty": 1}), "frequency_penalty"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"top_p": "1"}), "top_p"),
        (json!({"service_tier": "priority"}), "service_tier"),
        (json!({"metadata": {"team": "x"}}), "metadata.team"),
        (json!({"thinking": {"type": "enabled"}}), "thinking"),
        (json!({"thinking": {"type": "adaptive", "display": "full"}}), "thinking.display"),
        (json!({"output_config": {"effort": "vast"}}), "output_config.effort"),
        (json!({"output_config": {"task_budget": {}}}), "output_config.task_budget"),
        (json!({"output_config": {"format": {"type": "xml"}}}), "output_config.format.type"),
        (
            json!({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
            "context_management.edits[0]",
        ),
        (json!({"cache_control": {"type": "lasting"}}), "cache_control.type"),
        (tool(json!({"type": "web_search_20250305"})), "tools[0]"),
        (tool(json!({"type": "bash_20250124"})), "tools[0]"),
        (tool(json!({"input_examples": [{}]})), "tools[0].input_examples"),
        (tool(json!({"allowed_callers": ["code_execution_20250825"]})), "tools[0].allowed_callers[0]"),
        (json!({"tools": [{"description": "d"}]}), "tools[0]"),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice"),
    ] {
        assert_refused(&more, param);
    }
}

#[test]
fn conversations_that_are_refused() {
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (more, param) in [
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "user", "content": ""}]}), "messages[0].content"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0]"),
        (json!({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}), "messages[0].name"),
        (
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is"}]}),
            "messages[1]",
        ),
        (said(json!([{"type": "search_result", "source": "x"}])), "messages[0].content[0]"),
        (said(json!([{"type": "tool_use", "id": "t", "name": "f", "input": {}}])), "messages[0].content[0]"),
        (
            said(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}])),
            "messages[0].content[0].source",
        ),
        (
            said(json!([{"type": "document", "title": "t", "source": {"type": "url", "url": "https://x"}}])),
            "messages[0].content[0].title",
        ),
        (
            said(json!([{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}])),
            "messages[0].content[0].citations",
        ),
        (
            said(
                json!([{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "search_result"}]}]),
            ),
            "messages[0].content[0].content[0]",
        ),
    ] {
        assert_refused(&more, param);
    }
}
