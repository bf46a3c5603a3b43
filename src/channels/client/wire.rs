//! One HTTP/1.1 connection, driven by whoever uses it: no task of its own, so everything that is ready arrives in one
//! wake-up. Owns [`Wire`]; must not know of channels, headers or time limits.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::fault::{Fault, in_one_line};
use super::socket::{Probe, Stream};

/// What hyper gives for a request: an answer, or an error that may carry the request that was never written.
pub(super) type Answered = Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>;

/// An HTTP connection and the means to use it. Dropping it closes the socket.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it ran to its end: a finished future must not be polled again. A body may still have bytes then.
    connection: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
    probe: Probe,
}

impl Wire {
    /// HTTP over a fresh `stream`; nothing is written.
    pub(super) async fn handshake(stream: Stream, probe: Probe) -> Result<Box<Self>, Fault> {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::Unreachable { reason: in_one_line(&error) })?;
        Ok(Box::new(Self { sender, connection: Some(connection), probe }))
    }

    /// Reads and writes what can be; the errors reach whoever waits for the answer or its body.
    pub(super) fn run(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Queues `request`; it is written by the next [`Wire::run`]. The answer must be polled with a real waker.
    pub(super) fn dispatch(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Answered> + use<> {
        self.sender.try_send_request(request)
    }

    /// Whether the connection can carry one more request, as far as the runtime knows. Nobody waits for it now, so
    /// it is polled once without a waker: that finishes the last exchange and sees a hang-up.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.run(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Whether the provider, as far as the kernel knows, has neither hung up nor spoken out of turn.
    pub(super) fn is_quiet(&self) -> bool {
        self.connection.is_some() && self.probe.is_quiet()
    }
}

/// Polls `body` for a frame and lets `wire` run whenever there is none; `Pending` when neither gets any further.
pub(super) fn poll_frame(
    wire: &mut Wire,
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>> {
    use hyper::body::Body;
    if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
        return Poll::Ready(frame);
    }
    wire.run(cx);
    Pin::new(body).poll_frame(cx)
}
