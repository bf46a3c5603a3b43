//! Databases with many tokens and a long ledger: made by the gateway itself and then filled with rows, because the token API
//! would take hours. The one place that knows the schema; `tollgate verify` proves what it makes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::Fault;
use crate::figures::Bench;
use crate::gateway::{Durability, Gateway, Setting};
use crate::stats::amount;

/// Granted to each token, nanodollars: $10.
const GRANT: i64 = 10_000_000_000;
/// Granted to the one user they belong to: $1 000 000.
const USER_GRANT: i64 = 1_000_000_000_000_000;
/// Charged by each row.
const CHARGE: i64 = 1_000;
/// The user they belong to; the first administrator is 1.
const USER: i64 = 2;
/// The first token; the administrator's is 1.
const FIRST: i64 = 2;
/// Ledger rows of one token on one day.
const ROWS_A_DAY: i64 = 3;
/// Noon of the first day, 2025-03-01, in milliseconds.
const NOON: i64 = 1_740_830_400_000;
const DAY: i64 = 86_400_000;
const FIRST_DAY: i64 = 20_250_301;
/// Kinds of usage, the first being input and the fifth output.
const KINDS: usize = 11;

/// How much is in a database.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// Tokens, each with one ledger row for its grant.
    pub tokens: i64,
    /// Further ledger rows for each; at most 84, for three are of one day and all of one month.
    pub rows_each: i64,
}

/// The 48 characters of key `number`; 0 is the administrator's.
pub fn key(number: i64) -> String {
    let digest = Sha256::digest(format!("the benchmark's key {number}"));
    digest.iter().map(|byte| format!("{byte:02x}")).take(24).collect()
}

/// `count` keys of tokens, spread over a database of `size`.
pub fn keys(size: Size, count: i64) -> Vec<String> {
    let count = count.min(size.tokens);
    (0..count).map(|number| format!("sk-{}", key(1 + number * size.tokens / count))).collect()
}

/// A directory with a copy of a database of `size`, which is made first if it is not at hand.
///
/// # Errors
/// When it cannot be made.
pub fn directory(bench: &Bench, size: Size) -> Result<PathBuf, Fault> {
    let told = |error: std::io::Error| format!("cannot prepare the database: {error}");
    std::fs::create_dir_all(&bench.data).map_err(told)?;
    let schema = Sha256::digest(include_bytes!("../../schema.sql"));
    let name = format!("{:02x}{:02x}-{}-{}.db", schema[0], schema[1], size.tokens, size.rows_each);
    let cached = bench.data.join(name);
    if !cached.exists() {
        let made = make(bench, size)?;
        std::fs::rename(made.join("data/tollgate.db"), &cached).map_err(told)?;
    }
    let directory = bench.fresh_directory();
    std::fs::create_dir_all(directory.join("data")).map_err(told)?;
    std::fs::copy(&cached, directory.join("data/tollgate.db")).map_err(told)?;
    Ok(directory)
}

fn make(bench: &Bench, size: Size) -> Result<PathBuf, Fault> {
    let rows = size.tokens * (1 + size.rows_each);
    eprintln!("  making a database of {} tokens and {rows} ledger rows …", size.tokens);
    let setting: Setting = bench.setting(Durability::Process);
    Gateway::start(&setting)?.stop()?;
    fill(&setting.directory.join("data/tollgate.db"), size).map_err(|error| format!("seed: {error}"))?;
    let gateway = Gateway::start(&setting)?;
    let proven = gateway.verify()?;
    gateway.stop()?;
    eprintln!("  {proven} rows, proven");
    Ok(setting.directory)
}

#[expect(clippy::disallowed_methods, reason = "the gateway that made it has stopped")]
fn fill(path: &Path, size: Size) -> rusqlite::Result<()> {
    let sql = Connection::open(path)?;
    sql.execute_batch(
        "PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA cache_size = -400000; BEGIN",
    )?;
    sql.execute(
        "INSERT INTO users (name, role, status, unlimited, granted, used, created_at) VALUES ('bench', 'member', 1, 0, ?1, ?2, ?3)",
        params![USER_GRANT, size.tokens * size.rows_each * CHARGE, NOON],
    )?;
    let mut chain = Chain::default();
    chain.append(&sql, &Entry { token: 0, day: FIRST_DAY, at: NOON, granted: USER_GRANT, charged: 0 })?;
    for number in 1..=size.tokens {
        insert_token(&sql, number, size)?;
        let entry = Entry { token: number + FIRST - 1, day: FIRST_DAY, at: NOON, granted: GRANT, charged: 0 };
        chain.append(&sql, &entry)?;
    }
    for round in 0..size.rows_each {
        let day = round / ROWS_A_DAY;
        for number in 1..=size.tokens {
            let (token, at) = (number + FIRST - 1, NOON + day * DAY);
            let entry = Entry { token, day: FIRST_DAY + day, at, granted: 0, charged: CHARGE };
            chain.append(&sql, &entry)?;
            count_usage(&sql, &entry)?;
        }
        eprintln!("  {} million rows", amount(chain.seq.unsigned_abs()) / 1e6);
    }
    sql.execute_batch("COMMIT; PRAGMA journal_mode = wal")
}

fn insert_token(sql: &Connection, number: i64, size: Size) -> rusqlite::Result<()> {
    let hash = Sha256::digest(format!("sk-{}", key(number)));
    let fingerprint: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    sql.prepare_cached(
        "INSERT INTO tokens (user_id, origin, name, status, created_at, accessed_at, expires_at, unlimited, granted, used,
           daily_limit, monthly_limit, model_limits_enabled, model_limits, group_name, cross_group_retry, allow_ips, rpm, tpm,
           max_concurrency, scopes, metadata, fingerprint, deleted_at)
         VALUES (?1, 'api', ?2, 1, ?3, ?3, -1, 0, ?4, ?5, ?4, ?4, 1, 'gpt-4o-mini,claude-*,bench-*', '', 0, '', 0, 0,
           0, 'inference', '{}', ?6, -1)",
    )?
    .execute(params![USER, format!("bench {number}"), NOON, GRANT, size.rows_each * CHARGE, fingerprint])?;
    sql.prepare_cached("INSERT INTO keys (hash, token_id, created_at, expires_at) VALUES (?1, ?2, ?3, -1)")?
        .execute(params![hash.as_slice(), number + FIRST - 1, NOON])?;
    Ok(())
}

/// What differs from row to row.
struct Entry {
    token: i64,
    day: i64,
    at: i64,
    granted: i64,
    charged: i64,
}

impl Entry {
    fn usage(&self) -> [i64; KINDS] {
        let mut usage = [0; KINDS];
        if self.charged > 0 {
            (usage[0], usage[4]) = (40, 20);
        }
        usage
    }

    /// Model, channel, outcome, source of the usage.
    fn words(&self) -> [&'static str; 4] {
        if self.charged > 0 { ["bench-plain", "mock", "ok", "provider"] } else { ["", "", "credit", "none"] }
    }

    /// Attempts, held, charged, overrun, granted.
    fn amounts(&self) -> [i64; 5] {
        [i64::from(self.charged > 0), self.charged * 2, self.charged, 0, self.granted]
    }
}

/// The end of the ledger.
#[derive(Default)]
struct Chain {
    seq: i64,
    hash: [u8; 32],
}

impl Chain {
    fn append(&mut self, sql: &Connection, entry: &Entry) -> rusqlite::Result<()> {
        self.seq += 1;
        let ([model, channel, outcome, source], amounts) = (entry.words(), entry.amounts());
        let mut id = [0_u8; 16];
        id[..6].copy_from_slice(&entry.at.to_be_bytes()[2..]);
        id[8..].copy_from_slice(&self.seq.to_be_bytes());
        self.hash = self.hash_of(&id, entry);
        let usage = entry.usage();
        sql.prepare_cached(
            "INSERT INTO ledger (seq, id, at, token_id, user_id, day, model, channel, outcome, attempts, held, charged, overrun,
               granted, usage_source, input, cached_input, cache_write, cache_write_1h, output, reasoning, audio_input,
               audio_output, image_input, image_output, tool_calls, note, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 0, 0, 0, ?17, 0, 0, 0, 0, 0, 0, '', ?18)",
        )?
        .execute(params![
            self.seq, id, entry.at, entry.token, USER, entry.day, model, channel, outcome, amounts[0], amounts[1], amounts[2],
            amounts[3], amounts[4], source, usage[0], usage[4], self.hash,
        ])?;
        Ok(())
    }

    /// As `src/store/chain.rs` has it.
    fn hash_of(&self, id: &[u8; 16], entry: &Entry) -> [u8; 32] {
        let [model, channel, outcome, source] = entry.words();
        let mut sha = Sha256::new();
        sha.update(self.hash);
        sha.update(self.seq.to_be_bytes());
        sha.update(id);
        for number in [entry.at, entry.token, USER, entry.day] {
            sha.update(number.to_be_bytes());
        }
        for text in [model, channel, outcome] {
            hash_text(&mut sha, text);
        }
        for number in entry.amounts() {
            sha.update(number.to_be_bytes());
        }
        hash_text(&mut sha, source);
        for count in entry.usage() {
            sha.update(count.to_be_bytes());
        }
        hash_text(&mut sha, "");
        sha.finalize().into()
    }
}

fn hash_text(sha: &mut Sha256, text: &str) {
    sha.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    sha.update(text.as_bytes());
}

fn count_usage(sql: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    sql.prepare_cached(
        "INSERT INTO usage (day, token_id, model, requests, charged, input, cached_input, cache_write, cache_write_1h, output,
           reasoning, audio_input, audio_output, image_input, image_output, tool_calls)
         VALUES (?1, ?2, 'bench-plain', 1, ?3, 40, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0)
         ON CONFLICT (day, token_id, model) DO UPDATE SET requests = requests + 1, charged = charged + excluded.charged,
           input = input + excluded.input, output = output + excluded.output",
    )?
    .execute(params![entry.day, entry.token, entry.charged])?;
    Ok(())
}
