//! A request as the provider gets it. Owns which headers a channel adds and which never pass; must not know of
//! connections.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use super::fault::Fault;
use super::pool;
use crate::catalogue::Provider;
use crate::channels::Channel;
use crate::secret::Secret;

/// What the relay wants sent.
#[derive(Clone, Debug)]
pub struct ProviderRequest {
    /// `POST` for all that costs money.
    pub method: Method,
    /// What follows the path of the channel's `base_url`: `/chat/completions`, with a `?query` where there is one.
    pub path_and_query: String,
    /// The client's headers that may pass. Host, length, encoding, key and the channel's own are added when sent.
    pub headers: HeaderMap,
    /// The body as it goes out.
    pub body: Bytes,
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Never passed on, whatever the caller's list says: they belong to one connection, or are credentials.
const NEVER_RELAYED: [HeaderName; 16] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    header::COOKIE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("keep-alive"),
    X_API_KEY,
    X_GOOG_API_KEY,
];

/// Made by the client itself; a channel's `headers` can't change them.
const FRAMING: [HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::EXPECT,
    header::ACCEPT_ENCODING,
];

/// Completes `request` for `channel`, with the key whose turn it is.
pub(super) fn compose(
    channel: &Arc<Channel>,
    request: ProviderRequest,
) -> Result<Request<Full<Bytes>>, Fault> {
    let ProviderRequest { method, path_and_query, mut headers, body } = request;
    for name in &NEVER_RELAYED {
        headers.remove(name);
    }
    headers.insert(header::HOST, plain_value(&channel.base_url.host_header())?);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !body.is_empty() || method == Method::POST {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    present(channel, &mut headers)?;
    let target = format!("{}{path_and_query}", channel.base_url.path);
    let mut outgoing = Request::new(Full::new(body));
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() =
        Uri::try_from(target).map_err(|_| Fault::unreachable("the path is not one of a URL"))?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// Adds the channel's key, as its provider documents it, and the channel's own headers.
fn present(channel: &Arc<Channel>, headers: &mut HeaderMap) -> Result<(), Fault> {
    if let Some(key) = pool::next_key(channel) {
        let (name, value) = match channel.provider {
            Provider::OpenAi | Provider::Demo => {
                (header::AUTHORIZATION, secret_value(&Secret::new(format!("Bearer {}", key.reveal())))?)
            }
            Provider::Anthropic => (X_API_KEY, secret_value(key)?),
            Provider::Gemini => (X_GOOG_API_KEY, secret_value(key)?),
        };
        headers.insert(name, value);
    }
    if channel.provider == Provider::Anthropic {
        headers.entry(ANTHROPIC_VERSION).or_insert(HeaderValue::from_static("2023-06-01"));
    }
    for (name, value) in &channel.headers {
        let name = HeaderName::try_from(name.as_str())
            .map_err(|_| Fault::unreachable("a header of the channel has no valid name"))?;
        if !FRAMING.contains(&name) {
            headers.insert(name, secret_value(value)?);
        }
    }
    Ok(())
}

fn plain_value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::unreachable("the host cannot stand in a header"))
}

fn secret_value(secret: &Secret<String>) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(secret.reveal())
        .map_err(|_| Fault::unreachable("a key or header of the channel cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
