//! The ceiling of this stack: an actix-web proxy with hyper's client connection, polled by the task that reads the answer,
//! in a pool of each worker. It reads a body, sends it on, and gives the answer back; nothing else.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

thread_local! {
    static RESTING: RefCell<Vec<Wire>> = const { RefCell::new(Vec::new()) };
}

/// A connection to the upstream.
struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    link: Option<Pin<Box<Link>>>,
}

type Link = Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// Serves until standard input ends: with the benchmark that started it, whatever becomes of that.
///
/// # Errors
/// Of the operating system.
pub fn serve(upstream: SocketAddr) -> io::Result<()> {
    std::thread::Builder::new().name("parent".to_owned()).spawn(end_with_parent)?;
    actix_web::rt::System::new().block_on(async move {
        let app = move || App::new().app_data(web::Data::new(upstream)).default_service(web::to(forward));
        let server = HttpServer::new(app)
            .client_request_timeout(Duration::from_secs(5))
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .bind((Ipv4Addr::LOCALHOST, 0))?;
        for address in server.addrs() {
            println!("listening on http://{address}");
        }
        server.run().await
    })
}

#[expect(clippy::disallowed_methods, reason = "nothing is to be saved when the benchmark has gone")]
fn end_with_parent() {
    drop(io::stdin().read_to_end(&mut Vec::new()));
    std::process::exit(0);
}

async fn forward(upstream: web::Data<SocketAddr>, request: HttpRequest, body: Bytes) -> HttpResponse {
    exchange(**upstream, &request, body)
        .await
        .unwrap_or_else(|error| HttpResponse::BadGateway().body(error.to_string()))
}

async fn exchange(
    upstream: SocketAddr,
    request: &HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Box<dyn std::error::Error>> {
    let resting = RESTING.with_borrow_mut(Vec::pop);
    let mut wire = match resting.filter(|wire| wire.sender.is_ready()) {
        Some(wire) => wire,
        None => dial(upstream).await?,
    };
    let mut outgoing =
        Request::post(request.path()).header(HOST, upstream.to_string()).body(Full::new(body))?;
    for name in [CONTENT_TYPE, AUTHORIZATION] {
        if let Some(value) = request.headers().get(name.as_str()) {
            outgoing.headers_mut().insert(name, HeaderValue::from_bytes(value.as_bytes())?);
        }
    }
    let mut answer = pin!(wire.sender.send_request(outgoing));
    let response = poll_fn(|cx| {
        run(&mut wire.link, cx);
        answer.as_mut().poll(cx)
    })
    .await?;
    Ok(give_back(wire, response))
}

fn give_back(wire: Wire, response: Response<Incoming>) -> HttpResponse {
    let (head, body) = response.into_parts();
    let status = actix_web::http::StatusCode::from_u16(head.status.as_u16());
    let mut reply = HttpResponse::build(status.unwrap_or(actix_web::http::StatusCode::BAD_GATEWAY));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        reply.insert_header(("content-type", kind.as_bytes()));
    }
    let size = body.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized);
    reply.body(Through { wire: Some(wire), body, size })
}

async fn dial(upstream: SocketAddr) -> Result<Wire, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (sender, link) = handshake(TokioIo::new(stream)).await?;
    let mut wire = Wire { sender, link: Some(Box::pin(link)) };
    poll_fn(|cx| {
        run(&mut wire.link, cx);
        wire.sender.poll_ready(cx)
    })
    .await?;
    Ok(wire)
}

/// Lets the connection read and write what it can.
fn run(link: &mut Option<Pin<Box<Link>>>, cx: &mut Context<'_>) {
    if link.as_mut().is_some_and(|link| link.as_mut().poll(cx).is_ready()) {
        *link = None;
    }
}

/// The answer's body, which drives its connection and then lays it to rest.
struct Through {
    wire: Option<Wire>,
    body: Incoming,
    size: BodySize,
}

impl Through {
    fn release(&mut self) {
        if let Some(mut wire) = self.wire.take() {
            run(&mut wire.link, &mut Context::from_waker(Waker::noop()));
            if wire.link.is_some() && wire.sender.is_ready() {
                RESTING.with_borrow_mut(|resting| resting.push(wire));
            }
        }
    }
}

impl MessageBody for Through {
    type Error = hyper::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        // Asking the body tells the connection to read on, so it is run once more before this waits.
        for _ in 0..2 {
            if let Some(wire) = &mut self.wire {
                run(&mut wire.link, cx);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(frame))) => {
                    if self.body.is_end_stream() {
                        self.release();
                    }
                    return Poll::Ready(Some(Ok(frame.into_data().unwrap_or_default())));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    self.release();
                    return Poll::Ready(None);
                }
            }
        }
        Poll::Pending
    }
}
