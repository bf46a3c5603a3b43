//! Requests per minute, tokens per minute, requests in flight.

use serde_json::json;

use crate::harness::{Gate, Gateway, Mock, Reply, SOON, Settings, at_once, chat, eventually};

#[test]
fn requests_per_minute() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100, "rpm": 5}));
    let body = chat("m-ok", &json!({"max_tokens": 5}));
    let first = gateway.chat(&token.key, &body).expect(200);
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("5"));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("4"));
    assert!(first.header("x-ratelimit-reset-requests").is_some());
    let statuses: Vec<_> = (0..5).map(|_| gateway.chat(&token.key, &body).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
    let refused = gateway.chat(&token.key, &body).refuses(429, "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-should-retry"), None);
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(mock.count(), 5);
    // Another token has its own bucket; without a limit there are no headers.
    let other = gateway.create(json!({"remain_credits": 100}));
    assert_eq!(gateway.chat(&other.key, &body).expect(200).header("x-ratelimit-limit-requests"), None);
}

/// Many at one instant: exactly as many as the limit reach the provider.
#[test]
fn requests_per_minute_at_one_instant() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100, "rpm": 5}));
    let body = chat("m-ok", &json!({"max_tokens": 5}));
    let statuses = at_once(24, |_| gateway.chat(&token.key, &body).status);
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert!((5..=6).contains(&served), "one more if the bucket refilled meanwhile: {statuses:?}");
    assert_eq!(mock.count(), served);
}

/// Taken as the worst case at admission, set right at settlement.
#[test]
fn tokens_per_minute() {
    let mock = Mock::answering(0, 300);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100, "tpm": 1000}));
    let ask = |cap: u64| gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": cap})));
    // 650 and the prompt are taken, all but 300 given back.
    let first = ask(650).expect(200);
    assert_eq!(first.header("x-ratelimit-limit-tokens"), Some("1000"));
    ask(650).expect(200);
    let refused = ask(650).refuses(429, "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // A request larger than the bucket passes only when that is full.
    ask(5000).refuses(429, "rate_limit_exceeded");
    let full = gateway.create(json!({"remain_credits": 100, "tpm": 1000}));
    gateway.chat(&full.key, &chat("m-ok", &json!({"max_tokens": 5000}))).expect(200);
}

/// QL-15: four in flight of eight; the refused ones hold nothing.
#[test]
fn requests_in_flight() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::completion(0, 5).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_credits": 100, "max_concurrency": 4}));
    let body = chat("m-out", &json!({"max_tokens": 10}));
    std::thread::scope(|scope| {
        let slow: Vec<_> = (0..4).map(|_| scope.spawn(|| gateway.chat(&token.key, &body))).collect();
        mock.wait_for(4);
        for _ in 0..4 {
            let refused = gateway.chat(&token.key, &body).refuses(429, "concurrency_limit_exceeded");
            assert_eq!(refused.header("retry-after"), Some("1"));
        }
        assert_eq!(gateway.held(&token), 40);
        gate.open();
        slow.into_iter().for_each(|answer| drop(answer.join().unwrap().expect(200)));
    });
    assert_eq!((mock.count(), mock.peak()), (4, 4));
    assert_eq!(gateway.settled(&token), 20);
    eventually("a slot is free", SOON, || (gateway.chat(&token.key, &body).status == 200).then_some(()));
}

/// The whole gateway's bound: refused as overloaded, with a time to come back.
#[test]
fn requests_of_all_in_flight() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::completion(0, 5).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock).set("limits", "max_concurrent_requests", "2"));
    let token = gateway.create(json!({"remain_credits": 100}));
    let body = chat("m-out", &json!({"max_tokens": 10}));
    std::thread::scope(|scope| {
        let slow: Vec<_> = (0..2).map(|_| scope.spawn(|| gateway.chat(&token.key, &body))).collect();
        mock.wait_for(2);
        let refused = gateway.chat(&token.key, &body).refuses(503, "overloaded");
        assert!(refused.header("retry-after").is_some());
        gate.open();
        slow.into_iter().for_each(|answer| drop(answer.join().unwrap().expect(200)));
    });
    gateway.chat(&token.key, &body).expect(200);
}

/// A refusal tells the rates as an answer does: it is when they are needed most.
#[test]
fn refusals_and_failures_tell_the_rates() {
    let mock = Mock::start(|_| Reply::error(500, "x"));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100, "rpm": 1, "tpm": 1000}));
    let ask = |cap: u64| gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": cap})));
    let told = |answer: &crate::harness::Response| {
        let header = |name: &str| answer.header(&format!("x-ratelimit-{name}")).map(str::to_owned);
        [header("limit-requests"), header("remaining-requests"), header("limit-tokens")]
    };
    let want = |remaining: &str| ["1", remaining, "1000"].map(|text| Some(text.to_owned()));
    assert_eq!(told(&ask(10).refuses(502, "upstream_error")), want("0"));
    let refused = ask(10).refuses(429, "rate_limit_exceeded");
    assert_eq!(told(&refused), want("0"));
    assert!(refused.header("x-ratelimit-reset-requests").is_some());
    let poor = gateway.create(json!({"remain_quota": 1, "rpm": 1, "tpm": 1000}));
    let refused = gateway.chat(&poor.key, &chat("m-out", &json!({"max_tokens": 50})));
    assert_eq!(told(&refused.refuses(402, "insufficient_quota")), want("1"));
}
