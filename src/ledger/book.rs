//! The book: what every user and token was granted, has used and holds, in memory. It decides; the journal records.
//! `used` is what is on disk; `held` is the sum of open holds and of what settlements on their way will charge.

use crate::clock::Timestamp;
use crate::ids::{TokenId, UserId};
use crate::ledger::budget::{Budget, Figures, Limits, Line, Room, Shortfall, TakeBack, TokenFigures, Which};
use crate::ledger::recent::{Recent, Sums};
use crate::ledger::{Day, Hold, Month, Settled, Settlement, Windows};
use crate::money::Money;
use crate::spread::SpreadMap;

#[derive(Clone, Debug)]
struct TokenAccount {
    user: UserId,
    total: Budget,
    limits: Limits,
    days: Recent,
    months: Recent,
}

/// How many days and months of each token are remembered. A clock that steps back further than that is not believed.
const DAYS_KEPT: usize = 8;
const MONTHS_KEPT: usize = 4;

/// All budgets. See the room's head.
#[derive(Clone, Debug)]
pub struct Book {
    users: SpreadMap<UserId, Budget>,
    tokens: SpreadMap<TokenId, TokenAccount>,
    /// The sums of windows before this day are not in memory.
    known_from: Day,
}

impl Book {
    /// An empty book that knows all windows from `known_from` on.
    pub fn new(known_from: Day) -> Self {
        Self { users: SpreadMap::default(), tokens: SpreadMap::default(), known_from }
    }

    /// Makes room for `tokens` that will be put.
    pub fn reserve(&mut self, tokens: usize) {
        self.tokens.reserve(tokens);
    }

    /// Whether the sums of `day` are known. They are not when the clock has stepped back by days: a request must then
    /// be refused, or it could spend a window twice.
    pub fn knows(&self, day: Day) -> bool {
        day >= self.known_from
    }

    /// Adds a user, or sets whether its total binds; never touches the sums.
    #[expect(clippy::fn_params_excessive_bools, reason = "a flag of the record, not a mode of this function")]
    pub fn put_user(&mut self, user: UserId, unlimited: bool) {
        self.users.entry(user).or_default().unlimited = unlimited;
    }

    /// Adds a token, or takes over what an administrator changed; never touches the sums.
    #[expect(clippy::fn_params_excessive_bools, reason = "a flag of the record, not a mode of this function")]
    pub fn put_token(&mut self, token: TokenId, user: UserId, unlimited: bool, limits: Limits) {
        let account = self.tokens.entry(token).or_insert_with(|| TokenAccount {
            user,
            total: Budget::default(),
            limits,
            days: Recent::default(),
            months: Recent::default(),
        });
        account.total.unlimited = unlimited;
        account.limits = limits;
    }

    /// Forgets a token that was deleted and has nothing open; while something is held it stays until that has ended.
    pub fn forget_token(&mut self, token: TokenId) {
        if self.tokens.get(&token).is_some_and(|account| account.total.held == Money::ZERO) {
            self.tokens.remove(&token);
        }
    }

    /// Adds to what a token was granted; negative undoes.
    pub fn grant_token(&mut self, token: TokenId, amount: Money) {
        if let Some(account) = self.tokens.get_mut(&token) {
            account.total.granted = sum(account.total.granted, amount);
        }
    }

    /// Adds to what a user was granted; negative undoes.
    pub fn grant_user(&mut self, user: UserId, amount: Money) {
        if let Some(budget) = self.users.get_mut(&user) {
            budget.granted = sum(budget.granted, amount);
        }
    }

    /// Sets what a token was granted and used before this process began.
    pub fn load_token(&mut self, token: TokenId, granted: Money, used: Money) {
        if let Some(account) = self.tokens.get_mut(&token) {
            account.total.granted = granted;
            account.total.used = used;
        }
    }

    /// Sets what a user was granted and used before this process began.
    pub fn load_user(&mut self, user: UserId, granted: Money, used: Money) {
        if let Some(budget) = self.users.get_mut(&user) {
            budget.granted = granted;
            budget.used = used;
        }
    }

    /// Adds to what a token used in `day` before this process began. The month's sum is loaded apart.
    pub fn load_day(&mut self, token: TokenId, day: Day, used: Money) {
        if let Some(account) = self.tokens.get_mut(&token) {
            let sums = account.days.entry(day.key());
            sums.used = sum(sums.used, used);
        }
    }

    /// Adds to what a token used in `month` before this process began.
    pub fn load_month(&mut self, token: TokenId, month: Month, used: Money) {
        if let Some(account) = self.tokens.get_mut(&token) {
            let sums = account.months.entry(month.key());
            sums.used = sum(sums.used, used);
        }
    }

    /// A user's budget.
    pub fn user(&self, user: UserId) -> Option<Budget> {
        self.users.get(&user).copied()
    }

    /// A token's figures in `windows`.
    pub fn token(&self, token: TokenId, windows: Windows) -> Option<TokenFigures> {
        let account = self.tokens.get(&token)?;
        let day = account.days.get(windows.day.key());
        let month = account.months.get(windows.month.key());
        Some(TokenFigures {
            total: account.total,
            day: Figures { limit: account.limits.daily, used: day.used, held: day.held },
            month: Figures { limit: account.limits.monthly, used: month.used, held: month.held },
        })
    }

    /// What binds a request of `token` in `windows`; `None` for a token that is not in the book.
    pub fn room(&self, token: TokenId, windows: Windows) -> Option<Room> {
        let account = self.tokens.get(&token)?;
        let user = self.users.get(&account.user)?;
        let total = |which, budget: &Budget| Line {
            which,
            limit: budget.granted,
            used: budget.used,
            held: budget.held,
        };
        let window = |which, limit, sums: Sums| Line { which, limit, used: sums.used, held: sums.held };
        let Limits { daily, monthly } = account.limits;
        let (day, month) = (windows.day.key(), windows.month.key());
        Some(Room::new([
            (!account.total.unlimited).then(|| total(Which::Token, &account.total)),
            (!user.unlimited).then(|| total(Which::User, user)),
            (daily != Money::ZERO).then(|| window(Which::Day, daily, account.days.get(day))),
            (monthly != Money::ZERO).then(|| window(Which::Month, monthly, account.months.get(month))),
        ]))
    }

    /// Holds `hold.amount` in all budgets, or in none (I3).
    ///
    /// # Errors
    /// The first budget with less than that free.
    ///
    /// # Panics
    /// When the token is not in the book: the gate asks for its room first.
    pub fn hold(&mut self, hold: &Hold) -> Result<(), Shortfall> {
        assert!(hold.amount >= Money::ZERO, "a hold is not negative");
        let room = self.room(hold.token, hold.windows).expect("a token that holds money is in the book");
        if let Some(shortfall) = room.shortfall(hold.amount) {
            return Err(shortfall);
        }
        self.move_held(hold, hold.amount);
        self.prune(hold.token);
        Ok(())
    }

    /// Decides what a settlement charges, and tightens: what it charges beyond the hold is held from now on, as far as
    /// it is free in every budget (I4). The rest is overrun. Nothing is freed before [`Book::commit`].
    pub fn settle(&mut self, hold: Hold, settlement: Settlement, at: Timestamp) -> Settled {
        assert!(settlement.cost >= Money::ZERO, "a cost is not negative");
        let beyond = settlement.cost.less(hold.amount);
        let free = self.free_for(&hold);
        let extension = free.map_or(beyond, |free| free.min(beyond));
        let taken = sum(hold.amount, extension);
        let charged = settlement.cost.min(taken);
        let overrun = settlement.cost.less(charged);
        self.move_held(&hold, extension);
        Settled { hold, settlement, charged, overrun, taken, at }
    }

    /// What an extension of `hold` may take; `None` where nothing binds. What a window or a token that is no longer in
    /// memory has used is not known: nothing more fits it for certain.
    fn free_for(&self, hold: &Hold) -> Option<Money> {
        match self.room(hold.token, hold.windows) {
            Some(room) if self.knows(hold.windows.day) => room.free(),
            _ => Some(Money::ZERO),
        }
    }

    /// Frees what a settlement took and books what it charged: when it is on disk, and not before (R4).
    pub fn commit(&mut self, settled: &Settled) {
        self.move_held(&settled.hold, settled.taken.negated());
        let (hold, charged) = (&settled.hold, settled.charged);
        self.charge(hold.token, hold.user, hold.windows, charged);
    }

    /// Frees a hold that could not be made durable.
    pub fn release(&mut self, hold: &Hold) {
        self.move_held(hold, hold.amount.negated());
    }

    /// Books a charge, or with a negative amount a refund, on its own day and month.
    pub fn charge(&mut self, token: TokenId, user: UserId, windows: Windows, charged: Money) {
        if let Some(budget) = self.users.get_mut(&user) {
            budget.used = counter(budget.used, charged);
        }
        let known = windows.day >= self.known_from;
        let Some(account) = self.tokens.get_mut(&token) else { return };
        account.total.used = counter(account.total.used, charged);
        if known {
            let day = account.days.entry(windows.day.key());
            day.used = counter(day.used, charged);
        }
        if windows.month >= self.known_from.month() {
            let month = account.months.entry(windows.month.key());
            month.used = counter(month.used, charged);
        }
    }

    /// Takes back `amount` of a token's grants at once, before it is on disk (R4).
    ///
    /// # Errors
    /// When more is asked than is left and not held. Nothing has changed then.
    pub fn take_from_token(&mut self, token: TokenId, amount: Money) -> Result<(), TakeBack> {
        match self.tokens.get_mut(&token) {
            Some(account) => take_back(&mut account.total, amount),
            None => Err(TakeBack { left: Money::ZERO }),
        }
    }

    /// Takes back `amount` of a user's grants at once.
    ///
    /// # Errors
    /// As [`Book::take_from_token`].
    pub fn take_from_user(&mut self, user: UserId, amount: Money) -> Result<(), TakeBack> {
        match self.users.get_mut(&user) {
            Some(budget) => take_back(budget, amount),
            None => Err(TakeBack { left: Money::ZERO }),
        }
    }

    /// What is held in all, over all users (I9).
    #[cfg(test)]
    pub fn held(&self) -> Money {
        self.users.values().fold(Money::ZERO, |total, budget| sum(total, budget.held))
    }

    fn move_held(&mut self, hold: &Hold, by: Money) {
        if let Some(user) = self.users.get_mut(&hold.user) {
            user.held = counter(user.held, by);
        }
        if let Some(account) = self.tokens.get_mut(&hold.token) {
            account.total.held = counter(account.total.held, by);
            let day = account.days.entry(hold.windows.day.key());
            day.held = counter(day.held, by);
            let month = account.months.entry(hold.windows.month.key());
            month.held = counter(month.held, by);
        }
    }

    fn prune(&mut self, token: TokenId) {
        let Some(account) = self.tokens.get_mut(&token) else { return };
        let day = account.days.prune(DAYS_KEPT).map(|key| Day::from_key(key).next());
        let month = account.months.prune(MONTHS_KEPT).map(|key| Month::from_key(key).next().first_day());
        for known_from in [day, month].into_iter().flatten() {
            self.known_from = self.known_from.max(known_from);
        }
    }
}

fn take_back(budget: &mut Budget, amount: Money) -> Result<(), TakeBack> {
    let left = budget.remaining().less(budget.held);
    if amount > left {
        return Err(TakeBack { left });
    }
    budget.granted = budget.granted.less(amount);
    Ok(())
}

/// A sum that fits: every amount is bounded far below the type's range.
fn sum(a: Money, b: Money) -> Money {
    a.checked_add(b).expect("amounts are bounded: a sum cannot overflow")
}

/// A counter after a change; a counter below zero means that something was counted twice.
fn counter(counter: Money, by: Money) -> Money {
    let after = sum(counter, by);
    assert!(after >= Money::ZERO, "a counter of the book fell below zero");
    after
}
