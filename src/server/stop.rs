//! The stop, in order: turn new requests away, let running ones finish and their answers go out, cut the rest, and only then
//! end. A second signal ends at once; what is open then is recovered at the next start.

use std::io;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use futures_util::future::{join_all, select_all};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout, timeout_at};

use crate::server::dispatch::Front;

/// How long exchanges that were cut may take to settle.
const SETTLING: Duration = Duration::from_secs(5);

/// How long what is told to those that were cut may take to go out.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The signals that end or address the process; they are caught from the moment this exists.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => log::warn!("SIGHUP: reloading is not built yet; restart to read the configuration"),
            }
        }
    }
}

/// Runs `servers` until a signal says to stop; then stops them in order.
///
/// # Errors
/// When a server ends by itself.
pub async fn until_told(
    mut signals: Signals,
    servers: Vec<Server>,
    front: &Front,
    grace: Duration,
) -> io::Result<()> {
    let handles: Vec<ServerHandle> = servers.iter().map(Server::handle).collect();
    let mut running: Vec<_> = servers.into_iter().map(actix_web::rt::spawn).collect();
    tokio::select! {
        () = signals.stop() => {}
        (ended, ..) = select_all(&mut running) => return ended.unwrap_or_else(|error| Err(io::Error::other(error))),
    }
    log::info!("stopping: {} requests are running", front.relay().running().count());
    front.begin_stop();
    tokio::select! {
        () = wind_down(&handles, front, grace) => Ok(()),
        () = signals.stop() => end_at_once(),
    }
}

async fn wind_down(handles: &[ServerHandle], front: &Front, grace: Duration) {
    let end = Instant::now() + grace;
    join_all(handles.iter().map(ServerHandle::pause)).await;
    let running = front.relay().running();
    if timeout_at(end, running.none()).await.is_err() {
        log::warn!("{} requests did not finish in time and are cut", running.count());
        running.cut();
    }
    // Idle connections close now, the others when what they carry has gone out.
    let stopping: Vec<_> = handles.iter().map(|handle| handle.stop(true)).collect();
    let last_words = end.max(Instant::now() + LAST_WORDS);
    if timeout_at(last_words, front.connections().none()).await.is_err() {
        log::warn!("not every answer was taken in time");
    }
    // Nothing begins any more, also of what a slow body has brought in meanwhile.
    running.cut();
    if timeout(SETTLING, running.none()).await.is_err() {
        log::error!("{} requests did not settle in time", running.count());
    }
    drop(stopping);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a second signal means now; the next start settles what is open"
)]
fn end_at_once() -> ! {
    log::error!("a second signal: ending at once");
    log::logger().flush();
    std::process::exit(1)
}
