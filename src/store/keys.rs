//! Keys on disk: their hashes, whose they are, and when a rotated one ends.

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Timestamp;
use crate::directory::Keys;
use crate::ids::TokenId;
use crate::store::token_record::end_of;
use crate::store::{Effect, Txn};
use crate::tokens::KeyHash;

/// Adds the current key of `token`.
///
/// # Errors
/// Of the store, also when the key is another token's.
pub fn insert(txn: &mut Txn<'_>, hash: KeyHash, token: TokenId) -> rusqlite::Result<()> {
    let now = txn.now().millis();
    txn.sql()
        .prepare_cached("INSERT INTO keys (hash, token_id, created_at, expires_at) VALUES (?1, ?2, ?3, -1)")?
        .execute(params![hash.as_bytes(), token.0, now])?;
    txn.effect(Effect::PutKey(hash, token, None));
    Ok(())
}

/// Makes `hash` the current key of `token`. The one before works until `grace` (milliseconds) is over, those before it end.
///
/// # Errors
/// Of the store.
pub fn rotate(txn: &mut Txn<'_>, token: TokenId, hash: KeyHash, grace: i64) -> rusqlite::Result<()> {
    for older in hashes(txn.sql(), token, "SELECT hash FROM keys WHERE token_id = ?1 AND expires_at <> -1")? {
        delete(txn, older)?;
    }
    for current in hashes(txn.sql(), token, "SELECT hash FROM keys WHERE token_id = ?1 AND expires_at = -1")?
    {
        if grace == 0 {
            delete(txn, current)?;
        } else {
            let end = Timestamp::from_millis(txn.now().millis().saturating_add(grace));
            txn.sql()
                .prepare_cached("UPDATE keys SET expires_at = ?1 WHERE hash = ?2")?
                .execute(params![end.millis(), current.as_bytes()])?;
            txn.effect(Effect::PutKey(current, token, Some(end)));
        }
    }
    insert(txn, hash, token)?;
    txn.sql()
        .prepare_cached("UPDATE tokens SET fingerprint = ?1 WHERE id = ?2")?
        .execute(params![hash.fingerprint(), token.0])
        .map(drop)
}

/// Ends all keys of `token`.
///
/// # Errors
/// Of the store.
pub fn delete_all(txn: &mut Txn<'_>, token: TokenId) -> rusqlite::Result<()> {
    for hash in hashes(txn.sql(), token, "SELECT hash FROM keys WHERE token_id = ?1")? {
        delete(txn, hash)?;
    }
    Ok(())
}

/// Ends one key.
///
/// # Errors
/// Of the store.
pub fn delete(txn: &mut Txn<'_>, hash: KeyHash) -> rusqlite::Result<()> {
    txn.sql().prepare_cached("DELETE FROM keys WHERE hash = ?1")?.execute([hash.as_bytes()])?;
    txn.effect(Effect::ForgetKey(hash));
    Ok(())
}

/// Whose key it is, and whether it is the current one.
///
/// # Errors
/// Of the store.
pub fn owner(sql: &Connection, hash: &KeyHash) -> rusqlite::Result<Option<(TokenId, bool)>> {
    sql.prepare_cached("SELECT token_id, expires_at FROM keys WHERE hash = ?1")?
        .query_row([hash.as_bytes()], |row| Ok((TokenId(row.get(0)?), row.get::<_, i64>(1)? == -1)))
        .optional()
}

fn hashes(sql: &Connection, token: TokenId, query: &str) -> rusqlite::Result<Vec<KeyHash>> {
    let mut select = sql.prepare_cached(query)?;
    let found = select.query_map([token.0], |row| row.get(0).map(KeyHash::from_bytes))?;
    found.collect()
}

/// How many keys there are.
///
/// # Errors
/// Of the store.
pub fn count(sql: &Connection) -> rusqlite::Result<i64> {
    sql.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))
}

/// Reads all keys.
///
/// # Errors
/// Of the store.
pub fn load(sql: &Connection) -> rusqlite::Result<Keys> {
    let mut keys = Keys::with_room_for(usize::try_from(count(sql)?).unwrap_or(0));
    let mut select = sql.prepare("SELECT hash, token_id, expires_at FROM keys")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        keys.put(KeyHash::from_bytes(row.get(0)?), TokenId(row.get(1)?), end_of(row.get(2)?));
    }
    Ok(keys)
}
