//! What happens to a token after it was made: change, rotate, disable, delete, in ones and batches.

use serde_json::json;

use crate::harness::{Gateway, Mock, Request, SOON, Settings, chat, eventually, now};

/// PATCH changes the named fields only.
#[test]
fn patch() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_quota": 10, "rpm": 5, "metadata": {"a": "b"}}));
    let target = format!("/v1/tokens/{}", token.id);
    let before = gateway.token(token.id);
    let after = gateway.patch(&target, &json!({"name": "new", "daily_credits": 2})).expect(200).json();
    assert!(after["data"]["key"].is_null());
    assert_eq!(after["credits_per_usd"], 200);
    let mut expected = before;
    expected["name"] = json!("new");
    expected["daily_credits"] = json!(2);
    expected["daily_quota"] = json!(5_000);
    assert_eq!(gateway.token(token.id), expected);
    for field in
        ["remain_quota", "remain_credits", "used_quota", "id", "user_id", "key", "created_time", "nope"]
    {
        let answer = gateway.patch(&target, &json!({field: 1})).refuses(400, "invalid_field");
        assert!(answer.message().contains(field), "{}", answer.message());
    }
    for bad in
        [json!({"status": 3}), json!({"status": 0}), json!({"status": "1"}), json!({"expired_time": 5})]
    {
        gateway.patch(&target, &bad).refuses(400, "invalid_field");
    }
    assert_eq!(gateway.token(token.id), expected);
    gateway.patch("/v1/tokens/999999", &json!({"name": "x"})).refuses(404, "not_found");
}

/// AU-07: a disabled token stops before the call returns, and comes back.
#[test]
fn disable_and_enable() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    let target = format!("/v1/tokens/{}", token.id);
    let body = chat("m-ok", &json!({"max_tokens": 10}));
    gateway.chat(&token.key, &body).expect(200);
    gateway.patch(&target, &json!({"status": 2})).expect(200);
    for _ in 0..20 {
        gateway.chat(&token.key, &body).refuses(401, "token_disabled");
    }
    assert_eq!(mock.count(), 1);
    assert_eq!(gateway.number(token.id, "status"), 2);
    gateway.patch(&target, &json!({"status": 1})).expect(200);
    gateway.chat(&token.key, &body).expect(200);
}

/// TA-16: rotation, with and without a grace.
#[test]
fn rotation() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 5, "rpm": 100}));
    let rotate = |grace: i64| {
        let body = json!({"grace_seconds": grace});
        gateway.post(gateway.admin(), &format!("/v1/tokens/{}/rotate", token.id), &body).expect(200)
    };
    let second = gateway.token_of(&rotate(0).json()["data"]);
    assert_ne!(second.key, token.key);
    gateway.get(&token.key, "/v1/balance").expect(401);
    gateway.get(&second.key, "/v1/balance").expect(200);
    assert_eq!(gateway.number(token.id, "remain_quota"), 12_500);
    assert_ne!(gateway.token(token.id)["fingerprint"], token.data["fingerprint"]);
    let third = gateway.token_of(&rotate(3600).json()["data"]);
    [&second, &third].iter().for_each(|token| drop(gateway.get(&token.key, "/v1/balance").expect(200)));
    let fourth = gateway.token_of(&rotate(3600).json()["data"]);
    gateway.get(&second.key, "/v1/balance").expect(401);
    [&third, &fourth].iter().for_each(|token| drop(gateway.get(&token.key, "/v1/balance").expect(200)));
    let last = gateway.token_of(&rotate(1).json()["data"]);
    gateway.get(&third.key, "/v1/balance").expect(401);
    eventually("the grace ends", SOON, || {
        (gateway.get(&fourth.key, "/v1/balance").status == 401).then_some(())
    });
    gateway.get(&last.key, "/v1/balance").expect(200);
    for bad in [json!({"grace_seconds": -1}), json!({"grace_seconds": 604_801}), json!({"grace": 1})] {
        let target = format!("/v1/tokens/{}/rotate", token.id);
        gateway.post(gateway.admin(), &target, &bad).refuses(400, "invalid_field");
    }
}

/// TA-12: expiry stops a token by itself.
#[test]
fn expiry() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 5, "expired_time": now() + 2}));
    gateway.get(&token.key, "/v1/models").expect(200);
    eventually("the token expires", SOON, || {
        (gateway.get(&token.key, "/v1/models").status == 401).then_some(())
    });
    gateway.chat(&token.key, &chat("demo", &json!({}))).refuses(401, "token_expired");
    assert_eq!(gateway.number(token.id, "status"), 3);
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"expired_time": -1})).expect(200);
    gateway.chat(&token.key, &chat("demo", &json!({}))).expect(200);
}

/// TA-14: a deleted token is gone, its ledger stays, its name is free and starts anew.
#[test]
fn deletion() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"name": "again", "remain_credits": 5}));
    gateway.chat(&token.key, &chat("demo", &json!({}))).expect(200);
    let target = format!("/v1/tokens/{}", token.id);
    gateway.delete(&target).expect(200);
    gateway.delete(&target).refuses(404, "not_found");
    gateway.get(gateway.admin(), &target).refuses(404, "not_found");
    gateway.chat(&token.key, &chat("demo", &json!({}))).refuses(401, "invalid_api_key");
    let rows = gateway.ledger(&format!("token_id={}", token.id));
    assert!(rows.iter().any(|row| row["outcome"] == "ok"), "{rows:?}");
    let next = gateway.create(json!({"name": "again", "remain_credits": 5}));
    assert_ne!(next.id, token.id);
    assert_eq!(gateway.used(&next), 0);
}

/// The last way in can't be closed.
#[test]
fn the_last_admin_token_stays() {
    let gateway = Gateway::start(Settings::demo());
    let tokens = gateway.get(gateway.admin(), "/v1/tokens").expect(200).json();
    let id = tokens["data"]["items"][0]["id"].as_i64().unwrap();
    gateway.delete(&format!("/v1/tokens/{id}")).expect(400);
    gateway.patch(&format!("/v1/tokens/{id}"), &json!({"status": 2})).expect(400);
    gateway.patch(&format!("/v1/tokens/{id}"), &json!({"scopes": ["inference"]})).expect(400);
    gateway.post(gateway.admin(), "/v1/tokens/batch/disable", &json!({"ids": [id]})).expect(400);
    gateway.post(gateway.admin(), "/v1/tokens/batch/delete", &json!({"ids": [id]})).expect(400);
    gateway.patch("/v1/users/1", &json!({"role": "member"})).expect(400);
    gateway.patch("/v1/users/1", &json!({"status": 2})).expect(400);
    gateway.get(gateway.admin(), "/v1/tokens").expect(200);
}

/// Batches: all or none.
#[test]
fn batches() {
    let gateway = Gateway::start(Settings::demo());
    let admin = gateway.admin();
    let bodies: Vec<_> =
        (0..20).map(|number| json!({"name": format!("t{number}"), "remain_quota": number})).collect();
    let request = Request::post("/v1/tokens/batch", &json!({"tokens": bodies})).bearer(admin);
    let answer = gateway.send(&request.clone().header("Idempotency-Key", "b")).expect(200).json();
    let made: Vec<_> = answer["data"].as_array().unwrap().iter().map(|data| gateway.token_of(data)).collect();
    assert_eq!(made.len(), 20);
    for (number, token) in made.iter().enumerate() {
        assert_eq!(token.data["name"], format!("t{number}"));
        gateway.get(&token.key, "/v1/balance").expect(200);
    }
    gateway.send(&request.header("Idempotency-Key", "b")).refuses(409, "already_created");
    let mut bad = bodies;
    bad[17]["name"] = json!("");
    let answer =
        gateway.post(admin, "/v1/tokens/batch", &json!({"tokens": bad})).refuses(400, "invalid_field");
    assert!(answer.message().contains("tokens[17].name"), "{}", answer.message());
    let many: Vec<_> = (0..1001).map(|_| json!({"name": "x"})).collect();
    gateway.post(admin, "/v1/tokens/batch", &json!({"tokens": many})).expect(400);
    let total = |status: &str| {
        gateway.get(admin, &format!("/v1/tokens?status={status}")).expect(200).json()["data"]["total"].clone()
    };
    assert_eq!(total(""), 21);
    gateway.post(admin, "/v1/tokens/batch/disable", &json!({"ids": [made[0].id, 999_999]})).expect(404);
    assert_eq!(total("2"), 0);
    gateway.post(admin, "/v1/tokens/batch/disable", &json!({"ids": [made[0].id, made[1].id]})).expect(200);
    assert_eq!(total("2"), 2);
    gateway.get(&made[1].key, "/v1/balance").expect(401);
    gateway.post(admin, "/v1/tokens/batch/delete", &json!({"ids": [made[2].id, 999_999]})).expect(404);
    gateway.get(&made[2].key, "/v1/balance").expect(200);
    let ids: Vec<_> = made.iter().map(|token| token.id).collect();
    gateway.post(admin, "/v1/tokens/batch/delete", &json!({"ids": ids})).expect(200);
    gateway.get(&made[2].key, "/v1/balance").expect(401);
    assert_eq!(total(""), 1);
}
