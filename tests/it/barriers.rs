//! Two hundred requests at one instant against a budget for ten, round after round, with a restart between: exactly ten
//! are served each time. Meanwhile every budget is read again and again, from the API and from the file: what is used and
//! held never exceeds the limit. `m-out` costs one quota per token out, so a request holds exactly its cap.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Disk, Gate, Gateway, Mock, Raise, Reply, Settings, Token, at_once, chat};

/// Requests at one instant.
const CROWD: usize = 200;
/// How many of them fit.
const FIT: usize = 10;
/// What one holds, and costs.
const CAP: i64 = 16;
/// What the budget has room for in a round: not quite one more than fit.
const ROOM: i64 = 10 * CAP + CAP - 1;

/// How often, with a restart after each: in turn a stop and a kill.
#[cfg(not(feature = "long-proofs"))]
const ROUNDS: usize = 2;
#[cfg(feature = "long-proofs")]
const ROUNDS: usize = 25;

/// What admits ten.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Budget {
    Total,
    Day,
    Month,
    User,
    /// Requests in flight.
    Concurrency,
    /// Requests per minute: full again after a restart.
    Rate,
}

impl Budget {
    /// The fields of a token that only this bounds, at first.
    fn fields(self) -> Value {
        match self {
            Self::Total => json!({"remain_quota": ROOM}),
            Self::Day => json!({"unlimited_quota": true, "daily_quota": ROOM}),
            Self::Month => json!({"unlimited_quota": true, "monthly_quota": ROOM}),
            Self::User => json!({"unlimited_quota": true}),
            Self::Concurrency => json!({"remain_quota": 1_000_000, "max_concurrency": FIT}),
            Self::Rate => json!({"remain_quota": 1_000_000, "rpm": FIT}),
        }
    }

    /// How the others are refused.
    fn refusal(self) -> (u16, &'static str) {
        match self {
            Self::Total | Self::User => (402, "insufficient_quota"),
            Self::Day => (429, "daily_limit_exceeded"),
            Self::Month => (429, "monthly_limit_exceeded"),
            Self::Concurrency => (429, "concurrency_limit_exceeded"),
            Self::Rate => (429, "rate_limit_exceeded"),
        }
    }

    /// Whether it is money, which what was served uses up.
    fn is_money(self) -> bool {
        !matches!(self, Self::Concurrency | Self::Rate)
    }
}

/// The token and, where it is the user's budget, the user.
struct Payer {
    token: Token,
    user: Option<i64>,
}

impl Payer {
    fn new(gateway: &Gateway, budget: Budget) -> Self {
        let mut fields = budget.fields();
        let mut id = None;
        if budget == Budget::User {
            let user = json!({"name": "ann", "remain_quota": ROOM});
            id = gateway.post(gateway.admin(), "/v1/users", &user).expect(200).json()["data"]["id"].as_i64();
            fields["user_id"] = json!(id);
        }
        Self { token: gateway.create(fields), user: id }
    }

    /// Makes room for ten more, when `rounds` have gone.
    fn make_room(&self, gateway: &Gateway, budget: Budget, rounds: usize) {
        let target = format!("/v1/tokens/{}", self.token.id);
        let more = i64::try_from(rounds).unwrap() * CAP * 10;
        let credit = json!({"quota": CAP * 10});
        match budget {
            Budget::Total => gateway.post(gateway.admin(), &format!("{target}/credit"), &credit).expect(200),
            Budget::User => {
                let target = format!("/v1/users/{}/credit", self.user.unwrap());
                gateway.post(gateway.admin(), &target, &credit).expect(200)
            }
            Budget::Day => gateway.patch(&target, &json!({"daily_quota": ROOM + more})).expect(200),
            Budget::Month => gateway.patch(&target, &json!({"monthly_quota": ROOM + more})).expect(200),
            Budget::Concurrency | Budget::Rate => return,
        };
    }

    /// Reads the budgets from the API once; panics where used and held exceed one.
    fn assert_within(&self, gateway: &Gateway) {
        let token = gateway.token(self.token.id);
        let number = |field: &str| token[field].as_i64().unwrap();
        let held = number("reserved_quota");
        assert!(token["unlimited_quota"] == true || held <= number("remain_quota"), "total: {token}");
        for window in ["daily", "monthly"] {
            let limit = number(&format!("{window}_quota"));
            let used = number(&format!("{window}_used_quota"));
            assert!(limit == 0 || used + held <= limit, "{window}: {token}");
        }
        if let Some(user) = self.user {
            let target = format!("/v1/users/{user}");
            let user = gateway.get(gateway.admin(), &target).expect(200).json()["data"].clone();
            let number = |field: &str| user[field].as_i64().unwrap();
            assert!(number("reserved_quota") <= number("remain_quota"), "user: {user}");
        }
    }
}

/// Reads every budget from the file until `is_over`, also while the gateway stops and starts; how often.
fn watch_file(path: &Path, is_over: &AtomicBool) -> usize {
    let mut samples = 0;
    while !is_over.load(Ordering::SeqCst) {
        // While it starts or ends, the file may be nobody's to read for a moment.
        let Ok(lines) = Disk::open(path).and_then(|disk| disk.budgets()) else {
            std::thread::yield_now();
            continue;
        };
        samples += 1;
        for line in lines {
            assert!(line.spent <= line.limit, "the file says {line:?}");
        }
    }
    samples
}

/// Reads the budgets from the API until `is_over`; how often.
fn watch_api(gateway: &Gateway, payer: &Payer, is_over: &AtomicBool) -> usize {
    let mut samples = 0;
    while !is_over.load(Ordering::SeqCst) {
        payer.assert_within(gateway);
        samples += 1;
    }
    samples
}

/// One crowd; how many were served. `gate` keeps those who were let in with the provider until all others are refused.
fn storm(gateway: &Gateway, payer: &Payer, budget: Budget, gate: &Gate) -> usize {
    let refused = AtomicUsize::new(0);
    let body = chat("m-out", &json!({"max_tokens": CAP}));
    let answers = at_once(CROWD, |_| {
        let answer = gateway.chat(&payer.token.key, &body);
        if answer.status != 200 && refused.fetch_add(1, Ordering::SeqCst) + 1 == CROWD - FIT {
            assert!(budget == Budget::Rate || gateway.held(&payer.token) == 10 * CAP, "{budget:?}");
            gate.open();
        }
        answer
    });
    let (status, code) = budget.refusal();
    let (served, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    others.into_iter().for_each(|answer| drop(answer.refuses(status, code)));
    served.len()
}

/// One round: the crowd with the API watched, then what it came to, and a restart.
fn round(gateway: &mut Gateway, payer: &Payer, budget: Budget, gate: &Gate) -> usize {
    let is_over = AtomicBool::new(false);
    let (served, samples) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_api(gateway, payer, &is_over));
        let over = Raise(&is_over);
        let served = storm(gateway, payer, budget, gate);
        drop(over);
        (served, watcher.join().unwrap())
    });
    assert!(samples > 0);
    served
}

/// All rounds against one budget.
fn prove(budget: Budget) {
    let gate = Arc::new(Mutex::new(Gate::new()));
    let shut = Arc::clone(&gate);
    let mock = Mock::start(move |_| Reply::completion(9, 16).behind(&shut.lock().unwrap().clone()));
    let mut gateway = Gateway::start(Settings::with(&mock));
    let payer = Payer::new(&gateway, budget);
    let (path, is_over) = (gateway.database(), AtomicBool::new(false));
    let mut all = 0;
    let samples = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_file(&path, &is_over));
        let over = Raise(&is_over);
        for number in 0..ROUNDS {
            let fresh = Gate::new();
            *gate.lock().unwrap() = fresh.clone();
            if budget == Budget::Rate {
                // One more may be let in, if the bucket gains one meanwhile: nobody waits for the count.
                fresh.open();
            }
            let served = round(&mut gateway, &payer, budget, &fresh);
            let most = if budget == Budget::Rate { FIT + 1 } else { FIT };
            assert!((FIT..=most).contains(&served), "{budget:?}, round {number}: {served} were served");
            all += served;
            let used = CAP * i64::try_from(all).unwrap();
            assert_eq!(
                (gateway.settled(&payer.token), mock.count()),
                (used, all),
                "{budget:?}, round {number}"
            );
            if number.is_multiple_of(2) {
                gateway.kill();
            } else {
                gateway.terminate();
            }
            gateway.restart();
            assert_eq!(gateway.used(&payer.token), used, "{budget:?}, round {number}: after the restart");
            if budget.is_money() {
                let (status, code) = budget.refusal();
                let body = chat("m-out", &json!({"max_tokens": CAP}));
                gateway.chat(&payer.token.key, &body).refuses(status, code);
            }
            payer.make_room(&gateway, budget, number + 1);
        }
        drop(over);
        watcher.join().unwrap()
    });
    let rows = gateway.all_entries(&payer.token);
    let ended: Vec<_> = rows.iter().filter(|row| row["outcome"] != "credit").collect();
    assert!(ended.len() == all && ended.iter().all(|row| row["outcome"] == "ok"), "{budget:?}: {ended:?}");
    assert!(budget != Budget::Concurrency || mock.peak() == FIT, "{budget:?}: {} at one time", mock.peak());
    // For whoever runs it with `--nocapture`.
    println!("{budget:?}: {ROUNDS} crowds of {CROWD}, {all} served; the file was read {samples} times");
    assert!(samples > 0);
}

/// QL-04, T1.
#[test]
fn a_total_for_ten() {
    prove(Budget::Total);
}

#[test]
fn a_day_for_ten() {
    prove(Budget::Day);
}

#[test]
fn a_month_for_ten() {
    prove(Budget::Month);
}

#[test]
fn a_user_for_ten() {
    prove(Budget::User);
}

#[test]
fn ten_in_flight() {
    prove(Budget::Concurrency);
}

#[test]
fn ten_per_minute() {
    prove(Budget::Rate);
}
