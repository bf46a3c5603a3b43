//! The client against a provider that answers byte by byte, on a port of the loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::*;
use crate::catalogue::Provider;
use crate::channels::{BaseUrl, Responses, Timeouts};
use crate::ids::ChannelName;
use crate::secret::Secret;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What the provider does on one connection, in order; then it closes.
#[derive(Copy, Clone)]
enum Step {
    /// Reads a request and logs it.
    Read,
    Write(&'static str),
    /// Waits until the client closes, and logs `closed`.
    AwaitClose,
    /// Closes so that the client sees a reset.
    Reset,
}
use Step::{AwaitClose, Read, Reset, Write};

struct Mock {
    port: u16,
    log: Arc<Mutex<Vec<String>>>,
    closed: mpsc::UnboundedReceiver<()>,
}

impl Mock {
    /// Accepts one connection per script; further ones are refused.
    async fn start(scripts: &[&[Step]]) -> Self {
        Self::start_with(scripts, None).await
    }

    async fn start_with(scripts: &[&[Step]], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (tell, closed) = mpsc::unbounded_channel();
        let scripts: Vec<Vec<Step>> = scripts.iter().map(|script| script.to_vec()).collect();
        let seen = Arc::clone(&log);
        tokio::spawn(async move {
            for script in scripts {
                let (socket, _) = listener.accept().await.unwrap();
                let (seen, tell, tls) = (Arc::clone(&seen), tell.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => play(socket, &script, &seen).await,
                        Some(tls) => match tls.accept(socket).await {
                            Ok(socket) => play(socket, &script, &seen).await,
                            Err(_) => seen.lock().unwrap().push("no handshake".to_owned()),
                        },
                    }
                    let _nobody_asked = tell.send(());
                });
            }
        });
        Self { port, log, closed }
    }

    fn channel(&self) -> Channel {
        channel(&format!("http://127.0.0.1:{}/v1", self.port))
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

trait Peer: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(self);
}

impl Peer for TcpStream {
    fn reset(self) {
        self.set_zero_linger().unwrap();
    }
}

impl Peer for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(self) {}
}

async fn play<S: Peer>(mut socket: S, script: &[Step], log: &Mutex<Vec<String>>) {
    for step in script {
        match step {
            Read => match read_request(&mut socket).await {
                Some(request) => log.lock().unwrap().push(request),
                None => return,
            },
            Write(text) => socket.write_all(text.as_bytes()).await.unwrap(),
            AwaitClose => {
                let mut rest = Vec::new();
                let _reset_is_a_close_too = socket.read_to_end(&mut rest).await;
                log.lock().unwrap().push("closed".to_owned());
            }
            Reset => return socket.reset(),
        }
    }
    let _gone_already = socket.shutdown().await;
}

async fn read_request(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if text.len() >= end + 4 + length.map_or(0, |n| n.parse::<usize>().unwrap()) {
                return Some(String::from_utf8(text).unwrap());
            }
        }
        if socket.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}

fn channel(base_url: &str) -> Channel {
    let second = Duration::from_secs(5);
    Channel {
        name: ChannelName(Arc::from("mock")),
        provider: Provider::OpenAi,
        base_url: BaseUrl::parse(base_url).unwrap(),
        api_keys: vec![Secret::new("sk-one".to_owned())],
        models: None,
        model_map: BTreeMap::new(),
        groups: vec!["default".to_owned()],
        timeouts: Timeouts { connect: second, first_byte: second, idle: second, total: second },
        headers: Vec::new(),
        ca_pem: None,
        proxy: None,
        output_cap_field: "max_tokens".to_owned(),
        stream_usage: true,
        responses: Responses::Native,
    }
}

fn post() -> ProviderRequest {
    ProviderRequest {
        method: Method::POST,
        path_and_query: "/chat/completions".to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
    }
}

async fn ask(channel: &Arc<Channel>) -> Result<ProviderReply, Fault> {
    let patience = Patience::stream(&channel.timeouts, Instant::now());
    connect(channel).await?.send(post(), patience).await
}

/// All bytes until the end, and the fault if it was none.
async fn drain(body: &mut ReplyBody) -> (String, Option<Fault>) {
    let mut text = String::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(bytes) => {
                assert!(!bytes.is_empty());
                text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
            Err(fault) => {
                assert!(body.next().await.is_none(), "a fault is told once");
                return (text, Some(fault));
            }
        }
    }
    assert!(body.next().await.is_none());
    (text, None)
}

async fn whole(channel: &Arc<Channel>) -> String {
    let (text, fault) = drain(&mut ask(channel).await.unwrap().body).await;
    assert_eq!(fault, None);
    text
}

#[tokio::test]
async fn a_body_is_whole_or_says_that_it_is_not() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = |rest: &str| &*format!("{CHUNKED}{rest}").leak();
    // what comes | text | complete | connections kept
    for (wire, text, complete, kept) in [
        (OK, "ok", true, 1),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true, 1),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", true, 1),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", "ok", true, 0),
        (chunked("2\r\nok\r\n0\r\n\r\n"), "ok", true, 1),
        (chunked("2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n"), "ok", true, 1),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "ok",
            true,
            1,
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok", true, 1),
        // More than was announced: the answer is complete, the connection is not to be trusted.
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "ok", true, 0),
    ] {
        let mut mock = Mock::start(&[&[Read, Write(wire), AwaitClose]]).await;
        let channel = Arc::new(mock.channel());
        let (got, fault) = drain(&mut ask(&channel).await.unwrap().body).await;
        assert_eq!((got.as_str(), fault.is_none()), (text, complete), "{wire}");
        assert_eq!(pool::idle_count(&channel), kept, "{wire}");
        // What a dropped channel left in the pool goes with the next sweep.
        drop(channel);
        pool::idle_count(&Arc::new(mock.channel()));
        mock.closed.recv().await.unwrap();
    }
    for (wire, text, complete) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", "hello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", "", false),
        (chunked("2\r\nok\r\n"), "ok", false),
        (chunked("2\r\nok\r\n0\r\n"), "ok", false),
        (chunked("9\r\nok"), "ok", false),
        (chunked("2\r\nok\r\nzz\r\n"), "ok", false),
        (chunked(""), "", false),
        ("HTTP/1.1 200 OK\r\n\r\nto its end", "to its end", true),
        ("HTTP/1.0 200 OK\r\n\r\nto its end", "to its end", true),
    ] {
        let mock = Mock::start(&[&[Read, Write(wire)]]).await;
        let channel = Arc::new(mock.channel());
        let (got, fault) = drain(&mut ask(&channel).await.unwrap().body).await;
        assert_eq!((got.as_str(), fault.is_none()), (text, complete), "{wire}");
        if let Some(fault) = fault {
            assert!(matches!(fault, Fault::Cut { .. }) && fault.was_sent(), "{wire}: {fault}");
        }
        assert_eq!(pool::idle_count(&channel), 0, "{wire}");
    }
}

#[tokio::test]
async fn a_reset_is_no_end() {
    for head in ["HTTP/1.1 200 OK\r\n\r\nsome", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nsome"] {
        let mock = Mock::start(&[&[Read, Write(head), Reset]]).await;
        let channel = Arc::new(mock.channel());
        let fault = match ask(&channel).await {
            Ok(mut reply) => drain(&mut reply.body).await.1,
            Err(fault) => Some(fault),
        };
        assert!(fault.is_some_and(|fault| fault.was_sent()), "{head}");
    }
}

#[tokio::test]
async fn no_head_is_known_as_sent() {
    for (script, upgraded) in [
        (&[Read][..], false),
        (&[Read, Reset], false),
        (&[Read, Write("HTTP/1.1 200 OK\r\ncontent-le")], false),
        (&[Read, Write("SSH-2.0-OpenSSH_9.6\r\n\r\n")], false),
        (&[Read, Write("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok")], false),
        (
            &[Read, Write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")],
            true,
        ),
    ] {
        let mock = Mock::start(&[script]).await;
        let fault = ask(&Arc::new(mock.channel())).await.unwrap_err();
        assert_eq!(matches!(fault, Fault::Upgraded), upgraded, "{fault}");
        assert!(upgraded || matches!(fault, Fault::NoHead { .. }), "{fault}");
        assert!(fault.was_sent() && !fault.is_timeout());
    }
}

#[tokio::test]
async fn nobody_there_is_known_as_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let fault = ask(&Arc::new(channel(&format!("http://127.0.0.1:{port}")))).await.unwrap_err();
    assert!(matches!(fault, Fault::Unreachable { .. }) && !fault.was_sent(), "{fault}");
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n";
    let mock =
        Mock::start(&[&[Read, Write(interim), Read, Write(chunked), Read, Write(OK), AwaitClose]]).await;
    let channel = Arc::new(mock.channel());
    for expected in ["first", "second", "ok"] {
        assert_eq!(whole(&channel).await, expected);
    }
    assert_eq!(mock.log().len(), 3);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_unseen() {
    let mut mock = Mock::start(&[&[Read, Write(OK)], &[Read, Write(OK)], &[Read, Write(OK)]]).await;
    let channel = Arc::new(mock.channel());
    assert_eq!(whole(&channel).await, "ok");
    mock.closed.recv().await.unwrap();
    assert_eq!(whole(&channel).await, "ok");
    // Closed between checkout and sending: the line was good when it was given out.
    mock.closed.recv().await.unwrap();
    let line = connect(&channel).await.unwrap();
    let patience = Patience::plain(&channel.timeouts, Instant::now());
    let mut reply = line.send(post(), patience).await.unwrap();
    assert_eq!(drain(&mut reply.body).await, ("ok".to_owned(), None));
    assert_eq!(mock.log().len(), 3);
}

/// The runtime looks at its sockets only when it has nothing else to do: a hang-up it hasn't seen yet must not cost a
/// request.
#[tokio::test]
async fn a_hang_up_that_the_runtime_has_not_seen_costs_no_request() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, closed) = std::sync::mpsc::channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let provider = std::thread::Builder::new().spawn(move || {
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().unwrap();
            let _head_and_body = socket.read(&mut [0; 4096]).unwrap();
            socket.write_all(OK.as_bytes()).unwrap();
            wait.recv().unwrap();
            drop(socket);
            tell.send(()).unwrap();
        }
    });
    let channel = Arc::new(channel(&format!("http://127.0.0.1:{port}")));
    for _ in 0..2 {
        assert_eq!(whole(&channel).await, "ok");
        assert_eq!(pool::idle_count(&channel), 1);
        // Blocks the runtime on purpose.
        go_on.send(()).unwrap();
        closed.recv().unwrap();
    }
    provider.unwrap().join().unwrap();
}

#[test]
fn what_was_closed_while_idle_is_swept_also_on_a_worker() {
    actix_web::rt::System::new().block_on(async {
        let mut mock = Mock::start(&[&[Read, Write(OK), Read], &[Read, Write(OK)]]).await;
        let channel = Arc::new(mock.channel());
        let first = ask(&channel).await.unwrap();
        let second = ask(&channel).await.unwrap();
        for mut reply in [first, second] {
            assert_eq!(drain(&mut reply.body).await, ("ok".to_owned(), None));
        }
        mock.closed.recv().await.unwrap();
        assert_eq!(pool::idle_count(&channel), 1);
    });
}

#[tokio::test]
async fn a_line_that_died_before_sending_is_replaced_unseen() {
    let mut mock = Mock::start(&[&[], &[Read, Write(OK), AwaitClose]]).await;
    let channel = Arc::new(mock.channel());
    let line = connect(&channel).await.unwrap();
    mock.closed.recv().await.unwrap();
    let patience = Patience::plain(&channel.timeouts, Instant::now());
    let mut reply = line.send(post(), patience).await.unwrap();
    assert_eq!(drain(&mut reply.body).await, ("ok".to_owned(), None));
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_repeated() {
    let mock = Mock::start(&[&[Read, Write(OK), Read], &[Read, Write(OK)]]).await;
    let channel = Arc::new(mock.channel());
    assert_eq!(whole(&channel).await, "ok");
    let fault = ask(&channel).await.unwrap_err();
    assert!(matches!(fault, Fault::NoHead { .. }), "{fault}");
    assert_eq!(mock.log().len(), 2);
}

#[tokio::test]
async fn events_that_come_together_arrive_together() {
    let mut wire = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let mut expected = String::new();
    for number in 10..30 {
        let event = format!("data: {number}\n\n");
        wire.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
        expected.push_str(&event);
    }
    wire.push_str("0\r\n\r\n");
    let mock = Mock::start(&[&[Read, Write(wire.leak()), AwaitClose]]).await;
    let channel = Arc::new(mock.channel());
    let mut body = ask(&channel).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), expected);
    assert!(body.next().await.is_none());
    assert_eq!(pool::idle_count(&channel), 1);
}

#[tokio::test]
async fn a_long_body_passes_in_bounded_pieces() {
    let text = "x".repeat(3_000_000);
    let wire = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    let mock = Mock::start(&[&[Read, Write(wire.leak())]]).await;
    let mut body = ask(&Arc::new(mock.channel())).await.unwrap().body;
    let mut length = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.unwrap();
        assert!(piece.len() < 1024 * 1024);
        length += piece.len();
    }
    assert_eq!(length, text.len());
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let mock = Mock::start(&[&[
        Read,
        Write("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n"),
    ]])
    .await;
    let reply = ask(&Arc::new(mock.channel())).await.unwrap();
    assert_eq!((reply.status, mock.log().len()), (StatusCode::FOUND, 1));
}

#[tokio::test]
async fn what_the_provider_gets() {
    let mock = Mock::start(&[&[Read, Write(OK), Read, Write(OK), Read, Write(OK), AwaitClose]]).await;
    let mut channel = mock.channel();
    channel.api_keys.push(Secret::new("sk-two".to_owned()));
    channel.headers = vec![
        ("openai-project".to_owned(), Secret::new("p1".to_owned())),
        ("host".to_owned(), Secret::new("elsewhere".to_owned())),
        ("transfer-encoding".to_owned(), Secret::new("chunked".to_owned())),
    ];
    let channel = Arc::new(channel);
    let mut request = post();
    for (name, value) in [
        ("authorization", "Bearer client"),
        ("x-api-key", "client"),
        ("cookie", "a=b"),
        ("host", "evil"),
        ("content-length", "7"),
        ("accept-encoding", "gzip"),
        ("user-agent", "test/1"),
    ] {
        request.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    for _ in 0..3 {
        let patience = Patience::plain(&channel.timeouts, Instant::now());
        let line = connect(&channel).await.unwrap();
        drain(&mut line.send(request.clone(), patience).await.unwrap().body).await;
    }
    let host = format!("host: 127.0.0.1:{}", mock.port);
    for (request, key) in mock.log().iter().zip(["sk-one", "sk-two", "sk-one"]) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(lines.remove(0), "POST /v1/chat/completions HTTP/1.1");
        lines.sort_unstable();
        let key = format!("authorization: Bearer {key}");
        assert_eq!(
            lines,
            [
                "accept-encoding: identity",
                key.as_str(),
                "content-length: 2",
                host.as_str(),
                "openai-project: p1",
                "user-agent: test/1"
            ]
        );
        assert_eq!(body, "{}");
    }
}

#[tokio::test]
async fn a_channel_without_keys_sends_none() {
    let mock = Mock::start(&[&[Read, Write(OK)]]).await;
    let mut channel = mock.channel();
    channel.api_keys.clear();
    assert_eq!(whole(&Arc::new(channel)).await, "ok");
    assert!(!mock.log()[0].contains("authorization"));
}

#[tokio::test]
async fn a_bad_key_is_not_told() {
    let mock = Mock::start(&[&[Read, Write(OK)]]).await;
    let mut channel = mock.channel();
    channel.api_keys = vec![Secret::new("sk-\nsecret".to_owned())];
    let fault = ask(&Arc::new(channel)).await.unwrap_err();
    assert!(!fault.was_sent() && !format!("{fault} {fault:?}").contains("secret"));
}

#[tokio::test]
async fn waits_are_bounded() {
    const SHORT: Duration = Duration::from_millis(30);
    let long = Duration::from_secs(60);
    const HEAD: &str = "HTTP/1.1 200 OK\r\n\r\nsome";
    let all = Timeouts { connect: long, first_byte: long, idle: long, total: long };
    for (timeouts, script, expected) in [
        (Timeouts { first_byte: SHORT, ..all }, &[Read, AwaitClose][..], Fault::HeadTimeout),
        (Timeouts { total: SHORT, ..all }, &[Read, AwaitClose], Fault::TotalTimeout),
        (Timeouts { idle: SHORT, ..all }, &[Read, Write(HEAD), AwaitClose], Fault::IdleTimeout),
        (Timeouts { total: SHORT, ..all }, &[Read, Write(HEAD), AwaitClose], Fault::TotalTimeout),
    ] {
        let mut mock = Mock::start(&[script]).await;
        let mut channel = mock.channel();
        channel.timeouts = timeouts;
        let fault = match ask(&Arc::new(channel)).await {
            Ok(mut reply) => {
                let (text, fault) = drain(&mut reply.body).await;
                assert_eq!(text, "some");
                fault.unwrap()
            }
            Err(fault) => fault,
        };
        assert_eq!(fault, expected);
        assert!(fault.is_timeout() && fault.was_sent());
        // The provider is told by the connection's end.
        mock.closed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_body_dropped_in_its_middle_closes_the_connection() {
    let mut mock = Mock::start(&[&[Read, Write("HTTP/1.1 200 OK\r\n\r\nsome"), AwaitClose]]).await;
    let channel = Arc::new(mock.channel());
    let mut body = ask(&channel).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "some");
    drop(body);
    mock.closed.recv().await.unwrap();
    assert_eq!(mock.log().last().unwrap(), "closed");
    assert_eq!(pool::idle_count(&channel), 0);
}

#[tokio::test]
async fn a_tunnel_through_a_proxy() {
    let mock = Mock::start(&[
        &[Read, Write("HTTP/1.1 200 Connection established\r\n\r\n"), Read, Write(OK)],
        &[Read, Write("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")],
        &[Read, AwaitClose],
    ])
    .await;
    let mut channel = channel("http://provider.invalid/v1");
    channel.proxy = Some(BaseUrl::parse(&format!("http://127.0.0.1:{}", mock.port)).unwrap());
    let first = Arc::new(channel);
    assert_eq!(whole(&first).await, "ok");
    let log = mock.log();
    assert_eq!(log[0], "CONNECT provider.invalid:80 HTTP/1.1\r\nHost: provider.invalid:80\r\n\r\n");
    assert!(log[1].contains("\r\nhost: provider.invalid\r\n"), "{}", log[1]);
    let fault = ask(&first).await.unwrap_err();
    assert!(!fault.was_sent() && fault.to_string().contains("407"), "{fault}");
    let mut impatient = channel_like(&first);
    impatient.timeouts.connect = Duration::from_millis(30);
    let fault = ask(&Arc::new(impatient)).await.unwrap_err();
    assert_eq!(fault, Fault::ConnectTimeout);
}

fn channel_like(other: &Channel) -> Channel {
    let mut same = channel("http://provider.invalid/v1");
    same.proxy = other.proxy.clone();
    same
}

/// A server of TLS on `localhost`, and the PEM text of who vouches for it.
fn tls_server() -> (TlsAcceptor, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem().into_bytes())
}

/// TLS 1.3 sends session tickets behind its handshake: a connection on which they wait is as good as any.
#[tokio::test]
async fn session_tickets_are_no_reason_to_dial_again() {
    let (acceptor, authority) = tls_server();
    let mock = Mock::start_with(&[&[Read, Write(OK)]], Some(acceptor)).await;
    let mut channel = channel(&format!("https://localhost:{}/v1", mock.port));
    channel.ca_pem = Some(authority);
    let patience = Patience::stream(&channel.timeouts, Instant::now());
    let line = connect(&Arc::new(channel)).await.unwrap();
    while line.wire.is_quiet() {
        tokio::task::yield_now().await;
    }
    // The runtime looks at its sockets after some tens of these.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let reply = line.send(post(), patience).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn only_a_named_authority_is_believed() {
    let (acceptor, authority) = tls_server();
    let until_closed: &[Step] = &[Read, Write("HTTP/1.1 200 OK\r\n\r\nto its end")];
    let reused: &[Step] = &[Read, Write(OK), Read, Write(OK)];
    let mock = Mock::start_with(&[reused, until_closed, &[], &[]], Some(acceptor)).await;
    let url = |host: &str| format!("https://{host}:{}/v1", mock.port);
    let trusting = |host: &str| {
        let mut channel = channel(&url(host));
        channel.ca_pem = Some(authority.clone());
        Arc::new(channel)
    };
    let good = trusting("localhost");
    for expected in ["ok", "ok", "to its end"] {
        assert_eq!(whole(&good).await, expected);
    }
    for distrusted in [Arc::new(channel(&url("localhost"))), trusting("127.0.0.1")] {
        let fault = ask(&distrusted).await.unwrap_err();
        assert!(matches!(fault, Fault::Tls { .. }) && !fault.was_sent(), "{fault}");
    }
    assert_eq!(mock.log().iter().filter(|line| line.starts_with("POST")).count(), 3);
}

#[test]
fn an_authority_file_without_certificates_is_refused() {
    assert!(tls_config(Some(b"")).is_err());
    assert!(tls_config(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
    assert!(tls_config(None).is_ok());
}
