//! The exchanges that run: counted, so that a stop can wait for them, and cut when it has waited long enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

/// See the room's head.
#[derive(Debug)]
pub struct Running {
    count: AtomicUsize,
    ended: Notify,
    cut: watch::Sender<bool>,
}

impl Default for Running {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), ended: Notify::new(), cut: watch::Sender::new(false) }
    }
}

/// One exchange, counted until this is dropped.
#[derive(Debug)]
pub struct Run {
    running: Arc<Running>,
    cut: watch::Receiver<bool>,
}

impl Running {
    /// Counts one more; `None` when all are cut, so that nothing begins behind a stop that waits for none.
    pub fn begin(self: &Arc<Self>) -> Option<Run> {
        // Counted first: whoever cuts sees either the count here or nobody.
        self.count.fetch_add(1, Ordering::AcqRel);
        let run = Run { running: Arc::clone(self), cut: self.cut.subscribe() };
        (!*self.cut.borrow()).then_some(run)
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until none runs.
    pub async fn none(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Ends all that run, and lets none begin; they settle as they are dropped.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }
}

impl Run {
    /// Waits until it is to be cut.
    pub async fn cut(&mut self) {
        // The sender lives in `running`, which this keeps alive.
        drop(self.cut.wait_for(|cut| *cut).await);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.count.fetch_sub(1, Ordering::AcqRel);
        self.running.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_begins_behind_a_cut() {
        let running = Arc::new(Running::default());
        let mut run = running.begin().unwrap();
        assert_eq!(running.count(), 1);
        running.cut();
        run.cut().await;
        assert!(running.begin().is_none());
        drop(run);
        running.none().await;
    }
}
