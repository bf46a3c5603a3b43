//! Credentials: which forms are taken, which are refused, and that a refusal reaches no provider.

use serde_json::json;

use crate::harness::{Gateway, Mock, Request, Settings, at_once, chat, hex, unique};
use sha2::{Digest, Sha256};

fn request(body: &serde_json::Value) -> Request {
    Request::post("/v1/chat/completions", body)
}

/// AU-01: every documented form on one route; all are the same token.
#[test]
fn every_form_is_taken() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 10}));
    let bare = token.key.trim_start_matches("sk-");
    let body = chat("m-ok", &json!({"max_tokens": 5}));
    let forms = [
        vec![("Authorization", format!("Bearer {}", token.key))],
        vec![("authorization", format!("bearer {}", token.key))],
        vec![("Authorization", format!("Bearer {bare}"))],
        vec![("Authorization", format!("Bearer   {}  ", token.key))],
        vec![("x-api-key", token.key.clone())],
        vec![("X-Goog-Api-Key", token.key.clone())],
        vec![("api-key", token.key.clone())],
        vec![("x-api-key", bare.to_owned()), ("Authorization", format!("Bearer {}", token.key))],
        vec![("x-api-key", token.key.clone()), ("Authorization", "Basic dTpw".to_owned())],
        vec![("x-api-key", String::new()), ("Authorization", format!("Bearer {}", token.key))],
    ];
    for (number, form) in forms.iter().enumerate() {
        let request = form.iter().fold(request(&body), |request, (name, value)| request.header(name, value));
        gateway.open(&request).finish().expect(200);
        assert_eq!(mock.count(), number + 1);
    }
    assert_eq!(gateway.settled(&token), 2 * 10);
}

/// AU-03: two different credentials are never served.
#[test]
fn two_credentials_are_refused() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let (one, two) =
        (gateway.create(json!({"remain_credits": 10})), gateway.create(json!({"remain_credits": 10})));
    let body = chat("m-ok", &json!({}));
    let bearer = |key: &str| ("Authorization", format!("Bearer {key}"));
    for pair in [
        [bearer(&one.key), ("x-api-key", two.key.clone())],
        [bearer(&one.key), bearer(&two.key)],
        [bearer(&one.key), ("x-goog-api-key", two.key.clone())],
        [("api-key", one.key.clone()), ("x-api-key", two.key.clone())],
        [bearer(&one.key), ("x-api-key", "malformed".to_owned())],
        [bearer("malformed"), bearer(&one.key)],
    ] {
        let request = pair.iter().fold(request(&body), |request, (name, value)| request.header(name, value));
        gateway.send(&request).refuses(400, "ambiguous_credentials");
    }
    assert_eq!(mock.count(), 0);
}

/// AU-04, AU-06, T11: what is no key gets one and the same body, whatever it is.
#[test]
fn bad_keys_look_all_alike() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 10}));
    let body = chat("m-ok", &json!({}));
    for form in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic dTpw"), Some("Digest x")] {
        let request =
            form.map_or_else(|| request(&body), |value| request(&body).header("Authorization", value));
        let answer = gateway.send(&request).refuses(401, "missing_api_key");
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
    }
    let hash = hex(&Sha256::digest(&token.key));
    let bad = [
        format!("sk-{}", unique()),
        format!("{}0", token.key),
        token.key[..50].to_owned(),
        token.key.to_uppercase(),
        "sk-' OR '1'='1' -- aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
        "sk-%s%n%x".to_owned(),
        hash.clone(),
        format!("sk-{hash}"),
        hash[..48].to_owned(),
        "sk-".to_owned(),
        format!("sk-sk-{}", &token.key[3..]),
        "a".repeat(20_000),
        format!("{},x", token.key),
        "null".to_owned(),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for key in &bad {
        let answer = gateway.open(&request(&body).bearer(key)).finish().refuses(401, "invalid_api_key");
        bodies.insert(answer.text());
        assert!(!answer.text().contains(&token.key[3..20]));
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let mut raw = gateway.connect();
    let head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-\xc3\xa4\xff\r\nContent-Length: 0\r\n\r\n";
    raw.send(head);
    let status = raw.answer().unwrap().status;
    assert!([400, 401].contains(&status), "{status}");
    assert_eq!(mock.count(), 0);
    let (_, log) = gateway.printed();
    assert!(!log.contains("OR '1'='1") && !log.contains(&hash[..48]), "{log}");
}

/// `?key=` is no credential here, and is never passed on or logged.
#[test]
fn a_key_in_the_query_is_none() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 10}));
    let body = chat("m-ok", &json!({}));
    let target = format!("/v1/chat/completions?key={}", token.key);
    gateway.send(&Request::post(&target, &body)).refuses(401, "missing_api_key");
    gateway.send(&Request::post(&target, &body).bearer(&token.key)).expect(200);
    assert!(!mock.received()[0].target.contains("key"), "{}", mock.received()[0].target);
}

/// The dialect's shape of an error, on a model route and on an unknown one.
#[test]
fn refusals_have_the_dialects_shape() {
    let gateway = Gateway::start(Settings::demo());
    for (target, code, kind) in [
        ("/v1/chat/completions", "missing_api_key", "authentication_error"),
        ("/v1/embeddings", "missing_api_key", "authentication_error"),
        ("/v1/images/generations", "missing_api_key", "authentication_error"),
        ("/v1/images/edits", "missing_api_key", "authentication_error"),
        ("/v1/audio/transcriptions", "missing_api_key", "authentication_error"),
        ("/v1/audio/translations", "missing_api_key", "authentication_error"),
        ("/v1/files", "not_found", "not_found_error"),
    ] {
        let answer = gateway.send(&Request::post(target, &json!({})));
        let error = &answer.json()["error"];
        assert_eq!((&error["code"], &error["type"]), (&json!(code), &json!(kind)));
        assert!(error["message"].is_string() && error.as_object().unwrap().contains_key("param"), "{error}");
        assert!(answer.header("x-request-id").is_some());
    }
}

/// AU-09: good credentials are served while bad ones from the same address come in crowds; those touch no disk.
#[test]
fn bad_keys_do_not_harm_good_ones() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 10}));
    // Every write goes to the log first; the database itself grows when that is moved, whenever that is.
    let size = || std::fs::metadata(gateway.file("data/tollgate.db-wal")).map_or(0, |file| file.len());
    gateway.get(&token.key, "/v1/models").expect(200);
    let before = size();
    at_once(8, |number| {
        for _ in 0..40 {
            let key = if number == 0 { token.key.clone() } else { format!("sk-{}", unique()) };
            gateway.get(&key, "/v1/models").expect(if number == 0 { 200 } else { 401 });
        }
    });
    assert_eq!(size(), before);
}

/// TA-03: the database holds the hash of the whole key and nothing of the key.
#[test]
fn the_database_holds_only_hashes() {
    let mut gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 10}));
    gateway.terminate();
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(gateway.file("data")).unwrap() {
        stored.extend(std::fs::read(entry.unwrap().path()).unwrap_or_default());
    }
    let contains = |needle: &[u8]| stored.windows(needle.len()).any(|window| window == needle);
    assert!(contains(&Sha256::digest(&token.key)));
    assert!(!contains(&token.key.as_bytes()[3..]));
    assert!(!contains(&gateway.admin().as_bytes()[3..]));
    gateway.restart();
    gateway.get(&token.key, "/v1/balance").expect(200);
}

/// `allow_ips` binds on model routes.
#[test]
fn addresses() {
    let gateway = Gateway::start(Settings::demo());
    for (list, is_allowed) in [
        ("127.0.0.1", true),
        ("10.0.0.1", false),
        ("10.0.0.0/8,\n127.0.0.0/8", true),
        ("::/0", false),
        ("::ffff:127.0.0.1", true),
        ("", true),
    ] {
        let token = gateway.create(json!({"remain_credits": 10, "allow_ips": list}));
        let request = request(&chat("demo", &json!({}))).bearer(&token.key);
        let answer =
            gateway.send(&request.header("X-Forwarded-For", "10.0.0.1").header("X-Real-IP", "10.0.0.1"));
        if is_allowed {
            answer.expect(200);
        } else {
            let answer = answer.refuses(403, "ip_not_allowed");
            let id = answer.header("x-request-id").unwrap();
            let line =
                gateway.log_shows(&format!("id={id} method=POST path=/v1/chat/completions status=403"));
            assert!(line, "its line is written");
            let (_, log) = gateway.printed();
            let line = log.lines().find(|line| line.contains(id)).unwrap();
            assert!(line.contains(&format!(" token={} ", token.id)), "whose it was: {line}");
        }
    }
}

/// A key that was good when its request began is not good enough: what counts is the moment it is let through.
#[test]
fn a_key_disabled_during_a_slow_upload_is_refused() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    let request =
        Request::post("/v1/chat/completions", &chat("m-ok", &json!({"max_tokens": 5}))).bearer(&token.key);
    let bytes = request.bytes();
    let (begun, rest) = bytes.split_at(bytes.len() - 10);
    let mut connection = gateway.connect();
    connection.send(begun);
    // Another whole request shows that the gateway has had time to read the beginning of the first.
    gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 5}))).expect(200);
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"status": 2})).expect(200);
    connection.send(rest);
    connection.answer().unwrap().finish().refuses(401, "token_disabled");
    assert_eq!(mock.count(), 1);
}
