//! Proofs of the book: a table of scenarios, and random histories held against a naive model. Pure; no clock, no disk.
#![expect(clippy::arithmetic_side_effects, reason = "the naive model adds up plainly; a test may panic")]
#![expect(clippy::fn_params_excessive_bools, reason = "the world is told what an administrator would type")]

mod random;
mod scenarios;
mod world;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ChannelName, RequestId, TokenId, UserId};
use crate::ledger::{Day, Hold, Outcome, Settlement, UsageSource, Windows};
use crate::money::Money;
use crate::usage::Usage;

fn nanos(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

/// The windows of the day with this key.
fn windows_of(day: Day) -> Windows {
    Windows { day, month: day.month() }
}

fn hold_of(number: u64, token: TokenId, user: UserId, amount: i64, day: Day) -> Hold {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Hold {
        id: RequestId::from_bytes(id),
        token,
        user,
        amount: nanos(amount),
        floor: Money::ZERO,
        windows: windows_of(day),
        model: Arc::from("m"),
        channel: ChannelName(Arc::from("c")),
        admitted_at: Timestamp::from_secs(0),
    }
}

fn costing(cost: i64) -> Settlement {
    Settlement {
        outcome: Outcome::Ok,
        cost: nanos(cost),
        usage: Usage::default(),
        source: UsageSource::Provider,
        attempts: 1,
    }
}
