//! Ten thousand tokens: made, found again after a restart, listed. Limits are generous: the binary is a debug one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Gateway, Settings};

/// TA-02 as well: all keys differ.
#[test]
fn ten_thousand_tokens() {
    let mut gateway = Gateway::start(Settings::demo());
    let admin = gateway.admin().to_owned();
    let mut keys = HashSet::new();
    let mut last = String::new();
    for batch in 0..10 {
        let bodies: Vec<_> =
            (0..1000).map(|n| json!({"name": format!("t{batch}-{n}"), "remain_quota": 1000})).collect();
        let answer = gateway.post(&admin, "/v1/tokens/batch", &json!({"tokens": bodies})).expect(200).json();
        for data in answer["data"].as_array().unwrap() {
            last = data["key"].as_str().unwrap().to_owned();
            assert!(keys.insert(last.clone()), "a key twice");
        }
    }
    assert_eq!(keys.len(), 10_000);
    gateway.learn(&last);
    gateway.terminate();
    let start = Instant::now();
    gateway.restart();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let start = Instant::now();
    keys.iter()
        .take(50)
        .chain([&last])
        .for_each(|key| drop(gateway.get(&format!("sk-{key}"), "/v1/balance").expect(200)));
    for query in
        ["page=1", "page=500", "page=101&page_size=100", "keyword=t9-999", "status=4", "group=default"]
    {
        gateway.get(&admin, &format!("/v1/tokens?{query}")).expect(200);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(gateway.get(&admin, "/v1/tokens").expect(200).json()["data"]["total"], 10_001);
}
