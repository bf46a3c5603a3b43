//! A provider's answer as it comes. Owns [`ProviderReply`] and [`ReplyBody`], whose clean end is a promise: the answer
//! is complete. Must not know what the bytes mean.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use tokio::time::{Instant, Sleep, sleep_until};

use super::fault::{Fault, in_one_line};
use super::patience::Alarm;
use super::pool;
use super::wire::{Wire, poll_frame};
use crate::channels::Channel;

/// The size a gathered piece may grow past by one read, in bytes; more that is ready comes as the next piece.
const ENOUGH: usize = 64 * 1024;

/// An answer: its head, and a body still to be read.
#[derive(Debug)]
pub struct ProviderReply {
    /// Any status but 1xx; redirects are not followed.
    pub status: StatusCode,
    /// All headers, as they came.
    pub headers: HeaderMap,
    /// What follows.
    pub body: ReplyBody,
}

impl ProviderReply {
    /// The reply that `response` on `wire` begins.
    pub(super) fn on_wire(
        channel: Arc<Channel>,
        wire: Box<Wire>,
        response: Response<Incoming>,
        mut alarm: Alarm,
    ) -> Self {
        alarm.calm();
        let (head, incoming) = response.into_parts();
        let source = if incoming.is_end_stream() {
            drop(incoming);
            pool::keep(&channel, wire);
            Source::Spent(None)
        } else {
            Source::Wire(Box::new(Flow { channel, wire, incoming, alarm }))
        };
        Self { status: head.status, headers: head.headers, body: ReplyBody(source) }
    }
}

/// The body of an answer. Dropping it before its end closes the connection, which tells the provider to stop.
pub struct ReplyBody(Source);

enum Source {
    Wire(Box<Flow>),
    Paced(Paced),
    /// Nothing more; the fault, if any, is still to be told.
    Spent(Option<Fault>),
}

struct Flow {
    channel: Arc<Channel>,
    wire: Box<Wire>,
    incoming: Incoming,
    alarm: Alarm,
}

/// Pieces made here, with a pause before each but the first.
struct Paced {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    next: Option<Pin<Box<Sleep>>>,
}

impl ReplyBody {
    /// A body that is all there.
    pub fn whole(bytes: Bytes) -> Self {
        Self::paced(VecDeque::from([bytes]), Duration::ZERO)
    }

    /// A body of `pieces`, with `pause` between them.
    pub fn paced(pieces: VecDeque<Bytes>, pause: Duration) -> Self {
        Self(Source::Paced(Paced { pieces, pause, next: None }))
    }

    /// The next bytes, as many as are ready (never none). `None` after the last of a complete answer, and only then,
    /// but also after a fault was told. May be dropped while it waits, without loss.
    ///
    /// # Errors
    /// Any fault of which [`Fault::was_sent`] is true; all that came before it was given out.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`ReplyBody::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        match &mut self.0 {
            Source::Spent(fault) => Poll::Ready(fault.take().map(Err)),
            Source::Paced(paced) => paced.poll_next(cx).map(|piece| piece.map(Ok)),
            Source::Wire(_) => self.poll_wire(cx),
        }
    }

    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let Source::Wire(flow) = &mut self.0 else { return Poll::Ready(None) };
        let (piece, state) = flow.gather(cx);
        let ended = match state {
            State::Flowing if piece.is_empty() => return Poll::Pending,
            State::Flowing => None,
            State::Complete => Some(None),
            State::Broken(fault) => Some(Some(fault)),
        };
        if let Some(fault) = ended {
            let complete = fault.is_none();
            let source = std::mem::replace(&mut self.0, Source::Spent(fault));
            if let (true, Source::Wire(flow)) = (complete, source) {
                flow.release();
            }
        }
        if piece.is_empty() { self.poll_next(cx) } else { Poll::Ready(Some(Ok(piece))) }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Wire(_) => "ReplyBody(a provider's)",
            Source::Paced(_) => "ReplyBody(made here)",
            Source::Spent(_) => "ReplyBody(at its end)",
        })
    }
}

/// How a body stands after all that is ready was read.
enum State {
    Flowing,
    Complete,
    Broken(Fault),
}

impl Flow {
    /// All that is ready, up to [`ENOUGH`]. `Flowing` and no bytes: nothing is, and the waker is set.
    fn gather(&mut self, cx: &mut Context<'_>) -> (Bytes, State) {
        if self.alarm.is_late() {
            return (Bytes::new(), State::Broken(Fault::TotalTimeout));
        }
        let mut gathered = Gathered::default();
        let state = loop {
            match poll_frame(&mut self.wire, &mut self.incoming, cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        gathered.push(data);
                    }
                    if self.incoming.is_end_stream() {
                        break State::Complete;
                    }
                    if gathered.len() >= ENOUGH {
                        break State::Flowing;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    break State::Broken(Fault::Cut { reason: in_one_line(&error) });
                }
                Poll::Ready(None) => break State::Complete,
                Poll::Pending => break State::Flowing,
            }
        };
        let piece = gathered.into_bytes();
        if !piece.is_empty() {
            self.alarm.calm();
        } else if matches!(state, State::Flowing)
            && let Poll::Ready(fault) = self.alarm.poll_overdue(cx)
        {
            return (piece, State::Broken(fault));
        }
        (piece, state)
    }

    /// Gives the connection back after a complete answer. One that ended with its connection is not kept.
    fn release(self) {
        drop(self.incoming);
        pool::keep(&self.channel, self.wire);
    }
}

/// Bytes that came together: one piece stays as it is, more are joined.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    joined: BytesMut,
}

impl Gathered {
    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&data);
        }
    }

    fn len(&self) -> usize {
        self.joined.len().max(self.first.len())
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

impl Paced {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(next) = &mut self.next {
            ready!(next.as_mut().poll(cx));
        }
        let piece = self.pieces.pop_front();
        if !self.pause.is_zero() && !self.pieces.is_empty() {
            let at = Instant::now() + self.pause;
            match &mut self.next {
                Some(next) => next.as_mut().reset(at),
                None => self.next = Some(Box::pin(sleep_until(at))),
            }
        }
        Poll::Ready(piece)
    }
}
