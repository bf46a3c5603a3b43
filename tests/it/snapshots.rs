//! The wire format of refusals, kept as text in `snapshots/`: rows of the contract's tables that can be reached. Those of every
//! model route in its own dialect are in `refusals`.
//! `UPDATE_SNAPSHOTS=1 cargo test snapshots` writes them anew; the difference is for a reviewer to judge.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Gateway, Mock, Reply, Request, Response, Settings, chat, now, unique};

/// The files of `snapshots/`; any other there is an error.
const FILES: &[&str] = &[
    "model_routes.txt",
    "refusals.txt",
    "refusals_stored.txt",
    "token_api.txt",
    "transcript_anthropic.txt",
    "transcript_gemini.txt",
    "transcript_media.txt",
    "transcript_openai.txt",
    "transcript_to_anthropic.txt",
    "transcript_to_gemini.txt",
    "transcript_to_openai.txt",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots")
}

#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the tests")]
fn is_update() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1")
}

pub fn compare(file: &str, text: &str) {
    assert!(FILES.contains(&file), "name {file} in FILES");
    let path = folder().join(file);
    if is_update() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "differs; if that is wanted: UPDATE_SNAPSHOTS=1 cargo test snapshots";
    for (number, (kept, new)) in kept.lines().zip(text.lines()).enumerate() {
        assert_eq!(new, kept, "{file}:{} {hint}", number + 1);
    }
    assert_eq!(text.lines().count(), kept.lines().count(), "{file} {hint}");
}

#[test]
fn no_snapshot_is_left_over() {
    for entry in std::fs::read_dir(folder()).into_iter().flatten() {
        let name = entry.unwrap().file_name();
        assert!(FILES.iter().any(|file| name == *file), "{} belongs to no test", name.display());
    }
}

/// A word with what changes from run to run taken out: points in time, ids, addresses, long numbers.
fn mask(word: &str) -> String {
    let is_time = |text: &str| {
        let bytes = text.as_bytes();
        bytes.windows(8).any(|w| w[4] == b'-' && w[7] == b'-' && w[..4].iter().all(u8::is_ascii_digit))
    };
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if is_time(core) || core.contains("127.0.0.1:") {
        return word.replace(core, "<volatile>");
    }
    let digits = core.bytes().filter(u8::is_ascii_digit).count();
    if digits >= 5 && digits == core.len() { word.replace(core, "<number>") } else { word.to_owned() }
}

pub fn masked(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(mask).collect();
    let mut result = words.clone();
    for (number, pair) in words.windows(2).enumerate() {
        // How long until a window ends depends on the hour.
        let is_number = pair[0].bytes().all(|byte| byte.is_ascii_digit());
        let unit = pair[1].split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        if is_number
            && (unit == "s" || ["second", "minute", "hour"].iter().any(|name| unit.starts_with(name)))
        {
            result[number] = "<number>".to_owned();
        }
    }
    result.join(" ")
}

fn record(text: &mut String, case: &str, answer: &Response) {
    writeln!(text, "## {case}\n{}", answer.status).unwrap();
    for name in ["retry-after", "x-should-retry", "allow", "www-authenticate", "content-type"] {
        if let Some(value) = answer.header(name) {
            let value = if name == "retry-after" && value != "1" { "<seconds>" } else { value };
            writeln!(text, "{name}: {value}").unwrap();
        }
    }
    writeln!(text, "{}\n", masked(answer.text().trim_end())).unwrap();
}

fn provider(request: &crate::harness::Received) -> Reply {
    let body = String::from_utf8_lossy(&request.body);
    if body.contains("m-500") {
        Reply::error(500, "x")
    } else if body.contains("m-html") {
        Reply::body(200, "text/html", "<html></html>")
    } else if body.contains("m-429") {
        Reply::error(429, "rate_limited")
    } else {
        Reply::completion(0, 16)
    }
}

fn refused_by_key(gateway: &Gateway, text: &mut String) {
    let route = "/v1/chat/completions";
    let body = chat("m-out", &json!({"max_tokens": 16}));
    record(text, "no key", &gateway.post("", route, &body));
    record(text, "unknown key", &gateway.post(&format!("sk-{}", "0".repeat(48)), route, &body));
    let two =
        Request::post(route, &body).bearer(gateway.admin()).header("x-api-key", &format!("sk-{}", unique()));
    record(text, "two credentials", &gateway.send(&two));
    let cases = [
        ("disabled", json!({})),
        ("expired", json!({"expired_time": now() + 2})),
        ("address", json!({"allow_ips": "10.0.0.1"})),
        ("scope", json!({"scopes": ["manage"]})),
    ];
    for (case, mut fields) in cases {
        fields["remain_quota"] = json!(1000);
        let token = gateway.create(fields);
        if case == "disabled" {
            gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"status": 2})).expect(200);
        }
        if case == "expired" {
            crate::harness::eventually("it expires", crate::harness::SOON, || {
                (gateway.get(&token.key, "/v1/models").status == 401).then_some(())
            });
        }
        record(text, case, &gateway.chat(&token.key, &body));
    }
}

fn refused_by_budget(gateway: &Gateway, text: &mut String) {
    let cases = [
        ("total spent", json!({"remain_quota": 16})),
        ("daily limit", json!({"unlimited_quota": true, "daily_quota": 20})),
        ("monthly limit", json!({"unlimited_quota": true, "monthly_quota": 20})),
        ("rpm", json!({"unlimited_quota": true, "rpm": 1})),
    ];
    let body = chat("m-out", &json!({"max_tokens": 16}));
    for (case, fields) in cases {
        let token = gateway.create(fields);
        gateway.chat(&token.key, &body).expect(200);
        gateway.settled(&token);
        record(text, case, &gateway.chat(&token.key, &body));
    }
    let small = gateway.create(json!({"unlimited_quota": true, "daily_quota": 10}));
    record(text, "larger than the daily limit as such", &gateway.chat(&small.key, &body));
}

fn refused_by_request(gateway: &Gateway, text: &mut String) {
    let token = gateway.create(
        json!({"remain_credits": 100, "model_limits_enabled": true, "model_limits": "m-*,unpriced,nowhere"}),
    );
    let route = "/v1/chat/completions";
    let raw = |method: &str, kind: &str, body: &str| {
        gateway.send(
            &Request::new(method, route)
                .bearer(&token.key)
                .header("Content-Type", kind)
                .body(body.as_bytes()),
        )
    };
    record(text, "malformed JSON", &raw("POST", "application/json", "{"));
    record(text, "duplicate key", &raw("POST", "application/json", "{\"model\":\"a\",\"model\":\"b\"}"));
    record(text, "no model", &raw("POST", "application/json", "{}"));
    record(text, "content type", &raw("POST", "text/plain", "{}"));
    record(text, "method", &raw("PUT", "application/json", "{}"));
    record(text, "too large", &raw("POST", "application/json", &" ".repeat(3000)));
    let packed = Request::post(route, &json!({})).bearer(&token.key).header("Content-Encoding", "gzip");
    record(text, "compressed", &gateway.send(&packed));
    for model in ["other", "nowhere", "unpriced", "m-500", "m-html", "m-429"] {
        record(
            text,
            &format!("model {model}"),
            &gateway.chat(&token.key, &chat(model, &json!({"max_tokens": 16}))),
        );
    }
    record(text, "bad cap", &gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 0}))));
    record(text, "bad n", &gateway.chat(&token.key, &chat("m-out", &json!({"n": 1000}))));
    record(text, "unknown route", &gateway.post(&token.key, "/v1/nope", &json!({})));
    record(text, "unknown model", &gateway.get(&token.key, "/v1/models/nope"));
}

#[test]
fn model_routes() {
    let mock = Mock::start(provider);
    let gateway = Gateway::start(Settings::with(&mock).set("server", "max_body_bytes", "2000"));
    let mut text = String::new();
    refused_by_key(&gateway, &mut text);
    refused_by_request(&gateway, &mut text);
    refused_by_budget(&gateway, &mut text);
    compare("model_routes.txt", &text);
}

#[test]
fn token_api() {
    let gateway = Gateway::start(Settings::demo());
    let mut text = String::new();
    let admin = gateway.admin();
    let token = gateway.create(json!({"remain_quota": 100}));
    let create = |fields: Value| gateway.post(admin, "/v1/tokens", &fields);
    record(&mut text, "name too long", &create(json!({"name": "x".repeat(51)})));
    for (case, fields) in [
        ("no name", json!({})),
        ("unknown field", json!({"name": "x", "remain_qouta": 1})),
        ("negative", json!({"name": "x", "remain_quota": -1})),
        ("fraction", json!({"name": "x", "remain_credits": 1.0005})),
        ("two limits", json!({"name": "x", "daily_quota": 1, "daily_credits": 1})),
        ("empty list", json!({"name": "x", "model_limits_enabled": true})),
        ("group", json!({"name": "x", "group": "nope"})),
        ("address", json!({"name": "x", "allow_ips": "x"})),
    ] {
        record(&mut text, case, &create(fields));
    }
    let raw = |body: &str| {
        gateway.send(
            &Request::new("POST", "/v1/tokens")
                .bearer(admin)
                .header("Content-Type", "application/json")
                .body(body.as_bytes()),
        )
    };
    record(&mut text, "malformed JSON", &raw("{"));
    record(&mut text, "duplicate key", &raw("{\"name\":\"a\",\"name\":\"b\"}"));
    record(
        &mut text,
        "batch",
        &gateway.post(admin, "/v1/tokens/batch", &json!({"tokens": [{"name": "a"}, {"name": ""}]})),
    );
    record(&mut text, "no such token", &gateway.get(admin, "/v1/tokens/999999"));
    record(&mut text, "no key", &gateway.get("", "/v1/tokens"));
    record(&mut text, "scope", &gateway.get(&token.key, "/v1/tokens"));
    record(&mut text, "method", &gateway.send(&Request::new("PUT", "/v1/tokens").bearer(admin)));
    record(
        &mut text,
        "patch of a counter",
        &gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"remain_quota": 5})),
    );
    record(
        &mut text,
        "taking back too much",
        &gateway.post(admin, &format!("/v1/tokens/{}/credit", token.id), &json!({"quota": -101})),
    );
    record(&mut text, "page size", &gateway.get(admin, "/v1/tokens?page_size=101"));
    record(
        &mut text,
        "no such ledger row",
        &gateway.post(admin, "/v1/ledger/x/refund", &json!({"reason": "x"})),
    );
    compare("token_api.txt", &text);
}
