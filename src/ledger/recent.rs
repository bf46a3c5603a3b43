//! The windows of one kind that a token has touched lately.

use crate::money::Money;

/// What is used and held in one window of one token.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// `YYYYMMDD` or `YYYYMM`.
    pub key: i64,
    /// Charged.
    pub used: Money,
    /// Held.
    pub held: Money,
}

/// The windows of one kind that a token has touched lately, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(Vec<Sums>);

impl Recent {
    /// The sums of a window; zero for one that was not touched.
    pub fn get(&self, key: i64) -> Sums {
        let found = self.0.iter().rev().find(|sums| sums.key == key);
        found.copied().unwrap_or(Sums { key, ..Sums::default() })
    }

    /// The sums of a window, to be changed.
    pub fn entry(&mut self, key: i64) -> &mut Sums {
        let at = match self.0.binary_search_by_key(&key, |sums| sums.key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Sums { key, ..Sums::default() });
                at
            }
        };
        &mut self.0[at]
    }

    /// Forgets the oldest windows in which nothing is held, down to `keep`; the key of the newest forgotten one.
    pub fn prune(&mut self, keep: usize) -> Option<i64> {
        let mut forgotten = None;
        while self.0.len() > keep && self.0.first().is_some_and(|sums| sums.held == Money::ZERO) {
            forgotten = Some(self.0.remove(0).key);
        }
        forgotten
    }
}
