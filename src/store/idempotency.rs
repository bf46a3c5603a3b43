//! `Idempotency-Key` on disk: what a call that made or added something did, for 24 hours.

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Timestamp;
use crate::store::Txn;

/// How long a record counts, in milliseconds.
const LIFE: i64 = 24 * 3_600_000;

/// A call that must not be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The calling token; 0 is the local administrator.
    pub caller: i64,
    /// Method and path.
    pub call: String,
    /// The client's key: 1–255 printable ASCII characters.
    pub key: String,
    /// SHA-256 of the body.
    pub body: [u8; 32],
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Never,
    /// It was done, with this body, and made or changed these.
    Done(Vec<i64>),
    /// The key was used with another body.
    Conflict,
}

/// Whether `once` was done before, within its life.
///
/// # Errors
/// Of the store.
pub fn seen(sql: &Connection, once: &Once, now: Timestamp) -> rusqlite::Result<Seen> {
    let found: Option<([u8; 32], String)> = sql
        .prepare_cached(
            "SELECT body, made FROM idempotency WHERE caller = ?1 AND call = ?2 AND key = ?3 AND created_at > ?4",
        )?
        .query_row(params![once.caller, once.call, once.key, now.millis().saturating_sub(LIFE)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(match found {
        None => Seen::Never,
        Some((body, _)) if body != once.body => Seen::Conflict,
        Some((_, made)) => Seen::Done(serde_json::from_str(&made).unwrap_or_default()),
    })
}

/// Records that `once` was done.
///
/// # Errors
/// Of the store.
pub fn record(txn: &mut Txn<'_>, once: &Once, made: &[i64]) -> rusqlite::Result<()> {
    let made = serde_json::to_string(made).unwrap_or_else(|_| "[]".to_owned());
    txn.sql()
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (caller, call, key, body, made, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![once.caller, once.call, once.key, once.body, made, txn.now().millis()])
        .map(drop)
}
