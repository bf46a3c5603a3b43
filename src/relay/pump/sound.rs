//! An answer that is sound, or text as it is: relayed as it comes. It has no terminator, so the end of its body waits for the
//! books (R3).

use std::pin::pin;

use crate::channels::client::{Fault, ProviderReply};
use crate::relay::failure::Failure;
use crate::relay::headers::Headers;
use crate::relay::verdict::Ending;
use crate::telemetry::UpstreamError;
use crate::wire::{Answer, Charge, Meter, Metering, UsageEvent};

use super::{Ends, Exchange, kind_of};

impl Exchange {
    /// The content type of a reply, if it is sound in answer to a call for that, or text in answer to one for text as it is.
    pub(super) fn bare_type(&self, reply: &ProviderReply) -> Option<String> {
        let name = reply.headers.get("content-type")?.to_str().ok()?;
        let is_bare = match self.call.charge {
            Charge::Metered(Metering::Speech) => {
                ["audio/", "application/octet-stream"].iter().any(|kind| name.starts_with(kind))
            }
            Charge::Metered(Metering::Transcript) => {
                let is_other = ["text/html", "text/event-stream"].iter().any(|kind| name.starts_with(kind));
                let is_text = name.starts_with("text/") || name.starts_with("application/x-subrip");
                self.ask.media.wants_text && is_text && !is_other
            }
            _ => false,
        };
        is_bare.then(|| name.to_owned())
    }

    /// Relays sound or text of `content_type`, to its end also when its client has left: its provider bills it whole.
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
                    if !self.watch_bare(&piece, &mut ends.metered.meter) && !is_begun {
                        return self.refuse_other(ends).await;
                    }
                    is_begun = true;
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

    /// Watches a piece; whether it can be the beginning of an answer.
    fn watch_bare(&self, piece: &[u8], meter: &mut Meter) -> bool {
        if self.call.charge == Charge::Metered(Metering::Speech) {
            meter.on_sound(piece);
            return true;
        }
        let is_other = meter.reading().answer == Answer::Nothing && is_page_or_error(piece);
        if is_other {
            meter.on_body(piece);
        } else {
            meter.on_text(piece);
        }
        !is_other
    }

    async fn refuse_other(&self, ends: &mut Ends<'_>) {
        self.count(UpstreamError::NotAnAnswer);
        let failure = Failure::upstream("The model's provider answered with something that is no answer.");
        self.settle_failed(Ending::Complete, failure, ends).await;
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

/// Whether text begins as a page or is an error object, whatever its content type says.
fn is_page_or_error(piece: &[u8]) -> bool {
    if !matches!(piece.trim_ascii_start().first(), Some(b'<' | b'{')) {
        return false;
    }
    let mut probe = Meter::new(Metering::Transcript, UsageEvent::Client);
    probe.on_body(piece);
    matches!(probe.reading().answer, Answer::Page | Answer::Error)
}
