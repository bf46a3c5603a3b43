//! Processes under test: started with their output drained, ended when dropped or when the benchmark is told to end, and
//! what the kernel counts of them. Must not know what they are.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::Fault;

/// All that run, so that none outlives the benchmark.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How long a process may take to stop when asked to.
const STOPPED: Duration = Duration::from_secs(30);
/// How much of its log is kept.
const KEPT: usize = 4 << 10;

/// Where the process under test may run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Anywhere.
    Free,
    /// On the first core alone.
    Pinned,
}

/// A running process; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: std::process::Child,
    stdout: Option<BufReader<ChildStdout>>,
    log: Arc<Mutex<Vec<u8>>>,
    lost: Arc<AtomicU64>,
}

/// What the kernel counted of a process and its children up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Nanoseconds of CPU, by thread name.
    pub cpu: BTreeMap<String, u64>,
}

/// Memory, in MiB.
#[derive(Copy, Clone, Debug)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Of it, not backed by a file.
    pub anonymous: f64,
}

impl Process {
    /// Starts `command` by the name `name`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(name: &str, command: &Command, guard: Guard) -> Result<Self, Fault> {
        let mut command = guarded(command, guard);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
        running().push(Pid::from_child(&child));
        let stdout = child.stdout.take().map(BufReader::new);
        let mut process =
            Self { name: name.to_owned(), child, stdout, log: Arc::default(), lost: Arc::default() };
        process.drain_log()?;
        Ok(process)
    }

    /// Reads its standard error, as something that keeps logs would, and keeps the end of it.
    fn drain_log(&mut self) -> Result<(), Fault> {
        let Some(mut stderr) = self.child.stderr.take() else { return Ok(()) };
        let (log, lost) = (Arc::clone(&self.log), Arc::clone(&self.lost));
        let drain = move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                lost.fetch_add(lost_lines(&buffer[..count]), Ordering::Relaxed);
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.extend_from_slice(&buffer[count.saturating_sub(KEPT)..count]);
                let surplus = log.len().saturating_sub(KEPT);
                log.drain(..surplus);
            }
        };
        let started = Builder::new().name("drain".to_owned()).spawn(drain);
        started.map(drop).map_err(|error| format!("no thread: {error}"))
    }

    /// Waits for the line that says where it listens.
    ///
    /// # Errors
    /// When it ends without.
    pub fn listening(&mut self) -> Result<SocketAddr, Fault> {
        for line in self.stdout.iter_mut().flat_map(BufRead::lines) {
            let line = line.map_err(|error| format!("{}: {error}", self.name))?;
            if let Some(address) = line.strip_prefix("listening on http://") {
                return address.parse().map_err(|_| format!("{}: {line}", self.name));
            }
        }
        Err(format!("{} does not listen\n{}", self.name, self.log()))
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Lines of its log that it says it dropped, because nobody read them in time.
    pub fn lost_lines(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to stop, and waits.
    ///
    /// # Errors
    /// When it does not, or not with success.
    pub fn stop(mut self) -> Result<(), Fault> {
        let _ = kill_process(self.pid(), Signal::TERM);
        let end = Instant::now() + STOPPED;
        while Instant::now() < end {
            let status = self.child.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = status {
                let told = format!("{} ended with {status}\n{}", self.name, self.log());
                return if status.success() { Ok(()) } else { Err(told) };
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("{} does not stop", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.pid();
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_with_children(pid);
            drop(self.child.wait());
        }
        running().retain(|other| *other != pid);
    }
}

/// The sum of `… 17 lines of log were dropped` in `text`; one that two reads share is not counted.
fn lost_lines(text: &[u8]) -> u64 {
    let count = |at: usize| {
        let before = text.get(..at)?;
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&before[at - digits..]).ok()?.parse::<u64>().ok()
    };
    memchr::memmem::find_iter(text, b" lines of log were dropped").filter_map(count).sum()
}

fn running() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "nginx and taskset are found by it; the gateway reads nothing else"
)]
fn guarded(command: &Command, guard: Guard) -> Command {
    let mut whole = match guard {
        Guard::Free => Command::new(command.get_program()),
        Guard::Pinned => {
            let mut taskset = Command::new("taskset");
            taskset.args(["-c", "0"]).arg(command.get_program());
            taskset
        }
    };
    whole.args(command.get_args()).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        whole.env("PATH", path);
    }
    for (name, value) in command.get_envs() {
        value.map(|value| whole.env(name, value));
    }
    if let Some(directory) = command.get_current_dir() {
        whole.current_dir(directory);
    }
    whole
}

/// Puts the load and the mock on the second core.
///
/// # Errors
/// When there is no `taskset`, or no second core.
pub fn pin_this_process() -> Result<(), Fault> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-a", "-p", "-c", "1", &pid]).stdout(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err("--pin wants `taskset` and a second core".to_owned()),
    }
}

/// As many files as the system lets one have: thousands of streams are four descriptors each.
pub fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// From now on a signal, or the end of `at_most`, ends the children and the benchmark.
///
/// # Errors
/// When signals cannot be caught.
pub fn end_children_on_signals(at_most: Duration) -> Result<(), Fault> {
    let told = |error: std::io::Error| format!("cannot catch signals: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(told)?;
    let watch = move || runtime.block_on(wait_for_the_end(at_most));
    Builder::new().name("signals".to_owned()).spawn(watch).map(drop).map_err(told)
}

#[expect(clippy::disallowed_methods, reason = "the other threads are in the middle of a measurement")]
async fn wait_for_the_end(at_most: Duration) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => eprintln!("bench: interrupted"),
        _ = terminate.recv() => eprintln!("bench: terminated"),
        () = tokio::time::sleep(at_most) => eprintln!("bench: not done after {at_most:?}"),
    }
    running().iter().copied().for_each(kill_with_children);
    std::process::exit(1);
}

/// The parent first: nginx's would replace a worker that it sees die. Its number is its own until it is waited for.
fn kill_with_children(pid: Pid) {
    let children = children(pid);
    for pid in std::iter::once(pid).chain(children) {
        // One that has ended already is fine.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_pid();
    let listed = read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

impl Counts {
    /// Of `pid` and its children, now.
    pub fn of(pid: Pid) -> Self {
        let mut counts = Self::default();
        for pid in children(pid).into_iter().chain([pid]) {
            let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid()));
            for thread in threads.into_iter().flatten().flatten() {
                let name = read_to_string(thread.path().join("comm")).unwrap_or_default();
                *counts.cpu.entry(name.trim().to_owned()).or_default() += thread_time(&thread.path());
            }
        }
        counts
    }

    /// Microseconds of CPU since `before`, of all threads.
    pub fn since(&self, before: &Self) -> f64 {
        self.by_thread(before).values().sum()
    }

    /// The same, by thread name.
    pub fn by_thread(&self, before: &Self) -> BTreeMap<String, f64> {
        let spent = |(name, now): (&String, &u64)| {
            let then = before.cpu.get(name).copied().unwrap_or(0);
            (name.clone(), crate::stats::amount(now.saturating_sub(then)) / 1e3)
        };
        self.cpu.iter().map(spent).collect()
    }
}

/// Nanoseconds on a CPU: the scheduler's own count where there is one, else the clock ticks (of 10 ms).
fn thread_time(thread: &Path) -> u64 {
    let first = |text: String| text.split_whitespace().next().and_then(|time| time.parse().ok());
    let exact: Option<u64> = read_to_string(thread.join("schedstat")).ok().and_then(first);
    exact.or_else(|| ticks(&read_to_string(thread.join("stat")).ok()?)).unwrap_or(0)
}

fn ticks(stat: &str) -> Option<u64> {
    // The name, in brackets, may hold blanks; user and system time are the 12th and 13th field behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 10_000_000)
}

/// Bytes that `pid` has caused to be written to a disk.
pub fn written(pid: Pid) -> u64 {
    field(&format!("/proc/{}/io", pid.as_raw_pid()), "write_bytes:")
}

impl Memory {
    /// Of `pid` and its children, now.
    pub fn of(pid: Pid) -> Self {
        let sum = |name| {
            let all = children(pid).into_iter().chain([pid]);
            let kib: u64 = all.map(|pid| field(&format!("/proc/{}/status", pid.as_raw_pid()), name)).sum();
            crate::stats::amount(kib) / 1024.0
        };
        Self { resident: sum("VmRSS:"), anonymous: sum("RssAnon:") }
    }
}

fn field(path: &str, name: &str) -> u64 {
    let text = read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
