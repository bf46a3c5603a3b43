//! The sending half of the journal: what the books say to whatever makes them durable. The receiving half is the
//! store's, so that nothing here needs to know of a database.

use std::fmt;

use tokio::sync::oneshot;

use crate::ledger::{Hold, Settled};

/// Why something could not be made durable.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The disk is full, or another process has locked the database: it may heal by itself.
    Unavailable,
    /// No word within the time a request may wait; it may yet become durable.
    TimedOut,
    /// The store refused this one operation (a constraint).
    Refused,
    /// The writer is gone: the process is ending.
    Closed,
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the store cannot record now",
            Self::TimedOut => "the store did not answer in time",
            Self::Refused => "the store refused the operation",
            Self::Closed => "the store is closed",
        })
    }
}

/// A promise that an operation will be durable. Awaiting it is the caller's choice: dropping it changes nothing.
#[derive(Debug)]
pub struct Ack(oneshot::Receiver<Result<(), StoreFault>>);

/// The other end of an [`Ack`].
#[derive(Debug)]
pub struct AckSender(oneshot::Sender<Result<(), StoreFault>>);

/// A connected pair.
pub fn ack() -> (AckSender, Ack) {
    let (sender, receiver) = oneshot::channel();
    (AckSender(sender), Ack(receiver))
}

impl Ack {
    /// Waits until the operation is on disk, or it is known that it will not be.
    ///
    /// # Errors
    /// Why it will not.
    pub async fn durable(self) -> Result<(), StoreFault> {
        self.0.await.unwrap_or(Err(StoreFault::Closed))
    }
}

impl AckSender {
    /// Tells whoever still waits.
    pub fn tell(self, result: Result<(), StoreFault>) {
        // Nobody may be waiting any more: that changes nothing.
        let _ = self.0.send(result);
    }
}

/// Takes operations in the order in which they must become durable. Neither call blocks or fails: what is open is
/// bounded by the requests in flight.
pub trait Journal: Send + Sync {
    /// Enqueues a hold.
    fn hold(&self, hold: Hold) -> Ack;
    /// Enqueues the end of a hold.
    fn settle(&self, settled: Settled) -> Ack;
}
