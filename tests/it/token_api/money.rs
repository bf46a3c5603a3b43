//! What moves a token's money besides requests: credits and refunds; and what shows it: balances, usage, the ledger.

use serde_json::{Value, json};

use crate::harness::{Gateway, Mock, QUOTA, Request, Settings, Token, chat, nanos};

fn credit(gateway: &Gateway, token: &Token, body: &Value) -> crate::harness::Response {
    gateway.post(gateway.admin(), &format!("/v1/tokens/{}/credit", token.id), body)
}

/// TA-11: credits add, take back at most what is left, and revive by themselves.
#[test]
fn credits() {
    let mock = Mock::answering(0, 30);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100}));
    let body = chat("m-out", &json!({"max_tokens": 30}));
    gateway.chat(&token.key, &body).expect(200);
    assert_eq!((gateway.settled(&token), gateway.number(token.id, "remain_quota")), (30, 70));
    let refused = credit(&gateway, &token, &json!({"quota": -71})).refuses(400, "invalid_field");
    assert!(refused.message().contains("70"), "names what is left: {}", refused.message());
    assert_eq!(gateway.number(token.id, "remain_quota"), 70);
    let answer = credit(&gateway, &token, &json!({"quota": -70})).expect(200).json();
    assert_eq!((&answer["data"]["remain_quota"], &answer["data"]["status"]), (&json!(0), &json!(4)));
    assert_eq!(answer["credits_per_usd"], 200);
    gateway.chat(&token.key, &body).refuses(402, "insufficient_quota");
    credit(&gateway, &token, &json!({"credits": 0.02})).expect(200);
    assert_eq!(gateway.number(token.id, "remain_quota"), 50);
    gateway.chat(&token.key, &body).expect(200);
    assert_eq!(gateway.settled(&token), 60);
    for bad in [
        json!({}),
        json!({"credits": 0.0001}),
        json!({"quota": 1.5}),
        json!({"quota": "1"}),
        json!({"quota": 1, "x": 1}),
        json!({"quota": 500_000_000_001_i64}),
        json!({"credits": null}),
    ] {
        credit(&gateway, &token, &bad).expect(400);
    }
    let rows = gateway.ledger(&format!("token_id={}&outcome=credit", token.id));
    let granted: Vec<_> = rows.iter().map(|row| nanos(&row["granted_usd"]) / QUOTA).collect();
    assert_eq!(granted, [50, -70, 100], "newest first, the grant at creation too");
}

/// A credit is applied once per `Idempotency-Key`.
#[test]
fn credits_are_idempotent_on_request() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({}));
    let send = |quota: i64| {
        let request = Request::post(&format!("/v1/tokens/{}/credit", token.id), &json!({"quota": quota}));
        gateway.send(&request.bearer(gateway.admin()).header("Idempotency-Key", "c"))
    };
    send(5).expect(200);
    let again = send(5).refuses(409, "already_applied");
    assert_eq!(again.json()["data"]["remain_quota"], 5);
    send(6).refuses(409, "idempotency_conflict");
    assert_eq!(gateway.number(token.id, "remain_quota"), 5);
    let rotate = || {
        let request = Request::post(&format!("/v1/tokens/{}/rotate", token.id), &json!({"grace_seconds": 0}));
        gateway.send(&request.bearer(gateway.admin()).header("Idempotency-Key", "r"))
    };
    gateway.token_of(&rotate().expect(200).json()["data"]);
    assert!(rotate().refuses(409, "already_applied").json()["data"]["key"].is_null());
}

/// A refund gives back what one row charged, once.
#[test]
fn refunds() {
    let mock = Mock::answering(0, 30);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100, "daily_quota": 100}));
    let answer = gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 30}))).expect(200);
    let id = answer.header("x-request-id").unwrap().to_owned();
    let refund = |id: &str| {
        gateway.post(gateway.admin(), &format!("/v1/ledger/{id}/refund"), &json!({"reason": "a test"}))
    };
    refund(&id).expect(200);
    let after = gateway.token(token.id);
    assert_eq!((&after["used_quota"], &after["daily_used_quota"]), (&json!(0), &json!(0)));
    assert_eq!(after["remain_quota"], 100);
    let again = refund(&id).refuses(409, "already_refunded");
    assert_eq!(again.header("x-should-retry"), Some("false"));
    refund("01890000-0000-7000-8000-000000000000").refuses(404, "not_found");
    refund("x").refuses(404, "not_found");
    let rows = gateway.ledger(&format!("token_id={}", token.id));
    assert_eq!((&rows[0]["outcome"], nanos(&rows[0]["charged_usd"])), (&json!("adjust"), -30 * QUOTA));
    let member = gateway.post(&token.key, &format!("/v1/ledger/{id}/refund"), &json!({"reason": "mine"}));
    member.expect(403);
}

/// The ledger shows where the money went, and can be asked.
#[test]
fn the_ledger() {
    let mock = Mock::answering(7, 11);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    let answer = gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 50}))).expect(200);
    let id = answer.header("x-request-id").unwrap();
    let rows = gateway.ledger(&format!("request_id={id}"));
    let row = &rows[0];
    assert_eq!((rows.len(), &row["id"], &row["outcome"]), (1, &json!(id), &json!("ok")));
    assert_eq!((&row["model"], &row["channel"]), (&json!("m-ok"), &json!("mock")));
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(7), &json!(11)));
    assert_eq!(nanos(&row["charged_usd"]), 18 * QUOTA);
    assert!(nanos(&row["held_usd"]) >= (50 + 7) * QUOTA, "{row}");
    assert_eq!((nanos(&row["overrun_usd"]), nanos(&row["granted_usd"])), (0, 0));
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.000036"));
    assert_eq!(gateway.ledger(&format!("token_id={}&outcome=void", token.id)).len(), 0);
    for bad in ["token_id=x", "outcome=nope", "page=0", "page_size=101", "page_size=-1", "nope=1"] {
        gateway.get(gateway.admin(), &format!("/v1/ledger?{bad}")).expect(400);
    }
    gateway.get(gateway.admin(), "/v1/ledger?request_id=unknown").expect(400);
    let unknown = "request_id=01900000-0000-7000-8000-000000000000";
    assert!(gateway.ledger(unknown).is_empty());
}

/// Usage by day and by model, also for the token itself.
#[test]
fn usage() {
    let mock = Mock::answering(10, 5);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    for model in ["m-ok", "m-ok", "m-bad"] {
        gateway.chat(&token.key, &chat(model, &json!({"max_tokens": 50}))).expect(200);
    }
    let of_token = |by: &str| {
        gateway.get(gateway.admin(), &format!("/v1/tokens/{}/usage{by}", token.id)).expect(200).json()["data"]
            .clone()
    };
    let data = of_token("?by=model");
    let total = json!({"requests": 3, "input_tokens": 30, "output_tokens": 15, "used_quota": 45, "used_credits": 0.018});
    assert_eq!(data["total"], total);
    let mut models: Vec<_> = data["items"].as_array().unwrap().clone();
    models.sort_by_key(|item| item["model"].to_string());
    assert_eq!(
        models[1],
        json!({"model": "m-ok", "requests": 2, "input_tokens": 20, "output_tokens": 10,
        "used_quota": 30, "used_credits": 0.012})
    );
    let days = of_token("?by=day");
    assert_eq!((days["items"].as_array().unwrap().len(), &days["total"]), (1, &total));
    assert_eq!(days["items"][0]["day"].as_str().unwrap().len(), 10);
    let own = gateway.get(&token.key, "/v1/usage?by=model").expect(200).json();
    assert_eq!(own["data"], data);
    assert_eq!(of_token("?from=0&to=86400")["total"]["requests"], 0);
    for bad in ["by=hour", "from=x", "from=2&to=1", "nope=1"] {
        gateway.get(&token.key, &format!("/v1/usage?{bad}")).expect(400);
    }
    gateway.get(&token.key, &format!("/v1/tokens/{}/usage", token.id)).expect(403);
}

/// The four balance routes, flat, exact, for any origin, also for who has nothing left.
#[test]
fn balances() {
    let mock = Mock::answering(0, 30);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 2, "daily_credits": 1}));
    gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 30}))).expect(200);
    for target in ["/v1/balance", "/balance"] {
        let answer = gateway.get(&token.key, target).expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let body = answer.json();
        assert_eq!((&body["success"], &body["unlimited_quota"]), (&json!(true), &json!(false)));
        assert_eq!((nanos(&body["remain_balance"]), nanos(&body["used_balance"])), (9_940_000, 60_000));
        assert_eq!((&body["remain_credits"], &body["used_credits"]), (&json!(1.988), &json!(0.012)));
        assert_eq!((&body["credits_per_usd"], &body["monthly"]), (&json!(200), &json!(null)));
        let daily = &body["daily"];
        assert_eq!((&daily["limit_credits"], &daily["used_credits"]), (&json!(1), &json!(0.012)));
        assert_eq!((&daily["reserved_credits"], &body["reserved_credits"]), (&json!(0), &json!(0)));
        let resets = daily["resets_at"].as_i64().unwrap();
        assert!(resets > crate::harness::now() && resets % 86_400 == 0, "{resets}");
        assert_eq!(body["expires_at"], -1);
    }
    for target in ["/v1/user/balance", "/user/balance"] {
        let body = gateway.get(&token.key, target).expect(200).json();
        assert_eq!((&body["unlimited_quota"], &body["remain_balance"]), (&json!(true), &json!(-1)));
        assert_eq!(nanos(&body["used_balance"]), 60_000);
    }
    let poor = gateway.create(json!({}));
    gateway.get(&poor.key, "/v1/balance").expect(200);
    gateway.get(&poor.key, "/v1/usage").expect(200);
    let free = gateway.create(json!({"unlimited_quota": true, "remain_credits": 3}));
    let body = gateway.get(&free.key, "/v1/balance").expect(200).json();
    assert_eq!((&body["remain_balance"], &body["remain_credits"]), (&json!(-1), &json!(3)));
}

/// CS-07: a browser's preflight is answered on the balance routes alone.
#[test]
fn cors_is_for_balances_only() {
    let gateway = Gateway::start(Settings::demo());
    let ask = |target: &str| {
        let request = Request::new("OPTIONS", target).header("Origin", "https://evil.test");
        let request = request.header("Access-Control-Request-Method", "GET");
        gateway.send(&request.header("Access-Control-Request-Headers", "authorization"))
    };
    for target in ["/v1/balance", "/balance", "/v1/user/balance", "/user/balance"] {
        let answer = ask(target);
        assert!([200, 204].contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(
            answer.header("access-control-allow-headers").unwrap().to_lowercase().contains("authorization")
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    for target in ["/v1/tokens", "/v1/chat/completions", "/v1/models", "/v1/users", "/v1/ledger", "/"] {
        assert_eq!(ask(target).header("access-control-allow-origin"), None, "{target}");
    }
}
