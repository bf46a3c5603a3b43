//! A provider's refusal: its own trouble becomes 502, the caller's passes through with secrets taken out.

use bytes::Bytes;

use crate::channels::Channel;
use crate::channels::client::ProviderReply;
use crate::relay::failure::{Failure, Listener};
use crate::relay::headers::Headers;
use crate::relay::parcel::Parcel;
use crate::relay::verdict::Ending;
use crate::telemetry::UpstreamError;
use crate::wire::fault::{ErrorKind, ErrorWords, ProviderError, error_body, redact};

use super::{Ends, Exchange};

/// The most that is read of a provider's error.
const ERROR_BYTES: usize = 64 * 1024;

/// Whose trouble a provider's refusal is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The channel's: its account, its configuration, the provider itself.
    Channels,
    /// The caller's.
    Callers,
}

impl Verdict {
    /// Of an answer with this status and error.
    pub(super) fn of(status: u16, error: &ProviderError) -> Self {
        let account = "insufficient_quota";
        match status {
            401 | 402 | 403 | 407 => Self::Channels,
            429 if error.code == account || error.kind == account => Self::Channels,
            400..=499 => Self::Callers,
            _ => Self::Channels,
        }
    }
}

impl Exchange {
    pub(super) async fn relay_refusal(
        &self,
        mut reply: ProviderReply,
        mut headers: Headers,
        ends: &mut Ends<'_>,
    ) {
        let channel = ends.channel;
        let status = reply.status.as_u16();
        // What cannot be read of an error does not matter: its status says enough.
        let body = self.read_whole(&mut reply.body, ERROR_BYTES).await;
        let body = body.map(|body| body.bytes).unwrap_or_default();
        let error = ProviderError::read(&body);
        let verdict = Verdict::of(status, &error);
        let message = self.log_refusal(channel, status, &error, verdict);
        if verdict == Verdict::Channels {
            return self.settle_failed(Ending::Refused, Failure::of_status(status), ends).await;
        }
        if let Some(charged) = ends.metered.settle(Ending::Refused, status, Some("provider_refused")) {
            self.close(charged).await;
        }
        headers.extend(self.rate_headers());
        let (kind, code) = (clean(channel, &error.kind), clean(channel, &error.code));
        let cleaned = ProviderError { message, kind, code };
        let body = self
            .retell_refusal(status, &cleaned)
            .unwrap_or_else(|| told(channel, &body, (status, &cleaned.message), self.listener()));
        ends.client.answer(status, headers, Parcel::new(body, None));
    }

    /// Counts and logs a refusal; what it says, without secrets.
    pub(super) fn log_refusal(
        &self,
        channel: &Channel,
        status: u16,
        error: &ProviderError,
        verdict: Verdict,
    ) -> String {
        let message = clean(channel, &error.message);
        // What is wrong with an account is the operator's to know; other errors may repeat the prompt.
        let reason = if verdict == Verdict::Channels && status < 500 { message.as_str() } else { "" };
        let (kind, code) = (clean(channel, &error.kind), clean(channel, &error.code));
        let name = channel.name.as_str();
        log::warn!("request {}: channel {name:?} answered {status} ({kind:?} {code:?}) {reason:?}", self.id);
        self.count(match verdict {
            Verdict::Channels => UpstreamError::Status,
            Verdict::Callers => UpstreamError::Refused,
        });
        message
    }
}

/// The body for the client: the provider's own JSON, or its words in our shape where it is none.
pub(super) fn told(channel: &Channel, body: &Bytes, (status, message): (u16, &str), to: Listener) -> Bytes {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    match std::str::from_utf8(body) {
        Ok(text) if is_json => clean(channel, text).into(),
        _ => {
            let message =
                if message.is_empty() { "The model's provider refused the request." } else { message };
            let (kind, code) = (ErrorKind::Upstream, "upstream_error");
            let words = ErrorWords { message, kind, param: None, code, status };
            error_body(&words, to.dialect, &to.id.to_string()).into()
        }
    }
}

/// `text` without the channel's secrets.
pub(super) fn clean(channel: &Channel, text: &str) -> String {
    redact(text, &secrets(channel), ERROR_BYTES)
}

/// The same of a whole event that may tell of an error.
pub(super) fn clean_event(channel: &Channel, event: Bytes) -> Bytes {
    match std::str::from_utf8(&event) {
        Ok(text) => redact(text, &secrets(channel), usize::MAX).into(),
        // No error of anybody's is spelled otherwise.
        Err(_) => event,
    }
}

fn secrets(channel: &Channel) -> Vec<&str> {
    let keys = channel.api_keys.iter();
    let headers = channel.headers.iter().map(|(_, value)| value);
    keys.chain(headers).map(|secret| secret.reveal().as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_trouble_a_status_is() {
        let none = ProviderError::default();
        let account = ProviderError { code: "insufficient_quota".to_owned(), ..ProviderError::default() };
        for (status, error, is_channels) in [
            (300, &none, true),
            (307, &none, true),
            (400, &none, false),
            (401, &none, true),
            (402, &none, true),
            (403, &none, true),
            (404, &none, false),
            (407, &none, true),
            (422, &none, false),
            (429, &none, false),
            (429, &account, true),
            (500, &none, true),
            (529, &none, true),
        ] {
            assert_eq!(Verdict::of(status, error) == Verdict::Channels, is_channels, "{status}");
        }
    }
}
