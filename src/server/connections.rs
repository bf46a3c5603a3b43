//! Connections: how many there are from each address, what is set on each, and when the last has closed.

use std::any::Any;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use tokio::sync::Notify;

/// Counts connections by address.
#[derive(Debug)]
pub struct Connections {
    counts: Mutex<HashMap<IpAddr, usize>>,
    most: usize,
    closed: Notify,
}

/// A connection's place; given back when it closes.
#[derive(Debug)]
pub struct Place {
    ip: IpAddr,
    connections: Arc<Connections>,
}

const WHOLE: &str = "counting does not panic";

impl Connections {
    /// At most `most` from each address; 0 is no limit.
    pub fn new(most: usize) -> Self {
        Self { counts: Mutex::default(), most, closed: Notify::new() }
    }

    /// Waits until the last has closed.
    pub async fn none(&self) {
        loop {
            let closed = self.closed.notified();
            if self.counts.lock().expect(WHOLE).is_empty() {
                return;
            }
            closed.await;
        }
    }

    /// Counts a new connection for as long as it is open, and closes it at once if it is one too many. Unacknowledged bytes close it after `write`.
    pub fn enter(self: &Arc<Self>, connection: &dyn Any, data: &mut Extensions, write: Duration) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        let millis = u32::try_from(write.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, millis) {
            log::debug!("TCP_USER_TIMEOUT: {error}");
        }
        let Ok(peer) = stream.peer_addr() else { return };
        let ip = peer.ip().to_canonical();
        let mut counts = self.counts.lock().expect(WHOLE);
        let count = counts.entry(ip).or_default();
        *count += 1;
        let is_one_too_many = self.most != 0 && *count > self.most;
        drop(counts);
        if is_one_too_many && let Err(error) = rustix::net::shutdown(stream, rustix::net::Shutdown::Both) {
            log::debug!("a connection too many was gone already: {error}");
        }
        data.insert(Place { ip, connections: Arc::clone(self) });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut counts) = self.connections.counts.lock() else { return };
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
        drop(counts);
        self.connections.closed.notify_waiters();
    }
}
