//! The gateway under test: the release binary in a directory of its own, with tokens on which everything is switched on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::Fault;
use crate::load::{Questions, ask_once};
use crate::mock::{BURST, EVENTS, PLAIN, SLOW, SLOW_EVENTS};
use crate::process::{Guard, Process};
use crate::seed;

/// The binary, built as it is released.
pub const BINARY: &str = env!("CARGO_BIN_EXE_tollgate");
/// Tokens that the load uses, and users they belong to.
const TOKENS: usize = 32;
const USERS: usize = 4;
/// How long holds may stay open after the last answer.
const SETTLED: Duration = Duration::from_secs(10);
const PROVIDER_KEY: &str = "sk-the-key-of-the-mock-provider";

/// What a commit survives.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Power,
    /// The end of the process.
    Process,
}

/// A directory with a configuration, and the gateway that runs in it.
#[derive(Debug)]
pub struct Gateway {
    setting: Setting,
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Keys with everything on: total, daily, monthly and user's budget, and an allow-list.
    pub keys: Vec<String>,
}

/// How a gateway is set up.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The binary.
    pub binary: PathBuf,
    /// A directory that is not there yet, or has a database.
    pub directory: PathBuf,
    /// The mock provider.
    pub upstream: SocketAddr,
    /// What a commit survives.
    pub durability: Durability,
    /// Where it runs.
    pub guard: Guard,
}

impl Gateway {
    /// Starts one with a fresh database and the tokens of the load.
    ///
    /// # Errors
    /// When it does not start, or refuses the tokens.
    pub fn fresh(setting: &Setting) -> Result<Self, Fault> {
        let mut gateway = Self::start(setting)?;
        for number in 0..USERS {
            let user =
                json!({"name": format!("bench {number}"), "role": "member", "remain_credits": 100_000_000});
            let user = gateway.administer("/v1/users", &user)?["id"].clone();
            let token = json!({
                "name": "bench", "user_id": user, "remain_credits": 20_000_000, "daily_credits": 10_000_000,
                "monthly_credits": 20_000_000, "model_limits_enabled": true, "model_limits": "gpt-4o-mini,claude-*,bench-*",
            });
            let keys = gateway.make_tokens(&vec![token; TOKENS / USERS])?;
            gateway.keys.extend(keys);
        }
        Ok(gateway)
    }

    /// Starts it in its directory, as it is; it has no keys of its own then.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(setting: &Setting) -> Result<Self, Fault> {
        let directory = &setting.directory;
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(directory)?;
            std::fs::write(directory.join("config.toml"), config(setting))
        };
        write().map_err(|error| format!("cannot prepare {}: {error}", directory.display()))?;
        let mut process = Process::start("tollgate", &command(setting), setting.guard)?;
        let address = process.listening()?;
        Ok(Self { setting: setting.clone(), process, address, keys: Vec::new() })
    }

    /// Makes tokens; their keys.
    ///
    /// # Errors
    /// When they are refused.
    pub fn make_tokens(&self, bodies: &[Value]) -> Result<Vec<String>, Fault> {
        let made = self.administer("/v1/tokens/batch", &json!({"tokens": bodies}))?;
        let keys = made.as_array().into_iter().flatten().filter_map(|token| token["key"].as_str());
        Ok(keys.map(|key| format!("sk-{key}")).collect())
    }

    fn administer(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let request = post(path, &admin_key(), &body.to_string());
        let (status, answer) = ask_once(self.address, request)?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        if status == 200 { Ok(answer["data"].take()) } else { Err(format!("{path}: {status} {answer}")) }
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Log lines that it dropped.
    pub fn lost_lines(&self) -> u64 {
        self.process.lost_lines()
    }

    /// Proves that its books add up, beside it while it runs, once nothing is held any more; the rows of its ledger.
    ///
    /// # Errors
    /// When they do not.
    pub fn verify(&self) -> Result<i64, Fault> {
        let end = Instant::now() + SETTLED;
        loop {
            // Of a long ledger a proof takes longer than that.
            let is_last = Instant::now() > end;
            let report = self.proof()?;
            if report["open_holds"] == 0 {
                return report["rows"].as_i64().ok_or_else(|| format!("verify: {report}"));
            }
            if is_last {
                return Err(format!("holds stay open: {report}\n{}", self.process.log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn proof(&self) -> Result<Value, Fault> {
        let output = command(&self.setting).args(["verify", "--json"]).output();
        let output = output.map_err(|error| format!("verify does not start: {error}"))?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let drifts = report["drift"].as_array().is_none_or(|drift| !drift.is_empty());
        if !output.status.success() || drifts {
            return Err(format!("verify: {report} {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(report)
    }

    /// Stops it in order; its directory stays.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(self) -> Result<(), Fault> {
        self.process.stop()
    }
}

fn command(setting: &Setting) -> Command {
    let mut command = Command::new(&setting.binary);
    command
        .current_dir(&setting.directory)
        .env_clear()
        .env("BENCH_PROVIDER_KEY", PROVIDER_KEY)
        .env("TOLLGATE_ADMIN_KEY", admin_key());
    command
}

fn admin_key() -> String {
    format!("sk-{}", seed::key(0))
}

fn config(setting: &Setting) -> String {
    let durability = match setting.durability {
        Durability::Power => "power",
        Durability::Process => "process",
    };
    format!(
        r#"[server]
listen = "127.0.0.1:0"
[database]
durability = "{durability}"
[limits]
management_rpm = 0
max_connections_per_ip = 0
[[channels]]
name = "mock"
provider = "openai"
base_url = "http://{}/v1"
api_keys = ["env:BENCH_PROVIDER_KEY"]
models = ["bench-*"]
[[prices]]
model = "bench-*"
input = "1"
output = "2"
max_output_tokens = 16384
max_input_tokens = 128000
"#,
        setting.upstream
    )
}

/// A POST of JSON, ready to be sent.
pub fn post(path: &str, key: &str, body: &str) -> Bytes {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         accept: application/json\r\nuser-agent: bench\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + body).into()
}

/// A GET, ready to be sent.
pub fn get(path: &str, key: &str) -> Bytes {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\r\n").into()
}

/// A chat with `model`, by each of `keys`, and what its answer must be.
pub fn chats(address: SocketAddr, keys: &[String], model: &str) -> Questions {
    let is_stream = model != PLAIN;
    let prompt = "The quick brown fox jumps over the lazy dog. ".repeat(4);
    let body = json!({
        "model": model, "stream": is_stream, "max_tokens": 64,
        "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": prompt}],
    });
    let body = body.to_string();
    let requests = keys.iter().map(|key| post("/v1/chat/completions", key, &body)).collect();
    // The usage's event may be taken out; the terminator may not.
    let events = match model {
        BURST => EVENTS + 1,
        SLOW => usize::try_from(SLOW_EVENTS).unwrap_or(0) + 1,
        _ => 0,
    };
    Questions { address, requests, status: 200, events }
}
