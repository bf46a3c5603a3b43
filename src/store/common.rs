//! What many tokens have in common, kept in memory once: names of groups, allow-lists. A million tokens rarely have more than
//! a few of each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::store::token_record::unreadable;
use crate::tokens::{IpList, ModelList};

/// Values made of texts, each once.
#[derive(Debug)]
struct Kept<T> {
    /// The latest: rows that were made together mostly have the same.
    last: Option<(String, T)>,
    all: HashMap<String, T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { last: None, all: HashMap::new() }
    }
}

impl<T: Clone> Kept<T> {
    /// What `text` was made into, or `make` makes of it.
    fn get<E>(&mut self, text: &str, make: impl FnOnce(&str) -> Result<T, E>) -> Result<T, E> {
        if let Some((last, value)) = &self.last
            && last == text
        {
            return Ok(value.clone());
        }
        let value = match self.all.get(text) {
            Some(value) => value.clone(),
            None => {
                let value = make(text)?;
                self.all.insert(text.to_owned(), value.clone());
                value
            }
        };
        self.last = Some((text.to_owned(), value.clone()));
        Ok(value)
    }
}

/// See the room's head.
#[derive(Debug, Default)]
pub(super) struct Common {
    groups: Kept<Arc<str>>,
    models: Kept<ModelList>,
    ips: Kept<IpList>,
}

impl Common {
    /// The group that a row names; nothing is `default`.
    pub(super) fn group(&mut self, text: &str) -> Arc<str> {
        let name = if text.is_empty() { "default" } else { text };
        let Ok(name) = self.groups.get(name, |name| Ok::<_, std::convert::Infallible>(Arc::from(name)));
        name
    }

    /// The models that a row lists.
    ///
    /// # Errors
    /// When the list cannot be read: it was changed from outside.
    pub(super) fn models(&mut self, text: &str) -> rusqlite::Result<ModelList> {
        self.models.get(text, |text| ModelList::parse(text).map_err(|_| unreadable(14, "model_limits")))
    }

    /// The addresses that a row lists.
    ///
    /// # Errors
    /// When the list cannot be read: it was changed from outside.
    pub(super) fn ips(&mut self, text: &str) -> rusqlite::Result<IpList> {
        self.ips.get(text, |text| IpList::parse(text).map_err(|_| unreadable(17, "allow_ips")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_kept_once() {
        let mut common = Common::default();
        let (a, other, again) = (common.group("a"), common.group(""), common.group("a"));
        assert!(Arc::ptr_eq(&a, &again) && &*other == "default");
        let lists = ["gpt-*,x", "y", "gpt-*,x"].map(|text| common.models(text).unwrap());
        assert!(std::ptr::eq(lists[0].names(), lists[2].names()) && lists[1].names() == ["y"]);
        assert!(common.models("a*b").is_err() && common.ips("nowhere").is_err());
        assert!(common.models("a*b").is_err(), "a fault is not kept");
        assert!(common.ips("").unwrap().is_empty());
    }
}
