//! Brings a database up to the schema of this program: makes one that is empty, and upgrades an older one step by step, of
//! which a copy is kept first.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::Connection;

use crate::store::open::{APPLICATION_ID, OpenFault, directory_of, sql_failed, with_suffix};

/// What makes a new database.
const SCHEMA: &str = include_str!("../../schema.sql");

/// What brings a database up to [`SCHEMA`]: one of version n, counted from 1, needs the steps from n - 1 on. A step is never
/// changed once released.
const UPGRADES: [&str; 2] = [include_str!("sql/upgrade_2.sql"), include_str!("sql/upgrade_3.sql")];

/// The version of [`SCHEMA`].
pub const VERSION: usize = UPGRADES.len() + 1;

/// Makes the tables, or runs the steps that are missing, each in one transaction.
///
/// # Errors
/// When a copy cannot be kept, or a step fails; what was there before is there still.
pub fn bring_up(sql: &Connection, path: &Path) -> Result<(), OpenFault> {
    let failed = |error| sql_failed(path, &error);
    let version: i32 = sql.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let Some(done) = usize::try_from(version).ok().filter(|version| *version > 0) else {
        return step_to(sql, VERSION, SCHEMA).map_err(failed);
    };
    if done < VERSION {
        keep_copy(sql, path, done)?;
    }
    for (at, step) in UPGRADES.iter().enumerate().skip(done - 1) {
        log::info!("the database is brought to version {}", at + 2);
        step_to(sql, at + 2, step).map_err(failed)?;
    }
    Ok(())
}

/// Keeps the database as it is under a name of its own, for whoever must go back: an older program opens no newer database. A copy
/// of that name is of an earlier upgrade, after which somebody did go back, or of one that was cut short: this takes its place.
fn keep_copy(sql: &Connection, path: &Path, version: usize) -> Result<(), OpenFault> {
    let kept = with_suffix(path, &format!(".version-{version}"));
    let failed = |error: &dyn std::fmt::Display| {
        OpenFault::Failed(format!(
            "the database must be upgraded, and a copy of it could not be kept at {} first, which needs as much room as \
             itself: {error}; it was left as it is",
            kept.display()
        ))
    };
    // Under its name it is whole: a start that is killed meanwhile leaves only this behind.
    let partial = with_suffix(path, ".copy");
    if partial.exists() {
        fs::remove_file(&partial).map_err(|error| failed(&error))?;
    }
    let name = partial.to_str().ok_or_else(|| failed(&"its path is no UTF-8"))?;
    sql.execute("VACUUM INTO ?1", [name]).map_err(|error| failed(&error))?;
    // SQLite does not flush what it copies.
    let flush = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    flush(&partial).map_err(|error| failed(&error))?;
    fs::rename(&partial, &kept).map_err(|error| failed(&error))?;
    flush(&directory_of(path)).map_err(|error| failed(&error))?;
    log::info!("the database as it was before its upgrade is kept at {}", kept.display());
    Ok(())
}

fn step_to(sql: &Connection, version: usize, step: &str) -> rusqlite::Result<()> {
    sql.execute_batch("BEGIN IMMEDIATE")?;
    let run = || -> rusqlite::Result<()> {
        sql.execute_batch(step)?;
        sql.pragma_update(None, "application_id", APPLICATION_ID)?;
        sql.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
        sql.execute_batch("COMMIT")
    };
    run().inspect_err(|_| drop(sql.execute_batch("ROLLBACK")))
}
