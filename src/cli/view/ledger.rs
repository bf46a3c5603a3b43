//! Ledger rows as people read them.

use std::io;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Page;
use crate::cli::screen::{Out, Table, time};

/// What is shown of a row. Dollars stay the digits that were sent.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    id: String,
    time: i64,
    token_id: Option<i64>,
    user_id: Option<i64>,
    model: String,
    channel: String,
    attempts: i64,
    outcome: String,
    usage: serde_json::Map<String, serde_json::Value>,
    usage_source: String,
    held_usd: Box<RawValue>,
    charged_usd: Box<RawValue>,
    overrun_usd: Box<RawValue>,
    granted_usd: Box<RawValue>,
    refund_of: Option<String>,
    #[serde(default)]
    note: String,
}

/// `$1.5`; nothing for zero, which in a list says nothing.
fn dollars(number: &RawValue) -> String {
    match number.get() {
        "0" => "-".to_owned(),
        digits => match digits.strip_prefix('-') {
            Some(digits) => format!("-${digits}"),
            None => format!("${digits}"),
        },
    }
}

fn or_dash(id: Option<i64>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| id.to_string())
}

fn text_or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

impl Entry {
    /// The kinds that were used: `input 12, output 5`.
    fn usage(&self) -> String {
        let used = self.usage.iter().filter(|(_, count)| count.as_i64() != Some(0));
        let used: Vec<String> = used.map(|(kind, count)| format!("{kind} {count}")).collect();
        text_or_dash(&used.join(", "))
    }
}

/// One row.
pub(super) fn print(entry: &Entry, out: Out<'_>) -> io::Result<()> {
    let mut table = Table::plain();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("id", entry.id.clone());
    row("time", time(entry.time));
    row("token", or_dash(entry.token_id));
    row("user", or_dash(entry.user_id));
    row("outcome", entry.outcome.clone());
    row("model", text_or_dash(&entry.model));
    row("channel", text_or_dash(&entry.channel));
    row("attempts", entry.attempts.to_string());
    row("usage", format!("{} ({})", entry.usage(), entry.usage_source));
    row("held", dollars(&entry.held_usd));
    row("charged", dollars(&entry.charged_usd));
    row("overrun", dollars(&entry.overrun_usd));
    row("granted", dollars(&entry.granted_usd));
    if let Some(of) = &entry.refund_of {
        row("gives back", of.clone());
    }
    if !entry.note.is_empty() {
        row("note", entry.note.clone());
    }
    table.print(out)
}

/// A page of rows, a line each.
pub(super) fn print_page(page: &Page<Entry>, out: Out<'_>) -> io::Result<()> {
    if !page.items.is_empty() {
        let mut table = Table::headed([
            "TIME", "ID", "TOKEN", "USER", "OUTCOME", "CHARGED", "OVERRUN", "GRANTED", "MODEL", "CHANNEL",
            "USAGE",
        ]);
        for entry in &page.items {
            table.row([
                time(entry.time),
                entry.id.clone(),
                or_dash(entry.token_id),
                or_dash(entry.user_id),
                entry.outcome.clone(),
                dollars(&entry.charged_usd),
                dollars(&entry.overrun_usd),
                dollars(&entry.granted_usd),
                text_or_dash(&entry.model),
                text_or_dash(&entry.channel),
                entry.usage(),
            ]);
        }
        table.print(out)?;
    }
    page.print_place("ledger rows", out)
}
