//! The soak: load at four fifths of what this machine can serve, for half an hour (`long-proofs`) or as many seconds as
//! `TOLLGATE_SOAK_SECONDS` says; without either, for as long as a test may take. Clients ask plainly and for streams, and
//! some leave; tokens are made, narrowed, disabled, rotated and deleted meanwhile. Memory, descriptors and threads stay
//! flat, the write-ahead log stays bounded, no budget is exceeded; and at the end nothing is held, the ledger proves
//! itself (I1, I9), and its sums are what the clients saw.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Connection, Disk, Gateway, Mock, Piece, QUOTA, Raise, Reply, Request, Response, Settings, Sums, Token,
};
use crate::harness::{chat, delta, eventually, nanos};

/// Clients that stay.
const CLIENTS: usize = 16;
/// Clients that leave, this often each.
const LEAVERS: usize = 4;
const LEAVES: Duration = Duration::from_millis(200);
/// How often an administrator goes through the life of a token.
const LIVES: Duration = Duration::from_millis(500);
/// What each request of `m-out` costs, in nanodollars.
const COST: i64 = 16 * QUOTA;
/// How long anybody waits for anybody: a machine that stands still for a moment is no failure here.
const PATIENT: Duration = Duration::from_secs(60);

/// How much higher the last third of a run may stand than the third before: a twentieth, and these.
const MEMORY_SLACK: u64 = 4 << 20;
const DESCRIPTOR_SLACK: u64 = 8;
const THREAD_SLACK: u64 = 2;
/// What the write-ahead log may come to: it is moved when it has passed 32 MiB, or a little later beside a reader.
const LOG_MOST: u64 = 64 << 20;

#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the tests")]
fn duration() -> Duration {
    let by_default = if cfg!(feature = "long-proofs") { 1_800 } else { 8 };
    let told = std::env::var("TOLLGATE_SOAK_SECONDS").ok();
    let seconds = told.map_or(by_default, |text| text.parse().expect("TOLLGATE_SOAK_SECONDS is a number"));
    Duration::from_secs(seconds)
}

/// Says when the next of something is due, at a pace that may change.
struct Metronome {
    next: Instant,
}

impl Metronome {
    fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// Waits until `pause` after the last time. What is late by more than a second is not made up for.
    fn wait(&mut self, pause: Duration) {
        let now = Instant::now();
        self.next = (self.next + pause).max(now.checked_sub(Duration::from_secs(1)).unwrap_or(now));
        std::thread::sleep(self.next.saturating_duration_since(now));
    }
}

/// What is asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Stream,
}

fn connect(address: SocketAddr) -> Connection {
    let connection = Connection::open(address);
    connection.patience(PATIENT);
    connection
}

/// A client with one connection, which it keeps as long as it can.
struct Client {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    fn send(&mut self, request: Request) -> Response {
        let bytes = request.header("Connection", "keep-alive").bytes();
        let try_on = |mut connection: Connection| {
            connection.send(&bytes);
            connection.answer()
        };
        // One that was idle for too long may be closed at the very moment: that is no answer, and asked again. Were it
        // served all the same, the sums of the end would differ.
        let kept = self.connection.take().and_then(|connection| try_on(connection).ok());
        let exchange = kept.unwrap_or_else(|| {
            try_on(connect(self.address)).unwrap_or_else(|why| panic!("no answer: {why}"))
        });
        let (answer, connection) = exchange.finish_and_keep();
        assert!(answer.clean, "an answer was cut: {} {}", answer.status, answer.text());
        self.connection = connection;
        answer
    }

    fn get(&mut self, key: &str, target: &str) -> Response {
        self.send(Request::get(target).bearer(key))
    }

    fn post(&mut self, key: &str, target: &str, body: &Value) -> Response {
        self.send(Request::post(target, body).bearer(key))
    }

    /// A request for 16 quota; nanodollars that the answer says it cost, or `None` where the token is disabled just now.
    fn ask(&mut self, key: &str, form: Form) -> Option<i64> {
        let body = chat("m-out", &json!({"max_tokens": 20, "stream": form == Form::Stream}));
        let answer = self.post(key, "/v1/chat/completions", &body);
        if answer.status == 401 {
            return None;
        }
        let answer = answer.expect(200);
        if form == Form::Stream {
            assert!(answer.text().contains("[DONE]"), "a stream without its end: {}", answer.text());
            return Some(COST);
        }
        Some(nanos(&json!(answer.header("x-tollgate-cost-usd").expect("a cost"))))
    }
}

/// What the threads of a run share.
struct Run<'a> {
    gateway: &'a Gateway,
    is_over: AtomicBool,
    /// Whole answers so far.
    answers: AtomicU64,
    /// Microseconds between two requests of one client; 0 while the capacity is measured.
    pause: AtomicU64,
}

impl Run<'_> {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    /// What one client's answers added up to: how many, and for how much.
    fn stay(&self, token: &Token) -> (i64, i64) {
        let mut client = Client::new(self.gateway.address());
        let mut metronome = Metronome::new();
        let (mut count, mut sum) = (0, 0);
        for number in 0_u64.. {
            if !self.goes_on() {
                break;
            }
            if number.is_multiple_of(50) {
                client.get(&format!("sk-{}", "x".repeat(48)), "/v1/models").expect(401);
            }
            let form = if number.is_multiple_of(2) { Form::Stream } else { Form::Plain };
            if let Some(cost) = client.ask(&token.key, form) {
                (count, sum) = (count + 1, sum + cost);
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
            metronome.wait(Duration::from_micros(self.pause.load(Ordering::Relaxed)));
        }
        (count, sum)
    }

    /// Leaves in the middle of streams, and sometimes before the head; how often.
    fn leave(&self, token: &Token) -> u64 {
        let mut metronome = Metronome::new();
        let mut count = 0;
        while self.goes_on() {
            let model = if count % 2 == 0 { "m-hang" } else { "m-out" };
            let body = chat(model, &json!({"max_tokens": 20, "stream": true}));
            let mut connection = connect(self.gateway.address());
            connection.send(&Request::post("/v1/chat/completions", &body).bearer(&token.key).bytes());
            if count % 5 == 4 {
                connection.reset();
            } else {
                let mut exchange = connection.answer().unwrap_or_else(|why| panic!("no answer: {why}"));
                assert_eq!(exchange.status, 200);
                assert!(matches!(exchange.event(), Piece::Data(_)));
                exchange.reset();
            }
            count += 1;
            metronome.wait(LEAVES);
        }
        count
    }

    /// Goes through the lives of tokens, beside those that are in use; what each token was seen to be charged.
    fn administer(&self, tokens: &[Token]) -> BTreeMap<i64, (i64, i64)> {
        let mut client = Client::new(self.gateway.address());
        let mut metronome = Metronome::new();
        let mut seen = BTreeMap::new();
        for number in 0.. {
            if !self.goes_on() {
                break;
            }
            let (id, charged) = live(&mut client, self.gateway.admin(), number);
            seen.insert(id, charged);
            let busy = &tokens[number % tokens.len()];
            patch(&mut client, self.gateway.admin(), busy.id, &json!({"status": 2}));
            client.post(&busy.key, "/v1/chat/completions", &chat("m-out", &json!({}))).expect(401);
            let limits = json!({"status": 1, "daily_quota": 1_000_000_000 + number, "rpm": 1_000_000});
            patch(&mut client, self.gateway.admin(), busy.id, &limits);
            client.get(self.gateway.admin(), "/v1/tokens?page=1").expect(200);
            client.get(&busy.key, "/v1/usage").expect(200);
            client.get(self.gateway.admin(), "/metrics").expect(200);
            metronome.wait(LIVES);
        }
        seen
    }
}

fn patch(client: &mut Client, admin: &str, id: i64, fields: &Value) {
    let request = Request::new("PATCH", &format!("/v1/tokens/{id}")).bearer(admin).json(fields);
    client.send(request).expect(200);
}

/// A token is made, used, narrowed, disabled, rotated, credited and deleted; its id, and its answers and their sum.
fn live(client: &mut Client, admin: &str, number: usize) -> (i64, (i64, i64)) {
    let fields = json!({"name": format!("life {number}"), "remain_quota": 100});
    let made = client.post(admin, "/v1/tokens", &fields).expect(200).json()["data"].clone();
    let (id, key) = (made["id"].as_i64().unwrap(), format!("sk-{}", made["key"].as_str().unwrap()));
    let target = format!("/v1/tokens/{id}");
    client.get(&key, "/v1/balance").expect(200);
    let mut sum = client.ask(&key, Form::Plain).expect("it is live")
        + client.ask(&key, Form::Stream).expect("it is live");
    patch(client, admin, id, &json!({"daily_quota": 40}));
    let body = chat("m-out", &json!({"max_tokens": 20}));
    client.post(&key, "/v1/chat/completions", &body).refuses(429, "daily_limit_exceeded");
    patch(client, admin, id, &json!({"daily_quota": 0, "status": 2}));
    assert_eq!(client.ask(&key, Form::Plain), None, "disabled");
    patch(client, admin, id, &json!({"status": 1}));
    let made = client.post(admin, &format!("{target}/rotate"), &json!({})).expect(200).json();
    let next = format!("sk-{}", made["data"]["key"].as_str().unwrap());
    assert_eq!(client.ask(&key, Form::Stream), None, "rotated away");
    client.post(admin, &format!("{target}/credit"), &json!({"quota": 16})).expect(200);
    sum += client.ask(&next, Form::Stream).expect("it is live");
    client.send(Request::new("DELETE", &target).bearer(admin)).expect(200);
    assert_eq!(client.ask(&next, Form::Plain), None, "deleted");
    (id, (3, sum))
}

/// What the process takes, at one moment.
#[derive(Copy, Clone, Debug)]
struct Vitals {
    memory: u64,
    descriptors: u64,
    threads: u64,
    log: u64,
}

impl Vitals {
    fn of(gateway: &Gateway) -> Self {
        let process = format!("/proc/{}", gateway.pid());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of the status");
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let log = gateway.file("data/tollgate.db-wal");
        Self {
            memory: 1_024 * number("VmRSS:"),
            descriptors: std::fs::read_dir(format!("{process}/fd")).unwrap().count().try_into().unwrap(),
            threads: number("Threads:"),
            log: std::fs::metadata(log).map_or(0, |meta| meta.len()),
        }
    }
}

/// Takes samples over `length`, a few hundred of them, and reads every budget with each.
fn watch(run: &Run<'_>, length: Duration) -> Vec<Vitals> {
    let disk = Disk::open(&run.gateway.database()).unwrap();
    let tick = (length / 300).max(Duration::from_millis(50));
    let (start, mut metronome) = (Instant::now(), Metronome::new());
    let mut samples = Vec::new();
    while start.elapsed() < length && run.goes_on() {
        samples.push(Vitals::of(run.gateway));
        for line in disk.budgets().unwrap() {
            assert!(line.spent <= line.limit, "the file says {line:?}");
        }
        metronome.wait(tick);
    }
    samples
}

/// The median of a figure in the middle third of a run and in its last; panics where it grew by more than a twentieth
/// and `slack`.
fn flat(name: &str, samples: &[Vitals], slack: u64, figure: impl Fn(&Vitals) -> u64) -> (u64, u64) {
    let third = samples.len() / 3;
    let median = |samples: &[Vitals]| {
        let mut values: Vec<_> = samples.iter().map(&figure).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let (middle, last) = (median(&samples[third..2 * third]), median(&samples[2 * third..]));
    assert!(last <= middle + middle / 20 + slack, "{name} grows: {middle} in the middle third, {last} after");
    (middle, last)
}

/// Whole answers in a second, over `length`.
fn rate(run: &Run<'_>, length: Duration) -> u64 {
    let (start, before) = (Instant::now(), run.answers.load(Ordering::Relaxed));
    while start.elapsed() < length && run.goes_on() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let count = run.answers.load(Ordering::Relaxed) - before;
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap();
    count * 1_000 / millis.max(1)
}

/// What was seen of a run.
struct Seen {
    /// By token: whole answers, and what they said they cost.
    charged: BTreeMap<i64, (i64, i64)>,
    /// Departures.
    left: u64,
    /// Answers in a second, at most and as it was paced.
    rates: (u64, u64),
    samples: Vec<Vitals>,
}

fn play(gateway: &Gateway, tokens: &[Token], leaver: &Token, length: Duration) -> Seen {
    let run = Run {
        gateway,
        is_over: AtomicBool::new(false),
        answers: AtomicU64::new(0),
        pause: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let over = Raise(&run.is_over);
        let run = &run;
        // Whoever fails ends the run for all.
        let stays: Vec<_> = tokens
            .iter()
            .map(|token| scope.spawn(move || guarded(run, || (token.id, run.stay(token)))))
            .collect();
        let leavers: Vec<_> =
            (0..LEAVERS).map(|_| scope.spawn(move || guarded(run, || run.leave(leaver)))).collect();
        let admin = scope.spawn(move || guarded(run, || run.administer(tokens)));
        let capacity = rate(run, length / 10);
        let clients = u64::try_from(CLIENTS).unwrap();
        run.pause.store(clients * 1_000_000 * 5 / (4 * capacity.max(1)), Ordering::Relaxed);
        let watcher = scope.spawn(move || guarded(run, || watch(run, length)));
        let paced = rate(run, length);
        let samples = watcher.join().unwrap();
        drop(over);
        let mut charged: BTreeMap<_, _> = stays.into_iter().map(|thread| thread.join().unwrap()).collect();
        charged.extend(admin.join().unwrap());
        let left = leavers.into_iter().map(|thread| thread.join().unwrap()).sum();
        Seen { charged, left, rates: (capacity, paced), samples }
    })
}

/// Does `work`; a panic in it ends the run for all others.
fn guarded<T>(run: &Run<'_>, work: impl FnOnce() -> T) -> T {
    struct Alarm<'a>(&'a AtomicBool);
    impl Drop for Alarm<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.store(true, Ordering::SeqCst);
            }
        }
    }
    let _alarm = Alarm(&run.is_over);
    work()
}

/// Nothing is held, and the ledger is what the clients saw: each token's sums, and a row for each request that the
/// provider got.
fn assert_books(gateway: &Gateway, mock: &Mock, leaver: &Token, seen: &Seen) {
    let disk = Disk::open(&gateway.database()).unwrap();
    eventually("nothing is held", PATIENT, || (disk.open_holds().unwrap() == 0).then_some(()));
    let mut sums = disk.sums().unwrap();
    let sent: i64 = sums.values().map(|sums| sums.sent).sum();
    assert_eq!(usize::try_from(sent).unwrap(), mock.count(), "a row for each request that was sent");
    let left = sums.remove(&leaver.id).unwrap_or_default();
    assert!(left.sent > 0 && left.beyond <= 0 && left.charged > 0, "who left: {left:?}");
    for (id, (count, charged)) in &seen.charged {
        let row = sums.remove(id).unwrap_or_default();
        let want = Sums { sent: *count, ok: *count, charged: *charged, beyond: row.beyond };
        assert_eq!(row, want, "token {id}: the ledger, and what its client saw");
        assert!(row.beyond <= 0, "token {id}: charged beyond its hold");
    }
    assert!(sums.is_empty(), "requests of nobody: {sums:?}");
}

fn mebibytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
}

#[test]
fn four_fifths_of_all_it_can() {
    let mock = Mock::start(|request| {
        if request.json()["model"] == "m-hang" {
            Reply::sse().event(&delta("a few words")).hang()
        } else if request.is_stream() {
            Reply::stream(&["one ", "two ", "three"], 9, 16)
        } else {
            Reply::completion(9, 16)
        }
    });
    mock.forget();
    let length = duration();
    let timeouts = "{ header = 60, body = 60, write = 60 }";
    let mut gateway = Gateway::start(Settings::with(&mock).set("server", "timeouts", timeouts));
    // The ledger of half an hour is proved at the end, by a debug binary.
    gateway.be_patient(length.max(PATIENT));
    let grant =
        json!({"remain_quota": 1_000_000_000, "daily_quota": 1_000_000_000, "monthly_quota": 1_000_000_000});
    let tokens: Vec<_> = (0..CLIENTS).map(|_| gateway.create(grant.clone())).collect();
    let leaver = gateway.create(grant);
    let seen = play(&gateway, &tokens, &leaver, length);
    assert_books(&gateway, &mock, &leaver, &seen);
    gateway.cli(&["verify"]);
    let samples = &seen.samples;
    let memory = flat("memory in bytes", samples, MEMORY_SLACK, |vitals| vitals.memory);
    let descriptors = flat("descriptors", samples, DESCRIPTOR_SLACK, |vitals| vitals.descriptors);
    let threads = flat("threads", samples, THREAD_SLACK, |vitals| vitals.threads);
    let log = samples.iter().map(|vitals| vitals.log).max().unwrap_or_default();
    assert!(log <= LOG_MOST, "the write-ahead log came to {log} bytes");
    // One line for whoever runs it with `--nocapture`.
    println!(
        "soak: {} s at {} answers/s of {}, {} requests, {} departures, {} tokens made and deleted; middle and last third: \
         memory {} and {} MiB, descriptors {} and {}, threads {} and {}; log at most {} MiB; nothing held, sums as seen, verified",
        length.as_secs(),
        seen.rates.1,
        seen.rates.0,
        mock.count(),
        seen.left,
        seen.charged.len() - CLIENTS,
        mebibytes(memory.0),
        mebibytes(memory.1),
        descriptors.0,
        descriptors.1,
        threads.0,
        threads.1,
        mebibytes(log),
    );
}
