//! The model allow-list: exact names, checked on the request that is sent.

use serde_json::{Value, json};

use crate::harness::{Gate, Gateway, Mock, Reply, Request, Settings, chat, delta, usage_event};

fn limited(gateway: &Gateway, models: &str) -> crate::harness::Token {
    gateway.create(json!({"remain_credits": 100, "model_limits_enabled": true, "model_limits": models}))
}

/// AL-01, AL-02: the exact name and nothing else.
#[test]
fn only_the_exact_name_passes() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = limited(&gateway, "m-ok");
    let ask = |model: &str| gateway.chat(&token.key, &chat(model, &json!({"max_tokens": 5})));
    ask("m-ok").expect(200);
    for model in [
        "m-bad",
        "unknown",
        "M-OK",
        "m-OK",
        " m-ok",
        "m-ok ",
        "m-ok\t",
        "m-ok\u{0}",
        "m-ok/",
        "models/m-ok",
        "m\u{2011}ok",
        "m-o\u{212a}",
        "m-ok\u{301}",
        "openai/m-ok",
        "m-ok,m-bad",
        "*",
        "m-*",
        "demo",
        "m%2dok",
    ] {
        let answer = ask(model);
        assert!([400, 403].contains(&answer.status), "{model:?}: {} {}", answer.status, answer.text());
    }
    ask("m-bad").refuses(403, "model_not_allowed");
    let answer = ask(&"m".repeat(65_536));
    assert!([400, 403].contains(&answer.status), "{}", answer.status);
    let seen: Vec<_> = mock.received().iter().map(|request| request.json()["model"].clone()).collect();
    assert_eq!(seen, [json!("m-ok")]);
}

/// AL-06: the public name is what is checked; the mapped one is what is sent.
#[test]
fn aliases_are_checked_by_their_public_name() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let (fast, bad) = (limited(&gateway, "fast"), limited(&gateway, "m-bad"));
    let ask = |key: &str, model: &str| gateway.chat(key, &chat(model, &json!({"max_tokens": 5})));
    ask(&fast.key, "fast").expect(200);
    assert_eq!(mock.received()[0].json()["model"], "m-bad");
    ask(&fast.key, "m-bad").refuses(403, "model_not_allowed");
    ask(&bad.key, "fast").refuses(403, "model_not_allowed");
    ask(&bad.key, "m-bad").expect(200);
    assert_eq!(mock.count(), 2);
    assert_eq!(gateway.last_entry(&fast)["model"], "fast");
}

/// AL-08: a model that is no text, twice, or in another place.
#[test]
fn the_model_is_one_text() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = limited(&gateway, "m-ok");
    for model in [json!(5), json!(["m-ok"]), json!({"name": "m-ok"}), Value::Null, json!(true), json!("")] {
        let answer = gateway.chat(&token.key, &chat("m-ok", &json!({"model": model})));
        assert!([400, 403].contains(&answer.status), "{model}: {}", answer.text());
        if !model.is_string() {
            assert_eq!(answer.code(), "invalid_parameter");
            assert_eq!(answer.json()["error"]["param"], "model");
        }
    }
    let raw = |target: &str, body: &str| {
        let request =
            Request::new("POST", target).bearer(&token.key).header("Content-Type", "application/json");
        gateway.send(&request.body(body.as_bytes()))
    };
    let route = "/v1/chat/completions";
    raw(route, r#"{"messages":[]}"#).refuses(400, "invalid_parameter");
    for body in [
        r#"{"model":"m-ok","model":"m-bad","messages":[]}"#,
        r#"{"model":"m-bad","model":"m-ok","messages":[]}"#,
        r#"{"model":"m-ok","m\u006fdel":"m-bad","messages":[]}"#,
        r#"{"model":"m-ok","Model":"m-bad","messages":[]}"#,
        r#"{"model":"m-ok","max_to\u212aens":5,"max_tokens":1,"messages":[]}"#,
        r#"{"model":"m-ok","stream":true,"stream_options":{"include_usage":true,"Include_Usage":false},"messages":[]}"#,
    ] {
        raw(route, body).refuses(400, "duplicate_field");
    }
    raw("/v1/chat/completions?model=m-bad", r#"{"model":"m-ok","messages":[]}"#)
        .refuses(400, "invalid_parameter");
    for target in [
        "/openai/deployments/m-bad/chat/completions",
        "/v1/engines/m-bad/completions",
        "/v1/chat/completions/",
        "/v1/chat%2Fcompletions",
        "/v1//chat/completions",
        "/v1/chat/completions%00",
    ] {
        raw(target, r#"{"model":"m-ok","messages":[]}"#).refuses(404, "not_found");
    }
    assert_eq!(mock.count(), 0);
}

/// AL-09: the list shows what may be called, and nothing else.
#[test]
fn the_list_shows_what_may_be_called() {
    let mock = Mock::answering(1, 1);
    let channel = "models = [\"m-ok\", \"m-bad\", \"unpriced\"]";
    let settings = Settings::demo().channel("mock", &mock, channel).price("m-*", "1", "1");
    let gateway = Gateway::start(settings);
    let (token, all) = (limited(&gateway, "m-ok"), gateway.create(json!({"remain_credits": 1})));
    let names = |key: &str| -> Vec<String> {
        let list = gateway.get(key, "/v1/models").expect(200).json();
        assert_eq!(list["object"], "list");
        let models = list["data"].as_array().unwrap();
        assert!(models.iter().all(|model| model["object"] == "model"), "{list}");
        models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&token.key), ["m-ok"]);
    let mut shown = names(&all.key);
    assert_eq!(shown, names(&all.key), "stable");
    shown.sort();
    assert_eq!(shown, ["demo", "m-bad", "m-ok"]);
    assert_eq!(gateway.get(&token.key, "/v1/models/m-ok").expect(200).json()["id"], "m-ok");
    for model in ["m-bad", "demo", "unpriced", "nope", "m-ok%2f", "M-OK"] {
        gateway.get(&token.key, &format!("/v1/models/{model}")).refuses(404, "model_not_found");
    }
}

/// AL-10: a star matches from the start.
#[test]
fn stars_are_anchored() {
    let mock = Mock::answering(1, 1);
    let settings = Settings::demo().channel("mock", &mock, "models = [\"*\"]").price("*", "1", "1");
    let gateway = Gateway::start(settings);
    let token = limited(&gateway, "m-*,exact");
    for (model, status) in [
        ("m-", 200),
        ("mz-ok", 403),
        ("xm-ok", 403),
        ("m-ok", 200),
        ("m", 403),
        ("exact", 200),
        ("exact1", 403),
        ("M-ok", 403),
        ("m-ok/../z", 200),
    ] {
        gateway.chat(&token.key, &chat(model, &json!({"max_tokens": 5}))).expect(status);
    }
}

/// AL-11: a narrower list holds for the next request, and not for a stream that runs.
#[test]
fn a_change_holds_at_once() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::sse().event(&delta("a")).wait(&shut).event(&usage_event(1, 2)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = limited(&gateway, "m-ok");
    let body = chat("m-ok", &json!({"max_tokens": 5, "stream": true}));
    let mut stream = gateway.open(&Request::post("/v1/chat/completions", &body).bearer(&token.key));
    assert_eq!(stream.data(), delta("a"));
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"model_limits": "m-bad"})).expect(200);
    gateway.chat(&token.key, &body).refuses(403, "model_not_allowed");
    gate.open();
    assert_eq!(stream.data(), "[DONE]");
    assert_eq!((mock.count(), gateway.settled(&token)), (1, 3));
}

/// Not served, not priced: told apart, in the decision order, and what to type is named.
#[test]
fn unknown_and_unpriced_models() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 1}));
    gateway.chat(&token.key, &chat("nowhere", &json!({}))).refuses(404, "model_not_found");
    let answer = gateway.chat(&token.key, &chat("unpriced", &json!({}))).refuses(402, "model_not_priced");
    assert!(answer.message().contains("[[prices]]"), "{}", answer.message());
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(mock.count(), 0);
    let free = Gateway::start(Settings::with(&mock).set("accounting", "unpriced_models", "\"free\""));
    let token = free.create(json!({"remain_credits": 1}));
    free.chat(&token.key, &chat("unpriced", &json!({}))).expect(200);
    assert_eq!(free.settled(&token), 0);
    let rows = free.ledger(&format!("token_id={}&outcome=ok", token.id));
    assert_eq!(rows.len(), 1, "free, but not unseen");
}
