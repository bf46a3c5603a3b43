//! The output cap: how much a request may be answered with, so that what is held for it is a true bound.

use crate::catalogue::{Bound, Terms};
use crate::ledger::{Room, Shortfall};
use crate::money::Money;
use crate::wire::Ask;

/// How caps are chosen.
#[derive(Copy, Clone, Debug)]
pub struct CapSettings {
    /// The cap of a request that names none, at least 1.
    pub default_max_output_tokens: i64,
    /// The least cap worth sending, at least 1; a client's own smaller one is sent all the same.
    pub min_output_tokens: i64,
}

/// A cap, and the hold it was computed with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Output tokens for each choice.
    pub cap: i64,
    /// The worst that the request can cost with it.
    pub hold: Money,
    /// Whether a budget made it smaller than it would have been.
    pub lowered: bool,
}

/// The wish and the least of a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What it would get without a budget.
    pub most: i64,
    /// The least worth sending.
    pub least: i64,
}

impl Wish {
    /// What `ask` wants: its own cap, or the default; at most what the model gives.
    pub fn of(ask: &Ask, terms: &Terms, settings: CapSettings) -> Self {
        if !ask.form.has_output() {
            let all = terms.unbounded_output();
            return Self { most: all, least: all };
        }
        let asked = ask.cap.asked.unwrap_or(settings.default_max_output_tokens);
        let most = asked.min(terms.max_output_tokens().unwrap_or(Terms::MAX_CAP)).clamp(1, Terms::MAX_CAP);
        let thinking = ask.thinking_budget.unwrap_or(0).saturating_add(1);
        let least = settings.min_output_tokens.min(most);
        // A cap must lie above the thinking it includes; one that the client itself put below is the provider's to refuse.
        Self { most, least: least.max(thinking.min(most)) }
    }
}

/// The largest cap up to the wish that all budgets can pay.
///
/// # Errors
/// The first budget that cannot pay even the least.
pub fn choose(wish: Wish, bound: &Bound, terms: &Terms, room: &Room) -> Result<Chosen, Shortfall> {
    let hold_of = |cap| terms.hold(bound, cap).unwrap_or(Money::MAX);
    let Some(free) = room.free() else {
        return Ok(Chosen { cap: wish.most, hold: hold_of(wish.most), lowered: false });
    };
    let affordable = terms.affordable(bound, free).unwrap_or(-1);
    if affordable < wish.least {
        let need = hold_of(wish.least);
        let found = room.shortfall(need);
        // A cost that is no amount fits no budget.
        let first = || room.lines().next().map(|line| Shortfall { line: *line, need });
        return found
            .or_else(first)
            .map_or_else(|| Ok(Chosen { cap: wish.least, hold: need, lowered: true }), Err);
    }
    let cap = affordable.min(wish.most);
    Ok(Chosen { cap, hold: hold_of(cap), lowered: cap < wish.most })
}
