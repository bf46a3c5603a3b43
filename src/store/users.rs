//! Users on disk: reading, making and changing their rows, and pages of them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Timestamp;
use crate::directory::{Directory, LiveUser};
use crate::ids::UserId;
use crate::ledger::Book;
use crate::money::Money;
use crate::store::{Effect, Txn};
use crate::tokens::Role;

/// What an administrator may set of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSettings {
    /// 1–50 characters.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it was not disabled.
    pub enabled: bool,
    /// Whether its total binds nothing.
    pub unlimited: bool,
}

/// A user's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Its number.
    pub id: UserId,
    /// What may be set.
    pub settings: UserSettings,
    /// All that was granted.
    pub granted: Money,
    /// All that was charged.
    pub used: Money,
    /// When it was made.
    pub created_at: Timestamp,
}

impl UserRecord {
    /// What memory takes over of it.
    pub fn to_effect(&self) -> Effect {
        Effect::PutUser { id: self.id, user: live(&self.settings), unlimited: self.settings.unlimited }
    }

    /// The row as the audit keeps it: amounts in nanodollars.
    pub fn to_audit(&self) -> String {
        let settings = &self.settings;
        serde_json::json!({
            "id": self.id.0, "name": settings.name, "role": settings.role.as_str(), "enabled": settings.enabled,
            "unlimited": settings.unlimited, "granted": self.granted.nanos(), "used": self.used.nanos(),
        })
        .to_string()
    }
}

fn live(settings: &UserSettings) -> LiveUser {
    LiveUser { role: settings.role, enabled: settings.enabled }
}

fn read_user(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    let role: String = row.get(2)?;
    Ok(UserRecord {
        id: UserId(row.get(0)?),
        settings: UserSettings {
            name: row.get(1)?,
            // The schema knows two roles; whatever is not the one is the lesser.
            role: Role::parse(&role).unwrap_or(Role::Member),
            enabled: row.get::<_, i64>(3)? == 1,
            unlimited: row.get(4)?,
        },
        granted: Money::from_nanos(row.get(5)?),
        used: Money::from_nanos(row.get(6)?),
        created_at: Timestamp::from_millis(row.get(7)?),
    })
}

/// A user.
///
/// # Errors
/// Of the store.
pub fn find(sql: &Connection, id: UserId) -> rusqlite::Result<Option<UserRecord>> {
    sql.prepare_cached(
        "SELECT id, name, role, status, unlimited, granted, used, created_at FROM users WHERE id = ?1",
    )?
    .query_row([id.0], read_user)
    .optional()
}

/// A page of users, newest first, and how many there are in all.
///
/// # Errors
/// Of the store.
pub fn page(sql: &Connection, offset: i64, limit: i64) -> rusqlite::Result<(Vec<UserRecord>, i64)> {
    let total = sql.prepare_cached("SELECT count(*) FROM users")?.query_row([], |row| row.get(0))?;
    let mut select = sql.prepare_cached(
        "SELECT id, name, role, status, unlimited, granted, used, created_at FROM users
         ORDER BY id DESC LIMIT ?1 OFFSET ?2",
    )?;
    let records = select.query_map([limit, offset], read_user)?.collect::<rusqlite::Result<_>>()?;
    Ok((records, total))
}

/// Makes a user with its first credit.
///
/// # Errors
/// Of the store.
pub fn insert(txn: &mut Txn<'_>, settings: UserSettings, grant: Money) -> rusqlite::Result<UserRecord> {
    let now = txn.now();
    txn.sql()
        .prepare_cached(
            "INSERT INTO users (name, role, status, unlimited, granted, used, created_at)
             VALUES (?1, ?2, ?3, ?4, 0, 0, ?5)",
        )?
        .execute(params![
            settings.name,
            settings.role.as_str(),
            status_of(&settings),
            settings.unlimited,
            now.millis()
        ])?;
    let id = UserId(txn.sql().last_insert_rowid());
    let record = UserRecord { id, settings, granted: grant, used: Money::ZERO, created_at: now };
    txn.effect(record.to_effect());
    if grant > Money::ZERO {
        txn.grant_user(id, grant)?;
    }
    Ok(record)
}

const fn status_of(settings: &UserSettings) -> i64 {
    if settings.enabled { 1 } else { 2 }
}

/// Writes a user's settings. What it used while it was unlimited is granted when that ends.
///
/// # Errors
/// Of the store.
pub fn update(txn: &mut Txn<'_>, before: &UserRecord, settings: UserSettings) -> rusqlite::Result<()> {
    txn.sql()
        .prepare_cached("UPDATE users SET name = ?1, role = ?2, status = ?3, unlimited = ?4 WHERE id = ?5")?
        .execute(params![
            settings.name,
            settings.role.as_str(),
            status_of(&settings),
            settings.unlimited,
            before.id.0
        ])?;
    if before.settings.unlimited && !settings.unlimited {
        txn.grant_user(before.id, Money::ZERO)?;
    }
    let after = UserRecord { settings, ..before.clone() };
    txn.effect(after.to_effect());
    Ok(())
}

/// Loads all users into the directory and the book.
///
/// # Errors
/// Of the store.
pub fn load(sql: &Connection, directory: &Directory, book: &mut Book) -> rusqlite::Result<()> {
    let mut select =
        sql.prepare("SELECT id, name, role, status, unlimited, granted, used, created_at FROM users")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let user = read_user(row)?;
        directory.put_user(user.id, live(&user.settings));
        book.put_user(user.id, user.settings.unlimited);
        book.load_user(user.id, user.granted, user.used);
    }
    Ok(())
}
