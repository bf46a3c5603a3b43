//! The relay: the straight line of a request from the gate to its provider and back. Owns what is read of a request and its
//! headers ([`inbound`]), the exchange with the provider ([`pump`]), what it costs ([`verdict`]), and the words of every
//! failure ([`failure`]). Must not know of SQL or of the token API.
//!
//! There is one path, and everything on it from the hold on is owned by a pump, which outlives the client: its handler drives
//! it while that waits ([`carried`]), and a client that leaves turns it into a task.

mod buffers;
mod call;
mod carried;
mod client;
pub mod failure;
mod feed;
mod follow_up;
mod headers;
pub mod inbound;
mod interpret;
mod metered;
mod models;
mod parcel;
mod pump;
mod running;
mod serve;
mod stopwatch;
mod verdict;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use crate::admission::Gate;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::stored::Shelf;
use crate::telemetry::Metrics;

use buffers::Buffers;
pub use running::Running;
pub use serve::{dialect_of_request, serve};

/// What becomes of a stream whose client went away.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is read on for 2 s or 64 KiB, for a usage figure already under way, and then aborted.
    Abort,
    /// It is read to its end.
    Drain,
}

/// What the operator sets.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// The largest request body.
    pub max_body_bytes: usize,
    /// The largest event of a stream.
    pub max_event_bytes: usize,
    /// The largest answer that is read whole.
    pub max_response_bytes: usize,
    /// All buffered bodies together.
    pub max_buffered_bytes: usize,
    /// For a request's body to arrive.
    pub body_timeout: Duration,
    /// For a client to take what waits for it.
    pub write_timeout: Duration,
    /// What becomes of abandoned streams.
    pub on_disconnect: OnDisconnect,
    /// The most answers to one request.
    pub max_choices: i64,
}

/// What a relay is put together from.
pub struct Parts {
    /// Who lets requests through.
    pub gate: Gate,
    /// Tokens, models, channels.
    pub directory: Arc<Directory>,
    /// Where stored responses are remembered.
    pub shelf: Arc<dyn Shelf>,
    /// Time.
    pub clock: Clock,
    /// What the operator sets.
    pub settings: Settings,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
}

/// Everything a request meets on its way; shared by all workers.
pub struct Relay {
    gate: Gate,
    directory: Arc<Directory>,
    shelf: Arc<dyn Shelf>,
    clock: Clock,
    settings: Settings,
    buffers: Arc<Buffers>,
    running: Arc<Running>,
    metrics: Arc<Metrics>,
}

impl Relay {
    /// A relay of these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { gate, directory, shelf, clock, settings, metrics } = parts;
        let buffers = Arc::new(Buffers::new(settings.max_buffered_bytes));
        Self { gate, directory, shelf, clock, settings, buffers, running: Arc::default(), metrics }
    }

    /// The exchanges that run.
    pub fn running(&self) -> &Arc<Running> {
        &self.running
    }
}
