//! Maps by keys that nobody outside chooses: numbers that this program hands out, and digests. They need no hash that
//! resists chosen keys, so theirs is one multiplication. Owns the hash; must not know what it is asked about.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by such a key. Not for a key of which a client can say what it is: with keys chosen for it, it would be a list.
pub type SpreadMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Odd, and without a pattern in its bits: the fraction of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// So many numbers in a row (a power of two) lie side by side in a map: who loads a million in their order fills page
/// after page, and a map that is half empty takes little more memory than what is in it.
const TOGETHER: u64 = 64;

/// The bits that a map tells neighbours apart by, without looking at their keys.
const TAG: u64 = 0x7f << 57;

/// See the room's head.
#[derive(Copy, Clone, Debug, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    /// A word that is uniform over its range, such as a part of a digest, is taken as it is.
    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    /// A number that was handed out. A map takes its place from the lower bits of the hash.
    fn write_i64(&mut self, number: i64) {
        let number = number.cast_unsigned();
        let block = (number / TOGETHER).wrapping_mul(FACTOR).rotate_left(32);
        let place = (block & !(TOGETHER - 1)) | (number & (TOGETHER - 1));
        self.0 = (place & !TAG) | (number.wrapping_mul(FACTOR) & TAG);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(FACTOR);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::BuildHasher;

    use super::*;

    /// Numbers in a row, and those with a power of two between them, crowd into no few blocks of a map for twice as many.
    #[test]
    fn neighbours_and_multiples_are_told_apart() {
        let spread = BuildHasherDefault::<Spread>::default();
        for shift in [0, 1, 3, 5, 6, 8, 16, 21, 32] {
            let (mut blocks, mut tags) = (HashMap::new(), HashMap::new());
            for number in 1_i64..=4_096 {
                let hash = spread.hash_one(number << shift);
                *blocks.entry(hash % 8_192 / TOGETHER).or_insert(0) += 1;
                *tags.entry(hash >> 57).or_insert(0) += 1;
            }
            assert!(blocks.values().all(|numbers| *numbers <= 128), "a step of 2^{shift}: {blocks:?}");
            assert!(tags.values().all(|numbers| *numbers <= 48), "a step of 2^{shift}: {tags:?}");
        }
    }
}
