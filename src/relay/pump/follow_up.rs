//! What follows up a stored response: sent to the channel that made it, and answered as that answers. It costs nothing, so nothing
//! is metered; a response that is read again may come as a stream.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::admission::FreeAdmission;
use crate::channels::client::{Fault, Method, Patience, ProviderReply, ProviderRequest};
use crate::channels::{Channel, demo};
use crate::relay::client::{Client, Head};
use crate::relay::failure::Failure;
use crate::relay::headers::of_provider;
use crate::relay::metered::PATIENCE;
use crate::relay::running::Run;
use crate::stored::StoredResponse;
use crate::telemetry::{RequestLine, UpstreamError};
use crate::wire::{EventTooLarge, Splitter, members};

use super::refused::clean_event;
use super::stream::Out;
use super::{Exchange, Way, encoding_of, find_way, is_event_stream};

/// What the log says of a request whose client was sent no status.
const CLIENT_CLOSED: u16 = 499;

/// A follow-up that may be sent.
pub struct FollowUp {
    /// The response.
    pub response: StoredResponse,
    /// What is done with it: it is read, deleted, or posted to.
    pub method: Method,
    /// The channel that made it.
    pub channel: Arc<Channel>,
    /// Its place in flight.
    pub admission: FreeAdmission,
}

/// What the log says of an exchange: a status, and the code of a failure.
type Told = (u16, Option<&'static str>);

/// Runs a follow-up to its end. A client that leaves ends what only reads; a response that is deleted is forgotten all the same.
pub async fn run_follow_up(
    mut run: Run,
    exchange: Exchange,
    follow_up: FollowUp,
    mut client: Client,
    line: RequestLine,
) {
    let (status, code) = tokio::select! {
        biased;
        () = run.cut() => (503, Some("overloaded")),
        told = exchange.follow(&follow_up, &mut client) => told,
    };
    drop(follow_up.admission);
    line.log(status, code);
}

impl Exchange {
    async fn follow(&self, follow_up: &FollowUp, client: &mut Client) -> Told {
        let only_reads = follow_up.method == Method::GET;
        let asked = tokio::select! {
            biased;
            reply = self.ask_again(follow_up) => reply,
            () = client.gone(), if only_reads => return (CLIENT_CLOSED, None),
        };
        let reply = match asked {
            Ok(reply) => reply,
            Err(fault) => return hand_over(self.faulted(&fault), client).await,
        };
        if reply.status.is_success() && encoding_of(&reply).is_none() && is_event_stream(&reply) {
            return self.relay_again(&follow_up.channel, reply, client).await;
        }
        let is_answer = if follow_up.method == Method::DELETE { is_done } else { is_document };
        let head = self.answer_freely(&follow_up.channel, reply, is_answer).await;
        let is_deleted = follow_up.method == Method::DELETE
            && matches!(&head, Head::Whole { status, .. } if (200..300).contains(status));
        if is_deleted {
            self.forget(&follow_up.response).await;
        }
        hand_over(head, client).await
    }

    async fn ask_again(&self, follow_up: &FollowUp) -> Result<ProviderReply, Fault> {
        let began = Instant::now();
        let way = find_way(&follow_up.channel).await?;
        let request = ProviderRequest {
            method: follow_up.method.clone(),
            path_and_query: self.target.clone().into_owned(),
            headers: self.headers.clone(),
            body: Bytes::new(),
        };
        let timeouts = &follow_up.channel.timeouts;
        match way {
            Way::Demo => Ok(demo::follow_up(&request.method, &request.path_and_query)),
            Way::Line(line) => {
                let is_streamed = asks_for_stream(&request.path_and_query);
                let patience = if is_streamed { Patience::stream } else { Patience::plain };
                line.send(request, patience(timeouts, began)).await
            }
        }
    }

    /// Relays a stream event by event, whatever it says; it ends as its provider ends it.
    async fn relay_again(&self, channel: &Channel, mut reply: ProviderReply, client: &mut Client) -> Told {
        let mut headers = of_provider(&reply);
        headers.extend(self.rate_headers());
        client.open(&headers);
        let most = self.relay.settings.max_event_bytes;
        let mut events = Splitter::new(most);
        loop {
            let piece = tokio::select! {
                biased;
                () = client.gone() => return (CLIENT_CLOSED, None),
                piece = reply.body.next() => piece,
            };
            let (out, end) = match piece {
                Some(Ok(piece)) => take(channel, &mut events, piece),
                Some(Err(fault)) => return hand_over(self.faulted(&fault), client).await,
                None => {
                    let last = events.finish().map(|event| clean_event(channel, event.raw));
                    (last.unwrap_or_default(), Some(Ok(())))
                }
            };
            if !out.is_empty() && client.deliver(out).await.is_err() {
                return (CLIENT_CLOSED, None);
            }
            match end {
                None => {}
                Some(Ok(())) => {
                    client.end().await;
                    return (200, None);
                }
                Some(Err(EventTooLarge)) => {
                    self.count(UpstreamError::TooLarge);
                    let message = format!("The model's provider sent an event of more than {most} bytes.");
                    return hand_over(Head::Failed(Failure::upstream(message)), client).await;
                }
            }
        }
    }

    /// The provider has deleted it: so it is not there any more for whoever asks next.
    async fn forget(&self, response: &StoredResponse) {
        let forgotten = self.relay.shelf.forget(response.clone());
        match tokio::time::timeout(PATIENCE, forgotten).await {
            Ok(Ok(())) => {}
            // Whoever asks for it meanwhile is told so by the provider.
            Ok(Err(fault)) => log::warn!("request {}: a deleted response is still known: {fault}", self.id),
            Err(_) => log::warn!("request {}: a deleted response may still be known", self.id),
        }
    }
}

/// The events that a piece completes, without secrets, for any of them may repeat an error; an end where one is too large.
fn take(
    channel: &Channel,
    events: &mut Splitter,
    piece: Bytes,
) -> (Bytes, Option<Result<(), EventTooLarge>>) {
    events.push(piece);
    let mut out = Out::default();
    loop {
        match events.next_event() {
            Ok(Some(event)) => out.add(clean_event(channel, event.raw)),
            Ok(None) => return (out.joined(), None),
            Err(fault) => return (out.joined(), Some(Err(fault))),
        }
    }
}

async fn hand_over(head: Head, client: &mut Client) -> Told {
    match head {
        Head::Whole { status, headers, body } => {
            client.answer(status, headers, body);
            (status, None)
        }
        Head::Failed(failure) => {
            let told = (if client.is_waiting() { failure.status } else { 200 }, Some(failure.code));
            client.fail(failure).await;
            told
        }
        // None is made of a whole reply.
        Head::Stream { .. } => (200, None),
    }
}

fn asks_for_stream(target: &str) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| pair == "stream=true")
}

/// Whether a body is JSON, of whatever shape, that holds something and is more than an error.
fn is_document(body: &[u8]) -> bool {
    let inside = |open: &[u8], close: &[u8]| {
        body.trim_ascii().strip_prefix(open).and_then(|rest| rest.strip_suffix(close))
    };
    let content = inside(b"{", b"}").or_else(|| inside(b"[", b"]"));
    content.is_some_and(|content| !content.trim_ascii().is_empty()) && is_no_error(body)
}

/// Whether a body is what may be said of a response that is deleted: nothing at all, or any JSON that is no error.
fn is_done(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || is_no_error(body)
}

fn is_no_error(body: &[u8]) -> bool {
    match members(body) {
        // A response has a member for its error, and is not one.
        Ok(members) => {
            let has = |wanted: &str| members.iter().any(|(name, _)| name == wanted);
            !has("error") || has("id") || has("object")
        }
        Err(_) => serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_answer() {
        for (body, document, done) in [
            ("{\"id\":\"resp_1\",\"error\":null}", true, true),
            ("{\"id\":\"resp_1\",\"error\":{\"code\":\"server_error\"}}", true, true),
            ("{\"object\":\"list\",\"data\":[]}", true, true),
            ("[1]", true, true),
            ("{}", false, true),
            (" [ ] ", false, true),
            ("null", false, true),
            ("\"gone\"", false, true),
            ("{\"error\":{\"message\":\"no\"}}", false, false),
            ("", false, true),
            (" \n", false, true),
            ("<html>", false, false),
            ("{\"id\":", false, false),
        ] {
            assert_eq!((is_document(body.as_bytes()), is_done(body.as_bytes())), (document, done), "{body}");
        }
    }

    #[test]
    fn when_a_stream_is_asked_for() {
        for (target, want) in [
            ("/responses/r?stream=true", true),
            ("/responses/r?include%5B%5D=x&stream=true&starting_after=3", true),
            ("/responses/r?stream=false", false),
            ("/responses/stream=true", false),
        ] {
            assert_eq!(asks_for_stream(target), want, "{target}");
        }
    }
}
