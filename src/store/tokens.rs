//! Tokens on disk: reading, making, changing and deleting their rows, pages of them, and the loading of all at a start.
//! Counters are not this file's: they are written with the ledger rows they sum up.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Timestamp;
use crate::directory::Directory;
use crate::ids::{TokenId, UserId};
use crate::ledger::{Book, Limits};
use crate::money::Money;
use crate::store::users;
use crate::store::{Effect, Txn, keys};
use crate::tokens::{ApiToken, IpList, KeyHash, ModelList, Scopes};

/// What an administrator may set of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// 1–50 characters.
    pub name: String,
    /// Whether it was not disabled.
    pub enabled: bool,
    /// Milliseconds since the epoch; -1 is never.
    pub expires_at: i64,
    /// Whether its total binds nothing.
    pub unlimited: bool,
    /// Per calendar window; zero is none.
    pub limits: Limits,
    /// Whether only the models of the list may be used.
    pub model_limits_enabled: bool,
    /// The list, as it was given.
    pub model_limits: String,
    /// The channel group; empty is `default`.
    pub group: String,
    /// Whether other groups are tried.
    pub cross_group_retry: bool,
    /// Addresses and networks, as they were given; empty is any.
    pub allow_ips: String,
    /// Requests per minute; 0 is no limit.
    pub rpm: i64,
    /// Input and output tokens per minute; 0 is no limit.
    pub tpm: i64,
    /// Requests in flight; 0 is no limit.
    pub max_concurrency: i64,
    /// What it is good for.
    pub scopes: Scopes,
    /// A JSON object of strings.
    pub metadata: String,
}

impl TokenSettings {
    /// A token of this name that may spend nothing yet and has no limit besides.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            enabled: true,
            expires_at: -1,
            unlimited: false,
            limits: Limits::default(),
            model_limits_enabled: false,
            model_limits: String::new(),
            group: String::new(),
            cross_group_retry: false,
            allow_ips: String::new(),
            rpm: 0,
            tpm: 0,
            max_concurrency: 0,
            scopes: Scopes::Inference,
            metadata: "{}".to_owned(),
        }
    }
}

/// A live token's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its number.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// Who made it: one of the schema's words.
    pub origin: String,
    /// What may be set.
    pub settings: TokenSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a request of it was last settled.
    pub accessed_at: Timestamp,
    /// All that was granted.
    pub granted: Money,
    /// All that was charged.
    pub used: Money,
    /// The public name of its current key.
    pub fingerprint: String,
}

impl TokenRecord {
    /// The token as requests meet it.
    ///
    /// # Errors
    /// When a list in the row cannot be read: it was changed from outside, and must not widen what the token may do.
    pub fn to_live(&self, groups: &mut GroupNames) -> rusqlite::Result<ApiToken> {
        let settings = &self.settings;
        let models = if settings.model_limits_enabled {
            Some(ModelList::parse(&settings.model_limits).map_err(|_| unreadable(14, "model_limits"))?)
        } else {
            None
        };
        let ips = IpList::parse(&settings.allow_ips).map_err(|_| unreadable(17, "allow_ips"))?;
        Ok(ApiToken {
            id: self.id,
            user: self.user,
            enabled: settings.enabled,
            expires_at: end_of(settings.expires_at),
            models,
            ips,
            group: groups.named(&settings.group),
            cross_group_retry: settings.cross_group_retry,
            rpm: settings.rpm,
            tpm: settings.tpm,
            max_concurrency: settings.max_concurrency,
            scopes: settings.scopes,
        })
    }

    /// What memory takes over of it.
    ///
    /// # Errors
    /// As [`TokenRecord::to_live`].
    pub fn to_effect(&self) -> rusqlite::Result<Effect> {
        Ok(Effect::PutToken {
            token: Arc::new(self.to_live(&mut GroupNames::default())?),
            unlimited: self.settings.unlimited,
            limits: self.settings.limits,
        })
    }

    /// The row as the audit keeps it: amounts in nanodollars, times in milliseconds.
    pub fn to_audit(&self) -> String {
        let settings = &self.settings;
        serde_json::json!({
            "id": self.id.0, "user_id": self.user.0, "name": settings.name, "enabled": settings.enabled,
            "expires_at": settings.expires_at, "unlimited": settings.unlimited,
            "granted": self.granted.nanos(), "used": self.used.nanos(),
            "daily_limit": settings.limits.daily.nanos(), "monthly_limit": settings.limits.monthly.nanos(),
            "model_limits_enabled": settings.model_limits_enabled, "model_limits": settings.model_limits,
            "group": settings.group, "cross_group_retry": settings.cross_group_retry,
            "allow_ips": settings.allow_ips, "rpm": settings.rpm, "tpm": settings.tpm,
            "max_concurrency": settings.max_concurrency, "scopes": settings.scopes.names(),
            "metadata": settings.metadata, "fingerprint": self.fingerprint,
        })
        .to_string()
    }
}

/// The names of groups, each kept in memory once.
#[derive(Debug, Default)]
pub struct GroupNames(BTreeSet<Arc<str>>);

impl GroupNames {
    fn named(&mut self, group: &str) -> Arc<str> {
        let name = if group.is_empty() { "default" } else { group };
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&name));
        name
    }
}

fn unreadable(column: usize, name: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unreadable {name}").into())
}

/// A stored end in milliseconds; -1 is none.
pub(super) fn end_of(millis: i64) -> Option<Timestamp> {
    (millis != -1).then(|| Timestamp::from_millis(millis))
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    let scopes: String = row.get(21)?;
    Ok(TokenRecord {
        id: TokenId(row.get(0)?),
        user: UserId(row.get(1)?),
        origin: row.get(2)?,
        settings: TokenSettings {
            name: row.get(3)?,
            enabled: row.get::<_, i64>(4)? == 1,
            expires_at: row.get(7)?,
            unlimited: row.get(8)?,
            limits: Limits {
                daily: Money::from_nanos(row.get(11)?),
                monthly: Money::from_nanos(row.get(12)?),
            },
            model_limits_enabled: row.get(13)?,
            model_limits: row.get(14)?,
            group: row.get(15)?,
            cross_group_retry: row.get(16)?,
            allow_ips: row.get(17)?,
            rpm: row.get(18)?,
            tpm: row.get(19)?,
            max_concurrency: row.get(20)?,
            scopes: Scopes::parse(scopes.split(',')).ok_or_else(|| unreadable(21, "scopes"))?,
            metadata: row.get(22)?,
        },
        created_at: Timestamp::from_millis(row.get(5)?),
        accessed_at: Timestamp::from_millis(row.get(6)?),
        granted: Money::from_nanos(row.get(9)?),
        used: Money::from_nanos(row.get(10)?),
        fingerprint: row.get(23)?,
    })
}

/// A live token.
///
/// # Errors
/// Of the store.
pub fn find(sql: &Connection, id: TokenId) -> rusqlite::Result<Option<TokenRecord>> {
    let mut select = sql
        .prepare_cached(concat!(include_str!("sql/token_select.sql"), "WHERE id = ?1 AND deleted_at = -1"))?;
    select.query_row([id.0], read_token).optional()
}

/// The live token that `origin` made: the one of the environment.
///
/// # Errors
/// Of the store.
pub fn find_by_origin(sql: &Connection, origin: &str) -> rusqlite::Result<Option<TokenRecord>> {
    let mut select = sql.prepare_cached(concat!(
        include_str!("sql/token_select.sql"),
        "WHERE origin = ?1 AND deleted_at = -1 ORDER BY id DESC LIMIT 1"
    ))?;
    select.query_row([origin], read_token).optional()
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
    let s = &new.settings;
    let now = txn.now();
    txn.sql().prepare_cached(include_str!("sql/token_insert.sql"))?.execute(params![
        s.name,
        status_of(s),
        s.expires_at,
        s.unlimited,
        s.limits.daily.nanos(),
        s.limits.monthly.nanos(),
        s.model_limits_enabled,
        s.model_limits,
        s.group,
        s.cross_group_retry,
        s.allow_ips,
        s.rpm,
        s.tpm,
        s.max_concurrency,
        s.scopes.names().join(","),
        s.metadata,
        new.user.0,
        new.origin,
        now.millis(),
        new.key.fingerprint(),
    ])?;
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
        fingerprint: new.key.fingerprint(),
    };
    let effect = record.to_effect()?;
    txn.effect(effect);
    if new.grant > Money::ZERO {
        txn.grant_token(id, new.user, new.grant)?;
    }
    keys::insert(txn, new.key, id)?;
    Ok(record)
}

const fn status_of(settings: &TokenSettings) -> i64 {
    if settings.enabled { 1 } else { 2 }
}

/// Writes a live token's settings. What it used while it was unlimited is granted when that ends.
///
/// # Errors
/// Of the store.
pub fn update(txn: &mut Txn<'_>, before: &TokenRecord, settings: TokenSettings) -> rusqlite::Result<()> {
    let s = &settings;
    txn.sql().prepare_cached(include_str!("sql/token_update.sql"))?.execute(params![
        s.name,
        status_of(s),
        s.expires_at,
        s.unlimited,
        s.limits.daily.nanos(),
        s.limits.monthly.nanos(),
        s.model_limits_enabled,
        s.model_limits,
        s.group,
        s.cross_group_retry,
        s.allow_ips,
        s.rpm,
        s.tpm,
        s.max_concurrency,
        s.scopes.names().join(","),
        s.metadata,
        before.id.0,
    ])?;
    if before.settings.unlimited && !settings.unlimited {
        txn.grant_token(before.id, before.user, Money::ZERO)?;
    }
    let after = TokenRecord { settings, ..before.clone() };
    let effect = after.to_effect()?;
    txn.effect(effect);
    Ok(())
}

/// Deletes a token: its keys at once; its row, its counters and its ledger stay.
///
/// # Errors
/// Of the store.
pub fn delete(txn: &mut Txn<'_>, id: TokenId) -> rusqlite::Result<()> {
    keys::delete_all(txn, id)?;
    let now = txn.now().millis();
    txn.sql().prepare_cached("UPDATE tokens SET deleted_at = ?1 WHERE id = ?2")?.execute([now, id.0])?;
    txn.effect(Effect::ForgetToken(id));
    Ok(())
}

/// Loads all that lives into the directory and the book: users, tokens, keys. Windows are loaded afterwards.
///
/// # Errors
/// Of the store, and on a row that cannot be read.
pub fn load(sql: &Connection, directory: &Directory, book: &mut Book) -> rusqlite::Result<()> {
    users::load(sql, directory, book)?;
    let mut select = sql.prepare(concat!(include_str!("sql/token_select.sql"), "WHERE deleted_at = -1"))?;
    let mut rows = select.query([])?;
    let mut groups = GroupNames::default();
    while let Some(row) = rows.next()? {
        let token = read_token(row)?;
        directory.put_token(Arc::new(token.to_live(&mut groups)?));
        book.put_token(token.id, token.user, token.settings.unlimited, token.settings.limits);
        book.load_token(token.id, token.granted, token.used);
    }
    keys::load(sql, directory)
}
