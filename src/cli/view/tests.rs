//! What people see of the API's answers.

use super::*;

const TOKEN: &str = r#"{"id":12,"user_id":1,"fingerprint":"3fa9c1d2","status":4,"name":"令牌\u001b[2J",
"created_time":1738483200,"accessed_time":1738483200,"expired_time":-1,"remain_quota":0,"remain_credits":0,
"unlimited_quota":false,"used_quota":500000,"used_credits":200,"daily_quota":250000,"daily_credits":100,
"daily_used_quota":1,"monthly_quota":0,"monthly_credits":0,"monthly_used_quota":0,"model_limits_enabled":true,
"model_limits":"gpt-*","group":"","cross_group_retry":false,"allow_ips":"","reserved_quota":0,"rpm":5,"tpm":0,
"max_concurrency":2,"scopes":["inference","manage"],"metadata":{"team":"a"}}"#;

fn printed(view: View, data: &str) -> String {
    let mut out = Vec::new();
    view.print(data, Format::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_list_of_tokens_has_a_line_for_each() {
    let data = format!(r#"{{"items":[{TOKEN}],"total":1,"page":1,"page_size":20}}"#);
    let text = printed(View::Tokens, &data);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "ID  NAME           STATUS     REMAINING CREDITS  USED      DAILY                 MONTHLY  FINGERPRINT  LAST USE",
            "12  令牌\\u{1b}[2J  exhausted  0 ($0)             200 ($1)  0.0004 of 100 ($0.5)  -        3fa9c1d2     never",
        ]
    );
}

#[test]
fn the_place_of_a_page_is_told_where_it_is_not_all() {
    let page = |items: &str, total: &str, page: i64| {
        printed(
            View::Tokens,
            &format!(r#"{{"items":[{items}],"total":{total},"page":{page},"page_size":1}}"#),
        )
    };
    assert_eq!(page("", "0", 1), "no tokens\n");
    assert_eq!(page("", "5", 9), "page 9: 0 of 5 tokens\n");
    assert!(page(TOKEN, "5", 2).ends_with("\npage 2: 1 of 5 tokens\n"));
    assert!(page(TOKEN, "null", 1).ends_with("\npage 1: 1 tokens\n"));
}

#[test]
fn a_key_is_shown_first_and_said_to_be_shown_once() {
    let data = TOKEN.replace(r#""status""#, &format!(r#""key":"{}","status""#, "k".repeat(48)));
    let text = printed(View::Token, &data);
    assert!(text.starts_with(&format!("key: sk-{}\nKeep the key now", "k".repeat(48))), "{text}");
    for line in [
        "daily        0.0004 of 100 ($0.5)",
        "rates        5 requests per minute, 2 at a time",
        "metadata     team=a",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    assert!(!printed(View::Token, TOKEN).contains("key:"));
}

#[test]
fn what_is_not_understood_is_shown_as_it_came() {
    assert_eq!(printed(View::Token, r#"{"key":"abc"}"#), "{\"key\":\"abc\"}\n");
    assert_eq!(printed(View::Users, "null"), "null\n");
}

#[test]
fn json_is_the_data_digit_for_digit() {
    let mut out = Vec::new();
    View::Token.print(r#"{"remain_credits":0.10}"#, Format { json: true }, &mut out).unwrap();
    assert_eq!(out, b"{\"remain_credits\":0.10}\n");
}

#[test]
fn users_and_ledger_rows_are_lines_too() {
    let user = r#"{"id":3,"name":"u","role":"member","status":2,"created_time":1738483200,"unlimited_quota":true,
        "remain_quota":0,"remain_credits":0,"used_quota":0,"used_credits":0,"reserved_quota":0}"#;
    let users = format!(r#"{{"items":[{user}],"total":1,"page":1,"page_size":20}}"#);
    let text = printed(View::Users, &users);
    assert_eq!(
        text.lines().nth(1),
        Some("3   u     member  disabled  unlimited          0 ($0)  2025-02-02 08:00:00Z")
    );
    assert!(printed(View::User, user).contains("role       member\n"));
    let entry = r#"{"id":"01901234-5678-7fff-bfff-ffffffffffff","seq":4,"time":1738483200,"token_id":5,"user_id":null,
        "model":"m","channel":"","attempts":1,"outcome":"adjust","usage":{"input":12,"cached_input":0,"output":5},
        "usage_source":"provider","held_usd":0,"charged_usd":-0.000000001,"overrun_usd":0,"granted_usd":1.5,
        "refund_of":"x","note":"bad\nanswer"}"#;
    let rows = format!(r#"{{"items":[{entry}],"total":null,"page":1,"page_size":20}}"#);
    let text = printed(View::Ledger, &rows);
    for part in ["-$0.000000001", "$1.5", "input 12, output 5", "page 1: 1 ledger rows"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(printed(View::Entry, entry).contains("note        bad\\nanswer\n"));
}
