//! What can go wrong between the gateway and a provider. Owns [`Fault`], whose variants say whether the provider
//! may have received the request: the books need nothing else of an error. Must not know of HTTP statuses that a
//! client is shown.

use std::error::Error;
use std::fmt;

/// Why an exchange with a provider failed. A provider's own refusal (4xx, 5xx) is a reply, not a fault.
///
/// A `reason` is for the log: it never holds a key, a header's value or a body, but may hold text that a provider
/// chose (a certificate's name), so print it as foreign text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection stood, or it went before any of the request was written. Not sent.
    Unreachable {
        /// What failed.
        reason: String,
    },
    /// No connection stood within `timeouts.connect`. Not sent.
    ConnectTimeout,
    /// The provider could not prove who it is, or the TLS set-up failed. Not sent.
    Tls {
        /// What failed.
        reason: String,
    },
    /// The request was sent, but the connection ended, or spoke no HTTP, before an answer's head.
    NoHead {
        /// What failed.
        reason: String,
    },
    /// No head of a stream's answer within `timeouts.first_byte`.
    HeadTimeout,
    /// The provider answered 101, to a request that asked for no other protocol.
    Upgraded,
    /// The answer's body broke off before its end.
    Cut {
        /// What failed.
        reason: String,
    },
    /// Nothing came for `timeouts.idle` in the middle of a stream.
    IdleTimeout,
    /// The exchange took longer than `timeouts.total`.
    TotalTimeout,
}

impl Fault {
    /// Whether the provider may have received the request; `false` is certain, so nothing was spent there.
    pub const fn was_sent(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::ConnectTimeout | Self::Tls { .. })
    }

    /// Whether the provider was too slow (504), not broken (502).
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::HeadTimeout | Self::IdleTimeout | Self::TotalTimeout)
    }

    pub(super) fn unreachable(reason: impl fmt::Display) -> Self {
        Self::Unreachable { reason: reason.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { reason } => write!(f, "provider unreachable: {reason}"),
            Self::ConnectTimeout => f.write_str("no connection to the provider in time"),
            Self::Tls { reason } => write!(f, "no TLS with the provider: {reason}"),
            Self::NoHead { reason } => write!(f, "sent, but no answer came: {reason}"),
            Self::HeadTimeout => f.write_str("sent, but no answer began in time"),
            Self::Upgraded => f.write_str("the provider switched protocols without being asked"),
            Self::Cut { reason } => write!(f, "the answer was cut short: {reason}"),
            Self::IdleTimeout => f.write_str("the answer stopped in its middle"),
            Self::TotalTimeout => f.write_str("the answer took too long"),
        }
    }
}

impl Error for Fault {}

/// An error with what caused it, in one line: hyper and rustls tell the interesting part in their sources.
pub(super) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}
