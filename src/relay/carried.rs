//! Who drives a pump: the handler it was made for, as long as that waits for its head, so that a plain answer costs neither
//! a task nor a wake-up; a task of its own from the head of a stream on, and from the moment the client leaves.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::relay::client::Head;

/// What becomes of an exchange.
pub type Pump = Pin<Box<dyn Future<Output = ()>>>;

/// See the room's head. Resolves with the head; with none when the pump ended without one.
pub struct Carried {
    /// `None` while it is polled, so that one that panics is not polled again, and once it has ended.
    pump: Option<Pump>,
    head: oneshot::Receiver<Head>,
}

impl Carried {
    /// `pump`, which sends its head to `head`.
    pub fn new(pump: Pump, head: oneshot::Receiver<Head>) -> Self {
        Self { pump: Some(pump), head }
    }
}

impl Future for Carried {
    type Output = Option<Head>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Head>> {
        if let Some(mut pump) = self.pump.take()
            && pump.as_mut().poll(cx).is_pending()
        {
            self.pump = Some(pump);
        }
        // Nobody else sends it, so there is nothing to be woken for.
        match self.head.try_recv() {
            Ok(head) => Poll::Ready(Some(head)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Closed) => Poll::Ready(None),
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.take() {
            self.head.close();
            actix_web::rt::spawn(pump);
        }
    }
}
