//! Answers as the clients of OpenAI's responses are told them.

#![expect(clippy::needless_pass_by_value, reason = "literals read better without a mark each")]

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Stream, whole};
use crate::wire::meter::UsageEvent;
use crate::wire::translate::telling::{Asked, Delta, Figures, Finish};

fn asked(more: &Value) -> Asked {
    let mut body = json!({"model": "m", "input": "hi"});
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
    let body = Bytes::from(body.to_string());
    Asked { created: 1_764_000_000, usage_event: UsageEvent::Gateway, body, model: "m".to_owned() }
}

fn plain() -> Asked {
    asked(&json!({}))
}

fn summarized() -> Asked {
    asked(&json!({"reasoning": {"summary": "auto"}}))
}

fn begin() -> Delta {
    Delta::Begin { id: "x1".to_owned(), model: "claude-x".to_owned() }
}

fn text(words: &str) -> Delta {
    Delta::Text(words.to_owned())
}

fn thought(words: &str) -> Delta {
    Delta::Thought(words.to_owned())
}

fn call(index: usize, name: &str, signature: Option<&str>) -> Delta {
    Delta::Call {
        index,
        id: format!("call_{index}"),
        name: name.to_owned(),
        signature: signature.map(ToOwned::to_owned),
    }
}

fn arguments(index: usize, json: &str) -> Delta {
    Delta::Arguments { index, json: json.to_owned() }
}

fn told(deltas: &[Delta], asked: &Asked) -> Value {
    serde_json::from_slice(&whole(deltas, asked)).unwrap()
}

/// The events of a stream, each as its data; their names are their types, and their numbers have no gap.
fn streamed(deltas: &[Delta], asked: &Asked) -> Vec<Value> {
    let mut stream = Stream::new(asked.clone());
    let mut out = Vec::new();
    deltas.iter().for_each(|delta| stream.delta(delta, &mut out));
    stream.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    let events = text.split_terminator("\n\n").enumerate().map(|(number, event)| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let mut data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        assert_eq!(data.as_object_mut().unwrap().remove("sequence_number"), Some(json!(number)));
        data
    });
    events.collect()
}

fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn message(at: usize, status: &str, content: Value) -> Value {
    json!({"type": "message", "id": format!("msg_x1_{at}"), "status": status, "role": "assistant", "content": content})
}

#[test]
fn a_whole_answer() {
    let body = json!({"instructions": "be brief", "max_output_tokens": 9, "metadata": {"a": "b"}, "temperature": 0.5, "tool_choice": "required",
        "tools": [{"type": "function", "name": "f", "parameters": {"z": 1, "a": 2}}], "parallel_tool_calls": false, "store": true,
        "reasoning": {"effort": "low", "summary": "auto"}, "user": "u", "prompt_cache_key": "k"});
    let figures = Figures { input: 100, cached: 30, cache_write: 20, output: 9, thought: 4 };
    let deltas = [
        begin(),
        thought("h"),
        thought("m"),
        Delta::Signature("S".to_owned()),
        text("It "),
        text("rains."),
        call(0, "f", None),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        call(1, "f", Some("G")),
        Delta::Finish(Finish::Calls),
        Delta::Figures(figures),
    ];
    let usage = json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20}, "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 109});
    let called = |at: usize, call: usize, arguments: &str| {
        json!({"type": "function_call", "id": format!("fc_x1_{at}"), "status": "completed",
        "call_id": format!("call_{call}"), "name": "f", "arguments": arguments})
    };
    let output = json!([
        {"type": "reasoning", "id": "rs_x1_0", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "anthropic.S.hm"},
        message(1, "completed", json!([output_text("It rains.")])),
        called(2, 0, "{\"a\":1}"),
        {"type": "reasoning", "id": "rs_x1_3", "summary": [], "encrypted_content": "gemini.G"},
        called(4, 1, "{}"),
    ]);
    let mut want = json!({"id": "resp_x1", "object": "response", "created_at": 1_764_000_000, "status": "completed", "background": false,
        "error": null, "incomplete_details": null, "max_tool_calls": null, "model": "claude-x", "output": output,
        "previous_response_id": null, "safety_identifier": null, "service_tier": null, "text": {"format": {"type": "text"}},
        "top_logprobs": 0, "top_p": null, "truncation": "disabled", "usage": usage});
    body.as_object().unwrap().iter().for_each(|(name, value)| want[name.as_str()] = value.clone());
    want["store"] = json!(false);
    assert_eq!(told(&deltas, &asked(&body)), want);
    let events = streamed(&deltas, &asked(&body));
    assert_eq!(events.last().unwrap(), &json!({"type": "response.completed", "response": want}));
    want["output"] = json!([]);
    (want["status"], want["usage"]) = (json!("in_progress"), json!(null));
    assert_eq!(events[0]["response"], want);
    assert_eq!(events[1], json!({"type": "response.in_progress", "response": want}));
}

/// What stands where nothing was asked.
#[test]
fn defaults() {
    let response = told(&[begin(), text("x")], &plain());
    for (name, want) in [
        ("metadata", json!({})),
        ("parallel_tool_calls", json!(true)),
        ("reasoning", json!({"effort": null, "summary": null})),
        ("tool_choice", json!("auto")),
        ("tools", json!([])),
        ("instructions", json!(null)),
        ("temperature", json!(null)),
    ] {
        assert_eq!(response[name], want, "{name}");
    }
    assert_eq!(response.get("input"), None);
}

/// The events of a stream but for the first two and the last; that one has what is told of a whole answer.
fn content(deltas: &[Delta]) -> Value {
    let events = streamed(deltas, &summarized());
    let (last, content) = events[2..].split_last().unwrap();
    assert_eq!(last["response"]["output"], told(deltas, &summarized())["output"]);
    json!(content)
}

/// An event within the first item, whose id is `id`.
fn within(kind: &str, id: &str, more: Value) -> Value {
    let mut event = json!({"type": format!("response.{kind}"), "item_id": id, "output_index": 0});
    more.as_object().unwrap().iter().for_each(|(name, value)| event[name.as_str()] = value.clone());
    event
}

/// An event about the first item.
fn item(kind: &str, item: Value) -> Value {
    json!({"type": format!("response.output_item.{kind}"), "output_index": 0, "item": item})
}

#[test]
fn words_in_a_stream() {
    let says = |kind, more| within(kind, "msg_x1_0", more);
    let part = |text| json!({"content_index": 0, "part": output_text(text)});
    let delta = |text| json!({"content_index": 0, "delta": text, "logprobs": []});
    let want = json!([
        item("added", message(0, "in_progress", json!([]))),
        says("content_part.added", part("")),
        says("output_text.delta", delta("It ")),
        says("output_text.delta", delta("rains.")),
        says("output_text.done", json!({"content_index": 0, "text": "It rains.", "logprobs": []})),
        says("content_part.done", part("It rains.")),
        item("done", message(0, "completed", json!([output_text("It rains.")]))),
    ]);
    assert_eq!(content(&[begin(), text("It "), text("rains."), Delta::Finish(Finish::End)]), want);
}

#[test]
fn a_thought_in_a_stream() {
    let thinks = |kind, more| within(kind, "rs_x1_0", more);
    let summary = |text: &str| json!({"type": "summary_text", "text": text});
    let part = |text| json!({"summary_index": 0, "part": summary(text)});
    let whole = json!({"type": "reasoning", "id": "rs_x1_0", "summary": [summary("hm")], "encrypted_content": "anthropic.S.hm"});
    let want = json!([
        item("added", json!({"type": "reasoning", "id": "rs_x1_0", "summary": []})),
        thinks("reasoning_summary_part.added", part("")),
        thinks("reasoning_summary_text.delta", json!({"summary_index": 0, "delta": "hm"})),
        thinks("reasoning_summary_text.done", json!({"summary_index": 0, "text": "hm"})),
        thinks("reasoning_summary_part.done", part("hm")),
        item("done", whole),
    ]);
    assert_eq!(content(&[begin(), thought("hm"), Delta::Signature("S".to_owned())]), want);
}

#[test]
fn a_call_in_a_stream() {
    let calls = |kind, more| within(&format!("function_call_arguments.{kind}"), "fc_x1_0", more);
    let called = |status: &str, arguments: &str| {
        json!({"type": "function_call", "id": "fc_x1_0", "status": status, "call_id": "call_0", "name": "f",
            "arguments": arguments})
    };
    let want = json!([
        item("added", called("in_progress", "")),
        calls("delta", json!({"delta": "{\"a\":"})),
        calls("delta", json!({"delta": "1}"})),
        calls("done", json!({"name": "f", "arguments": "{\"a\":1}"})),
        item("done", called("completed", "{\"a\":1}")),
    ]);
    let deltas = [begin(), call(0, "f", None), arguments(0, "{\"a\":"), arguments(0, "1}")];
    assert_eq!(content(&deltas), want);
}

/// Who asked for no summary gets none, but what the provider must have back.
#[test]
fn thoughts_not_asked_for() {
    let deltas =
        [begin(), thought("a"), text("x"), thought("b"), Delta::Signature("S".to_owned()), text("y")];
    let output = told(&deltas, &plain())["output"].clone();
    let sealed =
        json!({"type": "reasoning", "id": "rs_x1_1", "summary": [], "encrypted_content": "anthropic.S.b"});
    let says = |at, words| message(at, "completed", json!([output_text(words)]));
    assert_eq!(output, json!([says(0, "x"), sealed, says(2, "y")]));
    let events = streamed(&deltas, &plain());
    assert_eq!(events.last().unwrap()["response"]["output"], output);
    assert!(events.iter().all(|event| !event["type"].as_str().unwrap().contains("summary")));
    let added = events.iter().filter(|event| event["type"] == "response.output_item.added").count();
    assert_eq!(added, 3);
}

#[test]
fn why_it_ended() {
    let refusal = || Delta::Refusal("no".to_owned());
    for (deltas, status, reason, item) in [
        (vec![text("x"), Delta::Finish(Finish::End)], "completed", json!(null), "completed"),
        (vec![text("x"), Delta::Finish(Finish::Stop(None))], "completed", json!(null), "completed"),
        (
            vec![text("x"), Delta::Finish(Finish::Length)],
            "incomplete",
            json!("max_output_tokens"),
            "incomplete",
        ),
        (vec![text("x"), Delta::Finish(Finish::Refused)], "incomplete", json!("content_filter"), "completed"),
        (vec![refusal(), Delta::Finish(Finish::End)], "completed", json!(null), "completed"),
    ] {
        let all: Vec<Delta> = std::iter::once(begin()).chain(deltas).collect();
        let response = told(&all, &plain());
        assert_eq!(
            (&response["status"], &response["incomplete_details"]["reason"]),
            (&json!(status), &reason)
        );
        assert_eq!(response["output"][0]["status"], item);
        let events = streamed(&all, &plain());
        let last = events.last().unwrap();
        assert_eq!((&last["type"], &last["response"]), (&json!(format!("response.{status}")), &response));
    }
    let refused = streamed(&[begin(), refusal(), refusal()], &plain());
    let kinds: Vec<&str> = refused.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[2..kinds.len() - 1],
        [
            "response.output_item.added",
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done"
        ]
    );
    assert_eq!(
        refused.last().unwrap()["response"]["output"][0]["content"],
        json!([{"type": "refusal", "refusal": "nono"}])
    );
}

/// Tools are called by the names that the client knows.
#[test]
fn tools_of_other_names() {
    let body = json!({"tools": [{"type": "custom", "name": "patch"},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}, {"type": "web_search"}]});
    let deltas = [
        begin(),
        call(0, "n__f", None),
        arguments(0, "{}"),
        call(1, "patch", None),
        arguments(1, "{\"input\":"),
        arguments(1, "\"a\\nb\"}"),
    ];
    let output = json!([
        {"type": "function_call", "id": "fc_x1_0", "status": "completed", "call_id": "call_0", "name": "f", "namespace": "n", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "ctc_x1_1", "status": "completed", "call_id": "call_1", "name": "patch", "input": "a\nb"},
    ]);
    assert_eq!(told(&deltas, &asked(&body))["output"], output);
    let events = streamed(&deltas, &asked(&body));
    assert_eq!(events.last().unwrap()["response"]["output"], output);
    let custom: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"].as_str().unwrap().contains("custom_tool_call_input"))
        .collect();
    assert_eq!(custom.len(), 2);
    assert_eq!((&custom[0]["delta"], &custom[1]["input"]), (&json!("a\nb"), &json!("a\nb")));
}
