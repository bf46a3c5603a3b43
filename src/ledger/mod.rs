//! The ledger: every rule of money. Owns the [`Book`] (what is granted, used and held, in memory), reservations and
//! their settlement, calendar windows, and the sending half of the journal. Pure but for two things: a mutex, and the
//! queue it sends into. Must not know of SQL, HTTP, models' prices or a request's body.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

mod book;
mod budget;
mod entry;
mod journal;
mod recent;
mod reservation;
mod windows;

#[cfg(test)]
mod tests;

pub use book::Book;
#[cfg(test)]
pub use budget::Line;
pub use budget::{Budget, Figures, Limits, Room, Shortfall, TakeBack, TokenFigures, Which};
pub use entry::{Hold, Outcome, Settled, Settlement, UsageSource};
pub use journal::{Ack, AckSender, Journal, StoreFault, ack};
pub use reservation::{Books, Charged, PendingReservation, Reservation};
pub use windows::{Day, Month, Windows, Zone};
