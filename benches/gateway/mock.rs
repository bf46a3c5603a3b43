//! The provider: raw sockets on threads of their own, answers prepared once. The model's name says which: `bench-plain` a
//! completion, `bench-burst` a stream of twenty events in one write, `bench-slow` one event a second.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem::find;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A completion.
pub const PLAIN: &str = "bench-plain";
/// A stream of [`EVENTS`] at once.
pub const BURST: &str = "bench-burst";
/// A stream of [`SLOW_EVENTS`], one each [`SLOW_STEP`].
pub const SLOW: &str = "bench-slow";
/// Events with text of a burst; the usage and the terminator follow them.
pub const EVENTS: usize = 20;
/// Events with text of a slow stream.
pub const SLOW_EVENTS: u32 = 10;
/// The time between two of them.
pub const SLOW_STEP: Duration = Duration::from_secs(1);

const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// The provider; its threads end with the process.
#[derive(Debug)]
pub struct Mock {
    /// Where it listens.
    pub address: SocketAddr,
}

/// What it answers.
#[derive(Debug)]
struct Answers {
    plain: Bytes,
    burst: Bytes,
}

impl Mock {
    /// Starts it.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answers = Arc::new(Answers { plain: plain(), burst: burst() });
        Builder::new().name("mock".to_owned()).spawn(move || {
            let accepting = runtime.block_on(accept(listener, answers));
            eprintln!("the mock provider ended: {accepting:?}");
        })?;
        Ok(Self { address })
    }
}

async fn accept(listener: std::net::TcpListener, answers: Arc<Answers>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        // A connection that breaks is its other end's business.
        tokio::spawn(async move { answer_all(stream, &answers).await });
    }
}

async fn answer_all(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(8 << 10);
    loop {
        buffer.clear();
        let body = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            if let Some(body) = whole_body(&buffer) {
                break body;
            }
        };
        if find(body, PLAIN.as_bytes()).is_some() {
            stream.write_all(&answers.plain).await?;
        } else if find(body, BURST.as_bytes()).is_some() {
            stream.write_all(&answers.burst).await?;
        } else {
            drip(&mut stream).await?;
        }
    }
}

/// The body of a request with `content-length`, once it is there.
fn whole_body(bytes: &[u8]) -> Option<&[u8]> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    bytes.get(end..end + length.unwrap_or(0))
}

async fn drip(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(STREAM_HEAD.as_bytes()).await?;
    for _ in 0..SLOW_EVENTS {
        stream.write_all(chunk(&delta("slow ")).as_bytes()).await?;
        tokio::time::sleep(SLOW_STEP).await;
    }
    stream.write_all(ending().as_bytes()).await
}

fn plain() -> Bytes {
    let body = concat!(
        r#"{"id":"chatcmpl-0123456789","object":"chat.completion","created":1738483200,"model":"bench-plain","#,
        r#""choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog."},"#,
        r#""logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":20,"total_tokens":60,"#,
        r#""prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"#,
        r#""system_fingerprint":"fp_0123456789"}"#
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {}\r\n\r\n{body}", body.len()).into()
}

fn burst() -> Bytes {
    let events: String = (0..EVENTS).map(|_| chunk(&delta("fox "))).collect();
    format!("{STREAM_HEAD}{events}{}", ending()).into()
}

fn delta(text: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1738483200,"model":"bench","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
    )
}

fn ending() -> String {
    let usage = r#"{"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1738483200,"model":"bench","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":20,"total_tokens":60}}"#;
    format!("{}{}0\r\n\r\n", chunk(usage), chunk("[DONE]"))
}

/// An event, as one chunk.
fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}
