//! How long the gateway itself takes for an exchange: its whole time without what it waits for others.

use std::cell::Cell;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// See the room's head.
#[derive(Debug)]
pub struct Stopwatch {
    began: Instant,
    marked: Instant,
    others: Cell<Duration>,
}

/// Time of others, until it is dropped: also a wait that is given up counts.
struct Wait<'a> {
    watch: &'a Stopwatch,
    since: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.watch.add(self.since.elapsed());
    }
}

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Self {
        let now = Instant::now();
        Self { began: now, marked: now, others: Cell::new(Duration::ZERO) }
    }

    /// Marks the moment at which the money was held in memory.
    pub fn mark(&mut self) {
        self.marked = Instant::now();
    }

    /// The time since the mark.
    pub fn since_mark(&self) -> Duration {
        self.marked.elapsed()
    }

    /// Waits for somebody else: that is not the gateway's time. What is waited for is pinned where it stands: an `async fn`
    /// keeps what it is given twice.
    pub async fn wait<T>(&self, waiting: Pin<&mut impl Future<Output = T>>) -> T {
        let _wait = Wait { watch: self, since: Instant::now() };
        waiting.await
    }

    /// Adds time of others.
    pub fn add(&self, time: Duration) {
        self.others.set(self.others.get().saturating_add(time));
    }

    /// The gateway's own time so far.
    pub fn own(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.others.get())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn time_of_others_is_not_the_gateways() {
        let watch = Stopwatch::start();
        watch.wait(pin!(std::future::ready(()))).await;
        watch.add(Duration::from_secs(3_600));
        assert_eq!(watch.own(), Duration::ZERO);
        assert!(watch.others.get() >= Duration::from_secs(3_600));
    }
}
