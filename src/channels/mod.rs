//! Channels: configured provider endpoints with their keys. Owns [`Channel`] and [`Roster`] (which channel serves
//! a model), and below them the HTTP client and the built-in demo provider. Must not know of money, tokens' budgets
//! or the dialect's bodies.

pub mod client;
pub mod demo;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::catalogue::Provider;
use crate::ids::ChannelName;
use crate::secret::Secret;
use crate::tokens::ModelList;
use crate::wire::{Dialect, Form};

/// Where a provider listens: the parts of `base_url`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    /// Whether the connection is TLS (`https`).
    pub tls: bool,
    /// Host name or IP address, lower case, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What stands before a route's path, without a slash at its end: `/v1`, or nothing.
    pub path: String,
}

impl BaseUrl {
    /// Reads `http://` or `https://` URLs: no userinfo, query, fragment, blanks or control characters.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("must begin with https:// or http://".to_owned()),
        };
        if rest.bytes().any(|byte| byte <= b' ' || byte >= 0x7f || matches!(byte, b'?' | b'#' | b'@' | b'\\'))
        {
            return Err(
                "must be a plain URL: no user name, query, fragment, blank or control character".to_owned()
            );
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = split_authority(authority).ok_or("must name a host, and after a colon a port")?;
        Ok(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The value of the `Host` header.
    pub fn host_header(&self) -> String {
        let host = if self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse::<u16>().ok().filter(|p| *p > 0)?)
        }
        Some(_) => return None,
        None => None,
    };
    (!host.is_empty()).then_some((host, port))
}

/// How long a provider may take.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP (and TLS) connection to stand.
    pub connect: Duration,
    /// From the request sent to the head of a stream's answer.
    pub first_byte: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
    /// For the whole exchange; the only bound on a plain answer.
    pub total: Duration,
}

/// How a channel of OpenAI's dialect takes its responses.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Responses {
    /// As they are.
    Native,
    /// Not at all: they are made into chats, as many a server that speaks OpenAI's dialect has only those.
    Chat,
}

/// A configured provider endpoint.
#[derive(Debug)]
pub struct Channel {
    /// Its name, unique in the file.
    pub name: ChannelName,
    /// The kind of API behind it.
    pub provider: Provider,
    /// Where it listens; unused by the demo provider.
    pub base_url: BaseUrl,
    /// The provider's keys, used in turn; empty for a provider that wants none.
    pub api_keys: Vec<Secret<String>>,
    /// The public model names it serves; `None` = every priced model of its provider.
    pub models: Option<ModelList>,
    /// Public name → the provider's name.
    pub model_map: BTreeMap<String, String>,
    /// The groups it serves.
    pub groups: Vec<String>,
    /// Its time limits.
    pub timeouts: Timeouts,
    /// Headers added to every request, names in lower case.
    pub headers: Vec<(String, Secret<String>)>,
    /// PEM text of the only certificate authorities to trust, instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// An `http://host:port` proxy to connect through.
    pub proxy: Option<BaseUrl>,
    /// The field that carries the output cap when the client named none.
    pub output_cap_field: String,
    /// Whether to ask for usage in streams.
    pub stream_usage: bool,
    /// How it takes OpenAI's responses.
    pub responses: Responses,
}

impl Channel {
    /// Whether a body of `form` can be sent to it as it is. Another is translated before, where that is possible.
    pub fn answers(&self, form: Form) -> bool {
        match self.provider {
            Provider::OpenAi if form == Form::Responses => self.responses == Responses::Native,
            Provider::OpenAi => form.dialect() == Dialect::OpenAi,
            Provider::Anthropic => form.dialect() == Dialect::Anthropic,
            Provider::Gemini => form.dialect() == Dialect::Gemini,
            Provider::Demo => true,
        }
    }

    /// The provider's name of the public model `model`.
    pub fn provider_model<'a>(&'a self, model: &'a str) -> &'a str {
        self.model_map.get(model).map_or(model, String::as_str)
    }
}

/// All channels, in the file's order; the built-in demo channel is the last.
#[derive(Debug, Default)]
pub struct Roster {
    channels: Vec<Arc<Channel>>,
}

impl Roster {
    /// A roster of `channels`, whose order decides: the first that serves a model gets the request.
    pub fn new(channels: Vec<Arc<Channel>>) -> Self {
        Self { channels }
    }

    /// All channels in order.
    pub fn channels(&self) -> &[Arc<Channel>] {
        &self.channels
    }

    /// The first channel of `group` for which `serves` holds.
    pub fn find(&self, group: &str, serves: impl Fn(&Channel) -> bool) -> Option<&Arc<Channel>> {
        self.channels
            .iter()
            .find(|channel| channel.groups.iter().any(|name| name == group) && serves(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let url = BaseUrl::parse("https://API.openai.com/v1/").unwrap();
        assert_eq!(
            (url.tls, url.host.as_str(), url.port, url.path.as_str()),
            (true, "api.openai.com", 443, "/v1")
        );
        assert_eq!(url.host_header(), "api.openai.com");
        let url = BaseUrl::parse("http://[::1]:8080").unwrap();
        assert_eq!((url.host.as_str(), url.host_header().as_str()), ("::1", "[::1]:8080"));
        for bad in [
            "file:///etc/passwd",
            "https://",
            "https://user@host",
            "https://host:0",
            "https://host:x",
            "https://h\r\nost",
            "https://host/?a=b",
            "http://[::1",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
