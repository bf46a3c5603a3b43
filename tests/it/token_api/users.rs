//! Users, roles and scopes: who may do what to whose tokens.

use serde_json::json;

use crate::harness::{Gateway, Mock, Settings, Token, chat};

fn user(gateway: &Gateway, body: &serde_json::Value) -> i64 {
    gateway.post(gateway.admin(), "/v1/users", body).expect(200).json()["data"]["id"].as_i64().unwrap()
}

fn manager(gateway: &Gateway, user: i64) -> Token {
    gateway.create(json!({"user_id": user, "scopes": ["inference", "manage"], "remain_credits": 5}))
}

#[test]
fn users_are_made_listed_changed() {
    let gateway = Gateway::start(Settings::demo());
    let admin = gateway.admin();
    let id = user(&gateway, &json!({"name": "ann", "remain_credits": 10}));
    let shown = gateway.get(admin, &format!("/v1/users/{id}")).expect(200).json();
    assert_eq!(shown["credits_per_usd"], 200);
    let data = &shown["data"];
    for (field, value) in [
        ("id", json!(id)),
        ("name", json!("ann")),
        ("role", json!("member")),
        ("status", json!(1)),
        ("unlimited_quota", json!(false)),
        ("remain_quota", json!(25_000)),
        ("used_quota", json!(0)),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
    let first = gateway.get(admin, "/v1/users/1").expect(200).json();
    assert_eq!((&first["data"]["role"], &first["data"]["unlimited_quota"]), (&json!("admin"), &json!(true)));
    assert_eq!(gateway.get(admin, "/v1/users").expect(200).json()["data"]["total"], 2);
    let target = format!("/v1/users/{id}");
    gateway.patch(&target, &json!({"name": "bea"})).expect(200);
    gateway.post(admin, &format!("{target}/credit"), &json!({"credits": -4})).expect(200);
    let data = gateway.get(admin, &target).expect(200).json()["data"].clone();
    assert_eq!((&data["name"], &data["remain_quota"]), (&json!("bea"), &json!(15_000)));
    gateway
        .post(admin, &format!("{target}/credit"), &json!({"quota": -15_001}))
        .refuses(400, "invalid_field");
    for bad in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "x", "role": "root"}),
        json!({"name": "x", "nope": 1}),
        json!({"name": "x", "remain_quota": -1}),
        json!({"name": "x", "unlimited_quota": 1}),
    ] {
        gateway.post(admin, "/v1/users", &bad).refuses(400, "invalid_field");
    }
    for bad in [json!({"remain_quota": 5}), json!({"used_quota": 0}), json!({"id": 5}), json!({"status": 7})]
    {
        gateway.patch(&target, &bad).refuses(400, "invalid_field");
    }
    gateway.get(admin, "/v1/users/999").refuses(404, "not_found");
}

/// T17: a member sees only what is its own; others' things are 404, admins' calls 403.
#[test]
fn members_see_their_own() {
    let gateway = Gateway::start(Settings::demo());
    let ann = user(&gateway, &json!({"name": "ann", "unlimited_quota": true}));
    let bob = user(&gateway, &json!({"name": "bob", "unlimited_quota": true}));
    let (of_ann, of_bob) = (manager(&gateway, ann), manager(&gateway, bob));
    let list = gateway.get(&of_ann.key, "/v1/tokens").expect(200).json();
    assert_eq!((&list["data"]["total"], &list["data"]["items"][0]["id"]), (&json!(1), &json!(of_ann.id)));
    let other = format!("/v1/tokens/{}", of_bob.id);
    for target in [other.clone(), format!("{other}/usage")] {
        gateway.get(&of_ann.key, &target).refuses(404, "not_found");
    }
    gateway
        .post(&of_ann.key, &format!("{other}/rotate"), &json!({"grace_seconds": 0}))
        .refuses(404, "not_found");
    gateway
        .post(&of_ann.key, "/v1/tokens/batch/delete", &json!({"ids": [of_bob.id]}))
        .refuses(404, "not_found");
    gateway.get(&of_ann.key, "/v1/users").expect(403);
    gateway.get(&of_ann.key, &format!("/v1/users/{bob}")).expect(403);
    gateway.post(&of_ann.key, &format!("/v1/users/{ann}/credit"), &json!({"credits": 1})).expect(403);
    gateway.post(&of_ann.key, "/v1/tokens", &json!({"name": "x", "user_id": bob})).expect(403);
    gateway.post(&of_ann.key, "/v1/tokens", &json!({"name": "x", "scopes": ["manage"]})).expect(403);
    for (field, value) in [("user_id", json!(bob)), ("scopes", json!(["manage"]))] {
        let batch = json!({"tokens": [{"name": "x"}, {"name": "y", field: value}]});
        let refused = gateway.post(&of_ann.key, "/v1/tokens/batch", &batch).expect(403);
        assert!(refused.message().starts_with(&format!("tokens[1].{field}: ")), "{}", refused.message());
    }
    let own =
        gateway.post(&of_ann.key, "/v1/tokens", &json!({"name": "mine", "user_id": ann})).expect(200).json();
    let own = gateway.token_of(&own["data"]);
    assert_eq!((&own.data["user_id"], &own.data["scopes"]), (&json!(ann), &json!(["inference"])));
    gateway.get(&of_bob.key, &format!("/v1/tokens/{}", own.id)).refuses(404, "not_found");
    let rows = gateway.get(&of_bob.key, &format!("/v1/ledger?token_id={}", of_ann.id));
    assert!(rows.status == 404 || rows.json()["data"]["total"] == 0, "{}", rows.text());
}

/// AU-12: scopes bind both ways.
#[test]
fn scopes() {
    let gateway = Gateway::start(Settings::demo());
    let caller = gateway.create(json!({"remain_credits": 5}));
    let manager = gateway.create(json!({"remain_credits": 5, "scopes": ["manage"]}));
    for target in ["/v1/tokens", "/v1/users", "/v1/ledger"] {
        let body = gateway.get(&caller.key, target).expect(403).json();
        assert_eq!(
            (&body["error"]["code"], &body["error"]["type"]),
            (&json!(403), &json!("permission_error"))
        );
    }
    gateway.post(&caller.key, "/v1/tokens", &json!({"name": "x"})).expect(403);
    gateway.chat(&manager.key, &chat("demo", &json!({}))).refuses(403, "scope_missing");
    gateway.get(&manager.key, "/v1/models").refuses(403, "scope_missing");
    gateway.get(&manager.key, "/v1/tokens").expect(200);
    gateway.get(&manager.key, "/v1/balance").expect(200);
}

/// A user's budget binds all its tokens; a disabled user stops them all.
#[test]
fn a_user_binds_its_tokens() {
    let mock = Mock::answering(0, 40);
    let gateway = Gateway::start(Settings::with(&mock));
    let ann = user(&gateway, &json!({"name": "ann", "remain_quota": 90}));
    let tokens: Vec<_> =
        (0..2).map(|_| gateway.create(json!({"user_id": ann, "unlimited_quota": true}))).collect();
    let body = chat("m-out", &json!({"max_tokens": 40}));
    gateway.chat(&tokens[0].key, &body).expect(200);
    gateway.chat(&tokens[1].key, &body).expect(200);
    gateway.chat(&tokens[0].key, &body).refuses(402, "insufficient_quota");
    let data = gateway.get(gateway.admin(), &format!("/v1/users/{ann}")).expect(200).json()["data"].clone();
    assert_eq!((&data["used_quota"], &data["remain_quota"]), (&json!(80), &json!(10)));
    gateway.patch(&format!("/v1/users/{ann}"), &json!({"status": 2})).expect(200);
    gateway.chat(&tokens[0].key, &body).refuses(401, "token_disabled");
    assert_eq!(mock.count(), 2);
}
