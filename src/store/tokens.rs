//! Tokens on disk: reading, making, changing and deleting their rows, and pages of them.
//! Counters are not this file's: they are written with the ledger rows they sum up.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::money::Money;
use crate::store::token_record::read_token;
use crate::store::{Effect, Txn, keys, responses};
use crate::tokens::{KeyHash, Scopes};

pub use crate::store::token_record::{TokenRecord, TokenSettings};

/// A live token.
///
/// # Errors
/// Of the store.
pub fn find(sql: &Connection, id: TokenId) -> rusqlite::Result<Option<TokenRecord>> {
    let mut select = sql
        .prepare_cached(concat!(include_str!("sql/token_select.sql"), "WHERE id = ?1 AND deleted_at = -1"))?;
    select.query_row([id.0], read_token).optional()
}

/// Finds one of the few tokens that the token API did not make, by an index that has no others.
pub(super) const BY_ORIGIN: &str = concat!(
    include_str!("sql/token_select.sql"),
    "WHERE origin = ?1 AND origin <> 'api' AND deleted_at = -1 ORDER BY id DESC LIMIT 1"
);

/// The live token that `origin`, which is not the token API, made: the one of the environment.
///
/// # Errors
/// Of the store.
pub fn find_by_origin(sql: &Connection, origin: &str) -> rusqlite::Result<Option<TokenRecord>> {
    sql.prepare_cached(BY_ORIGIN)?.query_row([origin], read_token).optional()
}

/// Which tokens a page shows, and which part of them.
#[derive(Clone, Debug)]
pub struct TokenQuery {
    /// One user's; `None` = everyone's.
    pub user: Option<UserId>,
    /// A part of the name, or a whole fingerprint or number; empty = any.
    pub keyword: String,
    /// The status shown; 0 = any.
    pub status: i64,
    /// The group, `default` spelled out; empty = any.
    pub group: String,
    /// How many to pass over.
    pub offset: i64,
    /// How many to show.
    pub limit: i64,
}

/// A page of live tokens, newest first, and how many there are in all.
///
/// # Errors
/// Of the store.
pub fn page(
    sql: &Connection,
    query: &TokenQuery,
    now: Timestamp,
) -> rusqlite::Result<(Vec<TokenRecord>, i64)> {
    let (count, select) = match query.user {
        None => (
            concat!("SELECT count(*) FROM tokens ", include_str!("sql/token_filter.sql"), "AND ?5 = 0"),
            concat!(
                include_str!("sql/token_select.sql"),
                include_str!("sql/token_filter.sql"),
                "AND ?5 = 0 ORDER BY id DESC LIMIT ?6 OFFSET ?7"
            ),
        ),
        Some(_) => (
            concat!("SELECT count(*) FROM tokens ", include_str!("sql/token_filter.sql"), "AND user_id = ?5"),
            concat!(
                include_str!("sql/token_select.sql"),
                include_str!("sql/token_filter.sql"),
                "AND user_id = ?5 ORDER BY id DESC LIMIT ?6 OFFSET ?7"
            ),
        ),
    };
    let user = query.user.map_or(0, |user| user.0);
    let total = sql
        .prepare_cached(count)?
        .query_row(params![now.millis(), query.keyword, query.status, query.group, user], |row| row.get(0))?;
    let mut select = sql.prepare_cached(select)?;
    let filters =
        params![now.millis(), query.keyword, query.status, query.group, user, query.limit, query.offset];
    let records = select.query_map(filters, read_token)?.collect::<rusqlite::Result<_>>()?;
    Ok((records, total))
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it will be.
    pub user: UserId,
    /// Who makes it: one of the schema's words.
    pub origin: &'static str,
    /// Its settings.
    pub settings: TokenSettings,
    /// What it may spend at first, as a credit.
    pub grant: Money,
    /// The hash of its key.
    pub key: KeyHash,
}

/// Makes a token with its key and its first credit.
///
/// # Errors
/// Of the store.
pub fn insert(txn: &mut Txn<'_>, new: &NewToken) -> rusqlite::Result<TokenRecord> {
    let now = txn.now();
    let fingerprint = new.key.fingerprint();
    let at = now.millis();
    let mut values = values_of(&new.settings);
    values.extend_from_slice(&[
        (":user", &new.user.0),
        (":origin", &new.origin),
        (":now", &at),
        (":fingerprint", &fingerprint),
    ]);
    txn.sql().prepare_cached(include_str!("sql/token_insert.sql"))?.execute(values.as_slice())?;
    let id = TokenId(txn.sql().last_insert_rowid());
    let record = TokenRecord {
        id,
        user: new.user,
        origin: new.origin.to_owned(),
        settings: new.settings.clone(),
        created_at: now,
        accessed_at: now,
        granted: new.grant,
        used: Money::ZERO,
        fingerprint,
    };
    let effect = record.to_effect()?;
    txn.effect(effect);
    if new.grant > Money::ZERO {
        txn.grant_token(id, new.user, new.grant)?;
    }
    keys::insert(txn, new.key, id)?;
    Ok(record)
}

impl ToSql for Money {
    /// Nanodollars, as every column of money holds them.
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.nanos().into())
    }
}

impl ToSql for Scopes {
    /// Their names, with commas between.
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.names().join(",").into())
    }
}

/// What a statement binds of a token's settings, by the columns' names.
fn values_of(s: &TokenSettings) -> Vec<(&'static str, &dyn ToSql)> {
    vec![
        (":name", &s.name),
        (":status", if s.enabled { &1 } else { &2 }),
        (":expires_at", &s.expires_at),
        (":unlimited", &s.unlimited),
        (":daily_limit", &s.limits.daily),
        (":monthly_limit", &s.limits.monthly),
        (":model_limits_enabled", &s.model_limits_enabled),
        (":model_limits", &s.model_limits),
        (":group", &s.group),
        (":cross_group_retry", &s.cross_group_retry),
        (":allow_ips", &s.allow_ips),
        (":rpm", &s.rpm),
        (":tpm", &s.tpm),
        (":max_concurrency", &s.max_concurrency),
        (":scopes", &s.scopes),
        (":metadata", &s.metadata),
    ]
}

/// Writes a live token's settings. What it used while it was unlimited is granted when that ends.
///
/// # Errors
/// Of the store.
pub fn update(txn: &mut Txn<'_>, before: &TokenRecord, settings: TokenSettings) -> rusqlite::Result<()> {
    let mut values = values_of(&settings);
    values.push((":id", &before.id.0));
    txn.sql().prepare_cached(include_str!("sql/token_update.sql"))?.execute(values.as_slice())?;
    if before.settings.unlimited && !settings.unlimited {
        txn.grant_token(before.id, before.user, Money::ZERO)?;
    }
    let after = TokenRecord { settings, ..before.clone() };
    let effect = after.to_effect()?;
    txn.effect(effect);
    Ok(())
}

/// Deletes a token: its keys at once, and what is remembered of its responses; its row, its counters and its ledger stay.
///
/// # Errors
/// Of the store.
pub fn delete(txn: &mut Txn<'_>, id: TokenId) -> rusqlite::Result<()> {
    keys::delete_all(txn, id)?;
    responses::forget_all(txn.sql(), id)?;
    let now = txn.now().millis();
    txn.sql().prepare_cached("UPDATE tokens SET deleted_at = ?1 WHERE id = ?2")?.execute([now, id.0])?;
    txn.effect(Effect::ForgetToken(id));
    Ok(())
}
