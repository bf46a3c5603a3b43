//! The journal's receiving half: the one thread that writes. It takes all that waits, makes it durable in one
//! transaction, lets memory take it over, and only then tells whoever waits.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

use crate::clock::{Clock, Timestamp};
use crate::directory::Directory;
use crate::ledger::{Ack, AckSender, Books, Hold, Journal, Settled, StoreFault, Zone, ack};
use crate::store::chain::Head;
use crate::store::change::{Change, Kept};
use crate::store::effect::Effect;
use crate::store::queue::{Queue, Taken};
use crate::store::responses;
use crate::store::retention::Housekeeping;
use crate::store::txn::Txn;
use crate::stored::StoredResponse;
use crate::telemetry::Metrics;

/// Operations in one transaction.
const BATCH: usize = 1_000;
/// How long nothing must come before the log is moved into the database.
const IDLE: Duration = Duration::from_millis(250);
/// How long a failed transaction waits before it is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// How long a stop waits for a store that cannot record.
const LAST: Duration = Duration::from_secs(5);
/// Pages of the log after which it is moved also under load: 16 MiB at 4 KiB.
const WAL_PAGES: i32 = 4_096;

/// One operation for the writer.
pub enum Op {
    /// Money held.
    Hold(Box<Hold>, AckSender),
    /// The end of a hold.
    Settle(Box<Settled>, AckSender),
    /// A stored response, ahead of whatever ends its hold.
    Keep(Box<StoredResponse>, AckSender),
    /// What an administrator changes.
    Change(Box<dyn Change>),
}

/// The sending half, as the books know it.
pub struct Inbox(pub Arc<Queue<Op>>);

impl Journal for Inbox {
    fn hold(&self, hold: Hold) -> Ack {
        let (sender, ack) = ack();
        refuse(self.0.push(Op::Hold(Box::new(hold), sender)));
        ack
    }

    fn settle(&self, settled: Settled) -> Ack {
        let (sender, ack) = ack();
        refuse(self.0.push(Op::Settle(Box::new(settled), sender)));
        ack
    }
}

/// A queue that is closed keeps nothing: what it was given is told so. A hold on disk is recovered at the next start.
pub fn refuse(pushed: Result<(), Op>) {
    match pushed {
        Ok(()) => {}
        Err(Op::Hold(_, sender) | Op::Settle(_, sender) | Op::Keep(_, sender)) => {
            sender.tell(Err(StoreFault::Closed));
        }
        Err(Op::Change(change)) => change.finish(Err(StoreFault::Closed)),
    }
}

thread_local! {
    /// Pages in the log after the last commit of this thread's connection.
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// What the writer needs; it owns the connection.
pub struct Writer {
    /// The writing connection.
    pub sql: Connection,
    /// Its inbox.
    pub queue: Arc<Queue<Op>>,
    /// The books it gives money back to.
    pub books: Arc<Books>,
    /// The directory that takes changes over.
    pub directory: Arc<Directory>,
    /// Time.
    pub clock: Clock,
    /// Where days begin.
    pub zone: Zone,
    /// The end of the chain on disk.
    pub head: Head,
    /// What is done now and then.
    pub housekeeping: Housekeeping,
    /// Where batches, commits and the length of the log are counted.
    pub metrics: Arc<Metrics>,
}

/// What became of an operation within a transaction that will be committed.
enum Done {
    Hold,
    HoldRefused,
    Settled,
    /// The hold was not there any more: nothing happened (R5).
    NothingToSettle,
    Kept,
    KeepRefused,
    /// Kept, or undone because its own rules refused it.
    Change,
    /// Undone because of a constraint.
    ChangeFailed,
}

impl Writer {
    /// Works until the queue is closed and empty. A panic or a failed flush ends the process: what is on disk then is what
    /// the next start finds, and settling again is harmless (R5).
    pub fn run(mut self) {
        drop(self.sql.wal_hook(Some(|_: &mut Wal, pages| {
            LOG_PAGES.set(pages);
            Ok(())
        })));
        let mut backlog: VecDeque<Op> = VecDeque::new();
        let mut end = None;
        loop {
            let troubled = !backlog.is_empty() || !self.books.recording();
            let patience = if troubled { RETRY } else { IDLE };
            match self.queue.take(BATCH, patience) {
                Taken::Batch(batch) => backlog.extend(batch),
                Taken::Idle if troubled => {}
                Taken::Idle => {
                    self.rest();
                    continue;
                }
                Taken::Closed if backlog.is_empty() => break,
                Taken::Closed if Instant::now() > *end.get_or_insert_with(|| Instant::now() + LAST) => {
                    log::error!(
                        "{} operations were not recorded: the next start recovers open holds",
                        backlog.len()
                    );
                    break;
                }
                Taken::Closed => std::thread::sleep(RETRY),
            }
            self.make_durable(&mut backlog);
            self.keep_house_if_due();
        }
        self.close();
    }

    /// Writes what is in `backlog`, or leaves in it what must be tried again.
    fn make_durable(&mut self, backlog: &mut VecDeque<Op>) {
        let count = backlog.len().min(BATCH);
        let mut batch: Vec<Op> = backlog.drain(..count).collect();
        let began = Instant::now();
        match self.transact(&mut batch) {
            Ok((head, effects, done)) => {
                self.note(count, began);
                self.head = head;
                if !self.books.set_recording(true) {
                    log::warn!("the store can record again");
                }
                self.take_over(batch, effects, &done);
                if LOG_PAGES.get() > WAL_PAGES {
                    self.checkpoint("PASSIVE");
                }
            }
            Err(error) if is_passing(&error) => {
                if self.books.set_recording(false) {
                    log::error!("the store cannot record ({error}): requests get 503 until it can");
                }
                for kept in batch.into_iter().filter_map(|op| self.give_up(op)).rev() {
                    backlog.push_front(kept);
                }
            }
            Err(error) => fatal(&error),
        }
        self.metrics.set_backlog(backlog.len());
    }

    /// Counts a transaction of `count` operations that is on disk. One of none only asked whether the disk has room.
    fn note(&self, count: usize, began: Instant) {
        self.metrics.set_wal_pages(LOG_PAGES.get());
        if count > 0 {
            self.metrics.batch.observe(u64::try_from(count).unwrap_or(u64::MAX));
            self.metrics.commit.time(began.elapsed());
        }
    }

    /// One transaction over `batch`: all of it, or nothing.
    fn transact(&self, batch: &mut [Op]) -> rusqlite::Result<(Head, Vec<Effect>, Vec<Done>)> {
        self.sql.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut work = || {
            let mut txn = Txn::new(&self.sql, self.head, self.clock.now(), self.zone)?;
            let done =
                batch.iter_mut().map(|op| perform(&mut txn, op)).collect::<rusqlite::Result<Vec<_>>>()?;
            if done.is_empty() {
                // Nothing waits, but it is not known whether the disk has room: write something.
                self.sql.prepare_cached("UPDATE anchor SET one = one")?.execute([])?;
            }
            let (head, effects) = txn.finish()?;
            self.sql.prepare_cached("COMMIT")?.execute([])?;
            Ok((head, effects, done))
        };
        let result = work();
        if result.is_err() && !self.sql.is_autocommit() {
            // If this fails too, SQLite has rolled back by itself.
            drop(self.sql.execute_batch("ROLLBACK"));
        }
        result
    }

    /// After the commit: memory takes over what is on disk, then the waiters are told (R4).
    fn take_over(&self, batch: Vec<Op>, effects: Vec<Effect>, done: &[Done]) {
        {
            let mut book = self.books.lock();
            for (op, done) in batch.iter().zip(done) {
                match (op, done) {
                    (Op::Settle(settled, _), Done::Settled) => book.commit(settled),
                    (Op::Hold(hold, _), Done::HoldRefused) => book.release(hold),
                    _ => {}
                }
            }
        }
        for effect in effects {
            effect.apply(&self.books, &self.directory);
        }
        for (op, done) in batch.into_iter().zip(done) {
            match (op, done) {
                (Op::Hold(_, sender), Done::HoldRefused) => sender.tell(Err(StoreFault::Refused)),
                (Op::Keep(_, sender), Done::KeepRefused) => sender.tell(Err(StoreFault::Refused)),
                (Op::Hold(_, sender) | Op::Settle(_, sender) | Op::Keep(_, sender), _) => sender.tell(Ok(())),
                (Op::Change(change), Done::ChangeFailed) => change.finish(Err(StoreFault::Refused)),
                (Op::Change(change), _) => change.finish(Ok(())),
            }
        }
    }

    /// The store cannot record: holds and changes are refused; settlements wait for it, and with them what they are about.
    fn give_up(&self, op: Op) -> Option<Op> {
        match op {
            Op::Hold(hold, sender) => {
                self.books.lock().release(&hold);
                sender.tell(Err(StoreFault::Unavailable));
                None
            }
            Op::Change(change) => {
                change.finish(Err(StoreFault::Unavailable));
                None
            }
            Op::Settle(..) | Op::Keep(..) => Some(op),
        }
    }

    /// Nothing to do: move the log into the database, and look after what is done now and then.
    fn rest(&mut self) {
        self.keep_house_if_due();
        if LOG_PAGES.get() > 0 {
            self.checkpoint("PASSIVE");
        }
    }

    fn keep_house_if_due(&mut self) {
        let now = self.clock.now();
        if self.books.recording() && self.housekeeping.is_due(now) {
            self.keep_house(now);
        }
    }

    fn keep_house(&mut self, now: Timestamp) {
        match self.housekeeping.run(&self.sql, self.head, now, self.zone) {
            Ok(head) => self.head = head,
            Err(error) if is_passing(&error) => log::warn!("housekeeping waits: {error}"),
            Err(error) => fatal(&error),
        }
        // Once in a round, however many slices that has.
        if !self.housekeeping.is_due(now) {
            log::info!("ledger head {}", self.head.spell());
        }
    }

    fn checkpoint(&self, mode: &str) {
        let moved = self.sql.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok((row.get::<_, i32>(1)?, row.get::<_, i32>(2)?))
        });
        match moved {
            Ok((log, done)) => {
                LOG_PAGES.set(log - done);
                self.metrics.set_wal_pages(log - done);
            }
            Err(error) if is_passing(&error) => log::warn!("the write-ahead log could not be moved: {error}"),
            Err(error) => fatal(&error),
        }
    }

    fn close(self) {
        self.checkpoint("TRUNCATE");
        log::info!("ledger head {}", self.head.spell());
        if let Err((_, error)) = self.sql.close() {
            log::error!("the database did not close: {error}");
        }
    }
}

fn perform(txn: &mut Txn<'_>, op: &mut Op) -> rusqlite::Result<Done> {
    match op {
        Op::Hold(hold, _) => match txn.insert_hold(hold) {
            Ok(()) => Ok(Done::Hold),
            // A failed INSERT undoes itself: this hold alone is refused.
            Err(error) if is_constraint(&error) => {
                log::error!("the store refused a hold: {error}");
                Ok(Done::HoldRefused)
            }
            Err(error) => Err(error),
        },
        Op::Settle(settled, _) => {
            let was_held = txn.settle(settled)?;
            Ok(if was_held { Done::Settled } else { Done::NothingToSettle })
        }
        Op::Keep(response, _) => match responses::keep(txn.sql(), response) {
            Ok(()) => Ok(Done::Kept),
            // No money depends on it.
            Err(error) if is_constraint(&error) || is_its_own(&error) => {
                log::error!("the store refused a stored response: {error}");
                Ok(Done::KeepRefused)
            }
            Err(error) => Err(error),
        },
        Op::Change(change) => {
            let mark = txn.mark()?;
            match change.run(txn) {
                Ok(Kept::Yes) => txn.keep(mark).map(|()| Done::Change),
                Ok(Kept::No) => txn.undo(&mark).map(|()| Done::Change),
                Err(error) if is_constraint(&error) || is_its_own(&error) => {
                    log::error!("the store refused a change: {error}");
                    txn.undo(&mark).map(|()| Done::ChangeFailed)
                }
                Err(error) => Err(error),
            }
        }
    }
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// Whether the fault is the change's and not the store's: no row where it wanted one, a value of another type, SQL that is none.
fn is_its_own(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code().is_none_or(|code| code == ErrorCode::Unknown)
}

/// Whether the store may record again by itself: no room, a foreign lock.
fn is_passing(error: &rusqlite::Error) -> bool {
    let shared_memory = matches!(
        error.sqlite_error(),
        Some(code) if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    );
    let passing = [
        ErrorCode::DiskFull,
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
        // What the tests deny and break off stands for the others.
        #[cfg(test)]
        ErrorCode::AuthorizationForStatementDenied,
        #[cfg(test)]
        ErrorCode::OperationInterrupted,
    ];
    shared_memory || error.sqlite_error_code().is_some_and(|code| passing.contains(&code))
}

/// After a failed flush the page cache may lie: nothing more may be believed or written.
#[expect(clippy::disallowed_methods, reason = "no drop may run: it would write")]
fn fatal(error: &rusqlite::Error) -> ! {
    log::error!("the store failed and cannot go on: {error}");
    log::logger().flush();
    std::process::exit(1)
}
