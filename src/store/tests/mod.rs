//! The store in a directory of its own, with a clock held by hand: what is on disk, what memory shows, and that both agree.

mod journal;
mod loading;
mod opening;
mod proof;
mod recovery;
mod responses;
mod retention;
mod schedules;
mod statements;
mod trouble;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use rusqlite::{Connection, params};

use super::*;
use crate::catalogue::{Catalogue, Groups};
use crate::channels::Roster;
use crate::clock::Timestamp;
use crate::directory::{LiveUser, Supply, Unpriced};
use crate::ids::{ChannelName, RequestId, TokenId, UserId};
use crate::ledger::{
    Day, Hold, Limits, Outcome, PendingReservation, Reservation, Settlement, UsageSource, Windows,
};
use crate::money::Money;
use crate::store::chain::Head;
use crate::tokens::{ApiToken, IpList, Role, Scopes};
use crate::usage::{TokenCount, Usage};

pub use statements::watched;

/// Noon of 24 November 2026, UTC.
const NOON: i64 = 1_795_521_600;
const DAY_SECONDS: i64 = 86_400;

/// Tokens and their users. Each is granted a million nanodollars, each user ten.
const TOKENS: [(TokenId, UserId); 3] =
    [(TokenId(1), UserId(1)), (TokenId(2), UserId(1)), (TokenId(3), UserId(2))];
const GRANTED: i64 = 1_000_000;

/// What a token was granted and has used, on disk.
const TOKEN_SUMS: &str = include_str!("../sql/token_sums.sql");

fn nanos(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

/// A data directory that goes when the test ends.
struct Site {
    root: PathBuf,
    clock: Clock,
    zone: Zone,
    settings: Settings,
}

impl Site {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("tollgate-store-{}-{number}", std::process::id()));
        // What a process of the same number left behind that was killed.
        drop(fs::remove_dir_all(&root));
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&root).unwrap();
        let settings = Settings {
            path: root.join("tollgate.db"),
            durability: Durability::Process,
            recovery: Recovery::Hold,
            retention_days: 0,
        };
        let clock = Clock::manual(Timestamp::from_secs(NOON));
        Self { root, clock, zone: Zone(chrono_tz::Tz::UTC), settings }
    }

    fn path(&self) -> &Path {
        &self.settings.path
    }

    fn try_open(&self) -> Result<Store, OpenFault> {
        Store::open(
            &self.settings,
            &directory(),
            &self.clock,
            self.zone,
            &Arc::new(Metrics::new(BTreeSet::new())),
        )
    }

    /// Opens the store, and seats the users and tokens in it where they are not yet.
    async fn open(&self) -> Store {
        let store = self.try_open().unwrap();
        let known: i64 =
            raw(self.path()).query_row("SELECT count(*) FROM tokens", [], |row| row.get(0)).unwrap();
        if known == 0 {
            store.write(|txn| -> Result<(), Denied<()>> { Ok(seat(txn)?) }).await.unwrap();
        }
        self.load(&store);
        store
    }

    /// Loads what was on disk into the books, if opening has not done so.
    fn load(&self, store: &Store) {
        let mut book = store.books.lock();
        let sql = raw(self.path());
        for (token, user) in TOKENS {
            if book.token(token, self.windows()).is_some() {
                continue;
            }
            if book.user(user).is_none() {
                book.put_user(user, false);
                let (granted, used) = sums(&sql, "SELECT granted, used FROM users WHERE id = ?1", user.0);
                book.load_user(user, granted, used);
            }
            book.put_token(token, user, false, Limits::default());
            let (granted, used) = sums(&sql, TOKEN_SUMS, token.0);
            book.load_token(token, granted, used);
        }
    }

    fn windows(&self) -> Windows {
        self.zone.windows(self.clock.now())
    }

    fn hold(&self, token: usize, amount: i64) -> Hold {
        let now = self.clock.now();
        let (token, user) = TOKENS[token];
        Hold {
            id: RequestId::mint(now),
            token,
            user,
            amount: nanos(amount),
            floor: nanos(amount / 3),
            windows: self.windows(),
            model: Arc::from(["m-one", "m-two"][usize::try_from(amount % 2).unwrap()]),
            channel: ChannelName(Arc::from("c")),
            admitted_at: now,
        }
    }

    /// Holds `amount` durably.
    async fn held(&self, store: &Store, token: usize, amount: i64) -> Reservation {
        reserve(store, self.hold(token, amount)).durable(PATIENCE).await.unwrap()
    }

    /// One whole request.
    async fn spend(&self, store: &Store, token: usize, amount: i64, cost: i64) {
        self.held(store, token, amount).await.settle(costing(cost)).durable().await.unwrap();
    }

    /// The books and the disk agree, nothing is held, and the ledger proves the counters.
    fn assert_sound(&self, store: &Store) {
        self.assert_agrees(&store.books);
    }

    fn assert_agrees(&self, books: &Books) {
        assert_clean(self.path());
        let sql = raw(self.path());
        let book = books.lock();
        assert_eq!(book.held(), Money::ZERO);
        for (token, user) in TOKENS {
            let found = book.token(token, self.windows()).unwrap();
            let on_disk = sums(&sql, TOKEN_SUMS, token.0);
            assert_eq!(
                (found.total.granted, found.total.used, found.total.held),
                (on_disk.0, on_disk.1, Money::ZERO)
            );
            let found = book.user(user).unwrap();
            let on_disk = sums(&sql, "SELECT granted, used FROM users WHERE id = ?1", user.0);
            assert_eq!((found.granted, found.used, found.held), (on_disk.0, on_disk.1, Money::ZERO));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn directory() -> Arc<Directory> {
    Arc::new(Directory::new(Supply {
        catalogue: Arc::new(Catalogue::default()),
        roster: Roster::default(),
        groups: Groups::default(),
        unpriced: Unpriced::Refused,
    }))
}

/// A connection beside the store's, as another program's.
#[expect(clippy::disallowed_methods, reason = "another program does not ask the store for a connection")]
fn raw(path: &Path) -> Connection {
    let sql = Connection::open(path).unwrap();
    sql.busy_timeout(PATIENCE).unwrap();
    sql
}

fn count(path: &Path, query: &str) -> i64 {
    raw(path).query_row(query, [], |row| row.get(0)).unwrap()
}

fn sums(sql: &Connection, query: &str, id: i64) -> (Money, Money) {
    sql.query_row(query, [id], |row| Ok((nanos(row.get(0)?), nanos(row.get(1)?)))).unwrap()
}

fn used_by_token(path: &Path, id: i64) -> i64 {
    sums(&raw(path), TOKEN_SUMS, id).1.nanos()
}

fn assert_clean(path: &Path) {
    let report = verify(path, None).unwrap();
    assert_eq!(report.drift, Vec::<String>::new());
}

fn reserve(store: &Store, hold: Hold) -> PendingReservation {
    let mut book = store.books.lock();
    store.books.reserve(&mut book, hold).unwrap()
}

fn costing(cost: i64) -> Settlement {
    let usage =
        Usage { input: TokenCount::clamped(cost), output: TokenCount::clamped(1), ..Usage::default() };
    Settlement { outcome: Outcome::Ok, cost: nanos(cost), usage, source: UsageSource::Provider, attempts: 1 }
}

/// Inserts users and tokens with plain SQL, and grants through the transaction.
fn seat(txn: &mut Txn<'_>) -> rusqlite::Result<()> {
    for user in [1, 2] {
        txn.sql().execute(
            "INSERT INTO users (id, name, role, status, unlimited, granted, used, created_at)
             VALUES (?1, 'u', 'member', 1, 0, 0, 0, 0)",
            [user],
        )?;
        let live = LiveUser { role: Role::Member, enabled: true };
        txn.effect(Effect::PutUser { id: UserId(user), user: live, unlimited: false });
        txn.grant_user(UserId(user), nanos(10 * GRANTED))?;
    }
    for (token, user) in TOKENS {
        txn.sql().execute(
            "INSERT INTO tokens (id, user_id, origin, name, status, created_at, accessed_at, expires_at, unlimited,
               granted, used, daily_limit, monthly_limit, model_limits_enabled, model_limits, group_name,
               cross_group_retry, allow_ips, rpm, tpm, max_concurrency, scopes, metadata, fingerprint, deleted_at)
             VALUES (?1, ?2, 'api', 't', 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, '', '', 0, '', 0, 0, 0, 'inference', '{}',
               '00000000', -1)",
            params![token.0, user.0],
        )?;
        let token = Arc::new(api_token(token, user));
        let (id, user) = (token.id, token.user);
        txn.effect(Effect::PutToken { token, unlimited: false, limits: Limits::default() });
        txn.grant_token(id, user, nanos(GRANTED))?;
    }
    Ok(())
}

fn api_token(id: TokenId, user: UserId) -> ApiToken {
    ApiToken {
        id,
        user,
        enabled: true,
        expires_at: None,
        models: None,
        ips: IpList::default(),
        group: Arc::from("default"),
        cross_group_retry: false,
        rpm: 0,
        tpm: 0,
        max_concurrency: 0,
        scopes: Scopes::Inference,
    }
}

/// The writer stands still, inside a transaction, until this is dropped.
struct Pause(#[expect(dead_code, reason = "its end is the word to go on")] mpsc::Sender<()>);

fn pause(store: &Store) -> Pause {
    let (entered, has_entered) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (change, _) = ChangeOf::new(move |_: &mut Txn<'_>| -> Result<(), Denied<()>> {
        entered.send(()).unwrap();
        let _ = wait.recv();
        Ok(())
    });
    store.queue.push(Op::Change(Box::new(change))).ok().unwrap();
    has_entered.recv().unwrap();
    Pause(go_on)
}

/// The row that ended `id`.
fn row_of(sql: &Connection, id: RequestId) -> chain::LedgerRow {
    let columns = chain::LedgerRow::COLUMNS;
    let query = format!("SELECT {columns} FROM ledger WHERE id = ?1");
    sql.query_row(&query, [id.as_bytes()], chain::LedgerRow::read).unwrap().1
}
