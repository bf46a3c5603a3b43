//! Reservations: money held for one request, as a value that cannot be forgotten. Every path ends it: `settle`, or
//! `Drop`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::Clock;
use crate::ledger::{Ack, Book, Hold, Journal, Outcome, Settlement, Shortfall, StoreFault, UsageSource};
use crate::money::Money;
use crate::sync::{AtomicBool, Mutex, MutexGuard};
use crate::usage::Usage;

/// The book and the journal that makes it durable: the one authority on money while the process runs.
pub struct Books {
    book: Mutex<Book>,
    journal: Arc<dyn Journal>,
    clock: Clock,
    recording: AtomicBool,
}

impl Books {
    /// Books that begin as `book`.
    pub fn new(book: Book, journal: Arc<dyn Journal>, clock: Clock) -> Self {
        Self { book: Mutex::new(book), journal, clock, recording: AtomicBool::new(true) }
    }

    /// The book, locked. Held for a few reads and additions, never across an `await`.
    ///
    /// # Panics
    /// When a rule of the book failed in another thread: its sums can no longer be trusted.
    pub fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("a rule of the book failed: its sums cannot be trusted")
    }

    /// Whether holds can be made durable at present.
    pub fn recording(&self) -> bool {
        self.recording.load(Ordering::Acquire)
    }

    /// Says whether holds can be made durable; the journal's writer alone knows.
    #[expect(clippy::fn_params_excessive_bools, reason = "the value to set")]
    pub fn set_recording(&self, recording: bool) -> bool {
        self.recording.swap(recording, Ordering::AcqRel)
    }

    /// Holds money for a request in every budget that binds it, or in none, under the caller's lock; and sends the
    /// hold to the journal.
    ///
    /// # Errors
    /// The first budget in which it does not fit. Nothing has changed then.
    pub fn reserve(self: &Arc<Self>, book: &mut Book, hold: Hold) -> Result<PendingReservation, Shortfall> {
        book.hold(&hold)?;
        let claim = Claim { books: Arc::clone(self), hold: Some(hold.clone()), dispatched: false };
        let ack = self.journal.hold(hold);
        Ok(PendingReservation { claim, ack })
    }

    fn settle(&self, hold: Hold, settlement: Settlement) -> Charged {
        let at = self.clock.now();
        let settled = self.lock().settle(hold, settlement, at);
        let (amount, overrun) = (settled.charged, settled.overrun);
        Charged { amount, overrun, ack: self.journal.settle(settled) }
    }
}

/// What a settlement charges, on its way to the disk.
#[derive(Debug)]
pub struct Charged {
    /// What is charged.
    pub amount: Money,
    /// What the provider billed beyond that.
    pub overrun: Money,
    ack: Ack,
}

impl Charged {
    /// Waits until it is on disk, or it is known that it will not be.
    ///
    /// # Errors
    /// Why it will not.
    pub async fn durable(self) -> Result<(), StoreFault> {
        self.ack.durable().await
    }
}

/// The part that ends a hold when everything else forgets it.
struct Claim {
    books: Arc<Books>,
    hold: Option<Hold>,
    dispatched: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        let settlement = if self.dispatched { abandoned(&hold) } else { Settlement::void(0) };
        drop(self.books.settle(hold, settlement));
    }
}

/// A request that was sent and then forgotten with nobody watching its answer.
fn abandoned(hold: &Hold) -> Settlement {
    Settlement {
        outcome: Outcome::ClientGone,
        cost: hold.floor,
        usage: Usage::default(),
        source: UsageSource::Estimated,
        attempts: 1,
    }
}

/// Money held in memory, on its way to the disk: nothing may be sent yet. Dropped, it is void.
#[must_use]
pub struct PendingReservation {
    claim: Claim,
    ack: Ack,
}

impl PendingReservation {
    /// What is held.
    pub fn hold(&self) -> &Hold {
        self.claim.hold()
    }

    /// Waits until the hold is on disk.
    ///
    /// # Errors
    /// When it cannot be, or not within `patience`; the hold is given back then.
    pub async fn durable(mut self, patience: Duration) -> Result<Reservation, StoreFault> {
        match tokio::time::timeout(patience, self.ack.durable()).await {
            Ok(Ok(())) => Ok(Reservation { claim: self.claim }),
            Ok(Err(fault)) => {
                // The writer has given the money back already.
                self.claim.hold = None;
                Err(fault)
            }
            // It may yet be written: the void that the drop sends goes behind it.
            Err(_) => Err(StoreFault::TimedOut),
        }
    }
}

/// Money held durably for one request: the right to send it. Dropped before [`Reservation::dispatch`] it is void;
/// after it, it costs the floor.
#[must_use]
pub struct Reservation {
    claim: Claim,
}

impl Reservation {
    /// What is held.
    pub fn hold(&self) -> &Hold {
        self.claim.hold()
    }

    /// Notes that the provider may see the request from now on.
    pub fn dispatch(&mut self) {
        self.claim.dispatched = true;
    }

    /// Ends the reservation: charges, and frees the rest once that is on disk. Enqueues at once and does not wait.
    pub fn settle(mut self, settlement: Settlement) -> Charged {
        let hold = self.claim.hold.take().expect("a reservation holds until it is settled");
        self.claim.books.settle(hold, settlement)
    }
}

impl Claim {
    fn hold(&self) -> &Hold {
        self.hold.as_ref().expect("a reservation holds until it is settled")
    }
}
