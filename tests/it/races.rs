//! Management and spending at the same time: no update is lost, nothing happens twice.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::harness::{Gateway, Mock, Request, Settings, at_once, chat};

/// T19: settings written while money moves never write an old balance back.
#[test]
fn settings_do_not_overwrite_money() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100_000}));
    let target = format!("/v1/tokens/{}", token.id);
    at_once(24, |number| {
        for round in 0..10 {
            match number % 3 {
                0 => drop(gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 20}))).expect(200)),
                1 => drop(
                    gateway
                        .patch(&target, &json!({"name": format!("n{number}-{round}"), "rpm": 0}))
                        .expect(200),
                ),
                _ => {
                    let credit = json!({"quota": if round % 2 == 0 { 100 } else { -50 }});
                    gateway.post(gateway.admin(), &format!("{target}/credit"), &credit).expect(200);
                }
            }
        }
    });
    // 80 requests of 16; 8 × 5 × (100 - 50) credited.
    assert_eq!(gateway.settled(&token), 80 * 16);
    assert_eq!(gateway.number(token.id, "remain_quota"), 100_000 + 2_000 - 80 * 16);
}

/// What is taken back can't be spent, however close the two come.
#[test]
fn taking_back_races_with_spending() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 640}));
    let target = format!("/v1/tokens/{}/credit", token.id);
    let done = at_once(40, |number| {
        let is_spending = number % 2 == 0;
        let status = if is_spending {
            gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 16}))).status
        } else {
            gateway.post(gateway.admin(), &target, &json!({"quota": -32})).status
        };
        (is_spending, status)
    });
    let count =
        |spending: bool| i64::try_from(done.iter().filter(|one| **one == (spending, 200)).count()).unwrap();
    let (spent, taken) = (count(true) * 16, count(false) * 32);
    assert_eq!(gateway.settled(&token), spent);
    assert_eq!(gateway.number(token.id, "remain_quota"), 640 - spent - taken);
    assert!(spent + taken <= 640);
}

/// One `Idempotency-Key` at one instant makes one token.
#[test]
fn repeats_at_one_instant() {
    let gateway = Gateway::start(Settings::demo());
    let request = Request::post("/v1/tokens", &json!({"name": "once"})).bearer(gateway.admin());
    let request = request.header("Idempotency-Key", "one");
    let mut statuses = at_once(16, |_| gateway.open(&request).finish().status);
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    let list = gateway.get(gateway.admin(), "/v1/tokens?keyword=once").expect(200).json();
    assert_eq!(list["data"]["total"], 1);
}

/// A refund is given once, however many ask.
#[test]
fn refunds_at_one_instant() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100}));
    let answer = gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 16}))).expect(200);
    let target = format!("/v1/ledger/{}/refund", answer.header("x-request-id").unwrap());
    let statuses = at_once(16, |_| gateway.post(gateway.admin(), &target, &json!({"reason": "x"})).status);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!((gateway.used(&token), gateway.number(token.id, "remain_quota")), (0, 100));
}

/// AU-07: nothing is served once the call that disabled the token has returned.
#[test]
fn disabling_under_load() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    let (is_disabled, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let was_disabled = is_disabled.load(Ordering::SeqCst);
                    let status = gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 16}))).status;
                    assert!(
                        status == 401 || (status == 200 && !was_disabled),
                        "{status}, disabled: {was_disabled}"
                    );
                    if was_disabled {
                        break;
                    }
                }
            });
        }
        mock.wait_for(50);
        let answer = gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"status": 2}));
        is_disabled.store(true, Ordering::SeqCst);
        answer.expect(200);
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(gateway.settled(&token), i64::try_from(mock.count()).unwrap() * 16);
}

/// `verify` beside a server that is writing finds no drift.
#[test]
fn verify_beside_load() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 16}))).expect(200);
                }
            });
        }
        let outputs: Vec<_> = (0..5).map(|_| gateway.run(&["verify"])).collect();
        is_over.store(true, Ordering::Relaxed);
        outputs.iter().for_each(|output| assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr));
    });
}

/// T13: a token that is disabled, deleted or narrowed while a request's body is still on its way is not served.
#[test]
fn a_token_that_changes_while_the_body_arrives() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let body = chat("m-ok", &json!({"max_tokens": 16}));
    for (change, status, code) in [
        (Some(json!({"status": 2})), 401, "token_disabled"),
        (Some(json!({"model_limits_enabled": true, "model_limits": "m-out"})), 403, "model_not_allowed"),
        (None, 401, "invalid_api_key"),
    ] {
        let token = gateway.create(json!({"remain_quota": 1000}));
        let bytes = Request::post("/v1/chat/completions", &body).bearer(&token.key).bytes();
        let mut connection = gateway.connect();
        connection.send(&bytes[..bytes.len() - 5]);
        // The gateway has seen the head: a request behind it on another connection was answered.
        gateway.get(&token.key, "/v1/balance").expect(200);
        let target = format!("/v1/tokens/{}", token.id);
        match change {
            Some(change) => gateway.patch(&target, &change).expect(200),
            None => gateway.delete(&target).expect(200),
        };
        connection.send(&bytes[bytes.len() - 5..]);
        connection.answer().unwrap().finish().refuses(status, code);
    }
    assert_eq!(mock.count(), 0);
}
