//! Why the gate says no: data, not sentences.

use crate::clock::Timestamp;
use crate::ledger::Shortfall;
use crate::limits::RateFault;
use crate::money::Money;

/// Why a request is not let through. It has then reached nobody, written nothing and changed no counter (I12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token's allow-list does not have the model.
    ModelNotAllowed,
    /// No channel serves it for the token's group.
    ModelNotFound,
    /// It has no price.
    ModelNotPriced,
    /// It has no price for the service tier asked for, so its cost has no bound.
    TierNotPriced,
    /// A rate of the token.
    Rate(RateFault),
    /// A budget of the token or its user.
    Budget(Box<BudgetRefusal>),
    /// The process runs as many requests as it may.
    Overloaded,
    /// The caller's token, key or user was changed while the request was read: it is to be identified anew.
    CallerChanged,
    /// The hold cannot be made durable.
    StoreUnavailable,
}

/// The budget that a request does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRefusal {
    /// The budget as it stood, and the least that was to be held.
    pub shortfall: Shortfall,
    /// When its window ends; `None` for totals.
    pub resets_at: Option<Timestamp>,
    /// The time of the refusal.
    pub at: Timestamp,
}

impl BudgetRefusal {
    /// Whether the request would not fit even an untouched window: waiting does not help.
    pub fn never_fits(&self) -> bool {
        self.shortfall.need > self.shortfall.line.limit
    }

    /// What is missing for the request to pass.
    pub fn missing(&self) -> Money {
        self.shortfall.need.less(self.shortfall.line.free())
    }
}
