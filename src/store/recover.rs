//! The start after a stop that was none: settles the holds that a killed process left, checks the end of the chain, and
//! loads the windows that still count.

use rusqlite::Connection;

use crate::clock::Timestamp;
use crate::ids::{ChannelName, RequestId, TokenId, UserId};
use crate::ledger::{Book, Day, Hold, Outcome, Settled, Settlement, UsageSource, Windows, Zone};
use crate::money::Money;
use crate::store::chain::{Head, LedgerRow};
use crate::store::txn::Txn;
use crate::usage::Usage;

/// What becomes of a hold whose process was killed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It is charged whole: the books are never short.
    Hold,
    /// It is charged its floor.
    Floor,
    /// Nothing is charged.
    Void,
}

impl Recovery {
    /// `hold`, `floor` or `void`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Floor => "floor",
            Self::Void => "void",
        }
    }
}

/// Holds settled in one transaction.
const BATCH: i64 = 1_000;

/// Ledger rows whose hashes are checked at a start.
const CHAIN_ROWS: i64 = 10_000;

/// Settles every hold that was left over, in bounded batches, so that a kill in the middle loses and repeats nothing; the
/// number of them and the end of the chain.
///
/// # Errors
/// Of the store.
pub fn settle_leftovers(
    sql: &Connection,
    how: Recovery,
    now: Timestamp,
    zone: Zone,
) -> rusqlite::Result<(usize, Head)> {
    let mut head = Head::read(sql)?;
    let mut settled = 0;
    loop {
        let holds = leftovers(sql)?;
        if holds.is_empty() {
            return Ok((settled, head));
        }
        settled += holds.len();
        sql.execute_batch("BEGIN IMMEDIATE")?;
        let mut txn = Txn::new(sql, head, now, zone)?;
        for hold in holds {
            txn.settle(&recovered(hold, how, now))?;
        }
        (head, _) = txn.finish()?;
        sql.execute_batch("COMMIT")?;
    }
}

fn recovered(hold: Hold, how: Recovery, at: Timestamp) -> Settled {
    let charged = match how {
        Recovery::Hold => hold.amount,
        Recovery::Floor => hold.floor,
        Recovery::Void => Money::ZERO,
    };
    let settlement = Settlement {
        outcome: Outcome::Recovered,
        cost: charged,
        usage: Usage::default(),
        source: UsageSource::None,
        attempts: 0,
    };
    let taken = hold.amount;
    Settled { hold, settlement, charged, overrun: Money::ZERO, taken, at }
}

fn leftovers(sql: &Connection) -> rusqlite::Result<Vec<Hold>> {
    let mut select = sql.prepare_cached(
        "SELECT id, token_id, user_id, amount, floor, day, model, channel, admitted_at FROM holds ORDER BY id LIMIT ?1",
    )?;
    let rows = select.query_map([BATCH], |row| {
        let day = Day::from_key(row.get(5)?);
        Ok(Hold {
            id: RequestId::from_bytes(row.get(0)?),
            token: TokenId(row.get(1)?),
            user: UserId(row.get(2)?),
            amount: Money::from_nanos(row.get(3)?),
            floor: Money::from_nanos(row.get(4)?),
            windows: Windows { day, month: day.month() },
            model: row.get::<_, String>(6)?.into(),
            channel: ChannelName(row.get::<_, String>(7)?.into()),
            admitted_at: Timestamp::from_millis(row.get(8)?),
        })
    })?;
    rows.collect()
}

/// Checks the hashes of the last rows; the number of the first row that does not fit.
///
/// # Errors
/// Of the store.
pub fn broken_link(sql: &Connection) -> rusqlite::Result<Option<i64>> {
    let anchor = sql.query_row("SELECT seq, hash FROM anchor", [], |row| {
        Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
    })?;
    let head = Head::read(sql)?;
    let columns = LedgerRow::COLUMNS;
    let first = (head.seq - CHAIN_ROWS).max(anchor.seq);
    let mut before = anchor;
    if first > anchor.seq {
        before = sql.query_row("SELECT seq, hash FROM ledger WHERE seq = ?1", [first], |row| {
            Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
        })?;
    }
    let mut select = sql.prepare(&format!("SELECT {columns} FROM ledger WHERE seq > ?1 ORDER BY seq"))?;
    let mut rows = select.query([first])?;
    while let Some(row) = rows.next()? {
        let (seq, row, hash) = LedgerRow::read(row)?;
        if seq != before.seq + 1 || row.hash(seq, &before.hash) != hash {
            return Ok(Some(seq));
        }
        before = Head { seq, hash };
    }
    Ok(None)
}

/// The first day whose sums a book loaded at `now` knows.
pub fn known_from(now: Timestamp, zone: Zone) -> Day {
    zone.windows(now).day.earlier(2)
}

/// Loads what was charged in the days and months that can still be asked for.
///
/// # Errors
/// Of the store.
pub fn load_windows(sql: &Connection, book: &mut Book, now: Timestamp, zone: Zone) -> rusqlite::Result<()> {
    let known_from = known_from(now, zone);
    let first = known_from.month().first_day();
    let mut select =
        sql.prepare("SELECT day, token_id, sum(charged) FROM usage WHERE day >= ?1 GROUP BY day, token_id")?;
    let mut rows = select.query([first.key()])?;
    while let Some(row) = rows.next()? {
        let (day, token) = (Day::from_key(row.get(0)?), TokenId(row.get(1)?));
        let used = Money::from_nanos(row.get(2)?);
        book.load_month(token, day.month(), used);
        if day >= known_from {
            book.load_day(token, day, used);
        }
    }
    Ok(())
}
