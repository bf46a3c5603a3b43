//! The API's answers as people read them. Reads what the API wrote; where it does not look as expected the JSON itself is
//! shown, so that what was done, and a key above all, is never lost.

mod ledger;
mod token;
mod user;

use std::io;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::args::Format;
use super::screen::{Out, safe_json};

/// How an answer's `data` is shown.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// One token, with its key where there is one.
    Token,
    /// A page of tokens.
    Tokens,
    /// That a token is gone.
    Deleted {
        /// Its number.
        token: u64,
    },
    /// One user.
    User,
    /// A page of users.
    Users,
    /// A page of the ledger.
    Ledger,
    /// One ledger row.
    Entry,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
struct Page<T> {
    items: Vec<T>,
    total: Option<i64>,
    page: i64,
}

impl View {
    /// Prints `data`.
    ///
    /// # Errors
    /// Of the output.
    pub fn print(self, data: &str, format: Format, out: Out<'_>) -> io::Result<()> {
        if format.json {
            return writeln!(out, "{}", safe_json(data));
        }
        match self {
            Self::Token => shown(data, out, token::print),
            Self::Tokens => shown(data, out, token::print_page),
            Self::Deleted { token } => writeln!(out, "token {token} is deleted"),
            Self::User => shown(data, out, user::print),
            Self::Users => shown(data, out, user::print_page),
            Self::Ledger => shown(data, out, ledger::print_page),
            Self::Entry => shown(data, out, ledger::print),
        }
    }
}

fn shown<T: DeserializeOwned>(
    data: &str,
    out: Out<'_>,
    print: impl FnOnce(&T, Out<'_>) -> io::Result<()>,
) -> io::Result<()> {
    match serde_json::from_str(data) {
        Ok(value) => print(&value, out),
        Err(_) => writeln!(out, "{}", safe_json(data)),
    }
}

impl<T> Page<T> {
    /// Prints which part of the list this is, unless it is all of it.
    fn print_place(&self, what: &str, out: Out<'_>) -> io::Result<()> {
        let count = self.items.len();
        let all = self.page == 1 && self.total.and_then(|total| usize::try_from(total).ok()) == Some(count);
        if all && count > 0 {
            return Ok(());
        }
        match self.total {
            Some(0) => writeln!(out, "no {what}"),
            Some(total) => writeln!(out, "page {}: {count} of {total} {what}", self.page),
            None => writeln!(out, "page {}: {count} {what}", self.page),
        }
    }
}

/// The word for a token's or user's status.
fn status_word(status: i64) -> String {
    match status {
        1 => "enabled".to_owned(),
        2 => "disabled".to_owned(),
        3 => "expired".to_owned(),
        4 => "exhausted".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
