//! Budgets as they stand: what binds a request, what is free in it, and what a refusal tells. Values; the [`Book`] moves them.
//!
//! [`Book`]: crate::ledger::Book

use crate::money::Money;

/// A total budget: of a token or of a user.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Whether the total binds nothing.
    pub unlimited: bool,
    /// All that was ever granted, less what was taken back.
    pub granted: Money,
    /// All that was charged.
    pub used: Money,
    /// What open requests may yet cost.
    pub held: Money,
}

impl Budget {
    /// What is left of the grants, at least 0, whether or not it binds.
    pub fn remaining(&self) -> Money {
        self.granted.less(self.used)
    }
}

/// A token's limits per calendar window; zero is no limit.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// At most this per day.
    pub daily: Money,
    /// At most this per month.
    pub monthly: Money,
}

/// One of the budgets that can bind a request, in the order in which they are asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// The token's total.
    Token,
    /// Its user's total.
    User,
    /// The token's calendar day.
    Day,
    /// The token's calendar month.
    Month,
}

/// A budget that binds, as it stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which one.
    pub which: Which,
    /// How much it allows in all.
    pub limit: Money,
    /// What was charged to it.
    pub used: Money,
    /// What is held in it.
    pub held: Money,
}

impl Line {
    /// What may still be held; never below 0.
    pub fn free(&self) -> Money {
        self.limit.less(self.used).less(self.held)
    }
}

/// The budget in which a hold does not fit, and by what.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The budget.
    pub line: Line,
    /// What was to be held.
    pub need: Money,
}

/// What binds a request at this moment: at most one line of each [`Which`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    lines: [Option<Line>; 4],
}

impl Room {
    /// The room that `lines` leave, in the order of [`Which`].
    pub const fn new(lines: [Option<Line>; 4]) -> Self {
        Self { lines }
    }

    /// The budgets that bind, in the order of [`Which`].
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }

    /// Whether any budget binds.
    pub fn binds(&self) -> bool {
        self.lines().next().is_some()
    }

    /// The least that is free in any budget; `None` where none binds.
    pub fn free(&self) -> Option<Money> {
        self.lines().map(Line::free).min()
    }

    /// The first budget with less than `need` free.
    pub fn shortfall(&self, need: Money) -> Option<Shortfall> {
        let line = self.lines().find(|line| line.free() < need)?;
        Some(Shortfall { line: *line, need })
    }
}

/// A token's figures at one moment.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFigures {
    /// Its total.
    pub total: Budget,
    /// Charged in the day asked for.
    pub day: Figures,
    /// Charged in the month asked for.
    pub month: Figures,
}

/// One window's figures.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The limit; zero is none.
    pub limit: Money,
    /// Charged.
    pub used: Money,
    /// Held.
    pub held: Money,
}

/// A refused taking-back: what is left and not held.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TakeBack {
    /// The most that can be taken.
    pub left: Money,
}
