//! What moves: a hold, and the settlement that ends it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ChannelName, RequestId, TokenId, UserId};
use crate::ledger::Windows;
use crate::money::Money;
use crate::usage::Usage;

/// Money kept back for one request, from before its provider sees a byte until its settlement is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The request, and later its ledger row.
    pub id: RequestId,
    /// The token that pays.
    pub token: TokenId,
    /// The token's user, who pays too.
    pub user: UserId,
    /// The worst that the request can cost; at least 0.
    pub amount: Money,
    /// The least it costs when it was sent and nobody says what it cost; at most `amount`.
    pub floor: Money,
    /// The day and month it is charged to.
    pub windows: Windows,
    /// The model's public name.
    pub model: Arc<str>,
    /// The channel that is to serve it.
    pub channel: ChannelName,
    /// When it was admitted.
    pub admitted_at: Timestamp,
}

/// How a ledger row came to be.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered in full.
    Ok,
    /// Nothing was charged: never connected, or the provider refused.
    Void,
    /// The client went away.
    ClientGone,
    /// The answer broke after output had begun.
    UpstreamError,
    /// Sent, and no usable answer came.
    UpstreamUnknown,
    /// A hold that a killed process left behind.
    Recovered,
    /// A grant or a credit.
    Credit,
    /// A charge given back.
    Adjust,
    /// Stands for older rows that were removed.
    Rollup,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Void,
        Self::ClientGone,
        Self::UpstreamError,
        Self::UpstreamUnknown,
        Self::Recovered,
        Self::Credit,
        Self::Adjust,
        Self::Rollup,
    ];

    /// The word in the store and in `GET /v1/ledger`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Void => "void",
            Self::ClientGone => "client_gone",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamUnknown => "upstream_unknown",
            Self::Recovered => "recovered",
            Self::Credit => "credit",
            Self::Adjust => "adjust",
            Self::Rollup => "rollup",
        }
    }

    /// Reads the word; `None` for another.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// Where the figures of a charge come from.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum UsageSource {
    /// The provider's own usage figures.
    Provider,
    /// Counted here, because the provider gave none that can be believed.
    Estimated,
    /// The provider gave figures, and they were not believed: counted here.
    Suspect,
    /// Nothing was used, or it is not known.
    None,
}

impl UsageSource {
    /// The word in the store and in `GET /v1/ledger`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimated => "estimated",
            Self::Suspect => "suspect",
            Self::None => "none",
        }
    }
}

/// How a request ended, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended; one of the first five.
    pub outcome: Outcome,
    /// What it cost, rounded up to a nanodollar; at least 0, and perhaps more than was held.
    pub cost: Money,
    /// What it used, by kind.
    pub usage: Usage,
    /// Where those figures come from.
    pub source: UsageSource,
    /// Requests sent to providers for it.
    pub attempts: i64,
}

impl Settlement {
    /// Ends a request for which nothing is charged, after `attempts` requests to providers.
    pub fn void(attempts: i64) -> Self {
        Self {
            outcome: Outcome::Void,
            cost: Money::ZERO,
            usage: Usage::default(),
            source: UsageSource::None,
            attempts,
        }
    }
}

/// A settlement as the book took it: what the journal makes durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The hold that it ends.
    pub hold: Hold,
    /// The settlement as it was given.
    pub settlement: Settlement,
    /// What is charged: the cost, or what was free of it.
    pub charged: Money,
    /// What the provider billed beyond what could be charged.
    pub overrun: Money,
    /// What memory holds for it now (the hold and its extension), given back when this is on disk.
    pub taken: Money,
    /// When it was settled.
    pub at: Timestamp,
}
