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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::task::Waker;

    use actix_web::rt::Runtime;
    use tokio::sync::Notify;

    use super::*;
    use crate::relay::failure::Failure;

    /// Raised when it is dropped, as money is settled.
    struct Settles(Rc<Cell<u32>>);

    impl Drop for Settles {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn failed() -> Head {
        Head::Failed(Failure::overloaded())
    }

    #[test]
    fn a_pump_goes_on_when_its_client_leaves_and_behind_its_head() {
        for has_head in [false, true] {
            let (settled, go_on) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
            let (sender, head) = oneshot::channel();
            let (settles, told) = (Settles(Rc::clone(&settled)), Rc::clone(&go_on));
            let pump: Pump = Box::pin(async move {
                let mut sender = Some(sender);
                if has_head {
                    assert!(sender.take().unwrap().send(failed()).is_ok());
                }
                told.notified().await;
                assert!(sender.is_none_or(|sender| sender.is_closed()));
                drop(settles);
            });
            Runtime::new().unwrap().block_on(async {
                let mut carried = Carried::new(pump, head);
                let mut cx = Context::from_waker(Waker::noop());
                let polled = Pin::new(&mut carried).poll(&mut cx);
                assert_eq!(matches!(polled, Poll::Ready(Some(_))), has_head);
                drop(carried);
                assert_eq!(settled.get(), 0);
                go_on.notify_one();
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                assert_eq!(settled.get(), 1);
            });
        }
    }

    #[test]
    fn a_pump_that_panics_is_dropped_once() {
        let settled = Rc::new(Cell::new(0));
        let (sender, head) = oneshot::channel();
        let settles = Settles(Rc::clone(&settled));
        let pump: Pump = Box::pin(async move {
            let _both = (settles, sender);
            panic!("of the test");
        });
        Runtime::new().unwrap().block_on(async {
            let mut carried = Carried::new(pump, head);
            let mut cx = Context::from_waker(Waker::noop());
            let panicked = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut carried).poll(&mut cx).is_ready()));
            assert!(panicked.is_err() && settled.get() == 1);
            assert!(carried.await.is_none());
        });
        assert_eq!(settled.get(), 1);
    }

    /// A worker's end drops its connections, where nothing can be spawned any more.
    #[test]
    fn a_worker_that_ends_drops_the_pumps_it_drives() {
        let settled = Rc::new(Cell::new(0));
        let (sender, head) = oneshot::channel();
        let settles = Settles(Rc::clone(&settled));
        let pump: Pump = Box::pin(async move {
            let _both = (settles, sender);
            std::future::pending::<()>().await;
        });
        let worker = Runtime::new().unwrap();
        worker.block_on(async {
            drop(actix_web::rt::spawn(Carried::new(pump, head)));
            tokio::task::yield_now().await;
        });
        assert_eq!(settled.get(), 0);
        drop(worker);
        assert_eq!(settled.get(), 1);
    }
}
