//! The load at a start: all that lives goes into memory, and nothing listens before that. A million tokens must not keep
//! anybody waiting, so two threads read at one time, each its tables in their own order and without what only pages show.

use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, scope};

use rusqlite::{Connection, Row};

use crate::clock::Timestamp;
use crate::directory::{Directory, Keys, LiveTokens};
use crate::ids::{TokenId, UserId};
use crate::ledger::{Book, Limits, Zone};
use crate::money::Money;
use crate::spread::SpreadMap;
use crate::store::common::Common;
use crate::store::open::{OpenFault, open_reader, sql_failed};
use crate::store::token_record::{end_of, unreadable};
use crate::store::{keys, recover, users};
use crate::tokens::{ApiToken, Scopes};

/// Loads the database at `path` into `directory` and a book. `sql` is the one that writes; nothing else does meanwhile.
///
/// # Errors
/// Of the store, on a row that cannot be read, and on a ledger whose end does not fit together.
pub fn load(
    sql: &Connection,
    path: &Path,
    directory: &Directory,
    (now, zone): (Timestamp, Zone),
) -> Result<Book, OpenFault> {
    scope(|scope| {
        let beside = Builder::new()
            .name("load".to_owned())
            .spawn_scoped(scope, || load_beside(path))
            .map_err(|error| OpenFault::Failed(format!("cannot start a thread: {error}")))?;
        let mut book = Book::new(recover::known_from(now, zone));
        let mut read = || -> rusqlite::Result<Keys> {
            users::load(sql, directory, &mut book)?;
            load_money(sql, &mut book)?;
            recover::load_windows(sql, &mut book, now, zone)?;
            keys::load(sql)
        };
        let keys = read().map_err(|error| sql_failed(path, &error));
        let tokens = beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        directory.load(tokens, keys?);
        Ok(book)
    })
}

/// The second thread's share: the proof of the ledger's end, and the tokens as requests meet them.
fn load_beside(path: &Path) -> Result<LiveTokens, OpenFault> {
    let sql = open_reader(path)?;
    let failed = |error| sql_failed(path, &error);
    if let Some(seq) = recover::broken_link(&sql).map_err(failed)? {
        return Err(OpenFault::broken_ledger(path, seq));
    }
    load_tokens(&sql).map_err(failed)
}

/// Reads the live tokens.
fn load_tokens(sql: &Connection) -> rusqlite::Result<LiveTokens> {
    let mut tokens = LiveTokens::with_capacity_and_hasher(room_for(sql)?, Default::default());
    let mut common = Common::default();
    let mut select = sql.prepare(include_str!("sql/token_load.sql"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let token = read_live(row, &mut common)?;
        tokens.insert(token.id, Arc::new(token));
    }
    Ok(tokens)
}

/// Reads what the live tokens were granted, may use and have used.
fn load_money(sql: &Connection, book: &mut Book) -> rusqlite::Result<()> {
    book.reserve(room_for(sql)?);
    let spent = read_spent(sql)?;
    let mut select = sql.prepare(
        "SELECT id, user_id, unlimited, granted, used, daily_limit, monthly_limit FROM tokens WHERE deleted_at = -1",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = TokenId(row.get(0)?);
        let money = |column| row.get(column).map(Money::from_nanos);
        let limits = Limits { daily: money(5)?, monthly: money(6)? };
        book.put_token(id, UserId(row.get(1)?), row.get(2)?, limits);
        let used: i64 = row.get(4)?;
        let used = used.saturating_add(spent.get(&id).copied().unwrap_or(0));
        book.load_token(id, money(3)?, Money::from_nanos(used));
    }
    Ok(())
}

/// What tokens were charged that is not in their rows yet, in nanodollars.
fn read_spent(sql: &Connection) -> rusqlite::Result<SpreadMap<TokenId, i64>> {
    let mut select = sql.prepare("SELECT token_id, charged FROM spent")?;
    let rows = select.query_map([], |row| Ok((TokenId(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

/// For how many tokens to make room: each live one has a key, and keys are counted faster.
fn room_for(sql: &Connection) -> rusqlite::Result<usize> {
    keys::count(sql).map(|count| usize::try_from(count).unwrap_or(0))
}

/// A row of `sql/token_load.sql` as requests meet it.
fn read_live(row: &Row<'_>, common: &mut Common) -> rusqlite::Result<ApiToken> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
    let models = if row.get(4)? { Some(common.models(text(5)?)?) } else { None };
    Ok(ApiToken {
        id: TokenId(row.get(0)?),
        user: UserId(row.get(1)?),
        enabled: row.get::<_, i64>(2)? == 1,
        expires_at: end_of(row.get(3)?),
        models,
        ips: common.ips(text(8)?)?,
        group: common.group(text(6)?),
        cross_group_retry: row.get(7)?,
        rpm: row.get(9)?,
        tpm: row.get(10)?,
        max_concurrency: row.get(11)?,
        scopes: Scopes::parse(text(12)?.split(',')).ok_or_else(|| unreadable(12, "scopes"))?,
    })
}
