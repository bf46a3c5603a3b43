//! The writer's inbox: first in, first out, taken in batches. Nothing here knows of SQL.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

/// What the writer finds when it looks.
pub enum Taken<T> {
    /// Operations, oldest first.
    Batch(Vec<T>),
    /// Nothing came in time.
    Idle,
    /// Nothing is left, and nothing more will come.
    Closed,
}

/// See the room's head.
pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    ready: Condvar,
}

struct Inner<T> {
    operations: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    /// An empty, open queue.
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner { operations: VecDeque::new(), closed: false }),
            ready: Condvar::new(),
        }
    }

    /// Puts `operation` behind the others. Never blocks.
    ///
    /// # Errors
    /// The operation itself when the queue is closed.
    pub fn push(&self, operation: T) -> Result<(), T> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(operation);
        }
        let wake = inner.operations.is_empty();
        inner.operations.push_back(operation);
        drop(inner);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Takes up to `most` operations, waiting up to `patience` for the first.
    pub fn take(&self, most: usize, patience: Duration) -> Taken<T> {
        let waiting = |inner: &mut Inner<T>| inner.operations.is_empty() && !inner.closed;
        let waited = self.ready.wait_timeout_while(self.lock(), patience, waiting);
        let (mut inner, _) = waited.expect("no operation is dropped under this lock");
        let count = inner.operations.len().min(most);
        if count > 0 {
            return Taken::Batch(inner.operations.drain(..count).collect());
        }
        if inner.closed { Taken::Closed } else { Taken::Idle }
    }

    /// How many operations wait.
    pub fn len(&self) -> usize {
        self.lock().operations.len()
    }

    /// Lets the writer finish what is in the queue, and refuses more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().expect("no operation is dropped under this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_and_a_closed_queue_is_emptied() {
        let queue = Queue::new();
        for number in 0..5 {
            queue.push(number).unwrap();
        }
        let patience = Duration::ZERO;
        assert!(matches!(queue.take(3, patience), Taken::Batch(batch) if batch == [0, 1, 2]));
        queue.close();
        assert_eq!(queue.push(9), Err(9));
        assert!(matches!(queue.take(3, patience), Taken::Batch(batch) if batch == [3, 4]));
        assert!(matches!(queue.take(3, patience), Taken::Closed));
    }
}
