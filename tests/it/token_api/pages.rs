//! Lists: pages, keywords, filters.

use serde_json::json;

use crate::harness::{Gateway, Settings};

/// TA-15: pages are stable, bounded, newest first; a keyword is literal.
#[test]
fn lists() {
    let gateway = Gateway::start(Settings::demo().append("[[groups]]\nname = \"vip\"\nmultiplier = \"1\"\n"));
    let admin = gateway.admin();
    let bodies: Vec<_> =
        (0..30).map(|n| json!({"name": format!("n{n:02}%_\\'\""), "remain_quota": 1})).collect();
    let made = gateway.post(admin, "/v1/tokens/batch", &json!({"tokens": bodies})).expect(200).json();
    let ids: Vec<_> = made["data"].as_array().unwrap().iter().map(|data| gateway.token_of(data).id).collect();
    let list =
        |query: &str| gateway.get(admin, &format!("/v1/tokens?{query}")).expect(200).json()["data"].clone();
    let first = list("");
    assert_eq!((&first["total"], &first["page"], &first["page_size"]), (&json!(31), &json!(1), &json!(20)));
    let mut seen = Vec::new();
    for page in 1..=4 {
        let data = list(&format!("page={page}&page_size=10"));
        seen.extend(data["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()));
    }
    assert_eq!(seen.len(), 31);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first: {seen:?}");
    assert!(list("page=9223372036")["items"].as_array().unwrap().is_empty());
    for (query, total) in [
        ("keyword=n0", 10),
        ("keyword=n07", 1),
        ("keyword=%25", 30),
        ("keyword=%25%25", 0),
        ("keyword=_", 30),
        ("keyword=n__", 0),
        ("keyword=%27%20OR%201=1", 0),
        ("keyword=%5C", 30),
        ("status=1", 31),
        ("status=2", 0),
        ("status=3", 0),
        ("status=4", 0),
        ("group=vip", 0),
    ] {
        assert_eq!(list(query)["total"], total, "{query}");
    }
    gateway.patch(&format!("/v1/tokens/{}", ids[0]), &json!({"group": "vip", "status": 2})).expect(200);
    assert_eq!((&list("group=vip")["total"], &list("status=2")["total"]), (&json!(1), &json!(1)));
    for bad in [
        "page_size=1000000",
        "page_size=101",
        "page_size=-1",
        "page_size=0",
        "page=0",
        "page=-1",
        "page=9223372036854775808",
        "page=x",
        "status=9",
        "status=x",
        "sort=key",
    ] {
        gateway.get(admin, &format!("/v1/tokens?{bad}")).expect(400);
    }
}
