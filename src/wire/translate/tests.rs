//! Both ways, from the documented shapes of both providers.

mod mutations;
mod pairs;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::wire::sse::Splitter;

const NOW: i64 = 1_764_000_000;

/// A chat with the members of `more` over the least one.
fn chat(more: &Value) -> Ask {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
    Ask::parse(Form::Chat, Bytes::from(body.to_string()), &AskLimits { max_choices: 8 }).unwrap()
}

fn manner(model: &str) -> Manner<'_> {
    Manner { model, cap_field: "max_tokens", most_output: None }
}

fn translated(more: &Value, provider_model: &str) -> Result<(Ask, Value), AskFault> {
    let (ask, _) = Translation::of(&chat(more), Target::Messages, manner(provider_model), NOW)?;
    let body = serde_json::from_slice(&ask.body).unwrap();
    Ok((ask, body))
}

/// What is sent of a chat with the members of `more`, without what every request has.
fn sent(more: &Value, provider_model: &str) -> Value {
    let (_, mut body) = translated(more, provider_model).unwrap();
    let members = body.as_object_mut().unwrap();
    assert_eq!(members.remove("model"), Some(json!("m")));
    if !more.as_object().unwrap().contains_key("messages") {
        let content = json!([{"type": "text", "text": "hi"}]);
        assert_eq!(members.remove("messages"), Some(json!([{"role": "user", "content": content}])));
    }
    body
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "d", "parameters": {"type": "object"}}})
}

#[test]
fn members_of_the_body() {
    let tools = json!([function("f"), {"type": "function", "function": {"name": "g", "strict": true}}]);
    let told = json!([{"name": "f", "description": "d", "input_schema": {"type": "object"}},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}, "strict": true}]);
    let schema = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {}}});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    let choice = |choice: Value, serial: bool| json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": !serial});
    let chosen = |choice: Value| json!({"tools": told, "tool_choice": choice});
    for (more, want) in [
        (json!({}), json!({})),
        // What says nothing is left out.
        (
            json!({"n": 1, "logprobs": false, "top_logprobs": null, "logit_bias": {}, "presence_penalty": 0, "frequency_penalty": 0.0,
                "seed": null, "store": false, "metadata": {}, "modalities": ["text"], "audio": null, "verbosity": "medium",
                "response_format": {"type": "text"}, "reasoning_effort": "none", "service_tier": "auto", "tools": [],
                "functions": null, "parallel_tool_calls": false, "tool_choice": "auto", "stream": false,
                "stream_options": {"include_usage": true, "include_obfuscation": false}}),
            json!({}),
        ),
        (json!({"max_tokens": 5}), json!({"max_tokens": 5})),
        (json!({"max_tokens": 5, "max_completion_tokens": 9}), json!({"max_tokens": 9})),
        (json!({"stream": true}), json!({"stream": true})),
        (json!({"stop": "a"}), json!({"stop_sequences": ["a"]})),
        (json!({"stop": ["a", "b"]}), json!({"stop_sequences": ["a", "b"]})),
        (json!({"temperature": 1, "top_p": 0.5}), json!({"temperature": 1, "top_p": 0.5})),
        (json!({"user": "u"}), json!({"metadata": {"user_id": "u"}})),
        (json!({"user": "u", "safety_identifier": "u"}), json!({"metadata": {"user_id": "u"}})),
        (json!({"service_tier": "default"}), json!({"service_tier": "standard_only"})),
        (
            json!({"response_format": format}),
            json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
        ),
        (choice(json!("auto"), false), chosen(json!({"type": "auto"}))),
        (choice(json!(null), false), json!({"tools": told})),
        (choice(json!(null), true), chosen(json!({"type": "auto", "disable_parallel_tool_use": true}))),
        (choice(json!("none"), true), chosen(json!({"type": "none"}))),
        (choice(json!("required"), true), chosen(json!({"type": "any", "disable_parallel_tool_use": true}))),
        (
            choice(json!({"type": "function", "function": {"name": "f"}}), false),
            chosen(json!({"type": "tool", "name": "f"})),
        ),
    ] {
        assert_eq!(sent(&more, "claude-x"), want, "{more}");
    }
    // The order of a schema's properties steers the model.
    let (ask, _) = translated(&json!({}), "x").unwrap();
    assert!(!ask.body.is_empty());
    let ordered = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"response_format\":\
        {\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"z\":1, \"a\":1.50}}}}";
    let ask = Ask::parse(Form::Chat, Bytes::from(ordered), &AskLimits { max_choices: 1 }).unwrap();
    let (ask, _) = Translation::of(&ask, Target::Messages, manner("x"), NOW).unwrap();
    assert!(std::str::from_utf8(&ask.body).unwrap().contains("\"schema\":{\"z\":1, \"a\":1.50}"));
}

/// Older models are told how much to think, newer ones how hard.
#[test]
fn thinking() {
    for (effort, budget, word) in [
        ("minimal", 1_024, "low"),
        ("low", 2_048, "low"),
        ("medium", 8_192, "medium"),
        ("high", 16_384, "high"),
        ("xhigh", 32_768, "xhigh"),
    ] {
        let more = json!({"reasoning_effort": effort});
        let told = json!({"type": "enabled", "budget_tokens": budget});
        for model in [
            "claude-3-7-sonnet-latest",
            "claude-sonnet-4-20250514",
            "claude-opus-4-1",
            "claude-opus-4-5-20251101",
        ] {
            let want = json!({"thinking": told, "max_tokens": budget + 4_096});
            assert_eq!(sent(&more, model), want, "{effort} {model}");
        }
        for model in ["claude-opus-4-6", "claude-opus-4-7-20260416", "claude-sonnet-5", "other"] {
            let want = json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": word}});
            assert_eq!(sent(&more, model), want, "{effort} {model}");
        }
    }
    let capped = |cap: i64| json!({"reasoning_effort": "high", "max_completion_tokens": cap});
    let want = json!({"thinking": {"type": "enabled", "budget_tokens": 2_500}, "max_tokens": 5_000});
    assert_eq!(sent(&capped(5_000), "claude-haiku-4-5"), want);
    let (ask, _) = translated(&capped(5_000), "claude-haiku-4-5").unwrap();
    assert_eq!((ask.thinking_budget, ask.cap.asked), (Some(2_500), Some(5_000)));
    assert_eq!(refused(&capped(2_047), "claude-haiku-4-5"), "reasoning_effort");
    // What the model gives at most bounds both: a cap that does not lie above the budget is refused by Anthropic.
    for (more, most, budget, cap) in [
        (json!({"reasoning_effort": "xhigh"}), 36_864, 32_768, 36_864),
        (json!({"reasoning_effort": "xhigh"}), 32_000, 16_000, 32_000),
        (capped(40_000), 8_000, 4_000, 8_000),
        (capped(5_000), 8_000, 2_500, 5_000),
    ] {
        let manner = Manner { most_output: Some(most), ..manner("claude-opus-4-1") };
        let (ask, _) = Translation::of(&chat(&more), Target::Messages, manner, NOW).unwrap();
        assert_eq!((ask.thinking_budget, ask.cap.asked), (Some(budget), Some(cap)), "{more} {most}");
    }
    let manner = Manner { most_output: Some(8_000), ..manner("gemini-2.5-flash") };
    let high = chat(&json!({"reasoning_effort": "high"}));
    let (ask, _) = Translation::of(&high, Target::Content, manner, NOW).unwrap();
    assert_eq!((ask.thinking_budget, ask.cap.asked), (Some(4_000), Some(8_000)));
}

#[test]
fn messages() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "auto"}});
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let more = json!({"messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}, image("data:image/png;base64,QUJD"), image("https://x/y.png")]},
        {"role": "assistant", "content": null, "refusal": null, "annotations": [], "reasoning_content": "hm",
            "tool_calls": [call("a", "{\"z\":1.50,\"b\":[]}"), call("b", "")]},
        {"role": "tool", "tool_call_id": "a", "content": "result"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "more"}]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": [{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "no"}], "refusal": "never"},
    ]});
    let text = |text: &str| json!({"type": "text", "text": text});
    let used = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let result =
        |id: &str, content: Value| json!({"type": "tool_result", "tool_use_id": id, "content": content});
    let want = json!({
        "system": [text("be brief"), text("be kind")],
        "messages": [
            {"role": "user", "content": [text("one"), text("two"),
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]},
            {"role": "assistant", "content": [used("a", json!({"z": 1.50, "b": []})), used("b", json!({}))]},
            {"role": "user", "content": [result("a", json!([text("result")])), result("b", json!([text("more")])),
                {"type": "tool_result", "tool_use_id": "c"}, text("and?")]},
            {"role": "assistant", "content": [text("x"), text("no"), text("never")]},
        ],
    });
    assert_eq!(sent(&more, "x"), want);
    let (ask, _) = translated(&more, "x").unwrap();
    assert_eq!((ask.images, ask.unseen_input, ask.messages), (1, true, 4));
    assert!(
        std::str::from_utf8(&ask.body).unwrap().contains("{\"z\":1.50,\"b\":[]}"),
        "arguments as they came"
    );
}

/// What is held is computed from what is sent.
#[test]
fn the_ask_is_that_of_the_translated_body() {
    let (ask, body) = translated(&json!({"stream": true, "tools": [function("f")]}), "provider-m").unwrap();
    assert_eq!((ask.form, ask.model.as_str(), ask.stream, ask.tools), (Form::Messages, "m", true, 1));
    let tools = i64::try_from(body["tools"].to_string().len()).unwrap();
    // The text, the tools, and what the provider adds for them.
    assert!(ask.text_bound >= 2 + tools + 1_024, "{}", ask.text_bound);
    let (plain, _) = translated(&json!({}), "m").unwrap();
    assert!(plain.text_bound >= 2 + 16);
    assert_eq!(plain.cap.asked, None);
}

/// The field that a refusal names.
fn refused(more: &Value, provider_model: &str) -> String {
    match translated(more, provider_model) {
        Err(AskFault::Parameter { param, message }) => {
            assert!(message.starts_with(&*param), "{message}");
            param.into_owned()
        }
        other => panic!("{more}: {:?}", other.map(|(_, body)| body)),
    }
}

#[test]
fn what_cannot_be_expressed_is_refused_by_name() {
    for (name, value) in [
        ("n", json!(2)),
        ("best_of", json!(2)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("logit_bias", json!({"1": 1})),
        ("seed", json!(7)),
        ("presence_penalty", json!(0.5)),
        ("frequency_penalty", json!(-1)),
        ("modalities", json!(["text", "audio"])),
        ("audio", json!({"voice": "v"})),
        ("prediction", json!({"type": "content"})),
        ("store", json!(true)),
        ("metadata", json!({"a": "b"})),
        ("verbosity", json!("low")),
        ("web_search_options", json!({})),
        ("prompt_cache_key", json!("k")),
        ("functions", json!([{"name": "f"}])),
        ("function_call", json!("auto")),
        ("service_tier", json!("priority")),
        ("temperature", json!(1.1)),
        ("temperature", json!("hot")),
        ("top_p", json!(-0.1)),
        ("stop", json!(7)),
        ("reasoning_effort", json!("wild")),
        ("response_format", json!({"type": "json_object"})),
        ("tool_choice", json!("maybe")),
        ("thinking", json!({"type": "enabled"})),
        ("top_k", json!(1)),
        ("odd", json!(false)),
    ] {
        let more = Value::Object([(name.to_owned(), value)].into_iter().collect());
        assert_eq!(refused(&more, "x"), name);
    }
}

#[test]
fn parts_of_members_are_refused_by_name() {
    for (more, param) in [
        (json!({"stream_options": {"include_obfuscation": true}}), "stream_options.include_obfuscation"),
        (json!({"user": "a", "safety_identifier": "b"}), "user"),
        (json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}), "tools[0].custom"),
        (json!({"tools": [{"type": "function"}]}), "tools[0]"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "odd": 1}}]}),
            "tools[0].function.odd",
        ),
        (json!({"tool_choice": {"type": "allowed_tools"}}), "tool_choice.type"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
            "response_format.json_schema",
        ),
    ] {
        assert_eq!(refused(&more, "x"), param);
    }
}

#[test]
fn messages_that_cannot_be_said_are_refused_by_name() {
    let says = |message: Value| json!({"messages": [{"role": "user", "content": "hi"}, message]});
    let part = |part: Value| says(json!({"role": "user", "content": [part]}));
    let called = |call: Value| says(json!({"role": "assistant", "tool_calls": [call]}));
    for (more, rest) in [
        (says(json!({"role": "narrator", "content": "x"})), ""),
        (says(json!({"role": "user", "content": ""})), ""),
        (says(json!({"role": "assistant"})), ""),
        (says(json!({"role": "user", "content": "x", "name": "Ann"})), ".name"),
        (says(json!({"role": "user", "content": "x", "tool_call_id": "a"})), ""),
        (says(json!({"role": "user", "content": "x", "reasoning_content": "a"})), ""),
        (says(json!({"role": "tool", "content": "x"})), ""),
        (says(json!({"role": "assistant", "content": "x", "audio": {"id": "a"}})), ".audio"),
        (says(json!({"role": "assistant", "function_call": {"name": "f"}})), ".function_call"),
        (
            says(
                json!({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}),
            ),
            ".content",
        ),
        (part(json!({"type": "input_audio", "input_audio": {"data": "QUJD"}})), ".content[0].input_audio"),
        (part(json!({"type": "file", "file": {"file_id": "f"}})), ".content[0].file"),
        (part(json!({"type": "odd"})), ".content[0]"),
        // It would stand in what is sent.
        (
            called(json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\":\"\\ud800\"}"}})),
            ".tool_calls[0].function.arguments",
        ),
        (
            called(json!({"id": "a", "function": {"name": "f", "arguments": "\u{a0}{}"}})),
            ".tool_calls[0].function.arguments",
        ),
        (part(json!({"type": "image_url", "image_url": {"url": "http://x"}})), ".content[0].image_url.url"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,QUJD"}})),
            ".content[0].image_url.url",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}})),
            ".content[0].image_url.detail",
        ),
        (called(json!({"id": "a", "type": "custom"})), ".tool_calls[0].type"),
        (
            called(json!({"id": "a", "function": {"name": "f", "arguments": "[]"}})),
            ".tool_calls[0].function.arguments",
        ),
        (
            called(json!({"id": "a", "function": {"name": "f", "arguments": "{"}})),
            ".tool_calls[0].function.arguments",
        ),
    ] {
        assert_eq!(refused(&more, "x"), format!("messages[1]{rest}"), "{more}");
    }
    assert_eq!(refused(&json!({"messages": [{"role": "system", "content": "x"}]}), "x"), "messages");
}

fn translation(usage_event: UsageEvent) -> Translation {
    let asked = Asked { created: NOW, usage_event, body: Bytes::new(), model: "m".to_owned() };
    Translation { source: Source::Chat, target: Target::Messages, asked, call: &MESSAGES }
}

#[test]
fn answers() {
    let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300, "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3}});
    let told = json!({"prompt_tokens": 1325, "completion_tokens": 7, "total_tokens": 1332,
        "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 300}, "completion_tokens_details": {"reasoning_tokens": 3}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let think = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let used = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"z": 1, "a": "b"}});
    let call = json!({"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"b\",\"z\":1}"}});
    let said = |content: Value| json!({"role": "assistant", "content": content, "refusal": null});
    let with = |mut message: Value, name: &str, value: Value| {
        message[name] = value;
        message
    };
    for (content, reason, message, finish) in [
        (json!([text("a"), text("b")]), "end_turn", said(json!("ab")), "stop"),
        (json!([text("a")]), "stop_sequence", said(json!("a")), "stop"),
        (json!([text("a")]), "max_tokens", said(json!("a")), "length"),
        (json!([text("a")]), "model_context_window_exceeded", said(json!("a")), "length"),
        (json!([]), "end_turn", said(json!(null)), "stop"),
        (
            json!([think, {"type": "redacted_thinking", "data": "x"}, text("a")]),
            "end_turn",
            with(said(json!("a")), "reasoning_content", json!("hm")),
            "stop",
        ),
        (
            json!([text("a"), used]),
            "tool_use",
            with(said(json!("a")), "tool_calls", json!([call])),
            "tool_calls",
        ),
        (
            json!([{"type": "odd"}]),
            "refusal",
            with(said(json!(null)), "refusal", json!("because")),
            "content_filter",
        ),
    ] {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
            "stop_reason": reason, "stop_details": {"type": "refusal", "explanation": "because"}, "usage": usage, "odd": 1});
        let answer = translation(UsageEvent::Gateway).answer(body.to_string().as_bytes()).unwrap();
        let want = json!({"id": "msg_1", "object": "chat.completion", "created": NOW, "model": "claude",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}], "usage": told});
        assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap(), want);
    }
    for body in ["", "{}", "[]", "{\"id\":\"x\",\"model\":\"m\",\"content\":7}"] {
        assert_eq!(translation(UsageEvent::Gateway).answer(body.as_bytes()), Err(NotAnAnswer), "{body}");
    }
}

/// What the client is told of a stream of these events.
fn told(usage_event: UsageEvent, events: &[Value]) -> Vec<Value> {
    let mut stream = translation(usage_event).stream();
    let mut splitter = Splitter::new(1 << 20);
    let mut out = String::new();
    for data in events {
        splitter.push(Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())));
        while let Some(event) = splitter.next_event().unwrap() {
            out.push_str(std::str::from_utf8(&stream.tell(&event).unwrap()).unwrap());
        }
    }
    out.push_str(std::str::from_utf8(&stream.end()).unwrap());
    let data = out.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data))).collect()
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "msg_1", "object": "chat.completion.chunk", "created": NOW, "model": "claude",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]})
}

#[test]
fn streams() {
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1});
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "model": "claude", "content": [], "usage": usage}});
    let block = |index: i64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta =
        |index: i64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: i64| json!({"type": "content_block_stop", "index": index});
    let json_delta = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    let tool = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let events = [
        start,
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        stop(0),
        json!({"type": "ping"}),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "one"})),
        stop(1),
        block(2, tool("a")),
        delta(2, json_delta("")),
        delta(2, json_delta("{\"x\"")),
        delta(2, json_delta(":1}")),
        stop(2),
        block(3, tool("b")),
        stop(3),
        json!({"type": "odd"}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 12}}),
        json!({"type": "message_stop"}),
    ];
    let begun = |index: i64, id: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]});
    let argued = |index: i64, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let mut want: Vec<Value> = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "hm"}),
        json!({"content": "one"}),
        begun(0, "a"),
        argued(0, "{\"x\""),
        argued(0, ":1}"),
        begun(1, "b"),
        argued(1, "{}"),
    ]
    .iter()
    .map(|delta| chunk(delta, None))
    .collect();
    want.push(chunk(&json!({}), Some("tool_calls")));
    want.push(json!("[DONE]"));
    assert_eq!(told(UsageEvent::Gateway, &events), want);

    let last = want.len() - 1;
    want[..last].iter_mut().for_each(|chunk| chunk["usage"] = Value::Null);
    let mut totals = chunk(&json!({}), None);
    totals["choices"] = json!([]);
    totals["usage"] = json!({"prompt_tokens": 15, "completion_tokens": 12, "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}});
    want.insert(last, totals);
    assert_eq!(told(UsageEvent::Client, &events), want);
}

#[test]
fn streams_that_end_otherwise() {
    let start =
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": null}});
    let stop = json!({"type": "message_stop"});
    let refusal = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": {"explanation": null}}});
    let ended = told(UsageEvent::Gateway, &[start.clone(), refusal, stop.clone()]);
    assert_eq!(ended[2]["choices"][0]["finish_reason"], "content_filter");
    assert!(ended[1]["choices"][0]["delta"]["refusal"].is_string(), "{ended:?}");
    assert_eq!(told(UsageEvent::Gateway, &[start, stop])[1], chunk(&json!({}), Some("stop")));
    for data in [
        "{",
        "{\"type\":\"message_start\"}",
        "7",
        "{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"partial_json\":\"x\"}}",
        "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":\"x\"}}",
    ] {
        let mut splitter = Splitter::new(1 << 20);
        splitter.push(Bytes::from(format!("data: {data}\n\n")));
        let event = splitter.next_event().unwrap().unwrap();
        assert_eq!(translation(UsageEvent::Gateway).stream().tell(&event), Err(NotAnAnswer), "{data}");
    }
}

/// Defaults say nothing, however they are spelled.
#[test]
fn defaults_in_other_spellings() {
    let body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\
        \"modalities\":[ \"te\\u0078t\" ],\"logit_bias\":{\n},\"verbosity\":\"m\\u0065dium\"}";
    let ask = Ask::parse(Form::Chat, Bytes::from(body), &AskLimits { max_choices: 1 }).unwrap();
    assert!(Translation::of(&ask, Target::Messages, manner("x"), NOW).is_ok());
}

/// What is read of an array takes more room than the array.
#[test]
fn arrays_are_bounded() {
    let parts = |count: usize| {
        let parts = vec![json!({"type": "text", "text": "a"}); count];
        translated(&json!({"messages": [{"role": "user", "content": parts}]}), "x").map(|_| ())
    };
    assert_eq!(parts(65_536), Ok(()));
    let Err(AskFault::Parameter { param, .. }) = parts(65_537) else { panic!("taken") };
    assert_eq!(param, "messages[0].content");
}
