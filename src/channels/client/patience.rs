//! How long to wait for a provider. Owns [`Patience`] and the alarm that rings when it is over; must not know what is
//! waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::fault::Fault;
use crate::channels::Timeouts;

/// The limits of one exchange, once its connection stands.
#[derive(Copy, Clone, Debug)]
pub struct Patience {
    /// From the request sent to the head of the answer; `None` = bounded by `until` alone.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the body; `None` = bounded by `until` alone.
    pub idle: Option<Duration>,
    /// When everything must be over.
    pub until: Instant,
}

impl Patience {
    /// For an exchange that began at `since` and is answered by a stream.
    pub fn stream(timeouts: &Timeouts, since: Instant) -> Self {
        Self {
            first_byte: Some(timeouts.first_byte),
            idle: Some(timeouts.idle),
            until: since + timeouts.total,
        }
    }

    /// For an exchange that began at `since` and is answered whole.
    pub fn plain(timeouts: &Timeouts, since: Instant) -> Self {
        Self { first_byte: None, idle: None, until: since + timeouts.total }
    }
}

/// Rings when a wait took too long.
pub(super) struct Alarm {
    patience: Patience,
    /// When the wait under way is too long, and what it is then; `None` = nothing is waited for.
    due: Option<(Instant, Fault)>,
    /// Set late rather than often: rings at or before `due`, and is then set again. So a piece costs no timer.
    bell: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Waits for the answer's head from now on.
    pub(super) fn for_head(patience: Patience) -> Self {
        let due = patience.due(patience.first_byte, Fault::HeadTimeout);
        let bell = Box::pin(sleep_until(due.0));
        Self { patience, due: Some(due), bell }
    }

    /// Something came: the wait is over.
    pub(super) fn calm(&mut self) {
        self.due = None;
    }

    /// Whether the whole exchange is over time, also when no wait in it was long.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.patience.until
    }

    /// Goes on waiting, or begins to; ready with the fault when it took too long.
    pub(super) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        let patience = self.patience;
        let (due, fault) = self.due.get_or_insert_with(|| patience.due(patience.idle, Fault::IdleTimeout));
        if self.bell.deadline() > *due {
            self.bell.as_mut().reset(*due);
        }
        loop {
            ready!(self.bell.as_mut().poll(cx));
            if Instant::now() >= *due {
                return Poll::Ready(fault.clone());
            }
            self.bell.as_mut().reset(*due);
        }
    }
}

impl Patience {
    fn due(&self, limit: Option<Duration>, fault: Fault) -> (Instant, Fault) {
        match limit.map(|limit| Instant::now() + limit) {
            Some(at) if at < self.until => (at, fault),
            _ => (self.until, Fault::TotalTimeout),
        }
    }
}
