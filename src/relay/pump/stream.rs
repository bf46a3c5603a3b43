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
use crate::wire::{ChatStream, Event, Splitter, Step};

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
    pub(super) async fn relay_stream(&self, mut body: ReplyBody, mut headers: Headers, ends: &mut Ends<'_>) {
        headers.extend(self.rate_headers());
        let mut events = Events {
            splitter: Splitter::new(self.relay.settings.max_event_bytes),
            retold: self.translation.as_ref().map(|translation| Box::new(translation.stream())),
        };
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
                let Some(Ok(piece)) = body.next().await else { return Ending::ClientGone };
                read += piece.len();
                match take(events, piece, metered).1 {
                    None => {}
                    Some(Stop::Terminator(_)) => return Ending::ClientGoneComplete,
                    Some(_) => return Ending::ClientGone,
                }
            }
            Ending::ClientGone
        };
        let ending = self.watch.wait(pin!(timeout(FAREWELL, reading))).await.unwrap_or(Ending::ClientGone);
        // Nobody waits for it: the charge is durable whenever it is.
        drop(metered.settle(ending, 499, None));
    }
}

/// Meters the events that a piece completes: what of them goes to the client, and what stops the stream.
fn take(events: &mut Events, piece: Bytes, metered: &mut Metered) -> (Bytes, Option<Stop>) {
    events.splitter.push(piece);
    let mut out = Out::default();
    loop {
        match events.splitter.next_event() {
            Ok(Some(event)) => match metered.meter.on_event(&event) {
                Step::Forward => match events.tell(event) {
                    Ok(told) => out.add(told),
                    Err(stop) => return (out.joined(), Some(stop)),
                },
                Step::Strip => {}
                Step::Terminator => return (out.joined(), Some(events.tell_last(event))),
                Step::Failure => return (out.joined(), Some(Stop::Failed(event.raw))),
                Step::Fault => return (out.joined(), Some(Stop::Fault)),
            },
            Ok(None) => return (out.joined(), None),
            Err(_) => return (out.joined(), Some(Stop::TooLarge)),
        }
    }
}

/// Meters what came behind the last blank line when the stream has ended. A terminator counts without one; anything else is
/// no event to a client, so it is not passed on: the error that follows must stand alone.
fn take_last(events: &mut Events, metered: &mut Metered) -> Stop {
    let Some(event) = events.splitter.finish() else { return Stop::NoTerminator };
    match metered.meter.on_event(&event) {
        Step::Terminator => events.tell_last(event),
        Step::Failure => Stop::Failed(event.raw),
        Step::Fault => Stop::Fault,
        Step::Forward | Step::Strip => Stop::NoTerminator,
    }
}

/// The events of a provider, and how its client is told them where that speaks another dialect.
struct Events {
    splitter: Splitter,
    retold: Option<Box<ChatStream>>,
}

impl Events {
    /// What the client is told of `event`.
    fn tell(&mut self, event: Event) -> Result<Bytes, Stop> {
        match &mut self.retold {
            None => Ok(event.raw),
            Some(stream) => stream.tell(&event).map_err(|_| Stop::Fault),
        }
    }

    /// The same of the one that ends the stream.
    fn tell_last(&mut self, event: Event) -> Stop {
        self.tell(event).map_or_else(|stop| stop, Stop::Terminator)
    }
}

/// Events that leave in one write.
#[derive(Default)]
struct Out {
    first: Bytes,
    more: BytesMut,
}

impl Out {
    fn add(&mut self, raw: Bytes) {
        if self.first.is_empty() {
            self.first = raw;
        } else {
            self.more.extend_from_slice(&raw);
        }
    }

    /// All of them; a single event is not copied.
    fn joined(self) -> Bytes {
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
