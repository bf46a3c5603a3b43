//! The harness itself: client and mock provider speak with each other, without the gateway between.

use crate::harness::{Connection, Gate, Mock, Piece, Reply, Request, delta};
use serde_json::json;

fn ask(mock: &Mock) -> Connection {
    let mut connection = Connection::open(mock.address());
    connection.send(&Request::post("/v1/chat/completions", &json!({"model": "m"})).bytes());
    connection
}

#[test]
fn plain_answers_come_whole() {
    let mock = Mock::answering(3, 4);
    let response = ask(&mock).answer().unwrap().finish().expect(200);
    assert!(response.clean);
    assert_eq!(response.json()["usage"]["total_tokens"], 7);
    assert_eq!(mock.received()[0].json()["model"], "m");
    assert_eq!((mock.count(), mock.peak()), (1, 1));
}

#[test]
fn streams_come_event_by_event() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::sse().event("a").wait(&shut).event("b").end());
    let mut exchange = ask(&mock).answer().unwrap();
    assert_eq!(exchange.data(), "a");
    gate.open();
    assert_eq!(exchange.data(), "b");
    assert_eq!(exchange.event(), Piece::End);
}

#[test]
fn cuts_and_resets_are_seen() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    let cases = [
        Reply::raw(short).close(),
        Reply::raw(short).reset(),
        Reply::sse().event(&delta("x")).close(),
        Reply::sse().event(&delta("x")).reset(),
    ];
    for reply in cases {
        let mock = Mock::start(move |_| reply.clone());
        // A reset may overtake the head.
        if let Ok(exchange) = ask(&mock).answer() {
            assert!(!exchange.finish().clean);
        }
    }
}

#[test]
fn a_client_that_goes_is_noticed() {
    let mock = Mock::start(|_| Reply::sse().event("x").hang());
    let mut exchange = ask(&mock).answer().unwrap();
    assert_eq!(exchange.data(), "x");
    exchange.reset();
    crate::harness::eventually("the mock sees the reset", crate::harness::SOON, || {
        (mock.hang_ups() == 1).then_some(())
    });
}
