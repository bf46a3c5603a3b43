//! Budgets under concurrency and at their edges. The model `m-out` costs nothing in and one quota per token out, so
//! a request's hold is exactly its output cap, and numbers below can be read as both.

use serde_json::{Value, json};

use crate::harness::{Gate, Gateway, Mock, QUOTA, Reply, Request, Settings, Token, chat, nanos};

fn ask(gateway: &Gateway, token: &Token, cap: u64) -> crate::harness::Response {
    gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": cap})))
}

/// QL-01: ten fit one after the other, the eleventh does not.
#[test]
fn exactly_as_many_as_fit() {
    let mock = Mock::answering(9, 15);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 150}));
    for number in 1..=10_i64 {
        let answer = ask(&gateway, &token, 15).expect(200);
        assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.00003"));
        let left = f64::from(u8::try_from(150 - 15 * number).unwrap()) / 2500.0;
        let shown: f64 = answer.header("x-tollgate-remaining-credits").unwrap().parse().unwrap();
        assert!((shown - left).abs() < 1e-9, "{shown} {left}");
    }
    let refused = ask(&gateway, &token, 15).refuses(402, "insufficient_quota");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
    assert!(refused.message().contains("credit"), "{}", refused.message());
    assert_eq!((gateway.settled(&token), mock.count()), (150, 10));
    assert_eq!(gateway.number(token.id, "status"), 4);
}

/// A refusal says what can be typed to lift it: the call, with the number that belongs in it; and when it lifts by itself.
#[test]
fn refusals_say_what_to_type() {
    let mock = Mock::answering(9, 15);
    let gateway = Gateway::start(Settings::with(&mock));
    let user = json!({"name": "ann", "remain_quota": 10});
    let user = gateway.post(gateway.admin(), "/v1/users", &user).expect(200).json()["data"]["id"].clone();
    let poor = gateway.create(json!({"remain_quota": 10}));
    let of_poor = gateway.create(json!({"remain_quota": 1000, "user_id": user}));
    let bound = gateway.create(json!({"remain_quota": 1000, "daily_quota": 10}));
    for (token, status, call) in [
        (&poor, 402, format!("POST /v1/tokens/{}/credit {{\"credits\": ", poor.id)),
        (&of_poor, 402, format!("POST /v1/users/{user}/credit {{\"credits\": ")),
        (&bound, 429, format!("PATCH /v1/tokens/{} {{\"daily_credits\": ", bound.id)),
    ] {
        let refused = ask(&gateway, token, 20).expect(status);
        assert!(refused.message().contains(&call), "{}", refused.message());
        assert!(refused.message().contains("reset"), "{}", refused.message());
    }
    let message = ask(&gateway, &bound, 20).message();
    assert!(message.contains("waiting will not help") && message.contains("resets in"), "{message}");
}

/// QL-05: what a hold did not need comes back; what a budget can't pay lowers the cap.
#[test]
fn the_difference_comes_back() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::completion(9, 16).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 110}));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&gateway, &token, 100));
        mock.wait_for(1);
        assert_eq!((gateway.held(&token), gateway.number(token.id, "remain_quota")), (100, 110));
        let refused = ask(&gateway, &token, 100).refuses(402, "insufficient_quota");
        assert_eq!(refused.header("retry-after"), None);
        gate.open();
        assert_eq!(slow.join().unwrap().expect(200).header("x-tollgate-output-cap"), None);
    });
    let after = ask(&gateway, &token, 100).expect(200);
    assert_eq!(after.header("x-tollgate-output-cap"), Some("94"));
    assert_eq!(mock.received()[1].json()["max_tokens"], 94);
    assert_eq!(gateway.settled(&token), 32);
}

/// QL-06: what a cap may be, and what the provider is told.
#[test]
fn output_caps() {
    let mock = Mock::answering(0, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let (token, free) =
        (gateway.create(json!({"remain_quota": 100_000})), gateway.create(json!({"unlimited_quota": true})));
    let seen = || mock.received().last().unwrap().json();
    let mut sent = 0;
    for field in ["max_tokens", "max_completion_tokens"] {
        for bad in [
            "0",
            "-1",
            "1.5",
            "\"5\"",
            "1e18",
            "1000000000000000000",
            "18446744073709551615",
            "9007199254740993",
            "true",
            "[]",
            "2147483649",
        ] {
            let body = format!("{{\"model\":\"m-out\",\"messages\":[],\"{field}\":{bad}}}");
            let request = Request::new("POST", "/v1/chat/completions").bearer(&token.key);
            let answer =
                gateway.send(&request.header("Content-Type", "application/json").body(body.as_bytes()));
            assert_eq!(answer.refuses(400, "invalid_parameter").json()["error"]["param"], field, "{bad}");
        }
        gateway.chat(&token.key, &chat("m-out", &json!({field: 77}))).expect(200);
        sent += 1;
        assert_eq!(seen()[field], 77);
        gateway.chat(&token.key, &chat("m-out", &json!({field: null}))).expect(200);
        sent += 1;
        assert_eq!(seen()[field], 4096, "null is absent");
    }
    gateway.chat(&token.key, &chat("m-out", &json!({}))).expect(200);
    assert_eq!((&seen()["max_tokens"], &seen()["max_completion_tokens"]), (&json!(4096), &Value::Null));
    gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 1_000_000}))).expect(200);
    assert!(seen()["max_tokens"].as_u64().unwrap() <= 16_384, "the model's maximum: {}", seen());
    gateway.chat(&free.key, &chat("m-out", &json!({}))).expect(200);
    assert_eq!(seen()["max_tokens"], Value::Null, "nothing binds, so nothing is sent");
    assert_eq!(mock.count(), sent + 3, "no bad value reached the provider");
}

/// T3: choices multiply, aliases count as the larger, and neither may be absurd.
#[test]
fn choices_multiply_the_hold() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::completion(0, 1).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock));
    for n in ["0", "-1", "129", "1.5", "\"2\"", "18446744073709551615", "9223372036854775807"] {
        let token = gateway.create(json!({"remain_quota": 1000}));
        let body = format!("{{\"model\":\"m-out\",\"messages\":[],\"max_tokens\":20,\"n\":{n}}}");
        let request = Request::new("POST", "/v1/chat/completions").bearer(&token.key);
        let answer = gateway.send(&request.header("Content-Type", "application/json").body(body.as_bytes()));
        assert_eq!(answer.refuses(400, "invalid_parameter").json()["error"]["param"], "n", "{n}");
    }
    let cases = [
        (json!({"max_tokens": 20, "n": 3}), 60),
        (json!({"max_tokens": 20, "max_completion_tokens": 50}), 50),
        (json!({"max_tokens": 50, "max_completion_tokens": 20, "n": 2}), 100),
    ];
    std::thread::scope(|scope| {
        let gateway = &gateway;
        let tokens: Vec<_> = cases.iter().map(|_| gateway.create(json!({"remain_quota": 1000}))).collect();
        for ((fields, _), token) in cases.iter().zip(&tokens) {
            let key = token.key.clone();
            scope.spawn(move || gateway.chat(&key, &chat("m-out", fields)).expect(200));
        }
        mock.wait_for(cases.len());
        let held: Vec<_> = tokens.iter().map(|token| gateway.held(token)).collect();
        gate.open();
        assert_eq!(held, cases.iter().map(|(_, hold)| *hold).collect::<Vec<_>>());
    });
}

/// QL-08: a provider that bills ten times the hold takes what is free, and no more.
#[test]
fn overruns() {
    let mock = Mock::answering(0, 500);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100}));
    ask(&gateway, &token, 50).expect(200);
    let row = gateway.last_entry(&token);
    assert_eq!((nanos(&row["charged_usd"]), nanos(&row["overrun_usd"])), (100 * QUOTA, 400 * QUOTA));
    let shown = gateway.token(token.id);
    assert_eq!(
        (&shown["used_quota"], &shown["remain_quota"], &shown["status"]),
        (&json!(100), &json!(0), &json!(4))
    );
    ask(&gateway, &token, 16).refuses(402, "insufficient_quota");
    assert_eq!(mock.count(), 1);
}

/// Each limit's refusal: its status, code, time to come back; a limit too small as such says so.
#[test]
fn limits_by_day_and_month() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    for (field, used, code, longest) in [
        ("daily_quota", "daily_used_quota", "daily_limit_exceeded", 86_400),
        ("monthly_quota", "monthly_used_quota", "monthly_limit_exceeded", 31 * 86_400),
    ] {
        let token = gateway.create(json!({"remain_quota": 1000, field: 40}));
        ask(&gateway, &token, 16).expect(200);
        ask(&gateway, &token, 16).expect(200);
        let refused = ask(&gateway, &token, 16).refuses(429, code);
        assert_eq!(refused.header("x-should-retry"), Some("false"));
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=longest).contains(&wait), "{wait}");
        assert_eq!((gateway.number(token.id, used), gateway.used(&token)), (32, 32));
        // A higher limit opens at once; a lower one closes at once.
        let target = format!("/v1/tokens/{}", token.id);
        gateway.patch(&target, &json!({field: 100})).expect(200);
        ask(&gateway, &token, 16).expect(200);
        gateway.patch(&target, &json!({field: 20})).expect(200);
        ask(&gateway, &token, 16).refuses(429, code);
        let small = gateway.create(json!({"remain_quota": 1000, field: 10}));
        let refused = ask(&gateway, &small, 16).refuses(429, code);
        assert!(refused.message().to_lowercase().contains("wait"), "{}", refused.message());
    }
}

/// QL-17: a limit lowered under way: what runs settles, what comes is refused.
#[test]
fn a_limit_lowered_under_way() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::completion(0, 16).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 10_000, "daily_quota": 5_000}));
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..10).map(|_| scope.spawn(|| ask(&gateway, &token, 16))).collect();
        mock.wait_for(10);
        gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"daily_quota": 50})).expect(200);
        ask(&gateway, &token, 16).refuses(429, "daily_limit_exceeded");
        gate.open();
        running.into_iter().for_each(|answer| drop(answer.join().unwrap().expect(200)));
    });
    assert_eq!(gateway.settled(&token), 160);
}

/// QL-18, and grants of unlimited tokens: charges raise `used` alone; an end of it grants what was used beyond.
#[test]
fn unlimited_tokens() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    for _ in 0..5 {
        let answer = ask(&gateway, &token, 16).expect(200);
        assert_eq!(answer.header("x-tollgate-remaining-credits"), None);
        assert_eq!(answer.header("x-tollgate-output-cap"), None);
    }
    assert_eq!((gateway.settled(&token), gateway.number(token.id, "remain_quota")), (80, 0));
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"unlimited_quota": false})).expect(200);
    ask(&gateway, &token, 16).refuses(402, "insufficient_quota");
    gateway
        .post(gateway.admin(), &format!("/v1/tokens/{}/credit", token.id), &json!({"quota": 30}))
        .expect(200);
    assert_eq!(gateway.number(token.id, "remain_quota"), 30);
    ask(&gateway, &token, 16).expect(200);
}

/// QL-20, I12: a refused request changes nothing and reaches nobody.
#[test]
fn refused_requests_cost_nothing() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1000}));
    for (body, status) in [
        (json!({}), 400),
        (json!([]), 400),
        (chat("nope", &json!({})), 404),
        (chat("unpriced", &json!({})), 402),
        (chat("m-out", &json!({"max_tokens": 0})), 400),
        (chat("m-out", &json!({"stream": "yes"})), 400),
    ] {
        gateway.chat(&token.key, &body).expect(status);
    }
    assert_eq!((gateway.used(&token), gateway.held(&token), mock.count()), (0, 0, 0));
    let rows = gateway.ledger(&format!("token_id={}", token.id));
    assert_eq!(rows.len(), 1, "only the grant: {rows:?}");
}

/// QL-21, T38: what is neither metered nor declared free is not there: no path reaches a provider unpaid.
#[test]
fn unmetered_routes() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1000}));
    let posts = [
        "/v1/images/variations",
        "/v1/responses/resp_1/output",
        "/v1/responses/resp_1/cancel/x",
        "/v1/responses/compact/resp_1",
        "/v1/files",
        "/v1/uploads",
        "/v1/batches",
        "/v1/fine_tuning/jobs",
        "/v1/assistants",
        "/v1/threads",
        "/v1/threads/runs",
        "/v1/vector_stores",
        "/v1/realtime/sessions",
        "/v1/evals",
        "/v1/containers",
        "/v1/videos",
        "/v1/conversations",
        "/v1/chat",
        "/v1/chat/completions/chatcmpl-1",
        "/v1/engines/m-out/completions",
        "/v1/messages/batches",
        "/v1/x",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/openai/v1/chat/completions",
        "/v1/proxy/chat/completions",
    ];
    let body = chat("m-out", &json!({"max_tokens": 16}));
    for target in posts {
        gateway.post(&token.key, target, &body).refuses(404, "not_found");
        gateway.get(&token.key, target).refuses(404, "not_found");
        gateway.send(&Request::new("DELETE", target).bearer(&token.key)).refuses(404, "not_found");
    }
    // Free by declaration: a body there is nobody's request.
    gateway.send(&Request::get("/v1/models").bearer(&token.key).json(&body));
    assert_eq!((gateway.used(&token), gateway.held(&token), mock.count()), (0, 0, 0));
    let rows = gateway.ledger(&format!("token_id={}", token.id));
    assert_eq!(rows.len(), 1, "only the grant: {rows:?}");
}

/// T5, AB-17: a client's ids are no billing identity.
#[test]
fn repeats_are_charged_each() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1000}));
    for _ in 0..5 {
        let request = Request::post("/v1/chat/completions", &chat("m-out", &json!({"max_tokens": 16})));
        let request =
            request.bearer(&token.key).header("x-request-id", "same").header("Idempotency-Key", "same");
        let answer = gateway
            .send(&request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert_ne!(answer.expect(200).header("x-request-id"), Some("same"));
    }
    assert_eq!((gateway.settled(&token), mock.count()), (80, 5));
}

/// Near a limit the prompt is counted properly; elsewhere its bytes are the bound.
#[test]
fn prompts_near_a_limit_are_counted() {
    let mock = Mock::answering(2000, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let long = json!({"messages": [{"role": "user", "content": "hello ".repeat(2000)}], "max_tokens": 16});
    let fits = gateway.create(json!({"remain_quota": 5000}));
    gateway.chat(&fits.key, &chat("m-ok", &long)).expect(200);
    assert_eq!(gateway.settled(&fits), 2016);
    let small = gateway.create(json!({"remain_quota": 1000}));
    gateway.chat(&small.key, &chat("m-ok", &long)).refuses(402, "insufficient_quota");
    assert_eq!(mock.count(), 1);
}

/// T4: usage that can't be is not believed; what flowed is charged at least.
#[test]
fn absurd_usage_is_not_believed() {
    let absurd = [
        json!(null),
        json!({"prompt_tokens": -5, "completion_tokens": -9}),
        json!("many"),
        json!([]),
        json!({"prompt_tokens": 1.5, "completion_tokens": 2.5}),
        json!({"prompt_tokens": "3", "completion_tokens": "4"}),
        json!({"prompt_tokens": 5, "completion_tokens": 0}),
        json!({"prompt_tokens": 1e30, "completion_tokens": 1e30}),
        json!({"prompt_tokens": 9_223_372_036_854_775_807_u64, "completion_tokens": 18_446_744_073_709_551_615_u64}),
    ];
    let replies = absurd.clone();
    let mock = Mock::start(move |request| Reply::with_usage(&replies[request.number]));
    let gateway = Gateway::start(Settings::with(&mock));
    for usage in absurd {
        let token = gateway.create(json!({"remain_quota": 100_000}));
        gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 500}))).expect(200);
        let used = gateway.settled(&token);
        assert!((1..=1000).contains(&used), "{usage}: {used}");
        assert_eq!(nanos(&gateway.last_entry(&token)["overrun_usd"]), 0, "{usage}");
    }
}
