//! A token bucket: its capacity is the limit per minute, refilled evenly, full at the start.

use crate::clock::Moment;
use crate::limits::RateState;

/// Parts of one unit: a unit of limit refills one part a millisecond.
const PARTS: i64 = 60_000;

/// See the room's head. The limit is given at each call, so that a change of it counts at once: a bucket without a limit is
/// full, and one whose limit was lowered is empty at most.
#[derive(Debug, Default)]
pub struct Bucket {
    /// Parts that are missing from a full bucket; never negative. More than the capacity: below empty.
    missing: i64,
    limit: i64,
    since: Option<Moment>,
}

impl Bucket {
    fn refill(&mut self, limit: i64, at: Moment) {
        let millis = self.since.map_or(0, |since| at.millis_since(since));
        self.missing = self.missing.saturating_sub(millis.saturating_mul(limit)).max(0);
        if limit != self.limit {
            self.missing = self.missing.min(limit.saturating_mul(PARTS));
            self.limit = limit;
        }
        self.since = Some(at);
    }

    /// Whether `count` units are there, or the bucket is full; else whole seconds until it would pass.
    pub fn check(&mut self, limit: i64, count: i64, at: Moment) -> Result<(), i64> {
        self.refill(limit, at);
        let most_missing = limit.saturating_sub(count).max(0).saturating_mul(PARTS);
        if self.missing <= most_missing {
            return Ok(());
        }
        let parts_a_second = limit.saturating_mul(1000).max(1);
        let wait = self.missing - most_missing;
        Err(wait.saturating_add(parts_a_second - 1) / parts_a_second)
    }

    /// Takes `count` units.
    pub fn take(&mut self, limit: i64, count: i64, at: Moment) {
        self.refill(limit, at);
        if limit == 0 {
            return;
        }
        self.missing = self.missing.saturating_add(count.saturating_mul(PARTS));
    }

    /// Gives `count` units back; a negative count takes more.
    pub fn give_back(&mut self, limit: i64, count: i64) {
        if limit != 0 {
            self.missing = self.missing.saturating_sub(count.saturating_mul(PARTS)).max(0);
        }
    }

    /// The bucket as a client is shown it.
    pub fn state(&mut self, limit: i64, at: Moment) -> RateState {
        self.refill(limit, at);
        let full = limit.saturating_mul(PARTS);
        let reset_millis = self.missing.saturating_add(limit - 1) / limit.max(1);
        RateState { limit, remaining: full.saturating_sub(self.missing).max(0) / PARTS, reset_millis }
    }
}
