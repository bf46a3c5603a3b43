//! The store: the only room that speaks SQL. Owns the database file, its one writer (the journal's receiving half), the
//! pool of readers, and one file per noun. Must not know of HTTP or of models.

pub mod admins;
pub mod audit;
pub mod chain;
mod change;
mod common;
mod effect;
pub mod entries;
mod examine;
pub mod idempotency;
mod journal;
pub mod keys;
pub mod load;
mod open;
mod queue;
mod readers;
mod recover;
mod responses;
mod retention;
mod token_record;
pub mod tokens;
mod txn;
mod upgrade;
pub mod usage;
pub mod users;
mod verify;

#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use examine::{Examined, examine};
pub use open::{Durability, OpenFault};
pub use recover::Recovery;
pub use txn::Txn;
pub use verify::{Report, verify};

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::ledger::{Books, StoreFault, Zone};
use crate::store::change::ChangeOf;
use crate::store::journal::{Inbox, Op, Writer};
use crate::store::open::{InstanceLock, lock_instance, open_writer, prepare_directory, sql_failed};
use crate::store::queue::Queue;
use crate::store::readers::Readers;
use crate::store::retention::Housekeeping;
use crate::telemetry::Metrics;

/// Changes of the management API that may wait for the writer at one time.
const CHANGES_WAITING: usize = 256;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database file.
    pub path: PathBuf,
    /// What a commit survives.
    pub durability: Durability,
    /// What becomes of holds that a killed process left.
    pub recovery: Recovery,
    /// Days that ledger rows are kept; 0 keeps all.
    pub retention_days: i64,
}

/// The open database of a running instance, which holds its lock.
pub struct Store {
    queue: Arc<Queue<Op>>,
    books: Arc<Books>,
    readers: Readers,
    waiting: Semaphore,
    writer: Mutex<Option<JoinHandle<()>>>,
    clock: Clock,
    _lock: InstanceLock,
}

/// A connection, as a question to the store is handed one: only the store's own functions do anything with it.
pub use rusqlite::Connection as Sql;
/// What such a question gives.
pub use rusqlite::Result as SqlResult;

/// Why a change was not made.
#[derive(Debug)]
pub enum WriteFault<E> {
    /// Its own rules refused it; nothing was changed.
    Refused(E),
    /// The store could not record it; nothing was changed.
    Store(StoreFault),
}

/// What a change's function gives back instead of its value.
#[derive(Debug)]
pub enum Denied<E> {
    /// A rule refuses it.
    Refused(E),
    /// A statement failed.
    Sql(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Denied<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Store {
    /// Opens the database, makes it sound after an unclean stop, loads `directory` and the books, and starts the writer, which
    /// counts in `metrics`.
    ///
    /// # Errors
    /// When it is in use, damaged, newer, or the system refuses.
    pub fn open(
        settings: &Settings,
        directory: &Arc<Directory>,
        clock: &Clock,
        zone: Zone,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, OpenFault> {
        prepare_directory(&settings.path)?;
        let lock = lock_instance(&settings.path)?;
        let sql = open_writer(&settings.path, settings.durability)?;
        let failed = |error: rusqlite::Error| sql_failed(&settings.path, &error);
        let now = clock.now();
        let (recovered, head) =
            recover::settle_leftovers(&sql, settings.recovery, now, zone).map_err(failed)?;
        metrics.count_recovered(recovered);
        if recovered > 0 {
            log::warn!(
                "{recovered} requests were in flight when the last run ended: settled by the rule `{}`",
                settings.recovery.as_str()
            );
        }
        let book = load::load(&sql, &settings.path, directory, (now, zone))?;
        let queue = Arc::new(Queue::new());
        let books = Arc::new(Books::new(book, Arc::new(Inbox(Arc::clone(&queue))), clock.clone()));
        let writer = Writer {
            sql,
            queue: Arc::clone(&queue),
            books: Arc::clone(&books),
            directory: Arc::clone(directory),
            clock: clock.clone(),
            zone,
            head,
            housekeeping: Housekeeping::new(settings.retention_days, now),
            metrics: Arc::clone(metrics),
        };
        let thread = start(writer)?;
        Ok(Self {
            queue,
            books,
            readers: Readers::new(settings.path.clone()),
            waiting: Semaphore::new(CHANGES_WAITING),
            writer: Mutex::new(Some(thread)),
            clock: clock.clone(),
            _lock: lock,
        })
    }

    /// Makes a change durable: runs `change` on the writer's thread inside its transaction, under a savepoint of its own; when
    /// this returns `Ok`, it is on disk and memory has taken it over.
    ///
    /// # Errors
    /// When `change` refuses, or the store cannot record.
    pub async fn write<T, E, F>(&self, change: F) -> Result<T, WriteFault<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&mut Txn<'_>) -> Result<T, Denied<E>> + Send + 'static,
    {
        let _place = self.waiting.acquire().await;
        let (change, result) = ChangeOf::new(change);
        if self.queue.push(Op::Change(Box::new(change))).is_err() {
            return Err(WriteFault::Store(StoreFault::Closed));
        }
        result.await.unwrap_or(Err(WriteFault::Store(StoreFault::Closed)))
    }

    /// Answers a question on a reading connection, off the workers; bounded to about a second.
    ///
    /// # Errors
    /// When no connection is free in time, the question takes too long, or the store fails.
    pub async fn read<T, F>(&self, question: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.readers.read(question).await
    }

    /// The books that the store makes durable.
    pub fn books(&self) -> &Arc<Books> {
        &self.books
    }

    /// How many operations wait for the writer.
    pub fn queue_depth(&self) -> usize {
        self.queue.len()
    }

    /// Finishes what is queued, moves the log into the database and ends the writer. What comes later is refused.
    pub fn close(&self) {
        self.queue.close();
        let writer = self.writer.lock().map(|mut writer| writer.take());
        if let Ok(Some(writer)) = writer {
            // A writer that panicked has ended the process already.
            drop(writer.join());
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// Starts the writer on a thread of its own, whose panic ends the process.
fn start(writer: Writer) -> Result<JoinHandle<()>, OpenFault> {
    struct EndProcess;
    impl Drop for EndProcess {
        #[expect(clippy::disallowed_methods, reason = "without its writer the process can promise nothing")]
        fn drop(&mut self) {
            if std::thread::panicking() {
                log::logger().flush();
                std::process::exit(1);
            }
        }
    }
    let run = move || {
        let _end = EndProcess;
        writer.run();
    };
    std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(run)
        .map_err(|error| OpenFault::Failed(format!("cannot start the journal's thread: {error}")))
}
