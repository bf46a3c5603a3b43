//! A new connection to a provider: name, TCP, the proxy's tunnel, TLS, in that order and within `timeouts.connect`.
//! Must not know of requests or of the pool.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::fault::{Fault, in_one_line};
use super::socket::{Socket, Stream};
use super::wire::Wire;
use crate::channels::{BaseUrl, Channel};

/// The longest head a proxy may answer `CONNECT` with, in bytes.
const MAX_TUNNEL_HEAD: usize = 8 * 1024;

/// A connection on which nothing was sent yet. `tls` counts only when the channel's URL is https.
///
/// # Errors
/// Faults of which [`Fault::was_sent`] is false.
pub(super) async fn dial(channel: &Channel, tls: Option<Arc<ClientConfig>>) -> Result<Box<Wire>, Fault> {
    let deadline = Instant::now() + channel.timeouts.connect;
    // Boxed: a handshake's state is large, and would sit in every future that may have to dial.
    let standing = Box::pin(async {
        let (stream, socket) = open(channel, tls, deadline).await?;
        Wire::handshake(stream, socket).await
    });
    timeout_at(deadline, standing).await.unwrap_or(Err(Fault::ConnectTimeout))
}

async fn open(
    channel: &Channel,
    tls: Option<Arc<ClientConfig>>,
    deadline: Instant,
) -> Result<(Stream, super::socket::Probe), Fault> {
    let goal = &channel.base_url;
    let tcp = match &channel.proxy {
        Some(proxy) => tunnel(reach(proxy, deadline).await?, goal).await?,
        None => reach(goal, deadline).await?,
    };
    let socket = Socket::new(tcp);
    let probe = socket.probe();
    let stream = match tls {
        Some(config) => Stream::Tls(Box::new(secure(socket, config, goal).await?)),
        None => Stream::Plain(socket),
    };
    Ok((stream, probe))
}

/// TCP to the first address that answers. Each gets its share of the time left, so that a dead first address (a
/// host whose IPv6 leads nowhere) leaves some for the next.
async fn reach(door: &BaseUrl, deadline: Instant) -> Result<TcpStream, Fault> {
    let found = lookup_host((door.host.as_str(), door.port)).await;
    let addresses: Vec<_> = found
        .map_err(|error| Fault::unreachable(format!("no address for {}: {error}", door.host)))?
        .collect();
    let mut last = Fault::unreachable(format!("no address for {}", door.host));
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(Fault::unreachable)?;
                return Ok(stream);
            }
            Ok(Err(error)) => Fault::unreachable(format!("{address}: {error}")),
            Err(_elapsed) => Fault::ConnectTimeout,
        };
    }
    Err(last)
}

/// Asks the proxy at the other end of `proxy` for a way to `goal`, for http and https alike: so the proxy never
/// sees a request.
async fn tunnel(mut proxy: TcpStream, goal: &BaseUrl) -> Result<TcpStream, Fault> {
    let host = if goal.host.contains(':') { format!("[{}]", goal.host) } else { goal.host.clone() };
    let authority = format!("{host}:{}", goal.port);
    let ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let broken = |error: io::Error| Fault::unreachable(format!("the proxy: {error}"));
    proxy.write_all(ask.as_bytes()).await.map_err(broken)?;
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows the head belongs to the tunnel.
        let byte = proxy.read_u8().await.map_err(broken)?;
        head.push(byte);
        if head.len() > MAX_TUNNEL_HEAD {
            return Err(Fault::unreachable("the proxy's answer is too long"));
        }
    }
    match head.get(..12) {
        Some(line) if line.starts_with(b"HTTP/1.") && line[8..].starts_with(b" 2") => Ok(proxy),
        Some(line) => {
            let status = String::from_utf8_lossy(&line[9..]).into_owned();
            Err(Fault::unreachable(format!("the proxy opened no tunnel, it answered {status:?}")))
        }
        None => Err(Fault::unreachable("the proxy speaks no HTTP")),
    }
}

async fn secure(
    socket: Socket,
    config: Arc<ClientConfig>,
    goal: &BaseUrl,
) -> Result<tokio_rustls::client::TlsStream<Socket>, Fault> {
    let name = ServerName::try_from(goal.host.clone())
        .map_err(|_| Fault::Tls { reason: format!("{} is no name a certificate can have", goal.host) })?;
    TlsConnector::from(config)
        .connect(name, socket)
        .await
        .map_err(|error| Fault::Tls { reason: in_one_line(&error) })
}
