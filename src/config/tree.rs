//! The settings as typed: a tree in which every value knows where it was written. The file makes it; the environment's
//! variables are laid over it, after the file was parsed, so that the file's faults keep their lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::fault::{At, Fault};

/// A table's entries.
pub(super) type Entries = BTreeMap<String, Node>;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// A value as typed.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(Entries),
    Array(Vec<Node>),
    /// A string, number, boolean or date of the file.
    Leaf(toml::Value),
    /// A variable's text, which is of whatever type its key wants.
    Text(String),
}

/// Variables of ours that are no settings.
const NOT_SETTINGS: [&str; 2] = ["ADMIN_KEY", "ADMIN_KEY_FILE"];

/// Parses a file's text.
///
/// # Errors
/// The first place where it is no TOML.
pub(super) fn parse_file(text: &str) -> Result<Entries, Fault> {
    let document = DeTable::parse(text).map_err(|fault| Fault {
        at: fault.span().map_or(At::Nowhere, |span| line_of(text, span.start)),
        key: String::new(),
        message: fault.message().to_owned(),
    })?;
    Ok(table(document.get_ref(), &|offset| line_of(text, offset)))
}

fn line_of(text: &str, offset: usize) -> At {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    At::Line(before.iter().filter(|byte| **byte == b'\n').count() + 1)
}

fn table(table: &DeTable<'_>, place: &dyn Fn(usize) -> At) -> Entries {
    table
        .iter()
        .map(|(key, value)| {
            (key.get_ref().to_string(), Node { at: place(key.span().start), value: node_value(value, place) })
        })
        .collect()
}

fn node_value(value: &Spanned<DeValue<'_>>, place: &dyn Fn(usize) -> At) -> Value {
    match value.get_ref() {
        DeValue::Table(inner) => Value::Table(table(inner, place)),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| Node { at: place(item.span().start), value: node_value(item, place) })
                .collect(),
        ),
        DeValue::String(text) => Value::Leaf(toml::Value::String(text.to_string())),
        DeValue::Integer(number) => Value::Leaf(match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => toml::Value::Integer(number),
            Err(_) => toml::Value::Float(f64::INFINITY), // beyond any range that a key has
        }),
        DeValue::Float(number) => {
            Value::Leaf(toml::Value::Float(number.as_str().parse().unwrap_or(f64::NAN)))
        }
        DeValue::Boolean(flag) => Value::Leaf(toml::Value::Boolean(*flag)),
        DeValue::Datetime(date) => Value::Leaf(toml::Value::Datetime(*date)),
    }
}

/// Lays the environment's settings over the file's: `TOLLGATE_SERVER__LISTEN` is `server.listen`.
pub(super) fn overlay(entries: &mut Entries, environment: &Environment) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, text) in environment.ours().filter(|(name, _)| !NOT_SETTINGS.contains(name)) {
        let at = At::Variable(Arc::from(format!("{}{name}", Environment::PREFIX)));
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        if let Err(message) = put(entries, &path, &at, text) {
            faults.push(Fault { at, key: path.join("."), message });
        }
    }
    faults
}

fn put(entries: &mut Entries, path: &[String], at: &At, text: &str) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        entries.insert(first.clone(), Node { at: at.clone(), value: Value::Text(text.to_owned()) });
        return Ok(());
    }
    let node = entries
        .entry(first.clone())
        .or_insert_with(|| Node { at: at.clone(), value: Value::Table(Entries::new()) });
    if let Value::Text(table) = &node.value {
        node.value = parse_text(table, &node.at)?.value;
    }
    match &mut node.value {
        Value::Table(inner) => put(inner, rest, at, text),
        Value::Array(_) => Err(format!("{first} is a list; a variable can only replace it whole")),
        Value::Leaf(_) | Value::Text(_) => Err(format!("{first} is no section")),
    }
}

/// A variable's text as the table or list that its key wants, in TOML or JSON.
pub(super) fn parse_text(text: &str, at: &At) -> Result<Node, String> {
    if let Ok(value) = DeValue::parse(text.trim()) {
        return Ok(Node { at: at.clone(), value: node_value(&value, &|_| at.clone()) });
    }
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "is neither a TOML nor a JSON value".to_owned())?;
    let value = toml::Value::try_from(json).map_err(|_| "must hold no null".to_owned())?;
    Ok(from_plain(value, at))
}

fn from_plain(value: toml::Value, at: &At) -> Node {
    let value = match value {
        toml::Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, value)| (key, from_plain(value, at))).collect())
        }
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| from_plain(item, at)).collect())
        }
        leaf => Value::Leaf(leaf),
    };
    Node { at: at.clone(), value }
}

impl Node {
    /// The value without its places.
    pub(super) fn to_plain(&self) -> toml::Value {
        match &self.value {
            Value::Table(table) => {
                toml::Value::Table(table.iter().map(|(key, node)| (key.clone(), node.to_plain())).collect())
            }
            Value::Array(items) => toml::Value::Array(items.iter().map(Self::to_plain).collect()),
            Value::Leaf(leaf) => leaf.clone(),
            Value::Text(text) => toml::Value::String(text.clone()),
        }
    }

    /// The place of what stands at a dotted key below, or of the nearest thing above it.
    pub(super) fn place_of(&self, key: &str) -> At {
        let mut node = self;
        for part in key.split('.') {
            match &node.value {
                Value::Table(table) => match table.get(part) {
                    Some(inner) => node = inner,
                    None => break,
                },
                _ => break,
            }
        }
        node.at.clone()
    }
}
