//! A value that must not be printed. Owns [`Secret`]; `reveal` is the one way in.

use std::fmt;

/// Wraps a secret so that `{:?}` and `{}` print `«redacted»`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The hidden value; each caller is a place where it may leak.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«redacted»")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«redacted»")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn prints_nothing_of_the_value() {
        let secret = Secret::new("sk-abc".to_owned());
        assert_eq!(format!("{secret:?} {secret}"), "«redacted» «redacted»");
        assert_eq!(secret.reveal(), "sk-abc");
    }
}
