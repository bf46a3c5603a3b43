//! Headers on their way through: both directions by allow-list. A credential is on neither.

use actix_web::HttpRequest;

use crate::channels::client::{HeaderMap, HeaderName, HeaderValue, ProviderReply, header};
use crate::ids::RequestId;
use crate::limits::RateState;
use crate::money::{Money, credits_of_quota};

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

/// The provider's headers that may pass to the client, and its request id.
pub fn of_provider(reply: &ProviderReply) -> Headers {
    let text = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut headers: Headers = REPLY.iter().filter_map(|name| Some((*name, text(name)?))).collect();
    if let Some(id) = text("x-request-id").or_else(|| text("request-id")) {
        headers.push(("x-upstream-request-id", id));
    }
    headers
}

/// The headers that tell a token's rates: OpenAI's names.
pub fn of_rates((requests, tokens): (Option<RateState>, Option<RateState>)) -> Headers {
    const REQUESTS: [&str; 3] =
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    const TOKENS: [&str; 3] =
        ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
    let mut headers = Headers::new();
    for (state, [limit, remaining, reset]) in [(requests, REQUESTS), (tokens, TOKENS)] {
        let Some(state) = state else { continue };
        headers.push((limit, state.limit.to_string()));
        headers.push((remaining, state.remaining.to_string()));
        headers.push((reset, go_duration(state.reset_millis)));
    }
    headers
}

/// What is left in credits, rounded down to whole quota.
pub fn remaining_credits(remaining: Money) -> String {
    credits_of_quota(remaining.quota_down())
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
