//! A raw HTTP/1.1 client connection: prepared bytes out, one whole answer in. As little work as can be, for it shares the
//! machine with what it measures. Must not know what is asked.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Copy, Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Server-sent events in the body.
    pub events: usize,
    /// When the first byte of the body was there.
    pub first: Instant,
    /// When the last was.
    pub last: Instant,
}

/// A connection that is kept, and opened anew when the server closed it.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// How the body ends.
#[derive(Copy, Clone, Debug)]
enum Framing {
    Length(usize),
    Chunked,
}

#[derive(Copy, Clone, Debug)]
struct Head {
    status: u16,
    /// Where the body begins.
    end: usize,
    framing: Framing,
    closes: bool,
}

impl Line {
    /// A line to `address`, not yet open.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::with_capacity(16 << 10) }
    }

    /// Sends `request` and reads the answer whole.
    ///
    /// # Errors
    /// When the connection fails, or what comes is no HTTP.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let (head, answer) = self.read(&mut stream).await?;
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    /// The body of the last answer, as framed.
    pub fn body(&self) -> &[u8] {
        parse_head(&self.buffer).and_then(|head| self.buffer.get(head.end..)).unwrap_or_default()
    }

    async fn read(&mut self, stream: &mut TcpStream) -> io::Result<(Head, Answer)> {
        let (mut head, mut first, mut walked) = (None, None, 0);
        loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(head) = head.or_else(|| parse_head(&self.buffer)).inspect(|found| head = Some(*found))
            else {
                continue;
            };
            let body = &self.buffer[head.end..];
            if !body.is_empty() && first.is_none() {
                first = Some(Instant::now());
            }
            let is_whole = match head.framing {
                Framing::Length(length) => body.len() >= length,
                Framing::Chunked => walk_chunks(body, &mut walked)?,
            };
            if is_whole {
                let last = Instant::now();
                let events = memchr::memmem::find_iter(body, b"data: ").count();
                return Ok((
                    head,
                    Answer { status: head.status, events, first: first.unwrap_or(last), last },
                ));
            }
        }
    }
}

/// The head, once it is there whole.
fn parse_head(bytes: &[u8]) -> Option<Head> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let (mut framing, mut closes) = (Framing::Length(0), false);
    for (name, value) in text.lines().skip(1).filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.trim().parse().ok()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    Some(Head { status, end, framing, closes })
}

/// Goes on from `at` over the chunks that are there; whether the last one was among them.
fn walk_chunks(body: &[u8], at: &mut usize) -> io::Result<bool> {
    loop {
        let rest = body.get(*at..).unwrap_or_default();
        let Some(line) = memchr::memmem::find(rest, b"\r\n") else { return Ok(false) };
        let size =
            std::str::from_utf8(&rest[..line]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let size = size.ok_or(io::ErrorKind::InvalidData)?;
        let whole = line + 2 + size + 2;
        if rest.len() < whole {
            return Ok(false);
        }
        *at += whole;
        if size == 0 {
            return Ok(true);
        }
    }
}
