//! Headers on their way through: both directions by allow-list. A credential is on neither.

use actix_web::HttpRequest;

use crate::channels::client::{HeaderMap, HeaderName, HeaderValue, ProviderReply, header};
use crate::clock::Timestamp;
use crate::ids::RequestId;
use crate::limits::RateState;
use crate::money::{Money, credits_of_quota};
use crate::wire::{Dialect, percent};

/// Headers of an answer.
pub type Headers = Vec<(&'static str, String)>;

/// What passes from a client to a provider; besides, whatever begins with [`SDK_PREFIX`].
const REQUEST: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::USER_AGENT,
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

const SDK_PREFIX: &str = "x-stainless-";

/// What passes from a provider to a client, but for the content type, which is the gateway's own.
const REPLY: [&str; 5] =
    ["content-disposition", "retry-after", "openai-processing-ms", "openai-version", "x-should-retry"];

/// The headers for the provider: the client's that may pass, and our id.
pub fn for_provider(request: &HttpRequest, id: RequestId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        // The server's names are of another version of the same library.
        let name = match REQUEST.iter().find(|known| *known == name.as_str()) {
            Some(known) => Ok(known.clone()),
            None if name.as_str().starts_with(SDK_PREFIX) => HeaderName::from_bytes(name.as_str().as_bytes()),
            None => continue,
        };
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(HeaderName::from_static("x-client-request-id"), id);
    }
    headers
}

/// What of the client's query passes to the provider, with the question mark before it: the parameters of these names, as they
/// were sent; empty when there are none.
pub fn query_for_provider(query: &str, names: &[&str]) -> String {
    if query.is_empty() {
        return String::new();
    }
    let passes = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent::decode(name).is_some_and(|name| names.contains(&name.as_str()))
    };
    let passing: Vec<&str> = query.split('&').filter(passes).collect();
    if passing.is_empty() { String::new() } else { format!("?{}", passing.join("&")) }
}

/// The provider's headers that may pass to the client, and its request id.
pub fn of_provider(reply: &ProviderReply) -> Headers {
    let text = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut headers: Headers = REPLY.iter().filter_map(|name| Some((*name, text(name)?))).collect();
    if let Some(id) = text("x-request-id").or_else(|| text("request-id")) {
        headers.push(("x-upstream-request-id", id));
    }
    headers
}

/// The headers that tell a token's rates at the time `now`, as `dialect` names and spells them; Google's has none of its own.
pub fn of_rates(
    (requests, tokens): (Option<RateState>, Option<RateState>),
    dialect: Dialect,
    now: impl Fn() -> Timestamp,
) -> Headers {
    const REQUESTS: [&str; 3] =
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    const TOKENS: [&str; 3] =
        ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
    const ANTHROPIC_REQUESTS: [&str; 3] = [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ];
    const ANTHROPIC_TOKENS: [&str; 3] = [
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ];
    let names = match dialect {
        Dialect::OpenAi | Dialect::Gemini => [REQUESTS, TOKENS],
        Dialect::Anthropic => [ANTHROPIC_REQUESTS, ANTHROPIC_TOKENS],
    };
    let mut headers = Headers::new();
    for (state, [limit, remaining, reset]) in [requests, tokens].into_iter().zip(names) {
        let Some(state) = state else { continue };
        headers.push((limit, state.limit.to_string()));
        headers.push((remaining, state.remaining.to_string()));
        headers.push((
            reset,
            match dialect {
                Dialect::OpenAi | Dialect::Gemini => go_duration(state.reset_millis),
                Dialect::Anthropic => date_time(now().millis().saturating_add(state.reset_millis)),
            },
        ));
    }
    headers
}

/// What is left in credits, rounded down to whole quota.
pub fn remaining_credits(remaining: Money) -> String {
    credits_of_quota(remaining.quota_down())
}

/// A point in time as Anthropic spells it (RFC 3339), from milliseconds since the epoch, rounded up to whole seconds.
fn date_time(millis: i64) -> String {
    let at = chrono::DateTime::from_timestamp(millis.saturating_add(999).div_euclid(1000), 0);
    at.unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A duration as OpenAI spells it: `120ms`, `1s`, `6m0s`.
fn go_duration(millis: i64) -> String {
    let seconds = (millis + 999) / 1000;
    match (millis, seconds / 60) {
        (0, _) => "0s".to_owned(),
        (1..=999, _) => format!("{millis}ms"),
        (_, 0) => format!("{seconds}s"),
        (_, minutes) => format!("{minutes}m{}s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn durations_are_spelled_as_openai_does() {
        for (millis, text) in [(0, "0s"), (120, "120ms"), (1_000, "1s"), (59_001, "1m0s"), (360_000, "6m0s")]
        {
            assert_eq!(go_duration(millis), text);
        }
    }

    #[test]
    fn points_in_time_are_spelled_as_anthropic_does() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_764_000_000_001, "2025-11-24T16:00:01Z"),
            (i64::MAX, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(date_time(millis), text);
        }
    }

    #[test]
    fn of_a_query_only_what_is_named_passes() {
        for (query, want) in [
            ("", ""),
            ("beta=true", "?beta=true"),
            ("key=sk-x&beta=true&alt=sse&b%65ta", "?beta=true&b%65ta"),
            ("betas=1", ""),
        ] {
            assert_eq!(query_for_provider(query, &["beta"]), want, "{query}");
        }
        assert_eq!(query_for_provider("beta=true", &[]), "");
    }

    #[test]
    fn only_what_is_listed_passes_to_a_provider() {
        let mut request = TestRequest::post();
        for (name, value) in [
            ("authorization", "Bearer sk-x"),
            ("x-api-key", "sk-x"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("host", "gateway"),
            ("openai-organization", "org"),
            ("content-type", "application/json"),
            ("x-stainless-lang", "python"),
            ("traceparent", "00-0-0-00"),
            ("x-request-id", "forged"),
        ] {
            request = request.insert_header((name, value));
        }
        let id = RequestId::from_bytes([7; 16]);
        let headers = for_provider(&request.to_http_request(), id);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "traceparent", "x-client-request-id", "x-stainless-lang"]);
        assert_eq!(headers["x-client-request-id"], id.to_string());
    }
}
