//! The store: the only room that speaks SQL. Owns the database file, its one writer (the journal's receiving half), the
//! pool of readers, and one file per noun. Must not know of HTTP or of models.

pub mod chain;
mod txn;

pub use txn::{Effect, Txn};

use std::sync::Arc;

use crate::ledger::{Books, StoreFault};

/// The open database.
pub struct Store;

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
        let _ = change;
        Err(WriteFault::Store(StoreFault::Closed))
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
        let _ = question;
        Err(StoreFault::Closed)
    }

    /// The books that the store makes durable.
    pub fn books(&self) -> &Arc<Books> {
        unreachable!()
    }
}
