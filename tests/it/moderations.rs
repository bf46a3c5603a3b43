//! `POST /v1/moderations` and `/v1/rerank`: metered by their input, at the price of their model, which may be 0.

use serde_json::{Value, json};

use crate::harness::{
    Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, Settings, Token, nanos,
};

const MODERATIONS: &str = "/v1/moderations";
const RERANK: &str = "/v1/rerank";

fn judged() -> Value {
    json!({"id": "modr-1", "model": "mock", "results": [{"flagged": false}]})
}

fn ranked(usage: &Value) -> Value {
    json!({"object": "list", "model": "mock", "results": [{"index": 0, "relevance_score": 0.5}], "usage": usage})
}

fn ask(gateway: &Gateway, token: &Token, route: &str, body: &Value) -> Response {
    gateway.post(&token.key, route, body)
}

/// OpenAI asks nothing for its own, so they cost 0: an exhausted token may call them, within its rates and lists.
#[test]
fn moderations_of_openai_cost_nothing() {
    let mock = Mock::start(|_| Reply::json(200, &judged()));
    let channel =
        "models = [\"omni-moderation-*\", \"alias\"]\nmodel_map = { omni-moderation-latest = \"real\" }";
    let gateway = Gateway::start(Settings::demo().channel("mock", &mock, channel));
    let spent = gateway.create(json!({"remain_quota": 0}));
    let body = format!("{{\"model\":\"omni-moderation-2024-09-26\" ,\"input\":\"{PROMPT}\"}}");
    let request =
        Request::new("POST", MODERATIONS).bearer(&spent.key).header("Content-Type", "application/json");
    let answer = gateway.send(&request.body(body.as_bytes())).expect(200);
    assert_eq!((answer.json(), answer.header("x-tollgate-cost-usd")), (judged(), Some("0")));
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.body.as_slice()), (MODERATIONS, body.as_bytes()));
    let entry = gateway.last_entry(&spent);
    assert_eq!((nanos(&entry["charged_usd"]), entry["outcome"].as_str()), (0, Some("ok")));
    // The model that a body leaves out is the one that is priced, mapped and allowed.
    ask(&gateway, &spent, MODERATIONS, &json!({"input": ["x"]})).expect(200);
    assert_eq!(mock.received()[1].json(), json!({"model": "real", "input": ["x"]}));
    let other =
        gateway.create(json!({"model_limits_enabled": true, "model_limits": "omni-moderation-2024-09-26"}));
    ask(&gateway, &other, MODERATIONS, &json!({"input": "x"})).refuses(403, "model_not_allowed");
    ask(&gateway, &other, MODERATIONS, &json!({"model": "omni-moderation-2024-09-26"}))
        .refuses(400, "invalid_parameter");
    assert_eq!(mock.count(), 2);
}

/// A moderation that has a price is held and charged as any input.
#[test]
fn a_moderation_with_a_price() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request: &Received| {
        let reply = Reply::json(200, &judged());
        if request.number == 0 { reply.behind(&shut) } else { reply }
    });
    let gateway = Gateway::start(Settings::with(&mock));
    // 8 bytes and 4; nobody says what was used: a quarter of the bytes.
    let token = gateway.create(json!({"remain_quota": 12}));
    let body = json!({"model": "m-1", "input": "12345678"});
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&gateway, &token, MODERATIONS, &body));
        mock.wait_for(1);
        assert_eq!(gateway.held(&token), 12);
        gate.open();
        slow.join().unwrap().expect(200);
    });
    let entry = gateway.last_entry(&token);
    assert_eq!((nanos(&entry["charged_usd"]), &entry["usage_source"]), (2 * QUOTA, &json!("estimated")));
    ask(&gateway, &token, MODERATIONS, &json!({"model": "m-1", "input": [1]}))
        .refuses(400, "invalid_parameter");
    let long = json!({"model": "m-1", "input": PROMPT.repeat(20)});
    ask(&gateway, &token, MODERATIONS, &long).refuses(402, "insufficient_quota");
}

/// The query is held with each document; tokens or the call are charged, as the price says.
#[test]
fn rankings() {
    let voyage = json!({"total_tokens": 1000});
    let used = voyage.clone();
    let mock = Mock::start(move |_| Reply::json(200, &ranked(&used)));
    let settings = Settings::with(&mock)
        .channel("ranks", &mock, "models = [\"rerank-2.5\", \"rerank-call\"]")
        .append("[[prices]]\nmodel = \"rerank-call\"\nper_request = \"0.002\"\n");
    let gateway = Gateway::start(settings);
    let token = gateway.create(json!({"remain_credits": 100}));
    let body = |model: &str| json!({"model": model, "query": PROMPT, "documents": ["a", {"text": "bc"}], "top_n": 1});
    let answer = ask(&gateway, &token, RERANK, &body("rerank-2.5")).expect(200);
    assert_eq!(answer.json(), ranked(&voyage));
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.json()), (RERANK, body("rerank-2.5")));
    // The shipped price: 0.05 dollars a million.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.00005"));
    // A call, whatever the tokens.
    let answer = ask(&gateway, &token, RERANK, &body("rerank-call")).expect(200);
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.002"));
    for (more, code) in [
        (json!({"model": "m-1", "query": "a"}), "invalid_parameter"),
        (json!({"model": "m-1", "query": "a", "documents": ["b"], "Query": "c"}), "duplicate_field"),
    ] {
        ask(&gateway, &token, RERANK, &more).refuses(400, code);
    }
    assert_eq!(mock.count(), 2);
}

#[test]
fn the_hold_of_a_ranking_is_exact() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::json(200, &ranked(&Value::Null)).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock));
    // Each of 2 documents with the query of 4 bytes, and 8 around them.
    let hold = 3 + 5 + 2 * (4 + 8);
    let token = gateway.create(json!({"remain_quota": hold}));
    let body = json!({"model": "m-1", "query": "abcd", "documents": ["xyz", "hello"]});
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&gateway, &token, RERANK, &body));
        mock.wait_for(1);
        assert_eq!(gateway.held(&token), hold);
        gate.open();
        slow.join().unwrap().expect(200);
    });
    // Nobody says what was used: a quarter of 16 bytes of text.
    assert_eq!(nanos(&gateway.last_entry(&token)["charged_usd"]), 4 * QUOTA);
}

#[test]
fn demo_judges_and_ranks() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 1}));
    let answer = ask(&gateway, &token, MODERATIONS, &json!({"model": "demo", "input": "hello"})).expect(200);
    assert_eq!(answer.json()["results"][0]["flagged"], false);
    let body = json!({"model": "demo", "query": "red cat", "documents": ["a dog", "a cat"]});
    let answer = ask(&gateway, &token, RERANK, &body).expect(200);
    assert_eq!(answer.json()["results"][0]["index"], 1);
    // 2 units of query with each of 2 documents of 2, at 0.5 dollars a million.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.000004"));
}
