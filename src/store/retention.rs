//! What the writer does now and then: moves what tokens spent into their rows, forgets idempotency records after a day and stored
//! responses after 30, ends keys whose grace is over, and removes ledger rows that are older than the operator keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::ids::RequestId;
use crate::ledger::{Outcome, UsageSource, Zone};
use crate::store::chain::{Appender, Head, LedgerRow, RowHash};
use crate::store::responses;
use crate::usage::Usage;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Ledger rows removed in one transaction.
const ROWS: usize = 10_000;

/// Tokens whose spending is moved in one transaction.
const TOKENS: i64 = 1_000;

/// See the room's head.
#[derive(Debug)]
pub struct Housekeeping {
    /// Days that ledger rows are kept; 0 keeps all.
    retention_days: i64,
    next: Timestamp,
    /// The last token whose spending was moved in this round; 0 between rounds.
    folded: i64,
}

impl Housekeeping {
    /// Keeps house for the first time an hour after `now`; a start stays quick.
    pub fn new(retention_days: i64, now: Timestamp) -> Self {
        Self { retention_days, next: Timestamp::from_millis(now.millis() + HOUR), folded: 0 }
    }

    /// Whether it is time. A clock that stepped back by more than a period does not stop it.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next || now.millis() < self.next.millis() - 2 * HOUR
    }

    /// Keeps house in transactions of its own; the end of the chain afterwards.
    ///
    /// # Errors
    /// Of the store; what was not committed is undone.
    pub fn run(
        &mut self,
        sql: &Connection,
        head: Head,
        now: Timestamp,
        zone: Zone,
    ) -> rusqlite::Result<Head> {
        // First of all: what fails waits its hour too, and is not tried again behind each batch.
        self.next = Timestamp::from_millis(now.millis() + HOUR);
        self.folded = fold(sql, self.folded)?;
        if self.folded != 0 {
            self.next = now;
            return Ok(head);
        }
        sql.execute("DELETE FROM idempotency WHERE created_at < ?1", [now.millis() - DAY])?;
        sql.execute("DELETE FROM keys WHERE expires_at <> -1 AND expires_at < ?1", [now.millis() - DAY])?;
        if responses::expire(sql, now)? == responses::SLICE {
            self.next = now;
            return Ok(head);
        }
        if self.retention_days == 0 {
            return Ok(head);
        }
        let before = now.millis() - self.retention_days.saturating_mul(DAY);
        let (head, removed) = in_transaction(sql, || prune(sql, head, before, now, zone))?;
        if removed == ROWS {
            self.next = now;
        }
        Ok(head)
    }
}

/// Moves what the next tokens behind `after` were charged of late into their rows; the last of them, or 0 when none is left.
fn fold(sql: &Connection, after: i64) -> rusqlite::Result<i64> {
    let slice = "SELECT token_id FROM spent WHERE token_id > ?1 ORDER BY token_id LIMIT ?2";
    let (last, tokens): (Option<i64>, i64) = sql
        .prepare_cached(&format!("SELECT max(token_id), count(*) FROM ({slice})"))?
        .query_row([after, TOKENS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(last) = last else { return Ok(0) };
    in_transaction(sql, || {
        sql.prepare_cached(include_str!("sql/tokens_fold.sql"))?.execute([after, last])?;
        sql.prepare_cached("DELETE FROM spent WHERE token_id > ?1 AND token_id <= ?2")?.execute([after, last])
    })?;
    Ok(if tokens < TOKENS { 0 } else { last })
}

/// Runs `work` in a transaction of its own: all of it is committed, or nothing.
fn in_transaction<T>(sql: &Connection, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    sql.execute_batch("BEGIN IMMEDIATE")?;
    let done = work().and_then(|done| sql.execute_batch("COMMIT").map(|()| done));
    done.inspect_err(|_| {
        if !sql.is_autocommit() {
            drop(sql.execute_batch("ROLLBACK"));
        }
    })
}

/// What the removed rows of one token and user add up to.
#[derive(Default)]
struct Sum {
    granted: i64,
    charged: i64,
}

struct Prefix {
    sums: BTreeMap<(i64, i64), Sum>,
    seq: i64,
    hash: RowHash,
    day: i64,
    rows: usize,
}

/// Removes the rows that are older than `before`, up to the first that is not: sums kept, the anchor moved, a rollup row
/// appended, all in the caller's transaction. The new head, and how many rows went.
fn prune(
    sql: &Connection,
    mut head: Head,
    before: i64,
    now: Timestamp,
    zone: Zone,
) -> rusqlite::Result<(Head, usize)> {
    let prefix = read_prefix(sql, before)?;
    if prefix.rows == 0 {
        return Ok((head, 0));
    }
    let mut add = sql.prepare_cached(
        "INSERT INTO pruned (token_id, user_id, granted, charged) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET granted = granted + excluded.granted, charged = charged + excluded.charged",
    )?;
    let mut sha = Sha256::new();
    for ((token, user), sum) in &prefix.sums {
        add.execute([*token, *user, sum.granted, sum.charged])?;
        for number in [*token, *user, sum.granted, sum.charged] {
            sha.update(number.to_be_bytes());
        }
    }
    let digest: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    head.append(&mut Appender::new(sql)?, &rollup(now, zone, format!("{} {digest}", prefix.seq)))?;
    sql.execute(
        "UPDATE anchor SET seq = ?1, hash = ?2, day = max(day, ?3)",
        params![prefix.seq, prefix.hash, prefix.day],
    )?;
    sql.execute("DELETE FROM ledger WHERE seq <= ?1", [prefix.seq])?;
    Ok((head, prefix.rows))
}

fn read_prefix(sql: &Connection, before: i64) -> rusqlite::Result<Prefix> {
    let mut prefix = Prefix { sums: BTreeMap::new(), seq: 0, hash: [0; 32], day: 0, rows: 0 };
    let columns = LedgerRow::COLUMNS;
    let mut select = sql.prepare(&format!("SELECT {columns} FROM ledger ORDER BY seq LIMIT {ROWS}"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, row, hash) = LedgerRow::read(row)?;
        if row.at >= before {
            break;
        }
        let sum = prefix.sums.entry((row.token_id, row.user_id)).or_default();
        sum.granted += row.granted;
        sum.charged += row.charged;
        prefix = Prefix { seq, hash, day: prefix.day.max(row.day), rows: prefix.rows + 1, ..prefix };
    }
    Ok(prefix)
}

fn rollup(now: Timestamp, zone: Zone, note: String) -> LedgerRow {
    LedgerRow {
        id: *RequestId::mint(now).as_bytes(),
        at: now.millis(),
        token_id: 0,
        user_id: 0,
        day: zone.windows(now).day.key(),
        model: Arc::from(""),
        channel: Arc::from(""),
        outcome: Outcome::Rollup.as_str().into(),
        attempts: 0,
        held: 0,
        charged: 0,
        overrun: 0,
        granted: 0,
        usage_source: UsageSource::None.as_str().into(),
        usage: [0; Usage::KINDS],
        note,
    }
}
