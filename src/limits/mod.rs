//! Rates: requests a minute, input and output tokens a minute, requests in flight; per token, in memory. Owns the buckets and
//! the [`Slot`] that is given back when it is dropped. Must not know of money or of requests' contents.

mod bucket;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use crate::clock::Moment;
use crate::ids::TokenId;
use crate::spread::SpreadMap;
use bucket::Bucket;

/// What a token may do in a minute and at one time; 0 is no limit.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests per minute.
    pub rpm: i64,
    /// Input and output tokens per minute.
    pub tpm: i64,
    /// Requests in flight.
    pub max_concurrency: i64,
}

/// A limit that a request would pass.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RateFault {
    /// Which one.
    pub which: RateKind,
    /// The limit.
    pub limit: i64,
    /// Whole seconds until the request would pass, at least 1.
    pub retry_after: i64,
}

/// A kind of rate.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RateKind {
    /// Requests per minute.
    Requests,
    /// Input and output tokens per minute.
    Tokens,
    /// Requests in flight.
    Concurrency,
}

/// A bucket as a client is shown it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RateState {
    /// The limit per minute.
    pub limit: i64,
    /// What is left now, at least 0.
    pub remaining: i64,
    /// Milliseconds until the bucket is full.
    pub reset_millis: i64,
}

/// The state of one token's limits.
#[derive(Debug, Default)]
struct State {
    requests: Bucket,
    tokens: Bucket,
    in_flight: i64,
}

/// All tokens' limits, and the process's own.
#[derive(Debug)]
pub struct Limiter {
    tokens: RwLock<SpreadMap<TokenId, Arc<Mutex<State>>>>,
    in_flight: Arc<AtomicI64>,
    max_in_flight: i64,
}

impl Limiter {
    /// A limiter that lets `max_in_flight` requests run in the whole process.
    pub fn new(max_in_flight: i64) -> Self {
        Self { tokens: RwLock::default(), in_flight: Arc::default(), max_in_flight }
    }

    /// One of the process's places; `None` when all are taken.
    pub fn enter(&self) -> Option<Place> {
        let taken = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(&self.in_flight));
        (taken < self.max_in_flight).then_some(place)
    }

    /// The limits of `token`, locked, so that a request can take all of them and its money together, or none.
    pub fn lock<'a>(&self, token: TokenId, rates: Rates, at: Moment, seat: &'a mut Seat) -> Turn<'a> {
        if rates == Rates::default() {
            return Turn { rates, at, state: None, shared: None };
        }
        let shared = seat.0.insert(self.find(token));
        Turn { rates, at, shared: Some(Arc::clone(shared)), state: Some(locked(shared)) }
    }

    /// The state of the two buckets as it is now, where there is a limit.
    pub fn states(&self, token: TokenId, rates: Rates, at: Moment) -> (Option<RateState>, Option<RateState>) {
        if rates.rpm == 0 && rates.tpm == 0 {
            return (None, None);
        }
        let shared = self.find(token);
        let mut state = locked(&shared);
        let requests = (rates.rpm != 0).then(|| state.requests.state(rates.rpm, at));
        let tokens = (rates.tpm != 0).then(|| state.tokens.state(rates.tpm, at));
        (requests, tokens)
    }

    fn find(&self, token: TokenId) -> Arc<Mutex<State>> {
        let known = self.tokens.read().expect(WHOLE).get(&token).cloned();
        known.unwrap_or_else(|| Arc::clone(self.tokens.write().expect(WHOLE).entry(token).or_default()))
    }
}

const WHOLE: &str = "no limit's arithmetic panics";

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect(WHOLE)
}

/// Keeps a token's state alive while its [`Turn`] lasts.
#[derive(Debug, Default)]
pub struct Seat(Option<Arc<Mutex<State>>>);

/// One request's turn at a token's limits: nothing else passes them meanwhile.
pub struct Turn<'a> {
    rates: Rates,
    at: Moment,
    state: Option<MutexGuard<'a, State>>,
    shared: Option<Arc<Mutex<State>>>,
}

impl Turn<'_> {
    /// Whether one more request may run now.
    ///
    /// # Errors
    /// The limit that says no; nothing was taken.
    pub fn check_request(&mut self) -> Result<(), RateFault> {
        let (rates, at) = (self.rates, self.at);
        let Some(state) = &mut self.state else { return Ok(()) };
        if rates.rpm != 0 {
            state.requests.check(rates.rpm, 1, at).map_err(|retry_after| RateFault {
                which: RateKind::Requests,
                limit: rates.rpm,
                retry_after,
            })?;
        }
        if rates.max_concurrency != 0 && state.in_flight >= rates.max_concurrency {
            let limit = rates.max_concurrency;
            return Err(RateFault { which: RateKind::Concurrency, limit, retry_after: 1 });
        }
        Ok(())
    }

    /// Whether a request that may use `count` input and output tokens may run now. One larger than the limit passes when
    /// the bucket is full.
    ///
    /// # Errors
    /// The limit that says no; nothing was taken.
    pub fn check_tokens(&mut self, count: i64) -> Result<(), RateFault> {
        let (rates, at) = (self.rates, self.at);
        match &mut self.state {
            Some(state) if rates.tpm != 0 => state
                .tokens
                .check(rates.tpm, count, at)
                .map_err(|retry_after| RateFault { which: RateKind::Tokens, limit: rates.tpm, retry_after }),
            _ => Ok(()),
        }
    }

    /// Takes one request, `count` tokens and a place in flight, which the caller has checked in this same turn.
    pub fn take(mut self, count: i64, place: Place) -> Slot {
        if let Some(state) = &mut self.state {
            state.requests.take(self.rates.rpm, 1, self.at);
            state.tokens.take(self.rates.tpm, count, self.at);
            state.in_flight += 1;
        }
        Slot { shared: self.shared, tpm: self.rates.tpm, taken: count, _place: place }
    }
}

/// A place in the process, given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicI64>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a running request has taken of its token's limits: its place in flight is given back when this is dropped.
#[derive(Debug)]
pub struct Slot {
    shared: Option<Arc<Mutex<State>>>,
    tpm: i64,
    taken: i64,
    _place: Place,
}

impl Slot {
    /// Sets right what was taken of the tokens per minute: `used` and not what was asked for.
    pub fn set_right(&mut self, used: i64) {
        if let Some(shared) = &self.shared {
            locked(shared).tokens.give_back(self.tpm, self.taken.saturating_sub(used));
        }
        self.taken = used;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared
            && let Ok(mut state) = shared.lock()
        {
            state.in_flight -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};

    fn admit(limiter: &Limiter, rates: Rates, at: Moment, count: i64) -> Result<Slot, RateFault> {
        let mut seat = Seat::default();
        let mut turn = limiter.lock(TokenId(1), rates, at, &mut seat);
        turn.check_request()?;
        turn.check_tokens(count)?;
        Ok(turn.take(count, limiter.enter().unwrap()))
    }

    #[test]
    fn a_slot_is_given_back() {
        let limiter = Limiter::new(10);
        let at = Clock::manual(Timestamp::from_secs(0)).moment();
        let rates = Rates { max_concurrency: 1, ..Rates::default() };
        let slot = admit(&limiter, rates, at, 1).unwrap();
        let fault = admit(&limiter, rates, at, 1).unwrap_err();
        assert_eq!((fault.which, fault.retry_after), (RateKind::Concurrency, 1));
        drop(slot);
        assert!(admit(&limiter, rates, at, 1).is_ok());
    }

    #[test]
    fn the_process_has_so_many_places() {
        let limiter = Limiter::new(1);
        let place = limiter.enter();
        assert!(place.is_some() && limiter.enter().is_none());
        drop(place);
        assert!(limiter.enter().is_some());
    }

    #[test]
    fn minutes_refill_evenly_and_settlements_set_right() {
        let limiter = Limiter::new(10);
        let clock = Clock::manual(Timestamp::from_secs(0));
        let rates = Rates { rpm: 2, tpm: 600, ..Rates::default() };
        let mut slot = admit(&limiter, rates, clock.moment(), 600).unwrap();
        let fault = admit(&limiter, rates, clock.moment(), 100).unwrap_err();
        assert_eq!((fault.which, fault.limit, fault.retry_after), (RateKind::Tokens, 600, 10));
        slot.set_right(100);
        assert!(admit(&limiter, rates, clock.moment(), 500).is_ok());
        let fault = admit(&limiter, rates, clock.moment(), 1).unwrap_err();
        assert_eq!((fault.which, fault.retry_after), (RateKind::Requests, 30));
        clock.set(Timestamp::from_secs(60));
        let (requests, tokens) = limiter.states(TokenId(1), rates, clock.moment());
        assert_eq!(requests, Some(RateState { limit: 2, remaining: 2, reset_millis: 0 }));
        assert_eq!(tokens.map(|state| state.remaining), Some(600));
        // Larger than the bucket: only when it is full, and then it is below empty.
        assert!(admit(&limiter, rates, clock.moment(), 1_200).is_ok());
        let fault = admit(&limiter, rates, clock.moment(), 1).unwrap_err();
        assert_eq!((fault.which, fault.retry_after), (RateKind::Tokens, 61));
    }

    #[test]
    fn a_limit_that_is_set_later_starts_full() {
        let limiter = Limiter::new(10);
        let at = Clock::manual(Timestamp::from_secs(0)).moment();
        let before = Rates { max_concurrency: 5, ..Rates::default() };
        for _ in 0..1_000 {
            assert!(admit(&limiter, before, at, 1_000).is_ok());
        }
        let after = Rates { rpm: 2, tpm: 600, ..before };
        let (requests, tokens) = limiter.states(TokenId(1), after, at);
        assert_eq!((requests.unwrap().remaining, tokens.unwrap().remaining), (2, 600));
        assert!(admit(&limiter, after, at, 300).is_ok() && admit(&limiter, after, at, 300).is_ok());
        assert_eq!(admit(&limiter, after, at, 1).unwrap_err().retry_after, 30);
    }

    #[test]
    fn a_limit_that_is_lowered_leaves_an_empty_bucket_at_most() {
        let limiter = Limiter::new(10);
        let clock = Clock::manual(Timestamp::from_secs(0));
        let rates = |rpm, tpm| Rates { rpm, tpm, ..Rates::default() };
        for _ in 0..600 {
            assert!(admit(&limiter, rates(1_000, 1_000_000), clock.moment(), 1_000).is_ok());
        }
        let fault = admit(&limiter, rates(10, 1_000_000), clock.moment(), 1).unwrap_err();
        assert_eq!((fault.which, fault.retry_after), (RateKind::Requests, 6));
        let fault = admit(&limiter, rates(0, 600), clock.moment(), 10).unwrap_err();
        assert_eq!((fault.which, fault.retry_after), (RateKind::Tokens, 1));
        clock.set(Timestamp::from_secs(60));
        assert_eq!(limiter.states(TokenId(1), rates(10, 0), clock.moment()).0.unwrap().remaining, 10);
        // Raised again: what was taken stays taken.
        assert!(admit(&limiter, rates(10, 0), clock.moment(), 1).is_ok());
        let (requests, _) = limiter.states(TokenId(1), rates(100, 0), clock.moment());
        assert_eq!(requests.unwrap().remaining, 99);
    }

    /// However often it is asked, no more passes than a bucket and what was refilled.
    #[test]
    fn no_more_passes_than_the_limit_and_a_full_bucket() {
        let limiter = Limiter::new(10);
        let clock = Clock::manual(Timestamp::from_secs(0));
        let rates = Rates { rpm: 7, ..Rates::default() };
        let mut passed = 0;
        for second in 0..120 {
            clock.set(Timestamp::from_secs(second));
            while let Ok(slot) = admit(&limiter, rates, clock.moment(), 0) {
                drop(slot);
                passed += 1;
            }
        }
        assert_eq!(passed, 7 + 13, "a bucket, and what two minutes less a second refill");
    }
}
