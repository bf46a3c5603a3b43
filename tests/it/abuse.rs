//! Raw sockets that do what no client should: nothing hangs, nothing is smuggled, nothing is spent.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Connection, Gateway, Mock, Reply, Request, Settings, Token, at_once, chat};

const ROUTE: &str = "/v1/chat/completions";
const BODY: &str = r#"{"model":"m-ok","max_tokens":5,"messages":[]}"#;

fn prepared() -> (Mock, Gateway, Token) {
    let mock = Mock::answering(1, 1);
    let settings = Settings::with(&mock).set("server", "max_body_bytes", "100000");
    let gateway = Gateway::start(settings.set("server", "timeouts", "{ header = 1, body = 2, write = 5 }"));
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    (mock, gateway, token)
}

fn raw(gateway: &Gateway, bytes: &[u8]) -> Connection {
    let mut connection = gateway.connect();
    connection.send(bytes);
    connection
}

fn post(token: &Token, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{headers}\r\n{body}", token.key)
        .into_bytes()
}

/// AB-01: framing that two parsers could read in two ways is refused, and the connection closed.
#[test]
fn ambiguous_framing() {
    let (mock, gateway, token) = prepared();
    let length = BODY.len();
    let chunked = format!("{length:x}\r\n{BODY}\r\n0\r\n\r\n");
    let smuggled = format!("{chunked}POST {ROUTE} HTTP/1.1\r\nHost: x\r\n\r\n");
    let cases = [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), smuggled.as_str()),
        (format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1), BODY),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), &chunked),
        (format!("Content-Length: +{length}\r\n"), BODY),
        (format!("Content-Length: {length:#x}\r\n"), BODY),
        (format!("Content-Length: {length},{length}\r\n"), BODY),
        ("Content-Length: -1\r\n".to_owned(), BODY),
        (" Transfer-Encoding : chunked\r\n".to_owned(), &chunked),
        ("X: a\r\n b\r\nContent-Length: 0\r\n".to_owned(), ""),
        ("Transfer-Encoding: chunked\r\n".to_owned(), "0x5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n".to_owned(), "10000000000000000\r\nhello"),
        ("Transfer-Encoding: chunked\r\n".to_owned(), "-5\r\nhello\r\n0\r\n\r\n"),
    ];
    for (headers, body) in cases {
        let connection = raw(&gateway, &post(&token, &headers, body));
        connection.patience(Duration::from_secs(5));
        let answer = connection.answer().ok().map(|exchange| exchange.status);
        assert!(answer.is_none_or(|status| (400..500).contains(&status)), "{headers:?}: {answer:?}");
    }
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

/// Pipelining, bare line feeds and HTTP/1.0: an ordinary answer or an ordinary refusal, never a second request.
#[test]
fn odd_but_harmless() {
    let (mock, gateway, token) = prepared();
    let good = post(&token, &format!("Content-Length: {}\r\n", BODY.len()), BODY);
    let twice = [good.clone(), good].concat();
    let mut exchange = raw(&gateway, &twice).answer().unwrap();
    assert_eq!(exchange.status, 200);
    while !matches!(exchange.piece(), crate::harness::Piece::End) {}
    drop(exchange);
    let after_refusal = format!(
        "POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n"
    );
    let mut connection = raw(&gateway, after_refusal.as_bytes());
    assert!(connection.is_closed_within(Duration::from_secs(10)), "unread body: the connection closes");
    let old = format!(
        "POST {ROUTE} HTTP/1.0\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        token.key
    );
    let answer = raw(&gateway, old.as_bytes()).answer().ok().map(|exchange| exchange.status);
    assert!(answer.is_none_or(|status| (400..500).contains(&status)), "{answer:?}");
    assert!(mock.count() <= 2);
    gateway.settled(&token);
}

/// AB-03: nothing is upgraded. An offer of HTTP/2, which curl and Java make on their own, is passed over.
#[test]
fn upgrades_are_refused() {
    let (mock, gateway, token) = prepared();
    for (upgrade, expected) in [("websocket", 400), ("h2c", 200)] {
        let headers =
            format!("Connection: upgrade\r\nUpgrade: {upgrade}\r\nContent-Length: {}\r\n", BODY.len());
        let bytes =
            [post(&token, &headers, BODY), b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()].concat();
        let start = Instant::now();
        let answer = raw(&gateway, &bytes).answer().unwrap().finish();
        assert_eq!((answer.status, answer.header("connection")), (expected, Some("close")), "{upgrade}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert!(mock.received().iter().all(|request| request.target == ROUTE));
    assert_eq!(mock.count(), 1);
    gateway.settled(&token);
}

/// AB-04, T24: slow heads and slow bodies are ended; others are served meanwhile.
#[test]
fn slow_senders() {
    let (mock, gateway, token) = prepared();
    let mut slow: Vec<_> = (0..50).map(|_| raw(&gateway, b"POST /v1/chat/comple")).collect();
    let mut bodies: Vec<_> =
        (0..10).map(|_| raw(&gateway, &post(&token, "Content-Length: 500\r\n", "{"))).collect();
    let start = Instant::now();
    gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 5}))).expect(200);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for connection in slow.iter_mut().chain(&mut bodies) {
        assert!(connection.is_closed_within(Duration::from_secs(10)));
    }
    let answer = raw(&gateway, &post(&token, "Content-Length: 500\r\n", "{")).answer().unwrap().finish();
    answer.refuses(408, "request_timeout");
    assert_eq!(mock.count(), 1);
}

/// AB-06: heads beyond all reason.
#[test]
fn huge_heads() {
    let (mock, gateway, token) = prepared();
    let many = "X-Header: y\r\n".repeat(300);
    for bytes in [
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000)),
        format!("GET /v1/models HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(200_000)),
        format!("GET /v1/models HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
    ] {
        let answer = raw(&gateway, bytes.as_bytes()).answer().ok().map(|exchange| exchange.status);
        assert!(answer.is_none_or(|status| [400, 404, 414, 431].contains(&status)), "{answer:?}");
    }
    gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 5}))).expect(200);
    assert_eq!(mock.count(), 1);
}

/// AB-07: compressed bodies are not read.
#[test]
fn compressed_bodies() {
    let (mock, gateway, token) = prepared();
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip", "compress", "x"] {
        let request =
            Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", "application/json");
        gateway
            .send(&request.header("Content-Encoding", encoding).body(b"\x1f\x8b\x08"))
            .refuses(415, "unsupported_encoding");
    }
    let request = Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", "application/json");
    gateway.send(&request.header("Content-Encoding", "identity").body(BODY.as_bytes())).expect(200);
    assert_eq!(mock.count(), 1);
}

/// AB-08: the limit on bodies, to the byte, with and without a length; a bad key is told before the body is read.
#[test]
fn body_limits() {
    let (mock, gateway, token) = prepared();
    let of_size = |size: usize| format!("{BODY}{}", " ".repeat(size - BODY.len()));
    for (size, status) in [(99_999, 200), (100_000, 200), (100_001, 413)] {
        let plain = post(&token, &format!("Content-Length: {size}\r\nConnection: close\r\n"), &of_size(size));
        assert_eq!(raw(&gateway, &plain).answer().unwrap().status, status, "{size}");
        let body = format!("{size:x}\r\n{}\r\n0\r\n\r\n", of_size(size));
        let chunked = post(&token, "Transfer-Encoding: chunked\r\nConnection: close\r\n", &body);
        assert_eq!(raw(&gateway, &chunked).answer().unwrap().status, status, "{size}, chunked");
    }
    assert_eq!(mock.count(), 4);
    let large = post(&token, "Content-Length: 1000000000\r\n", "");
    raw(&gateway, &large).answer().unwrap().finish().refuses(413, "request_too_large");
    let stranger = format!(
        "POST {ROUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-x\r\nContent-Length: 90000\r\n\r\n"
    );
    let start = Instant::now();
    raw(&gateway, stranger.as_bytes()).answer().unwrap().finish().refuses(401, "invalid_api_key");
    assert!(start.elapsed() < Duration::from_secs(2), "told before the body is read");
    gateway.settled(&token);
}

/// AB-10: a client that waits for leave to send its body is refused for a bad key without a byte of that body; with a good one
/// it is served.
#[test]
fn bodies_held_back_until_asked_for() {
    let (mock, gateway, token) = prepared();
    let expecting = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", BODY.len());
    let stranger = Token { key: format!("sk-{}", crate::harness::unique()), ..token.clone() };
    let refused = raw(&gateway, &post(&stranger, &expecting, "")).answer().unwrap();
    assert!(refused.headers.contains(&("connection".to_owned(), "close".to_owned())));
    refused.finish().refuses(401, "invalid_api_key");
    // What the client sends all the same is read by nobody, nor taken for a request.
    let mut connection = raw(&gateway, &post(&stranger, &expecting, &BODY.repeat(2)));
    assert!(connection.head().is_ok());
    assert!(connection.is_closed_within(Duration::from_secs(5)));
    let mut connection = raw(&gateway, &post(&token, &expecting, ""));
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
    connection.send(BODY.as_bytes());
    assert_eq!(connection.answer().unwrap().finish().status, 200);
    assert_eq!(mock.count(), 1);
    gateway.settled(&token);
}

/// AB-09: JSON that is built to hurt.
#[test]
fn hostile_json() {
    let (mock, gateway, token) = prepared();
    let keys: Vec<_> = (0..8_000).map(|number| format!("\"k{number}\":1")).collect();
    let refused: Vec<Vec<u8>> = vec![
        "[".repeat(100_000).into_bytes(),
        format!("{{\"model\":\"m-ok\",\"messages\":{}", "{\"a\":".repeat(15_000)).into_bytes(),
        b"\xef\xbb\xbf{\"model\":\"m-ok\",\"messages\":[]}".to_vec(),
        BODY.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        b"{\"model\":\"m-ok\",\"messages\":[\"\xff\"]}".to_vec(),
        format!("{BODY}{BODY}").into_bytes(),
        format!("{BODY}x").into_bytes(),
        b"".to_vec(),
        b"{\"model\":\"m-ok\",\"messages\":[],\"max_tokens\":NaN}".to_vec(),
    ];
    for body in refused {
        let request =
            Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", "application/json");
        let start = Instant::now();
        let answer = gateway.send(&request.body(&body));
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(mock.count(), 0);
    let digits = "1".repeat(90_000);
    for body in [
        format!("{{\"model\":\"m-ok\",\"max_tokens\":5,\"messages\":[],{}}}", keys.join(",")),
        format!("{{\"model\":\"m-ok\",\"max_tokens\":5,\"messages\":[],\"x\":{digits}}}"),
    ] {
        let request =
            Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", "application/json");
        let answer = gateway.send(&request.body(body.as_bytes()));
        assert!([200, 400].contains(&answer.status), "{}", answer.text());
    }
    gateway.settled(&token);
}

/// AB-16: methods.
#[test]
fn methods() {
    let (mock, gateway, token) = prepared();
    for method in ["TRACE", "CONNECT", "PUT", "DELETE", "HEAD", "OPTIONS", "post", "PATCH", "FOO", "GET"] {
        let bytes = format!(
            "{method} {ROUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\nX-Echo: echo-me\r\n\r\n",
            token.key
        );
        let connection = raw(&gateway, bytes.as_bytes());
        connection.patience(Duration::from_secs(5));
        let Ok(exchange) = connection.answer() else { continue };
        assert!([400, 404, 405, 501].contains(&exchange.status), "{method}: {}", exchange.status);
        if method != "HEAD" {
            assert!(!exchange.finish().text().contains("echo-me"), "{method}");
        }
    }
    let absolute = format!(
        "GET http://evil.test/v1/models HTTP/1.1\r\nHost: evil.test\r\nAuthorization: Bearer {}\r\n\r\n",
        token.key
    );
    let status = raw(&gateway, absolute.as_bytes()).answer().map(|exchange| exchange.status);
    assert!(matches!(status, Ok(200 | 400 | 404)), "{status:?}");
    assert_eq!(mock.count(), 0);
}

/// AB-18: content types on a JSON route.
#[test]
fn content_types() {
    let (mock, gateway, token) = prepared();
    for (kind, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/x-www-form-urlencoded", 415),
        ("json", 415),
    ] {
        let request =
            Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", kind).body(BODY.as_bytes());
        assert_eq!(gateway.send(&request).status, status, "{kind}");
    }
    gateway.send(&Request::new("POST", ROUTE).bearer(&token.key).body(BODY.as_bytes())).expect(200);
    assert_eq!(mock.count(), 4);
    gateway.settled(&token);
}

/// AB-13, T29: what a client names cannot forge a log line.
#[test]
fn forged_log_lines() {
    let (_mock, gateway, token) = prepared();
    let evil = "x\n2026-01-01T00:00:00Z INFO forged \u{1b}[2J${jndi:ldap://x}%0d%0a";
    gateway.chat(&token.key, &chat(evil, &json!({}))).refuses(400, "invalid_parameter");
    gateway.chat(&token.key, &chat("${jndi:ldap://x}\u{202e}%0d%0a", &json!({}))).expect(404);
    gateway.create(json!({"name": "\u{202e}${jndi:x}", "metadata": {"a": evil}}));
    let request = Request::post(ROUTE, &chat("m-ok", &json!({"max_tokens": 5}))).bearer(&token.key);
    drop(gateway.send(&request.header("User-Agent", "\u{1b}[31mred")));
    gateway.get(&token.key, "/v1/models/%0aforged%1b[2J").expect(404);
    let (_, log) = gateway.printed();
    assert!(!log.contains('\u{1b}'), "{log:?}");
    assert!(
        !log.lines()
            .any(|line| line.starts_with("2026-01-01T00:00:00Z INFO forged") || line.starts_with("forged")),
        "{log}"
    );
    gateway.settled(&token);
}

/// AB-14: a crowd of unknown models costs nothing and breaks nothing.
#[test]
fn many_unknown_models() {
    let (mock, gateway, token) = prepared();
    at_once(8, |number| {
        for round in 0..50 {
            gateway
                .chat(&token.key, &chat(&format!("model-{number}-{round}"), &Value::Null))
                .refuses(404, "model_not_found");
        }
    });
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

/// AB-15: connections of one address are bounded, and the bound frees again.
#[test]
fn connections_of_one_address() {
    let gateway = Gateway::start(Settings::demo().set("limits", "max_connections_per_ip", "20"));
    let mut open: Vec<_> = (0..30).map(|_| gateway.connect()).collect();
    let closed = open
        .iter_mut()
        .filter_map(|connection| connection.is_closed_within(Duration::from_millis(50)).then_some(()))
        .count();
    assert!(closed >= 10, "{closed}");
    drop(open);
    crate::harness::eventually("there is room again", crate::harness::SOON, || {
        let mut connection = Connection::try_open(gateway.address()).ok()?;
        connection.send(&Request::get("/livez").bytes());
        connection.answer().ok().filter(|answer| answer.status == 200).map(|_| ())
    });
}

/// T26: an answer counts as buffered until its client has taken it, so stalled readers cannot pile answers up.
#[test]
fn answers_nobody_takes_are_bounded() {
    let text = "x".repeat(16 << 20);
    let plain = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
    .to_string();
    let mock = Mock::start(move |_| Reply::body(200, "application/json", &plain));
    let gateway = Gateway::start(Settings::with(&mock).set("server", "max_buffered_bytes", "40000000"));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    let request =
        Request::post("/v1/chat/completions", &chat("m-ok", &json!({"max_tokens": 16}))).bearer(&token.key);
    let stalled: Vec<_> = (0..2).map(|_| gateway.open(&request)).collect();
    assert!(stalled.iter().all(|exchange| exchange.status == 200));
    gateway.send(&request).refuses(503, "overloaded");
    for exchange in stalled {
        assert!(exchange.finish().clean);
    }
    gateway.send(&request).expect(200);
}
