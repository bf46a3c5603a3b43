//! `tollgate user …`, as typed.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::fields::Credits;
use super::token::{Amount, One};
use super::{Format, PageArgs};

/// `tollgate user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user
    Create {
        /// Its fields.
        #[command(flatten)]
        fields: NewUser,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
    /// List users, newest first
    List {
        /// The page.
        #[command(flatten)]
        page: PageArgs,
        /// How they are printed.
        #[command(flatten)]
        format: Format,
    },
    /// Show one user
    Show(One),
    /// Change the named fields of a user
    Update {
        /// The user's number
        #[arg(value_name = "ID")]
        id: u64,
        /// What changes.
        #[command(flatten)]
        fields: UserChanges,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
    /// Add to what a user may spend; a negative amount takes back
    Credit {
        /// The user's number
        #[arg(value_name = "ID")]
        id: u64,
        /// How much.
        #[command(flatten)]
        amount: Amount,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
}

/// The fields of a new user.
#[derive(Debug, Args, Serialize)]
pub struct NewUser {
    /// Its name, 1 to 50 characters
    #[arg(long)]
    pub name: String,
    /// What it may spend in all, in credits (200 are one dollar) [default: 0]
    #[arg(long, value_name = "N", value_parser = Credits::parse, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remain_credits: Option<Credits>,
    /// The same in quota (500 000 are one dollar)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remain_quota: Option<i64>,
    /// What can be changed later, too.
    #[command(flatten)]
    #[serde(flatten)]
    pub settings: UserSettings,
}

/// The fields that change.
#[derive(Debug, Default, Args, Serialize)]
pub struct UserChanges {
    /// Its name, 1 to 50 characters
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 1 enabled, 2 disabled: then none of its tokens works
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// The rest.
    #[command(flatten)]
    #[serde(flatten)]
    pub settings: UserSettings,
}

/// What a user is made with and may be changed later.
#[derive(Debug, Default, Args, Serialize)]
pub struct UserSettings {
    /// admin or member [default for a new one: member]
    #[arg(long, value_parser = ["admin", "member"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// No total; its tokens' own budgets still bind
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlimited_quota: Option<bool>,
}
