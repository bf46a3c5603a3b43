//! The hash chain of the ledger, and the one place that writes a ledger row.
//!
//! A row's hash is SHA-256 over: the hash of the row before it (32 bytes; of the first row: zeros), then each column in
//! the order of `schema.sql` without `hash`. An integer is 8 bytes, big-endian; a text is its length in bytes (8 bytes)
//! and the bytes; the id is 16 bytes.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Row, params};
use sha2::{Digest, Sha256};

use crate::usage::Usage;

/// The SHA-256 of a row and all rows before it.
pub type RowHash = [u8; 32];

/// A ledger row as it is stored, but for `seq` and `hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The request's id.
    pub id: [u8; 16],
    /// Milliseconds since the epoch.
    pub at: i64,
    /// 0 where there is none.
    pub token_id: i64,
    /// 0 where there is none.
    pub user_id: i64,
    /// `YYYYMMDD`.
    pub day: i64,
    /// The public name, or nothing.
    pub model: Arc<str>,
    /// The channel's name, or nothing.
    pub channel: Arc<str>,
    /// One of the schema's words.
    pub outcome: Cow<'static, str>,
    /// Requests sent.
    pub attempts: i64,
    /// Nanodollars.
    pub held: i64,
    /// Nanodollars.
    pub charged: i64,
    /// Nanodollars.
    pub overrun: i64,
    /// Nanodollars.
    pub granted: i64,
    /// One of the schema's words.
    pub usage_source: Cow<'static, str>,
    /// In the order of [`Usage::NAMES`].
    pub usage: [i64; Usage::KINDS],
    /// See the schema.
    pub note: String,
}

/// The end of the chain.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last row's number; 0 before the first.
    pub seq: i64,
    /// Its hash.
    pub hash: RowHash,
}

impl Head {
    /// `seq:hash`, as `tollgate verify` prints and takes it.
    pub fn spell(&self) -> String {
        let hex: String = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{hex}", self.seq)
    }

    /// Reads [`Head::spell`]'s form.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hex) = text.split_once(':')?;
        let digits: Vec<u8> =
            hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        let hash = (digits.len() == 64).then(|| RowHash::try_from(bytes).ok())??;
        Some(Self { seq: seq.parse().ok().filter(|seq| *seq >= 0)?, hash })
    }

    /// Where the chain ends in `sql`: its last row, or the anchor.
    ///
    /// # Errors
    /// Of the store.
    pub fn read(sql: &Connection) -> rusqlite::Result<Self> {
        sql.query_row(
            "SELECT seq, hash FROM ledger UNION ALL SELECT seq, hash FROM anchor ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok(Self { seq: row.get(0)?, hash: row.get(1)? }),
        )
    }

    /// Appends `row` to the ledger behind this head, which moves on to it; its number.
    ///
    /// # Errors
    /// Of the store; the head has not moved then.
    pub fn append(&mut self, ledger: &mut Appender<'_>, row: &LedgerRow) -> rusqlite::Result<i64> {
        let seq = self.seq + 1;
        let hash = row.hash(seq, &self.hash);
        let u = &row.usage;
        ledger.0.execute(params![
            seq,
            row.id,
            row.at,
            row.token_id,
            row.user_id,
            row.day,
            row.model,
            row.channel,
            row.outcome,
            row.attempts,
            row.held,
            row.charged,
            row.overrun,
            row.granted,
            row.usage_source,
            u[0],
            u[1],
            u[2],
            u[3],
            u[4],
            u[5],
            u[6],
            u[7],
            u[8],
            u[9],
            u[10],
            row.note,
            hash,
        ])?;
        *self = Self { seq, hash };
        Ok(seq)
    }
}

/// The statement that writes a ledger row, kept for as many as one transaction appends.
pub struct Appender<'a>(CachedStatement<'a>);

impl<'a> Appender<'a> {
    /// Prepares it on `sql`.
    ///
    /// # Errors
    /// Of the store.
    pub fn new(sql: &'a Connection) -> rusqlite::Result<Self> {
        sql.prepare_cached(include_str!("sql/ledger_insert.sql")).map(Self)
    }
}

impl LedgerRow {
    /// The columns that [`LedgerRow::read`] wants, `seq` before and `hash` behind them.
    pub const COLUMNS: &'static str = "seq, id, at, token_id, user_id, day, model, channel, outcome, attempts, held, charged, \
        overrun, granted, usage_source, input, cached_input, cache_write, cache_write_1h, output, reasoning, audio_input, \
        audio_output, image_input, image_output, tool_calls, note, hash";

    /// Reads a row of [`LedgerRow::COLUMNS`]: its number, itself, its hash.
    ///
    /// # Errors
    /// Of the store.
    pub fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Self, RowHash)> {
        let mut usage = [0; Usage::KINDS];
        for (kind, count) in usage.iter_mut().enumerate() {
            *count = row.get(15 + kind)?;
        }
        let read = Self {
            id: row.get(1)?,
            at: row.get(2)?,
            token_id: row.get(3)?,
            user_id: row.get(4)?,
            day: row.get(5)?,
            model: row.get(6)?,
            channel: row.get(7)?,
            outcome: Cow::Owned(row.get(8)?),
            attempts: row.get(9)?,
            held: row.get(10)?,
            charged: row.get(11)?,
            overrun: row.get(12)?,
            granted: row.get(13)?,
            usage_source: Cow::Owned(row.get(14)?),
            usage,
            note: row.get(26)?,
        };
        Ok((row.get(0)?, read, row.get(27)?))
    }

    /// The row's hash as number `seq` behind a row with hash `before`.
    pub fn hash(&self, seq: i64, before: &RowHash) -> RowHash {
        let mut sha = Sha256::new();
        sha.update(before);
        sha.update(seq.to_be_bytes());
        sha.update(self.id);
        for number in [self.at, self.token_id, self.user_id, self.day] {
            sha.update(number.to_be_bytes());
        }
        for text in [&*self.model, &*self.channel, &*self.outcome] {
            hash_text(&mut sha, text);
        }
        for number in [self.attempts, self.held, self.charged, self.overrun, self.granted] {
            sha.update(number.to_be_bytes());
        }
        hash_text(&mut sha, &self.usage_source);
        for count in self.usage {
            sha.update(count.to_be_bytes());
        }
        hash_text(&mut sha, &self.note);
        sha.finalize().into()
    }
}

fn hash_text(sha: &mut Sha256, text: &str) {
    sha.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    sha.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back() {
        let head = Head { seq: 12, hash: [0xab; 32] };
        assert_eq!(Head::parse(&head.spell()), Some(head));
        for bad in [
            "",
            "12",
            "12:",
            "x:00",
            "-1:ab",
            &format!("1:{}", "g".repeat(64)),
            &format!("1:{}", "a".repeat(63)),
        ] {
            assert_eq!(Head::parse(bad), None, "{bad}");
        }
    }
}
