//! The pool of reading connections: each question runs off the workers, for about a second at most, and its answer is
//! complete before anyone sees it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use r2d2::{ManageConnection, Pool};
use rusqlite::Connection;

use crate::ledger::StoreFault;
use crate::store::open::open_reader;

/// How long a question may run, and wait for a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions at one time.
const CONNECTIONS: u32 = 4;

/// SQLite's virtual-machine steps between two looks at the clock.
const STEPS: std::ffi::c_int = 10_000;

struct Opener(PathBuf);

impl ManageConnection for Opener {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        open_reader(&self.0).map_err(|fault| {
            log::error!("cannot open a reading connection: {fault}");
            rusqlite::Error::InvalidPath(self.0.clone())
        })
    }

    fn is_valid(&self, _: &mut Connection) -> Result<(), rusqlite::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

/// See the room's head.
#[derive(Clone)]
pub struct Readers(Pool<Opener>);

impl Readers {
    /// A pool for the database at `path`; connections are made when they are needed.
    pub fn new(path: PathBuf) -> Self {
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(PATIENCE)
            .test_on_check_out(false)
            .build_unchecked(Opener(path));
        Self(pool)
    }

    /// Answers `question` on a thread for blocking work.
    ///
    /// # Errors
    /// When no connection is free in time, the question takes too long, or the store fails.
    pub async fn read<T, F>(&self, question: F) -> Result<T, StoreFault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let pool = self.0.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut sql = pool.get().map_err(|_| StoreFault::Unavailable)?;
            bounded(&mut sql, question).map_err(|error| {
                log::error!("a question to the store failed: {error}");
                StoreFault::Unavailable
            })
        });
        answer.await.unwrap_or(Err(StoreFault::Unavailable))
    }
}

fn bounded<T>(
    sql: &mut Connection,
    question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let end = Instant::now() + PATIENCE;
    sql.progress_handler(STEPS, Some(move || Instant::now() > end))?;
    let answer = question(sql);
    sql.progress_handler(0, None::<fn() -> bool>)?;
    answer
}
