//! What comes back.

use bytes::Bytes;

use super::*;
use crate::wire::sse::Splitter;
use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::gemini::hear::{self, Stream};
use crate::wire::translate::telling::{Delta, Figures, Finish};

fn begin() -> Delta {
    Delta::Begin { id: "r-1".to_owned(), model: "gemini-x".to_owned() }
}

fn said(words: &str) -> Delta {
    Delta::Text(words.to_owned())
}

fn called(index: usize, id: &str, signature: Option<&str>, json: &str) -> [Delta; 2] {
    let (id, name) = (id.to_owned(), "f".to_owned());
    let signature = signature.map(str::to_owned);
    [Delta::Call { index, id, name, signature }, Delta::Arguments { index, json: json.to_owned() }]
}

/// An answer of these parts.
fn answer(parts: &Value, reason: &Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": 0}],
        "modelVersion": "gemini-x", "responseId": "r-1"})
}

fn heard(answer: &Value) -> Result<Vec<Delta>, NotAnAnswer> {
    hear::whole(answer.to_string().as_bytes())
}

#[test]
fn parts_of_an_answer() {
    let signed =
        json!({"functionCall": {"id": "c", "name": "f", "args": {"b": 1}}, "thoughtSignature": "c2ln"});
    let bare = json!({"functionCall": {"name": "f"}});
    let (calls, end) = (Delta::Finish(Finish::Calls), Delta::Finish(Finish::End));
    for (parts, reason, want) in [
        (
            json!([{"text": "a"}, {"text": ""}, {"text": "b", "thoughtSignature": "c2ln"}]),
            json!("STOP"),
            vec![said("a"), said("b"), end.clone()],
        ),
        (
            json!([{"text": "hm", "thought": true}, {"text": "a", "thought": false}]),
            json!("STOP"),
            vec![Delta::Thought("hm".to_owned()), said("a"), end.clone()],
        ),
        (json!([{"text": "a"}]), json!("MAX_TOKENS"), vec![said("a"), Delta::Finish(Finish::Length)]),
        (json!(null), json!("MAX_TOKENS"), vec![Delta::Finish(Finish::Length)]),
        (json!([{"text": "a"}]), json!(null), vec![said("a"), end.clone()]),
        (
            json!([signed, bare, bare]),
            json!("STOP"),
            [
                called(0, "c", Some("c2ln"), "{\"b\":1}").to_vec(),
                called(1, "call_r-1_1", None, "{}").to_vec(),
                called(2, "call_r-1_2", None, "{}").to_vec(),
                vec![calls],
            ]
            .concat(),
        ),
        // What is not asked for, but harmless.
        (json!([{"executableCode": {"code": "1"}}, {"odd": 1}]), json!("STOP"), vec![end]),
    ] {
        let want: Vec<Delta> = [vec![begin()], want].concat();
        assert_eq!(heard(&answer(&parts, &reason)), Ok(want), "{parts}");
    }
    // The order of arguments is the model's.
    let body = "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"z\":1, \"a\":2}}}]}}]}";
    let deltas = hear::whole(body.as_bytes()).unwrap();
    assert_eq!(deltas[2], Delta::Arguments { index: 0, json: "{\"z\":1, \"a\":2}".to_owned() });
    // Without a name of the answer's own the ids of calls differ with what the answer says.
    let Delta::Call { id, .. } = &deltas[1] else { panic!() };
    let other = hear::whole(body.replace("\"a\":2", "\"a\":3").as_bytes()).unwrap();
    assert!(matches!(&other[1], Delta::Call { id: other, .. } if other != id && id.len() < 40));
}

#[test]
fn what_was_used() {
    let mut whole = answer(&json!([{"text": "a"}]), &json!("STOP"));
    whole["usageMetadata"] = json!({"promptTokenCount": 100, "cachedContentTokenCount": 30, "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 7, "thoughtsTokenCount": 40, "totalTokenCount": 152});
    let figures = Figures { input: 105, cached: 30, cache_write: 0, output: 47, thought: 40 };
    let want = vec![begin(), said("a"), Delta::Figures(figures), Delta::Finish(Finish::End)];
    assert_eq!(heard(&whole), Ok(want));
    whole["usageMetadata"] = json!({"promptTokenCount": 1.5});
    assert_eq!(heard(&whole).unwrap()[2], Delta::Figures(Figures::default()));
}

#[test]
fn refusals() {
    let refusal = |words: &str| vec![Delta::Refusal(words.to_owned()), Delta::Finish(Finish::Refused)];
    for reason in [
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "OTHER",
        "IMAGE_SAFETY",
        "NEWER",
    ] {
        let words = format!("The model's provider (Google) refused to go on: {reason}");
        let want = [vec![begin(), said("a")], refusal(&words)].concat();
        assert_eq!(heard(&answer(&json!([{"text": "a"}]), &json!(reason))), Ok(want));
    }
    let mut told = answer(&json!([]), &json!("SPII"));
    told["candidates"][0]["finishMessage"] = json!("Numbers.");
    let words = "The model's provider (Google) refused to go on: SPII. Numbers.";
    assert_eq!(heard(&told), Ok([vec![begin()], refusal(words)].concat()));
    let blocked = json!({"promptFeedback": {"blockReason": "BLOCKLIST", "safetyRatings": []}, "responseId": "r-1",
        "modelVersion": "gemini-x", "usageMetadata": {"promptTokenCount": 9}});
    let words = "The model's provider (Google) refused to go on: BLOCKLIST";
    let figures = Delta::Figures(Figures { input: 9, ..Figures::default() });
    assert_eq!(heard(&blocked), Ok([vec![begin(), figures], refusal(words)].concat()));
}

#[test]
fn answers_that_are_none() {
    let mut called = answer(&json!([{"functionCall": {"name": "f", "args": [1]}}]), &json!("STOP"));
    let text = json!([{"text": "a"}]);
    for none in [
        json!({}),
        json!([]),
        json!({"candidates": []}),
        json!({"usageMetadata": {"promptTokenCount": 1}}),
        json!({"promptFeedback": {"safetyRatings": []}}),
        called.clone(),
        answer(&json!([{"functionCall": {"args": {}}}]), &json!("STOP")),
        answer(&json!([{"text": 7}]), &json!("STOP")),
        answer(&json!([{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]), &json!("STOP")),
        answer(&text, &json!("MALFORMED_FUNCTION_CALL")),
        answer(&text, &json!("MALFORMED_RESPONSE")),
        answer(&text, &json!("UNEXPECTED_TOOL_CALL")),
        answer(&text, &json!("TOO_MANY_TOOL_CALLS")),
        answer(&text, &json!("MISSING_THOUGHT_SIGNATURE")),
    ] {
        assert_eq!(heard(&none), Err(NotAnAnswer), "{none}");
    }
    called["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] = json!(null);
    assert!(heard(&called).is_ok());
}

/// Chunk by chunk: usage is cumulative, and the end comes with the last content or behind it.
#[test]
fn a_stream() {
    let chunk = |parts: Value, reason: Option<&str>, usage: Value| {
        let mut chunk = answer(&parts, &json!(reason));
        chunk["usageMetadata"] = usage;
        chunk
    };
    let events = [
        chunk(
            json!([{"text": "hm", "thought": true}]),
            None,
            json!({"promptTokenCount": 20, "thoughtsTokenCount": 4}),
        ),
        chunk(
            json!([{"text": "one "}]),
            None,
            json!({"promptTokenCount": 20, "thoughtsTokenCount": 4, "candidatesTokenCount": 2}),
        ),
        chunk(
            json!([{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}]),
            None,
            json!({"promptTokenCount": 20}),
        ),
        chunk(json!([{"functionCall": {"name": "f", "args": {"a": 1}}}]), None, json!(null)),
        chunk(
            json!([{"text": "", "thoughtSignature": "c2ln"}]),
            Some("STOP"),
            json!({"promptTokenCount": 20, "candidatesTokenCount": 9}),
        ),
        json!({"usageMetadata": {"promptTokenCount": 21}, "modelVersion": "gemini-x", "responseId": "r-1"}),
    ];
    let sent: String = events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect();
    let mut splitter = Splitter::new(10_000);
    splitter.push(Bytes::from(format!(": comment\n\n{sent}")));
    let (mut stream, mut deltas) = (Stream::new(), Vec::new());
    while let Some(event) = splitter.next_event().unwrap() {
        deltas.extend(stream.event(&event).unwrap());
    }
    let figures = |input, output| Delta::Figures(Figures { input, output, thought: 4, ..Figures::default() });
    let want = [
        vec![begin(), Delta::Thought("hm".to_owned()), figures(20, 4), said("one "), figures(20, 6)],
        called(0, "call_r-1_0", Some("c2ln"), "{}").to_vec(),
        vec![figures(20, 6)],
        called(1, "call_r-1_1", None, "{\"a\":1}").to_vec(),
        vec![figures(20, 13), Delta::Finish(Finish::Calls), figures(21, 13)],
    ]
    .concat();
    assert_eq!(deltas, want);
}

#[test]
fn a_stream_that_is_none() {
    for data in ["x", "[1]", "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{}}]}}]}"] {
        let mut splitter = Splitter::new(10_000);
        splitter.push(Bytes::from(format!("data: {data}\n\n")));
        let event = splitter.next_event().unwrap().unwrap();
        assert_eq!(Stream::new().event(&event), Err(NotAnAnswer));
    }
}

/// Some models say with each chunk that it ends.
#[test]
fn an_end_that_comes_often() {
    let mut stream = Stream::new();
    let call = json!([{"functionCall": {"name": "f", "args": {}}}]);
    let mut deltas = Vec::new();
    for parts in [json!([{"text": "a"}]), json!([{"text": "b"}]), call] {
        let mut splitter = Splitter::new(10_000);
        splitter.push(Bytes::from(format!("data: {}\n\n", answer(&parts, &json!("STOP")))));
        deltas.extend(stream.event(&splitter.next_event().unwrap().unwrap()).unwrap());
    }
    let told = |finish| vec![Delta::Finish(finish)];
    let want = [
        vec![begin(), said("a")],
        told(Finish::End),
        vec![said("b")],
        called(0, "call_r-1_0", None, "{}").to_vec(),
        told(Finish::Calls),
    ];
    assert_eq!(deltas, want.concat());
}
