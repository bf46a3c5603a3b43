//! `tollgate token …`, as typed.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::fields::{Credits, Pair, as_object};
use super::{Format, PageArgs};

/// `tollgate token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print its key, once
    Create {
        /// Its fields.
        #[command(flatten)]
        fields: Box<NewToken>,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
    /// List tokens, newest first
    List {
        /// Which tokens.
        #[command(flatten)]
        filter: TokenFilter,
        /// How they are printed.
        #[command(flatten)]
        format: Format,
    },
    /// Show one token
    Show(One),
    /// Change the named fields of a token
    Update {
        /// The token's number
        #[arg(value_name = "ID")]
        id: u64,
        /// What changes.
        #[command(flatten)]
        fields: Box<TokenChanges>,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
    /// Add to what a token may spend; a negative amount takes back
    Credit {
        /// The token's number
        #[arg(value_name = "ID")]
        id: u64,
        /// How much.
        #[command(flatten)]
        amount: Amount,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
    /// Give a token a new key and print it, once
    Rotate {
        /// The token's number
        #[arg(value_name = "ID")]
        id: u64,
        /// The old key's time left.
        #[command(flatten)]
        fields: Grace,
        /// How the answer is printed.
        #[command(flatten)]
        format: Format,
    },
    /// Stop a token; `token update ID --status 1` enables it again
    Disable(One),
    /// Delete a token; its ledger stays
    Delete(One),
}

/// One object, by its number.
#[derive(Copy, Clone, Debug, Args)]
pub struct One {
    /// Its number
    #[arg(value_name = "ID")]
    pub id: u64,
    /// How the answer is printed.
    #[command(flatten)]
    pub format: Format,
}

/// Which tokens are listed.
#[derive(Debug, Default, Args)]
pub struct TokenFilter {
    /// The page.
    #[command(flatten)]
    pub page: PageArgs,
    /// Only tokens with this in their name
    #[arg(long, value_name = "TEXT")]
    pub keyword: Option<String>,
    /// Only tokens of this status: 1 enabled, 2 disabled, 3 expired, 4 exhausted
    #[arg(long, value_name = "N")]
    pub status: Option<u64>,
    /// Only tokens of this channel group
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
}

/// The fields of a new token.
#[derive(Debug, Args, Serialize)]
pub struct NewToken {
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
    /// The owner's number [default: 1]
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u64>,
    /// What can be changed later, too.
    #[command(flatten)]
    #[serde(flatten)]
    pub settings: TokenSettings,
}

/// The fields that change.
#[derive(Debug, Default, Args, Serialize)]
pub struct TokenChanges {
    /// Its name, 1 to 50 characters
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 1 enabled, 2 disabled
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// The rest.
    #[command(flatten)]
    #[serde(flatten)]
    pub settings: TokenSettings,
}

/// What a token is made with and may be changed later.
#[derive(Debug, Default, Args, Serialize)]
pub struct TokenSettings {
    /// When it ends, in Unix seconds; -1 = never
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_time: Option<i64>,
    /// At most this per calendar day, in credits; 0 = no daily limit
    #[arg(long, value_name = "N", value_parser = Credits::parse, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_credits: Option<Credits>,
    /// The same in quota
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_quota: Option<i64>,
    /// At most this per calendar month, in credits; 0 = no monthly limit
    #[arg(long, value_name = "N", value_parser = Credits::parse, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_credits: Option<Credits>,
    /// The same in quota
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_quota: Option<i64>,
    /// No total; daily, monthly and the user's own budget still bind
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlimited_quota: Option<bool>,
    /// Only the models in --model-limits may be used; a list that is not empty implies it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_limits_enabled: Option<bool>,
    /// Models, comma-separated; a trailing * matches a prefix
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_limits: Option<String>,
    /// Channel group
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Try the other groups when its own has no working channel for the model
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_group_retry: Option<bool>,
    /// IPs and CIDRs it may be used from, comma-separated; empty = any
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_ips: Option<String>,
    /// Requests per minute; 0 = no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<i64>,
    /// Input and output tokens per minute; 0 = no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<i64>,
    /// Requests in flight; 0 = no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<i64>,
    /// inference, manage, or both with a comma [default for a new one: inference]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// A pair of its metadata; may be given several times, and replaces the whole of it
    #[arg(long, value_name = "KEY=VALUE", value_parser = Pair::parse)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_object")]
    pub metadata: Vec<Pair>,
}

impl TokenSettings {
    /// A list of models is meant to bind: so it does, unless `model_limits_enabled` was said too.
    pub fn imply_model_limits(&mut self) {
        let listed = self.model_limits.as_ref().is_some_and(|list| !list.is_empty());
        if listed && self.model_limits_enabled.is_none() {
            self.model_limits_enabled = Some(true);
        }
    }
}

/// How much is added, in one unit or the other.
#[derive(Debug, Args, Serialize)]
#[group(required = true, multiple = false)]
pub struct Amount {
    /// Credits (200 are one dollar); negative takes back
    #[arg(long, value_name = "N", value_parser = Credits::parse, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    /// Quota (500 000 are one dollar); negative takes back
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
}

/// How long the key before the new one still works.
#[derive(Debug, Default, Args, Serialize)]
pub struct Grace {
    /// Seconds for which the old key still works, at most 7 days [default: 0]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
}
