//! The environment as a value, and the one function of this room that reads the real one.

use std::collections::BTreeMap;

/// Environment variables: names and values.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What starts the name of every variable that is ours.
    pub(super) const PREFIX: &str = "TOLLGATE_";

    /// The process's own. Names and values that are not UTF-8 are left out, except that the value of one of ours is
    /// kept as well as it can be, so that it is refused and not overlooked.
    #[expect(clippy::disallowed_methods, reason = "configuration is where the environment is read")]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let value = match value.into_string() {
                Ok(value) => value,
                Err(value) if name.starts_with(Self::PREFIX) => value.to_string_lossy().into_owned(),
                Err(_) => return None,
            };
            Some((name, value))
        });
        Self(variables.collect())
    }

    /// The value of a variable, unless it is unset or empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable, if it is set.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Ours, by name, sorted; without [`Environment::PREFIX`].
    pub(super) fn ours(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(Self::PREFIX)?, value.as_str())))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
