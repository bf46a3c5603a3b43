//! What all tests stand on: the gateway as a process, a raw HTTP client, a scripted provider. Must not know the
//! program's own types: everything here is observable from outside.

mod disk;
mod form;
mod gateway;
mod http;
mod mock;
mod process;
mod reply;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use disk::{Disk, Sums};
pub use form::Form;
pub use gateway::{Gateway, Token, printed_key};
pub use http::{Connection, Exchange, Piece, Request, Response};
pub use mock::{Gate, Mock, Received};
pub use process::Output;
pub use reply::{Reply, delta, usage_event};
pub use settings::Settings;

/// Stands in every prompt of these tests; no log may contain it.
pub const PROMPT: &str = "PROMPT-that-no-log-may-show";
/// Stands in every completion of the mock; no log may contain it.
pub const COMPLETION: &str = "COMPLETION-that-no-log-may-show";
/// How long anything may take that should happen soon: generous, for a debug binary on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);
/// How long money may stay held after its request has gone.
pub const SETTLED: Duration = Duration::from_secs(5);

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// 48 characters of the key alphabet, different at each call.
pub fn unique() -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{}/{number}/{:?}", std::process::id(), Instant::now());
    hex(&Sha256::digest(seed)).chars().take(48).collect()
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unix seconds now.
#[expect(clippy::disallowed_methods, reason = "a black-box test shares only the wall clock with the program")]
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Asks `probe` again and again until it gives something; panics, naming `what`, after `limit`.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `count` copies of `work` at one instant and gathers what they return, in order of their number.
pub fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let (barrier, work) = (&barrier, &work);
        let threads: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    barrier.wait();
                    work(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Raises a flag when it goes, also by a panic: for threads that work until a test is over.
pub struct Raise<'a>(pub &'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A directory that goes with its owner.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A fresh, empty directory.
    pub fn new() -> Self {
        let name = format!("tollgate-it-{}", unique().chars().take(16).collect::<String>());
        // Short, for the control socket below it: a socket path may have 107 bytes.
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A chat request for `model` whose prompt no log may show, with the fields of `more` on top.
pub fn chat(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": PROMPT}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name.as_str()] = value.clone();
    }
    body
}

/// An amount of dollars, as a JSON number or text, in nanodollars.
#[track_caller]
pub fn nanos(dollars: &Value) -> i64 {
    let text = dollars.as_str().map_or_else(|| dollars.to_string(), str::to_owned);
    let amount: f64 = text.parse().unwrap_or_else(|_| panic!("{text} is no amount"));
    format!("{:.0}", amount * 1e9).parse().unwrap()
}

/// What counts of each kind cost at the price of a unit of each.
pub fn cost<const KINDS: usize>(counts: [i64; KINDS], prices: [i64; KINDS]) -> i64 {
    counts.iter().zip(prices).map(|(count, price)| count * price).sum()
}

/// Nanodollars in whole quota, rounded up, as what is held is shown.
pub fn quota(nanos: i64) -> i64 {
    (nanos + QUOTA - 1) / QUOTA
}

/// Nanodollars of one quota.
pub const QUOTA: i64 = 2_000;
