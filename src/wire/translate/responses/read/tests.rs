//! Bodies of responses, and what they ask.

#![expect(clippy::needless_pass_by_value, reason = "literals read better without a mark each")]

use bytes::Bytes;
use serde_json::{Value, json};

use super::prompt;
use crate::wire::ask::{Ask, AskFault, AskLimits, Form};
use crate::wire::endpoints::Dialect;
use crate::wire::translate::shown::{paths, shown};

fn asked(more: &Value) -> Ask {
    let mut body = json!({"model": "m", "input": "hi"});
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
    Ask::parse(Form::Responses, Bytes::from(body.to_string()), &AskLimits { max_choices: 1 }).unwrap()
}

/// What is read of a body with these members, without the input that every body has.
fn read(more: &Value) -> Value {
    let ask = asked(more);
    let mut all = shown(&prompt(&ask, Dialect::Anthropic).unwrap());
    if more.get("input").is_none() {
        assert_eq!(all.as_object_mut().unwrap().remove("turns"), Some(json!([{"User": ["hi"]}])));
    }
    all
}

fn turns(input: &Value, to: Dialect) -> Value {
    let ask = asked(&json!({"input": input}));
    shown(&prompt(&ask, to).unwrap())["turns"].clone()
}

fn refused(more: &Value) -> (String, String) {
    match prompt(&asked(more), Dialect::Anthropic).unwrap_err() {
        AskFault::Parameter { param, message } => (param.into_owned(), message),
        other => panic!("{other:?}"),
    }
}

fn message(role: &str, content: Value) -> Value {
    json!({"type": "message", "role": role, "content": content})
}

#[test]
fn members_of_the_body() {
    let schema = json!({"type": "object"});
    let function =
        json!({"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": true});
    let chosen = |choice: Value| json!({"tools": [function], "tool_choice": choice});
    let listed = json!([["f", "d", "{\"type\":\"object\"}", true]]);
    for (more, want) in [
        (json!({}), json!({})),
        // What says nothing, as the official SDKs and Codex send it.
        (
            json!({"instructions": null, "store": true, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k",
                "prompt_cache_retention": "24h", "client_metadata": {"a": "b"}, "metadata": {"c": "d"}, "max_tool_calls": 3,
                "truncation": "disabled", "background": false, "top_logprobs": 0, "service_tier": "auto", "stream": false,
                "stream_options": {"include_obfuscation": false}, "reasoning": {"summary": "auto", "effort": null},
                "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tools": [], "previous_response_id": null}),
            json!({}),
        ),
        (
            json!({"instructions": "be brief", "max_output_tokens": 99, "stream": true, "temperature": 2, "top_p": 1,
                "parallel_tool_calls": false, "reasoning": {"effort": "xhigh"}, "user": "u", "safety_identifier": "u",
                "service_tier": "flex", "store": false}),
            json!({"system": ["be brief"], "cap": 99, "stream": true, "temperature": "2", "top_p": "1",
                "parallel": "Forbidden", "thinking": "Effort(Highest)", "user": "u", "tier": "Flex"}),
        ),
        (json!({"reasoning": {"effort": "none"}}), json!({"thinking": "Off"})),
        (json!({"text": {"format": {"type": "json_object"}}}), json!({"format": "json"})),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "n", "description": "d", "strict": true, "schema": schema}}}),
            json!({"format": ["n", "d", "{\"type\":\"object\"}", true]}),
        ),
        (chosen(json!("auto")), json!({"tools": listed, "choice": "Auto"})),
        (chosen(json!("none")), json!({"tools": listed, "choice": "Nothing"})),
        (chosen(json!("required")), json!({"tools": listed, "choice": "Any"})),
        (
            chosen(json!({"type": "function", "name": "f"})),
            json!({"tools": listed, "choice": "Named(\"f\")"}),
        ),
        (
            chosen(json!({"type": "function", "name": "f", "namespace": "n"})),
            json!({"tools": listed, "choice": "Named(\"n__f\")"}),
        ),
        (
            json!({"tools": [{"type": "custom", "name": "c", "format": {"type": "text"}}]}),
            json!({"tools": [["c", null,
                "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"],\"additionalProperties\":false}",
                null]]}),
        ),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "description": "all of n", "tools": [
                {"type": "function", "name": "f", "description": "d", "strict": false, "defer_loading": true},
                {"type": "function", "name": "g", "parameters": null}]}]}),
            json!({"tools": [["n__f", "all of n\n\nd", null, false], ["n__g", "all of n", null, null]]}),
        ),
    ] {
        assert_eq!(read(&more), want, "{more}");
    }
}

#[test]
fn items() {
    let text = |text: &str| json!([{"type": "input_text", "text": text}]);
    let call = json!({"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c1", "name": "f", "arguments": "{\"z\":1.50}"});
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "auto"});
    let input = json!([
        {"role": "user", "content": "one"},
        message("developer", text("mind this")),
        message("user", json!([{"type": "input_text", "text": "two"}, image, {"type": "input_image", "image_url": "https://x/y.png"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
            {"type": "input_file", "file_url": "https://x/y.pdf"}])),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "h"}, {"type": "summary_text", "text": "m"}],
            "content": null, "encrypted_content": "gAAAAA"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
            "content": [{"type": "output_text", "text": "well", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]},
        call,
        {"type": "function_call", "call_id": "c2", "name": "g", "namespace": "n", "arguments": ""},
        {"type": "custom_tool_call", "call_id": "c3", "name": "c", "input": "a \"b\""},
        {"type": "function_call_output", "id": "fco", "call_id": "c1", "output": "r"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "s"}, image]},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": ""},
        message("system", json!("and that")),
    ]);
    let shown_image = json!({"image": ["image/png", "QUJD"]});
    let ask = asked(&json!({"instructions": "first", "input": input}));
    let read = prompt(&ask, Dialect::Anthropic).unwrap();
    let all = shown(&read);
    assert_eq!(all["system"], json!(["first", "mind this", "and that"]));
    assert_eq!(
        all["turns"],
        json!([
            {"User": ["one", "two", shown_image, {"image": "https://x/y.png"}, {"document": ["application/pdf", "QUJD"]},
                {"document": "https://x/y.pdf"}]},
            {"Model": [{"thought": ["hm", null]}, "well", "no", {"call": ["c1", "f", "{\"z\":1.50}"]},
                {"call": ["c2", "n__g", "{}"]}, {"call": ["c3", "c", "{\"input\":\"a \\\"b\\\"\"}"]}]},
            {"User": [{"outcome": ["c1", ["r"]]}, {"outcome": ["c2", ["s", shown_image]]}, {"outcome": ["c3", []]}]},
        ])
    );
    assert_eq!(&paths(&read)[..2], ["input[0].content", "input[2].content[0]"]);
}

/// What was sealed for a provider is opened for that one alone.
#[test]
fn sealed_thoughts() {
    let reasoning =
        |sealed: &str| json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": sealed});
    let input = json!([
        message("user", json!("hi")),
        reasoning("anthropic.SIG==.I thought. So."),
        reasoning("gemini.G"),
        reasoning("gAAAA"),
        message("assistant", json!("x"))
    ]);
    for (to, want) in [
        (Dialect::Anthropic, json!([{"thought": ["I thought. So.", "SIG=="]}, "x"])),
        (Dialect::Gemini, json!([{"thought": ["", "gemini.G"]}, "x"])),
        (Dialect::OpenAi, json!(["x"])),
    ] {
        assert_eq!(turns(&input, to)[1]["Model"], want, "{to:?}");
    }
}

#[test]
fn what_is_refused() {
    let said = |content: Value| json!({"input": [message("user", json!([content]))]});
    let function = json!({"type": "function", "name": "f"});
    for (more, param) in [
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"include": ["message.output_text.logprobs"]}), "include[0]"),
        (json!({"text": {"verbosity": "low"}}), "text.verbosity"),
        (json!({"text": {"format": {"type": "grammar"}}}), "text.format"),
        (json!({"text": {"format": {"type": "json_schema", "name": "n"}}}), "text.format"),
        (json!({"reasoning": {"effort": "vast"}}), "reasoning.effort"),
        (json!({"reasoning": {"mode": "pro"}}), "reasoning.mode"),
        (json!({"service_tier": "scale"}), "service_tier"),
        (json!({"user": "a", "safety_identifier": "b"}), "user"),
        (json!({"stream_options": {"include_usage": true}}), "stream_options.include_usage"),
        (json!({"frobnicate": 1}), "frobnicate"),
        (json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}), "tool_choice"),
        (json!({"tool_choice": "some"}), "tool_choice"),
        (json!({"tools": [function, {"type": "web_search", "external_web_access": false}]}), "tools[1]"),
        (json!({"tools": [{"type": "local_shell"}]}), "tools[0]"),
        (json!({"tools": [{"type": "mcp", "server_label": "x"}]}), "tools[0]"),
        (
            json!({"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark"}}]}),
            "tools[0].format.type",
        ),
        (json!({"tools": [function, function]}), "tools[1]"),
        (json!({"tools": [{"type": "namespace", "name": "n", "tools": []}]}), "tools[0]"),
        (json!({"input": []}), "input"),
        (json!({"input": ""}), "input"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"type": "web_search_call", "id": "ws"}]}), "input[0]"),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "[1]"}]}),
            "input[0].arguments",
        ),
        (json!({"input": [{"role": "tool", "content": "x"}]}), "input[0]"),
        (said(json!({"type": "input_image", "file_id": "f"})), "input[0].content[0]"),
        (
            said(json!({"type": "input_image", "image_url": "https://x", "detail": "low"})),
            "input[0].content[0].detail",
        ),
        (said(json!({"type": "input_image", "image_url": "http://x"})), "input[0].content[0].image_url"),
        (said(json!({"type": "input_file", "file_id": "f"})), "input[0].content[0]"),
        (said(json!({"type": "input_audio"})), "input[0].content[0]"),
        (
            said(json!({"type": "output_text", "text": "x", "annotations": [{"type": "url_citation"}]})),
            "input[0].content[0].annotations",
        ),
    ] {
        let (named, message) = refused(&more);
        let named_either = named == param || (param == "user" && named == "safety_identifier");
        assert!(named_either, "{more}: {named}");
        assert!(message.starts_with(&named), "{message}");
    }
}

/// What would ask for something else, or could not stand in what is sent.
#[test]
fn what_is_refused_within() {
    for (more, param) in [
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"x\":\"\\ud800\"}"}]}),
            "input[0].arguments",
        ),
        (
            json!({"prompt_cache_options": {"mode": "explicit", "prewarm": true}}),
            "prompt_cache_options.prewarm",
        ),
        (
            json!({"prompt_cache_options": {"comparison_response_id": "resp_1"}}),
            "prompt_cache_options.comparison_response_id",
        ),
    ] {
        assert_eq!(refused(&more).0, param, "{more}");
    }
}
