//! A change of the management API as the writer sees it: something to run in its transaction, and somebody to tell.

use tokio::sync::oneshot;

use crate::ledger::StoreFault;
use crate::store::txn::Txn;
use crate::store::{Denied, WriteFault};

/// A change of the management API, run on the writer's thread.
pub trait Change: Send {
    /// Runs it; whether it is to be kept. An error is a statement's.
    ///
    /// # Errors
    /// Of the store.
    fn run(&mut self, txn: &mut Txn<'_>) -> rusqlite::Result<Kept>;
    /// Tells whoever waits.
    fn finish(self: Box<Self>, fate: Result<(), StoreFault>);
}

/// Whether a change is kept or refused by its own rules.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    Yes,
    /// It is undone.
    No,
}

/// A change made of a function, with the value it gives back.
pub struct ChangeOf<F, T, E> {
    change: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, WriteFault<E>>>,
}

impl<F, T, E> ChangeOf<F, T, E> {
    /// A change, and where its result arrives.
    pub fn new(change: F) -> (Self, oneshot::Receiver<Result<T, WriteFault<E>>>) {
        let (reply, result) = oneshot::channel();
        (Self { change: Some(change), result: None, reply }, result)
    }
}

impl<F, T, E> Change for ChangeOf<F, T, E>
where
    F: FnOnce(&mut Txn<'_>) -> Result<T, Denied<E>> + Send,
    T: Send,
    E: Send,
{
    fn run(&mut self, txn: &mut Txn<'_>) -> rusqlite::Result<Kept> {
        let Some(change) = self.change.take() else { return Ok(Kept::No) };
        match change(txn) {
            Ok(value) => {
                // Its counters too, so that sums which the schema refuses are refused with it alone.
                txn.flush()?;
                self.result = Some(Ok(value));
                Ok(Kept::Yes)
            }
            Err(Denied::Refused(refusal)) => {
                self.result = Some(Err(refusal));
                Ok(Kept::No)
            }
            Err(Denied::Sql(error)) => Err(error),
        }
    }

    fn finish(self: Box<Self>, fate: Result<(), StoreFault>) {
        let result = match (fate, self.result) {
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), Some(Err(refusal))) => Err(WriteFault::Refused(refusal)),
            (Ok(()), None) => Err(WriteFault::Store(StoreFault::Refused)),
            (Err(fault), _) => Err(WriteFault::Store(fault)),
        };
        // Whoever asked may be gone: the change stands all the same.
        drop(self.reply.send(result));
    }
}
