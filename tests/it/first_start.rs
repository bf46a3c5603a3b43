//! The first hour of an operator: start with nothing, find the key, ask the demo model, see what it cost.

use serde_json::json;

use crate::harness::{Gateway, Request, Settings, chat, nanos, printed_key};

/// The key is printed once, in a block on standard output, and never again.
#[test]
fn the_first_start_prints_one_key() {
    let mut gateway = Gateway::start(Settings::demo().without_admin_key());
    let (stdout, stderr) = gateway.printed();
    let key = printed_key(&stdout).expect("a key");
    assert_eq!(stdout.matches(&key).count(), 1, "{stdout}");
    assert!(!stderr.contains(&key[3..]), "{stderr}");
    let tokens = gateway.get(&key, "/v1/tokens").expect(200).json();
    assert_eq!(tokens["data"]["total"], 1);
    let token = &tokens["data"]["items"][0];
    assert_eq!((&token["user_id"], &token["unlimited_quota"]), (&json!(1), &json!(true)));
    let scopes: Vec<_> =
        token["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    assert!(scopes.contains(&"inference") && scopes.contains(&"manage"), "{scopes:?}");

    gateway.terminate();
    gateway.restart();
    assert_eq!(printed_key(&gateway.printed().0), None, "{}", gateway.printed().0);
    gateway.get(&key, "/v1/tokens").expect(200);
}

/// A first start that ends early, here because its port is taken, has still shown the key that it made: no other start will.
#[test]
fn a_first_start_that_fails_shows_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("\"{}\"", taken.local_addr().unwrap());
    let settings = || Settings::demo().without_admin_key();
    let mut gateway = Gateway::prepare(settings().set("server", "listen", &address));
    let output = gateway.run(&["serve"]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    let key = printed_key(&output.stdout).unwrap_or_else(|| panic!("no key in {}", output.stdout));
    gateway.adopt_admin(&key);
    gateway.configure(settings());
    gateway.restart();
    gateway.get(&key, "/v1/tokens").expect(200);
}

/// A key given by the environment is the only one, and is never printed.
#[test]
fn a_given_admin_key_makes_no_second_token() {
    let gateway = Gateway::start(Settings::demo());
    assert_eq!(printed_key(&gateway.printed().0), None);
    let tokens = gateway.get(gateway.admin(), "/v1/tokens").expect(200).json();
    assert_eq!(tokens["data"]["total"], 1);
    assert_eq!(tokens["data"]["items"][0]["name"], "environment");
}

#[test]
fn a_given_admin_key_must_be_one() {
    for bad in ["secret", "sk-short", "0123"] {
        let mut gateway =
            Gateway::prepare(Settings::demo().without_admin_key().env("TOLLGATE_ADMIN_KEY", bad));
        gateway.leave_unchecked();
        let output = gateway.run(&["serve"]);
        assert_eq!(output.code, 3, "{}", output.stderr);
        assert!(output.stderr.contains("TOLLGATE_ADMIN_KEY"), "{}", output.stderr);
    }
}

/// The demo model answers plain and streamed, and the balance moves by exactly what the answers said.
#[test]
fn the_demo_model_costs_what_it_says() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 200}));
    let plain = gateway.chat(&token.key, &chat("demo", &json!({}))).expect(200);
    assert_eq!(plain.json()["object"], "chat.completion");
    assert!(!plain.json()["choices"][0]["message"]["content"].as_str().unwrap().is_empty());
    let cost = nanos(&json!(plain.header("x-tollgate-cost-usd").expect("a cost")));
    assert!(cost > 0);
    let balance = gateway.get(&token.key, "/v1/balance").expect(200).json();
    assert_eq!(nanos(&balance["used_balance"]), cost);
    assert_eq!(nanos(&balance["remain_balance"]), 1_000_000_000 - cost);

    let stream = gateway.chat(&token.key, &chat("demo", &json!({"stream": true}))).expect(200);
    assert!(stream.clean);
    let events = stream.events();
    assert!(events.len() > 2, "{events:?}");
    assert_eq!(events.last().map(|last| last.trim()), Some("[DONE]"));
    assert!(stream.header("content-type").unwrap().starts_with("text/event-stream"));
    let after = gateway.get(&token.key, "/v1/balance").expect(200).json();
    let rows = gateway.ledger(&format!("token_id={}", token.id));
    let charged: i64 = rows.iter().map(|row| nanos(&row["charged_usd"])).sum();
    assert!(nanos(&after["used_balance"]) > cost);
    assert_eq!(nanos(&after["used_balance"]), charged);
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&plain.header("x-request-id").unwrap()), "{ids:?}");
    assert!(ids.contains(&stream.header("x-request-id").unwrap()), "{ids:?}");
}

/// What anyone may see, and what nobody may see without a key.
#[test]
fn public_routes() {
    let gateway = Gateway::start(Settings::demo());
    let root = gateway.get("", "/").expect(200);
    assert!(root.text().contains("tollgate"), "{}", root.text());
    gateway.get("", "/livez").expect(200);
    gateway.get("", "/readyz").expect(200);
    for target in ["/v1/models", "/v1/tokens", "/v1/balance", "/v1/ledger", "/v1/users", "/v1/usage"] {
        gateway.get("", target).expect(401);
    }
    for target in
        ["/v1/nothing", "/v2/models", "//v1/models", "/V1/models", "/v1/./models/", "/data/tollgate.db"]
    {
        gateway.get("", target).refuses(404, "not_found");
        gateway.get(gateway.admin(), target).refuses(404, "not_found");
    }
    gateway.send(&Request::get("/v1/models").bearer(gateway.admin())).expect(200);
}
