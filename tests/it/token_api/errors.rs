//! The shapes of refusals on management routes.

use serde_json::json;

use crate::harness::{Gateway, Request, SOON, Settings, eventually, unique};

#[test]
fn without_a_good_key() {
    let gateway = Gateway::start(Settings::demo());
    let expected = json!({"error": {"code": 401, "message": "Authentication failed, please check your API key",
        "type": "authentication_error"}});
    for key in ["".to_owned(), format!("sk-{}", unique()), "sk-short".to_owned()] {
        for target in ["/v1/tokens", "/v1/balance", "/v1/users", "/v1/usage", "/v1/ledger"] {
            assert_eq!(gateway.get(&key, target).expect(401).json(), expected, "{target}");
        }
    }
}

#[test]
fn wrong_routes_and_methods() {
    let gateway = Gateway::start(Settings::demo());
    let admin = gateway.admin();
    for (method, target) in [
        ("PUT", "/v1/tokens"),
        ("DELETE", "/v1/tokens"),
        ("POST", "/v1/balance"),
        ("POST", "/v1/tokens/1"),
        ("GET", "/v1/tokens/1/credit"),
        ("PATCH", "/v1/ledger"),
        ("DELETE", "/v1/users/1"),
    ] {
        let answer =
            gateway.send(&Request::new(method, target).bearer(admin)).refuses(405, "method_not_allowed");
        assert!(answer.header("allow").is_some(), "{method} {target}");
        assert_eq!(answer.json()["success"], false, "{method} {target}");
    }
    for target in ["/v1/tokens/abc", "/v1/tokens/0", "/v1/tokens/-1", "/v1/tokens/99999999999999999999"] {
        gateway.get(admin, target).refuses(404, "not_found");
    }
    let large = Request::new("POST", "/v1/tokens").bearer(admin).header("Content-Length", "99999999999");
    gateway.send(&large).refuses(413, "request_too_large");
    let two = Request::get("/v1/tokens").bearer(admin).header("x-api-key", &format!("sk-{}", unique()));
    assert_eq!(gateway.send(&two).refuses(400, "ambiguous_credentials").json()["success"], false);
}

/// `management_rpm`, per token; one token's calls are not another's.
#[test]
fn too_many_calls() {
    let gateway = Gateway::start(Settings::demo().set("limits", "management_rpm", "60"));
    let token = gateway.create(json!({"scopes": ["manage"]}));
    let refused = (0..200).map(|_| gateway.get(&token.key, "/v1/tokens")).find(|answer| answer.status != 200);
    let refused = refused.expect("a refusal").expect(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let expected = json!({"error": {"code": 429, "message": "Too many requests, please try again later",
        "type": "rate_limit_error"}});
    assert_eq!(refused.json(), expected);
    gateway.get(gateway.admin(), "/v1/tokens").expect(200);
    eventually("the bucket fills again", SOON, || {
        (gateway.get(&token.key, "/v1/tokens").status == 200).then_some(())
    });
}

/// Whatever is answered can be found in the log: by its id, on one line, with the token that called.
#[test]
fn every_answer_has_its_line_in_the_log() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"scopes": ["manage"]}));
    for (key, method, target, status) in [
        (token.key.as_str(), "GET", "/v1/tokens", 200),
        (token.key.as_str(), "DELETE", "/v1/tokens/99999", 404),
        (token.key.as_str(), "PUT", "/v1/tokens", 405),
        ("", "GET", "/v1/balance", 401),
        ("", "GET", "/livez", 200),
        ("", "PUT", "/", 405),
        (token.key.as_str(), "GET", "/v1/models", 403),
    ] {
        let answer = gateway.send(&Request::new(method, target).bearer(key)).expect(status);
        let id =
            answer.header("x-request-id").unwrap_or_else(|| panic!("no id: {method} {target}")).to_owned();
        let shown = format!("id={id} method={method} path={target} status={status}");
        assert!(gateway.log_shows(&shown), "{shown}");
    }
    assert!(gateway.log_shows(&format!(" token={} user=1", token.id)));
    gateway.cli(&["token", "show", &token.id.to_string()]);
    assert!(gateway.log_shows(&format!("method=GET path=/v1/tokens/{} status=200", token.id)));
}
