//! Ledger rows on disk, as administrators read them: by request, and newest first in bounded slices.

use rusqlite::{Connection, OptionalExtension, params};

use crate::ids::{RequestId, TokenId, UserId};
use crate::ledger::Outcome;
use crate::store::chain::{Head, LedgerRow};

/// A ledger row and its number.
pub type Entry = (i64, LedgerRow);

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// One token's.
    pub token: Option<TokenId>,
    /// One user's.
    pub user: Option<UserId>,
    /// Of one outcome.
    pub outcome: Option<Outcome>,
}

impl EntryFilter {
    /// Whether every row is wanted.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it lets `row` through.
    pub fn permits(&self, row: &LedgerRow) -> bool {
        self.token.is_none_or(|token| token.0 == row.token_id)
            && self.user.is_none_or(|user| user.0 == row.user_id)
            && self.outcome.is_none_or(|outcome| outcome.as_str() == row.outcome)
    }
}

/// The rows there are: those with numbers above the first and up to the second of the two.
///
/// # Errors
/// Of the store.
pub fn extent(sql: &Connection) -> rusqlite::Result<(i64, i64)> {
    let anchor = sql.prepare_cached("SELECT seq FROM anchor")?.query_row([], |row| row.get(0))?;
    Ok((anchor, Head::read(sql)?.seq))
}

/// What one slice of the ledger gives to a page.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// Rows that the filter lets through.
    pub matched: i64,
    /// The rows asked for, newest first.
    pub rows: Vec<Entry>,
}

/// Reads the slice with numbers above `low` and up to `high`: how many rows match and, of those, `limit` after `offset`.
///
/// # Errors
/// Of the store.
pub fn slice(
    sql: &Connection,
    (low, high): (i64, i64),
    filter: &EntryFilter,
    (offset, limit): (i64, i64),
) -> rusqlite::Result<Slice> {
    let token = filter.token.map(|token| token.0);
    let user = filter.user.map(|user| user.0);
    let outcome = filter.outcome.map(Outcome::as_str);
    let matched = sql
        .prepare_cached(include_str!("sql/ledger_slice_count.sql"))?
        .query_row(params![low, high, token, user, outcome], |row| row.get(0))?;
    if limit <= 0 || matched <= offset {
        return Ok(Slice { matched, rows: Vec::new() });
    }
    let mut select = sql.prepare_cached(include_str!("sql/ledger_slice.sql"))?;
    let rows = select
        .query_map(params![low, high, token, user, outcome, limit, offset], |row| {
            LedgerRow::read(row).map(|(seq, row, _)| (seq, row))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Slice { matched, rows })
}

/// The rows of one request: one, but for ids that were imported twice.
///
/// # Errors
/// Of the store.
pub fn of_request(sql: &Connection, id: RequestId) -> rusqlite::Result<Vec<Entry>> {
    let mut select = sql.prepare_cached(include_str!("sql/ledger_by_id.sql"))?;
    let rows = select
        .query_map([id.as_bytes()], |row| LedgerRow::read(row).map(|(seq, row, _)| (seq, row)))?
        .collect();
    rows
}

/// The number of the row that gave `id` back, if one did.
///
/// # Errors
/// Of the store.
pub fn refund_of(sql: &Connection, id: RequestId) -> rusqlite::Result<Option<i64>> {
    sql.prepare_cached("SELECT seq FROM refunds WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()
}
