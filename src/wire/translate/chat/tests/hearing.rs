//! From an answer to deltas.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::wire::sse::Splitter;
use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::chat::hear;
use crate::wire::translate::telling::{Delta, Figures, Finish};

fn begin() -> Delta {
    Delta::Begin { id: "chatcmpl-1".to_owned(), model: "gpt-x".to_owned() }
}

fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

fn thought(text: &str) -> Delta {
    Delta::Thought(text.to_owned())
}

fn refusal(text: &str) -> Delta {
    Delta::Refusal(text.to_owned())
}

fn call(index: usize, id: &str) -> Delta {
    Delta::Call { index, id: id.to_owned(), name: "f".to_owned(), signature: None }
}

fn arguments(index: usize, json: &str) -> Delta {
    Delta::Arguments { index, json: json.to_owned() }
}

const FIGURES: Figures = Figures { input: 30, cached: 20, cache_write: 5, output: 7, thought: 3 };

fn usage() -> Value {
    json!({"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37, "odd": 1,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 5, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3}})
}

#[test]
fn answers() {
    let called = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let signed = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "proof"}}});
    let proven = Delta::Call {
        index: 0,
        id: "a".to_owned(),
        name: "f".to_owned(),
        signature: Some("proof".to_owned()),
    };
    for (message, reason, said, finish) in [
        (json!({"content": "ab", "refusal": null}), json!("stop"), vec![text("ab")], Finish::End),
        (json!({"content": null}), json!(null), vec![], Finish::End),
        (json!({"content": "a"}), json!("length"), vec![text("a")], Finish::Length),
        (json!({"content": "a"}), json!("content_filter"), vec![text("a")], Finish::Refused),
        (json!({"content": null, "refusal": "no"}), json!("stop"), vec![refusal("no")], Finish::Refused),
        (
            json!({"reasoning_content": "hm", "reasoning": "hm", "content": "a"}),
            json!("stop"),
            vec![thought("hm"), text("a")],
            Finish::End,
        ),
        (json!({"reasoning": "hm", "content": ""}), json!("stop"), vec![thought("hm")], Finish::End),
        (json!({"reasoning": {"x": 1}, "content": "a"}), json!("eos"), vec![text("a")], Finish::End),
        (
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]}),
            json!("stop"),
            vec![thought("hm"), text("a")],
            Finish::End,
        ),
        (
            json!({"content": "a", "tool_calls": [called("a", "{\"z\": 1.50}"), called("b", "")]}),
            json!("tool_calls"),
            vec![text("a"), call(0, "a"), arguments(0, "{\"z\": 1.50}"), call(1, "b"), arguments(1, "{}")],
            Finish::Calls,
        ),
        // Some servers say only that they stopped, and give no ids.
        (
            json!({"content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}),
            json!("stop"),
            vec![call(0, "call_chatcmpl-1_0"), arguments(0, "{}")],
            Finish::Calls,
        ),
        (
            json!({"tool_calls": [signed]}),
            json!("tool_calls"),
            vec![proven, arguments(0, "{}")],
            Finish::Calls,
        ),
    ] {
        let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-x", "system_fingerprint": "x",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}], "usage": usage()});
        let mut want = vec![begin()];
        want.extend(said);
        want.extend([Delta::Finish(finish), Delta::Figures(FIGURES)]);
        assert_eq!(hear::whole(body.to_string().as_bytes()).unwrap(), want, "{message}");
    }
}

/// In a whole answer each call is one of its own, whatever it is called.
#[test]
fn calls_of_one_name() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body =
        json!({"id": "chatcmpl-1", "model": "gpt-x", "choices": [{"message": {"tool_calls": [call, call]}}]});
    let deltas = hear::whole(body.to_string().as_bytes()).unwrap();
    let want =
        [self::call(0, "a"), arguments(0, "{}"), self::call(1, "call_chatcmpl-1_1"), arguments(1, "{}")];
    assert_eq!(deltas[1..5], want);
}

#[test]
fn what_is_no_answer() {
    for body in [
        "",
        "{}",
        "[]",
        "{\"choices\":[]}",
        "{\"choices\":[{}]}",
        "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"x\"}]}}]}",
    ] {
        assert_eq!(hear::whole(body.as_bytes()), Err(NotAnAnswer), "{body}");
    }
}

fn heard(data: &[Value]) -> Vec<Delta> {
    let mut stream = hear::Stream::new();
    let mut splitter = Splitter::new(1 << 20);
    let mut deltas = Vec::new();
    for data in data {
        splitter.push(Bytes::from(format!("data: {data}\n\n")));
        while let Some(event) = splitter.next_event().unwrap() {
            deltas.extend(stream.event(&event).unwrap());
        }
    }
    splitter.push(Bytes::from_static(b": ping\n\ndata: [DONE]\n\n"));
    while let Some(event) = splitter.next_event().unwrap() {
        assert_eq!(stream.event(&event).unwrap(), []);
    }
    deltas
}

fn chunk(delta: &Value, reason: Option<&str>) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}], "usage": null})
}

#[test]
fn streams() {
    let more = |delta: Value| chunk(&delta, None);
    let begun = |index: i64, id: &str| {
        more(
            json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        )
    };
    let argued = |index: i64, json: &str| {
        more(json!({"tool_calls": [{"index": index, "function": {"arguments": json}}]}))
    };
    let totals = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-x", "choices": [], "usage": usage()});
    let deltas = heard(&[
        // Azure begins with what its filter found.
        json!({"id": "", "model": "", "choices": [], "prompt_filter_results": []}),
        more(json!({"role": "assistant", "content": "", "refusal": null})),
        more(json!({"reasoning_content": "hm"})),
        more(json!({"content": "one "})),
        more(json!({"content": "two"})),
        begun(0, "a"),
        argued(0, "{\"x\""),
        argued(0, ":1}"),
        begun(1, "b"),
        begun(2, "c"),
        argued(2, "{}"),
        chunk(&json!({}), Some("tool_calls")),
        totals,
    ]);
    let want = [
        begin(),
        thought("hm"),
        text("one "),
        text("two"),
        call(0, "a"),
        arguments(0, "{\"x\""),
        arguments(0, ":1}"),
        call(1, "b"),
        call(2, "c"),
        arguments(2, "{}"),
        // Until the end they might have come.
        arguments(1, "{}"),
        Delta::Finish(Finish::Calls),
        Delta::Figures(FIGURES),
    ];
    assert_eq!(deltas, want);
}

/// What those who follow OpenAI do otherwise.
#[test]
fn streams_of_others() {
    let whole = |call: Value| chunk(&json!({ "tool_calls": [call] }), None);
    let function = json!({"name": "f", "arguments": "{}"});
    let two = |first: Value, second: Value| heard(&[whole(first), whole(second)]);
    let want = [begin(), call(0, "a"), arguments(0, "{}"), call(1, "b"), arguments(1, "{}")];
    // All calls with one number; none with a number.
    for (first, second) in [(json!(0), json!(0)), (json!(null), json!(null)), (json!(3), json!(7))] {
        let numbered = |index: &Value, id: &str| json!({"index": index, "id": id, "function": function});
        assert_eq!(two(numbered(&first, "a"), numbered(&second, "b")), want);
    }
    // The id with every piece.
    let piece = |name: Option<&str>, json: &str| json!({"index": 0, "id": "a", "function": {"name": name, "arguments": json}});
    let deltas = two(piece(Some("f"), "{"), piece(None, "}"));
    assert_eq!(deltas, [begin(), call(0, "a"), arguments(0, "{"), arguments(0, "}")]);
    // Both begun in one chunk, with words in between; then their arguments, mixed.
    let begun =
        |index: i64, id: &str| json!({"index": index, "id": id, "function": {"name": "f", "arguments": ""}});
    let argued =
        |index: i64, json: &str| json!({"index": index, "function": {"name": "", "arguments": json}});
    let calls = |calls: &[Value]| chunk(&json!({"tool_calls": calls}), None);
    let deltas = heard(&[
        calls(&[begun(0, "a"), begun(1, "b")]),
        chunk(&json!({"content": " "}), None),
        calls(&[argued(0, "{\"x\":"), argued(1, "{}")]),
        calls(&[argued(0, "1}")]),
        chunk(&json!({}), Some("tool_calls")),
    ]);
    let mixed = [arguments(0, "{\"x\":"), arguments(1, "{}"), arguments(0, "1}")];
    let want =
        [&[begin(), call(0, "a"), call(1, "b"), text(" ")], &mixed[..], &[Delta::Finish(Finish::Calls)]];
    assert_eq!(deltas, want.concat());
    // One id for two calls: the second gets one of its own, and keeps what follows.
    let deltas = heard(&[
        calls(&[begun(0, "a")]),
        calls(&[argued(0, "{}")]),
        calls(&[begun(1, "a")]),
        calls(&[json!({"index": 1, "id": "a", "function": {"arguments": "{\"y\":1}"}})]),
    ]);
    let want =
        [begin(), call(0, "a"), arguments(0, "{}"), call(1, "call_chatcmpl-1_1"), arguments(1, "{\"y\":1}")];
    assert_eq!(deltas, want);
    // Another id with each piece: what has no name begins no call.
    let deltas = two(piece(Some("f"), "{"), json!({"index": 0, "id": "z", "function": {"arguments": "}"}}));
    assert_eq!(deltas, [begin(), call(0, "a"), arguments(0, "{"), arguments(0, "}")]);
    // An empty reason with every chunk.
    let deltas = heard(&[chunk(&json!({"content": "x"}), Some("")), chunk(&json!({}), Some("length"))]);
    assert_eq!(deltas, [begin(), text("x"), Delta::Finish(Finish::Length)]);
    // Usage before anything else is part of the answer.
    let mut first = chunk(&json!({}), None);
    (first["choices"], first["usage"]) = (json!([]), usage());
    let deltas = heard(&[first, chunk(&json!({"content": "x"}), None)]);
    assert_eq!(deltas, [begin(), Delta::Figures(FIGURES), text("x")]);
    // The end, its reason twice and usage in one chunk; Groq's place for usage.
    let mut last = chunk(&json!({"content": "x"}), Some("stop"));
    let mut again = chunk(&json!({}), Some("stop"));
    last["usage"] = usage();
    again["x_groq"] = json!({"usage": usage()});
    let figures = || Delta::Figures(FIGURES);
    assert_eq!(heard(&[last, again]), [begin(), text("x"), Delta::Finish(Finish::End), figures(), figures()]);
    // A refusal, piece by piece.
    let no = |text: &str| chunk(&json!({ "refusal": text }), None);
    let refused = heard(&[no("I "), no("won't."), chunk(&json!({}), Some("stop"))]);
    assert_eq!(refused, [begin(), refusal("I "), refusal("won't."), Delta::Finish(Finish::Refused)]);
}

#[test]
fn streams_that_cannot_be_read() {
    for data in [
        "{",
        "7",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{}}]}}]}",
    ] {
        let mut splitter = Splitter::new(1 << 20);
        splitter.push(Bytes::from(format!("data: {data}\n\n")));
        let event = splitter.next_event().unwrap().unwrap();
        assert_eq!(hear::Stream::new().event(&event), Err(NotAnAnswer), "{data}");
    }
}
