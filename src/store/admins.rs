//! Administrators: the first one, the token that the environment names, further ones from the command line, and the rule
//! that one always remains.

use rusqlite::Connection;

use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::money::Money;
use crate::store::tokens::{NewToken, TokenRecord, TokenSettings};
use crate::store::users::UserSettings;
use crate::store::{Txn, audit, keys, tokens, users};
use crate::tokens::{Key, Role, Scopes};

/// The first administrator's number.
const FIRST: UserId = UserId(1);

/// Whether no user was ever made: the first start.
///
/// # Errors
/// Of the store.
pub fn is_first_start(sql: &Connection) -> rusqlite::Result<bool> {
    sql.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))
}

/// Makes user 1 if it is not there: `admin`, unlimited.
///
/// # Errors
/// Of the store.
pub fn first_user(txn: &mut Txn<'_>) -> rusqlite::Result<()> {
    if users::find(txn.sql(), FIRST)?.is_some() {
        return Ok(());
    }
    let settings =
        UserSettings { name: "admin".to_owned(), role: Role::Admin, enabled: true, unlimited: true };
    users::insert(txn, settings, Money::ZERO).map(drop)
}

/// The first start without a key from the environment: user 1 and one token with both scopes, `key` being its key.
///
/// # Errors
/// Of the store.
pub fn first_start(txn: &mut Txn<'_>, key: &Key) -> rusqlite::Result<TokenId> {
    first_user(txn)?;
    make(txn, "admin", "first_start", key)
}

fn make(txn: &mut Txn<'_>, name: &str, origin: &'static str, key: &Key) -> rusqlite::Result<TokenId> {
    let settings = TokenSettings { unlimited: true, scopes: Scopes::Both, ..TokenSettings::named(name) };
    let new = NewToken { user: FIRST, origin, settings, grant: Money::ZERO, key: key.hash() };
    let record = tokens::insert(txn, &new)?;
    audit::record(txn, &start(), "token.create", record.id.0, (None, Some(record.to_audit())))?;
    Ok(record.id)
}

fn start() -> audit::Author {
    audit::Author { caller: 0, origin: "local".to_owned() }
}

/// What became of the token that the environment names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Environment {
    /// It is as it was, or there is none.
    Unchanged,
    /// It has this key now.
    Set,
    /// It was disabled, because no key is given any more.
    Disabled,
}

/// Sees to it that the token `environment` has the key that is given and works, or with none does not. A key that was
/// another token's until now is the environment's from now on: what the operator writes there stands.
///
/// # Errors
/// Of the store.
pub fn environment_key(txn: &mut Txn<'_>, key: Option<&Key>) -> rusqlite::Result<Environment> {
    let before = tokens::find_by_origin(txn.sql(), "environment")?;
    let Some(key) = key else {
        return match before {
            Some(token) if token.settings.enabled => {
                save(txn, &token, TokenSettings { enabled: false, ..token.settings.clone() })?;
                Ok(Environment::Disabled)
            }
            _ => Ok(Environment::Unchanged),
        };
    };
    first_user(txn)?;
    let hash = key.hash();
    let owner = keys::owner(txn.sql(), &hash)?;
    let Some(token) = before else {
        if owner.is_some() {
            keys::delete(txn, hash)?;
        }
        make(txn, "environment", "environment", key)?;
        return Ok(Environment::Set);
    };
    let is_current = owner == Some((token.id, true));
    if !is_current {
        if owner.is_some() {
            keys::delete(txn, hash)?;
        }
        keys::rotate(txn, token.id, hash, 0)?;
        let after = tokens::find(txn.sql(), token.id)?.map(|token| token.to_audit());
        audit::record(txn, &start(), "token.rotate", token.id.0, (Some(token.to_audit()), after))?;
    }
    if !token.settings.enabled {
        save(txn, &token, TokenSettings { enabled: true, ..token.settings.clone() })?;
    }
    Ok(if is_current && token.settings.enabled { Environment::Unchanged } else { Environment::Set })
}

fn save(txn: &mut Txn<'_>, token: &TokenRecord, settings: TokenSettings) -> rusqlite::Result<()> {
    let after = TokenRecord { settings: settings.clone(), ..token.clone() };
    tokens::update(txn, token, settings)?;
    let change = (Some(token.to_audit()), Some(after.to_audit()));
    audit::record(txn, &start(), "token.update", token.id.0, change)
}

/// How many can still administer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Admins {
    /// Live tokens of enabled admin users with the scope `manage`.
    pub tokens: i64,
    /// Enabled admin users.
    pub users: i64,
}

impl Admins {
    /// Counts them at `at`.
    ///
    /// # Errors
    /// Of the store.
    pub fn count(sql: &Connection, at: Timestamp) -> rusqlite::Result<Self> {
        sql.prepare_cached(include_str!("sql/admins_count.sql"))?
            .query_row([at.millis()], |row| Ok(Self { tokens: row.get(0)?, users: row.get(1)? }))
    }
}
