//! A raw HTTP/1.1 client over blocking sockets: it sends any bytes, and sees how an answer ends. Must not know the
//! gateway.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::SOON;

/// A request to be spelled out; nothing in it is checked.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without headers or a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// `GET target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST target` with a JSON body.
    pub fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).json(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Authorization: Bearer key`; an empty key adds nothing.
    pub fn bearer(self, key: &str) -> Self {
        if key.is_empty() { self } else { self.header("Authorization", &format!("Bearer {key}")) }
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string().as_bytes())
    }

    /// Sets a body as it is.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    /// The bytes on the wire. `Host`, `Content-Length` and `Connection: close` are added where they are missing.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let has = |name: &str| self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if !has("host") {
            head.push_str("Host: gateway.test\r\n");
        }
        if !has("connection") {
            head.push_str("Connection: close\r\n");
        }
        if let Some(body) = self.body.as_ref().filter(|_| !has("content-length") && !has("transfer-encoding"))
        {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing promised.
    pub clean: bool,
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text()))
    }

    /// Whichever place of the body holds the error code: the envelope's or the dialect's.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        let code = if body["code"].is_string() { &body["code"] } else { &body["error"]["code"] };
        code.as_str().map_or_else(|| code.to_string(), str::to_owned)
    }

    /// The error's sentence, in either shape.
    #[track_caller]
    pub fn message(&self) -> String {
        let body = self.json();
        let message = if body["message"].is_string() { &body["message"] } else { &body["error"]["message"] };
        message.as_str().unwrap_or_default().to_owned()
    }

    /// Panics with the whole answer unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// As [`Response::expect`], and the code is `code`.
    #[track_caller]
    pub fn refuses(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        assert_eq!(response.code(), code, "{}", response.text());
        response
    }

    /// The data of a chat's events, but for their terminator.
    #[track_caller]
    pub fn chunks(&self) -> Vec<Value> {
        let text = self.text();
        let text = text.strip_suffix("data: [DONE]\n\n").expect("the terminator");
        let data = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// The data of events each of which is named by its type.
    #[track_caller]
    pub fn named_events(&self) -> Vec<Value> {
        let text = self.text();
        let events = text.split_terminator("\n\n").map(|event| {
            let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name);
            data
        });
        events.collect()
    }

    /// The payloads of the server-sent events in the body.
    pub fn events(&self) -> Vec<String> {
        self.text()
            .split("\n\n")
            .filter_map(|event| event.trim_start_matches('\n').strip_prefix("data: "))
            .map(str::to_owned)
            .collect()
    }
}

/// What a read of a body gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some bytes.
    Data(Vec<u8>),
    /// The end its framing promised.
    End,
    /// Anything else: closed early, reset, broken framing, or nothing in time.
    Cut(String),
}

/// A connection to anything that speaks HTTP/1.1.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects; reads wait for at most [`SOON`].
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("the gateway accepts connections")
    }

    /// As [`Connection::open`], for a peer that may be gone.
    ///
    /// # Errors
    /// When nobody accepts.
    pub fn try_open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let connection = Self { stream, buffer: Vec::new() };
        connection.patience(SOON);
        Ok(connection)
    }

    /// How long reads and writes wait.
    pub fn patience(&self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        self.stream.set_write_timeout(Some(limit)).unwrap();
    }

    /// Sends bytes. A peer that closes early is no failure here: what it answered is read afterwards.
    pub fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Closes with a reset, as a client that dies does.
    pub fn reset(self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    /// Reads the head of an answer (interim ones are skipped) and stays open for its body.
    ///
    /// # Errors
    /// When the peer closes, resets, says nothing in time, or what it says is no head.
    pub fn answer(mut self) -> Result<Exchange, String> {
        loop {
            let head = self.head()?;
            let mut lines = head.split("\r\n");
            let status_line = lines.next().unwrap_or_default();
            let status: u16 =
                status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(status_line)?;
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let headers: Vec<_> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            let framing = if matches!(status, 101 | 204 | 304) {
                Framing::Length(0)
            } else if value("transfer-encoding").is_some() {
                Framing::Chunked
            } else if let Some(length) = value("content-length") {
                Framing::Length(length.parse().map_err(|_| format!("length {length}"))?)
            } else {
                Framing::Close
            };
            return Ok(Exchange { connection: self, status, headers, framing, unread: Vec::new() });
        }
    }

    /// Whether the peer has closed: waits for it at most `limit`.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        self.patience(limit);
        let mut buffer = [0; 4096];
        loop {
            match read(&mut self.stream, &mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        }
    }

    /// The next head, interim or final, without its blank line.
    ///
    /// # Errors
    /// When the peer closes, resets, or says nothing in time.
    pub fn head(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(String::from_utf8_lossy(&head[..end]).into_owned());
            }
            self.fill()?;
        }
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut buffer = [0; 16 * 1024];
        match read(&mut self.stream, &mut buffer) {
            Ok(0) => Err("closed".to_owned()),
            Ok(count) => {
                self.buffer.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn take(&mut self, most: usize) -> Result<Vec<u8>, String> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        let count = most.min(self.buffer.len());
        Ok(self.buffer.drain(..count).collect())
    }
}

#[derive(Debug)]
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// An answer whose head has come: its body is read piece by piece.
#[derive(Debug)]
pub struct Exchange {
    connection: Connection,
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    framing: Framing,
    unread: Vec<u8>,
}

impl Exchange {
    /// The next bytes of the body, as they arrive.
    pub fn piece(&mut self) -> Piece {
        match self.try_piece() {
            Ok(Some(data)) => Piece::Data(data),
            Ok(None) => Piece::End,
            Err(why) => Piece::Cut(why),
        }
    }

    fn try_piece(&mut self) -> Result<Option<Vec<u8>>, String> {
        match &mut self.framing {
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                let data = self.connection.take(*left)?;
                *left -= data.len();
                Ok(Some(data))
            }
            Framing::Close => match self.connection.take(usize::MAX) {
                Err(why) if why == "closed" => Ok(None),
                other => other.map(Some),
            },
            Framing::Chunked => {
                let line = self.connection.line()?;
                let size =
                    usize::from_str_radix(line.trim(), 16).map_err(|_| format!("chunk size {line:?}"))?;
                let mut data = Vec::new();
                while data.len() < size {
                    data.extend(self.connection.take(size - data.len())?);
                }
                self.connection.line()?;
                if size == 0 {
                    self.framing = Framing::Length(0);
                }
                Ok((size > 0).then_some(data))
            }
        }
    }

    /// The next server-sent event, without its blank line; `End` and `Cut` as for pieces.
    pub fn event(&mut self) -> Piece {
        loop {
            if let Some(end) = find(&self.unread, b"\n\n") {
                let event: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Piece::Data(event[..end].to_vec());
            }
            match self.piece() {
                Piece::Data(data) => self.unread.extend(data),
                other => return other,
            }
        }
    }

    /// The payload of the next event; panics when there is none.
    #[track_caller]
    pub fn data(&mut self) -> String {
        match self.event() {
            Piece::Data(event) => {
                let text = String::from_utf8(event).unwrap();
                text.strip_prefix("data: ").unwrap_or(&text).to_owned()
            }
            other => panic!("no event but {other:?}"),
        }
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        self.connection.half_close();
    }

    /// Goes away in the middle, with a reset.
    pub fn reset(self) {
        self.connection.reset();
    }

    /// Reads to the end, clean or not.
    pub fn finish(self) -> Response {
        self.finish_and_keep().0
    }

    /// Reads to the end; the connection too, where it can carry another request.
    pub fn finish_and_keep(mut self) -> (Response, Option<Connection>) {
        let mut body = std::mem::take(&mut self.unread);
        let clean = loop {
            match self.piece() {
                Piece::Data(data) => body.extend(data),
                Piece::End => break true,
                Piece::Cut(_) => break false,
            }
        };
        let response = Response { status: self.status, headers: self.headers, body, clean };
        let closes = response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let goes_on = clean && !closes && !matches!(self.framing, Framing::Close);
        (response, goes_on.then_some(self.connection))
    }
}

/// Reads once. A process that was stopped for a while and goes on is no end of the connection.
pub fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
