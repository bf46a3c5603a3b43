//! `POST /v1/embeddings`: what the provider received, what the client got, what was held and what it cost.

use serde_json::{Value, json};

use crate::harness::{Gate, Gateway, Mock, PROMPT, QUOTA, Reply, Request, Response, Settings, Token, nanos};

const ROUTE: &str = "/v1/embeddings";

fn list(usage: &Value) -> Reply {
    Reply::json(
        200,
        &json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": "AACAPw=="}],
        "model": "mock", "usage": usage}),
    )
}

fn used(tokens: u64) -> Reply {
    list(&json!({"prompt_tokens": tokens, "total_tokens": tokens}))
}

fn embed(gateway: &Gateway, token: &Token, body: &Value) -> Response {
    gateway.post(&token.key, ROUTE, body)
}

#[test]
fn it_passes_as_it_is_and_costs_its_input() {
    let mock = Mock::start(|_| used(1000));
    let settings = Settings::demo().channel(
        "mock",
        &mock,
        "models = [\"text-embedding-3-small\", \"alias\"]\nmodel_map = { alias = \"real\" }",
    );
    let gateway = Gateway::start(settings.price("alias", "0.13", "0"));
    let token = gateway.create(json!({"unlimited_quota": true}));
    let body = format!(
        "{{ \"model\":\"text-embedding-3-small\", \"input\":[\"{PROMPT}\"],\"encoding_format\":\"base64\" }}"
    );
    let request = Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", "application/json");
    let answer = gateway.send(&request.body(body.as_bytes())).expect(200);
    assert_eq!(answer.json()["data"][0]["embedding"], "AACAPw==");
    // The shipped price: 0.02 dollars a million, so 20 n$ a token.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.00002"));
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.body.as_slice()), (ROUTE, body.as_bytes()));
    let entry = gateway.last_entry(&token);
    assert_eq!((nanos(&entry["charged_usd"]), entry["outcome"].as_str()), (20_000, Some("ok")));
    // Nothing of a cap is sent where a budget binds, and a mapped name is all that changes.
    let bound = gateway.create(json!({"remain_credits": 10}));
    embed(&gateway, &bound, &json!({"model": "alias", "input": "hi", "dimensions": 8})).expect(200);
    assert_eq!(mock.received()[1].json(), json!({"model": "real", "input": "hi", "dimensions": 8}));
    assert_eq!(nanos(&gateway.last_entry(&bound)["charged_usd"]), 130_000);
}

/// The hold is the input bound at its price, with nothing for an output.
#[test]
fn the_hold_is_exact() {
    let cases = [
        // Bytes, and 4 for each input.
        (json!("hello"), 9),
        (json!(["hello", "you"]), 16),
        // Ids: one each.
        (json!([15339, 1917]), 6),
        (json!([[1, 2, 3], [4]]), 12),
    ];
    for (input, hold) in cases {
        let gate = Gate::new();
        let shut = gate.clone();
        let mock = Mock::start(move |_| used(2).behind(&shut));
        let gateway = Gateway::start(Settings::with(&mock));
        let body = json!({"model": "m-1", "input": input});
        let token = gateway.create(json!({"remain_quota": hold}));
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| embed(&gateway, &token, &body));
            mock.wait_for(1);
            assert_eq!(gateway.held(&token), hold, "{input}");
            embed(&gateway, &token, &body).refuses(402, "insufficient_quota");
            gate.open();
            slow.join().unwrap().expect(200);
        });
        assert_eq!((gateway.settled(&token), mock.count()), (2, 1), "{input}");
    }
}

#[test]
fn what_is_not_believed_costs_the_floor() {
    // 40 bytes: 10 tokens; three ids: 3.
    for (input, usage, quota, source) in [
        (json!("x".repeat(40)), json!(null), 10, "estimated"),
        (json!([1, 2, 3]), json!(null), 3, "estimated"),
        (json!("x".repeat(40)), json!({"prompt_tokens": 0, "total_tokens": 0}), 10, "suspect"),
        (json!("x".repeat(40)), json!({"prompt_tokens": -3}), 10, "suspect"),
        (json!("x".repeat(40)), json!({"total_tokens": 12}), 12, "provider"),
    ] {
        let replied = usage.clone();
        let mock = Mock::start(move |_| list(&replied));
        let gateway = Gateway::start(Settings::with(&mock));
        let token = gateway.create(json!({"remain_quota": 1000}));
        embed(&gateway, &token, &json!({"model": "m-1", "input": input})).expect(200);
        let entry = gateway.last_entry(&token);
        assert_eq!(
            (nanos(&entry["charged_usd"]), entry["usage_source"].as_str()),
            (quota * QUOTA, Some(source)),
            "{usage}"
        );
    }
}

#[test]
fn refusals_reach_no_provider() {
    let mock = Mock::start(|_| used(1));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(
        json!({"remain_quota": 8, "model_limits_enabled": true, "model_limits": "m-*,nowhere,unpriced"}),
    );
    for (body, status, code) in [
        (json!({"model": "m-1"}), 400, "invalid_parameter"),
        (json!({"model": "m-1", "input": [{"text": "a"}]}), 400, "invalid_parameter"),
        (json!({"input": "a"}), 400, "invalid_parameter"),
        (json!({"model": "other", "input": "a"}), 403, "model_not_allowed"),
        (json!({"model": "nowhere", "input": "a"}), 404, "model_not_found"),
        (json!({"model": "unpriced", "input": "a"}), 402, "model_not_priced"),
        // 5 bytes and 4: one more than there is.
        (json!({"model": "m-1", "input": [15339, 15339, 15339, 15339, 15339]}), 402, "insufficient_quota"),
    ] {
        embed(&gateway, &token, &body).refuses(status, code);
    }
    gateway.get(&token.key, ROUTE).refuses(405, "method_not_allowed");
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
    let mock_says_no = Mock::start(|_| Reply::json(200, &json!({"error": {"message": "x"}})));
    let gateway = Gateway::start(Settings::with(&mock_says_no));
    let token = gateway.create(json!({"remain_quota": 100}));
    embed(&gateway, &token, &json!({"model": "m-1", "input": "a"})).refuses(502, "upstream_error");
    assert_eq!(gateway.settled(&token), 0);
}

#[test]
fn demo_embeds() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 1}));
    let answer =
        embed(&gateway, &token, &json!({"model": "demo", "input": ["Hello, world!"], "dimensions": 4}))
            .expect(200);
    assert_eq!(answer.json()["data"][0]["embedding"].as_array().unwrap().len(), 4);
    // 4 units at 0.5 dollars a million.
    assert_eq!(nanos(&gateway.last_entry(&token)["charged_usd"]), 2_000);
}
