//! Streams: relayed event by event, metered on the way, ended only when the books are closed.

use serde_json::{Value, json};

use crate::harness::{COMPLETION, Gate, Gateway, Mock, Piece, QUOTA, Reply, Request, SOON, Settings, Token};
use crate::harness::{chat, delta, eventually, nanos, usage_event};

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_quota": 1_000_000}))
}

fn streamed(more: &Value) -> Value {
    let mut body = chat("m-ok", &json!({"stream": true, "max_tokens": 1000}));
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

/// ST-01, ST-21: the client's bytes are the provider's without the usage event; the charge is exact.
#[test]
fn the_usage_event_nobody_asked_for_is_removed() {
    let pieces: Vec<_> = (0..20).map(|number| delta(&format!("piece {number} "))).collect();
    let sent = pieces.clone();
    let mock = Mock::start(move |_| {
        let reply = sent.iter().fold(Reply::sse(), |reply, piece| reply.event(piece));
        reply.event(&usage_event(12, 34)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let answer = gateway.chat(&token.key, &streamed(&json!({}))).expect(200);
    assert!(answer.clean);
    let expected: String =
        pieces.iter().map(String::as_str).chain(["[DONE]"]).map(|data| format!("data: {data}\n\n")).collect();
    assert_eq!(answer.text(), expected);
    assert_eq!(mock.received()[0].json()["stream_options"], json!({"include_usage": true}));
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    assert!(answer.header("cache-control").unwrap().contains("no-cache"));
    assert_eq!((answer.header("x-accel-buffering"), answer.header("content-length")), (Some("no"), None));
    assert_eq!(answer.header("x-tollgate-cost-usd"), None);
    let rows = gateway.ledger(&format!("request_id={}", answer.header("x-request-id").unwrap()));
    assert_eq!(nanos(&rows[0]["charged_usd"]), 46 * QUOTA);
}

/// ST-02: who asks for usage gets it; what else was asked for stays as it was.
#[test]
fn the_usage_event_asked_for_is_relayed() {
    let mock = Mock::answering(12, 34);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let options = json!({"stream_options": {"include_usage": true, "include_obfuscation": false}});
    let answer = gateway.chat(&token.key, &streamed(&options)).expect(200);
    assert!(answer.text().contains(&usage_event(12, 34)), "{}", answer.text());
    let asked = json!({"stream_options": {"include_usage": false, "include_obfuscation": false}});
    let answer = gateway.chat(&token.key, &streamed(&asked)).expect(200);
    assert!(!answer.text().contains("prompt_tokens"), "{}", answer.text());
    let seen = mock.received()[1].json();
    assert_eq!(seen["stream_options"], json!({"include_usage": true, "include_obfuscation": false}));
    assert_eq!(gateway.settled(&token), 2 * 46);
}

/// Usage in an event that has choices passes as it is, and counts once, at its largest.
#[test]
fn cumulative_usage_counts_once() {
    let with_usage = |output: u64| {
        let mut event: Value = serde_json::from_str(&delta("x")).unwrap();
        event["usage"] =
            json!({"prompt_tokens": 10, "completion_tokens": output, "total_tokens": 10 + output});
        event.to_string()
    };
    let events = [with_usage(1), with_usage(5), with_usage(3)];
    let sent = events.clone();
    let mock = Mock::start(move |_| {
        sent.iter().fold(Reply::sse(), |reply, event| reply.event(event)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let answer = gateway.chat(&token.key, &streamed(&json!({}))).expect(200);
    events.iter().for_each(|event| assert!(answer.text().contains(event)));
    assert_eq!(gateway.settled(&token), 15);
}

/// Each event passes before the next one exists, and the terminator comes after the books (R3, I7).
#[test]
fn nothing_waits_but_the_terminator() {
    let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
    let shut = gates.clone();
    let mock = Mock::start(move |_| {
        let reply = Reply::sse().event(&delta("a")).wait(&shut[0]).event(&delta("b")).wait(&shut[1]);
        reply.event(&usage_event(1, 2)).wait(&shut[2]).event("[DONE]").wait(&shut[3]).end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let request = Request::post("/v1/chat/completions", &streamed(&json!({}))).bearer(&token.key);
    let mut exchange = gateway.open(&request);
    assert_eq!(exchange.data(), delta("a"));
    assert!(gateway.held(&token) >= 1000);
    gates[0].open();
    assert_eq!(exchange.data(), delta("b"));
    gates[1].open();
    gates[2].open();
    assert_eq!(exchange.data(), "[DONE]");
    let rows = gateway.ledger(&format!("token_id={}&outcome=ok", token.id));
    assert_eq!(nanos(&rows[0]["charged_usd"]), 3 * QUOTA, "in the books before the client saw the end");
    gates[3].open();
    assert_eq!(exchange.event(), Piece::End);
}

/// ST-08: without usage the local count is charged, near what a tokenizer says.
#[test]
fn without_usage_the_text_is_counted() {
    let words = "the quick brown fox jumps over the lazy dog and ";
    let mock = Mock::start(move |_| {
        let reply = (0..21).fold(Reply::sse(), |reply, _| reply.event(&delta(words)));
        reply.event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    gateway.chat(&token.key, &chat("m-out", &json!({"stream": true, "max_tokens": 1000}))).expect(200);
    // About 210 words of one token each; four bytes per token would say 252.
    let used = gateway.settled(&token);
    assert!((168..=264).contains(&used), "{used}");
}

/// The payloads of events, as any reader of the format sees them.
fn payloads(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let data =
        |line: &str| line.strip_prefix("data:").map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned());
    let events = text.split("\n\n").map(|event| event.lines().filter_map(data).collect::<Vec<_>>());
    events.filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect()
}

/// ST-10: every spelling of the format, cut at every byte.
#[test]
fn any_framing_of_events() {
    let (a, b, umlaut) = (delta("a"), delta("b"), delta("ü€😀"));
    let multi = a.replacen(',', ",\ndata: ", 1);
    let text = format!(
        "\u{feff}data: {a}\r\n\r\n: comment\n\ndata:{b}\n\nevent: x\ndata: {multi}\nid: 5\n\ndata: {umlaut}\r\rretry: 9\r\n\r\ndata: {}\r\n\r\ndata: [DONE]\n\n",
        usage_event(3, 9)
    );
    let expected = [a.clone(), b, a.replacen(',', ",\n", 1), umlaut, "[DONE]".to_owned()];
    let body = text.into_bytes();
    let whole = body.clone();
    let mock = Mock::start(move |request| {
        let size = [1, 2, 3, 7, usize::MAX][request.number];
        whole.chunks(size.min(whole.len())).fold(Reply::sse(), |reply, piece| reply.chunk(piece)).end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    for _ in 0..5 {
        let token = rich(&gateway);
        let answer = gateway.chat(&token.key, &streamed(&json!({}))).expect(200);
        assert_eq!(payloads(&answer.text()), expected, "{}", answer.text());
        assert_eq!(gateway.settled(&token), 12);
    }
}

/// ST-12: a stream that ends without its terminator never ends well for the client, and is charged.
#[test]
fn streams_that_break() {
    let began = || Reply::sse().event(&delta("some words that were delivered "));
    for reply in [
        began().end(),
        began().close(),
        began().reset(),
        began().write("zz\r\n").close(),
        began().event("{\"error\":{\"message\":\"gone\"}}").end(),
        began().event("{not json").close(),
    ] {
        let script = reply.clone();
        let mock = Mock::start(move |_| script.clone());
        let gateway = Gateway::start(Settings::with(&mock));
        let token = rich(&gateway);
        let answer = gateway.chat(&token.key, &streamed(&json!({})));
        assert!(!answer.text().contains("[DONE]"), "{reply:?}: {}", answer.text());
        assert!(
            !answer.clean || answer.text().contains("\"error\"") || answer.status >= 500,
            "{reply:?}: {}",
            answer.text()
        );
        let used = gateway.settled(&token);
        // A reset may overtake what was sent before it.
        assert!(
            used >= 5 || answer.text().is_empty() || answer.status >= 500,
            "{reply:?}: {used} {}",
            answer.text()
        );
        assert!(used <= 1200, "{reply:?}: {used}");
        assert_ne!(gateway.last_entry(&token)["outcome"], "ok", "{reply:?}");
    }
}

/// ST-13: nothing passes after the terminator.
#[test]
fn nothing_after_the_terminator() {
    let mock = Mock::start(|_| {
        let reply = Reply::sse().event(&delta("a")).event(&usage_event(1, 2)).event("[DONE]");
        reply.event(&delta("late")).chunk("<html>late</html>").event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let answer = gateway.chat(&token.key, &streamed(&json!({}))).expect(200);
    assert_eq!(answer.text(), format!("data: {}\n\ndata: [DONE]\n\n", delta("a")));
    assert_eq!(gateway.settled(&token), 3);
}

/// Events of 300 KiB pass; what is beyond `max_event_bytes` ends the stream with an error event.
#[test]
fn large_events() {
    let large = delta(&"x".repeat(300 * 1024));
    let sent = large.clone();
    let mock =
        Mock::start(move |_| Reply::sse().event(&sent).event(&usage_event(1, 2)).event("[DONE]").end());
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let answer = gateway.chat(&token.key, &streamed(&json!({}))).expect(200);
    assert_eq!(answer.events()[0], large);
    let strict = Gateway::start(Settings::with(&mock).set("server", "max_event_bytes", "100000"));
    let token = rich(&strict);
    let answer = strict.chat(&token.key, &streamed(&json!({})));
    assert!(!answer.text().contains("[DONE]") && !answer.text().contains("xxxxxxxx"));
    strict.settled(&token);
}

/// ST-15: a client that stops reading is let go after `timeouts.write`, and pays.
#[test]
fn clients_that_do_not_read() {
    let mock = Mock::start(|_| {
        let event = delta(&COMPLETION.repeat(1000));
        (0..1000).fold(Reply::sse(), |reply, _| reply.event(&event)).hang()
    });
    let gateway = Gateway::start(Settings::with(&mock).set(
        "server",
        "timeouts",
        "{ header = 30, body = 30, write = 1 }",
    ));
    let token = rich(&gateway);
    let request = Request::post("/v1/chat/completions", &streamed(&json!({}))).bearer(&token.key);
    let exchange = gateway.open(&request);
    assert_eq!(exchange.status, 200);
    eventually("it is let go", SOON, || (gateway.held(&token) == 0).then_some(()));
    assert!(gateway.used(&token) > 0);
    assert_eq!(gateway.last_entry(&token)["outcome"], "client_gone");
    drop(exchange);
}

/// ST-18: `stream` is a bool.
#[test]
fn stream_is_a_bool() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    for bad in [json!("true"), json!(1), json!([]), json!({})] {
        let answer =
            gateway.chat(&token.key, &streamed(&json!({"stream": bad}))).refuses(400, "invalid_parameter");
        assert_eq!(answer.json()["error"]["param"], "stream");
    }
    let plain =
        gateway.chat(&token.key, &chat("m-ok", &json!({"stream": null, "max_tokens": 10}))).expect(200);
    assert_eq!(plain.json()["object"], "chat.completion");
}

/// ST-19: what comes decides, not what was asked for.
#[test]
fn answers_of_the_other_kind() {
    let mock = Mock::start(|request| {
        if request.is_stream() { Reply::completion(3, 4) } else { Reply::stream(&["a", "b"], 3, 4) }
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let answer = gateway.chat(&token.key, &streamed(&json!({})));
    assert!(answer.status == 200 || answer.status == 502, "{}", answer.text());
    assert_eq!(gateway.settled(&token), 7);
    gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 10})));
    let used = gateway.settled(&token);
    assert_eq!(used, 14);
}

/// ST-20, UF-03: silence and endlessness are bounded; what flowed is charged.
#[test]
fn silent_and_endless_streams() {
    for limit in ["idle = 1", "total = 1"] {
        let mock = Mock::start(|_| Reply::sse().event(&delta("some words that were delivered ")).hang());
        let channel = format!("models = [\"m-*\"]\ntimeouts = {{ {limit} }}");
        let settings = Settings::demo().channel("mock", &mock, &channel).price("m-*", "2", "2");
        let gateway = Gateway::start(settings);
        let token = rich(&gateway);
        let answer = gateway.chat(&token.key, &streamed(&json!({}))).expect(200);
        assert!(!answer.text().contains("[DONE]"));
        assert!(!answer.clean || answer.text().contains("\"error\""), "{limit}: {}", answer.text());
        assert!(gateway.settled(&token) >= 5, "{limit}");
        eventually("the provider is let go", SOON, || (mock.hang_ups() == 1).then_some(()));
    }
}

/// AU-08: a stream that runs when its token is disabled finishes and is charged.
#[test]
fn a_running_stream_finishes() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::sse().event(&delta("a")).wait(&shut).event(&usage_event(1, 2)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let request = Request::post("/v1/chat/completions", &streamed(&json!({}))).bearer(&token.key);
    let mut exchange = gateway.open(&request);
    assert_eq!(exchange.data(), delta("a"));
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"status": 2})).expect(200);
    gateway.chat(&token.key, &streamed(&json!({}))).refuses(401, "token_disabled");
    gate.open();
    assert_eq!(exchange.data(), "[DONE]");
    assert_eq!(exchange.event(), Piece::End);
    assert_eq!(gateway.settled(&token), 3);
}
