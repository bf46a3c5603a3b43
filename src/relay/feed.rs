//! The body of a streamed answer: what the pump hands over, piece by piece, with back-pressure. It ends cleanly only when the
//! pump says so; a pump that is gone without a word cuts the connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::sync::mpsc;

/// Pieces that may wait for a client; each is at most about 64 KiB, or one larger event.
const PIECES: usize = 4;

/// What a pump hands over.
#[derive(Debug)]
pub enum Piece {
    /// Bytes for the client.
    Data(Bytes),
    /// The end, on purpose.
    End,
}

/// See the room's head.
#[derive(Debug)]
pub struct Feed {
    pieces: mpsc::Receiver<Piece>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    /// The pump is gone; told one poll later, because an error makes the server drop what it has not written yet.
    Cut,
}

/// The answer broke off.
#[derive(Debug)]
pub struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for BrokenOff {}

/// A feed, and the sending end of it.
pub fn feed() -> (mpsc::Sender<Piece>, Feed) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (sender, Feed { pieces, state: State::Open })
}

impl MessageBody for Feed {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        match self.state {
            State::Ended => return Poll::Ready(None),
            State::Cut => return Poll::Ready(Some(Err(BrokenOff))),
            State::Open => {}
        }
        match self.pieces.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::Data(bytes))) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(Some(Piece::End)) => {
                self.state = State::Ended;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.state = State::Cut;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
