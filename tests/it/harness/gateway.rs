//! The gateway under test: the binary in a fresh directory, what a test does with it, and the assertions that every
//! test ends with. Must not know any single case.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::process::Process;
use super::{
    COMPLETION, Connection, Exchange, Output, PROMPT, Request, Response, SETTLED, SOON, Settings, nanos,
};
use super::{TempDir, eventually, hex, unique};

/// A token made by a test.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its id.
    pub id: i64,
    /// What a client presents: `sk-` and 48 characters.
    pub key: String,
    /// The answer's `data`.
    pub data: Value,
}

/// A directory with a configuration, and the gateway that runs there. Its drop asserts that all money held comes
/// free, that it stops with exit code 0, that `verify` finds nothing, and that its logs show no secret.
pub struct Gateway {
    dir: TempDir,
    settings: Settings,
    process: Option<Process>,
    address: SocketAddr,
    admin: String,
    known: Mutex<BTreeSet<String>>,
    past: String,
    wrapper: Vec<String>,
    patience: Duration,
    is_checked_at_end: bool,
}

impl Gateway {
    /// Writes the configuration and starts; waits until it listens.
    pub fn start(settings: Settings) -> Self {
        let mut gateway = Self::prepare(settings);
        gateway.restart();
        gateway
    }

    /// Writes the configuration only.
    pub fn prepare(settings: Settings) -> Self {
        let dir = TempDir::new();
        std::fs::write(dir.path().join("config.toml"), settings.text()).unwrap();
        let admin = if settings.admin_key_given { format!("sk-{}", unique()) } else { String::new() };
        let known =
            settings.env.iter().map(|(_, value)| value.clone()).filter(|value| value.starts_with("sk-"));
        let gateway = Self {
            dir,
            known: Mutex::new(known.collect()),
            settings,
            process: None,
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            admin: admin.clone(),
            past: String::new(),
            wrapper: Vec::new(),
            patience: 3 * SOON,
            is_checked_at_end: true,
        };
        gateway.learn(&admin);
        gateway
    }

    /// Leaves out the assertions of the end: for tests that break the database on purpose.
    pub fn leave_unchecked(&mut self) {
        self.is_checked_at_end = false;
    }

    /// Lets a stop, and commands that should end, take as long as this: for a large database.
    pub fn be_patient(&mut self, limit: Duration) {
        self.patience = limit;
    }

    /// Starts it in its directory (again), and waits until it listens.
    #[track_caller]
    pub fn restart(&mut self) {
        let process = self.launch(&[]);
        let listening = process
            .stdout_line(SOON, |line| line.strip_prefix("listening on http://")?.parse().ok())
            // Where its standard output is closed, the log says it too.
            .or_else(|| {
                process.log_line(SOON, |line| {
                    line.split_once("is listening on http://")?.1.split(';').next()?.parse().ok()
                })
            });
        let (stdout, stderr) = process.texts();
        self.address =
            listening.unwrap_or_else(|| panic!("does not listen\n{stdout}\n{stderr}\n{}", self.config()));
        if self.admin.is_empty() {
            self.admin = printed_key(&stdout).unwrap_or_else(|| panic!("no key in {stdout}"));
            let admin = self.admin.clone();
            self.learn(&admin);
        }
        self.process = Some(process);
    }

    /// Starts all that follow through another program, such as a tracer; an empty one ends that.
    pub fn behind(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
    }

    /// As [`Gateway::restart`] where the start may fail; whether it listens.
    pub fn try_restart(&mut self) -> bool {
        let process = self.launch(&[]);
        let listening = process.stdout_line(SOON, |line| {
            line.strip_prefix("listening on http://").and_then(|address| address.parse().ok())
        });
        match listening {
            Some(address) => {
                self.address = address;
                self.process = Some(process);
                true
            }
            None => {
                self.remember(process);
                false
            }
        }
    }

    /// Asks it to stop, if it has not ended by itself, and takes any exit code.
    pub fn stop_somehow(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::TERM);
        assert!(process.wait(3 * SOON).is_some(), "it ends");
        self.remember(process);
    }

    /// Starts a run that should end by itself, and gives what it left.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.launch(arguments).finish(self.patience)
    }

    /// A run that must end with exit code 0; its standard output.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.code, 0, "tollgate {arguments:?}: {}\n{}", output.stdout, output.stderr);
        output.stdout
    }

    fn launch(&self, arguments: &[&str]) -> Process {
        let binary = env!("CARGO_BIN_EXE_tollgate");
        let mut command = match self.settings.script.as_ref().filter(|_| arguments.is_empty()) {
            None => {
                let mut words = self.wrapper.iter().map(String::as_str).chain([binary]);
                let mut command = Command::new(words.next().expect("a binary"));
                command.args(words);
                command
            }
            Some(script) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", script, "sh", binary]);
                shell
            }
        };
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.settings.env.iter().cloned());
        if self.settings.admin_key_given {
            command.env("TOLLGATE_ADMIN_KEY", &self.admin);
        }
        Process::start(&mut command)
    }

    /// Replaces the configuration and environment that the next start reads.
    pub fn configure(&mut self, settings: Settings) {
        std::fs::write(self.dir.path().join("config.toml"), settings.text()).unwrap();
        self.settings = settings;
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::KILL);
        assert_eq!(process.wait(SOON).expect("SIGKILL ends it").signal(), Some(9));
        self.remember(process);
    }

    /// Starts it and kills it after a moment, wherever it then is.
    pub fn stumble(&self, after: Duration) {
        let process = self.launch(&[]);
        process.wait(after);
        process.signal(Signal::KILL);
        assert!(process.wait(SOON).is_some(), "SIGKILL ends it");
    }

    /// Asks it to stop, and asserts that it does with exit code 0.
    #[track_caller]
    pub fn terminate(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::TERM);
        let status = process.wait(self.patience);
        let log = self.remember(process);
        assert_eq!(status.and_then(|status| status.code()), Some(0), "SIGTERM: {status:?}\n{}", tail(&log));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits for it to end by itself, and asserts with which exit code.
    #[track_caller]
    pub fn ends_with(&mut self, code: i32) {
        let process = self.process.take().expect("it runs");
        let status = process.wait(2 * SOON);
        let log = self.remember(process);
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{status:?}\n{}", tail(&log));
    }

    /// Whether its log shows `text` soon.
    pub fn log_shows(&self, text: &str) -> bool {
        self.process().log_shows(SOON, text)
    }

    /// All it has printed since its last start: standard output, standard error.
    pub fn printed(&self) -> (String, String) {
        self.process().texts()
    }

    /// Bytes of memory that it has now.
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of memory");
        1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    fn remember(&mut self, process: Process) -> String {
        let output = process.finish(SOON);
        self.past.push_str(&output.stderr);
        if self.settings.admin_key_given {
            self.past.push_str(&output.stdout);
        }
        output.stderr
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process().pid()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file of its working directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.file("data/tollgate.db")
    }

    /// The configuration's text.
    pub fn config(&self) -> String {
        self.settings.text()
    }

    /// The admin's key.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Uses another key as the admin's.
    pub fn adopt_admin(&mut self, key: &str) {
        self.admin = key.to_owned();
        self.learn(key);
    }

    /// From now on this secret may appear in no answer and no log.
    pub fn learn(&self, secret: &str) {
        if !secret.is_empty() {
            self.known.lock().unwrap().insert(secret.trim_start_matches("sk-").to_owned());
        }
    }

    /// A fresh connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends a request, gives its answer once the head is there.
    #[track_caller]
    pub fn open(&self, request: &Request) -> Exchange {
        let mut connection = self.connect();
        connection.send(&request.bytes());
        connection.answer().unwrap_or_else(|why| panic!("no answer ({why})\n{}", self.dump()))
    }

    /// Sends a request and reads the whole answer, which may show no secret that was known before.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        let known = self.known.lock().unwrap().clone();
        let response = self.open(request).finish();
        let text = format!("{:?}{}", response.headers, response.text());
        assert!(!known.iter().any(|secret| text.contains(secret)), "a secret in {text}");
        response
    }

    /// GET with a key.
    #[track_caller]
    pub fn get(&self, key: &str, target: &str) -> Response {
        self.send(&Request::get(target).bearer(key))
    }

    /// POST of JSON with a key.
    #[track_caller]
    pub fn post(&self, key: &str, target: &str, body: &Value) -> Response {
        self.send(&Request::post(target, body).bearer(key))
    }

    /// PATCH of JSON by the admin.
    #[track_caller]
    pub fn patch(&self, target: &str, body: &Value) -> Response {
        self.send(&Request::new("PATCH", target).bearer(&self.admin).json(body))
    }

    /// DELETE by the admin.
    #[track_caller]
    pub fn delete(&self, target: &str) -> Response {
        self.send(&Request::new("DELETE", target).bearer(&self.admin))
    }

    /// Makes a token; a missing name is filled in.
    #[track_caller]
    pub fn create(&self, mut fields: Value) -> Token {
        if fields["name"].is_null() {
            fields["name"] = json!("test");
        }
        let answer = self.post(&self.admin, "/v1/tokens", &fields).expect(200);
        self.token_of(&answer.json()["data"])
    }

    /// The token in a creation's or rotation's `data`.
    pub fn token_of(&self, data: &Value) -> Token {
        let key = format!("sk-{}", data["key"].as_str().expect("a key is shown once"));
        self.learn(&key);
        Token { id: data["id"].as_i64().unwrap(), key, data: data.clone() }
    }

    /// A token as it is now.
    #[track_caller]
    pub fn token(&self, id: i64) -> Value {
        self.get(&self.admin, &format!("/v1/tokens/{id}")).expect(200).json()["data"].clone()
    }

    /// One integer field of a token.
    #[track_caller]
    pub fn number(&self, id: i64, field: &str) -> i64 {
        let token = self.token(id);
        token[field].as_i64().unwrap_or_else(|| panic!("{field} in {token}"))
    }

    /// What it has used, in quota.
    #[track_caller]
    pub fn used(&self, token: &Token) -> i64 {
        self.number(token.id, "used_quota")
    }

    /// What is held for it now, in quota.
    #[track_caller]
    pub fn held(&self, token: &Token) -> i64 {
        self.number(token.id, "reserved_quota")
    }

    /// Waits until nothing is held for the token any more, and gives what it has used.
    #[track_caller]
    pub fn settled(&self, token: &Token) -> i64 {
        eventually("the hold comes free", SETTLED, || (self.held(token) == 0).then_some(()));
        self.used(token)
    }

    /// A chat completion for `body`.
    #[track_caller]
    pub fn chat(&self, key: &str, body: &Value) -> Response {
        self.post(key, "/v1/chat/completions", body)
    }

    /// Rows of the ledger, newest first; `query` such as `token_id=7`.
    #[track_caller]
    pub fn ledger(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&self.admin, &format!("/v1/ledger?page_size=100&{query}")).expect(200);
        answer.json()["data"]["items"].as_array().expect("items").clone()
    }

    /// All rows of a token, over all pages.
    #[track_caller]
    pub fn all_entries(&self, token: &Token) -> Vec<Value> {
        let mut rows = Vec::new();
        for page in 1.. {
            let more = self.ledger(&format!("token_id={}&page={page}", token.id));
            let is_last = more.len() < 100;
            rows.extend(more);
            if is_last {
                break;
            }
        }
        rows
    }

    /// What the request behind `answer` was charged, in nanodollars.
    #[track_caller]
    pub fn charged(&self, answer: &Response) -> i64 {
        let rows = self.ledger(&format!("request_id={}", answer.header("x-request-id").unwrap()));
        nanos(&rows[0]["charged_usd"])
    }

    /// What the token's last request was charged, in nanodollars, how it ended, and who said what it used.
    #[track_caller]
    pub fn told(&self, token: &Token) -> (i64, String, String) {
        let entry = self.last_entry(token);
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        (nanos(&entry["charged_usd"]), text("outcome"), text("usage_source"))
    }

    /// The newest ledger row of a token, once it is there.
    #[track_caller]
    pub fn last_entry(&self, token: &Token) -> Value {
        self.settled(token);
        let rows = self.ledger(&format!("token_id={}", token.id));
        rows.into_iter().next().expect("a ledger row")
    }

    fn dump(&self) -> String {
        let running = self.process.as_ref().map(Process::texts).unwrap_or_default();
        format!(
            "--- config\n{}\n--- stdout\n{}\n--- past log\n{}\n--- log\n{}",
            self.config(),
            running.0,
            tail(&self.past),
            tail(&running.1)
        )
    }

    fn all_held(&self) -> i64 {
        let mut held = 0;
        for page in 1.. {
            let answer =
                self.get(&self.admin, &format!("/v1/tokens?page_size=100&page={page}")).expect(200).json();
            let items = answer["data"]["items"].as_array().expect("items");
            held += items.iter().filter_map(|item| item["reserved_quota"].as_i64()).sum::<i64>();
            if items.len() < 100 {
                break;
            }
        }
        held
    }

    fn assert_quiet(&mut self) {
        if self.process.is_some() {
            eventually("nothing is held any more", SETTLED, || (self.all_held() == 0).then_some(()));
            self.terminate();
        }
        if self.database().exists() {
            self.cli(&["verify"]);
        }
        let known = self.known.lock().unwrap();
        let hashes = known.iter().map(|key| hex(&Sha256::digest(format!("sk-{key}"))));
        let secrets = known.iter().cloned().chain(hashes).chain([PROMPT.to_owned(), COMPLETION.to_owned()]);
        for secret in secrets {
            let line = self.past.lines().find(|line| line.contains(&secret));
            assert!(line.is_none(), "a log shows {secret}: {line:?}");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.dump());
        } else if self.is_checked_at_end {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.assert_quiet()));
            if let Err(panic) = result {
                eprintln!("{}", self.dump());
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// The first thing in `text` that has the shape of a key with `sk-`.
pub fn printed_key(text: &str) -> Option<String> {
    text.match_indices("sk-").find_map(|(start, _)| {
        let key: String = text[start + 3..].chars().take_while(char::is_ascii_alphanumeric).collect();
        (key.len() == 48).then(|| format!("sk-{key}"))
    })
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
