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
    let stamps = pool::stamps(channel)?;
    headers.insert(header::HOST, stamps.host.clone());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !body.is_empty() || method == Method::POST {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    if let Some((name, key)) = pool::next_key(channel, &stamps.keys) {
        headers.insert(name, key);
    }
    if channel.provider == Provider::Anthropic {
        headers.entry(ANTHROPIC_VERSION).or_insert(HeaderValue::from_static("2023-06-01"));
    }
    for (name, value) in &stamps.own {
        headers.insert(name, value.clone());
    }
    let target = format!("{}{path_and_query}", channel.base_url.path);
    let mut outgoing = Request::new(Full::new(body));
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() =
        Uri::try_from(target).map_err(|_| Fault::unreachable("the path is not one of a URL"))?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// What a channel adds to every request, spelled once.
#[derive(Debug)]
pub(super) struct Stamps {
    host: HeaderValue,
    /// The channel's keys, as its provider documents them.
    keys: Vec<(HeaderName, HeaderValue)>,
    /// The channel's own headers.
    own: Vec<(HeaderName, HeaderValue)>,
}

impl Stamps {
    /// Those of `channel`.
    ///
    /// # Errors
    /// When something of it cannot stand in a header.
    pub(super) fn of(channel: &Channel) -> Result<Self, Fault> {
        let keys = channel.api_keys.iter().map(|key| key_header(channel.provider, key));
        let own = channel.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| Fault::unreachable("a header of the channel has no valid name"))?;
            Ok((name, secret_value(value)?))
        });
        let own: Vec<_> = own.collect::<Result<_, Fault>>()?;
        Ok(Self {
            host: plain_value(&channel.base_url.host_header())?,
            keys: keys.collect::<Result<_, Fault>>()?,
            own: own.into_iter().filter(|(name, _)| !FRAMING.contains(name)).collect(),
        })
    }
}

fn key_header(provider: Provider, key: &Secret<String>) -> Result<(HeaderName, HeaderValue), Fault> {
    Ok(match provider {
        Provider::OpenAi | Provider::Demo => {
            (header::AUTHORIZATION, secret_value(&Secret::new(format!("Bearer {}", key.reveal())))?)
        }
        Provider::Anthropic => (X_API_KEY, secret_value(key)?),
        Provider::Gemini => (X_GOOG_API_KEY, secret_value(key)?),
    })
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
