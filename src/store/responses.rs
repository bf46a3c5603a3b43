//! Stored responses on disk: which channel made each, for the token that asked for it, for 30 days.

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Timestamp;
use crate::ids::{ChannelName, ResponseId, TokenId};
use crate::ledger::{Ack, StoreFault, ack};
use crate::store::journal::{Op, refuse};
use crate::store::{Denied, Store, Txn, WriteFault};
use crate::stored::{Promise, Shelf, StoredResponse};

/// How long one is remembered, in milliseconds.
const LIFE: i64 = 30 * 24 * 3_600_000;

/// Rows that are removed in one transaction, because of their age.
pub const SLICE: usize = 2_000;

/// Rows that are removed together with their token: a thousand tokens may be deleted in one transaction.
const OF_TOKEN: i64 = 1_000;

/// Remembers a response, unless its token was deleted meanwhile. Where one of the same channel and id is known, that stays as it
/// is, whose ever it is.
///
/// # Errors
/// Of the store.
pub fn keep(sql: &Connection, response: &StoredResponse) -> rusqlite::Result<()> {
    sql.prepare_cached(include_str!("sql/response_insert.sql"))?
        .execute(params![
            response.token.0,
            response.id.as_str(),
            response.channel.as_str(),
            response.model,
            response.made_at.millis(),
        ])
        .map(drop)
}

/// The response of this id that `token` asked for, within its life; the oldest where several channels gave it one of this id.
///
/// # Errors
/// Of the store.
pub fn find(
    sql: &Connection,
    token: TokenId,
    id: ResponseId,
    now: Timestamp,
) -> rusqlite::Result<Option<StoredResponse>> {
    let mut select = sql.prepare_cached(include_str!("sql/response_find.sql"))?;
    let found = select.query_row(params![token.0, id.as_str(), oldest(now)], |row| {
        Ok((ChannelName(row.get(0)?), row.get(1)?, Timestamp::from_millis(row.get(2)?)))
    });
    let stored = |(channel, model, made_at)| StoredResponse { id, token, channel, model, made_at };
    Ok(found.optional()?.map(stored))
}

/// Forgets a response, if it is still its token's.
///
/// # Errors
/// Of the store.
pub fn forget(sql: &Connection, response: &StoredResponse) -> rusqlite::Result<()> {
    let (id, channel, token) = (response.id.as_str(), response.channel.as_str(), response.token.0);
    sql.prepare_cached("DELETE FROM responses WHERE id = ?1 AND channel = ?2 AND +token_id = ?3")?
        .execute(params![id, channel, token])
        .map(drop)
}

/// Forgets those of a token that is deleted, a thousand of them: nobody can reach what is left of more, and it goes with its age.
///
/// # Errors
/// Of the store.
pub fn forget_all(sql: &Connection, token: TokenId) -> rusqlite::Result<()> {
    sql.prepare_cached(include_str!("sql/responses_of_token.sql"))?.execute([token.0, OF_TOKEN]).map(drop)
}

/// Removes the oldest whose life is over, at most [`SLICE`]; how many.
///
/// # Errors
/// Of the store.
pub fn expire(sql: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    sql.prepare_cached(include_str!("sql/responses_expire.sql"))?
        .execute(params![oldest(now), i64::try_from(SLICE).unwrap_or(i64::MAX)])
}

/// The oldest moment that is still remembered, in milliseconds.
const fn oldest(now: Timestamp) -> i64 {
    now.millis().saturating_sub(LIFE)
}

impl Shelf for Store {
    fn keep(&self, response: StoredResponse) -> Ack {
        let (sender, ack) = ack();
        refuse(self.queue.push(Op::Keep(Box::new(response), sender)));
        ack
    }

    fn find(&self, token: TokenId, id: ResponseId) -> Promise<'_, Option<StoredResponse>> {
        let now = self.clock.now();
        Box::pin(self.read(move |sql| find(sql, token, id, now)))
    }

    fn forget(&self, response: StoredResponse) -> Promise<'_, ()> {
        Box::pin(async move {
            let forgotten = self.write(move |txn: &mut Txn<'_>| -> Result<(), Denied<()>> {
                Ok(forget(txn.sql(), &response)?)
            });
            forgotten.await.map_err(|fault| match fault {
                WriteFault::Store(fault) => fault,
                WriteFault::Refused(()) => StoreFault::Refused,
            })
        })
    }
}
