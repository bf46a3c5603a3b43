//! The database file as a stranger reads it beside the running gateway: budgets, holds, and what the ledger adds up to.
//! Must not write, and must not know the program's types: the schema's words are enough.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// A connection that only reads.
pub struct Disk(Connection);

/// One budget at one moment, in nanodollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose, and which.
    pub budget: String,
    /// Used and held.
    pub spent: i64,
    /// What it may come to.
    pub limit: i64,
}

/// What the requests of one token add up to in the ledger.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Rows of requests that reached a provider.
    pub sent: i64,
    /// Of these, rows of answers that came to their end.
    pub ok: i64,
    /// Nanodollars charged.
    pub charged: i64,
    /// The most that one was charged beyond its hold.
    pub beyond: i64,
}

/// Every budget that has a limit: used and held against it, all of one moment.
const BUDGETS: &str = "
    WITH spent AS (
      SELECT token_id, day, charged AS amount FROM usage UNION ALL SELECT token_id, day, amount FROM holds
    )
    SELECT 'token ' || id, used + (SELECT coalesce(sum(amount), 0) FROM holds WHERE token_id = tokens.id), granted
      FROM tokens WHERE unlimited = 0
    UNION ALL
    SELECT 'user ' || id, used + (SELECT coalesce(sum(amount), 0) FROM holds WHERE user_id = users.id), granted
      FROM users WHERE unlimited = 0
    UNION ALL
    SELECT 'day of token ' || id, sum(amount), daily_limit
      FROM tokens JOIN spent ON token_id = id WHERE daily_limit > 0 GROUP BY id, day
    UNION ALL
    SELECT 'month of token ' || id, sum(amount), monthly_limit
      FROM tokens JOIN spent ON token_id = id WHERE monthly_limit > 0 GROUP BY id, day / 100";

impl Disk {
    /// Opens it.
    ///
    /// # Errors
    /// When it is not there, or not open to readers just now.
    #[expect(clippy::disallowed_methods, reason = "a stranger's look at the file")]
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        sql.busy_timeout(super::SOON)?;
        Ok(Self(sql))
    }

    /// All budgets with a limit.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn budgets(&self) -> rusqlite::Result<Vec<Line>> {
        let mut select = self.0.prepare_cached(BUDGETS)?;
        let lines = select
            .query_map([], |row| Ok(Line { budget: row.get(0)?, spent: row.get(1)?, limit: row.get(2)? }))?;
        lines.collect()
    }

    /// How many holds are open.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_holds(&self) -> rusqlite::Result<i64> {
        self.0.query_row("SELECT count(*) FROM holds", [], |row| row.get(0))
    }

    /// The sums of the requests of each token, of the ledger alone.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sums(&self) -> rusqlite::Result<BTreeMap<i64, Sums>> {
        let mut select = self.0.prepare(
            "SELECT token_id, sum(outcome <> 'void'), sum(outcome = 'ok'), sum(charged), max(charged - held)
             FROM ledger WHERE outcome NOT IN ('credit', 'adjust', 'rollup') GROUP BY token_id",
        )?;
        let sums = select.query_map([], |row| {
            let sums = Sums { sent: row.get(1)?, ok: row.get(2)?, charged: row.get(3)?, beyond: row.get(4)? };
            Ok((row.get(0)?, sums))
        })?;
        sums.collect()
    }
}
