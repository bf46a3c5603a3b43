//! Tokens as people read them.

use std::io;

use serde::Deserialize;

use super::{Page, status_word};
use crate::cli::screen::{Out, Table, amount, safe, time};
use crate::money::credits_of_quota;

/// What is shown of a token. Credits are not read: they follow from the quota.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    id: i64,
    user_id: i64,
    key: Option<String>,
    fingerprint: String,
    status: i64,
    name: String,
    created_time: i64,
    accessed_time: i64,
    expired_time: i64,
    remain_quota: i64,
    unlimited_quota: bool,
    used_quota: i64,
    daily_quota: i64,
    daily_used_quota: i64,
    monthly_quota: i64,
    monthly_used_quota: i64,
    model_limits_enabled: bool,
    model_limits: String,
    group: String,
    cross_group_retry: bool,
    allow_ips: String,
    reserved_quota: i64,
    rpm: i64,
    tpm: i64,
    max_concurrency: i64,
    scopes: Vec<String>,
    metadata: serde_json::Map<String, serde_json::Value>,
}

impl Token {
    fn remaining(&self) -> String {
        if self.unlimited_quota { "unlimited".to_owned() } else { amount(self.remain_quota) }
    }

    /// Requests set the time of the last use; a new token's is that of its creation.
    fn last_use(&self) -> String {
        if self.accessed_time <= self.created_time { "never".to_owned() } else { time(self.accessed_time) }
    }

    fn models(&self) -> String {
        if self.model_limits_enabled { self.model_limits.clone() } else { "any".to_owned() }
    }

    fn group(&self) -> String {
        let group = if self.group.is_empty() { "default" } else { &self.group };
        let others = if self.cross_group_retry { ", then the others" } else { "" };
        format!("{group}{others}")
    }

    fn rates(&self) -> String {
        let limit = |limit: i64, what: &str| (limit > 0).then(|| format!("{limit} {what}"));
        let limits = [
            limit(self.rpm, "requests per minute"),
            limit(self.tpm, "tokens per minute"),
            limit(self.max_concurrency, "at a time"),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        if limits.is_empty() { "no limit".to_owned() } else { limits.join(", ") }
    }
}

/// What a window used of its limit.
fn window(used: i64, limit: i64) -> String {
    if limit == 0 { "-".to_owned() } else { format!("{} of {}", credits_of_quota(used), amount(limit)) }
}

fn or_any(list: &str) -> String {
    if list.is_empty() { "any".to_owned() } else { list.to_owned() }
}

/// One token; its key first, if it has one.
pub(super) fn print(token: &Token, out: Out<'_>) -> io::Result<()> {
    if let Some(key) = &token.key {
        writeln!(out, "key: sk-{}", safe(key))?;
        writeln!(out, "Keep the key now: it is not stored, and not shown again.\n")?;
    }
    let mut table = Table::plain();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("id", token.id.to_string());
    row("name", token.name.clone());
    row("status", status_word(token.status));
    row("user", token.user_id.to_string());
    row("fingerprint", token.fingerprint.clone());
    row("scopes", token.scopes.join(", "));
    row("remaining", token.remaining());
    row("used", amount(token.used_quota));
    row("held", amount(token.reserved_quota));
    row("daily", window(token.daily_used_quota, token.daily_quota));
    row("monthly", window(token.monthly_used_quota, token.monthly_quota));
    row("models", token.models());
    row("group", token.group());
    row("addresses", or_any(&token.allow_ips));
    row("rates", token.rates());
    row("expires", if token.expired_time == -1 { "never".to_owned() } else { time(token.expired_time) });
    row("created", time(token.created_time));
    row("last use", token.last_use());
    for (key, value) in &token.metadata {
        row("metadata", format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    table.print(out)
}

/// A page of tokens, a line each.
pub(super) fn print_page(page: &Page<Token>, out: Out<'_>) -> io::Result<()> {
    if !page.items.is_empty() {
        let mut table = Table::headed([
            "ID",
            "NAME",
            "STATUS",
            "REMAINING CREDITS",
            "USED",
            "DAILY",
            "MONTHLY",
            "FINGERPRINT",
            "LAST USE",
        ]);
        for token in &page.items {
            table.row([
                token.id.to_string(),
                token.name.clone(),
                status_word(token.status),
                token.remaining(),
                amount(token.used_quota),
                window(token.daily_used_quota, token.daily_quota),
                window(token.monthly_used_quota, token.monthly_quota),
                token.fingerprint.clone(),
                token.last_use(),
            ]);
        }
        table.print(out)?;
    }
    page.print_place("tokens", out)
}
