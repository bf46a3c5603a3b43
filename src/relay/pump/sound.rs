//! An answer that is sound: relayed as it comes. It has no terminator, so the end of its body waits for the books (R3).

use std::pin::pin;

use crate::channels::client::{Fault, ProviderReply};
use crate::relay::failure::Failure;
use crate::relay::headers::Headers;
use crate::relay::verdict::Ending;
use crate::telemetry::UpstreamError;
use crate::wire::{Charge, Metering};

use super::{Ends, Exchange, kind_of};

impl Exchange {
    /// The content type of a reply, if it is sound in answer to a call for that.
    pub(super) fn sound_type(&self, reply: &ProviderReply) -> Option<String> {
        if self.call.charge != Charge::Metered(Metering::Speech) {
            return None;
        }
        let name = reply.headers.get("content-type")?.to_str().ok()?;
        let is_sound = ["audio/", "application/octet-stream"].iter().any(|kind| name.starts_with(kind));
        is_sound.then(|| name.to_owned())
    }

    /// Relays sound of `content_type`, to its end also when its client has left: its provider bills it whole.
    pub(super) async fn relay_sound(
        &self,
        content_type: String,
        mut reply: ProviderReply,
        mut headers: Headers,
        ends: &mut Ends<'_>,
    ) {
        headers.push(("content-type", content_type));
        headers.extend(self.rate_headers());
        let mut is_begun = false;
        while let Some(piece) = self.watch.wait(pin!(reply.body.next())).await {
            match piece {
                Ok(piece) => {
                    is_begun = true;
                    ends.metered.meter.on_sound(&piece);
                    ends.client.open(&headers);
                    // Whoever has left does not end it.
                    let _ = self.watch.wait(pin!(ends.client.deliver(piece))).await;
                }
                Err(fault) if is_begun => return self.break_off(&fault, ends).await,
                Err(fault) => return self.fail(Ending::Broken, &fault, ends).await,
            }
        }
        if !is_begun {
            self.count(UpstreamError::NotAnAnswer);
            let failure = Failure::upstream("The model's provider answered with nothing.");
            return self.settle_failed(Ending::Complete, failure, ends).await;
        }
        let ending = if ends.client.has_left() { Ending::ClientGoneComplete } else { Ending::Complete };
        let Some(charged) = ends.metered.settle(ending, 200, None) else { return };
        if self.close(charged).await {
            self.watch.wait(pin!(ends.client.end())).await;
        } else {
            ends.client.cut();
        }
    }

    /// No event can tell a client of sound that it is not whole: its connection is cut.
    async fn break_off(&self, fault: &Fault, ends: &mut Ends<'_>) {
        log::warn!("request {}: {fault}", self.id);
        self.count(kind_of(fault));
        if let Some(charged) = ends.metered.settle(Ending::Broken, 200, Some("upstream_error")) {
            self.close(charged).await;
        }
        ends.client.cut();
    }
}
