//! What is remembered of a response that its provider stores: queued when its id goes by, and on disk before the client learns
//! that id. An answer is paid for, so it is not kept back where that cannot be recorded.

use tokio::time::timeout;

use crate::ledger::{Ack, StoreFault};
use crate::relay::metered::{Metered, PATIENCE};

use super::Exchange;

impl Exchange {
    /// Has a response remembered whose id has just gone by, if there is one: ahead of its settlement, so that the two are
    /// one commit, or the response is the earlier.
    pub(super) fn begin_keeping(&self, metered: &mut Metered) -> Option<Ack> {
        if !self.ask.stores {
            return None;
        }
        let response = metered.take_response(self.relay.clock.now())?;
        Some(self.relay.shelf.keep(response))
    }

    /// Waits until it is on disk, as long as a client may wait. Where it is not by then, it may follow; until it does, the
    /// response cannot be followed up.
    pub(super) async fn finish_keeping(&self, ack: Ack) {
        let kept = timeout(PATIENCE, ack.durable()).await.unwrap_or(Err(StoreFault::TimedOut));
        if let Err(fault) = kept {
            log::error!("request {}: which channel made its response is not recorded: {fault}", self.id);
        }
    }
}
