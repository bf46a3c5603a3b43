//! `GET /metrics`: who may read it, what it counts, and that its labels are bounded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::harness::{
    COMPLETION, Connection, Gate, Gateway, Mock, PROMPT, Reply, Request, Settings, chat, delta, nanos,
};

/// Samples by name and labels, as the page spells them.
fn samples(gateway: &Gateway) -> BTreeMap<String, String> {
    let answer = gateway.get(gateway.admin(), "/metrics").expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with('\n') && !text.contains(PROMPT) && !text.contains(COMPLETION), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| line.rsplit_once(' ').expect("a sample has a value"));
    samples.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn number(samples: &BTreeMap<String, String>, name: &str) -> u64 {
    samples.get(name).unwrap_or_else(|| panic!("{name} in {samples:#?}")).parse().unwrap()
}

fn chats(status: u16, model: &str) -> String {
    let model = if model.is_empty() { String::new() } else { format!(",model=\"{model}\"") };
    format!("tollgate_requests_total{{route=\"/v1/chat/completions\",status=\"{status}\"{model}}}")
}

/// CS-12, T36: not without a key, not with one that may only call models.
#[test]
fn it_needs_the_scope_manage() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 1}));
    let manager = gateway.create(json!({"remain_credits": 1, "scopes": ["manage"]}));
    assert_eq!(gateway.send(&Request::get("/metrics")).status, 401);
    assert_eq!(gateway.get(&format!("sk-{}", "x".repeat(48)), "/metrics").status, 401);
    let refused = gateway.get(&token.key, "/metrics").expect(403);
    assert_eq!(refused.text(), gateway.get(&token.key, "/v1/tokens").expect(403).text());
    gateway.get(&manager.key, "/metrics").expect(200);
    assert_eq!(gateway.post(&manager.key, "/metrics", &json!({})).status, 405);
    let samples = samples(&gateway);
    for (status, count) in [(200, 1), (401, 2), (403, 1), (405, 1)] {
        let name = format!("tollgate_requests_total{{route=\"/metrics\",status=\"{status}\"}}");
        assert_eq!(number(&samples, &name), count, "{name}");
    }
}

/// The listener of its own needs no key, and has nothing else.
#[test]
fn its_own_listener() {
    let gateway = Gateway::start(Settings::demo().set("server", "metrics_listen", "\"127.0.0.1:0\""));
    assert!(gateway.log_shows("/metrics, without a key"));
    let (_, log) = gateway.printed();
    let (_, rest) = log.split_once("metrics are at http://").unwrap();
    let address = rest.split_once('/').unwrap().0.parse().unwrap();
    let ask = |request: &Request| {
        let mut connection = Connection::open(address);
        connection.send(&request.bytes());
        connection.answer().unwrap().finish()
    };
    assert!(ask(&Request::get("/metrics")).expect(200).text().contains("tollgate_store_recording 1\n"));
    for target in ["/", "/v1/models", "/v1/tokens", "/livez"] {
        assert_eq!(ask(&Request::get(target).bearer(gateway.admin())).status, 404, "{target}");
    }
    assert_eq!(ask(&Request::new("POST", "/metrics")).status, 405);
    assert_eq!(gateway.send(&Request::get("/metrics")).status, 401);
}

#[test]
fn it_counts_what_was_served_and_refused() {
    let mock = Mock::start(|request| {
        if request.is_stream() { Reply::stream(&["a", "b"], 4, 2) } else { Reply::completion(3, 5) }
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100}));
    let poor = gateway.create(json!({"remain_quota": 1}));
    let ask = |key: &str, model: &str, more| gateway.chat(key, &chat(model, &more)).status;
    assert_eq!(ask(&token.key, "fast", json!({"max_tokens": 50})), 200);
    assert_eq!(ask(&token.key, "fast", json!({"max_tokens": 50, "stream": true})), 200);
    assert_eq!(ask(&token.key, "m-any", json!({"max_tokens": 50})), 200);
    assert_eq!(ask(&poor.key, "fast", json!({"max_tokens": 50})), 402);
    assert_eq!(ask("sk-none", "fast", json!({})), 401);
    gateway.settled(&token);
    let samples = samples(&gateway);
    for (status, model, count) in [(200, "fast", 2), (200, "other", 1), (402, "fast", 1), (401, "", 1)] {
        assert_eq!(number(&samples, &chats(status, model)), count, "{status} {model}");
    }
    for (direction, count) in [("input", 7), ("output", 7)] {
        let name = format!("tollgate_tokens_total{{model=\"fast\",direction=\"{direction}\"}}");
        assert_eq!(number(&samples, &name), count);
    }
    let cost: i64 = samples
        .iter()
        .filter(|(name, _)| name.starts_with("tollgate_cost_usd_total"))
        .map(|(_, value)| nanos(&json!(value)))
        .sum();
    let charged = gateway.ledger("").iter().map(|row| nanos(&row["charged_usd"])).sum::<i64>();
    assert_eq!((cost, cost > 0), (charged, true));
    for name in
        ["tollgate_hold_seconds_count", "tollgate_settle_seconds_count", "tollgate_overhead_seconds_count"]
    {
        assert_eq!(number(&samples, name), 3, "{name}");
    }
    assert!(number(&samples, "tollgate_store_commit_seconds_count") >= 6, "{samples:#?}");
    assert!(number(&samples, "tollgate_store_batch_operations_sum") >= 6, "{samples:#?}");
    let one = number(&samples, "tollgate_store_recording");
    let version = format!("tollgate_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!((one, number(&samples, &version)), (1, 1));
    assert_eq!(number(&samples, "tollgate_exchanges_running"), 0);
}

/// AB-14: whatever clients ask for, there are no more series.
#[test]
fn unknown_names_add_no_series() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100}));
    let ask = |number: u32| {
        gateway.chat(&token.key, &chat(&format!("unknown-{number}"), &json!({})));
        gateway.chat(&token.key, &chat(&format!("m-{number}"), &json!({"max_tokens": 1})));
        gateway.get(&token.key, &format!("/v1/models/m-{number}"));
        gateway.get(&token.key, &format!("/path-{number}"));
        gateway.get(gateway.admin(), &format!("/v1/tokens/{}", number + 1_000));
    };
    let names = || samples(&gateway).into_keys().collect::<BTreeSet<_>>();
    ask(0);
    names();
    let before = names();
    (1..40).for_each(ask);
    let after = names();
    assert_eq!(after, before);
    assert!(!after.iter().any(|name| name.contains("unknown-") || name.contains("path-")), "{after:#?}");
}

/// What runs is shown while it runs, and timed when it has ended; a provider's faults are counted by kind.
#[test]
fn it_shows_what_runs_and_what_providers_do_wrong() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request| match request.json()["model"].as_str() {
        Some("m-slow") => Reply::completion(1, 1).behind(&shut),
        Some("m-cut") => Reply::sse().event(&delta("a")).close(),
        _ => Reply::error(500, "x"),
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100}));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| gateway.chat(&token.key, &chat("m-slow", &json!({"max_tokens": 9}))));
        mock.wait_for(1);
        assert_eq!(number(&samples(&gateway), "tollgate_exchanges_running"), 1);
        gate.open();
        slow.join().unwrap().expect(200);
    });
    let own = samples(&gateway);
    assert_eq!(number(&own, "tollgate_overhead_seconds_count"), 1, "{own:#?}");
    gateway.chat(&token.key, &chat("m-cut", &json!({"max_tokens": 9, "stream": true})));
    gateway.chat(&token.key, &chat("m-bad", &json!({"max_tokens": 9}))).expect(502);
    gateway.settled(&token);
    let samples = samples(&gateway);
    let errors = |kind: &str| number(&samples, &format!("tollgate_upstream_errors_total{{kind=\"{kind}\"}}"));
    assert_eq!((errors("status"), errors("timeout")), (1, 0));
    assert_eq!(errors("cut") + errors("no_terminator"), 1);
}

#[test]
fn it_counts_overruns_and_recovered_holds() {
    let mock = Mock::start(|request| match request.json()["model"].as_str() {
        Some("m-hang") => Reply::raw("").hang(),
        _ => Reply::completion(0, 1_000),
    });
    let mut gateway = Gateway::start(Settings::with(&mock));
    let poor = gateway.create(json!({"remain_quota": 20}));
    gateway.chat(&poor.key, &chat("m-out", &json!({"max_tokens": 20}))).expect(200);
    assert_eq!(gateway.settled(&poor), 20);
    let before = samples(&gateway);
    assert_eq!(number(&before, "tollgate_overruns_total"), 1);
    assert_eq!(nanos(&json!(before["tollgate_overrun_usd_total"])), 980 * crate::harness::QUOTA);
    let token = gateway.create(json!({"remain_credits": 100}));
    let request = Request::post("/v1/chat/completions", &chat("m-hang", &json!({"max_tokens": 9})));
    let mut connection = gateway.connect();
    connection.send(&request.bearer(&token.key).bytes());
    mock.wait_for(2);
    gateway.kill();
    gateway.restart();
    let after = samples(&gateway);
    assert_eq!(number(&after, "tollgate_recovered_holds_total"), 1);
    assert_eq!(number(&after, "tollgate_overruns_total"), 0);
}
