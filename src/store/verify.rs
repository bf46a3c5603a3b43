//! The proof: every counter added up again from the ledger, and the ledger's chain of hashes. Reads only, takes no lock,
//! and works beside a running writer: rows are append-only, so slices of it add up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::store::chain::{Head, LedgerRow};
use crate::store::open::{OpenFault, open_reader, sql_failed};
use crate::usage::Usage;

/// How long one reading transaction may last, so that the log can still be moved into the database.
const SLICE: Duration = Duration::from_millis(500);

/// Rows between two looks at the clock.
const ROWS: usize = 2_000;

/// Lines of drift that are told one by one.
const TOLD: usize = 20;

/// What the proof found.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Ledger rows that were added up.
    pub rows: i64,
    /// Holds that were open: requests in flight, or of a killed server. They are no drift.
    pub open_holds: i64,
    /// The end of the chain.
    pub head: Head,
    /// What does not add up, a sentence each; empty is proof. At most twenty are told.
    pub drift: Vec<String>,
}

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    granted: i64,
    charged: i64,
}

/// A row of `usage`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
struct UsageSums {
    requests: i64,
    charged: i64,
    by_kind: [i64; Usage::KINDS],
}

/// `usage` by day, token and model.
type UsageRows = BTreeMap<(i64, i64, String), UsageSums>;

/// Counters of one moment.
#[derive(Default)]
struct Counters {
    anchor: Head,
    pruned_day: i64,
    head: Head,
    open_holds: i64,
    /// Token → its user and sums.
    tokens: BTreeMap<i64, (i64, Sums)>,
    /// Tokens that spent something of late and have no record.
    strays: Vec<i64>,
    /// Tokens that responses are remembered for and that have no record.
    askers: Vec<i64>,
    users: BTreeMap<i64, Sums>,
    usage: UsageRows,
    pruned: Vec<((i64, i64), Sums)>,
    /// Ledger rows that are noted as refunds.
    refunds: BTreeSet<i64>,
}

/// Sums of the ledger, and what is wrong with the chain.
#[derive(Default)]
struct Sum {
    tokens: BTreeMap<i64, Sums>,
    users: BTreeMap<i64, Sums>,
    usage: UsageRows,
    refunds: BTreeSet<i64>,
    rows: i64,
    faults: Vec<String>,
    kept: Option<Head>,
}

/// Proves the database at `path`. With `kept`, a head that was written down earlier, also that nothing up to it was changed.
///
/// # Errors
/// When it cannot be read.
pub fn verify(path: &Path, kept: Option<Head>) -> Result<Report, OpenFault> {
    let sql = open_reader(path)?;
    let prove = || -> rusqlite::Result<Report> {
        loop {
            let counters = in_one_snapshot(&sql, read_counters)?;
            let sum = add_up(&sql, &counters, kept)?;
            if read_anchor(&sql)?.0 == counters.anchor {
                return Ok(report(&counters, sum, kept));
            }
        }
    };
    prove().map_err(|error| sql_failed(path, &error))
}

fn in_one_snapshot<T>(
    sql: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    sql.execute_batch("BEGIN")?;
    let result = read(sql);
    sql.execute_batch("COMMIT")?;
    result
}

fn read_anchor(sql: &Connection) -> rusqlite::Result<(Head, i64)> {
    sql.query_row("SELECT seq, hash, day FROM anchor", [], |row| {
        Ok((Head { seq: row.get(0)?, hash: row.get(1)? }, row.get(2)?))
    })
}

fn read_counters(sql: &Connection) -> rusqlite::Result<Counters> {
    let (anchor, pruned_day) = read_anchor(sql)?;
    let mut counters = Counters { anchor, pruned_day, head: Head::read(sql)?, ..Counters::default() };
    counters.open_holds = sql.query_row("SELECT count(*) FROM holds", [], |row| row.get(0))?;
    read_tokens(sql, &mut counters)?;
    each(sql, "SELECT id, granted, used FROM users", |row| {
        counters.users.insert(row.get(0)?, Sums { granted: row.get(1)?, charged: row.get(2)? });
        Ok(())
    })?;
    let kinds = Usage::NAMES.join(", ");
    each(sql, &format!("SELECT day, token_id, model, requests, charged, {kinds} FROM usage"), |row| {
        let mut sums = UsageSums { requests: row.get(3)?, charged: row.get(4)?, ..UsageSums::default() };
        for (kind, count) in sums.by_kind.iter_mut().enumerate() {
            *count = row.get(5 + kind)?;
        }
        counters.usage.insert((row.get(0)?, row.get(1)?, row.get(2)?), sums);
        Ok(())
    })?;
    each(sql, "SELECT seq FROM refunds", |row| {
        counters.refunds.insert(row.get(0)?);
        Ok(())
    })?;
    each(sql, "SELECT token_id, user_id, granted, charged FROM pruned", |row| {
        let sums = Sums { granted: row.get(2)?, charged: row.get(3)? };
        counters.pruned.push(((row.get(0)?, row.get(1)?), sums));
        Ok(())
    })?;
    Ok(counters)
}

/// What each token was granted and has used, in a database as it is: a proof does not upgrade.
fn read_tokens(sql: &Connection, counters: &mut Counters) -> rusqlite::Result<()> {
    let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let sums = match version {
        1 => "SELECT id, user_id, granted, used FROM tokens",
        _ => include_str!("sql/tokens_sums.sql"),
    };
    each(sql, sums, |row| {
        let sums = Sums { granted: row.get(2)?, charged: row.get(3)? };
        counters.tokens.insert(row.get(0)?, (row.get(1)?, sums));
        Ok(())
    })?;
    if version == 1 {
        return Ok(());
    }
    each(sql, "SELECT token_id FROM spent WHERE token_id NOT IN (SELECT id FROM tokens)", |row| {
        counters.strays.push(row.get(0)?);
        Ok(())
    })?;
    if version == 2 {
        return Ok(());
    }
    // Nothing else of them can be proved: they are no money.
    each(sql, include_str!("sql/responses_strays.sql"), |row| {
        counters.askers.push(row.get(0)?);
        Ok(())
    })
}

fn each(
    sql: &Connection,
    query: &str,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut select = sql.prepare(query)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

/// Adds the ledger up to the counters' head, in slices that are each a short transaction.
fn add_up(sql: &Connection, counters: &Counters, kept: Option<Head>) -> rusqlite::Result<Sum> {
    let mut sum = Sum::default();
    for ((token, user), sums) in &counters.pruned {
        sum.add(*token, *user, *sums);
    }
    let mut at = counters.anchor;
    sum.meet(at, kept);
    while at.seq < counters.head.seq {
        let before = at.seq;
        at = in_one_snapshot(sql, |sql| add_slice(sql, &mut sum, at, counters, kept))?;
        if at.seq == before {
            sum.faults.push(format!("ledger row {} is missing", before + 1));
            break;
        }
    }
    if at.hash != counters.head.hash && sum.faults.is_empty() {
        sum.faults.push(format!("the chain does not end in the head {}", counters.head.spell()));
    }
    Ok(sum)
}

fn add_slice(
    sql: &Connection,
    sum: &mut Sum,
    mut at: Head,
    counters: &Counters,
    kept: Option<Head>,
) -> rusqlite::Result<Head> {
    let columns = LedgerRow::COLUMNS;
    let query = format!("SELECT {columns} FROM ledger WHERE seq > ?1 AND seq <= ?2 ORDER BY seq");
    let mut select = sql.prepare_cached(&query)?;
    let mut rows = select.query([at.seq, counters.head.seq])?;
    let end = Instant::now() + SLICE;
    let mut until_look = ROWS;
    while let Some(row) = rows.next()? {
        let (seq, row, hash) = LedgerRow::read(row)?;
        if seq != at.seq + 1 {
            sum.faults.push(format!("ledger row {} is missing", at.seq + 1));
        } else if row.hash(seq, &at.hash) != hash {
            sum.faults.push(format!("ledger row {seq} was changed, or the one before it"));
        }
        at = Head { seq, hash };
        sum.take(seq, &row, counters.pruned_day);
        sum.meet(at, kept);
        until_look -= 1;
        if until_look == 0 {
            if Instant::now() > end {
                break;
            }
            until_look = ROWS;
        }
    }
    Ok(at)
}

impl Sum {
    fn add(&mut self, token: i64, user: i64, sums: Sums) {
        let of_token = self.tokens.entry(token).or_default();
        of_token.granted += sums.granted;
        of_token.charged += sums.charged;
        let of_user = self.users.entry(user).or_default();
        // A token's grants are the token's, and a user's the user's; charges are both's.
        of_user.granted += if token == 0 { sums.granted } else { 0 };
        of_user.charged += sums.charged;
    }

    fn take(&mut self, seq: i64, row: &LedgerRow, pruned_day: i64) {
        self.rows += 1;
        if row.outcome == "adjust" {
            self.refunds.insert(seq);
        }
        self.add(row.token_id, row.user_id, Sums { granted: row.granted, charged: row.charged });
        let counts = !matches!(&*row.outcome, "credit" | "rollup");
        if counts && row.day > pruned_day {
            let sums = self.usage.entry((row.day, row.token_id, row.model.to_string())).or_default();
            sums.requests += i64::from(row.outcome != "adjust");
            sums.charged += row.charged;
            for (total, count) in sums.by_kind.iter_mut().zip(row.usage) {
                *total += count;
            }
        }
    }

    fn meet(&mut self, at: Head, kept: Option<Head>) {
        if kept.is_some_and(|kept| kept.seq == at.seq) {
            self.kept = Some(at);
        }
    }
}

fn report(counters: &Counters, mut sum: Sum, kept: Option<Head>) -> Report {
    let mut drift = std::mem::take(&mut sum.faults);
    if let Some(kept) = kept {
        match sum.kept {
            Some(met) if met == kept => {}
            Some(met) => {
                drift.push(format!("the head kept was {}, the ledger has {}", kept.spell(), met.spell()));
            }
            None => drift.push(format!("the ledger has no row {} any more, or not yet", kept.seq)),
        }
    }
    compare_totals(counters, &sum, &mut drift);
    compare_usage(counters, &sum, &mut drift);
    compare_refunds(counters, &sum, &mut drift);
    let more = drift.len().saturating_sub(TOLD);
    drift.truncate(TOLD);
    if more > 0 {
        drift.push(format!("… and {more} more"));
    }
    Report { rows: sum.rows, open_holds: counters.open_holds, head: counters.head, drift }
}

fn compare_totals(counters: &Counters, sum: &Sum, drift: &mut Vec<String>) {
    for (id, (_, sums)) in &counters.tokens {
        let want = sum.tokens.get(id).copied().unwrap_or_default();
        tell(drift, &format!("token {id}"), *sums, want);
    }
    for (id, sums) in &counters.users {
        let want = sum.users.get(id).copied().unwrap_or_default();
        tell(drift, &format!("user {id}"), *sums, want);
    }
    for id in sum.tokens.keys().filter(|id| **id != 0 && !counters.tokens.contains_key(id)) {
        drift.push(format!("token {id} has ledger rows but no record"));
    }
    for id in &counters.strays {
        drift.push(format!("token {id} has spent something but no record"));
    }
    for id in &counters.askers {
        drift.push(format!("token {id} has stored responses but no record"));
    }
}

fn tell(drift: &mut Vec<String>, whose: &str, has: Sums, want: Sums) {
    if has.charged != want.charged {
        drift.push(format!(
            "{whose}: used is {} nanodollars, its ledger adds up to {}",
            has.charged, want.charged
        ));
    }
    if has.granted != want.granted {
        drift.push(format!(
            "{whose}: granted is {} nanodollars, its ledger adds up to {}",
            has.granted, want.granted
        ));
    }
}

fn compare_usage(counters: &Counters, sum: &Sum, drift: &mut Vec<String>) {
    let mut used: BTreeMap<i64, i64> = BTreeMap::new();
    for ((day, token, model), has) in &counters.usage {
        *used.entry(*token).or_default() += has.charged;
        if *day > counters.pruned_day {
            let want = sum.usage.get(&(*day, *token, model.clone())).copied().unwrap_or_default();
            if let Some(difference) = difference(has, &want) {
                drift.push(format!("usage of token {token} on {day} with {model:?}: {difference}"));
            }
        }
    }
    for key in sum.usage.keys().filter(|key| !counters.usage.contains_key(*key)) {
        drift.push(format!("usage of token {} on {} with {:?} is missing", key.1, key.0, key.2));
    }
    for (id, (_, sums)) in &counters.tokens {
        let by_day = used.get(id).copied().unwrap_or_default();
        if by_day != sums.charged {
            drift.push(format!(
                "token {id}: used is {} nanodollars, its days add up to {by_day}",
                sums.charged
            ));
        }
    }
}

/// What `has` and `want` differ in first; `None` when in nothing.
fn difference(has: &UsageSums, want: &UsageSums) -> Option<String> {
    if (has.requests, has.charged) != (want.requests, want.charged) {
        return Some(format!(
            "{} requests, {} nanodollars; its ledger adds up to {} and {}",
            has.requests, has.charged, want.requests, want.charged
        ));
    }
    let kinds = Usage::NAMES.into_iter().zip(has.by_kind).zip(want.by_kind);
    let mut different = kinds.filter(|((_, has), want)| has != want);
    different.next().map(|((kind, has), want)| format!("{kind} is {has}, its ledger adds up to {want}"))
}

/// Each refund is noted, so that it is not given twice; and nothing else is.
fn compare_refunds(counters: &Counters, sum: &Sum, drift: &mut Vec<String>) {
    for seq in sum.refunds.difference(&counters.refunds) {
        drift.push(format!("ledger row {seq} gives money back, and it is not noted of which row"));
    }
    for seq in counters.refunds.difference(&sum.refunds).filter(|seq| **seq > counters.anchor.seq) {
        drift.push(format!("ledger row {seq} gives nothing back, and is noted as a refund"));
    }
}
