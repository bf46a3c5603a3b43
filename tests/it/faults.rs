//! The n-th write or flush of the database fails, for n = 1, 2, 3 … until a run passes untouched. Whatever happens to the
//! run: no answer was seen whole without its exact charge, no request reached a provider without a row, and the file is
//! sound. The faults come from `strace`, where that may trace.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Connection, Gateway, Mock, QUOTA, Request, SOON, Settings, Token};
use crate::harness::{chat, eventually, nanos};

/// What may fail, and how.
const FAULTS: [(&str, &str); 3] = [
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    // A flush that fails may have lost what was written before it.
    ("fsync,fdatasync", "EIO"),
];

/// From when on calls are counted, thread by thread.
#[derive(Copy, Clone, Debug)]
enum Since {
    /// From the first of the process: faults of the start too.
    Start,
    /// When it serves already: those of the writer alone.
    Serving,
}

/// Which of a run's calls are failed: far enough apart in the short form to take little time.
#[cfg(not(feature = "long-proofs"))]
fn places() -> impl Iterator<Item = usize> {
    [1, 6].into_iter()
}
#[cfg(feature = "long-proofs")]
fn places() -> impl Iterator<Item = usize> {
    1..
}

/// Whether a traced program runs here with its faults.
fn may_trace() -> bool {
    let traced = Command::new("strace")
        .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"])
        .output();
    traced.is_ok_and(|output| output.status.success())
}

/// Whether a tracer may join a process that is not its child: many systems keep that to root.
fn may_attach() -> bool {
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = sleeper.id().to_string();
    let quiet = ["-qq", "-o", "/dev/null", "-p", &pid];
    let mut tracer = Command::new("strace").args(quiet).stderr(Stdio::null()).spawn().unwrap();
    let may = eventually("it attaches, or ends", SOON, || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let is_over = tracer.try_wait().unwrap().is_some();
        (is_over || !status.contains("TracerPid:\t0\n")).then_some(!is_over)
    });
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    tracer.wait().unwrap();
    may
}

/// Says past libtest's capture that something was skipped, so that it is seen.
fn skip(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED faults::any_write_or_flush_may_fail: {why}").unwrap();
}

/// Asks plainly, or every other time for a stream; the id and the cost of a whole answer.
fn ask(gateway: &Gateway, token: &Token, number: usize) -> Option<(String, Option<i64>)> {
    let stream = number.is_multiple_of(2);
    let body = chat("m-out", &json!({"max_tokens": 20, "stream": stream}));
    let request = Request::post("/v1/chat/completions", &body).bearer(&token.key);
    let mut connection = Connection::try_open(gateway.address()).ok()?;
    connection.send(&request.bytes());
    let answer = connection.answer().ok()?.finish();
    let is_whole = answer.clean && answer.status == 200 && (!stream || answer.text().contains("[DONE]"));
    let cost = answer.header("x-tollgate-cost-usd").map(|cost| nanos(&Value::from(cost)));
    is_whole.then(|| (answer.header("x-request-id").expect("an id").to_owned(), cost))
}

/// A tracer of a process that runs already, once it traces each of its threads.
fn attach(gateway: &Gateway, arguments: &[&str]) -> Child {
    let pid = gateway.pid();
    let tracer = Command::new("strace").args(arguments).args(["-p", &pid.to_string()]).spawn().unwrap();
    eventually("each thread is traced", SOON, || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let is_traced = |thread: std::io::Result<DirEntry>| {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
            !status.contains("TracerPid:\t0\n")
        };
        threads.all(is_traced).then_some(())
    });
    tracer
}

/// One run in which the `place`-th `call` fails with `error`; whether it was touched.
fn run((call, error): (&str, &str), since: Since, place: usize) -> bool {
    let told = format!("{call} {place} since {since:?}: {error}");
    let mock = Mock::answering(9, 16);
    let mut gateway = Gateway::start(Settings::with(&mock).set("server", "shutdown_grace", "2"));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    gateway.terminate();
    let trace = gateway.file("trace");
    let inject = format!("inject={call}:error={error}:when={place}");
    let arguments = ["-f", "-qq", "-o", trace.to_str().unwrap(), "-e", &inject];
    if let Since::Start = since {
        gateway.behind(&[&["strace", "-D"], &arguments[..]].concat());
    }
    let mut seen = BTreeMap::new();
    if gateway.try_restart() {
        let tracer = matches!(since, Since::Serving).then(|| attach(&gateway, &arguments));
        seen.extend((0..6).filter_map(|number| ask(&gateway, &token, number)));
        gateway.stop_somehow();
        // It ends with what it traces.
        tracer.map(|mut tracer| tracer.wait().unwrap());
    }
    let is_touched = std::fs::read_to_string(&trace).unwrap_or_default().contains("(INJECTED)");
    assert!(is_touched || seen.len() == 6, "{told}: an untouched run answers");
    gateway.behind(&[]);
    gateway.cli(&["verify"]);
    gateway.restart();
    assert_eq!(gateway.held(&token), 0, "{told}");
    let charged: BTreeMap<String, i64> = gateway
        .all_entries(&token)
        .iter()
        .map(|row| (row["id"].as_str().unwrap().to_owned(), nanos(&row["charged_usd"])))
        .collect();
    for (id, cost) in &seen {
        assert_eq!(charged.get(id), Some(&cost.unwrap_or(16 * QUOTA)), "{told}: forgotten or wrong: {id}");
    }
    for request in mock.received() {
        let id = request.header("x-client-request-id").unwrap();
        assert!(charged.contains_key(id), "{told}: a free call: {id}");
    }
    assert_eq!(gateway.used(&token), charged.values().sum::<i64>() / QUOTA, "{told}");
    is_touched
}

#[test]
fn any_write_or_flush_may_fail() {
    if !may_trace() {
        return skip("strace cannot trace here");
    }
    let mut starts = vec![Since::Start];
    if may_attach() {
        starts.push(Since::Serving);
    } else {
        skip("strace may not attach here: faults since the start alone");
    }
    let runs = FAULTS.into_iter().flat_map(|fault| starts.iter().map(move |since| (fault, *since)));
    for (fault, since) in runs {
        let touched = places().take_while(|place| run(fault, since, *place)).count();
        // For whoever runs it with `--nocapture`.
        println!("{fault:?} since {since:?}: {touched} runs were touched");
        assert!(touched > 0, "{fault:?} never happened since {since:?}");
    }
}
