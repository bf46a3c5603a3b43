//! A provider on a free port that keeps every request it gets and answers by script, one thread per connection.
//! Dropping it ends them all. Must not know the gateway.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use serde_json::Value;

use super::http::read;
use super::reply::Step;
use super::{Reply, SOON, unique};

/// A request as the provider got it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its number, from 0.
    pub number: usize,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Received {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where this reader cannot read it (a number with a million digits).
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether it asks for a stream.
    pub fn is_stream(&self) -> bool {
        self.json()["stream"] == true
    }
}

/// Something a script waits for and a test opens.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets all pass that wait, now and later.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self, stop: &AtomicBool) {
        let mut open = self.0.0.lock().unwrap();
        while !*open && !stop.load(Ordering::Relaxed) {
            open = self.0.1.wait_timeout(open, Duration::from_millis(50)).unwrap().0;
        }
    }
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// What came so far.
#[derive(Default)]
struct Arrivals {
    count: usize,
    kept: Vec<Received>,
}

struct Shared {
    script: Box<Script>,
    received: Mutex<Arrivals>,
    is_forgetful: AtomicBool,
    arrived: Condvar,
    stop: AtomicBool,
    running: AtomicUsize,
    peak: AtomicUsize,
    hang_ups: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The provider.
pub struct Mock {
    address: SocketAddr,
    key: String,
    shared: Arc<Shared>,
    /// Until it listens.
    socket: Option<TcpListener>,
    accept: Option<JoinHandle<()>>,
}

impl Mock {
    /// Listens, and answers each request with what `script` makes of it.
    pub fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let mut mock = Self::absent(script);
        mock.arrive();
        mock
    }

    /// Has an address, at which connections are refused until it arrives.
    pub fn absent(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let socket = TcpListener::from(socket);
        let shared = Arc::new(Shared {
            script: Box::new(script),
            received: Mutex::default(),
            is_forgetful: AtomicBool::new(false),
            arrived: Condvar::new(),
            stop: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            hang_ups: AtomicUsize::new(0),
            open: Mutex::default(),
            threads: Mutex::default(),
        });
        let address = socket.local_addr().unwrap();
        Self { address, key: format!("sk-{}", unique()), shared, socket: Some(socket), accept: None }
    }

    /// Listens from now on.
    pub fn arrive(&mut self) {
        let listener = self.socket.take().expect("it is not there yet");
        listen(&listener, 1_024).unwrap();
        let shared = Arc::clone(&self.shared);
        let accept = Builder::new().name("mock-accept".to_owned()).spawn(move || accept(&listener, &shared));
        self.accept = Some(accept.unwrap());
    }

    /// Answers everything at once: plain or streamed, as asked, with this usage.
    pub fn answering(input: u64, output: u64) -> Self {
        Self::start(move |request| {
            if request.is_stream() {
                Reply::stream(&["one ", "two ", "three"], input, output)
            } else {
                Reply::completion(input, output)
            }
        })
    }

    /// The `base_url` of a channel that reaches it.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The provider key that the gateway's channel has.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Keeps no request from now on, and only counts: for runs of millions.
    pub fn forget(&self) {
        self.shared.is_forgetful.store(true, Ordering::SeqCst);
    }

    /// All requests so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().kept.clone()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.shared.received.lock().unwrap().count
    }

    /// The most requests that were being answered at one time.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// How often the gateway hung up on a script that hangs.
    pub fn hang_ups(&self) -> usize {
        self.shared.hang_ups.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        let received = self.shared.received.lock().unwrap();
        let (received, _) =
            self.shared.arrived.wait_timeout_while(received, SOON, |all| all.count < count).unwrap();
        let came = received.count;
        drop(received);
        assert!(came >= count, "the provider got {came} of {count} requests");
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.accept.take().map(JoinHandle::join));
        self.shared.open.lock().unwrap().iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap());
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        shared.open.lock().unwrap().extend(stream.try_clone());
        let serving = Arc::clone(shared);
        let thread = Builder::new().name("mock-serve".to_owned()).spawn(move || serve(stream, &serving));
        let mut threads = shared.threads.lock().unwrap();
        threads.retain(|thread| !thread.is_finished());
        threads.extend(thread);
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    drop(stream.set_nodelay(true));
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer) {
        let request = keep(request, shared);
        let running = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(running, Ordering::SeqCst);
        let reply = (shared.script)(&request);
        let goes_on = reply.steps.into_iter().all(|step| perform(step, &mut stream, shared));
        shared.running.fetch_sub(1, Ordering::SeqCst);
        if !goes_on {
            break;
        }
    }
    forget(&stream, shared);
    drop(stream.shutdown(Shutdown::Both));
}

/// Closes the handle that was kept for the end.
fn forget(stream: &TcpStream, shared: &Shared) {
    let port = stream.peer_addr().ok();
    shared.open.lock().unwrap().retain(|kept| kept.peer_addr().ok() != port);
}

fn keep(mut request: Received, shared: &Shared) -> Received {
    let mut received = shared.received.lock().unwrap();
    request.number = received.count;
    received.count += 1;
    if !shared.is_forgetful.load(Ordering::SeqCst) {
        received.kept.push(request.clone());
    }
    shared.arrived.notify_all();
    request
}

/// Whether the connection may go on.
fn perform(step: Step, stream: &mut TcpStream, shared: &Shared) -> bool {
    match step {
        Step::Write(bytes) => stream.write_all(&bytes).is_ok(),
        Step::Wait(gate) => {
            gate.wait(&shared.stop);
            !shared.stop.load(Ordering::SeqCst)
        }
        Step::Hang => {
            wait_for_hang_up(stream, shared);
            false
        }
        Step::Repeat(bytes, pause) => {
            while !shared.stop.load(Ordering::SeqCst) && stream.write_all(&bytes).is_ok() {
                std::thread::sleep(pause);
            }
            shared.hang_ups.fetch_add(1, Ordering::SeqCst);
            false
        }
        Step::Close => false,
        Step::Reset => {
            let _ = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
            // A reset is sent when the last handle closes, so the one kept for the end must go first.
            forget(stream, shared);
            false
        }
    }
}

fn wait_for_hang_up(stream: &mut TcpStream, shared: &Shared) {
    drop(stream.set_read_timeout(Some(Duration::from_millis(50))));
    let start = Instant::now();
    let mut buffer = [0; 1024];
    while !shared.stop.load(Ordering::SeqCst) && start.elapsed() < 6 * SOON {
        match read(stream, &mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(count) if count > 0 => {}
            _ => {
                shared.hang_ups.fetch_add(1, Ordering::SeqCst);
                break;
            }
        }
    }
}

fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = fill_until(stream, buffer, |bytes| bytes.windows(4).position(|window| window == b"\r\n\r\n"))?;
    let head: Vec<u8> = buffer.drain(..end + 4).collect();
    let head = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let (method, target) = (start.next()?.to_owned(), start.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let body = if value("transfer-encoding").is_some() {
        read_chunks(stream, buffer)?
    } else {
        let length = value("content-length").map_or(Some(0), |text| text.parse().ok())?;
        fill_until(stream, buffer, |bytes| (bytes.len() >= length).then_some(0))?;
        buffer.drain(..length).collect()
    };
    Some(Received { number: 0, method, target, headers, body })
}

fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = fill_until(stream, buffer, |bytes| bytes.windows(2).position(|window| window == b"\r\n"))?;
        let line: Vec<u8> = buffer.drain(..end + 2).collect();
        let size = usize::from_str_radix(std::str::from_utf8(&line[..end]).ok()?, 16).ok()?;
        fill_until(stream, buffer, |bytes| (bytes.len() >= size + 2).then_some(0))?;
        body.extend(buffer.drain(..size));
        buffer.drain(..2);
        if size == 0 {
            return Some(body);
        }
    }
}

fn fill_until(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    found: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(place) = found(buffer) {
            return Some(place);
        }
        match read(stream, &mut piece) {
            Ok(count) if count > 0 => buffer.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
