//! One transaction of the writer: its statements, the end of the chain, the counters that are written once at its end,
//! and what memory must take over when it is on disk.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::clock::Timestamp;
use crate::ids::{RequestId, TokenId, UserId};
use crate::ledger::{Hold, Outcome, Settled, UsageSource, Windows, Zone};
use crate::money::Money;
use crate::store::chain::{Appender, Head, LedgerRow};
use crate::store::effect::Effect;
use crate::usage::Usage;

/// What a row of `usage` grows by.
#[derive(Clone, Debug, Default)]
struct UsageSum {
    requests: i64,
    charged: i64,
    usage: [i64; Usage::KINDS],
}

/// What a row of `spent` grows by.
#[derive(Clone, Debug, Default)]
struct TokenSum {
    charged: i64,
    accessed_at: i64,
}

/// Counters of a transaction, one update a row; in primary-key order.
#[derive(Clone, Debug, Default)]
struct Counters {
    tokens: BTreeMap<i64, TokenSum>,
    users: BTreeMap<i64, i64>,
    usage: BTreeMap<(i64, i64, Arc<str>), UsageSum>,
}

/// The statements of a request, looked up once in a transaction.
struct Statements<'a> {
    insert_hold: CachedStatement<'a>,
    delete_hold: CachedStatement<'a>,
    ledger: Appender<'a>,
}

impl<'a> Statements<'a> {
    fn new(sql: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            insert_hold: sql.prepare_cached(
                "INSERT INTO holds (id, token_id, user_id, amount, floor, day, model, channel, admitted_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            delete_hold: sql.prepare_cached("DELETE FROM holds WHERE id = ?1")?,
            ledger: Appender::new(sql)?,
        })
    }
}

/// See the room's head.
pub struct Txn<'a> {
    sql: &'a Connection,
    statements: Statements<'a>,
    head: Head,
    counters: Counters,
    effects: Vec<Effect>,
    now: Timestamp,
    zone: Zone,
}

/// A place to come back to when one operation is refused.
pub struct Mark {
    head: Head,
    effects: usize,
}

impl<'a> Txn<'a> {
    /// A transaction on `sql`, already begun, behind `head`.
    ///
    /// # Errors
    /// Of the store.
    pub fn new(sql: &'a Connection, head: Head, now: Timestamp, zone: Zone) -> rusqlite::Result<Self> {
        let statements = Statements::new(sql)?;
        Ok(Self { sql, statements, head, counters: Counters::default(), effects: Vec::new(), now, zone })
    }

    /// The connection. Statements are cached; nothing may be committed or rolled back by hand.
    pub fn sql(&self) -> &'a Connection {
        self.sql
    }

    /// The time of the transaction: one reading of the clock for all it does.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The day and month of now.
    pub fn windows(&self) -> Windows {
        self.zone.windows(self.now)
    }

    /// Notes what memory takes over after the commit.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Begins one operation that may be refused alone.
    ///
    /// # Errors
    /// Of the store.
    pub fn mark(&mut self) -> rusqlite::Result<Mark> {
        self.flush()?;
        self.sql.prepare_cached("SAVEPOINT change")?.execute([])?;
        Ok(Mark { head: self.head, effects: self.effects.len() })
    }

    /// Keeps what was done since `mark`.
    ///
    /// # Errors
    /// Of the store.
    pub fn keep(&mut self, _mark: Mark) -> rusqlite::Result<()> {
        self.flush()?;
        self.sql.prepare_cached("RELEASE change")?.execute([]).map(drop)
    }

    /// Undoes all that was done since `mark`.
    ///
    /// # Errors
    /// Of the store.
    pub fn undo(&mut self, mark: &Mark) -> rusqlite::Result<()> {
        self.counters = Counters::default();
        self.head = mark.head;
        self.effects.truncate(mark.effects);
        self.sql.prepare_cached("ROLLBACK TO change")?.execute([])?;
        self.sql.prepare_cached("RELEASE change")?.execute([]).map(drop)
    }

    /// Writes a hold.
    ///
    /// # Errors
    /// Of the store.
    pub fn insert_hold(&mut self, hold: &Hold) -> rusqlite::Result<()> {
        let insert = &mut self.statements.insert_hold;
        insert
            .execute(params![
                hold.id.as_bytes(),
                hold.token.0,
                hold.user.0,
                hold.amount.nanos(),
                hold.floor.nanos(),
                hold.windows.day.key(),
                hold.model,
                hold.channel.as_str(),
                hold.admitted_at.millis(),
            ])
            .map(drop)
    }

    /// Ends a hold: takes it away and writes its ledger row, if and only if it was there (R5, I5); whether it was.
    ///
    /// # Errors
    /// Of the store.
    pub fn settle(&mut self, settled: &Settled) -> rusqlite::Result<bool> {
        if self.statements.delete_hold.execute([settled.hold.id.as_bytes()])? == 0 {
            return Ok(false);
        }
        let (hold, settlement) = (&settled.hold, &settled.settlement);
        let row = LedgerRow {
            id: *hold.id.as_bytes(),
            at: settled.at.millis(),
            token_id: hold.token.0,
            user_id: hold.user.0,
            day: hold.windows.day.key(),
            model: Arc::clone(&hold.model),
            channel: Arc::clone(&hold.channel.0),
            outcome: settlement.outcome.as_str().into(),
            attempts: settlement.attempts,
            held: hold.amount.nanos(),
            charged: settled.charged.nanos(),
            overrun: settled.overrun.nanos(),
            granted: 0,
            usage_source: settlement.source.as_str().into(),
            usage: settlement.usage.counts().map(crate::usage::TokenCount::get),
            note: String::new(),
        };
        self.append(&row)?;
        self.count(&row, 1);
        Ok(true)
    }

    /// Appends a ledger row that ends no hold: a grant, a refund, a rollup. Counters are the caller's.
    ///
    /// # Errors
    /// Of the store.
    pub fn append(&mut self, row: &LedgerRow) -> rusqlite::Result<i64> {
        self.head.append(&mut self.statements.ledger, row)
    }

    /// Adds a row's charge and usage to the counters of its token, user and day.
    fn count(&mut self, row: &LedgerRow, requests: i64) {
        let token = self.counters.tokens.entry(row.token_id).or_default();
        add(&mut token.charged, row.charged);
        token.accessed_at = token.accessed_at.max(row.at);
        add(self.counters.users.entry(row.user_id).or_default(), row.charged);
        let sum = self.counters.usage.entry((row.day, row.token_id, Arc::clone(&row.model))).or_default();
        add(&mut sum.requests, requests);
        add(&mut sum.charged, row.charged);
        for (total, count) in sum.usage.iter_mut().zip(row.usage) {
            add(total, count);
        }
    }

    /// Grants `amount` (negative: takes back) to a token, with its ledger row. What an unlimited token used beyond its
    /// grants is granted first, as a row of its own, so that what remains then is exactly what was credited.
    ///
    /// # Errors
    /// Of the store.
    pub fn grant_token(&mut self, token: TokenId, user: UserId, amount: Money) -> rusqlite::Result<()> {
        self.flush()?;
        let (granted, used) = self.sums(include_str!("sql/token_sums.sql"), token.0)?;
        for step in lift(granted, used, amount) {
            self.append(&self.grant_row(token.0, user, step))?;
            self.add_granted("UPDATE tokens SET granted = granted + ?1 WHERE id = ?2", step, token.0)?;
            if step > Money::ZERO {
                self.effect(Effect::GrantToken(token, step));
            }
        }
        Ok(())
    }

    /// Grants `amount` (negative: takes back) to a user; as [`Txn::grant_token`].
    ///
    /// # Errors
    /// Of the store.
    pub fn grant_user(&mut self, user: UserId, amount: Money) -> rusqlite::Result<()> {
        self.flush()?;
        let (granted, used) = self.sums("SELECT granted, used FROM users WHERE id = ?1", user.0)?;
        for step in lift(granted, used, amount) {
            self.append(&self.grant_row(0, user, step))?;
            self.add_granted("UPDATE users SET granted = granted + ?1 WHERE id = ?2", step, user.0)?;
            if step > Money::ZERO {
                self.effect(Effect::GrantUser(user, step));
            }
        }
        Ok(())
    }

    /// Gives back what a row charged: an `adjust` row on that row's own day, and the counters with it. The caller has made
    /// sure that this is the first time.
    ///
    /// # Errors
    /// Of the store.
    pub fn refund(&mut self, row: &LedgerRow, note: String) -> rusqlite::Result<RequestId> {
        let id = RequestId::mint(self.now);
        let adjust = LedgerRow {
            id: *id.as_bytes(),
            at: self.now.millis(),
            outcome: Outcome::Adjust.as_str().into(),
            attempts: 0,
            held: 0,
            charged: Money::from_nanos(row.charged).negated().nanos(),
            overrun: 0,
            granted: 0,
            usage_source: UsageSource::None.as_str().into(),
            usage: [0; Usage::KINDS],
            note,
            ..row.clone()
        };
        let seq = self.append(&adjust)?;
        self.count(&adjust, 0);
        self.sql
            .prepare_cached("INSERT INTO refunds (id, seq) VALUES (?1, ?2)")?
            .execute(params![row.id, seq])?;
        let day = crate::ledger::Day::from_key(row.day);
        self.effect(Effect::Charge(
            TokenId(row.token_id),
            UserId(row.user_id),
            Windows { day, month: day.month() },
            Money::from_nanos(adjust.charged),
        ));
        Ok(id)
    }

    fn grant_row(&self, token_id: i64, user: UserId, granted: Money) -> LedgerRow {
        LedgerRow {
            id: *RequestId::mint(self.now).as_bytes(),
            at: self.now.millis(),
            token_id,
            user_id: user.0,
            day: self.windows().day.key(),
            model: Arc::from(""),
            channel: Arc::from(""),
            outcome: Outcome::Credit.as_str().into(),
            attempts: 0,
            held: 0,
            charged: 0,
            overrun: 0,
            granted: granted.nanos(),
            usage_source: UsageSource::None.as_str().into(),
            usage: [0; Usage::KINDS],
            note: String::new(),
        }
    }

    fn sums(&self, query: &str, id: i64) -> rusqlite::Result<(Money, Money)> {
        let mut select = self.sql.prepare_cached(query)?;
        let found = select
            .query_row([id], |row| Ok((Money::from_nanos(row.get(0)?), Money::from_nanos(row.get(1)?))))
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    fn add_granted(&self, update: &str, amount: Money, id: i64) -> rusqlite::Result<()> {
        self.sql.prepare_cached(update)?.execute([amount.nanos(), id]).map(drop)
    }

    /// Writes the counters, one update a row.
    ///
    /// # Errors
    /// Of the store.
    pub fn flush(&mut self) -> rusqlite::Result<()> {
        let counters = std::mem::take(&mut self.counters);
        let mut tokens = self.sql.prepare_cached(
            "INSERT INTO spent (charged, accessed_at, token_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (token_id) DO UPDATE SET charged = charged + excluded.charged,
               accessed_at = max(accessed_at, excluded.accessed_at)",
        )?;
        for (id, sum) in &counters.tokens {
            tokens.execute([sum.charged, sum.accessed_at, *id])?;
        }
        let mut users = self.sql.prepare_cached("UPDATE users SET used = used + ?1 WHERE id = ?2")?;
        for (id, charged) in &counters.users {
            users.execute([*charged, *id])?;
        }
        let mut add = self.sql.prepare_cached(include_str!("sql/usage_add.sql"))?;
        let mut take = self.sql.prepare_cached(include_str!("sql/usage_take.sql"))?;
        for ((day, token, model), sum) in &counters.usage {
            let u = &sum.usage;
            // A refund's row is there already: as a new one, the schema would refuse it.
            let statement = if sum.charged < 0 { &mut take } else { &mut add };
            let rows = statement.execute(params![
                day,
                token,
                model,
                sum.requests,
                sum.charged,
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
                u[10]
            ])?;
            if rows != 1 {
                return Err(rusqlite::Error::StatementChangedRows(rows));
            }
        }
        Ok(())
    }

    /// The end: counters written; the new head and the effects are the caller's when the commit has succeeded.
    ///
    /// # Errors
    /// Of the store.
    pub fn finish(mut self) -> rusqlite::Result<(Head, Vec<Effect>)> {
        self.flush()?;
        Ok((self.head, self.effects))
    }
}

/// Adds to a counter. One that overflows cannot be trusted: the writer's panic ends the process, and nothing is committed.
fn add(counter: &mut i64, by: i64) {
    *counter = counter.checked_add(by).expect("the sums of a batch are bounded");
}

/// The steps of a grant: first what was used beyond the grants, then the amount itself; none that is zero.
fn lift(granted: Money, used: Money, amount: Money) -> impl Iterator<Item = Money> {
    [used.less(granted), amount].into_iter().filter(|step| *step != Money::ZERO)
}
