//! Reads the tree: takes keys out of a section by name and type, notes every fault and goes on with the default, and at
//! the end refuses the keys that nobody asked for. So one start tells all that is wrong.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::environment::Environment;
use super::fault::{At, Fault, located};
use super::tree::{Entries, Node, Value, parse_text};
use crate::catalogue::decimal_text;
use crate::money::scaled_decimal;

/// The longest time that a key may state: a day.
const MAX_SECONDS: Duration = Duration::from_secs(86_400);

/// What all sections share.
pub(super) struct Context<'a> {
    pub(super) file: Option<&'a Path>,
    pub(super) environment: &'a Environment,
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<String>>,
    /// Every key that was asked for, without places in lists: `channels.name`.
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(file: Option<&'a Path>, environment: &'a Environment) -> Self {
        Self {
            file,
            environment,
            faults: RefCell::default(),
            warnings: RefCell::default(),
            known: RefCell::default(),
        }
    }

    pub(super) fn fault(&self, at: &At, key: &str, message: impl Display) {
        let fault = Fault { at: at.clone(), key: key.to_owned(), message: message.to_string() };
        self.faults.borrow_mut().push(fault);
    }

    pub(super) fn warn(&self, at: &At, key: &str, message: impl Display) {
        self.warnings.borrow_mut().push(located(self.file, at, key, &message.to_string()));
    }

    /// Notes a key as known.
    pub(super) fn know(&self, path: &str) {
        self.known.borrow_mut().insert(without_places(path));
    }

    /// What was noted.
    pub(super) fn into_findings(self) -> Findings {
        Findings {
            faults: self.faults.into_inner(),
            warnings: self.warnings.into_inner(),
            #[cfg(test)]
            known: self.known.into_inner(),
        }
    }
}

/// What reading noted.
pub(super) struct Findings {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
    /// Every key that was asked for, without places in lists: `channels.name`.
    #[cfg(test)]
    pub(super) known: BTreeSet<String>,
}

/// `channels[3].name` → `channels.name`.
fn without_places(path: &str) -> String {
    path.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

/// A table being read.
pub(super) struct Section<'c> {
    pub(super) context: &'c Context<'c>,
    pub(super) at: At,
    path: String,
    entries: Entries,
    asked: Vec<&'static str>,
    /// Of those asked for, the ones that were there.
    read: Vec<&'static str>,
}

/// A value that was read, with what is needed to complain of it later.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub(super) at: At,
    pub(super) key: String,
    pub(super) value: T,
}

impl<'c> Section<'c> {
    /// The whole of the settings.
    pub(super) fn top(context: &'c Context<'c>, entries: Entries) -> Self {
        Self { context, at: At::Nowhere, path: String::new(), entries, asked: Vec::new(), read: Vec::new() }
    }

    /// The full name of a key of this section.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether `key` was asked for and stood there.
    pub(super) fn has_read(&self, key: &str) -> bool {
        self.read.contains(&key)
    }

    /// Takes what stands at `key`.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Found<Node>> {
        self.asked.push(key);
        let path = self.key(key);
        self.context.know(&path);
        let node = self.entries.remove(key)?;
        self.read.push(key);
        Some(Found { at: node.at.clone(), key: path, value: node })
    }

    /// The table at `key`; an empty one where there is none.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'c> {
        let path = self.key(key);
        let (at, entries) = match self.take(key) {
            None => (At::Nowhere, Entries::new()),
            Some(found) => (found.at.clone(), self.table_of(found)),
        };
        Section { context: self.context, at, path, entries, asked: Vec::new(), read: Vec::new() }
    }

    /// The entries of the table at `key`, whatever their keys.
    pub(super) fn entries(&mut self, key: &'static str) -> Entries {
        self.take(key).map(|found| self.table_of(found)).unwrap_or_default()
    }

    fn table_of(&self, found: Found<Node>) -> Entries {
        match self.typed(found.value, &found.key).map(|node| node.value) {
            Some(Value::Table(entries)) => entries,
            Some(_) => {
                self.context.fault(&found.at, &found.key, "must be a section (a table)");
                Entries::new()
            }
            None => Entries::new(),
        }
    }

    /// The items of the list at `key`; `None` where there is none.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<Found<Node>>> {
        let found = self.take(key)?;
        match self.typed(found.value, &found.key)?.value {
            Value::Array(items) => Some(
                (0..)
                    .zip(items)
                    .map(|(place, node): (usize, Node)| Found {
                        at: node.at.clone(),
                        key: format!("{}[{place}]", found.key),
                        value: node,
                    })
                    .collect(),
            ),
            _ => {
                self.context.fault(&found.at, &found.key, "must be a list: [ … ]");
                None
            }
        }
    }

    /// The tables of the list at `key`: `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'c>> {
        let items = self.list(key).unwrap_or_default();
        items
            .into_iter()
            .map(|found| Section {
                context: self.context,
                at: found.at.clone(),
                path: found.key.clone(),
                entries: self.table_of(found),
                asked: Vec::new(),
                read: Vec::new(),
            })
            .collect()
    }

    /// The texts of the list at `key`; `None` where there is none.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Found<String>>> {
        let items = self.list(key)?;
        Some(items.into_iter().filter_map(|found| self.text_of(found)).collect())
    }

    /// A text; empty ones are refused.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Found<String>> {
        let found = self.take(key)?;
        self.text_of(found)
    }

    /// A node as a text that is not empty.
    pub(super) fn text_of(&self, found: Found<Node>) -> Option<Found<String>> {
        let text = match found.value.value {
            Value::Leaf(toml::Value::String(text)) | Value::Text(text) => text,
            _ => {
                self.context.fault(&found.at, &found.key, "must be a text in quotes");
                return None;
            }
        };
        if text.is_empty() {
            self.context.fault(&found.at, &found.key, "must not be empty");
            return None;
        }
        Some(Found { at: found.at, key: found.key, value: text })
    }

    /// A text that `parse` reads.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let found = self.text(key)?;
        parse(&found.value).map_err(|message| self.context.fault(&found.at, &found.key, message)).ok()
    }

    /// One of the words of `choices`, of which the first is the default.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> T {
        let words = || choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let chosen = self.parsed(key, |text| {
            let choice = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
            choice.ok_or_else(|| format!("must be one of {}", words()))
        });
        chosen.unwrap_or(choices[0].1)
    }

    /// `true` or `false`; `None` where there is none.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let found = self.take(key)?;
        match &found.value.value {
            Value::Leaf(toml::Value::Boolean(flag)) => return Some(*flag),
            Value::Text(text) if text == "true" => return Some(true),
            Value::Text(text) if text == "false" => return Some(false),
            _ => self.context.fault(&found.at, &found.key, "must be true or false"),
        }
        None
    }

    /// A whole number within `range`.
    pub(super) fn whole<T: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        default: T,
    ) -> T {
        let Some(found) = self.take(key) else { return default };
        let number = match &found.value.value {
            Value::Leaf(toml::Value::Integer(number)) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let fits = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        fits.unwrap_or_else(|| {
            let message = format!("must be a whole number, {} to {}", range.start(), range.end());
            self.context.fault(&found.at, &found.key, message);
            default
        })
    }

    /// A time in seconds, at most a day, at least `least`; decimals are fine.
    pub(super) fn seconds(&mut self, key: &'static str, least: Duration, default: Duration) -> Duration {
        let Some(found) = self.take(key) else { return default };
        let text = match &found.value.value {
            Value::Leaf(toml::Value::String(_)) | Value::Table(_) | Value::Array(_) => None,
            Value::Leaf(leaf) => decimal_text(leaf),
            Value::Text(text) => Some(text.trim().to_owned()),
        };
        let millis = text.and_then(|text| scaled_decimal(&text, 1_000).ok());
        let time = millis.and_then(|millis| u64::try_from(millis.value).ok()).map(Duration::from_millis);
        time.filter(|time| (least..=MAX_SECONDS).contains(time)).unwrap_or_else(|| {
            let message =
                format!("must be a number of seconds, {} to {}", least.as_secs_f64(), MAX_SECONDS.as_secs());
            self.context.fault(&found.at, &found.key, message);
            default
        })
    }

    /// A variable's text as what it spells; anything else as it is.
    fn typed(&self, node: Node, key: &str) -> Option<Node> {
        let Value::Text(text) = &node.value else { return Some(node) };
        parse_text(text, &node.at).map_err(|message| self.context.fault(&node.at, key, message)).ok()
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(self) {
        for (key, node) in &self.entries {
            let known = match closest(key, &self.asked) {
                Some(near) => format!("did you mean {}?", self.key(near)),
                None if self.path.is_empty() && key.contains('_') && matches!(node.at, At::Variable(_)) => {
                    "two underscores set a section and its key apart".to_owned()
                }
                None => format!("known here are {}", self.asked.join(", ")),
            };
            // A section that exists because of a variable is not where the mistake is: name the variable below.
            for node in leaves(node) {
                self.context.fault(&node.at, &self.key(key), format!("unknown key; {known}"));
            }
        }
    }
}

/// The node itself, or where it is a section that variables made, the variables.
fn leaves(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::Table(entries) if matches!(node.at, At::Variable(_)) && !entries.is_empty() => {
            entries.values().flat_map(leaves).collect()
        }
        _ => vec![node],
    }
}

/// The known key that `key` most likely meant: one that differs by at most two letters, or by underscores.
fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|known| (distance(key, known), *known))
        .filter(|(far, known)| *far <= 2 && *far * 2 < known.len())
        .min_by_key(|(far, _)| *far)
        .map(|(_, known)| known)
}

/// Levenshtein's.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in (1..).zip(one.chars().take(64)) {
        let mut diagonal = std::mem::replace(&mut row[0], line);
        for column in 0..other.len() {
            let change = diagonal + usize::from(other[column] != letter);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found() {
        for (typed, want) in
            [("listn", Some("listen")), ("lisen", Some("listen")), ("tls", None), ("work", None)]
        {
            assert_eq!(closest(typed, &["listen", "workers", "control_socket"]), want, "{typed}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(without_places("channels[12].timeouts.idle"), "channels.timeouts.idle");
    }
}
