//! Providers that misbehave: what the client is told, what is charged, and what a provider gets to see.

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::{COMPLETION, Gateway, Mock, Reply, Request, Response, Settings, Token};
use crate::harness::{chat, delta, nanos, usage_event};

/// Providers that give one reply each, all behind one gateway: the model `m-<number>` gets the reply of that number.
struct Facing {
    mock: Mock,
    gateway: Gateway,
}

impl Facing {
    fn new(replies: Vec<Reply>, more: &str) -> Self {
        let mock = Mock::start(move |request| {
            let model = request.json()["model"].as_str().expect("a model").to_owned();
            replies[model[2..].parse::<usize>().expect("a number")].clone()
        });
        let channel = format!("models = [\"m-*\"]\n{more}");
        let settings = Settings::demo().channel("mock", &mock, &channel).price("m-*", "2", "2");
        let gateway = Gateway::start(settings.set("server", "max_response_bytes", "100000"));
        Self { mock, gateway }
    }

    fn token(&self) -> Token {
        self.gateway.create(json!({"remain_quota": 1_000_000}))
    }

    /// Asks for reply `number`, with `stream` as it is.
    fn ask(&self, token: &Token, number: usize, stream: &Value) -> Response {
        let body = chat(&format!("m-{number}"), &json!({"max_tokens": 500, "stream": stream}));
        self.gateway.chat(&token.key, &body)
    }
}

/// The outcome of a token's newest request, and what the token has used in all, in quota.
fn outcome(gateway: &Gateway, token: &Token) -> (String, i64) {
    let row = gateway.last_entry(token);
    assert!(nanos(&row["charged_usd"]) <= nanos(&row["held_usd"]), "{row}");
    (row["outcome"].as_str().unwrap().to_owned(), gateway.used(token))
}

/// UF-04: statuses of the provider and their codes, and the status the client gets.
const STATUSES: &[(u16, &str, u16)] = &[
    (400, "bad", 400),
    (404, "nope", 404),
    (409, "x", 409),
    (413, "x", 413),
    (422, "x", 422),
    (429, "rate", 429),
    (429, "insufficient_quota", 502),
    (401, "k", 502),
    (402, "k", 502),
    (403, "k", 502),
    (407, "k", 502),
    (500, "x", 502),
    (503, "x", 502),
    (529, "x", 502),
    (300, "x", 502),
    (599, "x", 502),
];

#[test]
fn provider_statuses() {
    let replies = STATUSES.iter().map(|(status, code, _)| Reply::error(*status, code)).collect();
    let facing = Facing::new(replies, "");
    for (number, (status, code, expected)) in STATUSES.iter().enumerate() {
        let token = facing.token();
        for stream in [json!(false), json!(true)] {
            let answer = facing.ask(&token, number, &stream);
            assert_eq!(answer.status, *expected, "{status} {code}: {}", answer.text());
            let told = if *expected == 502 { "upstream_error" } else { code };
            assert_eq!(answer.code(), told, "{}", answer.text());
            assert!(answer.header("x-request-id").is_some());
        }
        assert_eq!(outcome(&facing.gateway, &token), ("void".to_owned(), 0), "{status}");
        assert_eq!(facing.mock.count(), 2 * (number + 1), "{status}: no silent repeat");
    }
}

/// UF-01: nobody there.
#[test]
fn no_connection() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [
        format!("http://{unused}/v1"),
        format!("https://{unused}/v1"),
        "http://no.such.host.invalid/v1".to_owned(),
    ] {
        let channel = format!(
            "[[channels]]\nname = \"gone\"\nprovider = \"openai\"\nbase_url = \"{url}\"\nmodels = [\"m\"]\napi_keys = [\"env:GONE_KEY\"]\ntimeouts = {{ connect = 2, total = 5 }}\n"
        );
        let gateway =
            Gateway::start(Settings::demo().append(&channel).env("GONE_KEY", "x").price("m", "2", "2"));
        let token = gateway.create(json!({"remain_quota": 10_000}));
        let answer =
            gateway.chat(&token.key, &chat("m", &json!({"max_tokens": 50}))).refuses(502, "upstream_error");
        assert_eq!(answer.json()["error"]["type"], "upstream_error");
        assert_eq!(outcome(&gateway, &token), ("void".to_owned(), 0));
    }
}

/// UF-01: a certificate nobody vouches for, or no TLS at all.
#[test]
fn bad_tls() {
    let mock = Mock::answering(1, 1);
    let url = format!("https://{}/v1", mock.address());
    let channel = format!(
        "[[channels]]\nname = \"tls\"\nprovider = \"openai\"\nbase_url = \"{url}\"\nmodels = [\"m\"]\napi_keys = [\"env:TLS_KEY\"]\ntimeouts = {{ connect = 2, total = 5 }}\n"
    );
    let gateway = Gateway::start(Settings::demo().append(&channel).env("TLS_KEY", "x").price("m", "2", "2"));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    let answer = gateway.chat(&token.key, &chat("m", &json!({"max_tokens": 50})));
    assert!([502, 504].contains(&answer.status), "{}", answer.text());
    assert_eq!(outcome(&gateway, &token).1, 0);
    assert_eq!(mock.count(), 0);
}

/// UF-02: accepted, never answered: 504, and at least what the input costs.
#[test]
fn no_answer() {
    let hang = Reply::default().hang();
    for (limit, is_stream) in [("total = 1", json!(false)), ("first_byte = 1", json!(true))] {
        let facing = Facing::new(vec![hang.clone()], &format!("timeouts = {{ {limit} }}"));
        let token = facing.token();
        facing.ask(&token, 0, &is_stream).refuses(504, "upstream_timeout");
        let (outcome, used) = outcome(&facing.gateway, &token);
        assert_eq!(outcome, "upstream_unknown");
        assert!(used > 0 && used < 500, "{used}");
    }
}

/// UF-06: a redirect is not followed; nobody else sees the key or the prompt.
#[test]
fn redirects_are_not_followed() {
    let thief = Mock::answering(1, 1);
    let redirect = |status: &u16| {
        let location = format!("{}/chat/completions", thief.base_url());
        Reply::raw(format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
    };
    let facing = Facing::new([301, 302, 303, 307, 308].iter().map(redirect).collect(), "");
    for number in 0..5 {
        let token = facing.token();
        let answer = facing.ask(&token, number, &json!(false)).refuses(502, "upstream_error");
        assert_eq!(answer.header("location"), None);
        assert_eq!(outcome(&facing.gateway, &token), ("void".to_owned(), 0));
    }
    assert_eq!(thief.count(), 0);
}

/// A 200 that is none: free before any output.
#[test]
fn answers_that_are_none() {
    let replies = vec![
        Reply::json(200, &json!({"error": {"message": "no", "code": 500}})),
        Reply::body(200, "text/html", "<html>login</html>"),
        Reply::body(200, "application/json", "<!doctype html>"),
        Reply::body(200, "application/json", ""),
    ];
    let facing = Facing::new(replies.clone(), "");
    for (number, reply) in replies.iter().enumerate() {
        let token = facing.token();
        for stream in [json!(false), json!(true)] {
            facing.ask(&token, number, &stream).refuses(502, "upstream_error");
        }
        assert_eq!(outcome(&facing.gateway, &token), ("void".to_owned(), 0), "{reply:?}");
    }
}

/// A 200 that is broken: 502, and the floor is charged, for the provider may have worked.
#[test]
fn answers_that_are_broken() {
    let large = json!({"choices": [{"message": {"content": "x".repeat(200_000)}}]}).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let replies = vec![
        Reply::body(200, "application/json", "null"),
        Reply::body(200, "application/json", "[]"),
        Reply::body(200, "application/json", "{}"),
        Reply::body(200, "application/json", "{\"choices\":[{\"mess"),
        Reply::body(200, "application/json", [0xff, 0xfe, 0x00]),
        Reply::raw(format!("{head}Content-Length: 100\r\n\r\n{{\"choices\":")).close(),
        Reply::raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"cho\r\n")).close(),
        Reply::raw(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n")).close(),
        Reply::body(200, "application/json", large),
        Reply::raw(format!("{head}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\u{8}xx")),
        Reply::default().close(),
        Reply::raw("garbage\r\n\r\n").close(),
    ];
    let facing = Facing::new(replies.clone(), "");
    for (number, reply) in replies.iter().enumerate() {
        let token = facing.token();
        facing.ask(&token, number, &json!(false)).refuses(502, "upstream_error");
        let (outcome, used) = outcome(&facing.gateway, &token);
        assert_ne!(outcome, "ok", "{number}");
        assert!(used > 0 && used < 600, "{reply:.200?}: {outcome} {used}");
        assert_eq!(facing.mock.count(), number + 1, "{number}: a request that was sent is not repeated");
    }
}

/// Usage seen in a broken answer counts.
#[test]
fn usage_in_an_error_object_counts() {
    let body = json!({"error": {"message": "late"}, "usage": {"prompt_tokens": 40, "completion_tokens": 2}});
    let facing = Facing::new(vec![Reply::json(200, &body)], "");
    let token = facing.token();
    facing.ask(&token, 0, &json!(false)).refuses(502, "upstream_error");
    assert_eq!(outcome(&facing.gateway, &token).1, 42);
}

/// UF-09: interim and empty answers.
#[test]
fn odd_statuses() {
    let mut early = Reply::raw("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    early.steps.extend(Reply::completion(3, 4).steps);
    let odd = [
        "204 No Content\r\n\r\n",
        "304 Not Modified\r\n\r\n",
        "205 Reset\r\nContent-Length: 0\r\n\r\n",
        "101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    ];
    let replies = odd.iter().map(|head| Reply::raw(format!("HTTP/1.1 {head}")).close());
    let facing = Facing::new(std::iter::once(early).chain(replies).collect(), "");
    let token = facing.token();
    for _ in 0..3 {
        let answer = facing.ask(&token, 0, &json!(false)).expect(200);
        assert_eq!(answer.json()["usage"]["total_tokens"], 7, "each client gets its own answer");
    }
    assert_eq!(facing.gateway.settled(&token), 21);
    for (number, head) in odd.iter().enumerate() {
        assert_eq!(facing.ask(&token, number + 1, &json!(false)).status, 502, "{head}");
    }
    facing.ask(&token, 0, &json!(false)).expect(200);
}

/// UF-10: a kept connection that the provider closed is no client's trouble.
#[test]
fn closed_keep_alive_connections() {
    let facing = Facing::new(vec![Reply::completion(1, 1).close()], "");
    let token = facing.token();
    for _ in 0..50 {
        facing.ask(&token, 0, &json!(false)).expect(200);
        facing.gateway.used(&token);
    }
    assert_eq!((facing.mock.count(), facing.gateway.settled(&token)), (50, 100));
}

/// A body that ends with its connection is whole.
#[test]
fn bodies_without_a_length() {
    let body = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let whole = json!({"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": COMPLETION}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}});
    let facing = Facing::new(vec![Reply::raw(body).write(whole.to_string()).close()], "");
    let token = facing.token();
    assert_eq!(facing.ask(&token, 0, &json!(false)).expect(200).json(), whole);
    assert_eq!(facing.gateway.settled(&token), 7);
}

/// UF-11: an error text that echoes the provider's key, and is endless.
#[test]
fn secrets_in_error_texts() {
    let mock = Mock::start(|request| {
        let key = request.header("authorization").unwrap_or_default().to_owned();
        let text = format!("Incorrect API key provided: {key} {}", "x".repeat(1_000_000));
        Reply::json(400, &json!({"error": {"message": text, "type": "invalid_request_error", "code": "bad"}}))
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    // That no answer shows the key is asserted for every answer.
    let answer = gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 50}))).expect(400);
    assert!(answer.body.len() < 1_100_000);
    let headers = Mock::start(|request| {
        let key = request.header("authorization").unwrap_or_default().to_owned();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Key: {key}\r\nSet-Cookie: a=b\r\nServer: x\r\nx-request-id: upstream-1\r\nopenai-version: 2020\r\nAccess-Control-Allow-Origin: *\r\n"
        );
        let body = json!({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).to_string();
        Reply::raw(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    });
    let gateway = Gateway::start(Settings::with(&headers));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    let answer = gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 50}))).expect(200);
    for name in ["x-key", "set-cookie", "access-control-allow-origin"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-upstream-request-id"), Some("upstream-1"));
    assert_eq!(answer.header("openai-version"), Some("2020"));
    assert_ne!(answer.header("x-request-id"), Some("upstream-1"));
}

/// UF-15: what a provider gets: its own key, one host, one length, no word of the client's credentials.
#[test]
fn what_a_provider_sees() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    // Odd spacing and unknown fields must arrive as they were sent.
    let body =
        br#"{ "messages" : [ {"role":"user","content":"h\u0069"} ],"x_unknown":1.50, "model":"m-ok" }"#;
    let request = Request::new("POST", "/v1/chat/completions")
        .bearer(&token.key)
        .header("Content-Type", "application/json");
    let passed = [
        ("Accept", "application/json"),
        ("User-Agent", "client/1"),
        ("OpenAI-Beta", "x=1"),
        ("X-Stainless-Lang", "rust"),
        ("tracestate", "a=b"),
    ];
    let dropped = [
        ("x-api-key", token.key.as_str()),
        ("Cookie", "c=d"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Host", "evil"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Custom", "secret"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("OpenAI-Organization", "org"),
        ("Accept-Encoding", "gzip"),
        ("Origin", "http://evil.test"),
    ];
    let request =
        passed.iter().chain(&dropped).fold(request, |request, (name, value)| request.header(name, value));
    let answer = gateway.send(&request.body(body)).expect(200);
    let seen = &mock.received()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(String::from_utf8_lossy(&seen.body), String::from_utf8_lossy(body), "byte for byte");
    for (name, value) in passed {
        assert_eq!(seen.header(&name.to_lowercase()), Some(value), "{name}");
    }
    for (name, value) in &dropped {
        assert!(!seen.headers.iter().any(|(_, sent)| sent == value), "{name} passed");
    }
    let count = |name: &str| seen.headers.iter().filter(|(key, _)| key == name).count();
    assert_eq!((count("host"), count("content-length"), count("transfer-encoding")), (1, 1, 0));
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {}", mock.key()).as_str()));
    assert_eq!(seen.header("host"), Some(mock.address().to_string().as_str()));
    assert_eq!(seen.header("x-client-request-id"), answer.header("x-request-id"));
    assert!(!format!("{:?}", seen.headers).contains(&token.key[3..]));
    assert!(["", "identity"].contains(&seen.header("accept-encoding").unwrap_or_default()));
}

/// A channel's own headers and model map; a priced alias.
#[test]
fn channel_headers_and_model_map() {
    let mock = Mock::answering(1, 1);
    let channel = "models = [\"alias\"]\nmodel_map = { alias = \"real\" }\nheaders = { x-team = \"a\", x-secret = \"env:TEAM_SECRET\" }\noutput_cap_field = \"max_completion_tokens\"\nstream_usage = false";
    let settings =
        Settings::demo().channel("mock", &mock, channel).price("alias", "2", "2").price("real", "2", "2");
    let gateway = Gateway::start(settings.env("TEAM_SECRET", "s3cr3t"));
    gateway.learn("s3cr3t");
    let token = gateway.create(json!({"remain_quota": 100_000}));
    gateway.chat(&token.key, &chat("alias", &json!({}))).expect(200);
    gateway.chat(&token.key, &chat("alias", &json!({"stream": true}))).expect(200);
    let seen = mock.received();
    assert_eq!((seen[0].header("x-team"), seen[0].header("x-secret")), (Some("a"), Some("s3cr3t")));
    assert_eq!(
        (&seen[0].json()["model"], &seen[0].json()["max_completion_tokens"]),
        (&json!("real"), &json!(4096))
    );
    assert_eq!(seen[1].json()["stream_options"], Value::Null);
}

/// T28: what a stream's provider says in its head is not repeated; ours is plain.
#[test]
fn stream_heads_are_ours() {
    let mock = Mock::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::raw(head).event(&delta("a")).event(&usage_event(1, 1)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100_000}));
    let answer = gateway.chat(&token.key, &chat("m-ok", &json!({"stream": true}))).expect(200);
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.events(), [delta("a"), "[DONE]".to_owned()]);
}

/// Pipelined leftovers of a provider never become another client's answer.
#[test]
fn leftovers_poison_nobody() {
    let mock = Mock::start(|request| {
        let mut reply = Reply::completion(1, 1);
        if request.number == 0 {
            let mut extra = Vec::new();
            write!(extra, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{{\"evil\":true}}").unwrap();
            reply = reply.write(extra);
        }
        reply
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100_000}));
    for _ in 0..5 {
        let answer = gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 50})));
        assert!(!answer.text().contains("evil"), "{}", answer.text());
    }
}

/// T35: a provider's error that repeats the prompt does not bring it into the log: that is asserted for every log.
#[test]
fn prompts_in_error_texts() {
    let mock = Mock::start(|request| {
        let said = request.json()["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
        let status = [400, 413, 422, 429, 500, 503][request.number];
        Reply::json(
            status,
            &json!({"error": {"message": format!("cannot read {said:?}"), "type": "t", "code": "c"}}),
        )
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    for status in [400, 413, 422, 429, 502, 502] {
        gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 50}))).expect(status);
    }
    assert!(gateway.log_shows("answered 422 (\"t\" \"c\")"));
}
