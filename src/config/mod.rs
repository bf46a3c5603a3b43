//! Configuration: from what was typed (`config.toml`, the environment) to what the rest sees, [`Config`]. Owns every
//! key, its default and its range, and the messages when one is wrong. Must not start anything, and never echoes a
//! secret.
//!
//! Two stages: `tree` holds the settings as typed, each with its place; `reader` takes them out by name and type, into
//! the resolved sections. `config.toml` is the manual; a test holds it against this code.

mod environment;
mod fault;
mod reader;
mod roster;
mod secrets;
mod sections;
mod tree;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use environment::Environment;
pub use fault::ConfigFault;
pub use sections::{Accounting, Database, Limits, Logging, Server};

use crate::catalogue::{
    Catalogue, CatalogueFault, DEFAULT_GROUP, Groups, Multiplier, PriceRow, SHIPPED, decimal_text,
};
use crate::channels::Roster;
use crate::tokens::Key;
use fault::{At, Fault};
use reader::{Context, Found, Section};
use tree::{Entries, Node};

/// Where the file is looked for when none is named, in this order.
const PLACES: [&str; 2] = ["config.toml", "/etc/tollgate/config.toml"];

/// The configuration, resolved: nothing in it is absent, relative to a default, or unchecked.
#[derive(Debug)]
pub struct Config {
    /// The file it came from; `None` = defaults and the environment alone.
    pub source: Option<PathBuf>,
    /// `[server]`.
    pub server: Server,
    /// `[database]`.
    pub database: Database,
    /// `[accounting]`.
    pub accounting: Accounting,
    /// `[limits]`.
    pub limits: Limits,
    /// `[logging]`.
    pub logging: Logging,
    /// `[[groups]]`, and [`DEFAULT_GROUP`].
    pub groups: Groups,
    /// `[[channels]]`, and the built-in one.
    pub roster: Roster,
    /// The shipped prices and `[[prices]]`.
    pub catalogue: Arc<Catalogue>,
    /// The admin key that the environment gives.
    pub admin_key: Option<Key>,
    /// What is no fault, but should be told at the start: one sentence each, with its place.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file at `path`, or the first of the usual places that has one, and the settings of `environment`.
    ///
    /// # Errors
    /// All that is wrong, with places; a file that is named but cannot be read.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigFault> {
        let Some((path, text)) = find_file(path)? else {
            return resolve(None, Entries::new(), environment);
        };
        Self::parse(&text, &path, environment)
    }

    /// The configuration of a file's text; `file` is its name in messages.
    ///
    /// # Errors
    /// All that is wrong, with places.
    pub fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Self, ConfigFault> {
        let entries = tree::parse_file(text).map_err(|fault| ConfigFault::new(Some(file), vec![fault]))?;
        resolve(Some(file), entries, environment)
    }
}

/// The file's path and text; `None` when none is named and no usual place has one.
fn find_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, ConfigFault> {
    let places = match named {
        Some(path) => vec![path],
        None => PLACES.iter().map(Path::new).collect(),
    };
    for path in places {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(Some((path.to_owned(), text))),
            Err(fault) if named.is_none() && fault.kind() == ErrorKind::NotFound => {}
            Err(fault) => return Err(ConfigFault::of_file(path, format!("cannot be read: {fault}"))),
        }
    }
    Ok(None)
}

fn resolve(
    file: Option<&Path>,
    mut entries: Entries,
    environment: &Environment,
) -> Result<Config, ConfigFault> {
    let misplaced = tree::overlay(&mut entries, environment);
    let context = Context::new(file, environment);
    let config = read(&context, entries);
    let mut findings = context.into_findings();
    findings.faults.extend(misplaced);
    match config {
        Some(config) if findings.faults.is_empty() => Ok(Config { warnings: findings.warnings, ..config }),
        _ => Err(ConfigFault::new(file, findings.faults)),
    }
}

/// Reads every section; what is wrong is noted in `context`. `None` only after a fault.
fn read(context: &Context<'_>, entries: Entries) -> Option<Config> {
    let mut top = Section::top(context, entries);
    let database = sections::database(top.section("database"));
    let server = sections::server(top.section("server"), &database.path);
    let accounting = sections::accounting(top.section("accounting"));
    let limits = sections::limits(top.section("limits"));
    let logging = sections::logging(top.section("logging"));
    let groups = groups(&mut top);
    let roster = roster::roster(context, top.tables("channels"), &groups);
    let catalogue = catalogue(&mut top);
    let admin_key = secrets::admin_key(context);
    top.finish();
    Some(Config {
        source: context.file.map(Path::to_owned),
        server,
        database,
        accounting,
        limits,
        logging,
        groups,
        roster,
        catalogue: Arc::new(catalogue?),
        admin_key,
        warnings: Vec::new(),
    })
}

fn groups(top: &mut Section<'_>) -> Groups {
    let mut groups = Groups::default();
    for mut section in top.tables("groups") {
        let name = section.text("name");
        let multiplier = multiplier(&mut section);
        match name {
            None if !section.has_read("name") => {
                section.context.fault(&section.at, &section.key("name"), "is missing");
            }
            None => {}
            Some(name) => {
                let taken =
                    groups.contains(&name.value).then_some("must be another: a group above has this name");
                match roster::check_name(&name.value).err().or(taken) {
                    Some(message) => section.context.fault(&name.at, &name.key, message),
                    None => {
                        groups.add(&name.value, multiplier);
                    }
                }
            }
        }
        section.finish();
    }
    groups.add(DEFAULT_GROUP, Multiplier::ONE);
    groups
}

fn multiplier(section: &mut Section<'_>) -> Multiplier {
    let Some(Found { at, key, value }) = section.take("multiplier") else { return Multiplier::ONE };
    let text =
        decimal_text(&value.to_plain()).ok_or_else(|| "must be a decimal number, such as 1.5".to_owned());
    match text.and_then(|text| Multiplier::parse(&text)) {
        Ok(multiplier) => multiplier,
        Err(message) => {
            section.context.fault(&at, &key, message);
            Multiplier::ONE
        }
    }
}

/// The shipped prices with the operator's over them; `None` after a fault.
fn catalogue(top: &mut Section<'_>) -> Option<Catalogue> {
    let context = top.context;
    PriceRow::keys().for_each(|key| context.know(&format!("prices.{key}")));
    let items = top.list("prices").unwrap_or_default();
    let mut places = Vec::new();
    let mut rows = Vec::new();
    for item in items {
        match price(&item) {
            Ok(row) => rows.push(row),
            Err(fault) => context.fault(&fault.at, &fault.key, fault.message),
        }
        places.push((item.at, item.key));
    }
    if rows.len() < places.len() {
        return None;
    }
    let fault = match Catalogue::parse(SHIPPED, rows) {
        Ok(catalogue) => return Some(catalogue),
        Err(fault) => fault,
    };
    let place = match &fault {
        CatalogueFault::Twice(place) => places.get(*place),
        CatalogueFault::Shipped(_) => None,
    };
    let (at, key) = place.cloned().unwrap_or((At::Nowhere, "prices".to_owned()));
    context.fault(&at, &key, fault);
    None
}

fn price(item: &Found<Node>) -> Result<PriceRow, Fault> {
    let toml::Value::Table(table) = item.value.to_plain() else {
        return Err(Fault {
            at: item.at.clone(),
            key: item.key.clone(),
            message: "must be a table".to_owned(),
        });
    };
    PriceRow::parse(&table).map_err(|fault| Fault {
        at: item.value.place_of(&fault.key),
        key: if fault.key.is_empty() { item.key.clone() } else { format!("{}.{}", item.key, fault.key) },
        message: fault.message,
    })
}

#[cfg(test)]
mod tests;
