//! The rules of money as a table of scenarios, each a few lines of text run by one [`check`].
//!
//! ```text
//! day 20261124                              the day of what follows (UTC)
//! user 1 granted 100 [unlimited]            adds a user
//! token 1 user 1 granted 50 [daily 30] [monthly 40] [unlimited]
//! hold a token 1 30 ok                      or: short token|user|day|month free 20
//! settle a 20 charged 20 overrun 0          decides, tightens; frees nothing
//! commit a                                  the settlement is on disk
//! release a                                 the hold could not be made durable
//! refund a                                  gives back what was charged, on its own windows
//! grant|take token|user 1 20 ok             or: left 10
//! set token 1 [daily 5] [monthly 9] [unlimited]
//! set user 1 [unlimited]
//! forget token 1
//! known yes|no                              whether the day's sums are in memory
//! room token 1 free 30                      or: none, for nothing binds; or: gone
//! expect token 1 granted 50 used 20 held 0 day 20 0 month 20 0
//! expect user 1 granted 100 used 20 held 0
//! expect held 0
//! ```

use std::collections::HashMap;

use super::*;
use crate::ledger::{Book, Limits, Settled, Which};

struct Stage {
    book: Book,
    day: Day,
    owners: HashMap<i64, i64>,
    limits: HashMap<i64, Limits>,
    holds: HashMap<String, Hold>,
    settled: HashMap<String, Settled>,
    next: u64,
}

/// Runs a scenario line by line.
fn check(name: &str, script: &str) {
    let day = Day::from_key(20_261_124);
    let mut stage = Stage {
        book: Book::new(day.earlier(2)),
        day,
        owners: HashMap::new(),
        limits: HashMap::new(),
        holds: HashMap::new(),
        settled: HashMap::new(),
        next: 0,
    };
    for (number, line) in script.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            let found = stage.run(&words);
            assert!(found.is_ok(), "{name}, line {number}: `{}`: {}", line.trim(), found.unwrap_err());
        }
    }
}

fn number(word: &str) -> i64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is no number"))
}

/// The number behind `key`, or zero.
fn after(words: &[&str], key: &str) -> i64 {
    words.iter().position(|word| *word == key).map_or(0, |at| number(words[at + 1]))
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, want: &T) -> Result<(), String> {
    if found == want { Ok(()) } else { Err(format!("found {found:?}, want {want:?}")) }
}

impl Stage {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["day", key] => self.day = Day::from_key(number(key)),
            ["user", id, rest @ ..] => {
                let user = UserId(number(id));
                self.book.put_user(user, rest.contains(&"unlimited"));
                self.book.grant_user(user, nanos(after(rest, "granted")));
            }
            ["token", id, "user", user, rest @ ..] => {
                self.owners.insert(number(id), number(user));
                self.set_token(number(id), rest);
                self.book.grant_token(TokenId(number(id)), nanos(after(rest, "granted")));
            }
            ["set", "token", id, rest @ ..] => self.set_token(number(id), rest),
            ["set", "user", id, rest @ ..] => {
                self.book.put_user(UserId(number(id)), rest.contains(&"unlimited"));
            }
            ["hold", name, "token", id, amount, verdict @ ..] => {
                return self.hold(name, number(id), number(amount), verdict);
            }
            ["settle", name, cost, "charged", charged, "overrun", overrun] => {
                let hold = self.holds.remove(*name).expect("an open hold");
                let settled = self.book.settle(hold, costing(number(cost)), Timestamp::from_secs(1));
                let found = (settled.charged.nanos(), settled.overrun.nanos());
                self.settled.insert((*name).to_owned(), settled);
                return same(&found, &(number(charged), number(overrun)));
            }
            ["commit", name] => self.book.commit(&self.settled[*name]),
            ["release", name] => {
                let hold = self.holds.remove(*name).expect("an open hold");
                self.book.release(&hold);
            }
            ["refund", name] => {
                let settled = &self.settled[*name];
                let (hold, charged) = (&settled.hold, settled.charged.negated());
                self.book.charge(hold.token, hold.user, hold.windows, charged);
            }
            ["grant" | "take", ..] => return self.grant(words),
            ["forget", "token", id] => self.book.forget_token(TokenId(number(id))),
            ["known", word] => return same(&self.book.knows(self.day), &(*word == "yes")),
            ["room", "token", id, rest @ ..] => return self.room(number(id), rest),
            ["expect", rest @ ..] => return self.expect(rest),
            _ => panic!("`{}` is no line of a scenario", words.join(" ")),
        }
        Ok(())
    }

    fn set_token(&mut self, id: i64, rest: &[&str]) {
        let limits = Limits { daily: nanos(after(rest, "daily")), monthly: nanos(after(rest, "monthly")) };
        self.limits.insert(id, limits);
        let user = UserId(self.owners[&id]);
        self.book.put_token(TokenId(id), user, rest.contains(&"unlimited"), limits);
    }

    fn hold(&mut self, name: &str, token: i64, amount: i64, verdict: &[&str]) -> Result<(), String> {
        self.next += 1;
        let user = UserId(self.owners[&token]);
        let hold = hold_of(self.next, TokenId(token), user, amount, self.day);
        let found = match self.book.hold(&hold) {
            Ok(()) => {
                self.holds.insert(name.to_owned(), hold);
                "ok".to_owned()
            }
            Err(shortfall) => {
                same(&shortfall.need, &nanos(amount))?;
                let which = match shortfall.line.which {
                    Which::Token => "token",
                    Which::User => "user",
                    Which::Day => "day",
                    Which::Month => "month",
                };
                format!("short {which} free {}", shortfall.line.free().nanos())
            }
        };
        same(&found, &verdict.join(" "))
    }

    fn grant(&mut self, words: &[&str]) -> Result<(), String> {
        let amount = nanos(number(words[3]));
        let (token, user) = (TokenId(number(words[2])), UserId(number(words[2])));
        let taken = match (words[0], words[1]) {
            ("take", "token") => self.book.take_from_token(token, amount),
            ("take", _) => self.book.take_from_user(user, amount),
            (_, "token") => {
                self.book.grant_token(token, amount);
                Ok(())
            }
            _ => {
                self.book.grant_user(user, amount);
                Ok(())
            }
        };
        let found = taken.map_or_else(|denied| format!("left {}", denied.left.nanos()), |()| "ok".to_owned());
        same(&found, &words[4..].join(" "))
    }

    fn room(&self, token: i64, rest: &[&str]) -> Result<(), String> {
        let found = match self.book.room(TokenId(token), windows_of(self.day)) {
            None => "gone".to_owned(),
            Some(room) => room.free().map_or("none".to_owned(), |free| format!("free {}", free.nanos())),
        };
        same(&found, &rest.join(" "))
    }

    fn expect(&self, rest: &[&str]) -> Result<(), String> {
        let budget = match rest {
            ["held", amount] => return same(&self.book.held(), &nanos(number(amount))),
            ["user", id, ..] => self.book.user(UserId(number(id))).expect("a user of the book"),
            ["token", id, ..] => {
                let token = self.book.token(TokenId(number(id)), windows_of(self.day));
                let token = token.expect("a token of the book");
                for (word, figures) in [("day", token.day), ("month", token.month)] {
                    if let Some(at) = rest.iter().position(|found| *found == word) {
                        let want = (nanos(number(rest[at + 1])), nanos(number(rest[at + 2])));
                        same(&(figures.used, figures.held), &want)?;
                    }
                }
                token.total
            }
            _ => panic!("`{}` cannot be expected", rest.join(" ")),
        };
        for (word, found) in [("granted", budget.granted), ("used", budget.used), ("held", budget.held)] {
            if rest.contains(&word) {
                same(&found, &nanos(after(rest, word))).map_err(|fault| format!("{word}: {fault}"))?;
            }
        }
        Ok(())
    }
}

#[test]
fn the_rules_of_money_hold_in_each_scenario() {
    for (name, script) in SCENARIOS {
        check(name, script);
    }
}

#[test]
#[should_panic(expected = "a counter of the book fell below zero")]
fn committing_twice_stops_the_book() {
    check(
        "twice",
        "user 1 granted 100
        token 1 user 1 granted 50
        hold a token 1 30 ok
        settle a 20 charged 20 overrun 0
        commit a
        commit a",
    );
}

const SCENARIOS: [(&str, &str); 24] = [
    (
        "a hold counts at once, a settlement frees only on disk",
        "user 1 granted 100
        token 1 user 1 granted 50 daily 45 monthly 48
        hold a token 1 30 ok
        expect token 1 granted 50 used 0 held 30 day 0 30 month 0 30
        expect user 1 granted 100 used 0 held 30
        hold b token 1 31 short token free 20
        expect held 30
        settle a 20 charged 20 overrun 0
        expect token 1 used 0 held 30
        hold b token 1 21 short token free 20
        commit a
        expect token 1 used 20 held 0 day 20 0 month 20 0
        expect user 1 used 20 held 0
        hold b token 1 26 short day free 25
        hold b token 1 25 ok
        expect held 25",
    ),
    (
        "the first budget in order says no",
        "user 1 granted 10
        token 1 user 1 granted 20 daily 5 monthly 5
        hold a token 1 21 short token free 20
        hold a token 1 11 short user free 10
        hold a token 1 6 short day free 5
        set token 1 monthly 4
        hold a token 1 5 short month free 4
        hold a token 1 4 ok
        room token 1 free 0
        expect held 4",
    ),
    (
        "exactly all of it, and nothing more",
        "user 1 granted 50
        token 1 user 1 granted 50
        hold a token 1 50 ok
        hold b token 1 1 short token free 0
        hold b token 1 0 ok
        settle a 50 charged 50 overrun 0
        settle b 0 charged 0 overrun 0
        commit a
        commit b
        expect token 1 used 50 held 0
        room token 1 free 0
        hold c token 1 1 short token free 0",
    ),
    (
        "a user's budget is shared by its tokens",
        "user 1 granted 60
        token 1 user 1 unlimited
        token 2 user 1 granted 100
        hold a token 1 40 ok
        hold b token 2 21 short user free 20
        hold b token 2 20 ok
        settle a 0 charged 0 overrun 0
        commit a
        expect token 1 used 0 held 0
        expect user 1 used 0 held 20
        hold c token 1 40 ok",
    ),
    (
        "a cost beyond the hold takes what is free",
        "user 1 granted 100
        token 1 user 1 granted 50
        hold a token 1 10 ok
        settle a 35 charged 35 overrun 0
        expect token 1 used 0 held 35
        hold b token 1 16 short token free 15
        commit a
        expect token 1 used 35 held 0",
    ),
    (
        "what is not free anywhere is overrun",
        "user 1 granted 30
        token 1 user 1 granted 50 daily 45
        hold a token 1 10 ok
        hold b token 1 5 ok
        settle a 100 charged 25 overrun 75
        expect token 1 used 0 held 30
        expect user 1 used 0 held 30
        commit a
        expect token 1 used 25 held 5 day 25 5
        settle b 5 charged 5 overrun 0
        commit b
        expect user 1 used 30 held 0
        room token 1 free 0",
    ),
    (
        "an unlimited token of an unlimited user pays any overrun",
        "user 1 unlimited
        token 1 user 1 unlimited
        room token 1 none
        hold a token 1 10 ok
        settle a 1000 charged 1000 overrun 0
        commit a
        expect token 1 granted 0 used 1000 held 0
        expect user 1 granted 0 used 1000 held 0",
    ),
    (
        "windows bind an unlimited token",
        "user 1 unlimited
        token 1 user 1 unlimited daily 10 monthly 15
        hold a token 1 11 short day free 10
        hold a token 1 10 ok
        settle a 10 charged 10 overrun 0
        commit a
        day 20261125
        hold b token 1 6 short month free 5
        hold b token 1 5 ok
        settle b 9 charged 5 overrun 4
        commit b
        expect token 1 used 15 held 0 day 5 0 month 15 0",
    ),
    (
        "a void charges nothing",
        "user 1 granted 100
        token 1 user 1 granted 50 daily 30
        hold a token 1 30 ok
        settle a 0 charged 0 overrun 0
        commit a
        expect token 1 used 0 held 0 day 0 0 month 0 0
        expect user 1 used 0 held 0
        expect held 0",
    ),
    (
        "a hold that was not recorded leaves nothing",
        "user 1 granted 100
        token 1 user 1 granted 50 daily 30
        hold a token 1 30 ok
        release a
        expect token 1 used 0 held 0 day 0 0 month 0 0
        expect held 0",
    ),
    (
        "taking back leaves what is held",
        "user 1 granted 100
        token 1 user 1 granted 50
        hold a token 1 30 ok
        take token 1 21 left 20
        expect token 1 granted 50
        take token 1 20 ok
        expect token 1 granted 30 used 0 held 30
        hold b token 1 1 short token free 0
        take user 1 71 left 70
        take user 1 70 ok
        settle a 30 charged 30 overrun 0
        commit a
        expect user 1 granted 30 used 30 held 0
        take token 1 1 left 0
        take token 1 0 ok",
    ),
    (
        "nothing can be taken from what is not there",
        "user 1 granted 1
        token 1 user 1 granted 1
        take token 9 1 left 0
        take user 9 1 left 0
        take token 9 0 left 0",
    ),
    (
        "a credit opens an exhausted token",
        "user 1 granted 100
        token 1 user 1 granted 0
        hold a token 1 1 short token free 0
        grant token 1 5 ok
        hold a token 1 5 ok
        settle a 5 charged 5 overrun 0
        commit a
        hold b token 1 1 short token free 0
        grant token 1 1 ok
        hold b token 1 1 ok",
    ),
    (
        "a limit lowered below what is used and held stops admissions, not settlements",
        "user 1 granted 100
        token 1 user 1 granted 100 daily 60
        hold a token 1 30 ok
        hold b token 1 20 ok
        set token 1 daily 10
        room token 1 free 0
        hold c token 1 1 short day free 0
        settle a 30 charged 30 overrun 0
        settle b 25 charged 20 overrun 5
        commit a
        commit b
        expect token 1 used 50 held 0 day 50 0
        set token 1 daily 51
        hold c token 1 1 ok",
    ),
    (
        "the end of an unlimited time",
        "user 1 granted 1000
        token 1 user 1 unlimited
        hold a token 1 40 ok
        settle a 40 charged 40 overrun 0
        commit a
        hold b token 1 7 ok
        grant token 1 40 ok
        set token 1
        room token 1 free 0
        take token 1 1 left 0
        settle b 7 charged 7 overrun 0
        commit b
        expect token 1 granted 40 used 47 held 0
        room token 1 free 0
        grant token 1 7 ok
        grant token 1 5 ok
        room token 1 free 5",
    ),
    (
        "a request across midnight is charged to its own day",
        "user 1 granted 100
        token 1 user 1 granted 100 daily 30 monthly 90
        day 20261124
        hold a token 1 30 ok
        hold b token 1 1 short day free 0
        day 20261125
        room token 1 free 30
        settle a 25 charged 25 overrun 0
        commit a
        expect token 1 day 0 0 month 25 0
        hold b token 1 30 ok
        day 20261124
        expect token 1 day 25 0
        hold c token 1 6 short day free 5",
    ),
    (
        "an extension is asked of the day of admission",
        "user 1 granted 100
        token 1 user 1 granted 100 daily 30
        hold a token 1 10 ok
        hold b token 1 15 ok
        day 20261125
        settle a 30 charged 15 overrun 15
        commit a
        expect token 1 day 0 0
        day 20261124
        expect token 1 day 15 15",
    ),
    (
        "a month ends, a year ends, February has 29 days",
        "user 1 granted 1000
        token 1 user 1 granted 1000 monthly 10
        day 20261130
        hold a token 1 10 ok
        settle a 10 charged 10 overrun 0
        commit a
        hold b token 1 1 short month free 0
        day 20261201
        hold b token 1 10 ok
        settle b 10 charged 10 overrun 0
        commit b
        day 20261231
        hold c token 1 1 short month free 0
        day 20270101
        hold c token 1 1 ok
        day 20280229
        hold d token 1 10 ok
        expect token 1 month 0 10
        day 20280301
        hold e token 1 10 ok",
    ),
    (
        "a clock that steps back finds its day as it was",
        "user 1 granted 100
        token 1 user 1 granted 100 daily 10
        day 20261124
        hold a token 1 10 ok
        settle a 10 charged 10 overrun 0
        commit a
        day 20261126
        hold b token 1 7 ok
        settle b 7 charged 7 overrun 0
        commit b
        day 20261124
        known yes
        hold c token 1 1 short day free 0
        day 20261125
        hold c token 1 9 ok
        day 20261126
        hold d token 1 4 short day free 3
        day 20261122
        known yes
        day 20261121
        known no",
    ),
    (
        "windows that were forgotten are not known any more",
        "user 1 granted 100
        token 1 user 1 granted 100 daily 2
        day 20261124
        hold a token 1 1 ok
        settle a 1 charged 1 overrun 0
        commit a
        day 20261125
        hold b token 1 1 ok
        day 20261126
        hold c token 1 1 ok
        day 20261127
        hold d token 1 1 ok
        day 20261128
        hold e token 1 1 ok
        day 20261129
        hold f token 1 1 ok
        day 20261130
        hold g token 1 1 ok
        day 20261201
        hold h token 1 1 ok
        day 20261124
        known yes
        day 20261202
        hold i token 1 1 ok
        day 20261124
        known no
        day 20261125
        known yes
        expect token 1 used 1 held 8 day 0 1",
    ),
    (
        "a request that outlives its window in memory is not extended",
        "user 1 unlimited
        token 1 user 1 unlimited daily 10
        day 20261124
        hold late token 1 0 ok
        hold a token 1 10 ok
        settle a 10 charged 10 overrun 0
        commit a
        day 20261125
        hold b token 1 1 ok
        day 20261126
        hold c token 1 1 ok
        day 20261127
        hold d token 1 1 ok
        day 20261128
        hold e token 1 1 ok
        day 20261129
        hold f token 1 1 ok
        day 20261130
        hold g token 1 1 ok
        day 20261201
        hold h token 1 1 ok
        day 20261202
        hold i token 1 1 ok
        settle late 5 charged 0 overrun 5
        commit late
        expect token 1 used 10 held 8",
    ),
    (
        "a refund goes to the row's own day and month",
        "user 1 granted 100
        token 1 user 1 granted 50 daily 30 monthly 40
        hold a token 1 30 ok
        settle a 30 charged 30 overrun 0
        commit a
        day 20261201
        refund a
        expect token 1 granted 50 used 0 held 0 day 0 0 month 0 0
        expect user 1 used 0
        day 20261124
        expect token 1 day 0 0 month 0 0
        hold b token 1 30 ok",
    ),
    (
        "a token that was forgotten while it held nothing is not extended",
        "user 1 granted 100
        token 1 user 1 granted 1
        hold a token 1 0 ok
        forget token 1
        settle a 101 charged 0 overrun 101
        commit a
        expect user 1 used 0 held 0",
    ),
    (
        "a deleted token ends what it began",
        "user 1 granted 100
        token 1 user 1 granted 50
        hold a token 1 30 ok
        forget token 1
        room token 1 free 20
        settle a 20 charged 20 overrun 0
        commit a
        expect user 1 used 20 held 0
        forget token 1
        room token 1 gone
        refund a
        expect user 1 used 0 held 0
        expect held 0",
    ),
];
