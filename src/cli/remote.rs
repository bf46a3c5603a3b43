//! Calls to a running server, through its control socket: HTTP/1.1 over a Unix socket, a connection for each call. Whoever
//! may open the socket is an admin; no credential is sent.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::answer::Reply;
use super::request::Request;

/// The longest a call may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is read, in bytes.
const ANSWER_MOST: usize = 64 << 20;

/// A server that answers at its control socket.
#[derive(Debug)]
pub struct Remote {
    socket: PathBuf,
}

impl Remote {
    /// Finds out whether a server listens at `socket`; `None` if there is none.
    ///
    /// # Errors
    /// When the socket is there and may not be opened, or the system refuses otherwise.
    pub async fn find(socket: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(socket).await {
            Ok(_) => Ok(Some(Self { socket: socket.to_owned() })),
            Err(fault) if means_nobody(&fault) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// When the server is gone, breaks off or takes too long: whether the call was done is unknown then.
    pub async fn call(&self, request: &Request) -> io::Result<Reply> {
        let work = async {
            let stream = UnixStream::connect(&self.socket).await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            drive(connection, exchange(sender, http_request(request)?)).await
        };
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        tokio::time::timeout(PATIENCE, work).await.map_err(timed_out)?
    }
}

/// No file, a file of a server that is gone, or a path that no server can have bound.
fn means_nobody(fault: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotADirectory, NotFound};
    matches!(fault.kind(), NotFound | ConnectionRefused | InvalidInput | NotADirectory)
}

fn http_request(request: &Request) -> io::Result<hyper::Request<Full<Bytes>>> {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let builder = hyper::Request::builder()
        .method(request.method)
        .uri(format!("{}{query}", request.path))
        .header(HOST, "localhost")
        .header(ACCEPT_LANGUAGE, "en");
    let builder =
        if request.body.is_empty() { builder } else { builder.header(CONTENT_TYPE, "application/json") };
    builder.body(Full::new(Bytes::from(request.body.clone()))).map_err(io::Error::other)
}

async fn exchange(
    mut sender: SendRequest<Full<Bytes>>,
    request: hyper::Request<Full<Bytes>>,
) -> io::Result<Reply> {
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ANSWER_MOST).collect().await.map_err(io::Error::other)?;
    Ok(Reply { status, body: body.to_bytes().into() })
}

/// Runs `work` with the connection that it needs beside it; the connection's own end is told by `work`.
async fn drive<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => done,
        _ = connection => work.await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;
    use crate::cli::request::Query;

    fn socket(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("tollgate-cli-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        drop(std::fs::remove_file(&path));
        path
    }

    /// Takes one request whole and answers it with `answer`; what it took.
    async fn serve(listener: UnixListener, answer: &'static [u8]) -> String {
        // The first connection is only a look whether somebody listens.
        drop(listener.accept().await.unwrap());
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut took = Vec::new();
        let is_whole =
            |took: &[u8]| took.ends_with(if took.starts_with(b"GET") { b"\r\n\r\n" } else { b"\"n\"}" });
        while !is_whole(&took) {
            assert!(stream.read_buf(&mut took).await.unwrap() > 0);
        }
        stream.write_all(answer).await.unwrap();
        String::from_utf8(took).unwrap()
    }

    #[tokio::test]
    async fn a_call_goes_out_and_its_answer_comes_back() {
        let path = socket("call.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let call = async {
            let remote = Remote::find(&path).await.unwrap().expect("somebody listens");
            remote
                .call(&Request::send("POST", "/v1/tokens", &serde_json::json!({"name": "n"})))
                .await
                .unwrap()
        };
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}";
        let (took, reply) = tokio::join!(serve(listener, answer), call);
        assert_eq!(reply, Reply { status: 400, body: b"{}".to_vec() });
        assert!(
            took.starts_with("POST /v1/tokens HTTP/1.1\r\n") && took.ends_with("{\"name\":\"n\"}"),
            "{took}"
        );
        assert!(
            took.contains("content-type: application/json\r\n") && !took.contains("authorization"),
            "{took}"
        );
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_a_fault() {
        let path = socket("broken.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let call = async {
            let remote = Remote::find(&path).await.unwrap().expect("somebody listens");
            remote.call(&Request::get("/v1/tokens", Query::default().with("page", Some(2)))).await
        };
        let (took, reply) =
            tokio::join!(serve(listener, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"), call);
        assert!(took.starts_with("GET /v1/tokens?page=2 HTTP/1.1\r\n"), "{took}");
        assert!(reply.is_err());
    }

    #[tokio::test]
    async fn nobody_is_told_from_trouble() {
        let path = socket("gone.sock");
        assert!(Remote::find(&path).await.unwrap().is_none(), "no file");
        drop(UnixListener::bind(&path).unwrap());
        assert!(Remote::find(&path).await.unwrap().is_none(), "a server that is gone");
        let long = path.with_file_name("x".repeat(200));
        assert!(Remote::find(&long).await.unwrap().is_none(), "longer than a socket's path can be");
    }
}
