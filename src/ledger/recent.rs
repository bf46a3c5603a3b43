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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_asked_for_and_the_oldest_go_first() {
        let mut recent = Recent::default();
        assert_eq!(recent.get(20_261_124), Sums { key: 20_261_124, ..Sums::default() });
        for key in [3, 1, 2] {
            recent.entry(key).used = Money::from_nanos(key);
        }
        recent.entry(2).held = Money::from_nanos(9);
        assert_eq!(recent.prune(3), None);
        assert_eq!(recent.prune(2), Some(1));
        // Something is held in the oldest that is left: it stays, and what is behind it.
        assert_eq!(recent.prune(0), None);
        assert_eq!(recent.get(2), Sums { key: 2, used: Money::from_nanos(2), held: Money::from_nanos(9) });
        assert_eq!(recent.get(1), Sums { key: 1, ..Sums::default() });
        recent.entry(2).held = Money::ZERO;
        assert_eq!(recent.prune(0), Some(3));
    }
}
