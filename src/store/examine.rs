//! The look at a database before a start: whatever a start would refuse, at a bounded price. The proof of every row is
//! `verify`'s.

use std::path::Path;

use crate::store::open::{OpenFault, open_inspected, sql_failed};
use crate::store::recover::broken_link;

/// What a start would find.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// No database yet: the start makes it.
    Absent,
    /// One that opens.
    Sound,
}

/// Looks at the database at `path` as a start does: its directory, its header, whose it is, its pages if they are few, and
/// the end of the ledger's chain. Changes nothing, takes no lock, and works beside a server of another process.
///
/// # Errors
/// What a start would refuse.
pub fn examine(path: &Path) -> Result<Examined, OpenFault> {
    let Some(sql) = open_inspected(path)? else { return Ok(Examined::Absent) };
    match broken_link(&sql).map_err(|error| sql_failed(path, &error))? {
        None => Ok(Examined::Sound),
        Some(seq) => Err(OpenFault::broken_ledger(path, seq)),
    }
}
