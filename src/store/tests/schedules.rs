//! The concurrent core under many schedules: requests that are admitted, settled and cancelled while limits change, with
//! the writer itself and a database. With the feature `schedules` an explorer decides at each lock who goes on, and tells
//! the schedule that fails; without it the scenes run on the system's threads.

use futures_util::FutureExt;

use super::*;
use crate::ledger::Which;
use crate::store::queue::Taken;

#[cfg(feature = "schedules")]
mod stage {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, Runner};

    pub(super) use shuttle::future::block_on;
    pub(super) use shuttle::thread::scope;

    #[cfg(not(feature = "long-proofs"))]
    const SCHEDULES: usize = 300;
    #[cfg(feature = "long-proofs")]
    const SCHEDULES: usize = 5_000;

    /// Plays `scene` under random schedules, and under those with few and awkward changes of who goes on.
    pub(super) fn explore(scene: impl Fn() + Send + Sync + Copy + 'static) {
        // Patience needs a timer, whose time never comes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut config = Config::new();
        // A statement of a database needs more than the explorer's stacks have.
        config.stack_size = 1 << 20;
        Runner::new(RandomScheduler::new(SCHEDULES), config.clone()).run(scene);
        Runner::new(PctScheduler::new(3, SCHEDULES), config).run(scene);
    }
}

#[cfg(not(feature = "schedules"))]
mod stage {
    pub(super) use std::thread::scope;

    #[cfg(not(feature = "long-proofs"))]
    const RUNS: usize = 60;
    #[cfg(feature = "long-proofs")]
    const RUNS: usize = 3_000;

    /// Plays `scene` many times.
    pub(super) fn explore(scene: impl Fn() + Send + Sync + Copy + 'static) {
        (0..RUNS).for_each(|_| scene());
    }

    pub(super) fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(future)
    }
}

/// Three producers, a consumer and a stop: what was accepted comes out once, in each producer's order.
#[test]
fn the_queue_loses_nothing_and_keeps_the_order() {
    stage::explore(|| {
        let queue = Queue::new();
        let (accepted, taken) = stage::scope(|scope| {
            let queue = &queue;
            let push = move |by: usize| (0..4).take_while(|number| queue.push((by, *number)).is_ok()).count();
            let producers: Vec<_> = (0..3).map(|by| scope.spawn(move || push(by))).collect();
            let consumer = scope.spawn(|| consume(queue));
            queue.close();
            let accepted: Vec<_> = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
            (accepted, consumer.join().unwrap())
        });
        for (by, accepted) in accepted.into_iter().enumerate() {
            let of: Vec<_> = taken.iter().filter(|(who, _)| *who == by).map(|(_, number)| *number).collect();
            assert_eq!(of, (0..accepted).collect::<Vec<_>>(), "producer {by} of {taken:?}");
        }
    });
}

/// Nobody closes before all was taken: a wake-up that is lost would leave the consumer asleep.
#[test]
fn the_queue_wakes_whoever_waits() {
    stage::explore(|| {
        let queue = Queue::new();
        stage::scope(|scope| {
            let queue = &queue;
            (0..2).for_each(|by| {
                scope.spawn(move || (0..3).for_each(|number| queue.push((by, number)).unwrap()));
            });
            let mut left = 6;
            while left > 0 {
                match queue.take(2, PATIENCE) {
                    Taken::Batch(batch) => left -= batch.len(),
                    Taken::Idle | Taken::Closed => panic!("a wake-up was lost: {left} are left"),
                }
            }
        });
    });
}

fn consume<T>(queue: &Queue<T>) -> Vec<T> {
    let mut taken = Vec::new();
    loop {
        match queue.take(2, PATIENCE) {
            Taken::Batch(batch) => {
                assert!(batch.len() <= 2);
                taken.extend(batch);
            }
            Taken::Idle => {}
            Taken::Closed => return taken,
        }
    }
}

/// How a client of the scene ends its request.
#[derive(Copy, Clone)]
enum End {
    /// Settled, for more than was held.
    Settled,
    /// Gone before the hold is on disk.
    GoneAtOnce,
    /// Gone while it waits for that, or just after.
    GoneWaiting,
    /// Gone after it was sent.
    GoneSent,
}

/// What each request holds: two fit the token's total, and one its day while that is low.
const HELD: i64 = 400_000;
/// What a request that is settled costs.
const COST: i64 = 450_000;
/// What an administrator takes back.
const BACK: i64 = 150_000;

/// The core as `Store::open` puts it together, but for the thread of the writer.
struct Core {
    site: Site,
    queue: Arc<Queue<Op>>,
    books: Arc<Books>,
}

/// No more comes into the queue, however the scene ends: its writer must end too.
struct Closing<'a>(&'a Core);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

impl Core {
    fn new() -> (Self, Writer) {
        let site = Site::new();
        let sql = open_writer(site.path(), Durability::Process).unwrap();
        let (now, zone) = (site.clock.now(), site.zone);
        sql.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut txn = Txn::new(&sql, Head::read(&sql).unwrap(), now, zone).unwrap();
        seat(&mut txn).unwrap();
        let (head, _) = txn.finish().unwrap();
        sql.execute_batch("COMMIT").unwrap();
        let directory = directory();
        let book = load::load(&sql, site.path(), &directory, (now, zone)).unwrap();
        let queue = Arc::new(Queue::new());
        let books = Arc::new(Books::new(book, Arc::new(Inbox(Arc::clone(&queue))), site.clock.clone()));
        let writer = Writer {
            sql,
            queue: Arc::clone(&queue),
            books: Arc::clone(&books),
            directory,
            clock: site.clock.clone(),
            zone,
            head,
            housekeeping: Housekeeping::new(0, now),
            metrics: Arc::new(crate::telemetry::Metrics::new(std::collections::BTreeSet::new())),
        };
        (Self { site, queue, books }, writer)
    }

    /// Asks for money, and keeps to I3; the request's id if it was let in.
    fn request(&self, end: End) -> Option<RequestId> {
        let hold = self.site.hold(0, HELD);
        let id = hold.id;
        let pending = {
            let mut book = self.books.lock();
            let pending = self.books.reserve(&mut book, hold).ok()?;
            for line in book.room(TOKENS[0].0, self.site.windows()).unwrap().lines() {
                assert!(line.used.checked_add(line.held) <= Some(line.limit), "I3: {line:?}");
            }
            pending
        };
        match end {
            End::GoneAtOnce => drop(pending),
            End::GoneWaiting => stage::block_on(async { drop(pending.durable(PATIENCE).now_or_never()) }),
            End::GoneSent => stage::block_on(pending.durable(PATIENCE)).unwrap().dispatch(),
            End::Settled => {
                let held = stage::block_on(pending.durable(PATIENCE)).unwrap();
                stage::block_on(held.settle(costing(COST)).durable()).unwrap();
            }
        }
        Some(id)
    }

    /// Runs `change` on the writer and waits for it.
    fn change(&self, change: impl FnOnce(&mut Txn<'_>) -> rusqlite::Result<()> + Send + 'static) {
        let (change, done) =
            ChangeOf::new(move |txn: &mut Txn<'_>| -> Result<(), Denied<()>> { Ok(change(txn)?) });
        self.queue.push(Op::Change(Box::new(change))).ok().unwrap();
        stage::block_on(done).unwrap().unwrap();
    }

    /// Lowers and raises the token's daily limit, and takes back what nobody holds.
    fn administer(&self) {
        let (token, user) = TOKENS[0];
        for daily in [HELD + 1, 0] {
            self.change(move |txn| {
                let limits = Limits { daily: nanos(daily), monthly: Money::ZERO };
                let token = Arc::new(api_token(token, user));
                txn.effect(Effect::PutToken { token, unlimited: false, limits });
                Ok(())
            });
        }
        let taken = self.books.lock().take_from_token(token, nanos(BACK));
        if taken.is_ok() {
            self.change(move |txn| txn.grant_token(token, user, nanos(-BACK)));
        }
    }

    /// I3 of the totals, and I8: memory never shows more room than the disk.
    fn audit(&self) {
        let sql = raw(self.site.path());
        let book = self.books.lock();
        let room = book.room(TOKENS[0].0, self.site.windows()).unwrap();
        let lines: Vec<_> = room.lines().collect();
        for line in lines.iter().filter(|line| matches!(line.which, Which::Token | Which::User)) {
            assert!(line.used.checked_add(line.held) <= Some(line.limit), "I3: {line:?}");
            let (of, totals) = match line.which {
                Which::Token => ("token", TOKEN_SUMS),
                _ => ("user", "SELECT granted, used FROM users WHERE id = ?1"),
            };
            let (granted, used) = sums(&sql, totals, 1);
            let held = format!("SELECT 0, coalesce(sum(amount), 0) FROM holds WHERE {of}_id = ?1");
            let spent = used.checked_add(sums(&sql, &held, 1).1).unwrap();
            assert!(line.used.checked_add(line.held) >= Some(spent), "I8: {line:?}, the disk {spent:?}");
            assert!(line.limit <= granted, "I8: {line:?}, granted on disk {granted:?}");
        }
    }
}

/// Admissions, settlements, cancellations, changes of limits and the writer, each against each (I3, I8, I9).
#[test]
fn requests_ends_and_limits_against_each_other() {
    for ends in [
        [End::Settled, End::GoneAtOnce, End::GoneSent],
        [End::Settled, End::Settled, End::GoneWaiting],
        [End::GoneWaiting, End::GoneSent, End::Settled],
    ] {
        stage::explore(move || play(ends));
    }
}

fn play(ends: [End; 3]) {
    let (core, writer) = Core::new();
    let admitted = stage::scope(|outer| {
        outer.spawn(|| writer.run());
        let _closing = Closing(&core);
        stage::scope(|scope| {
            let core = &core;
            let clients: Vec<_> =
                ends.into_iter().map(|end| scope.spawn(move || core.request(end))).collect();
            scope.spawn(|| core.administer());
            (0..3).for_each(|_| core.audit());
            clients.into_iter().filter_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        })
    });
    core.site.assert_agrees(&core.books);
    let rows = "SELECT count(*) FROM ledger WHERE outcome <> 'credit'";
    assert_eq!(count(core.site.path(), rows), i64::try_from(admitted.len()).unwrap(), "one row each");
    let sql = raw(core.site.path());
    for id in admitted {
        assert!(row_of(&sql, id).charged <= COST);
    }
}
