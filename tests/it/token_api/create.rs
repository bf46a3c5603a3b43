//! `POST /v1/tokens`: what it gives, and what it refuses.

use serde_json::{Value, json};

use crate::harness::{Gateway, Mock, Request, Settings, chat, now};

/// The documented example, field by field.
#[test]
fn a_new_token_is_the_documented_object() {
    let gateway = Gateway::start(Settings::demo());
    let body = json!({"name": "My New Token", "remain_quota": 500_000});
    let answer = gateway.post(gateway.admin(), "/v1/tokens", &body).expect(200).json();
    gateway.token_of(&answer["data"]);
    assert_eq!((&answer["success"], &answer["message"]), (&json!(true), &json!("")));
    assert_eq!(answer["credits_per_usd"], 200);
    let data = &answer["data"];
    let key = data["key"].as_str().unwrap();
    assert!(key.len() == 48 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
    assert!((now() - data["created_time"].as_i64().unwrap()).abs() <= 5);
    let expected = json!({
        "id": data["id"], "user_id": 1, "key": key, "fingerprint": data["fingerprint"], "status": 1,
        "name": "My New Token", "created_time": data["created_time"], "accessed_time": data["created_time"],
        "expired_time": -1, "remain_quota": 500_000, "remain_credits": 200, "unlimited_quota": false,
        "used_quota": 0, "used_credits": 0, "daily_quota": 0, "daily_credits": 0, "daily_used_quota": 0,
        "monthly_quota": 0, "monthly_credits": 0, "monthly_used_quota": 0, "model_limits_enabled": false,
        "model_limits": "", "group": "", "cross_group_retry": false, "allow_ips": "", "reserved_quota": 0,
        "rpm": 0, "tpm": 0, "max_concurrency": 0, "scopes": ["inference"], "metadata": {}});
    assert_eq!(data, &expected);
    let mut shown = expected;
    shown.as_object_mut().unwrap().remove("key");
    assert_eq!(gateway.token(data["id"].as_i64().unwrap()), shown);
}

/// Each field comes back as it was given; both spellings of an amount agree.
#[test]
fn every_field_is_kept() {
    let gateway =
        Gateway::start(Settings::demo().append("[[groups]]\nname = \"vip\"\nmultiplier = \"0.5\"\n"));
    let fields = json!({"name": "x", "expired_time": now() + 3600, "remain_credits": 12.5, "daily_credits": 1,
        "monthly_quota": 25_000, "model_limits_enabled": true, "model_limits": " m-ok , m-b*", "group": "vip",
        "cross_group_retry": true, "allow_ips": "127.0.0.1,10.0.0.0/8", "rpm": 7, "tpm": 8, "max_concurrency": 9,
        "scopes": ["inference", "manage"], "metadata": {"team": "a"}});
    let token = gateway.token(gateway.create(fields.clone()).id);
    for name in [
        "name",
        "expired_time",
        "remain_credits",
        "daily_credits",
        "monthly_quota",
        "model_limits_enabled",
        "group",
        "cross_group_retry",
        "rpm",
        "tpm",
        "max_concurrency",
        "metadata",
    ] {
        assert_eq!(token[name], fields[name], "{name}");
    }
    for (name, value) in [("remain_quota", 31_250), ("daily_quota", 2_500), ("monthly_credits", 10)] {
        assert_eq!(token[name], json!(value), "{name}");
    }
    assert!(token["allow_ips"].as_str().unwrap().contains("10.0.0.0/8"));
    assert!(token["model_limits"].as_str().unwrap().contains("m-b*"));
    let zero = gateway.create(json!({"remain_quota": 500, "remain_credits": 0})).data;
    assert_eq!(
        (&zero["remain_quota"], &zero["status"]),
        (&json!(0), &json!(4)),
        "credits override, even as 0"
    );
    let both = gateway
        .create(json!({"daily_credits": 2, "daily_quota": 5_000, "monthly_credits": 0, "monthly_quota": 9}));
    assert_eq!((&both.data["daily_quota"], &both.data["monthly_quota"]), (&json!(5_000), &json!(9)));
}

/// TA-01: the key has its documented shape, and only the answer that makes it shows any part of it.
#[test]
fn a_key_is_shown_once() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"name": "once", "remain_credits": 10}));
    let key = &token.key[3..];
    assert!(key.len() == 48 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
    let mut shown = String::new();
    let id = token.id;
    for target in [
        "/".to_owned(),
        "/v1/tokens".to_owned(),
        format!("/v1/tokens/{id}"),
        "/v1/tokens?keyword=once".to_owned(),
        format!("/v1/tokens?keyword={}", &key[..8]),
        format!("/v1/ledger?token_id={id}"),
        "/v1/users".to_owned(),
        format!("/v1/usage?token_id={id}"),
    ] {
        let answer = gateway.get(gateway.admin(), &target);
        if target.ends_with(&key[..8]) {
            assert_eq!(answer.json()["data"]["total"], 0, "a key cannot be searched for");
        }
        shown.push_str(&answer.text());
    }
    gateway.chat(&token.key, &chat("demo", &json!({}))).expect(200);
    for target in ["/v1/balance", "/v1/models", "/v1/nothing", "/v1/tokens"] {
        let answer = gateway.get(&token.key, target);
        shown.push_str(&format!("{:?}{}", answer.headers, answer.text()));
    }
    shown.push_str(&gateway.cli(&["token", "list"]));
    let (stdout, stderr) = gateway.printed();
    shown.push_str(&stdout);
    shown.push_str(&stderr);
    for start in 0..=48 - 8 {
        let part = &key[start..start + 8];
        assert!(!shown.contains(part), "{part} of a key is shown");
    }
}

/// TA-06: nothing granted is nothing to spend; a daily limit of 0 is none.
#[test]
fn nothing_granted() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let body = chat("m-ok", &json!({"max_tokens": 16}));
    for fields in [json!({"remain_quota": 0}), json!({}), json!({"remain_credits": 0, "daily_credits": 5})] {
        let token = gateway.create(fields);
        gateway.chat(&token.key, &body).refuses(402, "insufficient_quota");
        assert_eq!(gateway.used(&token), 0);
    }
    assert_eq!(mock.count(), 0);
    let token = gateway.create(json!({"remain_quota": 1000, "daily_credits": 0, "monthly_credits": 0}));
    gateway.chat(&token.key, &body).expect(200);
    assert_eq!(gateway.settled(&token), 2);
}

/// TA-08: names are labels: alike, or the same, they belong to tokens that share nothing.
#[test]
fn names_that_look_alike() {
    let gateway = Gateway::start(Settings::demo());
    let tokens =
        ["admin", "аdmin", "admin"].map(|name| gateway.create(json!({"name": name, "remain_credits": 10})));
    assert!(tokens[0].id != tokens[1].id && tokens[1].id != tokens[2].id && tokens[0].id != tokens[2].id);
    gateway.chat(&tokens[1].key, &chat("demo", &json!({}))).expect(200);
    let used = tokens.each_ref().map(|token| gateway.settled(token));
    assert!(used[0] == 0 && used[1] > 0 && used[2] == 0, "{used:?}");
}

/// TA-07: what a name may be.
#[test]
fn names() {
    let gateway = Gateway::start(Settings::demo());
    for good in ["   ", "аdmin", "\u{202e}x", "<b>&", &"\u{1f600}".repeat(50)] {
        assert_eq!(gateway.create(json!({"name": good})).data["name"], good);
    }
    let long = json!({"name": "x".repeat(51)});
    let answer = gateway.post(gateway.admin(), "/v1/tokens", &long).expect(400).json();
    assert_eq!(answer, json!({"success": false, "message": "令牌名称过长", "code": "token_name_too_long"}));
    let request = Request::post("/v1/tokens", &long)
        .bearer(gateway.admin())
        .header("Accept-Language", "en-GB,en;q=0.9");
    assert_eq!(
        gateway.send(&request).expect(400).message(),
        "Token name is too long (at most 50 characters)"
    );
}

fn total(gateway: &Gateway) -> Value {
    gateway.get(gateway.admin(), "/v1/tokens").expect(200).json()["data"]["total"].clone()
}

/// Sends `{"name": "x", <fragment>}` as it is, without any JSON library between.
fn refuse(gateway: &Gateway, fragment: &str, code: &str, names: &str) {
    let name = if fragment.contains("\"name\"") { "" } else { "\"name\":\"x\"," };
    let body = format!("{{{name}{fragment}}}");
    let request = Request::new("POST", "/v1/tokens")
        .bearer(gateway.admin())
        .header("Content-Type", "application/json")
        .body(body.as_bytes());
    let answer = gateway.send(&request);
    let told = (answer.status, answer.code());
    let shown: String = body.chars().take(200).collect();
    assert_eq!(told, (400, code.to_owned()), "{shown}: {}", answer.text());
    assert_eq!(answer.json()["success"], false);
    assert!(answer.message().contains(names), "{shown}: {} does not name {names}", answer.message());
}

/// TA-04: amounts.
#[test]
fn bad_amounts() {
    let gateway = Gateway::start(Settings::demo());
    let before = total(&gateway);
    let bad = [
        "-1",
        "1.5",
        "1.0",
        "1e3",
        "\"100\"",
        "true",
        "null",
        "[]",
        "{}",
        "1e400",
        "9223372036854775808",
        "500000000001",
        "-9223372036854775809",
    ];
    for field in ["remain_quota", "daily_quota", "monthly_quota"] {
        bad.iter()
            .for_each(|value| refuse(&gateway, &format!("\"{field}\":{value}"), "invalid_field", field));
    }
    for field in ["rpm", "tpm", "max_concurrency"] {
        for value in ["-1", "1.5", "\"1\"", "null", "true", "9223372036854775808"] {
            refuse(&gateway, &format!("\"{field}\":{value}"), "invalid_field", field);
        }
    }
    for field in ["remain_credits", "daily_credits", "monthly_credits"] {
        for value in ["-1", "\"5\"", "true", "[]", "1e400", "200000000.0004", "0.00041"] {
            refuse(&gateway, &format!("\"{field}\":{value}"), "invalid_field", field);
        }
        refuse(&gateway, &format!("\"{field}\":1.0005"), "invalid_field", "1.0004");
        refuse(&gateway, &format!("\"{field}\":1.0005"), "invalid_field", "1.0008");
    }
    for value in ["NaN", "Infinity", "-Infinity", "01", "+1", "1."] {
        refuse(&gateway, &format!("\"remain_quota\":{value}"), "invalid_json", "");
    }
    refuse(&gateway, "\"daily_credits\":1,\"daily_quota\":5000", "invalid_field", "daily");
    assert_eq!(total(&gateway), before, "nothing was created");
}

/// A field, and a value in JSON that it refuses.
const BAD: &[(&str, &str)] = &[
    ("name", "\"\""),
    ("name", "5"),
    ("name", "null"),
    ("name", "\"a\\u0000b\""),
    ("name", "\"a\\r\\nb\""),
    ("expired_time", "0"),
    ("expired_time", "1000000000"),
    ("expired_time", "253402300800"),
    ("expired_time", "-2"),
    ("expired_time", "\"2026-02-30\""),
    ("expired_time", "1e12"),
    ("unlimited_quota", "1"),
    ("unlimited_quota", "\"true\""),
    ("unlimited_quota", "null"),
    ("model_limits_enabled", "1"),
    ("model_limits", "[\"m\"]"),
    ("cross_group_retry", "0"),
    ("group", "\"nope\""),
    ("group", "1"),
    ("allow_ips", "\"300.1.1.1\""),
    ("allow_ips", "\"10.0.0.0/33\""),
    ("allow_ips", "\"localhost\""),
    ("scopes", "[]"),
    ("scopes", "[\"root\"]"),
    ("scopes", "\"inference\""),
    ("scopes", "null"),
    ("user_id", "999"),
    ("user_id", "0"),
    ("user_id", "\"1\""),
    ("metadata", "[]"),
    ("metadata", "{\"a\":1}"),
    ("metadata", "null"),
    ("remain_qouta", "5"),
    ("key", "\"x\""),
    ("used_quota", "0"),
    ("id", "7"),
    ("status", "1"),
];

/// TA-12, TA-13 and all other fields.
#[test]
fn bad_fields() {
    let gateway = Gateway::start(Settings::demo());
    let before = total(&gateway);
    let many = |count: usize, one: &str| vec![one; count].join(",");
    let pairs: Vec<_> = (0..17).map(|number| format!("\"k{number}\":\"v\"")).collect();
    for (field, value) in BAD {
        refuse(&gateway, &format!("\"{field}\":{value}"), "invalid_field", field);
    }
    let long = [
        ("model_limits", format!("\"{}\"", (0..1001).map(|n| format!("m{n}")).collect::<Vec<_>>().join(","))),
        ("model_limits", format!("\"{}\"", "m".repeat(257))),
        ("allow_ips", format!("\"{}\"", many(257, "10.0.0.1"))),
        ("metadata", format!("{{{}}}", pairs.join(","))),
        ("metadata", format!("{{\"{}\":\"\"}}", "k".repeat(65))),
        ("metadata", format!("{{\"k\":\"{}\"}}", "v".repeat(513))),
    ];
    for (field, value) in long {
        refuse(&gateway, &format!("\"{field}\":{value}"), "invalid_field", field);
    }
    refuse(
        &gateway,
        "\"model_limits_enabled\":true,\"model_limits\":\" , \"",
        "invalid_field",
        "model_limits",
    );
    assert_eq!(total(&gateway), before, "nothing was created");
}

/// The body itself.
#[test]
fn bad_bodies() {
    let gateway = Gateway::start(Settings::demo());
    let before = total(&gateway);
    refuse(&gateway, "\"name\":\"a\",\"name\":\"b\"", "duplicate_field", "name");
    refuse(&gateway, "\"name\":\"a\",\"n\\u0061me\":\"b\"", "duplicate_field", "name");
    refuse(&gateway, "\"metadata\":{\"a\":\"1\",\"a\":\"2\"}", "duplicate_field", "a");
    let send = |body: &[u8]| {
        let request = Request::new("POST", "/v1/tokens").bearer(gateway.admin());
        gateway.send(&request.header("Content-Type", "application/json").body(body))
    };
    let deep = "[".repeat(100_000);
    for body in ["", "{", "{}}", "{\"name\":\"x\"}x", "null", "[]", "\"x\"", "{\"name\":\"\\ud800\"}", &deep]
    {
        let answer = send(body.as_bytes()).expect(400);
        assert!(["invalid_json", "invalid_field"].contains(&answer.code().as_str()), "{}", answer.text());
    }
    send(b"{\"name\":\"\xff\"}").refuses(400, "invalid_json");
    send(b"{}").refuses(400, "invalid_field");
    let text = Request::post("/v1/tokens", &json!({"name": "x"})).bearer(gateway.admin());
    let plain =
        Request::new("POST", "/v1/tokens").bearer(gateway.admin()).header("Content-Type", "text/plain");
    gateway.send(&plain.body(b"{\"name\":\"x\"}")).refuses(415, "unsupported_media_type");
    gateway.send(&text.header("Content-Encoding", "gzip")).refuses(415, "unsupported_encoding");
    assert_eq!(total(&gateway), before, "nothing was created");
}

/// A repeat with the same `Idempotency-Key` makes nothing, and shows no key.
#[test]
fn creation_is_idempotent_on_request() {
    let gateway = Gateway::start(Settings::demo());
    let make = |name: &str| {
        let request = Request::post("/v1/tokens", &json!({"name": name})).bearer(gateway.admin());
        gateway.send(&request.header("Idempotency-Key", "order-66"))
    };
    let first = gateway.token_of(&make("x").expect(200).json()["data"]);
    let again = make("x").refuses(409, "already_created");
    assert_eq!(again.header("x-should-retry"), Some("false"));
    assert_eq!(again.json()["data"]["id"], first.id);
    assert!(again.json()["data"]["key"].is_null());
    make("y").refuses(409, "idempotency_conflict");
    assert_eq!(total(&gateway), 2);
    // Failures are not recorded.
    let fail = |body| {
        let request = Request::post("/v1/tokens", &body).bearer(gateway.admin());
        gateway.send(&request.header("Idempotency-Key", "order-67"))
    };
    fail(json!({"name": ""})).refuses(400, "invalid_field");
    gateway.token_of(&fail(json!({"name": "fine"})).expect(200).json()["data"]);
}
