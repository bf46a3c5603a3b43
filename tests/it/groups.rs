//! Channel groups: who is served by which channel, at which multiplier.

use serde_json::{Value, json};

use crate::harness::{Gateway, Mock, Settings, chat};

fn two_groups(plain: &Mock, vip: &Mock) -> Settings {
    Settings::demo()
        .append("[[groups]]\nname = \"vip\"\nmultiplier = \"0.5\"\n")
        .channel("plain", plain, "models = [\"m-ok\"]")
        .channel("vip", vip, "models = [\"m-ok\", \"m-vip\"]\ngroups = [\"vip\"]")
        .price("m-*", "2", "2")
}

/// A group sees its own channels, and pays by its own multiplier, rounded up once to a whole nanodollar.
#[test]
fn groups_have_channels_and_multipliers() {
    let (plain, vip) = (Mock::answering(10, 21), Mock::answering(10, 21));
    let gateway = Gateway::start(two_groups(&plain, &vip));
    let usual = gateway.create(json!({"remain_quota": 100_000}));
    let special = gateway.create(json!({"remain_quota": 100_000, "group": "vip"}));
    let ask = |key: &str, model: &str| gateway.chat(key, &chat(model, &json!({"max_tokens": 50})));
    assert_eq!(ask(&usual.key, "m-ok").expect(200).header("x-tollgate-cost-usd"), Some("0.000062"));
    assert_eq!(ask(&special.key, "m-ok").expect(200).header("x-tollgate-cost-usd"), Some("0.000031"));
    assert_eq!((plain.count(), vip.count()), (1, 1));
    ask(&usual.key, "m-vip").refuses(404, "model_not_found");
    ask(&special.key, "m-vip").expect(200);
    assert_eq!(gateway.last_entry(&special)["channel"], "vip");
    // 15.5 quota twice: what is used is rounded up, what remains down, and together they are what was granted.
    assert_eq!((gateway.used(&special), gateway.number(special.id, "remain_quota")), (31, 99_969));
    ask(&special.key, "m-ok").expect(200);
    assert_eq!((gateway.settled(&special), gateway.number(special.id, "remain_quota")), (47, 99_953));
}

/// The list of models is that of the token's group.
#[test]
fn lists_by_group() {
    let (plain, vip) = (Mock::answering(1, 1), Mock::answering(1, 1));
    let gateway = Gateway::start(two_groups(&plain, &vip));
    let ids = |key: &str| -> Vec<Value> {
        let list = gateway.get(key, "/v1/models").expect(200).json();
        list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect()
    };
    let usual = gateway.create(json!({"remain_quota": 10}));
    let special = gateway.create(json!({"remain_quota": 10, "group": "vip"}));
    assert!(!ids(&usual.key).contains(&json!("m-vip")));
    assert!(ids(&special.key).contains(&json!("m-vip")));
    assert!(ids(&usual.key).contains(&json!("demo")));
}
