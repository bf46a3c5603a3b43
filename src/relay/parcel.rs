//! The body of a whole answer: handed over slice by slice, and counted as buffered until the last of it has been taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::relay::buffers::Buffered;

/// What is handed over at once: the server copies it, so a client that does not read costs this much more.
const SLICE: usize = 64 * 1024;

/// See the room's head.
#[derive(Debug)]
pub struct Parcel {
    rest: Bytes,
    _buffered: Option<Buffered>,
}

impl Parcel {
    /// A body and its share of what may be buffered; `None` for a small one made here.
    pub fn new(bytes: Bytes, buffered: Option<Buffered>) -> Self {
        Self { rest: bytes, _buffered: buffered }
    }
}

impl MessageBody for Parcel {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let next = self.rest.len().min(SLICE);
        Poll::Ready((next > 0).then(|| Ok(self.rest.split_to(next))))
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        if self.rest.len() <= SLICE { Ok(self.rest) } else { Err(self) }
    }
}
