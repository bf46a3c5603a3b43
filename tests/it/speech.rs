//! `POST /v1/audio/speech`: sound, relayed as it comes, at the price of the characters that are spoken.

use serde_json::{Value, json};

use crate::harness::{Gate, Gateway, Mock, PROMPT, Piece, Reply, Request, Response, Settings, Token, nanos};

const ROUTE: &str = "/v1/audio/speech";

/// Bytes that begin as a page and as JSON would: sound may.
const SOUND: &[u8] = b"<{\0\xff\xfb\x90";

fn head(content_type: &str) -> Reply {
    Reply::raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
}

/// A dollar for a million characters of `s-*`, a cent for each call of `s-call`; `p-1` draws.
fn settings(mock: &Mock) -> Settings {
    let prices = "[[prices]]\nmodel = \"s-*\"\nper_million_characters = 1\n[[prices]]\nmodel = \"s-call\"\nper_request = 0.01\n[[prices]]\nmodel = \"p-1\"\nper_image = 1\n";
    Settings::demo().channel("mock", mock, "models = [\"s-*\", \"tts-1\", \"p-1\"]").append(prices)
}

fn body(model: &str) -> Value {
    json!({"model": model, "input": PROMPT, "voice": "alloy"})
}

fn ask(gateway: &Gateway, token: &Token, body: &Value) -> Response {
    gateway.post(&token.key, ROUTE, body)
}

fn charged(gateway: &Gateway, token: &Token) -> (i64, String) {
    let entry = gateway.last_entry(token);
    (nanos(&entry["charged_usd"]), entry["outcome"].as_str().unwrap().to_owned())
}

/// It comes piece by piece with its own type, and its end waits for the books.
#[test]
fn sound_is_relayed_as_it_comes() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| head("audio/mpeg").chunk(SOUND).wait(&shut).chunk(b"rest").end());
    let gateway = Gateway::start(settings(&mock));
    let characters = i64::try_from(PROMPT.len()).unwrap();
    // 15 000 n$ a character: the hold is exact, and it is the charge.
    let token = gateway.create(json!({"remain_credits": 10}));
    let mut answer = gateway.open(&Request::post(ROUTE, &body("tts-1")).bearer(&token.key));
    assert!(matches!(answer.piece(), Piece::Data(data) if data == SOUND));
    let rows = gateway.ledger(&format!("token_id={}&outcome=ok", token.id));
    assert!(rows.is_empty());
    // Shown in whole quota of 2 000 n$, rounded up.
    assert_eq!(gateway.held(&token), (characters * 15_000 + 1_999) / 2_000);
    gate.open();
    let answer = answer.finish();
    assert_eq!((answer.body.as_slice(), answer.clean), (&b"rest"[..], true));
    assert_eq!(
        (answer.header("content-type"), answer.header("x-tollgate-cost-usd")),
        (Some("audio/mpeg"), None)
    );
    let rows = gateway.ledger(&format!("token_id={}&outcome=ok", token.id));
    assert_eq!(nanos(&rows[0]["charged_usd"]), characters * 15_000);
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.json()), (ROUTE, body("tts-1")));
}

#[test]
fn what_each_end_costs() {
    let characters = i64::try_from(PROMPT.len()).unwrap() * 1_000;
    for (reply, model, status, clean, cost, outcome) in [
        (head("audio/wav").chunk(SOUND).end(), "s-1", 200, true, characters, "ok"),
        (head("audio/wav").chunk(SOUND).end(), "s-call", 200, true, 10_000_000, "ok"),
        // Cut in the middle: the client sees it cut.
        (head("audio/wav").chunk(SOUND).close(), "s-1", 200, false, characters, "upstream_error"),
        (head("audio/wav").close(), "s-1", 502, true, characters, "upstream_unknown"),
        (head("audio/wav").end(), "s-1", 502, true, 0, "void"),
        (Reply::json(200, &json!({"error": {"message": "no"}})), "s-1", 502, true, 0, "void"),
        (Reply::body(200, "text/html", "<html>"), "s-1", 502, true, 0, "void"),
        (Reply::error(400, "no"), "s-1", 400, true, 0, "void"),
    ] {
        let sent = reply.clone();
        let mock = Mock::start(move |_| sent.clone());
        let gateway = Gateway::start(settings(&mock));
        let token = gateway.create(json!({"remain_credits": 10}));
        let answer = ask(&gateway, &token, &body(model));
        assert_eq!((answer.status, answer.clean), (status, clean), "{reply:?}");
        assert_eq!(charged(&gateway, &token), (cost, outcome.to_owned()), "{reply:?}");
    }
}

/// A client that leaves pays it all: its provider bills it all.
#[test]
fn a_client_that_leaves_pays_it_all() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| head("audio/mpeg").chunk(SOUND).wait(&shut).chunk(b"rest").end());
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_credits": 10}));
    let mut answer = gateway.open(&Request::post(ROUTE, &body("s-1")).bearer(&token.key));
    assert!(matches!(answer.piece(), Piece::Data(_)));
    drop(answer);
    gate.open();
    let (cost, outcome) = charged(&gateway, &token);
    assert_eq!(cost, i64::try_from(PROMPT.len()).unwrap() * 1_000);
    assert!(outcome == "client_gone" || outcome == "ok", "{outcome}");
}

#[test]
fn a_stream_of_events() {
    let events = ["{\"type\":\"speech.audio.delta\",\"audio\":\"QUJD\"}", "{\"type\":\"speech.audio.done\"}"];
    let mock =
        Mock::start(move |_| events.iter().fold(Reply::sse(), |reply, event| reply.event(event)).end());
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_credits": 10}));
    let mut asked = body("s-1");
    asked["stream_format"] = json!("sse");
    let answer = ask(&gateway, &token, &asked).expect(200);
    assert_eq!(answer.events(), events);
    assert_eq!(charged(&gateway, &token).0, i64::try_from(PROMPT.len()).unwrap() * 1_000);
}

/// Speech has no price by the image, and text none by the character.
#[test]
fn refusals_reach_no_provider() {
    let mock = Mock::start(|_| head("audio/mpeg").end());
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_quota": 10}));
    for (body, status, code) in [
        (json!({"model": "s-1"}), 400, "invalid_parameter"),
        (json!({"model": "s-1", "input": ["a"]}), 400, "invalid_parameter"),
        (body("p-1"), 402, "model_not_priced"),
        (body("nowhere"), 404, "model_not_found"),
        // 21 characters are 21 000 n$; 10 quota are 20 000.
        (json!({"model": "s-1", "input": "é".repeat(21)}), 402, "insufficient_quota"),
    ] {
        ask(&gateway, &token, &body).refuses(status, code);
    }
    let text = json!({"model": "s-1", "messages": [], "max_tokens": 16});
    gateway.chat(&token.key, &text).refuses(402, "model_not_priced");
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

#[test]
fn demo_speaks() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 1}));
    let answer =
        ask(&gateway, &token, &json!({"model": "demo", "input": "Hi", "voice": "alloy"})).expect(200);
    assert_eq!((answer.header("content-type"), answer.body.len()), (Some("audio/mpeg"), 2 * 2 * 417));
    assert_eq!(charged(&gateway, &token), (30_000, "ok".to_owned()));
}
