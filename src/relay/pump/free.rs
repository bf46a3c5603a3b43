//! A call that costs nothing: no hold, no row, and so nobody who must outlive its client.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::channels::Channel;
use crate::channels::client::{Fault, Patience, ProviderReply};
use crate::relay::client::Head;
use crate::relay::failure::Failure;
use crate::relay::headers::{Headers, of_provider};
use crate::relay::parcel::Parcel;
use crate::telemetry::UpstreamError;
use crate::wire::fault::ProviderError;
use crate::wire::members;

use super::plain::Unread;
use super::refused::{Verdict, told};
use super::{Exchange, encoding_of, find_way, kind_of};

impl Exchange {
    /// Sends a free call to `channel`, and gives what its client is told.
    pub async fn perform_free(&self, channel: &Arc<Channel>) -> Head {
        match self.ask_freely(channel).await {
            Ok(reply) => self.answer_freely(channel, reply, is_count).await,
            Err(fault) => self.faulted(&fault),
        }
    }

    async fn ask_freely(&self, channel: &Arc<Channel>) -> Result<ProviderReply, Fault> {
        let began = Instant::now();
        let way = find_way(channel).await?;
        let request = self.request_of(channel, self.cut(channel, None));
        self.send(way, request, Patience::plain(&channel.timeouts, began)).await
    }

    /// What the client is told of a reply that is not streamed, if its body `is_answer`.
    pub(super) async fn answer_freely(
        &self,
        channel: &Channel,
        mut reply: ProviderReply,
        is_answer: fn(&[u8]) -> bool,
    ) -> Head {
        let mut headers = of_provider(&reply);
        let status = reply.status.as_u16();
        let body = match self.read_whole(&mut reply.body, self.relay.settings.max_response_bytes).await {
            Ok(body) => body,
            Err(Unread::Fault(fault)) if reply.status.is_success() => return self.faulted(&fault),
            Err(Unread::NoRoom) => return Head::Failed(Failure::overloaded()),
            Err(_) if reply.status.is_success() => {
                return self.not_an_answer("The model's provider answered with more than may be buffered.");
            }
            // What cannot be read of an error does not matter: its status says enough.
            Err(_) => return self.refused_freely(channel, status, headers, &Bytes::new()),
        };
        if !reply.status.is_success() {
            return self.refused_freely(channel, status, headers, &body.bytes);
        }
        if encoding_of(&reply).is_some() {
            return self.not_an_answer("The model's provider answered with a compressed body.");
        }
        if !is_answer(&body.bytes) {
            return self.not_an_answer("The model's provider answered with something that is no answer.");
        }
        headers.extend(self.rate_headers());
        Head::Whole { status, headers, body: Parcel::new(body.bytes, Some(body.buffered)) }
    }

    fn refused_freely(&self, channel: &Channel, status: u16, mut headers: Headers, body: &Bytes) -> Head {
        let error = ProviderError::read(body);
        let verdict = Verdict::of(status, &error);
        let message = self.log_refusal(channel, status, &error, verdict);
        if verdict == Verdict::Channels {
            return Head::Failed(Failure::of_status(status));
        }
        headers.extend(self.rate_headers());
        let body = told(channel, body, (status, &message), self.listener());
        Head::Whole { status, headers, body: Parcel::new(body, None) }
    }

    fn not_an_answer(&self, message: &str) -> Head {
        log::warn!("request {}: {message}", self.id);
        self.count(UpstreamError::NotAnAnswer);
        Head::Failed(Failure::upstream(message))
    }

    /// The same of a fault of the channel.
    pub(super) fn faulted(&self, fault: &Fault) -> Head {
        log::warn!("request {}: {fault}", self.id);
        self.count(kind_of(fault));
        Head::Failed(Failure::of_fault(fault))
    }
}

/// Whether a body counts something: an object that is no error.
fn is_count(body: &[u8]) -> bool {
    members(body).is_ok_and(|members| !members.is_empty() && members.iter().all(|(name, _)| name != "error"))
}
