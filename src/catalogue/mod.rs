//! The catalogue: models and their prices. Owns [`Catalogue`] (which entry prices a model), [`PriceEntry`] (the prices
//! of one) and [`Terms`] (what a request may cost, and what it did: the only rounding). Must not know of budgets,
//! channels or files.

mod entry;
mod groups;
mod images;
mod provider;
mod rate;
mod row;
mod terms;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use entry::PriceEntry;
pub use groups::{DEFAULT_GROUP, Groups};
pub use provider::Provider;
pub use rate::{Multiplier, decimal_text};
pub use row::PriceRow;
pub use terms::{Bound, Shown, Speech, Task, Terms, Tier, TierAsk, UnseenInput};

/// The price file that is part of the program.
pub const SHIPPED: &str = include_str!("../../prices.toml");

/// Which entry prices which model.
#[derive(Debug, Default)]
pub struct Catalogue {
    exact: BTreeMap<String, Vec<Listed>>,
    /// Prefixes (patterns without their `*`), the longest first.
    prefixes: Vec<(String, Vec<Listed>)>,
}

/// An entry as it stands in the list of its pattern.
#[derive(Clone, Debug)]
struct Listed {
    provider: Option<Provider>,
    origin: Origin,
    entry: Arc<PriceEntry>,
}

/// Who wrote an entry.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Origin {
    Shipped,
    Operator,
}

/// Why there is no catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueFault {
    /// The shipped file is no TOML, or one of its rows no price.
    Shipped(String),
    /// Two of the operator's entries name the same model (and provider): the place of the second, from 0.
    Twice(usize),
}

impl fmt::Display for CatalogueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped(fault) => write!(f, "the shipped prices: {fault}"),
            Self::Twice(place) => write!(f, "entry {place} prices a model that an entry above it prices too"),
        }
    }
}

impl Catalogue {
    /// The catalogue of a price file (`[[prices]]` tables, as [`SHIPPED`]) and of the operator's entries over it. An
    /// operator's entry replaces the shipped one of the same `model` whole; without a provider, that of any provider.
    ///
    /// # Errors
    /// When a shipped row is malformed or stands twice, or one of the operator's stands twice.
    pub fn parse(shipped: &str, operator: Vec<PriceRow>) -> Result<Self, CatalogueFault> {
        let shipped = shipped_rows(shipped)?;
        let mut listed: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        for row in shipped {
            let name = row.model.clone();
            add(&mut listed, &row, Origin::Shipped)
                .map_err(|()| CatalogueFault::Shipped(format!("{name} stands twice")))?;
        }
        for (place, row) in operator.into_iter().enumerate() {
            if let Some(entries) = listed.get_mut(&row.model) {
                entries.retain(|other| {
                    let replaced = row.provider.is_none() || row.provider == other.provider;
                    other.origin == Origin::Operator || !replaced
                });
            }
            add(&mut listed, &row, Origin::Operator).map_err(|()| CatalogueFault::Twice(place))?;
        }
        Ok(Self::indexed(listed))
    }

    fn indexed(listed: BTreeMap<String, Vec<Listed>>) -> Self {
        let mut catalogue = Self::default();
        for (pattern, entries) in listed {
            match pattern.strip_suffix('*') {
                Some(prefix) => catalogue.prefixes.push((prefix.to_owned(), entries)),
                None => {
                    catalogue.exact.insert(pattern, entries);
                }
            }
        }
        catalogue.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        catalogue
    }

    /// The entry that prices `model` when a channel of `provider` serves it: the exact name before any pattern, the
    /// longer pattern before the shorter, one of that provider before one of any. `None` = the model is unpriced.
    pub fn entry(&self, provider: Provider, model: &str) -> Option<Arc<PriceEntry>> {
        self.find(provider, model).map(|listed| Arc::clone(&listed.entry))
    }

    /// Whether `model` is one of the "priced models of `provider`" that a channel without `models` serves. Shipped
    /// entries that name no provider are other companies' models: priced where a channel lists them, offered by none.
    pub fn offers(&self, provider: Provider, model: &str) -> bool {
        self.find(provider, model)
            .is_some_and(|listed| listed.provider.is_some() || listed.origin == Origin::Operator)
    }

    /// The exact names that [`Catalogue::entry`] prices for `provider`, sorted.
    pub fn models(&self, provider: Provider) -> impl Iterator<Item = &str> {
        self.exact
            .iter()
            .filter(move |(_, entries)| best(entries, provider).is_some())
            .map(|(name, _)| name.as_str())
    }

    fn find(&self, provider: Provider, model: &str) -> Option<&Listed> {
        self.exact.get(model).and_then(|entries| best(entries, provider)).or_else(|| {
            self.prefixes
                .iter()
                .filter(|(prefix, _)| model.starts_with(prefix.as_str()))
                .find_map(|(_, entries)| best(entries, provider))
        })
    }
}

/// Of the entries of one pattern: the provider's own, else the one of any provider.
fn best(entries: &[Listed], provider: Provider) -> Option<&Listed> {
    entries
        .iter()
        .find(|listed| listed.provider == Some(provider))
        .or_else(|| entries.iter().find(|listed| listed.provider.is_none()))
}

fn add(listed: &mut BTreeMap<String, Vec<Listed>>, row: &PriceRow, origin: Origin) -> Result<(), ()> {
    let entries = listed.entry(row.model.clone()).or_default();
    if entries.iter().any(|other| other.provider == row.provider) {
        return Err(());
    }
    entries.push(Listed { provider: row.provider, origin, entry: Arc::new(PriceEntry::from_row(row)) });
    Ok(())
}

fn shipped_rows(text: &str) -> Result<Vec<PriceRow>, CatalogueFault> {
    let file: toml::Table =
        text.parse().map_err(|fault: toml::de::Error| CatalogueFault::Shipped(fault.to_string()))?;
    let rows = file.get("prices").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    rows.iter()
        .map(|row| {
            let table =
                row.as_table().ok_or_else(|| CatalogueFault::Shipped("a price is no table".into()))?;
            PriceRow::parse(table).map_err(|fault| {
                let model = table.get("model").and_then(toml::Value::as_str).unwrap_or("?");
                CatalogueFault::Shipped(format!("{model}: {fault}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
