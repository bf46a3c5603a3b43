//! Answers as Anthropic's clients are told them.

#![expect(clippy::needless_pass_by_value, reason = "literals read better without a mark each")]

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Stream, whole};
use crate::wire::meter::UsageEvent;
use crate::wire::translate::telling::{Asked, Delta, Figures, Finish};

fn asked(body: &Value) -> Asked {
    let body = Bytes::from(body.to_string());
    Asked { created: 1_764_000_000, usage_event: UsageEvent::Gateway, body, model: "m".to_owned() }
}

fn thinking() -> Asked {
    asked(&json!({"thinking": {"type": "adaptive"}}))
}

fn begin() -> Delta {
    Delta::Begin { id: "chatcmpl-1".to_owned(), model: "gpt-x".to_owned() }
}

fn text(words: &str) -> Delta {
    Delta::Text(words.to_owned())
}

fn call(index: usize, signature: Option<&str>) -> Delta {
    let signature = signature.map(ToOwned::to_owned);
    Delta::Call { index, id: format!("call_{index}"), name: format!("f{index}"), signature }
}

fn arguments(index: usize, json: &str) -> Delta {
    Delta::Arguments { index, json: json.to_owned() }
}

fn told(deltas: &[Delta], asked: &Asked) -> Value {
    serde_json::from_slice(&whole(deltas, asked)).unwrap()
}

/// The events of a stream, each as its data; their names are their types.
fn streamed(deltas: &[Delta], asked: &Asked) -> Vec<Value> {
    let mut stream = Stream::new(asked);
    let mut out = Vec::new();
    deltas.iter().for_each(|delta| stream.delta(delta, &mut out));
    stream.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name);
            data
        })
        .collect()
}

/// A stream's content, without the first event and the last two.
fn content(deltas: &[Delta], asked: &Asked) -> Vec<Value> {
    let mut events = streamed(deltas, asked);
    events.truncate(events.len() - 2);
    events.split_off(1)
}

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn more(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn input(index: u64, json: &str) -> Value {
    more(index, json!({"type": "input_json_delta", "partial_json": json}))
}

fn used(name: &str, id: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

#[test]
fn a_whole_answer() {
    let figures = Figures { input: 100, cached: 30, cache_write: 20, output: 9, thought: 4 };
    let deltas = [
        begin(),
        Delta::Thought("h".to_owned()),
        Delta::Thought("m".to_owned()),
        text("It "),
        text("rains."),
        call(0, Some("G")),
        arguments(0, "{\"z\":1,"),
        arguments(0, "\"a\":2}"),
        call(1, None),
        Delta::Finish(Finish::Calls),
        Delta::Figures(figures),
    ];
    let body = whole(&deltas, &thinking());
    // The order of arguments is kept.
    assert!(String::from_utf8(body.clone()).unwrap().contains("\"input\":{\"z\":1,\"a\":2}"));
    let usage = json!({"input_tokens": 50, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 20, "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4}});
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt-x",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "It rains."},
                {"type": "redacted_thinking", "data": "gemini.G"},
                used("f0", "call_0", json!({"z": 1, "a": 2})), used("f1", "call_1", json!({}))],
            "stop_reason": "tool_use", "stop_sequence": null, "usage": usage})
    );
}

#[test]
fn why_it_ended() {
    let refused =
        |explanation: Value| json!({"type": "refusal", "category": null, "explanation": explanation});
    let refusal = || Delta::Refusal("no".to_owned());
    for (deltas, reason, sequence, details) in [
        (vec![text("x"), Delta::Finish(Finish::End)], "end_turn", json!(null), json!(null)),
        (vec![text("x")], "end_turn", json!(null), json!(null)),
        (
            vec![Delta::Finish(Finish::Stop(Some("END".to_owned())))],
            "stop_sequence",
            json!("END"),
            json!(null),
        ),
        (vec![Delta::Finish(Finish::Stop(None))], "stop_sequence", json!(null), json!(null)),
        (vec![Delta::Finish(Finish::Length)], "max_tokens", json!(null), json!(null)),
        (vec![call(0, None), Delta::Finish(Finish::End)], "tool_use", json!(null), json!(null)),
        (vec![Delta::Finish(Finish::Refused)], "refusal", json!(null), refused(json!(null))),
        (vec![refusal(), Delta::Finish(Finish::Refused)], "refusal", json!(null), refused(json!("no"))),
        (vec![refusal(), Delta::Finish(Finish::End)], "refusal", json!(null), refused(json!("no"))),
    ] {
        let all: Vec<Delta> = std::iter::once(begin()).chain(deltas).collect();
        let message = told(&all, &thinking());
        let want = (&json!(reason), &sequence, &details);
        assert_eq!((&message["stop_reason"], &message["stop_sequence"], &message["stop_details"]), want);
        let events = streamed(&all, &thinking());
        let end = &events[events.len() - 2]["delta"];
        assert_eq!((&end["stop_reason"], &end["stop_sequence"], &end["stop_details"]), want);
    }
}

#[test]
fn a_stream() {
    let deltas = [
        begin(),
        Delta::Thought("hm".to_owned()),
        Delta::Signature("S".to_owned()),
        text("It "),
        text("rains."),
        call(0, Some("G")),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        Delta::Finish(Finish::Calls),
        Delta::Figures(Figures { input: 7, cached: 2, output: 3, ..Figures::default() }),
    ];
    let usage = |counts: [i64; 3]| json!({"input_tokens": counts[0], "cache_creation_input_tokens": 0, "cache_read_input_tokens": counts[1], "output_tokens": counts[2]});
    let message = json!({"id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt-x", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage([0, 0, 0])});
    let told = streamed(&deltas, &thinking());
    let want = json!([
        {"type": "message_start", "message": message},
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        more(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        more(0, json!({"type": "signature_delta", "signature": "S"})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
        more(1, json!({"type": "text_delta", "text": "It "})),
        more(1, json!({"type": "text_delta", "text": "rains."})),
        stop(1),
        start(2, json!({"type": "redacted_thinking", "data": "gemini.G"})),
        stop(2),
        start(3, used("f0", "call_0", json!({}))),
        input(3, "{\"a\":"),
        input(3, "1}"),
        stop(3),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": usage([5, 2, 3])},
        {"type": "message_stop"},
    ]);
    assert_eq!(json!(told), want);
}

/// Blocks never overlap, whatever order the pieces of several calls come in.
#[test]
fn interleaved_calls() {
    let deltas = [
        begin(),
        call(0, None),
        arguments(0, "{\"a\":"),
        call(1, None),
        arguments(1, "{\"b\":"),
        arguments(0, "1}"),
        call(2, None),
        arguments(1, "2}"),
        text("done"),
        Delta::Finish(Finish::Calls),
    ];
    let want = [
        start(0, used("f0", "call_0", json!({}))),
        input(0, "{\"a\":"),
        input(0, "1}"),
        stop(0),
        start(1, used("f1", "call_1", json!({}))),
        input(1, "{\"b\":"),
        input(1, "2}"),
        stop(1),
        start(2, used("f2", "call_2", json!({}))),
        input(2, "{}"),
        stop(2),
        start(3, json!({"type": "text", "text": ""})),
        more(3, json!({"type": "text_delta", "text": "done"})),
        stop(3),
    ];
    assert_eq!(content(&deltas, &thinking()), want);
}

/// Thoughts are told to those who asked for them; the proof of a call to all.
#[test]
fn thoughts_not_asked_for() {
    let deltas = [
        begin(),
        Delta::Thought("hm".to_owned()),
        Delta::Signature("S".to_owned()),
        text("x"),
        call(0, Some("G")),
    ];
    for body in [
        json!({}),
        json!({"thinking": {"type": "disabled"}}),
        json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
    ] {
        let kinds = |blocks: &Value| -> Vec<String> {
            blocks
                .as_array()
                .unwrap()
                .iter()
                .map(|block| block["type"].as_str().unwrap().to_owned())
                .collect()
        };
        let message = told(&deltas, &asked(&body));
        assert_eq!(kinds(&message["content"]), ["text", "redacted_thinking", "tool_use"]);
        let begun = content(&deltas, &asked(&body)).into_iter().map(|event| event["content_block"].clone());
        let begun: Vec<Value> = begun.filter(|block| !block.is_null()).collect();
        assert_eq!(kinds(&json!(begun)), ["text", "redacted_thinking", "tool_use"]);
    }
}

/// An answer that was cut in the middle of a call, one of which nothing is known, and a refusal, which has no block.
#[test]
fn odd_answers() {
    let cut =
        told(&[begin(), call(0, None), arguments(0, "{\"a"), Delta::Finish(Finish::Length)], &thinking());
    assert_eq!(cut["content"][0]["input"], json!({"INVALID_JSON": "{\"a"}));
    let unnamed = told(&[Delta::Begin { id: String::new(), model: String::new() }], &thinking());
    assert_eq!((&unnamed["id"], &unnamed["model"]), (&json!("msg_1764000000"), &json!("m")));
    let deltas =
        [begin(), text("a"), Delta::Refusal("no".to_owned()), text("b"), Delta::Finish(Finish::Refused)];
    let blocks = content(&deltas, &thinking());
    let starts: Vec<&Value> = blocks.iter().filter(|event| event["type"] == "content_block_start").collect();
    assert_eq!(starts.len(), 2);
    assert_eq!((&starts[0]["index"], &starts[1]["index"]), (&json!(0), &json!(1)));
    assert!(streamed(&[], &thinking()).len() == 3);
}
