//! A stream, relayed event by event as it arrives; only its terminator waits for the books (R3).

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, sleep_until, timeout};

use crate::channels::client::{Fault, ReplyBody};
use crate::relay::client::Left;
use crate::relay::failure::Failure;
use crate::relay::headers::Headers;
use crate::relay::metered::Metered;
use crate::relay::verdict::Ending;
use crate::telemetry::UpstreamError;
use crate::wire::{Event, EventTooLarge, Step};

use super::events::{Events, Unkept, Untold};
use super::refused::clean_event;
use super::{Ends, Exchange, FAREWELL};

/// How long the head waits for the first event: a provider that fails at once is then told with a status of its own.
const HEAD_WAITS: Duration = Duration::from_millis(500);

/// How much of an abandoned stream is read on.
const FAREWELL_BYTES: usize = 64 * 1024;

/// How long a provider has to end its connection after the terminator, so that it can be used again.
const TAIL: Duration = Duration::from_millis(100);

/// How reading a stream ended.
enum Stop {
    /// Its terminator, which the client has not seen yet.
    Terminator(Bytes),
    /// Its terminator, as above, which says that the answer failed.
    Failed(Bytes),
    /// It said that something went wrong.
    Fault,
    /// An event beyond the bound.
    TooLarge,
    /// It ended without its terminator.
    NoTerminator,
    /// The connection failed.
    Broken(Fault),
    /// The client left.
    ClientLeft,
}

impl Exchange {
    pub(super) async fn relay_stream(
        &self,
        mut body: ReplyBody,
        mut events: Events,
        mut headers: Headers,
        ends: &mut Ends<'_>,
    ) {
        headers.extend(self.rate_headers());
        let stop = self.forward(&mut body, &mut events, &headers, ends).await;
        let (ending, failure) = match stop {
            Stop::Terminator(last) => {
                ends.client.open(&headers);
                let has_left = ends.client.has_left();
                let ending = if has_left { Ending::ClientGoneComplete } else { Ending::Complete };
                self.terminate(ending, last, ends).await;
                return self.watch.wait(pin!(reach_end(&mut body))).await;
            }
            Stop::Failed(last) => {
                self.count(UpstreamError::NotAnAnswer);
                ends.client.open(&headers);
                let last = clean_event(ends.channel, last);
                self.terminate(Ending::Faulted, last, ends).await;
                return self.watch.wait(pin!(reach_end(&mut body))).await;
            }
            Stop::ClientLeft => return self.say_farewell(&mut body, &mut events, &mut ends.metered).await,
            Stop::Broken(fault) => return self.fail(Ending::Broken, &fault, ends).await,
            Stop::Fault => {
                self.count(UpstreamError::NotAnAnswer);
                let failure = Failure::upstream("The model's provider broke off with an error.");
                return self.settle_failed(Ending::Faulted, failure, ends).await;
            }
            Stop::TooLarge => {
                self.count(UpstreamError::TooLarge);
                let most = self.relay.settings.max_event_bytes;
                let message = format!("The model's provider sent an event of more than {most} bytes.");
                (Ending::Broken, Failure::upstream(message))
            }
            Stop::NoTerminator => {
                self.count(UpstreamError::NoTerminator);
                let message = "The model's provider ended its stream before it was complete.";
                (Ending::Faulted, Failure::upstream(message))
            }
        };
        log::warn!("request {}: {}", self.id, failure.message);
        self.settle_failed(ending, failure, ends).await;
    }

    /// Forwards events until something stops it.
    async fn forward(
        &self,
        body: &mut ReplyBody,
        events: &mut Events,
        headers: &Headers,
        ends: &mut Ends<'_>,
    ) -> Stop {
        let open_at = Instant::now() + HEAD_WAITS;
        loop {
            let next = pin!(body.next());
            let piece = tokio::select! {
                biased;
                () = ends.client.gone(), if self.may_abort() => return Stop::ClientLeft,
                piece = self.watch.wait(next) => piece,
                () = sleep_until(open_at), if ends.client.is_waiting() => {
                    ends.client.open(headers);
                    continue;
                }
            };
            let (out, stop) = match piece {
                Some(Ok(piece)) => take(events, piece, &mut ends.metered),
                Some(Err(fault)) => return Stop::Broken(fault),
                None => (Bytes::new(), Some(take_last(events, &mut ends.metered))),
            };
            if let Some(ack) = self.begin_keeping(&mut ends.metered) {
                Box::pin(self.finish_keeping(ack)).await;
            }
            if !out.is_empty() {
                ends.client.open(headers);
                if self.watch.wait(pin!(ends.client.deliver(out))).await == Err(Left) && self.may_abort() {
                    // What stopped the stream in this same piece is not lost with its client.
                    return stop.unwrap_or(Stop::ClientLeft);
                }
            }
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// The books are closed first; then the client sees the end.
    async fn terminate(&self, ending: Ending, last: Bytes, ends: &mut Ends<'_>) {
        let Some(charged) = ends.metered.settle(ending, 200, None) else { return };
        if !self.close(charged).await {
            return ends.client.cut();
        }
        if self.watch.wait(pin!(ends.client.deliver(last))).await.is_ok() {
            self.watch.wait(pin!(ends.client.end())).await;
        }
    }

    /// The client left: the stream is read on for a moment, for a usage figure already under way, and then aborted.
    async fn say_farewell(&self, body: &mut ReplyBody, events: &mut Events, metered: &mut Metered) {
        let mut read = 0;
        let reading = async {
            while read <= FAREWELL_BYTES {
                let piece = match body.next().await {
                    Some(Ok(piece)) => piece,
                    Some(Err(_)) => return Ending::ClientGone,
                    None => return gone(&take_last(events, metered)),
                };
                read += piece.len();
                if let Some(stop) = take(events, piece, metered).1 {
                    return gone(&stop);
                }
            }
            Ending::ClientGone
        };
        let ending = self.watch.wait(pin!(timeout(FAREWELL, reading))).await.unwrap_or(Ending::ClientGone);
        // Nobody waits for it: the charge is durable whenever it is.
        drop(metered.settle(ending, 499, None));
    }
}

/// How a stream ended that its client has left.
const fn gone(stop: &Stop) -> Ending {
    match stop {
        Stop::Terminator(_) => Ending::ClientGoneComplete,
        _ => Ending::ClientGone,
    }
}

/// Meters the events that a piece completes: what of them goes to the client, and what stops the stream.
fn take(events: &mut Events, piece: Bytes, metered: &mut Metered) -> (Bytes, Option<Stop>) {
    events.push(piece);
    let mut out = Out::default();
    loop {
        let event = match events.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => return (out.joined(), None),
            Err(EventTooLarge) => return (out.joined(), Some(Stop::TooLarge)),
        };
        let step = match metered.meter.on_event(&event) {
            // It may be told elsewhere in another dialect, whoever asked for it.
            Step::Strip if events.is_retold() => Step::Forward,
            step => step,
        };
        let stop = match step {
            Step::Forward if !events.is_keeping() => match events.tell(event) {
                Ok(told) => {
                    out.add(told);
                    continue;
                }
                Err(Untold) => Stop::Fault,
            },
            Step::Forward | Step::Last => match events.keep(event) {
                Ok(()) => continue,
                Err(unkept) => unkept.into(),
            },
            Step::Strip => continue,
            Step::Terminator => tell_last(events, event),
            Step::Failure => failed(events, event),
            Step::Fault => Stop::Fault,
        };
        return (out.joined(), Some(stop));
    }
}

/// What the client is told of the event that ends the stream.
fn tell_last(events: &mut Events, event: Event) -> Stop {
    events.tell_last(event).map_or(Stop::Fault, Stop::Terminator)
}

/// The same of one that also says that the answer failed; another dialect has its own way to say so.
fn failed(events: &Events, event: Event) -> Stop {
    if events.is_retold() { Stop::Fault } else { Stop::Failed(event.raw) }
}

impl From<Unkept> for Stop {
    fn from(unkept: Unkept) -> Self {
        match unkept {
            Unkept::TooLarge => Self::TooLarge,
            Unkept::Untold => Self::Fault,
        }
    }
}

/// Meters what came behind the last event when the stream has ended. A terminator counts without a blank line; anything else
/// is no event to a client, so it is not passed on: the error that follows must stand alone.
fn take_last(events: &mut Events, metered: &mut Metered) -> Stop {
    if let Some(event) = events.finish() {
        let is_last = match metered.meter.on_event(&event) {
            Step::Terminator => return tell_last(events, event),
            Step::Failure => return failed(events, event),
            Step::Fault => return Stop::Fault,
            Step::Last => true,
            Step::Forward | Step::Strip => events.is_keeping(),
        };
        let kept = if is_last { events.keep(event) } else { Ok(()) };
        if let Err(unkept) = kept {
            return unkept.into();
        }
    }
    events.kept().map_or(Stop::NoTerminator, Stop::Terminator)
}

/// Events that leave in one write.
#[derive(Default)]
pub(super) struct Out {
    first: Bytes,
    more: BytesMut,
}

impl Out {
    /// One more.
    pub(super) fn add(&mut self, raw: Bytes) {
        if self.first.is_empty() {
            self.first = raw;
        } else {
            self.more.extend_from_slice(&raw);
        }
    }

    /// All of them; a single event is not copied.
    pub(super) fn joined(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        [self.first.as_ref(), &self.more].concat().into()
    }
}

/// Reads the little that may follow a terminator, so that the connection can be used again; nothing of it is relayed.
async fn reach_end(body: &mut ReplyBody) {
    let reading = async { while let Some(Ok(_)) = body.next().await {} };
    // What is not over by then is closed with the body.
    drop(timeout(TAIL, reading).await);
}
