//! A small world around the book: a disk that commits in order, clients with open requests, an administrator and a clock.
//! Beside it a list of everything that happened, which is added up again from scratch to say what the book must show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::ledger::{Book, Budget, Figures, Limits, Settled, Which};

pub const USERS: [UserId; 2] = [UserId(1), UserId(2)];
pub const TOKENS: [(TokenId, UserId); 3] =
    [(TokenId(1), UserId(1)), (TokenId(2), UserId(1)), (TokenId(3), UserId(2))];

/// A mistake planted in the world, which the model must find.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// None.
    None,
    /// Memory gives money back before the settlement is on disk (R4).
    FreesEarly,
    /// A settlement that is repeated is charged again (R5).
    ChargesTwice,
    /// A settlement is charged to the day of its end (R6).
    ChargesToday,
    /// A void is forgotten.
    ForgetsVoids,
    /// A hold is not checked against its budgets.
    HoldsBlindly,
    /// A recovered hold is charged, and stays.
    RecoversTwice,
}

/// What a budget belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Of {
    User(UserId),
    Token(TokenId),
    Day(TokenId, i64),
    Month(TokenId, i64),
}

/// What happened, as memory must show it.
#[derive(Clone, Debug)]
enum Event {
    Held(Hold),
    Extended(Hold, Money),
    /// So much is not held any more.
    Freed(Hold, Money),
    Charged(TokenId, UserId, Windows, Money),
    Granted(Of, Money),
}

/// Sums of events.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub granted: i64,
    pub used: i64,
    pub held: i64,
}

/// A row of the ledger on disk.
#[derive(Clone, Debug)]
pub struct Row {
    id: RequestId,
    token: TokenId,
    user: UserId,
    windows: Windows,
    charged: i64,
    refunded: bool,
    is_refund: bool,
}

#[derive(Clone, Debug)]
enum Op {
    Hold(Hold),
    Settle(Settled),
}

/// What is on disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    holds: BTreeMap<RequestId, Hold>,
    rows: Vec<Row>,
    grants: Vec<(Of, i64)>,
}

/// An administrator's settings.
#[derive(Copy, Clone, Debug, Default)]
struct Set {
    unlimited: bool,
    limits: Limits,
    deleted: bool,
}

pub struct World {
    pub book: Book,
    pub day: Day,
    pub mistake: Mistake,
    events: Vec<Event>,
    disk: Disk,
    queue: VecDeque<Op>,
    open: Vec<Hold>,
    settled: Vec<Settled>,
    users: BTreeMap<UserId, bool>,
    tokens: BTreeMap<TokenId, Set>,
    numbers: u64,
    /// Whether a limit was ever lowered: only then may `used + held` be above one.
    lowered: bool,
}

type Check = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

impl World {
    pub fn new(day: Day, mistake: Mistake) -> Self {
        let mut world = Self {
            book: Book::new(day.earlier(2)),
            day,
            mistake,
            events: Vec::new(),
            disk: Disk::default(),
            queue: VecDeque::new(),
            open: Vec::new(),
            settled: Vec::new(),
            users: USERS.map(|user| (user, false)).into(),
            tokens: TOKENS.map(|(token, _)| (token, Set::default())).into(),
            numbers: 0,
            lowered: false,
        };
        world.put_all();
        world
    }

    fn put_all(&mut self) {
        for (user, unlimited) in &self.users {
            self.book.put_user(*user, *unlimited);
        }
        for (token, user) in TOKENS {
            let set = self.tokens[&token];
            if !set.deleted {
                self.book.put_token(token, user, set.unlimited, set.limits);
            }
        }
    }

    /// Whether limits were, or may be, lowered: what is used and held may be above them then.
    pub fn forgive(&mut self, lowered: bool) {
        self.lowered = lowered;
    }

    pub fn open(&self) -> usize {
        self.open.len()
    }

    pub fn settled(&self) -> usize {
        self.settled.len()
    }

    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    pub fn rows(&self) -> usize {
        self.disk.rows.len()
    }

    fn windows(&self) -> Windows {
        windows_of(self.day)
    }

    fn is_in_book(&self, token: TokenId) -> bool {
        self.book.token(token, self.windows()).is_some()
    }

    /// The naive model: adds up every event that concerns `of`.
    pub fn sums(&self, of: Of) -> Sums {
        let concerns = |token: TokenId, user: UserId, windows: Windows| match of {
            Of::User(of) => of == user,
            Of::Token(of) => of == token,
            Of::Day(of, key) => of == token && key == windows.day.key(),
            Of::Month(of, key) => of == token && key == windows.month.key(),
        };
        let of_hold = |hold: &Hold| concerns(hold.token, hold.user, hold.windows);
        let mut sums = Sums::default();
        for event in &self.events {
            match event {
                Event::Held(hold) if of_hold(hold) => sums.held += hold.amount.nanos(),
                Event::Extended(hold, by) if of_hold(hold) => sums.held += by.nanos(),
                Event::Freed(hold, by) if of_hold(hold) => sums.held -= by.nanos(),
                Event::Charged(token, user, windows, charged) if concerns(*token, *user, *windows) => {
                    sums.used += charged.nanos();
                }
                Event::Granted(to, amount) if *to == of => sums.granted += amount.nanos(),
                _ => {}
            }
        }
        sums
    }

    /// The budgets that bind `token` in `windows`, in order: which, its limit, its sums.
    fn binding(&self, token: TokenId, user: UserId, windows: Windows) -> Vec<(Which, i64, Sums)> {
        let set = self.tokens[&token];
        let mut binding = Vec::new();
        let totals = [
            (Which::Token, Of::Token(token), set.unlimited),
            (Which::User, Of::User(user), self.users[&user]),
        ];
        for (which, of, unlimited) in totals {
            let sums = self.sums(of);
            if !unlimited {
                binding.push((which, sums.granted, sums));
            }
        }
        let of_day = (Which::Day, set.limits.daily, Of::Day(token, windows.day.key()));
        let of_month = (Which::Month, set.limits.monthly, Of::Month(token, windows.month.key()));
        for (which, limit, of) in [of_day, of_month] {
            if limit != Money::ZERO {
                binding.push((which, limit.nanos(), self.sums(of)));
            }
        }
        binding
    }

    fn free(&self, hold: &Hold) -> Option<i64> {
        let binding = self.binding(hold.token, hold.user, hold.windows);
        binding.iter().map(|(_, limit, sums)| (limit - sums.used - sums.held).max(0)).min()
    }

    /// A client asks for `amount` (I3, I12).
    pub fn reserve(&mut self, which: usize, amount: i64) -> Check {
        let (token, user) = TOKENS[which];
        if self.tokens[&token].deleted || !self.is_in_book(token) || !self.book.knows(self.day) {
            return Ok(());
        }
        self.numbers += 1;
        let hold = hold_of(self.numbers, token, user, amount, self.day);
        let binding = self.binding(token, user, hold.windows);
        let short = binding.iter().find(|(_, limit, sums)| (limit - sums.used - sums.held).max(0) < amount);
        let verdict = if self.mistake == Mistake::HoldsBlindly {
            self.book.put_token(token, user, true, Limits::default());
            self.book.put_user(user, true);
            let verdict = self.book.hold(&hold);
            self.put_all();
            verdict
        } else {
            self.book.hold(&hold)
        };
        match (verdict, short) {
            (Ok(()), None) => {
                self.events.push(Event::Held(hold.clone()));
                self.queue.push_back(Op::Hold(hold.clone()));
                self.open.push(hold);
                Ok(())
            }
            (Err(found), Some((want, _, _))) => ensure(found.line.which == *want, || {
                format!("{:?} said no, it was {want:?} that had to", found.line.which)
            }),
            (found, want) => Err(format!("a hold of {amount}: the book {found:?}, the model {want:?}")),
        }
    }

    /// A request ends and costs `cost` (I4).
    pub fn settle(&mut self, at: usize, cost: i64) -> Check {
        let hold = self.open.swap_remove(at);
        let amount = hold.amount.nanos();
        if cost == 0 && self.mistake == Mistake::ForgetsVoids {
            return Ok(());
        }
        let beyond = (cost - amount).max(0);
        let known = self.book.knows(hold.windows.day) && self.is_in_book(hold.token);
        let free = if known { self.free(&hold).unwrap_or(beyond) } else { 0 };
        let extension = beyond.min(free);
        let charged = cost.min(amount + extension);
        let settled = self.book.settle(hold.clone(), costing(cost), Timestamp::from_secs(1));
        let found = (settled.charged.nanos(), settled.overrun.nanos(), settled.taken.nanos());
        let want = (charged, cost - charged, amount + extension);
        ensure(found == want, || format!("settled {cost} of {amount} as {found:?}, the model {want:?}"))?;
        self.events.push(Event::Extended(hold, nanos(extension)));
        if self.mistake == Mistake::FreesEarly {
            self.book.commit(&settled);
            self.note_commit(&settled);
        }
        self.queue.push_back(Op::Settle(settled.clone()));
        self.settled.push(settled);
        Ok(())
    }

    /// A settlement is sent once more (R5).
    pub fn settle_again(&mut self, at: usize) {
        let settled = self.settled[at].clone();
        if self.mistake == Mistake::ChargesTwice {
            let (hold, charged) = (&settled.hold, settled.charged);
            self.book.charge(hold.token, hold.user, hold.windows, charged);
        }
        self.queue.push_back(Op::Settle(settled));
    }

    fn note_commit(&mut self, settled: &Settled) {
        let hold = &settled.hold;
        self.events.push(Event::Freed(hold.clone(), settled.taken));
        self.events.push(Event::Charged(hold.token, hold.user, hold.windows, settled.charged));
    }

    /// The writer commits the next `count` operations, in order, then lets memory take them over.
    pub fn commit(&mut self, count: usize) {
        for _ in 0..count {
            match self.queue.pop_front() {
                Some(Op::Hold(hold)) => {
                    self.disk.holds.insert(hold.id, hold);
                }
                Some(Op::Settle(settled)) => self.commit_settlement(settled),
                None => return,
            }
        }
    }

    fn commit_settlement(&mut self, mut settled: Settled) {
        if self.disk.holds.remove(&settled.hold.id).is_none() {
            return;
        }
        if self.mistake == Mistake::ChargesToday {
            settled.hold.windows = self.windows();
        }
        self.disk.end(&settled.hold, settled.charged.nanos());
        if self.mistake != Mistake::FreesEarly {
            let mut moved = settled.clone();
            moved.hold.windows = self.settled_windows(&settled);
            self.book.commit(&moved);
            self.note_commit(&moved);
        }
    }

    /// The windows as they were decided at admission, also where the disk was told others.
    fn settled_windows(&self, settled: &Settled) -> Windows {
        let known = self.settled.iter().rev().find(|known| known.hold.id == settled.hold.id);
        known.map_or(settled.hold.windows, |known| known.hold.windows)
    }

    /// The disk is full: holds that wait are refused, settlements stay where they are.
    pub fn fail(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        for op in queue {
            match op {
                Op::Hold(hold) => {
                    self.book.release(&hold);
                    self.events.push(Event::Freed(hold.clone(), hold.amount));
                    self.open.retain(|open| open.id != hold.id);
                    // Settled without having been dispatched: an extension cannot be there.
                    self.forget_extension(&hold);
                }
                settle @ Op::Settle(_) => self.queue.push_back(settle),
            }
        }
    }

    /// What a settlement of a refused hold had extended is not given back by anyone: only a hold that is on disk is ever
    /// dispatched, so there is none. Keeps the world honest.
    fn forget_extension(&mut self, hold: &Hold) {
        let extended =
            self.settled.iter().any(|settled| settled.hold.id == hold.id && settled.taken != hold.amount);
        assert!(!extended, "a request that was not durable was dispatched");
    }

    /// Whether the hold of an open request is on disk: only then it may be dispatched, and cost anything.
    pub fn is_durable(&self, at: usize) -> bool {
        self.disk.holds.contains_key(&self.open[at].id)
    }

    /// A row is given back, once.
    pub fn refund(&mut self, at: usize) {
        let row = &mut self.disk.rows[at];
        if row.is_refund || std::mem::replace(&mut row.refunded, true) {
            return;
        }
        let refund = Row { charged: -row.charged, is_refund: true, ..row.clone() };
        let charged = nanos(refund.charged);
        self.book.charge(refund.token, refund.user, refund.windows, charged);
        self.events.push(Event::Charged(refund.token, refund.user, refund.windows, charged));
        self.disk.rows.push(refund);
    }

    /// A credit.
    pub fn grant(&mut self, of: Of, amount: i64) {
        match of {
            Of::User(user) => self.book.grant_user(user, nanos(amount)),
            Of::Token(token) if self.is_in_book(token) => self.book.grant_token(token, nanos(amount)),
            _ => return,
        }
        self.note_grant(of, amount);
    }

    fn note_grant(&mut self, of: Of, amount: i64) {
        self.events.push(Event::Granted(of, nanos(amount)));
        self.disk.grants.push((of, amount));
    }

    /// Takes back: not more than is left and not held.
    pub fn take_back(&mut self, of: Of, amount: i64) -> Check {
        let sums = self.sums(of);
        let mut left = ((sums.granted - sums.used).max(0) - sums.held).max(0);
        let is_there = !matches!(of, Of::Token(token) if !self.is_in_book(token));
        let verdict = match of {
            Of::User(user) => self.book.take_from_user(user, nanos(amount)),
            Of::Token(token) => {
                left = if is_there { left } else { 0 };
                self.book.take_from_token(token, nanos(amount))
            }
            _ => return Ok(()),
        };
        match verdict {
            Ok(()) if is_there && amount <= left => {
                self.note_grant(of, -amount);
                Ok(())
            }
            Err(denied) if !is_there || amount > left => ensure(denied.left.nanos() == left, || {
                format!("{} is left, the model says {left}", denied.left.nanos())
            }),
            found => Err(format!("taking {amount} of {left}: {found:?}")),
        }
    }

    /// Changes a token's limits and whether its total binds.
    pub fn set_token(&mut self, which: usize, unlimited: bool, limits: Limits) {
        let (token, user) = TOKENS[which];
        let set = self.tokens[&token];
        if set.deleted {
            return;
        }
        if set.unlimited && !unlimited {
            self.lift(Of::Token(token));
        }
        self.lowered = true;
        self.tokens.insert(token, Set { unlimited, limits, deleted: false });
        self.book.put_token(token, user, unlimited, limits);
    }

    /// Changes whether a user's total binds.
    pub fn set_user(&mut self, which: usize, unlimited: bool) {
        let user = USERS[which];
        if self.users[&user] && !unlimited {
            self.lift(Of::User(user));
        }
        self.lowered = true;
        self.users.insert(user, unlimited);
        self.book.put_user(user, unlimited);
    }

    /// The end of an unlimited time first grants what was used beyond the grants.
    fn lift(&mut self, of: Of) {
        let sums = self.sums(of);
        let beyond = (sums.used - sums.granted).max(0);
        self.grant(of, beyond);
    }

    /// Deletes a token: it begins nothing more, and ends what it began.
    pub fn delete(&mut self, which: usize) {
        let (token, _) = TOKENS[which];
        self.tokens.entry(token).or_default().deleted = true;
        self.book.forget_token(token);
    }

    /// The process is killed: memory and queue are gone. The next start settles what is left over, and loads.
    pub fn crash(&mut self, charged: impl Fn(&Hold) -> i64) -> Check {
        self.queue.clear();
        self.open.clear();
        self.settled.clear();
        let left = if self.mistake == Mistake::RecoversTwice {
            self.disk.holds.clone()
        } else {
            std::mem::take(&mut self.disk.holds)
        };
        for hold in left.values() {
            self.disk.end(hold, charged(hold));
        }
        self.load();
        ensure(self.book.held() == Money::ZERO, || "something is held after a start".to_owned())
    }

    fn load(&mut self) {
        let known_from = self.day.earlier(2);
        self.book = Book::new(known_from);
        self.put_all();
        self.events.clear();
        for (of, amount) in self.disk.grants.clone() {
            self.events.push(Event::Granted(of, nanos(amount)));
        }
        for row in &self.disk.rows {
            self.events.push(Event::Charged(row.token, row.user, row.windows, nanos(row.charged)));
        }
        for user in USERS {
            let sums = self.sums(Of::User(user));
            self.book.load_user(user, nanos(sums.granted), nanos(sums.used));
        }
        for (token, _) in TOKENS {
            let sums = self.sums(Of::Token(token));
            self.book.load_token(token, nanos(sums.granted), nanos(sums.used));
        }
        for row in self.disk.rows.iter().filter(|row| row.windows.month >= known_from.month()) {
            self.book.load_month(row.token, row.windows.month, nanos(row.charged));
            if row.windows.day >= known_from {
                self.book.load_day(row.token, row.windows.day, nanos(row.charged));
            }
        }
    }

    /// All that must be true at every moment.
    pub fn check(&self) -> Check {
        for user in USERS {
            let found = self.book.user(user).ok_or("a user is not in the book")?;
            self.check_total(Of::User(user), found, self.users[&user])?;
        }
        for (token, _) in TOKENS {
            self.check_token(token)?;
        }
        if self.open.is_empty() && self.queue.is_empty() {
            ensure(self.book.held() == Money::ZERO, || "I9: held while nothing is in flight".to_owned())?;
        }
        self.disk.check()
    }

    fn check_token(&self, token: TokenId) -> Check {
        // The other windows are looked at now and then: adding them up is what takes the time.
        let others = [self.day.earlier(1), self.day.month().first_day().earlier(1)];
        let others = if self.events.len().is_multiple_of(4) { &others[..] } else { &[] };
        for day in [self.day].iter().chain(others).copied() {
            let windows = windows_of(day);
            let Some(found) = self.book.token(token, windows) else {
                return ensure(self.tokens[&token].deleted, || format!("token {token} is not in the book"));
            };
            let set = self.tokens[&token];
            if day == self.day {
                self.check_total(Of::Token(token), found.total, set.unlimited)?;
            }
            if self.book.knows(day) {
                self.check_window(Of::Day(token, day.key()), found.day)?;
            }
            if self.book.knows(windows.month.next().first_day().earlier(1)) {
                self.check_window(Of::Month(token, windows.month.key()), found.month)?;
            }
        }
        Ok(())
    }

    fn check_total(&self, of: Of, found: Budget, unlimited: bool) -> Check {
        let want = self.sums(of);
        let (granted, used, held) = (found.granted.nanos(), found.used.nanos(), found.held.nanos());
        ensure(Sums { granted, used, held } == want, || format!("{of:?}: {found:?}, the model {want:?}"))?;
        ensure(self.lowered || unlimited || used + held <= granted, || {
            format!("I3: {of:?} has used and holds more than it was granted: {found:?}")
        })?;
        let (on_disk, open) = self.disk.sums(of);
        ensure(used + held >= on_disk + open, || {
            format!("I8: {of:?} shows {found:?}, the disk used {on_disk} and holds {open}")
        })?;
        ensure(!self.is_quiet() || used == on_disk, || format!("I1: {of:?}: {found:?}, the disk {on_disk}"))
    }

    fn check_window(&self, of: Of, found: Figures) -> Check {
        let want = self.sums(of);
        let (used, held) = (found.used.nanos(), found.held.nanos());
        ensure((used, held) == (want.used, want.held), || format!("{of:?}: {found:?}, the model {want:?}"))?;
        let binds = found.limit != Money::ZERO && !self.lowered;
        ensure(!binds || used + held <= found.limit.nanos(), || format!("I3: {of:?}: {found:?}"))?;
        let (on_disk, open) = self.disk.sums(of);
        ensure(used + held >= on_disk + open, || {
            format!("I8, I11: {of:?} shows {found:?}, the disk used {on_disk} and holds {open}")
        })
    }

    fn is_quiet(&self) -> bool {
        self.queue.is_empty()
    }
}

impl Disk {
    fn end(&mut self, hold: &Hold, charged: i64) {
        self.rows.push(Row {
            id: hold.id,
            token: hold.token,
            user: hold.user,
            windows: hold.windows,
            charged,
            refunded: false,
            is_refund: false,
        });
    }

    /// What is charged to a budget, and what is held in it.
    fn sums(&self, of: Of) -> (i64, i64) {
        let concerns = |token: TokenId, user: UserId, windows: Windows| match of {
            Of::User(of) => of == user,
            Of::Token(of) => of == token,
            Of::Day(of, key) => of == token && key == windows.day.key(),
            Of::Month(of, key) => of == token && key == windows.month.key(),
        };
        let rows = self.rows.iter().filter(|row| concerns(row.token, row.user, row.windows));
        let holds = self.holds.values().filter(|hold| concerns(hold.token, hold.user, hold.windows));
        (rows.map(|row| row.charged).sum(), holds.map(|hold| hold.amount.nanos()).sum())
    }

    /// I5: one end for each hold. I10: only refunds are negative.
    fn check(&self) -> Check {
        let mut seen = BTreeSet::new();
        for row in &self.rows {
            ensure(row.is_refund || seen.insert(row.id), || format!("I5: {:?} ended twice", row.id))?;
            ensure(row.is_refund || row.charged >= 0, || format!("I10: {row:?}"))?;
        }
        let open = self.holds.keys().find(|id| seen.contains(*id));
        ensure(open.is_none(), || format!("I5: {open:?} has ended and is open"))
    }
}
