//! Idle connections, kept per worker thread and channel: no lock, and no connection that another runtime drives.
//! Also owns what else lives per thread and channel: TLS settings, the headers it adds, and whose key is next. Must not know of requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::ClientConfig;

use super::fault::Fault;
use super::request::Stamps;
use super::tls::tls_config;
use super::wire::Wire;
use crate::channels::Channel;

/// The most idle connections kept per channel and worker.
const MAX_IDLE: usize = 256;
/// How long a connection may lie idle: less than most servers wait.
const IDLE_FOR: Duration = Duration::from_secs(50);
/// How often the idle are looked at. One that its provider closed stays half-closed for so long at most.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { berths: Vec::new(), swept: false }) };
}

struct Pool {
    /// Few: one per channel in use on this thread.
    berths: Vec<Berth>,
    /// Whether a sweeper runs on this thread.
    swept: bool,
}

struct Berth {
    /// Weak: a channel that a reload dropped must not live on here. While it stands its address can't be reused.
    channel: Weak<Channel>,
    tls: Option<Arc<ClientConfig>>,
    stamps: Option<Rc<Stamps>>,
    turn: usize,
    /// The most recently used is last, and is taken first.
    idle: Vec<Idle>,
}

struct Idle {
    wire: Box<Wire>,
    since: Instant,
}

impl Pool {
    fn berth(&mut self, channel: &Arc<Channel>) -> &mut Berth {
        let known =
            self.berths.iter().position(|berth| std::ptr::eq(berth.channel.as_ptr(), &raw const **channel));
        let at = known.unwrap_or_else(|| {
            self.berths.push(Berth {
                channel: Arc::downgrade(channel),
                tls: None,
                stamps: None,
                turn: 0,
                idle: Vec::new(),
            });
            self.berths.len() - 1
        });
        &mut self.berths[at]
    }
}

/// A connection to `channel` that was used before and is still good.
pub(super) fn take(channel: &Arc<Channel>) -> Option<Box<Wire>> {
    POOL.with_borrow_mut(|pool| {
        let idle = &mut pool.berth(channel).idle;
        while let Some(Idle { mut wire, since }) = idle.pop() {
            if since.elapsed() < IDLE_FOR && wire.is_reusable() {
                return Some(wire);
            }
        }
        None
    })
}

/// Keeps `wire` for the next request if its last exchange is complete and it is still open; else closes it.
pub(super) fn keep(channel: &Arc<Channel>, mut wire: Box<Wire>) {
    if !wire.is_reusable() {
        return;
    }
    let unswept = POOL.with_borrow_mut(|pool| {
        let idle = &mut pool.berth(channel).idle;
        if idle.len() < MAX_IDLE {
            idle.push(Idle { wire, since: Instant::now() });
        }
        !std::mem::replace(&mut pool.swept, true)
    });
    if unswept {
        // On this thread, as each worker has a runtime of its own; it ends when nothing is idle.
        tokio::spawn(sweep_until_empty(Broom));
    }
}

/// TLS settings of `channel`, `None` for http.
pub(super) fn tls_of(channel: &Arc<Channel>) -> Result<Option<Arc<ClientConfig>>, Fault> {
    if !channel.base_url.tls {
        return Ok(None);
    }
    POOL.with_borrow_mut(|pool| {
        let berth = pool.berth(channel);
        if berth.tls.is_none() {
            let made = tls_config(channel.ca_pem.as_deref()).map_err(|reason| Fault::Tls { reason })?;
            berth.tls = Some(made);
        }
        Ok(berth.tls.clone())
    })
}

/// What `channel` adds to every request.
pub(super) fn stamps(channel: &Arc<Channel>) -> Result<Rc<Stamps>, Fault> {
    POOL.with_borrow_mut(|pool| {
        let berth = pool.berth(channel);
        if let Some(stamps) = &berth.stamps {
            return Ok(Rc::clone(stamps));
        }
        let made = Rc::new(Stamps::of(channel)?);
        berth.stamps = Some(Rc::clone(&made));
        Ok(made)
    })
}

/// The key whose turn it is; `None` when the channel has none.
pub(super) fn next_key<K: Clone>(channel: &Arc<Channel>, keys: &[K]) -> Option<K> {
    let turn = POOL.with_borrow_mut(|pool| {
        let berth = pool.berth(channel);
        let turn = berth.turn;
        berth.turn = turn.wrapping_add(1);
        turn
    });
    keys.get(turn.checked_rem(keys.len())?).cloned()
}

/// Marks the thread as unswept when the sweeper ends, also when its runtime does.
struct Broom;

impl Drop for Broom {
    fn drop(&mut self) {
        let _gone_at_thread_end = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut() {
                pool.swept = false;
            }
        });
    }
}

async fn sweep_until_empty(_broom: Broom) {
    loop {
        sleep(SWEEP_EVERY).await;
        if sweep() == 0 {
            return;
        }
    }
}

/// Closes what is too old, was closed by its provider, or belongs to a dropped channel; how many stay.
fn sweep() -> usize {
    POOL.with_borrow_mut(|pool| {
        pool.berths.retain(|berth| berth.channel.strong_count() > 0);
        for berth in &mut pool.berths {
            berth.idle.retain_mut(|Idle { wire, since }| {
                since.elapsed() < IDLE_FOR && wire.is_reusable() && wire.is_quiet()
            });
        }
        pool.berths.iter().map(|berth| berth.idle.len()).sum()
    })
}

/// The number of idle connections to `channel` on this thread.
#[cfg(test)]
pub(super) fn idle_count(channel: &Arc<Channel>) -> usize {
    sweep();
    POOL.with_borrow_mut(|pool| pool.berth(channel).idle.len())
}
