//! Groups of tokens and channels, each with a multiplier on every price.

use super::Multiplier;

/// The group that is always there.
pub const DEFAULT_GROUP: &str = "default";

/// The groups in the order in which they were configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Vec<(String, Multiplier)>);

impl Groups {
    /// Adds a group behind the others; whether it was not there yet.
    pub fn add(&mut self, name: &str, multiplier: Multiplier) -> bool {
        let is_new = !self.contains(name);
        if is_new {
            self.0.push((name.to_owned(), multiplier));
        }
        is_new
    }

    /// Whether there is such a group.
    pub fn contains(&self, name: &str) -> bool {
        self.multiplier(name).is_some()
    }

    /// The multiplier of a group.
    pub fn multiplier(&self, name: &str) -> Option<Multiplier> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, multiplier)| *multiplier)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}
