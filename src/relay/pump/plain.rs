//! An answer that is read whole before its head is sent, so that its cost is in the headers.

use std::pin::pin;

use bytes::{Bytes, BytesMut};

use crate::channels::client::{Fault, ProviderReply, ReplyBody};
use crate::relay::failure::Failure;
use crate::relay::headers::Headers;
use crate::relay::inbound::Body;
use crate::relay::parcel::Parcel;
use crate::relay::verdict::Ending;
use crate::telemetry::UpstreamError;
use crate::wire::Answer;

use super::{Ends, Exchange};

/// Why an answer was not read whole.
pub(super) enum Unread {
    TooLarge,
    NoRoom,
    Fault(Fault),
}

impl Exchange {
    /// Relays a plain answer: read to its end whether or not the client is still there, for its provider bills it whole.
    pub(super) async fn relay_plain(&self, mut reply: ProviderReply, headers: Headers, ends: &mut Ends<'_>) {
        let status = reply.status.as_u16();
        let most = self.relay.settings.max_response_bytes;
        match self.read_whole(&mut reply.body, most).await {
            Ok(body) => {
                ends.metered.meter.on_body(&body.bytes);
                self.answer_plain(status, headers, body, ends).await;
            }
            Err(unread) => {
                let failure = match unread {
                    Unread::Fault(fault) => return self.fail(Ending::Broken, &fault, ends).await,
                    Unread::TooLarge => {
                        self.count(UpstreamError::TooLarge);
                        Failure::upstream("The model's provider answered with more than may be buffered.")
                    }
                    Unread::NoRoom => Failure::overloaded(),
                };
                self.settle_failed(Ending::Broken, failure, ends).await;
            }
        }
    }

    async fn answer_plain(&self, status: u16, mut headers: Headers, body: Body, ends: &mut Ends<'_>) {
        let reading = ends.metered.meter.reading();
        if reading.answer != Answer::Given {
            log::warn!("request {}: the provider answered {status} with {:?}", self.id, reading.answer);
            self.count(UpstreamError::NotAnAnswer);
            let failure = Failure::upstream(match reading.answer {
                Answer::Error => "The model's provider answered with an error.",
                _ => "The model's provider answered with something that is no answer.",
            });
            return self.settle_failed(Ending::Complete, failure, ends).await;
        }
        let body = match self.retell(body) {
            Ok(body) => body,
            Err(failure) => {
                self.count(UpstreamError::NotAnAnswer);
                return self.settle_failed(Ending::Complete, failure, ends).await;
            }
        };
        let ending = if ends.client.has_left() { Ending::ClientGoneComplete } else { Ending::Complete };
        let kept = self.begin_keeping(&mut ends.metered);
        let Some(charged) = ends.metered.settle(ending, status, None) else { return };
        headers.push(("x-tollgate-cost-usd", charged.amount.dollars()));
        if !self.close(charged).await {
            return ends.client.fail(Failure::unrecorded()).await;
        }
        if let Some(ack) = kept {
            Box::pin(self.finish_keeping(ack)).await;
        }
        headers.extend(self.remaining_header());
        headers.extend(self.rate_headers());
        ends.client.answer(status, headers, Parcel::new(body.bytes, Some(body.buffered)));
    }

    /// Reads a body to its end, within `most` bytes and what may be buffered in all.
    pub(super) async fn read_whole(&self, body: &mut ReplyBody, most: usize) -> Result<Body, Unread> {
        let mut buffered = self.relay.buffers.begin();
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(piece) = self.watch.wait(pin!(body.next())).await {
            let piece = piece.map_err(Unread::Fault)?;
            if first.len() + whole.len() + piece.len() > most {
                return Err(Unread::TooLarge);
            }
            buffered.grow(piece.len()).map_err(|_| Unread::NoRoom)?;
            // Most answers come as one piece, which is then not copied.
            if first.is_empty() && whole.is_empty() {
                first = piece;
            } else {
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&piece);
            }
        }
        let bytes = if whole.is_empty() { first } else { whole.freeze() };
        Ok(Body { bytes, buffered })
    }
}
