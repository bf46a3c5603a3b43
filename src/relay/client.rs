//! The client's end of an exchange, as the pump sees it: waiting for a head, reading a stream, or gone.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::relay::failure::{Failure, Listener};
use crate::relay::feed::{Feed, Piece, feed};
use crate::relay::headers::Headers;
use crate::relay::parcel::Parcel;
use crate::wire::Form;

/// What the handler is handed: the head of an answer, and its body or where that comes from.
#[derive(Debug)]
pub enum Head {
    /// An answer that is all there.
    Whole {
        /// HTTP status.
        status: u16,
        /// Its headers.
        headers: Headers,
        /// Its body.
        body: Parcel,
    },
    /// An answer that streams.
    Stream {
        /// Its headers.
        headers: Headers,
        /// Its body.
        feed: Feed,
    },
    /// A failure before anything was sent.
    Failed(Failure),
}

/// See the room's head.
#[derive(Debug)]
pub struct Client {
    state: State,
    listener: Listener,
    form: Form,
    array: Option<Array>,
    write_timeout: Duration,
}

/// What a client that reads an array has of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Array {
    Nothing,
    Some,
}

#[derive(Debug)]
enum State {
    Waiting(oneshot::Sender<Head>),
    Reading(mpsc::Sender<Piece>),
    Gone,
}

/// The client is gone, or took nothing for too long.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Left;

impl Client {
    /// A client that waits for a head at the other end of `head`, is told of failures as `listener` whose request had `form`, and
    /// is given up when it takes nothing for `write_timeout`.
    pub fn new(head: oneshot::Sender<Head>, listener: Listener, form: Form, write_timeout: Duration) -> Self {
        Self { state: State::Waiting(head), listener, form, array: None, write_timeout }
    }

    /// Resolves when the client has gone away; never for one that was answered or is known to be gone.
    pub async fn gone(&mut self) {
        match &mut self.state {
            State::Waiting(head) => head.closed().await,
            State::Reading(pieces) => pieces.closed().await,
            State::Gone => std::future::pending().await,
        }
    }

    /// Whether the client is known to have gone.
    pub fn has_left(&self) -> bool {
        match &self.state {
            State::Waiting(head) => head.is_closed(),
            State::Reading(pieces) => pieces.is_closed(),
            State::Gone => true,
        }
    }

    /// Whether it still waits for a head.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Gives it a whole answer.
    pub fn answer(&mut self, status: u16, headers: Headers, body: Parcel) {
        self.hand_over(Head::Whole { status, headers, body });
    }

    /// From now on its stream is an array, in which an error is an element.
    pub const fn tell_in_array(&mut self) {
        self.array = Some(Array::Nothing);
    }

    /// Begins a stream, if that has not happened yet.
    pub fn open(&mut self, headers: &Headers) {
        if self.is_waiting() {
            let (pieces, feed) = feed();
            self.hand_over(Head::Stream { headers: headers.clone(), feed });
            self.state = State::Reading(pieces);
        }
    }

    fn hand_over(&mut self, head: Head) {
        if let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Gone) {
            // A client that left meanwhile is noticed at the next step.
            drop(waiting.send(head));
        }
    }

    /// Gives a client that reads a stream its next bytes, and waits until it takes them.
    ///
    /// # Errors
    /// When it has gone away, or took nothing for too long.
    pub async fn deliver(&mut self, bytes: Bytes) -> Result<(), Left> {
        self.array = self.array.map(|_| Array::Some);
        self.hand(Piece::Data(bytes)).await
    }

    /// Ends a stream cleanly.
    pub async fn end(&mut self) {
        // A client that is gone does not miss the end.
        let _ = self.hand(Piece::End).await;
        self.state = State::Gone;
    }

    async fn hand(&mut self, piece: Piece) -> Result<(), Left> {
        let State::Reading(pieces) = &self.state else { return Err(Left) };
        match tokio::time::timeout(self.write_timeout, pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                self.state = State::Gone;
                Err(Left)
            }
        }
    }

    /// Tells it of a failure: as an answer while it waits for one, else as an error event after which the stream ends without
    /// its terminator.
    pub async fn fail(&mut self, failure: Failure) {
        if self.is_waiting() {
            self.hand_over(Head::Failed(failure));
        } else if self.deliver(self.told(&failure).into()).await.is_ok() {
            self.end().await;
        }
    }

    fn told(&self, failure: &Failure) -> Vec<u8> {
        match self.array {
            None => failure.event(self.listener, self.form),
            Some(Array::Nothing) => failure.element(self.listener, "["),
            Some(Array::Some) => failure.element(self.listener, ",\r\n"),
        }
    }

    /// Breaks the answer off, so that no client can take it for whole.
    pub fn cut(&mut self) {
        self.state = State::Gone;
    }
}
