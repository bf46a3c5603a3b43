//! The gate, between a journal that acknowledges at will and a market of a few models.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::gate::OutputCap;
use super::*;
use crate::catalogue::{Catalogue, Multiplier, PriceRow, Provider, Terms};
use crate::clock::{Clock, Timestamp};
use crate::ids::{ChannelName, RequestId, TokenId, UserId};
use crate::ledger::{
    Ack, AckSender, Book, Books, Budget, Hold, Journal, Limits, Outcome, Settled, Settlement, StoreFault,
    UsageSource, Which, Zone, ack,
};
use crate::limits::{RateKind, RateState, Rates, Seat, Slot};
use crate::money::Money;
use crate::tokens::{
    ApiToken, Caller, Found, IpList, KeyHash, KeyMint, ModelList, Registry, Role, Scopes, identify,
};
use crate::usage::{TokenCount, Usage};
use crate::wire::{Ask, AskLimits, Form};

/// Noon of 24 November 2026, UTC.
const NOON: i64 = 1_795_521_600;
const TOKEN: TokenId = TokenId(1);
const USER: UserId = UserId(1);

fn nanos(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

/// Prices in nanodollars a unit: `free-input` costs 1 for each unit of output; `both` 1 each way; `small` gives at most 50;
/// `flat` 10 a request.
const PRICES: &str = r#"
    [[prices]]
    model = "free-input"
    input = 0
    output = "0.001"
    [[prices]]
    model = "both"
    input = "0.001"
    output = "0.001"
    [[prices]]
    model = "small"
    input = 0
    output = "0.001"
    max_output_tokens = 50
    [[prices]]
    model = "flat"
    input = 0
    output = 0
    per_request = "0.00000001"
    [[prices]]
    model = "ruinous"
    input = 0
    output = 1000000
"#;

/// A catalogue, and whether callers are still what they were.
struct Shop(Catalogue, AtomicBool);

impl Shop {
    fn new() -> Self {
        Self(Catalogue::parse(PRICES, Vec::<PriceRow>::new()).unwrap(), AtomicBool::new(true))
    }
}

impl Market for Shop {
    fn channel(&self, _: &ApiToken, model: &str, _: Form) -> Option<ChannelName> {
        (model != "nowhere").then(|| ChannelName(Arc::from("c")))
    }

    fn offer(&self, _: &ApiToken, model: &str, _: Form) -> Result<Offer, MarketFault> {
        if model == "nowhere" {
            return Err(MarketFault::NotServed);
        }
        let entry = self.0.entry(Provider::OpenAi, model).ok_or(MarketFault::NotPriced)?;
        let terms = Terms::new(entry, Multiplier::ONE);
        Ok(Offer { channel: ChannelName(Arc::from("c")), terms })
    }

    fn is_current(&self, _: &Caller, _: Timestamp) -> bool {
        self.1.load(Ordering::SeqCst)
    }
}

/// Keeps what it is told until it is acknowledged.
#[derive(Default)]
struct Notes {
    holds: Mutex<Vec<(Hold, Option<AckSender>)>>,
    ends: Mutex<Vec<(Settled, Option<AckSender>)>>,
}

impl Journal for Notes {
    fn hold(&self, hold: Hold) -> Ack {
        let (sender, ack) = ack();
        self.holds.lock().unwrap().push((hold, Some(sender)));
        ack
    }

    fn settle(&self, settled: Settled) -> Ack {
        let (sender, ack) = ack();
        self.ends.lock().unwrap().push((settled, Some(sender)));
        ack
    }
}

/// A gate, and all that a test holds of it.
struct Stand {
    gate: Gate,
    books: Arc<Books>,
    notes: Arc<Notes>,
    shop: Shop,
    clock: Clock,
    token: ApiToken,
}

impl Stand {
    /// A token and a user, each granted `granted`.
    fn new(granted: i64) -> Self {
        Self::with(Settings::new(1_000, 16), |book| {
            book.put_user(USER, false);
            book.put_token(TOKEN, USER, false, Limits::default());
            book.grant_user(USER, nanos(granted));
            book.grant_token(TOKEN, nanos(granted));
        })
    }

    /// A token without any budget.
    fn unlimited() -> Self {
        Self::with(Settings::new(1_000, 16), |book| {
            book.put_user(USER, true);
            book.put_token(TOKEN, USER, true, Limits::default());
        })
    }

    fn with(settings: Settings, set: impl FnOnce(&mut Book)) -> Self {
        let noon = Timestamp::from_secs(NOON);
        Self::standing(Zone(chrono_tz::Tz::UTC), noon, settings, set)
    }

    /// A stand in `zone` whose clock stands at `at`.
    fn standing(zone: Zone, at: Timestamp, settings: Settings, set: impl FnOnce(&mut Book)) -> Self {
        let clock = Clock::manual(at);
        let mut book = Book::new(zone.windows(clock.now()).day.earlier(2));
        set(&mut book);
        let notes = Arc::new(Notes::default());
        let journal: Arc<dyn Journal> = notes.clone();
        let books = Arc::new(Books::new(book, journal, clock.clone()));
        let gate = Gate::new(Arc::clone(&books), clock.clone(), zone, settings, 3);
        let token = ApiToken {
            id: TOKEN,
            user: USER,
            enabled: true,
            expires_at: None,
            models: None,
            ips: IpList::default(),
            group: Arc::from("default"),
            cross_group_retry: false,
            rpm: 0,
            tpm: 0,
            max_concurrency: 0,
            scopes: Scopes::Inference,
        };
        Self { gate, books, notes, shop: Shop::new(), clock, token }
    }

    fn set_limits(&self, daily: i64, monthly: i64) {
        let limits = Limits { daily: nanos(daily), monthly: nanos(monthly) };
        let unlimited = self.total().unlimited;
        self.books.lock().put_token(TOKEN, USER, unlimited, limits);
    }

    async fn ask(&self, body: &str) -> Result<PendingAdmission, Refusal> {
        let ask = ask(body);
        let caller = caller(&self.token);
        let at = self.clock.now();
        let request = Request { caller: &caller, ask: &ask, id: RequestId::mint(at), at };
        self.gate.admit(request, &self.shop).await
    }

    /// Admits and acknowledges.
    async fn admit(&self, body: &str) -> Admission {
        let pending = self.ask(body).await.ok().unwrap();
        self.tell_holds(Ok(()));
        pending.durable().await.unwrap()
    }

    fn tell_holds(&self, verdict: Result<(), StoreFault>) {
        for (hold, sender) in self.notes.holds.lock().unwrap().iter_mut() {
            if let Some(sender) = sender.take() {
                if verdict.is_err() {
                    self.books.lock().release(hold);
                }
                sender.tell(verdict);
            }
        }
    }

    /// Commits what ended, as the writer does.
    fn tell_ends(&self) {
        for (settled, sender) in self.notes.ends.lock().unwrap().iter_mut() {
            if let Some(sender) = sender.take() {
                self.books.lock().commit(settled);
                sender.tell(Ok(()));
            }
        }
    }

    fn last_end(&self) -> Settled {
        self.notes.ends.lock().unwrap().last().unwrap().0.clone()
    }

    fn total(&self) -> Budget {
        let windows = Zone(chrono_tz::Tz::UTC).windows(self.clock.now());
        self.books.lock().token(TOKEN, windows).unwrap().total
    }

    /// Takes one of the token's requests, and a place, without money.
    fn occupy(&self) -> Option<Slot> {
        let token = &self.token;
        let rates = Rates { rpm: token.rpm, tpm: token.tpm, max_concurrency: token.max_concurrency };
        let mut seat = Seat::default();
        let mut turn = self.gate.limiter.lock(TOKEN, rates, self.clock.moment(), &mut seat);
        turn.check_request().ok()?;
        Some(turn.take(0, self.gate.limiter.enter()?))
    }

    /// All that a refusal must leave as it was.
    fn figures(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let windows = Zone(chrono_tz::Tz::UTC).windows(self.clock.now());
        let token = self.books.lock().token(TOKEN, windows);
        let user = self.books.lock().user(USER);
        let states = self.gate.rate_states(&self.token);
        let sent = (self.notes.holds.lock().unwrap().len(), self.notes.ends.lock().unwrap().len());
        (token, user, states, sent)
    }
}

fn ask(body: &str) -> Arc<Ask> {
    let limits = AskLimits { max_choices: 128 };
    Arc::new(Ask::parse(Form::Chat, Bytes::copy_from_slice(body.as_bytes()), &limits).unwrap())
}

/// A request for `model` with these members more.
fn body(model: &str, more: &str) -> String {
    format!("{{\"model\":\"{model}\",{more}\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}")
}

/// A request of `model` that holds exactly `cap` where only output costs.
fn capped(model: &str, cap: i64) -> String {
    body(model, &format!("\"max_tokens\":{cap},"))
}

struct Door<'a>(&'a ApiToken);

impl Registry for Door<'_> {
    fn find(&self, _: &KeyHash) -> Option<Found> {
        let token = Arc::new(self.0.clone());
        Some(Found { token, role: Role::Member, user_enabled: true, key_expires_at: None })
    }
}

fn caller(token: &ApiToken) -> Caller {
    let key = KeyMint::try_new().unwrap().mint();
    identify(&Door(token), &key, Timestamp::from_secs(NOON)).unwrap()
}

fn costing(cost: i64) -> Settlement {
    let usage = Usage { output: TokenCount::clamped(cost), ..Usage::default() };
    Settlement { outcome: Outcome::Ok, cost: nanos(cost), usage, source: UsageSource::Provider, attempts: 1 }
}

#[track_caller]
fn budget(refused: Result<PendingAdmission, Refusal>) -> BudgetRefusal {
    match refused.map(drop) {
        Err(Refusal::Budget(refusal)) => *refusal,
        other => panic!("no budget said no: {other:?}"),
    }
}

#[track_caller]
fn rate(refused: Result<PendingAdmission, Refusal>) -> RateKind {
    match refused.map(drop) {
        Err(Refusal::Rate(fault)) => fault.which,
        other => panic!("no rate said no: {other:?}"),
    }
}

/// Everything is wrong at first; each step rights what was told, and the next is told.
#[tokio::test]
async fn with_several_things_wrong_the_first_in_order_is_told() {
    let mut stand = Stand::new(10);
    stand.set_limits(9, 8);
    stand.token.models = Some(ModelList::parse("other").unwrap());
    stand.token.rpm = 1;
    stand.token.max_concurrency = 1;
    stand.token.tpm = 5;
    let running = stand.occupy();
    let others: Vec<_> = (0..2).map(|_| stand.gate.limiter.enter().unwrap()).collect();
    stand.books.set_recording(false);

    assert_eq!(stand.ask(&body("nowhere", "")).await.err(), Some(Refusal::ModelNotAllowed));
    stand.token.models = None;
    assert_eq!(stand.ask(&body("nowhere", "")).await.err(), Some(Refusal::ModelNotFound));
    assert_eq!(stand.ask(&body("priceless", "")).await.err(), Some(Refusal::ModelNotPriced));
    let dearer = body("free-input", "\"service_tier\":\"priority\",");
    assert_eq!(stand.ask(&dearer).await.err(), Some(Refusal::TierNotPriced));
    let big = body("free-input", "");
    assert_eq!(rate(stand.ask(&big).await), RateKind::Requests);
    stand.token.rpm = 0;
    assert_eq!(rate(stand.ask(&big).await), RateKind::Concurrency);
    stand.token.max_concurrency = 0;
    assert_eq!(stand.ask(&big).await.err(), Some(Refusal::Overloaded));
    drop(others);
    assert_eq!(stand.ask(&big).await.err(), Some(Refusal::StoreUnavailable));
    stand.books.set_recording(true);
    // The tokens of a minute: something must be missing, or one that is too large may pass.
    let small = stand.ask(&capped("free-input", 1)).await.ok().unwrap();
    assert_eq!(rate(stand.ask(&big).await), RateKind::Tokens);
    stand.token.tpm = 0;
    drop(small);
    stand.tell_ends();
    for (granted, user, daily, monthly, which) in [
        (10, 10, 9, 8, Which::Token),
        (100, 10, 9, 8, Which::User),
        (100, 100, 9, 8, Which::Day),
        (100, 100, 90, 8, Which::Month),
    ] {
        let (has, users) = (stand.total().granted, stand.books.lock().user(USER).unwrap().granted);
        stand.books.lock().grant_token(TOKEN, nanos(granted - has.nanos()));
        stand.books.lock().grant_user(USER, nanos(user - users.nanos()));
        stand.set_limits(daily, monthly);
        assert_eq!(budget(stand.ask(&big).await).shortfall.line.which, which);
    }
    stand.set_limits(90, 80);
    assert!(stand.ask(&big).await.is_ok());
    drop(running);
}

#[tokio::test]
async fn a_caller_that_was_changed_meanwhile_is_not_let_through() {
    let stand = Stand::new(1_000);
    stand.shop.1.store(false, Ordering::SeqCst);
    let before = stand.figures();
    assert_eq!(stand.ask(&body("free-input", "")).await.err(), Some(Refusal::CallerChanged));
    assert!(before == stand.figures(), "a refusal changes nothing");
    stand.shop.1.store(true, Ordering::SeqCst);
    assert!(stand.ask(&body("free-input", "")).await.is_ok());
}

#[tokio::test]
async fn the_cap_is_the_least_of_what_is_asked_given_and_paid_for() {
    /// What binds, the request, and its cap: how much, whether it is sent, whether a budget lowered it.
    type Case = (Option<i64>, String, Option<(i64, bool, bool)>);
    let cases: [Case; 16] = [
        (None, body("free-input", ""), Some((1_000, false, false))),
        (None, capped("free-input", 7), Some((7, false, false))),
        (None, body("small", ""), Some((50, false, false))),
        (None, capped("small", 90), Some((50, false, false))),
        (Some(5_000), body("free-input", ""), Some((1_000, true, false))),
        (Some(5_000), body("free-input", "\"max_tokens\":null,"), Some((1_000, true, false))),
        (Some(5_000), capped("free-input", 300), Some((300, false, false))),
        (Some(5_000), capped("free-input", 4_000), Some((4_000, false, false))),
        (Some(5_000), capped("small", 90), Some((50, true, false))),
        (Some(200), body("free-input", ""), Some((200, true, true))),
        (Some(200), capped("free-input", 300), Some((200, true, true))),
        (Some(200), body("free-input", "\"n\":3,\"max_tokens\":300,"), Some((66, true, true))),
        (Some(16), body("free-input", ""), Some((16, true, true))),
        (Some(15), body("free-input", ""), None),
        (Some(15), capped("free-input", 5), Some((5, false, false))),
        (Some(15), body("free-input", "\"n\":4,\"max_tokens\":5,"), None),
    ];
    for (granted, body, want) in cases {
        let stand = granted.map_or_else(Stand::unlimited, Stand::new);
        match (stand.ask(&body).await, want) {
            (Ok(pending), Some((tokens, is_sent, is_lowered))) => {
                assert_eq!(pending.cap(), OutputCap { tokens, is_sent, is_lowered }, "{granted:?} {body}");
                let held = stand.total().held;
                assert!(granted.is_none_or(|granted| held <= nanos(granted)), "{granted:?} {body}");
            }
            (refused, None) => {
                let refusal = budget(refused);
                assert!(refusal.never_fits() && refusal.missing() > Money::ZERO, "{refusal:?}");
            }
            (refused, want) => panic!("{granted:?} {body}: {:?}, want {want:?}", refused.map(drop)),
        }
    }
}

#[tokio::test]
async fn a_cap_lies_above_the_thinking_it_includes() {
    let thinking = "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":100},";
    for (granted, more, cap) in [
        (150, String::new(), Some(150)),
        (101, String::new(), Some(101)),
        (100, String::new(), None),
        (5_000, "\"max_tokens\":100,".to_owned(), Some(100)),
        (5_000, "\"max_tokens\":120,".to_owned(), Some(120)),
        (99, "\"max_tokens\":100,".to_owned(), None),
    ] {
        let stand = Stand::new(granted);
        let pending = stand.ask(&body("free-input", &format!("{thinking}{more}"))).await;
        assert_eq!(pending.ok().map(|pending| pending.cap().tokens), cap, "{granted} {more}");
    }
}

/// A cap of 1 is one, whoever names it.
#[tokio::test]
async fn the_least_cap_is_one() {
    let plenty = Stand::new(5_000);
    assert_eq!(plenty.admit(&capped("free-input", 1)).await.hold().amount, nanos(1));
    let poor = Stand::with(Settings::new(1_000, 1), |book| {
        book.put_user(USER, false);
        book.put_token(TOKEN, USER, false, Limits::default());
        book.grant_user(USER, nanos(1));
        book.grant_token(TOKEN, nanos(1));
    });
    assert_eq!(poor.admit(&body("free-input", "")).await.hold().amount, nanos(1));
}

#[tokio::test]
async fn the_hold_is_the_worst_and_the_channel_the_offers() {
    let stand = Stand::new(5_000);
    let pending = stand.ask(&capped("both", 100)).await.ok().unwrap();
    assert_eq!(pending.channel().as_str(), "c");
    stand.tell_holds(Ok(()));
    let admission = pending.durable().await.unwrap();
    let hold = admission.hold();
    let ask = ask(&capped("both", 100));
    assert_eq!(hold.amount, nanos(ask.text_bound + 100));
    // ⌈2 bytes / 4⌉ and 4 for the message.
    assert_eq!((hold.floor, admission.floor_usage().input.get()), (nanos(5), 5));
    assert_eq!((hold.windows.day.key(), hold.windows.month.key()), (20_261_124, 202_611));
    assert_eq!((hold.token, hold.user, &*hold.model), (TOKEN, USER, "both"));
    assert_eq!(stand.gate.remaining(&stand.token, stand.clock.now()), Some(nanos(4_900 - ask.text_bound)));
    assert_eq!(Stand::unlimited().gate.remaining(&stand.token, stand.clock.now()), None);
}

#[tokio::test]
async fn a_cost_that_is_no_amount_fits_no_budget() {
    let stand = Stand::new(1_000);
    let ruin = body("ruinous", "\"max_tokens\":2147483647,\"n\":128,");
    let refusal = budget(stand.ask(&ruin).await);
    assert_eq!(refusal.shortfall.line.which, Which::Token);
    // Where nothing binds, the most there is is held.
    let unlimited = Stand::unlimited();
    assert_eq!(unlimited.admit(&ruin).await.hold().amount, Money::MAX);
}

#[tokio::test]
async fn a_refusal_names_the_budget_and_when_it_opens() {
    let stand = Stand::new(5_000);
    stand.set_limits(100, 150);
    let admission = stand.admit(&capped("free-input", 90)).await;
    let refusal = budget(stand.ask(&capped("free-input", 16)).await);
    let line = refusal.shortfall.line;
    assert_eq!((line.which, line.limit, line.used, line.held), (Which::Day, nanos(100), nanos(0), nanos(90)));
    assert_eq!(
        (refusal.shortfall.need, refusal.missing(), refusal.never_fits()),
        (nanos(16), nanos(6), false)
    );
    assert_eq!(refusal.resets_at, Some(Timestamp::from_secs(NOON + 43_200)));
    drop(admission.settle(costing(90)));
    stand.tell_ends();
    stand.clock.set(Timestamp::from_secs(NOON + 43_200));
    let next_day = stand.admit(&capped("free-input", 60)).await;
    let refusal = budget(stand.ask(&capped("free-input", 1)).await);
    assert_eq!(refusal.shortfall.line.which, Which::Month);
    assert_eq!(refusal.resets_at, Some(Timestamp::from_secs(NOON + 43_200 + 6 * 86_400)));
    drop(next_day);
}

#[tokio::test]
async fn a_refusal_changes_nothing() {
    let mut stand = Stand::new(200);
    stand.token.rpm = 10;
    stand.token.tpm = 2_000;
    stand.token.max_concurrency = 3;
    let running = stand.admit(&capped("free-input", 150)).await;
    let before = stand.figures();
    for more in ["\"max_tokens\":51,\"n\":4,", "\"n\":20,"] {
        budget(stand.ask(&body("free-input", more)).await);
        assert_eq!(stand.figures(), before);
    }
    stand.token.models = Some(ModelList::parse("x").unwrap());
    assert!(stand.ask(&capped("free-input", 1)).await.is_err());
    stand.token.models = None;
    stand.books.set_recording(false);
    assert_eq!(stand.ask(&capped("free-input", 1)).await.err(), Some(Refusal::StoreUnavailable));
    stand.books.set_recording(true);
    assert_eq!(stand.figures(), before);
    // By the tokens of a minute: the money was there.
    stand.books.lock().grant_token(TOKEN, nanos(10_000));
    stand.books.lock().grant_user(USER, nanos(10_000));
    let before = stand.figures();
    assert_eq!(rate(stand.ask(&capped("free-input", 1_900)).await), RateKind::Tokens);
    assert_eq!(stand.figures(), before);
    // By concurrency: both places that are left are taken and given back.
    let (two, three) =
        (stand.admit(&capped("free-input", 1)).await, stand.admit(&capped("free-input", 1)).await);
    let before = stand.figures();
    assert_eq!(rate(stand.ask(&capped("free-input", 1)).await), RateKind::Concurrency);
    assert_eq!(stand.figures(), before);
    drop((running, two, three));
    assert!(stand.ask(&capped("free-input", 1)).await.is_ok());
}

#[tokio::test]
async fn tokens_of_a_minute_are_set_right_at_the_end() {
    let mut stand = Stand::new(5_000);
    stand.token.tpm = 1_000;
    let left = |stand: &Stand| -> RateState { stand.gate.rate_states(&stand.token).1.unwrap() };
    let admission = stand.admit(&capped("free-input", 900)).await;
    assert_eq!(left(&stand).remaining, 99, "a quarter of the text, and the cap");
    drop(admission.settle(costing(40)));
    assert_eq!(left(&stand).remaining, 960);
    let admission = stand.admit(&capped("free-input", 900)).await;
    drop(admission.settle(Settlement::void(1)));
    assert_eq!(left(&stand).remaining, 960, "a void used nothing");
    for (text, tokens) in [("", 0), ("12345678", 2), ("123456789", 3), ("123456789012", 3)] {
        let stand = Stand { token: stand.token.clone(), ..Stand::new(5_000) };
        let ask = capped("free-input", 100).replace("\"hi\"", &format!("\"{text}\""));
        drop(stand.admit(&ask).await.settle(Settlement { source: UsageSource::None, ..costing(0) }));
        assert_eq!(left(&stand).remaining, 900 - tokens, "{text}: a quarter, rounded up, and the cap");
    }
}

/// Many at one instant against money for ten: ten pass, whichever budget it is.
#[test]
fn at_one_instant_exactly_as_many_pass_as_are_paid_for() {
    const CALLERS: usize = 200;
    for which in [Which::Token, Which::User, Which::Day, Which::Month] {
        let stand = Stand::with(Settings::new(1_000, 16), |book| {
            let (ten, plenty) = (nanos(109), nanos(1_000_000));
            let of = |budget| if which == budget { ten } else { plenty };
            let limits = Limits { daily: of(Which::Day), monthly: of(Which::Month) };
            book.put_user(USER, false);
            book.put_token(TOKEN, USER, false, limits);
            book.grant_user(USER, of(Which::User));
            book.grant_token(TOKEN, of(Which::Token));
        });
        let gate = Gate::new(
            Arc::clone(&stand.books),
            stand.clock.clone(),
            Zone(chrono_tz::Tz::UTC),
            Settings::new(1_000, 16),
            1_000,
        );
        let barrier = Barrier::new(CALLERS);
        let (ask, caller, shop) = (ask(&body("flat", "")), caller(&stand.token), &stand.shop);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let run = || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let at = stand.clock.now();
                let request = Request { caller: &caller, ask: &ask, id: RequestId::mint(at), at };
                barrier.wait();
                runtime.block_on(gate.admit(request, shop))
            };
            let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (passed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((passed.len(), refused.len()), (10, 190), "{which:?}");
        for refusal in refused {
            assert_eq!(budget(refusal).shortfall.line.which, which);
        }
        assert_eq!(stand.total().held, nanos(100));
        assert_eq!(stand.notes.holds.lock().unwrap().len(), 10);
        drop(passed);
        stand.tell_ends();
        assert_eq!(stand.total().held, Money::ZERO);
    }
}

#[tokio::test]
async fn what_is_dropped_before_it_was_sent_is_void() {
    let stand = Stand::new(500);
    let pending = stand.ask(&capped("both", 100)).await.ok().unwrap();
    drop(pending);
    let admission = stand.admit(&capped("both", 100)).await;
    drop(admission);
    for (settled, _) in stand.notes.ends.lock().unwrap().iter() {
        assert_eq!((settled.settlement.outcome, settled.charged), (Outcome::Void, Money::ZERO));
    }
    assert!(stand.total().held > Money::ZERO, "nothing is free before it is on disk");
    stand.tell_ends();
    assert_eq!((stand.total().held, stand.total().used), (Money::ZERO, Money::ZERO));
}

#[tokio::test]
async fn what_is_dropped_after_it_was_sent_costs_the_floor() {
    let stand = Stand::new(500);
    let mut admission = stand.admit(&capped("both", 100)).await;
    let floor = admission.hold().floor;
    admission.dispatch();
    drop(admission);
    assert_eq!((stand.last_end().settlement.outcome, stand.last_end().charged), (Outcome::ClientGone, floor));
    stand.tell_ends();
    assert_eq!((stand.total().held, stand.total().used), (Money::ZERO, floor));
}

#[tokio::test]
async fn what_is_settled_is_charged_and_ends_once() {
    let stand = Stand::new(500);
    let mut admission = stand.admit(&capped("free-input", 100)).await;
    admission.dispatch();
    let ack = admission.settle(costing(30));
    assert_eq!(stand.total().held, nanos(100));
    stand.tell_ends();
    ack.durable().await.unwrap();
    assert_eq!((stand.total().held, stand.total().used), (Money::ZERO, nanos(30)));
    assert_eq!(stand.notes.ends.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_place_is_given_back_on_every_way_out() {
    let mut stand = Stand::new(50_000);
    stand.token.max_concurrency = 1;
    let body = capped("free-input", 10);
    for _ in 0..5 {
        drop(stand.ask(&body).await.ok().unwrap());
        drop(stand.admit(&body).await);
        let mut sent = stand.admit(&body).await;
        sent.dispatch();
        assert_eq!(rate(stand.ask(&body).await), RateKind::Concurrency);
        drop(sent.settle(costing(1)));
        let pending = stand.ask(&body).await.ok().unwrap();
        stand.tell_holds(Err(StoreFault::Unavailable));
        assert_eq!(pending.durable().await.err(), Some(Refusal::StoreUnavailable));
    }
    stand.tell_ends();
    assert_eq!((stand.total().held, stand.total().used), (Money::ZERO, nanos(5)));
    // The process's own three places.
    stand.token.max_concurrency = 0;
    let three = [stand.admit(&body).await, stand.admit(&body).await, stand.admit(&body).await];
    assert_eq!(stand.ask(&body).await.err(), Some(Refusal::Overloaded));
    drop(three);
    assert!(stand.ask(&body).await.is_ok());
}

#[tokio::test]
async fn a_store_that_says_nothing_is_not_waited_for_forever() {
    let settings = Settings { patience: Duration::from_millis(1), ..Settings::new(1_000, 16) };
    let stand = Stand::with(settings, |book| {
        book.put_user(USER, true);
        book.put_token(TOKEN, USER, true, Limits::default());
    });
    let pending = stand.ask(&capped("free-input", 100)).await.ok().unwrap();
    assert_eq!(pending.durable().await.err(), Some(Refusal::StoreUnavailable));
    assert_eq!(stand.last_end().settlement.outcome, Outcome::Void, "the void goes behind the hold");
    assert_eq!(stand.total().held, nanos(100));
    stand.tell_holds(Ok(()));
    stand.tell_ends();
    assert_eq!(stand.total().held, Money::ZERO);
}

/// QL-09, QL-11, R6: what is admitted in the last moment of a day and a month is charged to them, whenever it ends; the next
/// begin at nothing, with no job that resets them.
#[tokio::test]
async fn a_request_across_midnight_is_charged_to_its_own_day_and_month() {
    let stand = Stand::unlimited();
    stand.set_limits(110, 110);
    let zone = Zone(chrono_tz::Tz::UTC);
    // 23:59:59.9 of the last day of November.
    let midnight = NOON + 6 * 86_400 + 12 * 3_600;
    let evening = Timestamp::from_millis(midnight * 1_000 - 100);
    stand.clock.set(evening);
    let mut admission = stand.admit(&capped("free-input", 100)).await;
    admission.dispatch();
    assert_eq!(budget(stand.ask(&capped("free-input", 100)).await).shortfall.line.which, Which::Day);

    stand.clock.set(Timestamp::from_secs(midnight + 5));
    let new = zone.windows(stand.clock.now());
    let figures = |windows| {
        let token = stand.books.lock().token(TOKEN, windows).unwrap();
        [token.day, token.month].map(|window| (window.used, window.held))
    };
    assert_eq!((new.day.key(), new.month.key()), (20_261_201, 202_612));
    assert_eq!(figures(new), [(Money::ZERO, Money::ZERO); 2], "the new ones start at nothing");
    drop(admission.settle(costing(70)));
    stand.tell_ends();
    assert_eq!(figures(zone.windows(evening)), [(nanos(70), Money::ZERO); 2]);
    assert_eq!(figures(new), [(Money::ZERO, Money::ZERO); 2]);
    assert!(stand.ask(&capped("free-input", 110)).await.is_ok(), "all of the new day's money is there");
}

#[tokio::test]
async fn a_clock_that_steps_back_by_days_is_not_believed() {
    let stand = Stand::new(500);
    for (days, passes) in [(0, true), (1, true), (2, true), (3, false), (400, false)] {
        stand.clock.set(Timestamp::from_secs(NOON - days * 86_400));
        let answer = stand.ask(&capped("free-input", 1)).await;
        assert_eq!(answer.is_ok(), passes, "{days} days back");
        assert!(passes || matches!(answer, Err(Refusal::StoreUnavailable)));
    }
}

/// Near a limit the text is counted, and not its bytes.
/// Ends of days in Berlin, in UTC; whether a month ends too.
const MIDNIGHTS: [(&str, bool); 9] = [
    // Around the day of 23 hours and the day of 25.
    ("2026-03-28T23:00:00Z", false),
    ("2026-03-29T22:00:00Z", false),
    ("2026-10-24T22:00:00Z", false),
    ("2026-10-25T23:00:00Z", false),
    // Ends of a month, of a year, and around a leap day.
    ("2026-03-31T22:00:00Z", true),
    ("2026-10-31T23:00:00Z", true),
    ("2026-12-31T23:00:00Z", true),
    ("2028-02-28T23:00:00Z", false),
    ("2028-02-29T23:00:00Z", true),
];

/// R6: at each of these ends a spent window opens at the very millisecond, however the clock steps about it, and what began
/// before is charged there.
#[tokio::test]
async fn windows_open_once_at_each_end() {
    let berlin = Zone(chrono_tz::Tz::Europe__Berlin);
    for (text, is_month_end) in MIDNIGHTS {
        let end = text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        let at = |millis: i64| Timestamp::from_millis(end + millis);
        for of_month in [false, is_month_end] {
            let (which, daily, monthly) =
                if of_month { (Which::Month, 0, 100) } else { (Which::Day, 100, 0) };
            let stand = Stand::standing(berlin, at(-30_000), Settings::new(1_000, 16), |book| {
                book.put_user(USER, true);
                let limits = Limits { daily: nanos(daily), monthly: nanos(monthly) };
                book.put_token(TOKEN, USER, true, limits);
            });
            let used = |at: Timestamp| {
                let figures = stand.books.lock().token(TOKEN, berlin.windows(at)).unwrap();
                let figures = if of_month { figures.month } else { figures.day };
                (figures.used.nanos(), figures.held.nanos())
            };
            let request = capped("free-input", 90);
            let before = stand.admit(&request).await;
            for millis in [-30_000, -7_200_000, -1] {
                stand.clock.set(at(millis));
                let refused = budget(stand.ask(&capped("free-input", 16)).await);
                assert_eq!((refused.shortfall.line.which, refused.resets_at), (which, Some(at(0))), "{text}");
            }
            stand.clock.set(at(0));
            let after = stand.admit(&request).await;
            assert_eq!((used(at(-1)), used(at(0))), ((0, 90), (0, 90)), "{text}");
            drop(before.settle(costing(88)));
            stand.tell_ends();
            assert_eq!((used(at(-1)), used(at(0))), ((88, 0), (0, 90)), "{text}: charged where it began");
            // Back and forth: neither window is spent twice.
            for millis in [-1, 0, -3_600_000, 3_600_000] {
                stand.clock.set(at(millis));
                budget(stand.ask(&request).await);
            }
            stand.clock.set(at(-1));
            drop(after.settle(costing(90)));
            stand.tell_ends();
            assert_eq!((used(at(-1)), used(at(0))), ((88, 0), (90, 0)), "{text}");
        }
    }
}

#[tokio::test]
async fn near_a_limit_the_input_is_counted() {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(40);
    let body = format!(
        "{{\"model\":\"both\",\"max_tokens\":20,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
    );
    let bytes = ask(&body).text_bound;
    let stand = Stand::new(bytes + 20);
    let by_bytes = stand.admit(&body).await;
    assert_eq!(by_bytes.hold().amount, nanos(bytes + 20), "far from it nobody counts");

    let stand = Stand::new(bytes / 2);
    let counted = stand.admit(&body).await;
    assert!(counted.hold().amount < nanos(bytes / 2));
    let count = counted.hold().amount.nanos() - 20;
    // A sentence is ten units, and the model is unknown: half as much again.
    assert!((400..1_000).contains(&count), "{count}");

    // The least cap worth sending is 16.
    for (cap, lowered) in [(16, true), (19, true), (20, false)] {
        let stand = Stand::new(count + cap);
        let want = OutputCap { tokens: cap, is_sent: lowered, is_lowered: lowered };
        assert_eq!(stand.ask(&body).await.ok().unwrap().cap(), want);
    }
    let refusal = budget(Stand::new(count + 15).ask(&body).await);
    assert_eq!(refusal.shortfall.need, nanos(count + 16));
}

/// What fits when it is counted is counted, however its bytes divide: nothing is refused for its bytes alone.
#[tokio::test]
async fn whatever_may_fit_is_counted() {
    for bytes in 300..430 {
        let letters = "a".repeat(bytes);
        let body =
            body("both", "\"max_tokens\":16,\"user\":\"x\",").replace("\"hi\"", &format!("\"{letters}\""));
        let stand = Stand::new(126);
        assert!(ask(&body).text_bound > 126);
        assert!(stand.ask(&body).await.is_ok(), "{bytes}");
    }
}

/// Whoever is over a rate is told so at once: counting is work, and not to be had for nothing.
#[tokio::test]
async fn nobody_counts_for_a_request_over_its_rate() {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(40);
    let body = format!("{{\"model\":\"both\",\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}");
    let mut stand = Stand::new(ask(&body).text_bound / 2);
    stand.token.rpm = 1;
    assert!(stand.ask(&body).now_or_never().is_none(), "it is counted");
    drop(stand.ask(&capped("free-input", 1)).await.ok().unwrap());
    let refused = stand.ask(&body).now_or_never().expect("it is not counted");
    assert_eq!(rate(refused), RateKind::Requests);
}

/// What is chosen always fits, and one unit more would not.
#[test]
fn the_cap_that_is_paid_for_is_the_largest() {
    use super::cap::{Wish, choose};
    use crate::catalogue::Bound;
    use crate::ledger::{Line, Room};
    let row = "model = \"m\"\ninput = \"0.0007\"\noutput = \"0.0013\"\nper_request = \"0.0000000035\"";
    let row = PriceRow::parse(&row.parse().unwrap()).unwrap();
    let catalogue = Catalogue::parse("", vec![row]).unwrap();
    for multiplier in ["1", "0.333333333", "7.1"] {
        let entry = catalogue.entry(Provider::OpenAi, "m").unwrap();
        let terms = Terms::new(entry, Multiplier::parse(multiplier).unwrap());
        for free in 0..400 {
            for (text_tokens, choices) in [(0, 1), (13, 1), (13, 3), (200, 2)] {
                let bound = Bound { text_tokens, choices, ..Bound::default() };
                let line =
                    Line { which: Which::Token, limit: nanos(free), used: Money::ZERO, held: Money::ZERO };
                let wish = Wish { most: 1_000, least: 1 };
                let hold = |cap| terms.hold(&bound, cap).unwrap();
                match choose(wish, &bound, &terms, &Room::new([Some(line), None, None, None])) {
                    Ok(chosen) => {
                        assert!(chosen.hold == hold(chosen.cap) && chosen.hold <= nanos(free));
                        assert!(chosen.cap == 1_000 || hold(chosen.cap + 1) > nanos(free));
                    }
                    Err(shortfall) => {
                        assert!(shortfall.need == hold(1) && hold(1) > nanos(free));
                    }
                }
            }
        }
    }
}

/// A follow-up, also of an exhausted token: everything is wrong at first, and each step rights what was told.
#[test]
fn a_follow_up_is_refused_in_order_and_costs_nothing() {
    let mut stand = Stand::new(0);
    stand.token.models = Some(ModelList::parse("other").unwrap());
    stand.token.rpm = 1;
    stand.shop.1.store(false, Ordering::SeqCst);
    let about = Arc::new(Ask::about("nowhere"));
    let name = ChannelName(Arc::from("c"));
    let follow = |stand: &Stand, channel: Option<&ChannelName>| {
        let (caller, at) = (caller(&stand.token), stand.clock.now());
        let request = Request { caller: &caller, ask: &about, id: RequestId::mint(at), at };
        stand.gate.admit_follow_up(&request, channel, &stand.shop)
    };
    let occupied = stand.occupy();
    assert!(occupied.is_some());
    let before = stand.figures();
    assert_eq!(follow(&stand, None).err(), Some(Refusal::ModelNotAllowed));
    stand.token.models = None;
    assert_eq!(follow(&stand, None).err(), Some(Refusal::ModelNotFound));
    assert!(matches!(follow(&stand, Some(&name)).err(), Some(Refusal::Rate(_))));
    assert_eq!(stand.figures(), before);
    stand.token.rpm = 2;
    stand.clock.set(Timestamp::from_secs(NOON + 60));
    assert_eq!(follow(&stand, Some(&name)).err(), Some(Refusal::CallerChanged));
    stand.shop.1.store(true, Ordering::SeqCst);
    // Whatever models the channel serves now, and though the model has no price.
    let admission = follow(&stand, Some(&name)).ok().unwrap();
    assert_eq!(admission.channel, name);
    assert!(stand.notes.holds.lock().unwrap().is_empty());
}
