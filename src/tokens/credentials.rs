//! Reads the credentials of one request, wherever a client's SDK puts them.

use crate::tokens::Key;

/// Why a request has no one good key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// No credential at all.
    Missing,
    /// One that has not the shape of a key.
    Malformed,
    /// Two different ones.
    Ambiguous,
}

/// The credentials of one request, added one by one and compared.
#[derive(Debug, Default)]
pub struct Credentials {
    value: Option<Vec<u8>>,
    ambiguous: bool,
}

impl Credentials {
    /// Reads them from a request's headers, given as names in lower case and values.
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut credentials = Self::default();
        for (name, value) in headers {
            match name {
                "authorization" => credentials.add_authorization(value),
                "x-api-key" | "x-goog-api-key" | "api-key" => credentials.add(value),
                _ => {}
            }
        }
        credentials
    }

    /// Adds the value of an `Authorization` header: only the scheme `Bearer` (in any case) carries a key.
    pub fn add_authorization(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        let scheme = value.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            self.add(value.get(scheme.len()..).unwrap_or_default());
        }
    }

    /// Adds a bare value: of `x-api-key`, `x-goog-api-key`, `api-key`, or `?key=` where that is one. An empty one is absent.
    pub fn add(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        if value.is_empty() {
            return;
        }
        let value = value.strip_prefix(b"sk-").unwrap_or(value);
        match &self.value {
            None => self.value = Some(value.to_vec()),
            Some(before) => self.ambiguous |= before != value,
        }
    }

    /// The one key.
    ///
    /// # Errors
    /// When there is none, more than one, or one of another shape.
    pub fn key(&self) -> Result<Key, CredentialFault> {
        match &self.value {
            _ if self.ambiguous => Err(CredentialFault::Ambiguous),
            None => Err(CredentialFault::Missing),
            // `sk-` was taken off already: once is enough.
            Some(value) if value.starts_with(b"sk-") => Err(CredentialFault::Malformed),
            Some(value) => Key::parse(value).ok_or(CredentialFault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_from_any_place() {
        use CredentialFault::{Ambiguous, Malformed, Missing};
        let a = "a".repeat(48);
        let b = "b".repeat(48);
        let cases: [(&[&str], &[&str], Option<CredentialFault>); 14] = [
            (&[], &[], Some(Missing)),
            (&[""], &[""], Some(Missing)),
            (&["Bearer"], &[], Some(Missing)),
            (&["Basic dXNlcjpwYXNz"], &[], Some(Missing)),
            (&["Basic dXNlcjpwYXNz"], &["sk-A"], None),
            (&["Bearer sk-A"], &[], None),
            (&["bearer\tsk-A "], &["A"], None),
            (&["Bearer sk-A", "Bearer sk-A"], &["sk-A"], None),
            (&["Bearer sk-A", "Bearer sk-B"], &[], Some(Ambiguous)),
            (&["Bearer sk-A"], &["sk-B"], Some(Ambiguous)),
            (&["Bearer sk-A"], &["nonsense"], Some(Ambiguous)),
            (&["Bearer nonsense"], &[], Some(Malformed)),
            (&["Bearer sk-"], &[], Some(Malformed)),
            (&["Bearer sk-sk-A"], &[], Some(Malformed)),
        ];
        for (authorization, bare, fault) in cases {
            let mut credentials = Credentials::default();
            let spell =
                |text: &str| text.replace("sk-A", &format!("sk-{a}")).replace("sk-B", &format!("sk-{b}"));
            for value in authorization {
                credentials.add_authorization(spell(value).as_bytes());
            }
            for value in bare {
                let value = if *value == "A" { a.clone() } else { spell(value) };
                credentials.add(value.as_bytes());
            }
            assert_eq!(credentials.key().err(), fault, "{authorization:?} {bare:?}");
        }
    }
}
