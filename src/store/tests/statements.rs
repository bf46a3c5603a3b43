//! The n-th statement of the writer's connection fails, for n = 1, 2, 3 … until a run passes untouched: before it begins,
//! or while it runs, when SQLite itself undoes the transaction. The run goes on, as after a moment without room; and the
//! files of that moment are those of a process that ends there, as after a failed flush. Either way what was
//! acknowledged is on disk, what was refused is not, and the file is sound.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::FromSql;

use super::recovery::left_with;
use super::*;
use crate::ids::ResponseId;
use crate::store::audit::{self, Author};
use crate::store::idempotency::{self, Once};
use crate::store::tokens::{NewToken, TokenSettings};
use crate::store::users::UserSettings;
use crate::stored::{Shelf, StoredResponse};
use crate::tokens::KeyHash;

/// How many runs go at one time: part of each is waiting for the writer to try again.
const WORKERS: usize = 4;

/// Statements from one that fails to the next. No number of rows or columns is a multiple of it.
#[cfg(not(feature = "long-proofs"))]
const STRIDE: usize = 17;
#[cfg(feature = "long-proofs")]
const STRIDE: usize = 1;

/// How a statement fails.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Way {
    /// It does not begin; the transaction stays open.
    Denied,
    /// It breaks off; if it writes, its whole transaction is undone, as when there is no room or no memory.
    BrokenOff,
}

/// The nanodollars of a day that a token's limit is changed to.
const DAILY: i64 = 700_000;

thread_local! {
    /// What sees the statements of the next connection that this thread opens to write.
    static WATCH: RefCell<Option<Arc<Mutex<Watch>>>> = const { RefCell::new(None) };
}

/// Puts a connection under the watch of this thread's test, if there is one. SQLite asks when it prepares a statement; so
/// none is kept prepared.
pub fn watched(mut sql: Connection) -> Connection {
    if let Some(watch) = WATCH.with_borrow(Clone::clone) {
        sql.set_prepared_statement_cache_capacity(0);
        let breaks_off = Arc::clone(&watch.lock().unwrap().breaks_off);
        sql.progress_handler(1, Some(move || breaks_off.swap(false, Ordering::AcqRel))).unwrap();
        sql.authorizer(Some(move |context: AuthContext<'_>| watch.lock().unwrap().see(&context))).unwrap();
    }
    sql
}

/// Counts statements, and denies one.
struct Watch {
    path: PathBuf,
    way: Way,
    fails_at: usize,
    seen: usize,
    /// Whether what runs next is to break off.
    breaks_off: Arc<AtomicBool>,
    /// The table and the columns that the last statement, an UPDATE, sets.
    update: Option<(String, BTreeSet<String>)>,
    /// What was acknowledged, and what the step under way would add.
    under_way: [Model; 2],
    end: Option<End>,
}

/// What a process that ended at the failed statement would leave.
struct End {
    statement: String,
    database: Vec<u8>,
    log: Vec<u8>,
    under_way: [Model; 2],
}

impl Watch {
    fn see(&mut self, context: &AuthContext<'_>) -> Authorization {
        if !self.begins(context) {
            return Authorization::Allow;
        }
        self.seen += 1;
        if self.seen != self.fails_at {
            return Authorization::Allow;
        }
        let read = |suffix| fs::read(open::with_suffix(&self.path, suffix)).unwrap_or_default();
        self.end = Some(End {
            statement: format!("{:?}", context.action),
            database: read(""),
            log: read("-wal"),
            under_way: self.under_way.clone(),
        });
        // A COMMIT breaks off only when it has been done: then it has not failed.
        let is_frame =
            matches!(context.action, AuthAction::Transaction { .. } | AuthAction::Savepoint { .. });
        if self.way == Way::Denied || is_frame {
            return Authorization::Deny;
        }
        self.breaks_off.store(true, Ordering::Release);
        Authorization::Allow
    }

    /// Whether a statement begins with this question: SQLite asks for each column too, and for what triggers do.
    fn begins(&mut self, context: &AuthContext<'_>) -> bool {
        if context.accessor.is_some() {
            return false;
        }
        match context.action {
            AuthAction::Read { .. } | AuthAction::Function { .. } | AuthAction::Recursive => false,
            AuthAction::Update { table_name, column_name } => {
                let column = column_name.to_owned();
                if let Some((table, columns)) = &mut self.update
                    && table == table_name
                    && columns.insert(column.clone())
                {
                    return false;
                }
                self.update = Some((table_name.to_owned(), BTreeSet::from([column])));
                true
            }
            _ => {
                self.update = None;
                true
            }
        }
    }
}

/// A token as the model knows it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Figures {
    is_live: bool,
    granted: i64,
    used: i64,
    daily: i64,
}

/// What the answers so far add up to, and what a database says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    /// Granted, used.
    users: BTreeMap<i64, (i64, i64)>,
    tokens: BTreeMap<i64, Figures>,
    /// Current keys, and whose.
    keys: BTreeMap<[u8; 32], i64>,
    /// Requests under way, with what is held.
    holds: BTreeMap<[u8; 16], i64>,
    /// Requests that ended, with their charge.
    ends: BTreeMap<[u8; 16], i64>,
    refunded: BTreeSet<[u8; 16]>,
    /// Stored responses, and whose.
    responses: BTreeMap<String, i64>,
    /// `Idempotency-Key`s.
    once: BTreeSet<String>,
    /// Of `ends` and `once`: may be forgotten by now.
    old_ends: BTreeMap<[u8; 16], i64>,
    old_once: BTreeSet<String>,
}

impl Model {
    /// What is on disk; of an empty file, nothing.
    fn read(path: &Path) -> Self {
        let sql = raw(path);
        if !sql.table_exists(None, "tokens").unwrap() {
            return Self::default();
        }
        let users: BTreeMap<i64, i64> = pairs(&sql, "SELECT id, granted FROM users");
        let used: BTreeMap<i64, i64> = pairs(&sql, "SELECT id, used FROM users");
        let figures = |row: &rusqlite::Row<'_>| {
            let figures = Figures {
                is_live: row.get::<_, i64>(1)? == -1,
                granted: row.get(2)?,
                used: row.get(3)?,
                daily: row.get(4)?,
            };
            Ok((row.get(0)?, figures))
        };
        let mut tokens =
            sql.prepare("SELECT id, deleted_at, granted, used + coalesce(charged, 0), daily_limit FROM tokens LEFT JOIN spent ON token_id = id").unwrap();
        Self {
            users: users.into_iter().map(|(id, granted)| (id, (granted, used[&id]))).collect(),
            tokens: tokens.query_map([], figures).unwrap().map(Result::unwrap).collect(),
            keys: pairs(&sql, "SELECT hash, token_id FROM keys WHERE expires_at = -1"),
            holds: pairs(&sql, "SELECT id, amount FROM holds"),
            ends: pairs(
                &sql,
                "SELECT id, charged FROM ledger WHERE outcome NOT IN ('credit', 'adjust', 'rollup')",
            ),
            responses: pairs(&sql, "SELECT id, token_id FROM responses"),
            refunded: pairs::<_, i64>(&sql, "SELECT id, seq FROM refunds").into_keys().collect(),
            once: pairs::<_, i64>(&sql, "SELECT key, caller FROM idempotency").into_keys().collect(),
            ..Self::default()
        }
    }

    /// Whether a database that says `disk` holds all of this and nothing else.
    fn is(&self, mut disk: Self) -> bool {
        disk.ends.retain(|id, charged| self.old_ends.get(id) != Some(charged));
        disk.once.retain(|key| !self.old_once.contains(key));
        Self { old_ends: BTreeMap::new(), old_once: BTreeSet::new(), ..self.clone() } == disk
    }

    fn grant(&mut self, token: i64, amount: i64) {
        self.tokens.get_mut(&token).unwrap().granted += amount;
    }

    fn charge(&mut self, token: i64, user: i64, amount: i64) {
        self.tokens.get_mut(&token).unwrap().used += amount;
        self.users.get_mut(&user).unwrap().1 += amount;
    }

    fn end(&mut self, hold: &Hold, charged: i64) {
        self.holds.remove(hold.id.as_bytes()).unwrap();
        self.ends.insert(*hold.id.as_bytes(), charged);
        self.charge(hold.token.0, hold.user.0, charged);
    }

    fn replace_key(&mut self, token: i64, key: KeyHash) {
        self.keys.retain(|_, of| *of != token);
        self.keys.insert(*key.as_bytes(), token);
    }

    fn grow_old(&mut self) {
        self.old_ends.append(&mut self.ends);
        self.old_once.append(&mut self.once);
    }
}

fn pairs<K: FromSql + Ord, V: FromSql>(sql: &Connection, query: &str) -> BTreeMap<K, V> {
    let mut select = sql.prepare(query).unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A run of the scenario.
struct Play {
    site: Site,
    watch: Arc<Mutex<Watch>>,
    /// What was acknowledged.
    model: Model,
    store: Option<Store>,
}

impl Play {
    fn new(way: Way, fails_at: usize) -> Self {
        let mut site = Site::new();
        site.settings.retention_days = 1;
        let watch = Watch {
            path: site.path().to_path_buf(),
            way,
            fails_at,
            seen: 0,
            breaks_off: Arc::default(),
            update: None,
            under_way: Default::default(),
            end: None,
        };
        Self { site, watch: Arc::new(Mutex::new(watch)), model: Model::default(), store: None }
    }

    fn told(&self) -> String {
        let watch = self.watch.lock().unwrap();
        let failed = watch.end.as_ref().map_or("not failed yet", |end| &end.statement);
        format!("statement {} {:?}, {failed}", watch.fails_at, watch.way)
    }

    #[track_caller]
    fn assert_disk(&self, models: &[&Model]) {
        let disk = Model::read(self.site.path());
        let fits = models.iter().any(|model| model.is(disk.clone()));
        assert!(fits, "{}: the disk says {disk:#?}, the answers {models:#?}", self.told());
    }

    /// Goes over to the model that `change` makes; the one before.
    fn announce(&mut self, change: impl FnOnce(&mut Model)) -> Model {
        let before = self.model.clone();
        change(&mut self.model);
        self.watch.lock().unwrap().under_way = [before.clone(), self.model.clone()];
        before
    }

    /// One step that `attempt` makes, once more if it is refused. A refused one has changed nothing; an acknowledged one
    /// has done what `change` does.
    async fn step<T>(
        &mut self,
        change: impl FnOnce(&mut Model),
        attempt: impl AsyncFn(&Site, &Store) -> Option<T>,
    ) -> T {
        let before = self.announce(change);
        for _ in 0..2 {
            let done = attempt(&self.site, self.store.as_ref().unwrap()).await;
            self.assert_disk(&[if done.is_some() { &self.model } else { &before }]);
            if let Some(done) = done {
                return done;
            }
        }
        panic!("{}: refused twice", self.told());
    }

    /// A step that is a change of the management API.
    async fn write(
        &mut self,
        change: impl FnOnce(&mut Model),
        run: impl Fn(&mut Txn<'_>) -> rusqlite::Result<()> + Clone + Send + 'static,
    ) {
        self.step(change, async |_, store| {
            let run = run.clone();
            let written = store.write(move |txn| -> Result<(), Denied<()>> { Ok(run(txn)?) }).await;
            is_done(&written).then_some(())
        })
        .await;
    }

    /// Opens the store, once more if that fails: nothing is lost by it, and leftovers are settled once.
    fn open(&mut self) {
        let before = self.announce(|model| {
            for (id, amount) in std::mem::take(&mut model.holds) {
                model.ends.insert(id, amount);
                // Only the first token leaves one.
                model.charge(1, 1, amount);
            }
        });
        let opened = self.site.try_open().or_else(|_| {
            self.assert_disk(&[&before, &self.model]);
            self.site.try_open()
        });
        self.store = Some(opened.unwrap_or_else(|fault| panic!("{}: {fault}", self.told())));
        self.assert_disk(&[&self.model]);
    }

    async fn make_user(&mut self, id: i64) {
        let settings =
            UserSettings { name: "u".to_owned(), role: Role::Member, enabled: true, unlimited: false };
        self.write(
            |model| {
                model.users.insert(id, (10 * GRANTED, 0));
            },
            move |txn| {
                let made = users::insert(txn, settings.clone(), nanos(10 * GRANTED))?;
                assert_eq!(made.id.0, id, "an id is used once, and none is skipped");
                audit::record(txn, &author(), "user.create", id, (None, Some(made.to_audit())))
            },
        )
        .await;
    }

    async fn make_token(&mut self, (id, user): (TokenId, UserId)) {
        let key = key_of(id, 0);
        let figures = Figures { is_live: true, granted: GRANTED, used: 0, daily: 0 };
        let once = Once {
            caller: 1,
            call: "POST /v1/tokens".to_owned(),
            key: format!("make {}", id.0),
            body: [7; 32],
        };
        let made = once.key.clone();
        self.write(
            |model| {
                model.tokens.insert(id.0, figures);
                model.keys.insert(*key.as_bytes(), id.0);
                model.once.insert(made);
            },
            move |txn| {
                let settings = TokenSettings::named("t");
                let new = NewToken { user, origin: "api", settings, grant: nanos(GRANTED), key };
                let token = tokens::insert(txn, &new)?;
                assert_eq!(token.id, id, "an id is used once, and none is skipped");
                audit::record(txn, &author(), "token.create", id.0, (None, Some("{}".to_owned())))?;
                idempotency::record(txn, &once, &[id.0])
            },
        )
        .await;
    }

    async fn hold(&mut self, token: usize, amount: i64) -> Reservation {
        let hold = self.site.hold(token, amount);
        let id = *hold.id.as_bytes();
        self.step(
            |model| {
                model.holds.insert(id, amount);
            },
            async |_, store| reserve(store, hold.clone()).durable(PATIENCE).await.ok(),
        )
        .await
    }

    /// One whole request. Its end is never refused: the writer tries again until it is on disk.
    async fn spend(&mut self, token: usize, amount: i64, cost: i64) -> RequestId {
        let held = self.hold(token, amount).await;
        let hold = held.hold().clone();
        self.announce(|model| model.end(&hold, cost));
        held.settle(costing(cost)).durable().await.unwrap();
        self.assert_disk(&[&self.model]);
        hold.id
    }

    /// A response is remembered, and like the end of a request never refused.
    async fn remember(&mut self, token: TokenId, name: &str) {
        let response = response(token, name);
        self.announce(|model| {
            model.responses.insert(name.to_owned(), token.0);
        });
        self.store.as_ref().unwrap().keep(response).durable().await.unwrap();
        self.assert_disk(&[&self.model]);
    }

    /// It is deleted.
    async fn forget(&mut self, token: TokenId, name: &str) {
        let response = response(token, name);
        let forgotten = |model: &mut Model| {
            model.responses.remove(name).unwrap();
        };
        self.step(forgotten, async |_, store| store.forget(response.clone()).await.ok()).await;
    }

    async fn take_back(&mut self, (token, user): (TokenId, UserId), amount: i64) {
        self.step(
            |model| model.grant(token.0, -amount),
            async |_, store| {
                store.books.lock().take_from_token(token, nanos(amount)).unwrap();
                let grant = move |txn: &mut Txn<'_>| -> Result<(), Denied<()>> {
                    Ok(txn.grant_token(token, user, nanos(-amount))?)
                };
                let is_taken = is_done(&store.write(grant).await);
                if !is_taken {
                    store.books.lock().grant_token(token, nanos(amount));
                }
                is_taken.then_some(())
            },
        )
        .await;
    }

    /// What its own rules or the schema refuse is refused also when all statements work.
    async fn be_refused(&mut self) {
        self.step(
            |_| {},
            async |_, store| {
                let denied = store.write(|txn| -> Result<(), Denied<&str>> {
                    txn.grant_token(TokenId(1), UserId(1), nanos(5))?;
                    Err(Denied::Refused("no"))
                });
                matches!(denied.await, Err(WriteFault::Refused("no"))).then_some(())
            },
        )
        .await;
        self.step(
            |_| {},
            async |_, store| {
                let twice = store.write(|txn| -> Result<(), Denied<()>> {
                    txn.grant_token(TokenId(1), UserId(1), nanos(5))?;
                    Ok(keys::insert(txn, key_of(TokenId(2), 0), TokenId(1))?)
                });
                let refused = twice.await;
                matches!(refused, Err(WriteFault::Store(crate::ledger::StoreFault::Refused))).then_some(())
            },
        )
        .await;
    }

    /// The writer keeps house after the first of these, if it is time.
    async fn keep_house(&mut self, now: i64) {
        self.site.clock.set(Timestamp::from_secs(now));
        for _ in 0..2 {
            self.write(|_| {}, |_| Ok(())).await;
        }
    }

    /// The books in memory say what the answers say.
    fn assert_books(&self) {
        let book = self.store.as_ref().unwrap().books.lock();
        assert_eq!(book.held(), Money::ZERO, "{}", self.told());
        for (id, figures) in self.model.tokens.iter().filter(|(_, figures)| figures.is_live) {
            let total = book.token(TokenId(*id), self.site.windows()).unwrap().total;
            let shown = (total.granted.nanos(), total.used.nanos());
            assert_eq!(shown, (figures.granted, figures.used), "{}: token {id}", self.told());
        }
        for (id, sums) in &self.model.users {
            let user = book.user(UserId(*id)).unwrap();
            assert_eq!((user.granted.nanos(), user.used.nanos()), *sums, "{}: user {id}", self.told());
        }
    }
}

fn is_done<T, E: std::fmt::Debug>(written: &Result<T, WriteFault<E>>) -> bool {
    match written {
        Ok(_) => true,
        Err(WriteFault::Store(crate::ledger::StoreFault::Unavailable)) => false,
        Err(fault) => panic!("{fault:?}"),
    }
}

fn author() -> Author {
    Author { caller: 1, origin: "local".to_owned() }
}

fn response(token: TokenId, name: &str) -> StoredResponse {
    let (id, channel) = (ResponseId::parse(name).unwrap(), ChannelName(Arc::from("c")));
    StoredResponse { id, token, channel, model: Arc::from("m-one"), made_at: Timestamp::from_secs(NOON) }
}

/// The `number`-th key of a token.
fn key_of(token: TokenId, number: u8) -> KeyHash {
    KeyHash::from_bytes([10 * u8::try_from(token.0).unwrap() + number; 32])
}

/// Changes a limit, credits, takes back, and rotates twice.
async fn change_settings(play: &mut Play) {
    play.write(
        |model| model.tokens.get_mut(&1).unwrap().daily = DAILY,
        |txn| {
            let before = tokens::find(txn.sql(), TokenId(1))?.unwrap();
            let limits = Limits { daily: nanos(DAILY), monthly: Money::ZERO };
            let settings = TokenSettings { limits, ..before.settings.clone() };
            tokens::update(txn, &before, settings)?;
            audit::record(txn, &author(), "token.update", 1, (None, None))
        },
    )
    .await;
    play.write(|model| model.grant(2, 500), |txn| txn.grant_token(TokenId(2), UserId(1), nanos(500))).await;
    play.take_back(TOKENS[1], 200).await;
    for (number, grace) in [(1, 60_000), (2, 0)] {
        let key = key_of(TokenId(1), number);
        play.write(|model| model.replace_key(1, key), move |txn| keys::rotate(txn, TokenId(1), key, grace))
            .await;
    }
}

/// What an instance does in its life, in small.
async fn scenario(play: &mut Play) {
    play.open();
    play.make_user(1).await;
    play.make_user(2).await;
    for token in TOKENS {
        play.make_token(token).await;
    }
    let first = play.spend(0, 900, 700).await;
    play.spend(2, 100, 150).await;
    play.be_refused().await;
    change_settings(play).await;
    let row = row_of(&raw(play.site.path()), first);
    play.write(
        |model| {
            model.refunded.insert(*first.as_bytes());
            model.charge(1, 1, -700);
        },
        move |txn| txn.refund(&row, format!("{first} because")).map(drop),
    )
    .await;
    play.spend(1, 300, 200).await;
    for (token, name) in [(1, "resp_1"), (1, "resp_2"), (2, "resp_3")] {
        play.remember(TokenId(token), name).await;
    }
    play.forget(TokenId(1), "resp_1").await;
    play.write(
        |model| {
            model.responses.remove("resp_3");
            model.tokens.get_mut(&2).unwrap().is_live = false;
            model.keys.retain(|_, token| *token != 2);
        },
        |txn| tokens::delete(txn, TokenId(2)),
    )
    .await;
    // A stop that leaves a hold, as a kill would.
    let left = play.hold(0, 77).await;
    play.store = None;
    drop(left);
    play.open();
    play.announce(Model::grow_old);
    let late = NOON + 3 * DAY_SECONDS;
    play.keep_house(late).await;
    // What was not done for a fault is done the next time.
    play.keep_house(late + 4_000).await;
    assert!(count(play.site.path(), "SELECT seq FROM anchor") > 0, "{}: nothing was removed", play.told());
    play.spend(0, 60, 40).await;
    play.assert_books();
    play.store = None;
    play.open();
    play.assert_books();
    play.store = None;
}

/// The files of a process that ended at the failed statement: they hold what was acknowledged, and a start makes them sound.
fn assert_end(play: &Play, end: &End) {
    let told = play.told();
    let mut left = left_with(&play.site, &end.database, &end.log);
    left.settings.retention_days = 1;
    let disk = Model::read(left.path());
    let [acknowledged, next] = &end.under_way;
    let fits = acknowledged.is(disk.clone()) || next.is(disk.clone());
    assert!(fits, "{told}, ended there: the disk says {disk:#?}, the answers {:#?}", end.under_way);
    drop(left.try_open().unwrap_or_else(|fault| panic!("{told}, ended there: {fault}")));
    let after = Model::read(left.path());
    assert!(after.holds.is_empty(), "{told}, ended there: something is held");
    for (id, amount) in disk.holds {
        assert_eq!(after.ends.get(&id), Some(&amount), "{told}, ended there: recovered as held");
    }
    assert_sound_file(left.path());
}

/// What `tollgate check` and `tollgate verify` look at.
fn assert_sound_file(path: &Path) {
    assert_eq!(examine(path).unwrap(), Examined::Sound);
    assert_clean(path);
}

/// One run in which the `fails_at`-th statement fails in this way; whether there was one.
fn run(way: Way, fails_at: usize) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut play = Play::new(way, fails_at);
    WATCH.set(Some(Arc::clone(&play.watch)));
    runtime.block_on(scenario(&mut play));
    WATCH.set(None);
    assert_sound_file(play.site.path());
    let end = play.watch.lock().unwrap().end.take();
    if let Some(end) = &end {
        assert_end(&play, end);
    }
    end.is_some()
}

/// Fails each statement in this way.
fn fail_each(way: Way) {
    let (next, is_over) = (AtomicUsize::new(1), AtomicBool::new(false));
    let touched = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    if run(way, next.fetch_add(STRIDE, Ordering::AcqRel)) {
                        touched.fetch_add(1, Ordering::AcqRel);
                    } else {
                        is_over.store(true, Ordering::Release);
                    }
                }
            });
        }
    });
    let touched = touched.into_inner();
    // For whoever runs it with `--nocapture`.
    println!("{touched} statements failed ({way:?}), each in a run of its own");
    assert!(touched * STRIDE > 500, "{touched} statements are not the scenario's");
}

#[test]
fn any_statement_may_be_denied() {
    fail_each(Way::Denied);
}

#[test]
fn any_statement_may_break_off() {
    fail_each(Way::BrokenOff);
}
