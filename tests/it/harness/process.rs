//! A run of the binary: its exit status, and what it prints, gathered by threads. Must not know HTTP.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What a command that ended has left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Bytes of output from which on the older half is let go: a soak writes a line for each of its millions of requests.
const KEPT: usize = 16 << 20;

/// Text that grows, and its end.
#[derive(Debug, Default)]
struct Tail {
    text: Mutex<(Vec<u8>, bool)>,
    grown: Condvar,
}

impl Tail {
    fn follow(mut source: impl Read + Send + 'static) -> Arc<Self> {
        let tail = Arc::new(Self::default());
        let shared = Arc::clone(&tail);
        let read = move || {
            let mut buffer = [0; 4096];
            loop {
                let count = source.read(&mut buffer).unwrap_or(0);
                let mut text = shared.text.lock().unwrap();
                text.0.extend_from_slice(&buffer[..count]);
                if text.0.len() > KEPT {
                    text.0.drain(..KEPT / 2);
                }
                text.1 = count == 0;
                shared.grown.notify_all();
                if count == 0 {
                    break;
                }
            }
        };
        Builder::new().name("tail".to_owned()).spawn(read).unwrap();
        tail
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap().0).into_owned()
    }

    /// The first line that `wanted` takes; `None` when the text ends or `limit` passes without one.
    fn wait_for<T>(&self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut text = self.text.lock().unwrap();
        loop {
            let so_far = String::from_utf8_lossy(&text.0).into_owned();
            let whole = so_far.rfind('\n').map_or("", |end| &so_far[..end]);
            if let Some(found) = whole.lines().find_map(&wanted) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if text.1 || left.is_zero() {
                return None;
            }
            text = self.grown.wait_timeout(text, left).unwrap().0;
        }
    }

    fn wait_for_end(&self, limit: Duration) {
        let text = self.text.lock().unwrap();
        drop(self.grown.wait_timeout_while(text, limit, |text| !text.1));
    }
}

/// A running (or ended) child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    exit: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
    stdout: Arc<Tail>,
    stderr: Arc<Tail>,
}

impl Process {
    /// Starts `command` with its output gathered and no input.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let exit = Arc::new((Mutex::new(None), Condvar::new()));
        let process = Self {
            pid: Pid::from_child(&child),
            exit: Arc::clone(&exit),
            stdout: Tail::follow(child.stdout.take().unwrap()),
            stderr: Tail::follow(child.stderr.take().unwrap()),
        };
        let wait = move || {
            let status = child.wait().unwrap();
            *exit.0.lock().unwrap() = Some(status);
            exit.1.notify_all();
        };
        Builder::new().name("wait".to_owned()).spawn(wait).unwrap();
        process
    }

    /// The first line of standard output that `wanted` takes.
    pub fn stdout_line<T>(&self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.stdout.wait_for(limit, wanted)
    }

    /// The first line of the log that `wanted` takes.
    pub fn log_line<T>(&self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.stderr.wait_for(limit, wanted)
    }

    /// Its number in the system.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for the log to show a line that contains `text`.
    pub fn log_shows(&self, limit: Duration, text: &str) -> bool {
        self.stderr.wait_for(limit, |line| line.contains(text).then_some(())).is_some()
    }

    /// What it has written so far: standard output, standard error.
    pub fn texts(&self) -> (String, String) {
        (self.stdout.text(), self.stderr.text())
    }

    /// Its id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal; a process that has ended gets none.
    pub fn signal(&self, signal: Signal) {
        let exit = self.exit.0.lock().unwrap();
        if exit.is_none() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Its exit status, if it ends within `limit`.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let exit = self.exit.0.lock().unwrap();
        *self.exit.1.wait_timeout_while(exit, limit, |exit| exit.is_none()).unwrap().0
    }

    /// Waits for the end and gives all it left; panics when it does not end.
    pub fn finish(self, limit: Duration) -> Output {
        let status = self.wait(limit);
        if status.is_some() {
            self.stdout.wait_for_end(limit);
            self.stderr.wait_for_end(limit);
        }
        let (stdout, stderr) = self.texts();
        let status = status.unwrap_or_else(|| panic!("did not end\nstdout: {stdout}\nstderr: {stderr}"));
        Output { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
