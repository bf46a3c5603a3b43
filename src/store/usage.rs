//! Usage on disk: questions to the daily sums.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::ids::TokenId;
use crate::ledger::Day;
use crate::money::Money;

/// By what sums are told apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Calendar days.
    Day,
    /// Models.
    Model,
}

/// A sum of usage.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageSum {
    /// Settled requests, void ones among them.
    pub requests: i64,
    /// Input of all kinds.
    pub input: i64,
    /// Output of all kinds.
    pub output: i64,
    /// What was charged.
    pub charged: Money,
}

impl UsageSum {
    /// Adds `other`. Sums of a lifetime fit; one that does not stays at the largest number.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.charged = self.charged.checked_add(other.charged).unwrap_or(self.charged);
    }
}

/// A token's sums over the days `from` to `to`, both included, in the order of their names.
///
/// # Errors
/// Of the store.
pub fn of_token(
    sql: &Connection,
    token: TokenId,
    (from, to): (Day, Day),
    by: By,
) -> rusqlite::Result<Vec<(String, UsageSum)>> {
    let mut sums: BTreeMap<String, UsageSum> = BTreeMap::new();
    let mut select = sql.prepare_cached(include_str!("sql/usage_of_day.sql"))?;
    // The day leads the key: one seek for each day on which anybody used anything.
    let mut next = day_after(sql, from.key().saturating_sub(1))?;
    while let Some(day) = next.filter(|day| *day <= to) {
        for row in select.query_map([day.key(), token.0], read_sum)? {
            let (model, sum) = row?;
            let name = match by {
                By::Day => day.to_string(),
                By::Model => model,
            };
            sums.entry(name).or_default().add(&sum);
        }
        next = day_after(sql, day.key())?;
    }
    Ok(sums.into_iter().collect())
}

fn day_after(sql: &Connection, day: i64) -> rusqlite::Result<Option<Day>> {
    sql.prepare_cached("SELECT day FROM usage WHERE day > ?1 ORDER BY day LIMIT 1")?
        .query_row([day], |row| row.get(0).map(Day::from_key))
        .optional()
}

fn read_sum(row: &Row<'_>) -> rusqlite::Result<(String, UsageSum)> {
    let sum = UsageSum {
        requests: row.get(1)?,
        input: row.get(2)?,
        output: row.get(3)?,
        charged: Money::from_nanos(row.get(4)?),
    };
    Ok((row.get(0)?, sum))
}
