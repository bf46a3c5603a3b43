//! The audit on disk: who changed what, when and from where. Never a key.

use rusqlite::params;

use crate::store::Txn;

/// Who makes a change, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The calling token; 0 is the local administrator.
    pub caller: i64,
    /// Its address, or `local`.
    pub origin: String,
}

/// The object before and after a change, as JSON; `None` where there was or is none.
pub type BeforeAfter = (Option<String>, Option<String>);

/// Records a change.
///
/// # Errors
/// Of the store.
pub fn record(
    txn: &mut Txn<'_>,
    author: &Author,
    action: &str,
    object: i64,
    (before, after): BeforeAfter,
) -> rusqlite::Result<()> {
    let null = || "null".to_owned();
    txn.sql()
        .prepare_cached(
            "INSERT INTO audit (at, caller, origin, action, object, before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            txn.now().millis(),
            author.caller,
            author.origin,
            action,
            object,
            before.unwrap_or_else(null),
            after.unwrap_or_else(null),
        ])
        .map(drop)
}
