//! Clients that go away: the money is settled all the same, within seconds, and never to nothing.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Connection, Gate, Gateway, Mock, Reply, Request, SETTLED, SOON, Settings, Token,
};
use crate::harness::{chat, delta, eventually, usage_event};

fn request(token: &Token, is_stream: Streamed) -> Request {
    let body = chat("m-ok", &json!({"stream": matches!(is_stream, Streamed::Yes), "max_tokens": 500}));
    Request::post("/v1/chat/completions", &body).bearer(&token.key)
}

/// Whether a request asks for a stream.
#[derive(Copy, Clone, Debug)]
enum Streamed {
    Yes,
    No,
}

/// Ways to leave.
#[derive(Copy, Clone, Debug)]
enum Leave {
    Reset,
    Close,
    HalfClose,
}

fn leave(connection: Connection, how: Leave) -> Option<Connection> {
    match how {
        Leave::Reset => connection.reset(),
        Leave::Close => drop(connection),
        Leave::HalfClose => {
            connection.half_close();
            return Some(connection);
        }
    }
    None
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_quota": 1_000_000}))
}

fn outcome(gateway: &Gateway, token: &Token) -> Value {
    gateway.last_entry(token)["outcome"].clone()
}

/// T2, ST-07: gone while the provider has said nothing yet. A stream is aborted and costs at least its input.
#[test]
fn before_the_head_of_a_stream() {
    for how in [Leave::Reset, Leave::Close, Leave::HalfClose] {
        let mock = Mock::start(|_| Reply::default().hang());
        let gateway = Gateway::start(Settings::with(&mock));
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&request(&token, Streamed::Yes).bytes());
        mock.wait_for(1);
        assert!(gateway.held(&token) >= 500, "{how:?}");
        let kept = leave(connection, how);
        let used = gateway.settled(&token);
        assert!(used > 0 && used < 500, "{how:?}: {used}");
        assert_eq!(outcome(&gateway, &token), "client_gone", "{how:?}");
        eventually("the provider is let go", SETTLED, || (mock.hang_ups() == 1).then_some(()));
        drop(kept);
    }
}

/// A plain call is read to its end, for its provider bills it whole.
#[test]
fn before_the_head_of_a_plain_answer() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::completion(20, 30).behind(&shut));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1_000_000, "max_concurrency": 1}));
    let mut connection = gateway.connect();
    connection.send(&request(&token, Streamed::No).bytes());
    mock.wait_for(1);
    connection.reset();
    // Its slot stays taken.
    gateway.send(&request(&token, Streamed::No)).refuses(429, "concurrency_limit_exceeded");
    gate.open();
    assert_eq!(gateway.settled(&token), 50);
}

/// In the middle of a stream: what flowed is charged, and the provider is let go.
#[test]
fn in_the_middle_of_a_stream() {
    for how in [Leave::Reset, Leave::Close] {
        let mock =
            Mock::start(|_| (0..10).fold(Reply::sse(), |reply, _| reply.event(&delta(COMPLETION))).hang());
        let gateway = Gateway::start(Settings::with(&mock));
        let token = rich(&gateway);
        let mut exchange = gateway.open(&request(&token, Streamed::Yes));
        (0..10).for_each(|_| assert!(exchange.data().contains(COMPLETION)));
        match how {
            Leave::Reset => exchange.reset(),
            _ => drop(exchange),
        }
        let used = gateway.settled(&token);
        assert!(used > 30 && used < 500, "{how:?}: {used}");
        assert_eq!(outcome(&gateway, &token), "client_gone");
        eventually("the provider is let go", SETTLED, || (mock.hang_ups() == 1).then_some(()));
    }
}

/// A usage figure under way is waited for a moment.
#[test]
fn a_usage_figure_under_way_counts() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let reply = Reply::sse().event(&delta("a")).wait(&shut);
        reply.event(&usage_event(21, 43)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let mut exchange = gateway.open(&request(&token, Streamed::Yes));
    exchange.data();
    exchange.reset();
    gate.open();
    let used = gateway.settled(&token);
    assert_eq!(used, 64);
}

/// `on_disconnect = "drain"` reads to the end, however long that takes.
#[test]
fn drain_reads_to_the_end() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let event = delta(&"x".repeat(1000));
        let reply = Reply::sse().event(&delta("a")).wait(&shut);
        let reply = (0..200).fold(reply, |reply, _| reply.event(&event));
        reply.event(&usage_event(21, 43)).event("[DONE]").end()
    });
    let gateway = Gateway::start(Settings::with(&mock).set("accounting", "on_disconnect", "\"drain\""));
    let token = rich(&gateway);
    let mut exchange = gateway.open(&request(&token, Streamed::Yes));
    exchange.data();
    exchange.reset();
    gate.open();
    assert_eq!(gateway.settled(&token), 64, "also beyond 64 KiB");
}

/// After the last event: an ordinary end.
#[test]
fn after_the_last_event() {
    let mock = Mock::start(|_| Reply::stream(&["a"], 3, 4));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let mut exchange = gateway.open(&request(&token, Streamed::Yes));
    while exchange.data() != "[DONE]" {}
    exchange.reset();
    assert_eq!(gateway.settled(&token), 7);
    assert_eq!(outcome(&gateway, &token), "ok");
}

/// Gone before the body is whole: nothing was asked, so nothing is charged.
#[test]
fn before_the_body_is_whole() {
    let mock = Mock::answering(1, 1);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let bytes = request(&token, Streamed::No).bytes();
    let mut connection = gateway.connect();
    connection.send(&bytes[..bytes.len() - 5]);
    connection.reset();
    assert_eq!((gateway.settled(&token), mock.count()), (0, 0));
}

/// QL-16: many clients, a third of which leave: all is settled, slots are free again.
#[test]
fn a_crowd_of_which_many_leave() {
    let mock = Mock::start(|request| {
        if request.number % 3 == 0 {
            Reply::sse().event(&delta("a")).hang()
        } else {
            Reply::stream(&["a", "b"], 5, 5)
        }
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 10_000_000, "max_concurrency": 150}));
    crate::harness::at_once(30, |_| {
        for _ in 0..5 {
            let mut exchange = gateway.open(&request(&token, Streamed::Yes));
            assert_eq!(exchange.status, 200);
            exchange.data();
            // Who has more to come reads it; who hangs leaves.
            exchange.reset();
        }
    });
    let used = gateway.settled(&token);
    assert!(used >= 150, "{used}");
    let rows = gateway.all_entries(&token).len();
    assert_eq!(rows, mock.count() + 1, "each request the provider got, and the grant");
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"max_concurrency": 40})).expect(200);
    eventually("all slots are free", SOON, || {
        let open: Vec<_> = (0..40).map(|_| gateway.open(&request(&token, Streamed::Yes))).collect();
        open.iter().all(|exchange| exchange.status == 200).then_some(())
    });
}
