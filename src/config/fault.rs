//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// On that line of the configuration file.
    Line(usize),
    /// In that environment variable.
    Variable(Arc<str>),
    /// Nowhere: a default, or the file as a whole.
    Nowhere,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) at: At,
    /// The key from the top down, `server.listen`; empty where none is meant.
    pub(super) key: String,
    /// What is wrong and what would be right. Never a secret.
    pub(super) message: String,
}

/// All that is wrong with a configuration. Prints one line for each: `file:line: key: message`, or
/// `VARIABLE: key: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    file: Option<PathBuf>,
    faults: Vec<Fault>,
}

impl ConfigFault {
    /// Everything found, in the order of the file.
    pub(super) fn new(file: Option<&Path>, mut faults: Vec<Fault>) -> Self {
        faults.sort();
        faults.dedup();
        Self { file: file.map(Path::to_owned), faults }
    }

    /// One fault of a file as a whole.
    pub(super) fn of_file(file: &Path, message: String) -> Self {
        Self::new(Some(file), vec![Fault { at: At::Nowhere, key: String::new(), message }])
    }
}

impl std::error::Error for ConfigFault {}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{}", located(self.file.as_deref(), &fault.at, &fault.key, &fault.message))?;
        }
        Ok(())
    }
}

/// A message with its place in front.
pub(super) fn located(file: Option<&Path>, at: &At, key: &str, message: &str) -> String {
    let mut text = match (at, file) {
        (At::Line(line), Some(file)) => format!("{}:{line}: ", file.display()),
        (At::Line(line), None) => format!("line {line}: "),
        (At::Variable(name), _) => format!("{name}: "),
        (At::Nowhere, Some(file)) => format!("{}: ", file.display()),
        (At::Nowhere, None) => String::new(),
    };
    if !key.is_empty() {
        text.push_str(key);
        text.push_str(": ");
    }
    text.push_str(message);
    text
}
