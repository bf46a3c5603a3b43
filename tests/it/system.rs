//! What an operating system does to a process: closed and stalled outputs, few descriptors, a stop of the clock, a stranger at
//! its database.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Connection, Gate, Gateway, Mock, Piece, Reply, Request, SOON, Settings, Token};
use crate::harness::{at_once, chat, delta, eventually, usage_event};

const MIB: u64 = 1024 * 1024;

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_quota": 1_000_000}))
}

/// Requests by several clients, all of them served.
fn is_served(gateway: &Gateway, token: &Token) {
    let body = chat("m-ok", &json!({"max_tokens": 16}));
    at_once(4, |_| (0..10).for_each(|_| drop(gateway.chat(&token.key, &body).expect(200))));
}

/// OP-16: an output that is closed or full is no reason not to serve.
#[test]
fn outputs_that_take_nothing() {
    let mock = Mock::answering(1, 1);
    for outputs in [">&-", "2>&-", ">/dev/full", "2>/dev/full"] {
        let settings = Settings::with(&mock).started_by(&format!("exec \"$@\" {outputs}"));
        let mut gateway = Gateway::start(settings);
        let token = rich(&gateway);
        is_served(&gateway, &token);
        assert_eq!(gateway.settled(&token), 80, "{outputs}");
        gateway.terminate();
    }
}

/// OP-16: a pipe that is full, and that nobody reads, stops the log and nothing else.
#[test]
fn a_log_that_nobody_reads() {
    let mock = Mock::answering(1, 1);
    let mut gateway = Gateway::prepare(Settings::with(&mock).started_by("exec \"$@\" 2>pipe"));
    assert!(Command::new("mkfifo").arg(gateway.file("pipe")).status().unwrap().success());
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    let mut pipe =
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(gateway.file("pipe")).unwrap();
    while pipe.write(&[b'x'; 4096]).is_ok() {}
    gateway.restart();
    let token = rich(&gateway);
    let start = Instant::now();
    is_served(&gateway, &token);
    assert!(start.elapsed() < SOON / 4, "{:?}", start.elapsed());
    assert_eq!(gateway.settled(&token), 80);
    gateway.terminate();
    drop(pipe);
}

/// OP-18: connections beyond what the process may open wait or are closed; it neither panics nor stays deaf.
#[test]
fn more_connections_than_descriptors() {
    let mock = Mock::answering(1, 1);
    let settings = Settings::with(&mock).set("server", "workers", "1");
    let gateway = Gateway::start(settings.started_by("ulimit -n 64; exec \"$@\""));
    let token = rich(&gateway);
    let request = Request::get("/livez").header("Connection", "keep-alive").bytes();
    let mut crowd: Vec<_> = (0..200).filter_map(|_| Connection::try_open(gateway.address()).ok()).collect();
    assert_eq!(crowd.len(), 200, "the system's own queue takes them");
    crowd.iter_mut().for_each(|connection| connection.send(&request));
    crowd[0].head().expect("the first are served");
    assert!(gateway.log_shows("os error 24"), "there are no more descriptors");
    drop(crowd);
    let body = chat("m-ok", &json!({"max_tokens": 16}));
    let request = Request::post("/v1/chat/completions", &body).bearer(&token.key);
    eventually("it serves again", SOON, || {
        let mut connection = Connection::try_open(gateway.address()).ok()?;
        connection.send(&request.bytes());
        connection.answer().ok().filter(|answer| answer.status == 200).map(|_| ())
    });
    let (_, log) = gateway.printed();
    assert!(!log.contains("panicked"), "{log}");
}

/// CR-11: a process that stood still for a while goes on where it was: all settles, once.
#[test]
fn a_process_that_stands_still() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request| match request.is_stream() {
        true => Reply::sse().event(&delta("a")).wait(&shut).event(&usage_event(3, 4)).event("[DONE]").end(),
        false => Reply::completion(3, 4).behind(&shut),
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let request = |is_stream: bool| {
        let body = chat("m-ok", &json!({"stream": is_stream, "max_tokens": 50}));
        Request::post("/v1/chat/completions", &body).bearer(&token.key)
    };
    let mut streams: Vec<_> = (0..3).map(|_| gateway.open(&request(true))).collect();
    streams.iter_mut().for_each(|stream| assert_eq!(stream.data(), delta("a")));
    let mut plain = gateway.connect();
    plain.send(&request(false).bytes());
    mock.wait_for(4);
    gateway.signal(Signal::STOP);
    eventually("all of its threads stand still", SOON, || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
        let states = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
        let runs = |stat: &String| !stat.rsplit_once(") ").unwrap().1.starts_with('T');
        (states.filter(runs).count() == 0).then_some(())
    });
    let mut probe = gateway.connect();
    probe.patience(Duration::from_millis(400));
    probe.send(&Request::get("/livez").bytes());
    gate.open();
    assert!(probe.head().is_err(), "it stands still");
    gateway.signal(Signal::CONT);
    for mut stream in streams {
        assert_eq!((stream.data(), stream.event()), ("[DONE]".to_owned(), Piece::End));
    }
    assert_eq!(plain.answer().unwrap().finish().json()["usage"]["total_tokens"], 7);
    assert_eq!((gateway.settled(&token), mock.count()), (4 * 7, 4));
    let rows = gateway.ledger(&format!("token_id={}&outcome=ok", token.id));
    assert_eq!(rows.len(), 4);
}

#[expect(clippy::disallowed_methods, reason = "a stranger's transaction on the file")]
fn foreign(gateway: &Gateway) -> rusqlite::Connection {
    rusqlite::Connection::open(gateway.database()).unwrap()
}

/// OP-12: a stranger's long reading stops no write. The log then grows by what is written and no more, and is small again soon
/// after the stranger has gone.
#[test]
fn a_foreign_reader_that_stays() {
    let gateway = Gateway::start(Settings::demo());
    let length = || std::fs::metadata(gateway.file("data/tollgate.db-wal")).map_or(0, |file| file.len());
    let stranger = foreign(&gateway);
    stranger.execute_batch("BEGIN").unwrap();
    stranger.query_row("SELECT count(*) FROM tokens", [], |_| Ok(())).unwrap();
    // Each change is written with what was before it and what is after it.
    let target = format!("/v1/tokens/{}", gateway.create(json!({})).id);
    let pairs: BTreeMap<_, _> = (0..16).map(|n| (format!("k{n}"), "x".repeat(512))).collect();
    let change = json!({"metadata": pairs});
    let start = Instant::now();
    while length() < 33 * MIB {
        gateway.patch(&target, &change).expect(200);
        assert!(start.elapsed() < 6 * SOON, "{} bytes", length());
    }
    assert!(length() < 96 * MIB, "{} bytes", length());
    stranger.execute_batch("ROLLBACK").unwrap();
    drop(stranger);
    eventually("the log is small again", SOON, || {
        gateway.create(json!({}));
        (length() <= 32 * MIB).then_some(())
    });
}
