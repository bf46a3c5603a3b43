//! The form that an answer must have in each client's dialect, as the official packages rely on it.

use std::collections::BTreeMap;

use super::*;

/// JSON, but for numbers that are no float and halves of characters, which pass in arguments as their provider wrote them.
fn read(json: &str) -> Value {
    let plain = json.replace("1e999", "1e99");
    let read = serde_json::from_str(&plain).or_else(|_| serde_json::from_str(&plain.replace("\\ud800", "")));
    read.unwrap_or_else(|_| panic!("{json}"))
}

/// An answer told whole.
pub(super) fn check_whole(form: Form, body: &[u8]) {
    let body = read(std::str::from_utf8(body).unwrap());
    match form {
        Form::Chat => {
            let choice = &body["choices"][0];
            assert!(choice["finish_reason"].is_string() && body["id"].is_string(), "{body}");
            assert_eq!(choice["message"]["role"], "assistant");
        }
        Form::Messages => {
            assert!(body["stop_reason"].is_string() && body["content"].is_array(), "{body}");
            for block in body["content"].as_array().unwrap() {
                assert!(block["type"] != "tool_use" || block["input"].is_object(), "{body}");
            }
        }
        _ => {
            assert!(body["output"].is_array() && body["status"].is_string(), "{body}");
        }
    }
}

/// An answer told as a stream that ended in good order.
pub(super) fn check_stream(form: Form, stream: &str) {
    let mut events = Vec::new();
    for event in stream.split_terminator("\n\n") {
        let (name, data) = event.split_once("data: ").unwrap();
        if data == "[DONE]" {
            events.push(json!("[DONE]"));
            continue;
        }
        let data = read(data);
        if form != Form::Chat {
            assert_eq!(name, format!("event: {}\n", data["type"].as_str().unwrap()));
        }
        events.push(data);
    }
    match form {
        Form::Chat => chat(&events),
        Form::Messages => messages(&events),
        _ => responses(&events),
    }
}

fn chat(events: &[Value]) {
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, &json!("[DONE]"));
    let (mut calls, mut finishes) = (Vec::<bool>::new(), 0);
    for chunk in chunks {
        assert_eq!(chunk["id"], chunks[0]["id"], "{chunks:?}");
        for choice in chunk["choices"].as_array().unwrap() {
            assert_eq!(finishes, 0, "something behind the end: {chunks:#?}");
            finishes += usize::from(choice["finish_reason"].is_string());
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                if call.get("id").is_some() {
                    assert_eq!(index, calls.len(), "{chunks:#?}");
                    assert!(call["function"]["name"].is_string());
                    calls.push(true);
                }
                assert!(index < calls.len() && call["function"]["arguments"].is_string(), "{chunks:#?}");
            }
        }
    }
    assert_eq!(finishes, 1, "{chunks:#?}");
}

fn messages(events: &[Value]) {
    assert!(events.len() >= 3, "{events:#?}");
    assert_eq!(events[0]["type"], "message_start", "{events:#?}");
    let [change, stop] = &events[events.len() - 2..] else { unreachable!() };
    assert_eq!((&change["type"], &stop["type"]), (&json!("message_delta"), &json!("message_stop")));
    assert!(change["delta"]["stop_reason"].is_string());
    let (mut open, mut next) = (None, 0);
    for event in &events[1..events.len() - 2] {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(event["index"], next, "{events:#?}");
        match (kind, &open) {
            ("content_block_start", None) => {
                open = Some((event["content_block"]["type"].as_str().unwrap(), String::new()));
            }
            ("content_block_delta", Some(_)) => {
                let (block, written) = open.as_mut().unwrap();
                let wanted: &[&str] = match *block {
                    "text" => &["text_delta"],
                    "thinking" => &["thinking_delta", "signature_delta"],
                    "tool_use" => &["input_json_delta"],
                    _ => &[],
                };
                assert!(wanted.contains(&event["delta"]["type"].as_str().unwrap()), "{events:#?}");
                written.push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
            }
            ("content_block_stop", Some(_)) => {
                open = None;
                next += 1;
            }
            _ => panic!("{kind} out of place: {events:#?}"),
        }
    }
    assert!(open.is_none(), "{events:#?}");
}

fn responses(events: &[Value]) {
    let mut items = BTreeMap::new();
    let mut done = Vec::new();
    let id = &events[0]["response"]["id"];
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{events:#?}");
        let kind = event["type"].as_str().unwrap();
        let at = event["output_index"].as_u64();
        match kind {
            "response.created" => assert_eq!(number, 0),
            "response.in_progress" => assert_eq!(number, 1),
            "response.output_item.added" => {
                assert_eq!(at, Some(done.len() as u64), "{events:#?}");
                assert_eq!(items.insert(at.unwrap(), event["item"]["id"].clone()), None);
            }
            "response.output_item.done" => {
                assert_eq!(items.get(&at.unwrap()), Some(&event["item"]["id"]), "{events:#?}");
                done.push(event["item"].clone());
            }
            "response.completed" | "response.incomplete" => {
                assert_eq!(number, events.len() - 1);
                assert_eq!(event["response"]["output"], json!(done));
            }
            _ => {
                assert_eq!(items.get(&at.unwrap()), Some(&event["item_id"]), "{kind} {events:#?}");
                assert_eq!(at, Some(done.len() as u64));
            }
        }
        if let Some(response) = event.get("response") {
            assert_eq!(&response["id"], id, "{events:#?}");
        }
    }
    assert_eq!(items.len(), done.len());
}
