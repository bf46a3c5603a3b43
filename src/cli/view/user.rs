//! Users as people read them.

use std::io;

use serde::Deserialize;

use super::{Page, status_word};
use crate::cli::screen::{Out, Table, amount, time};

/// What is shown of a user.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    id: i64,
    name: String,
    role: String,
    status: i64,
    created_time: i64,
    unlimited_quota: bool,
    remain_quota: i64,
    used_quota: i64,
    reserved_quota: i64,
}

impl User {
    fn remaining(&self) -> String {
        if self.unlimited_quota { "unlimited".to_owned() } else { amount(self.remain_quota) }
    }
}

/// One user.
pub(super) fn print(user: &User, out: Out<'_>) -> io::Result<()> {
    let mut table = Table::plain();
    for (name, value) in [
        ("id", user.id.to_string()),
        ("name", user.name.clone()),
        ("role", user.role.clone()),
        ("status", status_word(user.status)),
        ("remaining", user.remaining()),
        ("used", amount(user.used_quota)),
        ("held", amount(user.reserved_quota)),
        ("created", time(user.created_time)),
    ] {
        table.row([name.to_owned(), value]);
    }
    table.print(out)
}

/// A page of users, a line each.
pub(super) fn print_page(page: &Page<User>, out: Out<'_>) -> io::Result<()> {
    if !page.items.is_empty() {
        let mut table =
            Table::headed(["ID", "NAME", "ROLE", "STATUS", "REMAINING CREDITS", "USED", "CREATED"]);
        for user in &page.items {
            table.row([
                user.id.to_string(),
                user.name.clone(),
                user.role.clone(),
                status_word(user.status),
                user.remaining(),
                amount(user.used_quota),
                time(user.created_time),
            ]);
        }
        table.print(out)?;
    }
    page.print_place("users", out)
}
