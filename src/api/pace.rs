//! How often a token may call the token API: a bucket for each in memory, refilled evenly, full at a start.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::ids::TokenId;

/// Microseconds in a minute: the time in which an empty bucket fills.
const MINUTE: i64 = 60_000_000;

/// Buckets kept before full ones are forgotten.
const BUCKETS: usize = 4_096;

/// The buckets of all callers, each as the moment when it will be full, in microseconds.
#[derive(Debug)]
pub struct Pace {
    /// Calls per minute; 0 is no limit.
    rpm: i64,
    full_at: Mutex<HashMap<TokenId, i64>>,
}

impl Pace {
    /// Buckets of `rpm` calls per minute; 0 is no limit.
    pub fn new(rpm: i64) -> Self {
        Self { rpm, full_at: Mutex::new(HashMap::new()) }
    }

    /// Takes one call of `token` at `now` (milliseconds of a clock that never steps back).
    ///
    /// # Errors
    /// The seconds until one would pass, at least 1.
    pub fn take(&self, token: TokenId, now: i64) -> Result<(), i64> {
        if self.rpm <= 0 {
            return Ok(());
        }
        let now = now.saturating_mul(1_000);
        let cost = MINUTE.div_euclid(self.rpm).max(1);
        let mut buckets = self.full_at.lock().expect("nothing panics under this lock");
        if buckets.len() > BUCKETS {
            buckets.retain(|_, full_at| *full_at > now);
        }
        let full_at = buckets.entry(token).or_insert(now);
        let after = (*full_at).max(now).saturating_add(cost);
        let wait = after.saturating_sub(now).saturating_sub(MINUTE.max(cost));
        if wait > 0 {
            return Err(wait.saturating_add(999_999).div_euclid(1_000_000));
        }
        *full_at = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let pace = Pace::new(3);
        let token = TokenId(1);
        for _ in 0..3 {
            assert_eq!(pace.take(token, 0), Ok(()));
        }
        assert_eq!(pace.take(token, 0), Err(20));
        assert_eq!(pace.take(token, 19_500), Err(1));
        assert_eq!(pace.take(token, 20_000), Ok(()));
        assert_eq!(pace.take(token, 20_000), Err(20));
        assert_eq!(pace.take(TokenId(2), 20_000), Ok(()));
    }

    #[test]
    fn no_limit_is_none() {
        let pace = Pace::new(0);
        assert!((0..10_000).all(|_| pace.take(TokenId(1), 0).is_ok()));
    }
}
