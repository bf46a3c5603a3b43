//! Keys: 48 characters drawn uniformly, of which only a hash is kept.

use std::fmt;
use std::hash::{Hash, Hasher};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of a key, without `sk-`.
pub const KEY_LENGTH: usize = 48;

/// The secret string of a token. 62^48 possibilities: 285 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Secret<[u8; KEY_LENGTH]>);

/// `SHA-256("sk-" + key)`: all that is kept of a key. It is no credential.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl Hash for KeyHash {
    /// Eight bytes of a digest are as good as all: nobody can choose them but by drawing keys. Turned so that the upper bits of
    /// the digest, by which the store orders keys, are those from which a map takes a key's place: a start fills it in order.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_be_bytes([a, b, c, d, e, f, g, h]).rotate_left(21));
    }
}

/// Draws keys: ChaCha20, seeded once from the operating system.
pub struct KeyMint(ChaCha20Rng);

impl KeyMint {
    /// A mint with a fresh seed.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn try_new() -> Result<Self, getrandom::Error> {
        ChaCha20Rng::try_from_rng(&mut getrandom::SysRng).map(Self)
    }

    /// A new key, each character uniform over the 62 of `[0-9A-Za-z]` (by rejection: no modulo bias).
    pub fn mint(&mut self) -> Key {
        let mut key = [0; KEY_LENGTH];
        let mut filled = 0;
        let mut random = [0; 64];
        while filled < KEY_LENGTH {
            self.0.fill_bytes(&mut random);
            for symbol in random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 0x3f))) {
                if let Some(place) = key.get_mut(filled) {
                    *place = *symbol;
                    filled += 1;
                }
            }
        }
        Key(Secret::new(key))
    }
}

impl Key {
    /// Reads what a client presents: 48 of `[0-9A-Za-z]`, after `sk-` or bare. Anything else is `None`, unhashed.
    pub fn parse(presented: &[u8]) -> Option<Self> {
        let body = presented.strip_prefix(b"sk-").unwrap_or(presented);
        let key: [u8; KEY_LENGTH] = body.try_into().ok()?;
        key.iter().all(u8::is_ascii_alphanumeric).then(|| Self(Secret::new(key)))
    }

    /// The 48 characters, without `sk-`: for the one answer that shows them.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(self.0.reveal()).unwrap_or_default()
    }

    /// What the store keeps.
    pub fn hash(&self) -> KeyHash {
        let mut sha = Sha256::new();
        sha.update(b"sk-");
        sha.update(self.0.reveal());
        KeyHash(sha.finalize().into())
    }
}

impl KeyHash {
    /// From the stored 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 hex digits: a token's public name in lists and logs.
    pub fn fingerprint(&self) -> String {
        self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_uniform_and_distinct() {
        let mut mint = KeyMint::try_new().unwrap();
        let mut counts = [0_i64; 256];
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let key = mint.mint();
            key.reveal().bytes().for_each(|byte| counts[usize::from(byte)] += 1);
            assert!(seen.insert(key.reveal().to_owned()));
        }
        // 480 000 draws over 62 symbols: mean 7 742, sigma 87; six sigma is 524.
        for symbol in ALPHABET {
            let count = counts[usize::from(*symbol)];
            assert!((count - 7_742).abs() < 524, "{}: {count}", char::from(*symbol));
        }
    }

    #[test]
    fn the_hash_is_that_of_the_whole_key() {
        let key = Key::parse(b"sk-000000000000000000000000000000000000000000000000").unwrap();
        // printf %s sk-000000000000000000000000000000000000000000000000 | sha256sum
        assert_eq!(key.hash().fingerprint(), "e1edf957");
        assert_eq!(Key::parse(&b"0".repeat(48)), Some(key));
    }

    #[test]
    fn what_has_not_the_shape_is_no_key() {
        let hash_as_key = b"a".repeat(64);
        for bad in
            [&b""[..], b"sk-", b"sk-short", &b"0".repeat(47), &b"0".repeat(49), &hash_as_key, &[0xff; 48]]
        {
            assert_eq!(Key::parse(bad), None);
        }
    }
}
