//! An exchange under way, and the money it holds: whatever ends it, it is settled once, with what the meter saw.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::admission::Admission;
use crate::clock::Timestamp;
use crate::ledger::{Charged, StoreFault};
use crate::money::Money;
use crate::relay::verdict::{Case, Ending, settlement};
use crate::stored::StoredResponse;
use crate::telemetry::{Metrics, RequestLine};
use crate::wire::Meter;

/// How long a client waits for its settlement to be durable.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What the log says of a request whose client was sent no status.
const CLIENT_CLOSED: u16 = 499;

/// See the room's head.
pub struct Metered {
    open: Option<Open>,
    /// Watches the answer.
    pub meter: Meter,
    attempts: i64,
    /// Whether its response was given out to be remembered.
    is_kept: bool,
}

struct Open {
    admission: Admission,
    line: RequestLine,
}

impl Metered {
    /// An admitted request before it is sent.
    pub fn new(admission: Admission, line: RequestLine, meter: Meter) -> Self {
        Self { open: Some(Open { admission, line }), meter, attempts: 0, is_kept: false }
    }

    /// Notes that the provider may see the request from now on.
    pub fn dispatch(&mut self) {
        self.attempts += 1;
        if let Some(open) = &mut self.open {
            open.admission.dispatch();
        }
    }

    /// What is to be remembered at `at` of a response whose id has gone by: once, and before it is settled.
    pub fn take_response(&mut self, at: Timestamp) -> Option<StoredResponse> {
        let id = self.meter.response_id().filter(|_| !self.is_kept)?.clone();
        let hold = self.open.as_ref()?.admission.hold();
        self.is_kept = true;
        Some(StoredResponse {
            id,
            token: hold.token,
            channel: hold.channel.clone(),
            model: Arc::clone(&hold.model),
            made_at: at,
        })
    }

    /// Settles what was charged for `ending`, of which the client is told `status`, and logs the request. Only the first call
    /// does something. What was charged, and the promise that it is durable.
    pub fn settle(&mut self, ending: Ending, status: u16, code: Option<&str>) -> Option<Charged> {
        let Open { admission, mut line } = self.open.take()?;
        let reading = self.meter.reading();
        let case = Case {
            reading: &reading,
            terms: admission.terms(),
            floor: admission.hold().floor,
            floor_usage: admission.floor_usage(),
            attempts: self.attempts,
        };
        let settlement = settlement(ending, &case);
        line.outcome = Some(settlement.outcome.as_str());
        line.usage = Some((settlement.usage.all_input().get(), settlement.usage.all_output().get()));
        let id = admission.hold().id;
        let charged = admission.settle(settlement);
        if charged.overrun > Money::ZERO {
            log::warn!("request {id}: its provider billed {} more than could be charged", charged.overrun);
        }
        line.charged = Some(charged.amount);
        line.overrun = charged.overrun;
        line.log(status, code);
        Some(charged)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if self.open.is_some() {
            let ending = if self.attempts == 0 { Ending::Refused } else { Ending::ClientGone };
            drop(self.settle(ending, CLIENT_CLOSED, None));
        }
    }
}

/// Waits until a settlement is on disk, as long as a client may wait, and counts how long that took.
///
/// # Errors
/// When it is not known to be.
pub async fn recorded(charged: Charged, metrics: &Metrics) -> Result<(), StoreFault> {
    let began = Instant::now();
    let recorded =
        tokio::time::timeout(PATIENCE, charged.durable()).await.unwrap_or(Err(StoreFault::TimedOut));
    if recorded.is_ok() {
        metrics.settle.time(began.elapsed());
    }
    recorded
}
