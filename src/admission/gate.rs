//! The gate itself. The order of its questions is part of the contract: with several things wrong, the first is told.

use std::sync::Arc;
use std::time::Duration;

use crate::admission::cap::{CapSettings, Chosen, Wish, choose};
use crate::admission::{BudgetRefusal, Refusal};
use crate::catalogue::{Bound, Speech, Task, Terms, TierAsk, UnseenInput};
use crate::clock::{Clock, Timestamp};
use crate::ids::{ChannelName, RequestId};
use crate::ledger::{
    Books, Charged, Hold, Outcome, PendingReservation, Reservation, Room, Settlement, Shortfall, UsageSource,
    Which, Windows, Zone,
};
use crate::limits::{Limiter, RateState, Rates, Seat, Slot, Turn};
use crate::money::Money;
use crate::tokens::{ApiToken, Caller};
use crate::usage::Usage;
use crate::wire::{Ask, Form, ServiceTier, count};

/// What the gate is told by the operator.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How output caps are chosen.
    pub caps: CapSettings,
    /// How long a request waits for its hold to be durable.
    pub patience: Duration,
}

impl Settings {
    /// Settings with these caps; a request waits 5 s for the store.
    pub const fn new(default_max_output_tokens: i64, min_output_tokens: i64) -> Self {
        let caps = CapSettings { default_max_output_tokens, min_output_tokens };
        Self { caps, patience: Duration::from_secs(5) }
    }
}

/// A model on offer: who serves it, and on what terms.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The channel.
    pub channel: ChannelName,
    /// The price and the multiplier of the token's own group.
    pub terms: Terms,
}

/// Why a model is not on offer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum MarketFault {
    /// No channel serves it.
    NotServed,
    /// It has no price.
    NotPriced,
}

/// Where models are on offer.
pub trait Market {
    /// The channel that serves `model` to `token` when it is asked in a body of `form`.
    fn channel(&self, token: &ApiToken, model: &str, form: Form) -> Option<ChannelName>;

    /// The offer for `model` to `token` in a body of `form`.
    ///
    /// # Errors
    /// Why there is none.
    fn offer(&self, token: &ApiToken, model: &str, form: Form) -> Result<Offer, MarketFault>;

    /// Whether `caller` is still what it was identified as.
    fn is_current(&self, caller: &Caller, at: Timestamp) -> bool;
}

/// A request at the gate: who asks what, when.
pub struct Request<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// What.
    pub ask: &'a Arc<Ask>,
    /// The id it was given here.
    pub id: RequestId,
    /// When it came in.
    pub at: Timestamp,
}

/// The cap that an admitted request is bound by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct OutputCap {
    /// Output tokens for each choice that the hold was computed with.
    pub tokens: i64,
    /// Whether the provider is told: where no budget binds there is nothing to protect.
    pub is_sent: bool,
    /// Whether a budget lowered it.
    pub is_lowered: bool,
}

/// See the room's head.
pub struct Gate {
    books: Arc<Books>,
    pub(super) limiter: Limiter,
    pub(super) clock: Clock,
    zone: Zone,
    settings: Settings,
}

/// Whether the input was counted with the tokenizer yet. Counting is work, so it is done only where it may help.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Counting {
    MayHelp,
    IsDone,
}

/// What a request asks for, at a price.
struct Bid {
    offer: Offer,
    bound: Bound,
    counting: Counting,
}

/// What both forms of an admission share.
struct Passed {
    terms: Terms,
    cap: OutputCap,
    slot: Slot,
    floor: Usage,
}

/// A request that may pass, whose hold is on its way to the disk. Nothing may be sent yet.
#[must_use]
pub struct PendingAdmission {
    passed: Passed,
    reservation: PendingReservation,
    patience: Duration,
}

/// Proof that a request may be sent: allowed, within its limits, its money held durably. Only the gate makes one.
#[must_use]
pub struct Admission {
    passed: Passed,
    reservation: Reservation,
}

impl Gate {
    /// A gate over `books` that lets `max_in_flight` requests run at one time.
    pub fn new(books: Arc<Books>, clock: Clock, zone: Zone, settings: Settings, max_in_flight: i64) -> Self {
        Self { books, limiter: Limiter::new(max_in_flight), clock, zone, settings }
    }

    /// Lets a request through, or says why not. Counts its input properly only where the cheap bound does not fit.
    ///
    /// # Errors
    /// The first thing in the decision order that says no.
    pub async fn admit(
        &self,
        request: Request<'_>,
        market: &impl Market,
    ) -> Result<PendingAdmission, Refusal> {
        let token = request.caller.token();
        if !token.permits_model(&request.ask.model) {
            return Err(Refusal::ModelNotAllowed);
        }
        let ask = request.ask;
        let offer = market.offer(token, &ask.model, ask.form).map_err(|fault| match fault {
            MarketFault::NotServed => Refusal::ModelNotFound,
            MarketFault::NotPriced => Refusal::ModelNotPriced,
        })?;
        let terms = offer.terms.for_task(&task_of(ask)).ok_or(Refusal::ModelNotPriced)?;
        let offer = Offer { terms, ..offer };
        let bound = bound_of(request.ask);
        if !offer.terms.prices_tier(bound.tier) {
            return Err(Refusal::TierNotPriced);
        }
        let mut bid = Bid { offer, bound, counting: Counting::MayHelp };
        loop {
            if let Some(pending) = self.pass(&request, market, &bid)? {
                return Ok(pending);
            }
            let exact = count_input(request.ask).await;
            bid.bound.text_tokens = exact.map_or(bound.text_tokens, |exact| exact.min(bound.text_tokens));
            bid.counting = Counting::IsDone;
        }
    }

    /// Takes rates, concurrency and money together, or nothing. The whole of it is done under the locks. `None`: the cheap
    /// bound does not fit the budgets, and counting the input may yet make it fit.
    fn pass(
        &self,
        request: &Request<'_>,
        market: &impl Market,
        bid: &Bid,
    ) -> Result<Option<PendingAdmission>, Refusal> {
        let Bid { offer, bound, counting } = bid;
        let token = request.caller.token();
        let wish = Wish::of(request.ask, &offer.terms, self.settings.caps);
        let windows = self.zone.windows(request.at);
        let mut seat = Seat::default();
        let mut turn = self.turn(token, &mut seat);
        turn.check_request().map_err(Refusal::Rate)?;
        let place = self.limiter.enter().ok_or(Refusal::Overloaded)?;
        let mut book = self.books.lock();
        // Asked at the last moment: a change that an administrator was told of holds for every admission after it.
        if !market.is_current(request.caller, self.clock.now()) {
            return Err(Refusal::CallerChanged);
        }
        if !self.books.recording() || !book.knows(windows.day) {
            return Err(Refusal::StoreUnavailable);
        }
        let room = book.room(token.id, windows).ok_or(Refusal::StoreUnavailable)?;
        let chosen = choose(wish, bound, &offer.terms, &room);
        let fits = chosen.as_ref().is_ok_and(|chosen| !chosen.lowered);
        if *counting == Counting::MayHelp && !fits && counting_may_help(wish, bound, &offer.terms, &room) {
            return Ok(None);
        }
        let tokens = rated_tokens(request.ask, chosen.as_ref().map_or(wish.least, |chosen| chosen.cap));
        turn.check_tokens(tokens).map_err(Refusal::Rate)?;
        let chosen = chosen.map_err(|shortfall| self.refused(shortfall, windows, request.at))?;
        let floor = offer.terms.floor_usage(request.ask.text_bytes, request.ask.messages);
        let hold = hold_of(request, offer, windows, chosen.hold);
        let reservation = self
            .books
            .reserve(&mut book, hold)
            .map_err(|shortfall| self.refused(shortfall, windows, request.at))?;
        drop(book);
        let slot = turn.take(tokens, place);
        let cap = output_cap(request.ask, chosen, &room);
        let passed = Passed { terms: offer.terms.clone(), cap, slot, floor };
        Ok(Some(PendingAdmission { passed, reservation, patience: self.settings.patience }))
    }

    pub(super) fn turn<'a>(&self, token: &ApiToken, seat: &'a mut Seat) -> Turn<'a> {
        self.limiter.lock(token.id, rates_of(token), self.clock.moment(), seat)
    }

    fn refused(&self, shortfall: Shortfall, windows: Windows, at: Timestamp) -> Refusal {
        let resets_at = match shortfall.line.which {
            Which::Token | Which::User => None,
            Which::Day => Some(self.zone.day_end(windows.day)),
            Which::Month => Some(self.zone.month_end(windows.month)),
        };
        Refusal::Budget(Box::new(BudgetRefusal { shortfall, resets_at, at }))
    }

    /// The requests and the tokens a minute that `token` has left, where it has such limits.
    pub fn rate_states(&self, token: &ApiToken) -> (Option<RateState>, Option<RateState>) {
        self.limiter.states(token.id, rates_of(token), self.clock.moment())
    }

    /// The least that is left and not held in any budget that binds `token` at `at`; `None` where none binds.
    pub fn remaining(&self, token: &ApiToken, at: Timestamp) -> Option<Money> {
        self.books.lock().room(token.id, self.zone.windows(at)).and_then(|room| room.free())
    }
}

/// No tokenizer makes a token of more than 128 bytes: what does not fit even so is refused without counting.
fn counting_may_help(wish: Wish, bound: &Bound, terms: &Terms, room: &Room) -> bool {
    let least = Bound { text_tokens: bound.text_tokens / 128, ..*bound };
    !terms.input_is_free() && choose(wish, &least, terms, room).is_ok()
}

/// The rates of a token.
fn rates_of(token: &ApiToken) -> Rates {
    Rates { rpm: token.rpm, tpm: token.tpm, max_concurrency: token.max_concurrency }
}

fn rated_tokens(ask: &Ask, cap: i64) -> i64 {
    ask.text_bytes.saturating_add(3).div_euclid(4).saturating_add(cap)
}

fn hold_of(request: &Request<'_>, offer: &Offer, windows: Windows, amount: Money) -> Hold {
    let ask = request.ask;
    Hold {
        id: request.id,
        token: request.caller.token().id,
        user: request.caller.token().user,
        amount,
        floor: offer.terms.floor(&offer.terms.floor_usage(ask.text_bytes, ask.messages)).min(amount),
        windows,
        model: Arc::from(ask.model.as_str()),
        channel: offer.channel.clone(),
        admitted_at: request.at,
    }
}

fn output_cap(ask: &Ask, chosen: Chosen, room: &Room) -> OutputCap {
    let is_sent = room.binds() && ask.cap.asked != Some(chosen.cap);
    OutputCap { tokens: chosen.cap, is_sent, is_lowered: chosen.lowered }
}

/// What a request is for, as far as its price depends on that.
fn task_of(ask: &Ask) -> Task<'_> {
    let media = &ask.media;
    match ask.form {
        Form::Speech => Task::Speech { characters: media.characters, bytes: media.spoken_bytes },
        Form::Images | Form::ImageEdits => Task::Images {
            count: ask.choices,
            size: media.size.as_deref(),
            quality: media.quality.as_deref(),
            tokens: media.image_units,
        },
        Form::Transcription => Task::Transcript { bytes: media.sound_bytes, told: media.sound_seconds },
        _ => Task::Text,
    }
}

fn bound_of(ask: &Ask) -> Bound {
    Bound {
        text_tokens: ask.text_bound,
        images: ask.images,
        audio_tokens: ask.audio_tokens,
        unseen_input: if ask.unseen_input { UnseenInput::Some } else { UnseenInput::None },
        predicted_tokens: ask.predicted_bytes,
        tool_calls: ask.provider_calls,
        choices: ask.choices,
        speech: if ask.spoken { Speech::Spoken } else { Speech::Silent },
        tier: match ask.tier {
            ServiceTier::Auto => TierAsk::Auto,
            ServiceTier::Default => TierAsk::Default,
            ServiceTier::Priority => TierAsk::Priority,
            ServiceTier::Flex => TierAsk::Flex,
        },
    }
}

/// Counts the input with the tokenizer, on a thread for blocking work; `None` where it cannot be counted.
async fn count_input(ask: &Arc<Ask>) -> Option<i64> {
    let ask = Arc::clone(ask);
    let counting = tokio::task::spawn_blocking(move || {
        let counted = count(&ask.model, &ask.texts())?;
        Some(ask.counted_bound(counted))
    });
    counting.await.ok().flatten()
}

impl PendingAdmission {
    /// Waits until the money is held on disk.
    ///
    /// # Errors
    /// When it cannot be.
    pub async fn durable(self) -> Result<Admission, Refusal> {
        let durable = self.reservation.durable(self.patience).await;
        let reservation = durable.map_err(|fault| {
            log::warn!("a hold was not recorded: {fault}");
            Refusal::StoreUnavailable
        })?;
        Ok(Admission { passed: self.passed, reservation })
    }

    /// The cap the request is bound by.
    pub fn cap(&self) -> OutputCap {
        self.passed.cap
    }

    /// The channel that is to serve it.
    pub fn channel(&self) -> &ChannelName {
        &self.reservation.hold().channel
    }
}

impl Admission {
    /// What is held.
    pub fn hold(&self) -> &Hold {
        self.reservation.hold()
    }

    /// The terms it was admitted on.
    pub fn terms(&self) -> &Terms {
        &self.passed.terms
    }

    /// What an accepted request is taken to have used when nobody says.
    pub fn floor_usage(&self) -> Usage {
        self.passed.floor
    }

    /// Notes that the provider may see the request from now on.
    pub fn dispatch(&mut self) {
        self.reservation.dispatch();
    }

    /// Ends the request: charges it, frees the rest, gives its place back. Does not wait.
    pub fn settle(mut self, settlement: Settlement) -> Charged {
        let usage = &settlement.usage;
        if settlement.source != UsageSource::None || settlement.outcome == Outcome::Void {
            self.passed.slot.set_right(usage.all_input().get().saturating_add(usage.all_output().get()));
        }
        self.reservation.settle(settlement)
    }
}
