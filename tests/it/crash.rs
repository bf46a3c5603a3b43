//! Ends of the process, wanted and not: what is on disk, what clients saw, and what is true after the restart.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{
    Connection, Gate, Gateway, Mock, Piece, QUOTA, Reply, Request, Response, SOON, Settings, Token,
};
use crate::harness::{chat, delta, nanos, usage_event};

/// How often the gateway is killed under load.
#[cfg(not(feature = "long-proofs"))]
const KILLS: usize = 5;
#[cfg(feature = "long-proofs")]
const KILLS: usize = 100;

/// One request of a client that knows that the gateway may die; the answer only if it is complete.
fn try_ask(address: SocketAddr, request: &Request) -> Option<Response> {
    let mut connection = Connection::try_open(address).ok()?;
    connection.send(&request.bytes());
    let response = connection.answer().ok()?.finish();
    let text = response.text();
    let is_whole =
        response.clean && (response.status != 200 || !text.contains("data: ") || text.contains("[DONE]"));
    is_whole.then_some(response)
}

/// Complete answers: request id → what the answer said it cost, if it said so.
type Seen = Mutex<BTreeMap<String, Option<i64>>>;

/// 64 clients until `mock` has got `count` requests in all; then the plug is pulled. Adds complete answers to `seen`.
fn crowd_and_kill(gateway: &mut Gateway, token: &Token, mock: &Mock, count: usize, seen: &Seen) {
    crowd_until(gateway.address(), token, seen, || {
        mock.wait_for(count);
        gateway.kill();
    });
}

/// 64 clients until `end` returns. Adds complete answers to `seen`.
fn crowd_until(address: SocketAddr, token: &Token, seen: &Seen, end: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..64 {
            let is_over = &is_over;
            let body = chat("m-out", &json!({"max_tokens": 20, "stream": number % 2 == 0}));
            let request = Request::post("/v1/chat/completions", &body).bearer(&token.key);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let Some(answer) = try_ask(address, &request).filter(|answer| answer.status == 200)
                    else {
                        continue;
                    };
                    let id = answer.header("x-request-id").expect("an id").to_owned();
                    let cost = answer.header("x-tollgate-cost-usd").map(|cost| nanos(&json!(cost)));
                    seen.lock().unwrap().insert(id, cost);
                }
            });
        }
        end();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// What must be true after a restart, C being the answers in `seen`, U the requests the provider got, L the ledger rows of
/// the only token: C ⊆ L with the exact charge, U ⊆ L, nothing is held, and the sums fit.
fn assert_nothing_lost(gateway: &Gateway, token: &Token, mock: &Mock, seen: &Seen) {
    assert_eq!(gateway.held(token), 0);
    let rows = gateway.all_entries(token);
    let charged: BTreeMap<_, _> =
        rows.iter().map(|row| (row["id"].as_str().unwrap(), nanos(&row["charged_usd"]))).collect();
    assert_eq!(charged.len(), rows.len(), "each id once");
    for (id, cost) in seen.lock().unwrap().iter() {
        assert_eq!(
            charged.get(id.as_str()),
            Some(&cost.unwrap_or(16 * QUOTA)),
            "a forgotten or wrong charge: {id}"
        );
    }
    let dispatched: BTreeSet<_> = mock
        .received()
        .iter()
        .filter_map(|request| request.header("x-client-request-id").map(str::to_owned))
        .collect();
    assert_eq!(dispatched.len(), mock.count());
    for id in &dispatched {
        assert!(charged.contains_key(id.as_str()), "a free call: {id}");
    }
    let used: i64 = rows.iter().map(|row| nanos(&row["charged_usd"])).sum();
    assert_eq!(gateway.used(token), used / QUOTA);
    assert!(rows.iter().all(|row| nanos(&row["charged_usd"]) <= 20 * QUOTA));
}

/// `kill -9` under 64 clients, three times.
#[test]
fn kill_under_load() {
    let mock = Mock::answering(9, 16);
    let mut gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 10_000_000}));
    let seen = Mutex::new(BTreeMap::new());
    for _ in 0..KILLS {
        let target = mock.count() + 150;
        crowd_and_kill(&mut gateway, &token, &mock, target, &seen);
        gateway.restart();
        assert_nothing_lost(&gateway, &token, &mock, &seen);
    }
    assert!(seen.lock().unwrap().len() > 100);
}

/// A budget for few is not overspent over a crash either.
#[test]
fn a_small_budget_over_a_crash() {
    let mock = Mock::answering(9, 16);
    let mut gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 2000, "daily_quota": 1900}));
    let seen = Mutex::new(BTreeMap::new());
    crowd_and_kill(&mut gateway, &token, &mock, 60, &seen);
    gateway.restart();
    let body = chat("m-out", &json!({"max_tokens": 20}));
    while gateway.chat(&token.key, &body).status == 200 {}
    gateway.chat(&token.key, &body).refuses(429, "daily_limit_exceeded");
    let used = gateway.settled(&token);
    assert!(used <= 1900 && used > 1900 - 16, "{used}");
    let delivered = i64::try_from(seen.lock().unwrap().len()).unwrap() * 16;
    assert!(delivered <= used);
}

/// What `recovery` makes of a hold that was left over.
#[test]
fn holds_left_over() {
    for (recovery, least, most) in [("hold", 400, 600), ("floor", 1, 100), ("void", 0, 0)] {
        let mock = Mock::start(|_| Reply::default().hang());
        let mut gateway =
            Gateway::start(Settings::with(&mock).set("accounting", "recovery", &format!("\"{recovery}\"")));
        let token = gateway.create(json!({"remain_quota": 100_000}));
        let mut connection = gateway.connect();
        let body = chat("m-ok", &json!({"max_tokens": 400}));
        connection.send(&Request::post("/v1/chat/completions", &body).bearer(&token.key).bytes());
        mock.wait_for(1);
        let held = gateway.held(&token);
        gateway.kill();
        // Open holds are no drift.
        gateway.cli(&["verify"]);
        gateway.restart();
        let row = gateway.last_entry(&token);
        assert_eq!(row["outcome"], "recovered");
        let used = gateway.used(&token);
        assert!((least..=most).contains(&used) && used <= held, "{recovery}: {used} of {held}");
        if recovery == "hold" {
            let target = format!("/v1/ledger/{}/refund", row["id"].as_str().unwrap());
            gateway.post(gateway.admin(), &target, &json!({"reason": "crash"})).expect(200);
            assert_eq!(gateway.used(&token), 0);
        }
    }
}

/// CR-04: killed again and again while it recovers, each hold is recovered once.
#[test]
fn kill_during_recovery() {
    let mock = Mock::start(|_| Reply::default().hang());
    let mut gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100_000}));
    let body = chat("m-out", &json!({"max_tokens": 16}));
    let request = Request::post("/v1/chat/completions", &body).bearer(&token.key).bytes();
    let mut clients: Vec<_> = (0..40).map(|_| gateway.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(&request));
    mock.wait_for(40);
    gateway.kill();
    (1..=10).for_each(|step| gateway.stumble(Duration::from_millis(8 * step)));
    gateway.restart();
    assert_eq!((gateway.held(&token), gateway.used(&token)), (0, 40 * 16));
    assert_eq!(gateway.ledger(&format!("token_id={}&outcome=recovered", token.id)).len(), 40);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the books as a killed process with many requests would leave them"
)]
fn leave_holds(gateway: &Gateway, token: &Token, count: u32) {
    let sql = rusqlite::Connection::open(gateway.database()).unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO holds SELECT randomblob(16), ?2, 1, 32000, 2000, 20261124, 'm-out', 'mock', 1795521600000 FROM n";
    assert_eq!(sql.execute(many, (count, token.id)).unwrap(), usize::try_from(count).unwrap());
}

/// CR-09: a long ledger and many holds delay no start: the holds are settled in batches, each once.
#[test]
fn many_holds_left_over() {
    let mut gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    gateway.kill();
    // What the first of these starts makes of its holds is the long ledger of the second.
    for (count, used) in [(20_000, 320_000), (2_000, 352_000)] {
        leave_holds(&gateway, &token, count);
        let start = Instant::now();
        gateway.restart();
        assert!(start.elapsed() < Duration::from_secs(10), "{count}: {:?}", start.elapsed());
        assert_eq!((gateway.held(&token), gateway.used(&token)), (0, used));
        let target = format!("/v1/ledger?token_id={}&outcome=recovered", token.id);
        let total = gateway.get(gateway.admin(), &target).expect(200).json()["data"]["total"].clone();
        assert_eq!(total, used / 16, "each once");
        gateway.kill();
    }
    gateway.restart();
    assert_eq!(gateway.used(&token), 352_000, "nothing is left to do");
}

/// CR-10: a flush fails under load: no request of its batch is answered as if it were recorded, the process ends, and the
/// books are right afterwards.
#[test]
fn a_flush_that_fails() {
    let is_there =
        std::process::Command::new("strace").args(["-D", "-qq", "-o", "/dev/null", "true"]).output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        // Past libtest's capture, so that a skipped case is seen.
        writeln!(std::io::stderr(), "SKIPPED crash::a_flush_that_fails: strace is missing or may not trace")
            .unwrap();
        return;
    }
    let mock = Mock::answering(9, 16);
    let settings = Settings::with(&mock);
    let mut gateway = Gateway::start(settings.clone());
    let token = gateway.create(json!({"remain_quota": 1_000_000}));
    gateway.terminate();
    let seen = Mutex::new(BTreeMap::new());
    for at in [60, 120] {
        // The count is each thread's own, and only the one that writes flushes so often.
        let fault = format!("inject=fsync,fdatasync:error=EIO:when={at}");
        let script = format!("exec strace -D -f -qq -o /dev/null -e trace=fsync,fdatasync -e {fault} \"$@\"");
        gateway.configure(settings.clone().started_by(&script));
        gateway.restart();
        crowd_until(gateway.address(), &token, &seen, || {
            assert!(gateway.log_shows("the store failed and cannot go on"), "its last words are written");
            gateway.ends_with(1);
        });
        gateway.configure(settings.clone());
        gateway.restart();
        assert_nothing_lost(&gateway, &token, &mock, &seen);
        gateway.terminate();
    }
    assert!(!seen.lock().unwrap().is_empty());
}

/// CR-03, QL-13: a kill while idle changes nothing.
#[test]
fn kill_while_idle() {
    let mock = Mock::answering(0, 16);
    let mut gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1000, "daily_quota": 500, "monthly_quota": 700}));
    (0..20)
        .for_each(|_| drop(gateway.chat(&token.key, &chat("m-out", &json!({"max_tokens": 16}))).expect(200)));
    let mut before = gateway.token(token.id);
    gateway.kill();
    let start = Instant::now();
    gateway.restart();
    assert!(start.elapsed() < Duration::from_secs(5));
    let mut after = gateway.token(token.id);
    // When it was used last may be kept in memory only.
    [&mut before, &mut after]
        .iter_mut()
        .for_each(|token| drop(token.as_object_mut().unwrap().remove("accessed_time")));
    assert_eq!(after, before);
}

/// A second instance on one database exits with 4, and harms nobody.
#[test]
fn one_instance_only() {
    let gateway = Gateway::start(Settings::demo());
    let output = gateway.run(&["serve"]);
    assert_eq!(output.code, 4, "{}", output.stderr);
    assert!(!output.stdout.contains("listening"), "{}", output.stdout);
    gateway.get(gateway.admin(), "/v1/tokens").expect(200);
}

/// A port in use is a failure, told in a line that names it.
#[test]
fn a_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let gateway = Gateway::prepare(Settings::demo().set("server", "listen", &format!("\"{address}\"")));
    let output = gateway.run(&[]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains(&address), "{}", output.stderr);
}

/// CR-06: side files that are gone or empty are no damage.
#[test]
fn missing_side_files() {
    let mut gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_quota": 5}));
    gateway.kill();
    std::fs::remove_file(gateway.file("data/tollgate.db-shm")).ok();
    gateway.restart();
    assert_eq!(gateway.number(token.id, "remain_quota"), 5);
    gateway.terminate();
    std::fs::write(gateway.file("data/tollgate.db-wal"), b"").unwrap();
    gateway.restart();
    assert_eq!(gateway.number(token.id, "remain_quota"), 5);
}

/// Something done to the bytes of a database.
type Damage = fn(&mut Vec<u8>);

/// CR-07, OP-09, OP-07: a damaged, newer or impossible database is refused and left as it is.
#[test]
fn a_damaged_database_is_refused() {
    let damage: [(&str, Damage); 4] = [
        ("half of it", |bytes| bytes.truncate(bytes.len() / 2)),
        ("no header", |bytes| bytes[..100].fill(0x5a)),
        ("another program's text", |bytes| *bytes = b"hello, this is not a database at all".repeat(100)),
        // `user_version` stands at offset 60, big-endian.
        ("a newer version", |bytes| bytes[60..64].copy_from_slice(&1_000_000_u32.to_be_bytes())),
    ];
    let mut gateway = Gateway::start(Settings::demo());
    gateway.create(json!({"remain_quota": 5}));
    gateway.terminate();
    gateway.leave_unchecked();
    let good = std::fs::read(gateway.database()).unwrap();
    for (name, change) in damage {
        let mut bytes = good.clone();
        change(&mut bytes);
        std::fs::write(gateway.database(), &bytes).unwrap();
        for side in ["data/tollgate.db-wal", "data/tollgate.db-shm"] {
            std::fs::remove_file(gateway.file(side)).ok();
        }
        for command in ["serve", "check", "verify"] {
            let output = gateway.run(&[command]);
            assert_eq!(output.code, 1, "{name}, {command}: {}\n{}", output.stdout, output.stderr);
            assert!(
                !output.stderr.trim().is_empty() && !output.stderr.contains("panicked"),
                "{name}: {}",
                output.stderr
            );
        }
        assert!(std::fs::read(gateway.database()).unwrap() == bytes, "{name}: the file was touched");
    }
    std::fs::remove_file(gateway.database()).unwrap();
    std::fs::create_dir(gateway.database()).unwrap();
    assert_eq!(gateway.run(&["serve"]).code, 1, "a directory");
}

/// SIGTERM: what runs finishes within the grace, and is charged; nothing new begins.
#[test]
fn a_graceful_stop_lets_streams_finish() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::sse().event(&delta("a")).wait(&shut).event(&usage_event(0, 5)).event("[DONE]").end()
    });
    let mut gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1000}));
    let body = chat("m-out", &json!({"stream": true, "max_tokens": 16}));
    let request = Request::post("/v1/chat/completions", &body).bearer(&token.key);
    let mut exchange = gateway.open(&request);
    exchange.data();
    gateway.signal(Signal::TERM);
    gate.open();
    assert_eq!(exchange.data(), "[DONE]");
    assert_eq!(exchange.event(), Piece::End);
    gateway.ends_with(0);
    gateway.restart();
    assert_eq!(gateway.used(&token), 5);
}

/// After the grace what still runs is cut and settled; all is free at the exit.
#[test]
fn a_stop_ends_at_the_grace() {
    let mock = Mock::start(|_| Reply::sse().event(&delta("some words that were delivered")).hang());
    let mut gateway = Gateway::start(Settings::with(&mock).set("server", "shutdown_grace", "1"));
    let token = gateway.create(json!({"remain_quota": 1000}));
    let body = chat("m-out", &json!({"stream": true, "max_tokens": 100}));
    let mut exchange = gateway.open(&Request::post("/v1/chat/completions", &body).bearer(&token.key));
    exchange.data();
    gateway.signal(Signal::TERM);
    assert!(!exchange.finish().text().contains("[DONE]"));
    gateway.ends_with(0);
    gateway.restart();
    let row = gateway.last_entry(&token);
    assert_ne!(row["outcome"], "recovered", "settled before the exit: {row}");
    assert!(gateway.used(&token) > 0);
}

/// OP-02: idle connections do not delay a stop.
#[test]
fn idle_connections_do_not_delay_a_stop() {
    let mut gateway = Gateway::start(Settings::demo());
    let mut idle: Vec<_> = (0..10).map(|_| gateway.connect()).collect();
    let request = Request::get("/v1/models").bearer(gateway.admin()).header("Connection", "keep-alive");
    idle.iter_mut().for_each(|connection| connection.send(&request.bytes()));
    gateway.get(gateway.admin(), "/v1/models").expect(200);
    let start = Instant::now();
    gateway.terminate();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// OP-03: a second signal ends it at once; what was held is recovered.
#[test]
fn a_second_signal_ends_it_at_once() {
    let mock = Mock::start(|_| Reply::sse().event(&delta("a")).hang());
    let mut gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 1000}));
    let body = chat("m-out", &json!({"stream": true, "max_tokens": 100}));
    let mut exchange = gateway.open(&Request::post("/v1/chat/completions", &body).bearer(&token.key));
    exchange.data();
    gateway.signal(Signal::TERM);
    // The second must not overtake the first: it is sent when the first shows, in that nobody accepts any more.
    crate::harness::eventually("it stops accepting", SOON, || {
        let request = Request::get("/readyz");
        let answer = Connection::try_open(gateway.address()).ok().and_then(|mut connection| {
            connection.patience(Duration::from_millis(200));
            connection.send(&request.bytes());
            connection.answer().ok()
        });
        answer.is_none_or(|answer| answer.status == 503).then_some(())
    });
    gateway.signal(Signal::INT);
    gateway.ends_with(1);
    gateway.restart();
    assert_eq!(gateway.last_entry(&token)["outcome"], "recovered");
}

/// A stop waits within its grace for what a slow reader has still to take, streamed or whole.
#[test]
fn a_graceful_stop_waits_for_slow_readers() {
    let text = "x".repeat(16 << 20);
    let plain = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
    .to_string();
    let mock = Mock::start(move |request| {
        if request.is_stream() {
            Reply::stream(&[&text], 1, 2)
        } else {
            Reply::body(200, "application/json", &plain)
        }
    });
    for is_stream in [true, false] {
        let mut gateway = Gateway::start(Settings::with(&mock).set("server", "max_event_bytes", "20000000"));
        let token = gateway.create(json!({"remain_quota": 1000}));
        let body = chat("m-ok", &json!({"stream": is_stream, "max_tokens": 16}));
        let exchange = gateway.open(&Request::post("/v1/chat/completions", &body).bearer(&token.key));
        let mut idle = gateway.connect();
        idle.send(&Request::get("/livez").header("Connection", "keep-alive").bytes());
        crate::harness::eventually("it is settled", SOON, || (gateway.used(&token) == 3).then_some(()));
        gateway.signal(Signal::TERM);
        // No request runs any more: what carries nothing is closed, and the slow reader alone is waited for.
        assert!(idle.is_closed_within(SOON), "an idle connection closes");
        let answer = exchange.finish();
        assert!(answer.clean && answer.body.len() > 16 << 20, "{is_stream}: {} bytes", answer.body.len());
        gateway.ends_with(0);
    }
}
