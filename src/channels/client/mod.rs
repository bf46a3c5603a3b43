//! The HTTP client: the only place that knows one. A thin keep-alive pool per worker thread over hyper's HTTP/1.1
//! connection, which the task that reads the answer drives itself: no task per connection, so twenty events that
//! arrive together are one wake-up and one write.
//!
//! It follows no redirect, decompresses nothing, and repeats a request only when hyper hands it back unwritten. It
//! must not know of money, models or dialects.
//!
//! - `request`: what is sent; `reply`: what comes; `fault`: what goes wrong instead; `patience`: how long to wait
//! - `dial`, `socket`, `tls`: a new connection; `wire`: one HTTP connection; `pool`: those at rest

mod dial;
mod fault;
mod patience;
mod pool;
mod reply;
mod request;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

pub use fault::Fault;
pub use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use hyper::{Method, StatusCode};
pub use patience::Patience;
pub use reply::{ProviderReply, ReplyBody};
pub use request::ProviderRequest;
pub use tls::tls_config;

use crate::channels::Channel;
use fault::in_one_line;
use patience::Alarm;
use wire::Wire;

/// A connection ready to carry one request: nothing has been sent yet. Belongs to the thread that made it.
pub struct Line {
    channel: Arc<Channel>,
    wire: Box<Wire>,
}

/// A connection to `channel`, from the pool or new, within `timeouts.connect`.
///
/// # Errors
/// Faults of which [`Fault::was_sent`] is false.
pub async fn connect(channel: &Arc<Channel>) -> Result<Line, Fault> {
    let wire = match pool::take(channel) {
        Some(wire) => wire,
        None => dial_anew(channel).await?,
    };
    Ok(Line { channel: Arc::clone(channel), wire })
}

async fn dial_anew(channel: &Arc<Channel>) -> Result<Box<Wire>, Fault> {
    dial::dial(channel, pool::tls_of(channel)?).await
}

impl Line {
    /// Sends `request` and waits for the head of the answer; interim answers (1xx) are skipped.
    ///
    /// A connection that the provider closed before any of the request was written is replaced by a new one, once and
    /// unseen. A request that may have arrived is never repeated.
    ///
    /// # Errors
    /// Any fault; [`Fault::was_sent`] tells whether the provider may have the request.
    pub async fn send(self, request: ProviderRequest, patience: Patience) -> Result<ProviderReply, Fault> {
        let Self { channel, mut wire } = self;
        let mut request = request::compose(&channel, request)?;
        let mut may_redial = true;
        // What waits may be for TLS itself (session tickets): it is read before the kernel is asked.
        if !(wire.is_reusable() && wire.is_quiet()) {
            wire = dial_anew(&channel).await?;
            may_redial = false;
        }
        loop {
            let mut alarm = Alarm::for_head(patience);
            match exchange(&mut wire, request, &mut alarm).await {
                Ok(response) => return Ok(ProviderReply::on_wire(channel, wire, response, alarm)),
                Err(Lost::Sent(fault)) => return Err(fault),
                Err(Lost::Unsent(unsent, _)) if may_redial => {
                    request = *unsent;
                    wire = dial_anew(&channel).await?;
                    may_redial = false;
                }
                Err(Lost::Unsent(_, reason)) => return Err(Fault::Unreachable { reason }),
            }
        }
    }
}

/// Why an exchange gave no head.
enum Lost {
    /// Nothing of the request was written; here it is again, and why.
    Unsent(Box<Request<Full<Bytes>>>, String),
    /// It was, or may have been.
    Sent(Fault),
}

async fn exchange(
    wire: &mut Wire,
    request: Request<Full<Bytes>>,
    alarm: &mut Alarm,
) -> Result<Response<Incoming>, Lost> {
    let mut answer = pin!(wire.dispatch(request));
    let answered = poll_fn(|cx| {
        wire.run(cx);
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(answered));
        }
        alarm.poll_overdue(cx).map(Err)
    })
    .await
    .map_err(Lost::Sent)?;
    match answered {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(Lost::Sent(Fault::Upgraded))
        }
        Ok(response) => Ok(response),
        Err(mut error) => {
            let unsent = error.take_message();
            let reason = in_one_line(&error.into_error());
            Err(match unsent {
                Some(request) => Lost::Unsent(Box::new(request), reason),
                None => Lost::Sent(Fault::NoHead { reason }),
            })
        }
    }
}
