//! How a stream may end, and what that costs: every way that a provider has of ending it almost well.

use serde_json::{Value, json};

use crate::harness::{Connection, Gateway, Mock, QUOTA, Reply, Request, SOON, Settings, Token};
use crate::harness::{chat, delta, eventually, nanos, usage_event};

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_quota": 1_000_000}))
}

fn streamed() -> Value {
    chat("m-ok", &json!({"stream": true, "max_tokens": 1000}))
}

/// What the newest row of `token` says: outcome, usage source, quota charged.
fn last(gateway: &Gateway, token: &Token) -> (String, String, i64) {
    let row = gateway.last_entry(token);
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("usage_source"), nanos(&row["charged_usd"]) / QUOTA)
}

/// The last event may lack its blank line: it counts all the same, and waits for the books as any terminator does.
#[test]
fn a_terminator_without_its_blank_line() {
    for tail in ["data: [DONE]\n", "data: [DONE]", "data: [DONE]\r"] {
        let mock =
            Mock::start(move |_| Reply::sse().event(&delta("a")).event(&usage_event(3, 4)).chunk(tail).end());
        let gateway = Gateway::start(Settings::with(&mock));
        let token = rich(&gateway);
        let answer = gateway.chat(&token.key, &streamed()).expect(200);
        assert_eq!(answer.text(), format!("data: {}\n\n{tail}", delta("a")));
        assert!(answer.clean);
        assert_eq!(last(&gateway, &token), ("ok".to_owned(), "provider".to_owned(), 7), "{tail:?}");
    }
}

/// What is left of an event that was cut short is no event: the error that follows it stands alone, and usage in it counts.
#[test]
fn an_event_cut_short_does_not_swallow_the_error() {
    for (tail, charged) in [
        ("data: {\"choices\":[{\"delta\":{\"content\":\"par", None),
        (&*format!("data: {}", usage_event(30, 40)), Some(70)),
    ] {
        let tail = tail.to_owned();
        let mock = Mock::start(move |_| Reply::sse().event(&delta("a")).chunk(&tail).end());
        let gateway = Gateway::start(Settings::with(&mock));
        let token = rich(&gateway);
        let answer = gateway.chat(&token.key, &streamed()).expect(200);
        let events = answer.events();
        assert_eq!(events.len(), 2, "{events:?}");
        let error: Value = serde_json::from_str(&events[1]).unwrap_or_else(|why| panic!("{why}: {events:?}"));
        assert_eq!(error["error"]["code"], "upstream_error");
        let (outcome, _, used) = last(&gateway, &token);
        assert_eq!(outcome, "upstream_error");
        assert!(charged.is_none_or(|charged| charged == used), "{used}");
    }
}

/// HTML is no answer, whatever its content type says; nor is a stream without events. Both are void, and 502.
#[test]
fn streams_that_are_none() {
    for body in ["<html>login</html>", "<!doctype html>\n\n<p>login</p>\n\n", "", ": only\n\n: comments\n\n"]
    {
        let mock = Mock::start(move |_| Reply::body(200, "text/event-stream", body));
        let gateway = Gateway::start(Settings::with(&mock));
        let token = rich(&gateway);
        let answer = gateway.chat(&token.key, &streamed());
        assert!(!answer.text().contains("login"), "{}", answer.text());
        if !body.starts_with(':') {
            answer.refuses(502, "upstream_error");
        }
        assert_eq!(last(&gateway, &token), ("void".to_owned(), "none".to_owned(), 0), "{body:?}");
    }
}

/// T4: figures that came before the text were not the last word.
#[test]
fn text_after_the_usage_counts() {
    let mut first: Value = serde_json::from_str(&delta("a")).unwrap();
    first["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11});
    let first = first.to_string();
    let mock = Mock::start(move |_| {
        let reply = Reply::sse().event(&first);
        (0..100).fold(reply, |reply, _| reply.event(&delta("twenty bytes of text"))).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    gateway.chat(&token.key, &streamed()).expect(200);
    let (outcome, source, used) = last(&gateway, &token);
    assert!(outcome == "ok" && used >= 500, "{outcome} {source} {used}");
}

/// A client that stalls just when the whole rest is there: the answer is complete, and costs what its provider says.
#[test]
fn a_stall_before_the_terminator() {
    let (large, more) = (delta(&"x".repeat(12 << 20)), delta(&"y".repeat(1 << 20)));
    let mock = Mock::start(move |_| {
        let reply = (0..4).fold(Reply::sse().event(&large), |reply, _| reply.event(&more));
        let end = format!("data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", delta("z"), usage_event(3, 4));
        reply.chunk(end).end()
    });
    let settings = Settings::with(&mock).set("server", "timeouts", "{ header = 30, body = 30, write = 2 }");
    let gateway = Gateway::start(settings);
    let token = gateway.create(json!({"remain_quota": 100_000_000}));
    let mut connection: Connection = gateway.connect();
    connection.send(&Request::post("/v1/chat/completions", &streamed()).bearer(&token.key).bytes());
    mock.wait_for(1);
    eventually("it is held", SOON, || (gateway.held(&token) > 0).then_some(()));
    eventually("it is let go", SOON, || (gateway.held(&token) == 0).then_some(()));
    // How the network cuts the stream decides whether the last piece still finds room in the gateway (then it is an answer like
    // any other) or stalls with its client. It costs the same.
    let (outcome, source, cost) = last(&gateway, &token);
    assert!(["ok", "client_gone"].contains(&outcome.as_str()), "{outcome}");
    assert_eq!((source.as_str(), cost), ("provider", 7));
    drop(connection);
}

/// Cut at every byte, under both framings: `[DONE]` is seen with a row that says ok and the exact charge, or not at all; what
/// follows a cut is an error that stands alone.
#[test]
fn cut_at_every_byte() {
    let body = format!("data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", delta("some words"), usage_event(30, 40));
    let whole = body.len();
    let mock = Mock::start(move |request| {
        let (framing, at) = (request.number % 2, request.number / 2);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        let piece = &body[..at.min(whole)];
        if framing == 0 {
            Reply::raw(format!("{head}\r\n{piece}")).close()
        } else {
            Reply::raw(format!("{head}Content-Length: {whole}\r\n\r\n{piece}")).close()
        }
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    for number in 0..=2 * whole + 1 {
        let answer = gateway.chat(&token.key, &streamed());
        let text = answer.text();
        let id = answer.header("x-request-id").unwrap().to_owned();
        let row = gateway.ledger(&format!("request_id={id}")).remove(0);
        let (outcome, charged) = (row["outcome"].as_str().unwrap(), nanos(&row["charged_usd"]) / QUOTA);
        if text.contains("[DONE]") {
            assert_eq!((outcome, charged, answer.clean), ("ok", 70, true), "{number}: {text}");
            continue;
        }
        assert!(outcome != "ok" && charged <= 70 + 100, "{number}: {outcome} {charged} {text}");
        assert!(charged > 0 || number / 2 < 1 || outcome == "void", "{number}: {outcome} {charged} {text}");
        let last = if answer.status == 200 { answer.events().pop().unwrap() } else { text };
        let error: Value =
            serde_json::from_str(&last).unwrap_or_else(|why| panic!("{number}: {why}: {last}"));
        assert_eq!(error["error"]["type"], "upstream_error", "{number}");
    }
}
