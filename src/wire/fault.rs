//! Errors as the wire spells them: one in the caller's dialect to write, a provider's in whatever shape to read, and
//! secrets to take out before anybody sees it. Decides no status and no words.

use serde::Serialize;
use serde_json::Value;

use super::endpoints::Dialect;
use super::json::shortened;

/// What stands where a secret was.
const REDACTED: &str = "[redacted]";

/// The most bytes of a provider's error that are read.
const READ_AT_MOST: usize = 1 << 20;

/// The most bytes of one of its fields that are kept.
const KEPT_AT_MOST: usize = 2_000;

/// The kinds of errors that the dialects have words for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong.
    Invalid,
    /// It is too large, or too slow.
    TooLarge,
    /// Nobody knows who asks.
    Authentication,
    /// Who asks may not.
    Permission,
    /// What is asked for is not there.
    NotFound,
    /// The money is spent.
    Quota,
    /// There is no price.
    NotPriced,
    /// Too much at one time.
    Rate,
    /// The provider failed.
    Upstream,
    /// The provider was too slow.
    Timeout,
    /// There is no room, or nobody to serve it.
    Overloaded,
    /// The store failed.
    Storage,
}

impl ErrorKind {
    /// Its word in each dialect.
    pub const fn word(self, dialect: Dialect) -> &'static str {
        let [open_ai, anthropic, gemini] = match self {
            Self::Invalid => ["invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"],
            Self::TooLarge => ["invalid_request_error", "request_too_large", "INVALID_ARGUMENT"],
            Self::Authentication => ["authentication_error", "authentication_error", "UNAUTHENTICATED"],
            Self::Permission => ["permission_error", "permission_error", "PERMISSION_DENIED"],
            Self::NotFound => ["not_found_error", "not_found_error", "NOT_FOUND"],
            Self::Quota => ["insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED"],
            Self::NotPriced => ["insufficient_quota", "billing_error", "FAILED_PRECONDITION"],
            Self::Rate => ["rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"],
            Self::Upstream => ["upstream_error", "api_error", "UNAVAILABLE"],
            Self::Timeout => ["upstream_error", "api_error", "DEADLINE_EXCEEDED"],
            Self::Overloaded => ["server_error", "overloaded_error", "UNAVAILABLE"],
            Self::Storage => ["server_error", "api_error", "UNAVAILABLE"],
        };
        match dialect {
            Dialect::OpenAi => open_ai,
            Dialect::Anthropic => anthropic,
            Dialect::Gemini => gemini,
        }
    }
}

/// An error, before it has a dialect.
#[derive(Copy, Clone, Debug)]
pub struct ErrorWords<'a> {
    /// What went wrong and what to do, for a person.
    pub message: &'a str,
    /// The kind.
    pub kind: ErrorKind,
    /// The field that is to blame.
    pub param: Option<&'a str>,
    /// The exact cause, for a program.
    pub code: &'a str,
    /// The HTTP status it has, or would have.
    pub status: u16,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    details: AnthropicDetails<'a>,
}

#[derive(Serialize)]
struct AnthropicDetails<'a> {
    error_code: &'a str,
}

#[derive(Serialize)]
struct AnthropicEnvelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: AnthropicError<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct GoogleError<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    details: [GoogleInfo; 1],
}

#[derive(Serialize)]
struct GoogleInfo {
    #[serde(rename = "@type")]
    kind: &'static str,
    reason: String,
    domain: &'static str,
}

#[derive(Serialize)]
struct Envelope<T> {
    error: T,
}

/// The body of an error in `dialect`, in answer to request `id`.
pub fn error_body(error: &ErrorWords<'_>, dialect: Dialect, id: &str) -> Vec<u8> {
    let ErrorWords { message, param, code, status, .. } = *error;
    let kind = error.kind.word(dialect);
    let body = match dialect {
        Dialect::OpenAi => {
            serde_json::to_vec(&Envelope { error: OpenAiError { message, kind, param, code } })
        }
        Dialect::Anthropic => {
            let details = AnthropicDetails { error_code: code };
            let error = AnthropicError { kind, message, details };
            serde_json::to_vec(&AnthropicEnvelope { kind: "error", error, request_id: id })
        }
        Dialect::Gemini => {
            let info = GoogleInfo {
                kind: "type.googleapis.com/google.rpc.ErrorInfo",
                reason: code.to_ascii_uppercase(),
                domain: "tollgate",
            };
            let error = GoogleError { code: status, message, status: kind, details: [info] };
            serde_json::to_vec(&Envelope { error })
        }
    };
    body.expect("strings can always be written as JSON")
}

/// The same as an event of a stream.
pub fn error_event(error: &ErrorWords<'_>, dialect: Dialect, id: &str) -> Vec<u8> {
    let name = match dialect {
        Dialect::OpenAi | Dialect::Gemini => "",
        Dialect::Anthropic => "event: error\n",
    };
    // JSON has its line ends escaped, so one data line holds it.
    [name.as_bytes(), b"data: ", &error_body(error, dialect, id), b"\n\n"].concat()
}

/// What a provider says went wrong; empty where it says nothing. Each field is at most 2 000 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// For a person.
    pub message: String,
    /// Its `type`, or Google's `status`.
    pub kind: String,
    /// Its `code`, also if that is a number.
    pub code: String,
}

impl ProviderError {
    /// Reads an error's body, whatever its shape; what is no JSON is the message itself.
    pub fn read(body: &[u8]) -> Self {
        let body = body.get(..READ_AT_MOST).unwrap_or(body);
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self {
                message: shortened(&String::from_utf8_lossy(body), KEPT_AT_MOST).to_owned(),
                ..Self::default()
            },
        }
    }

    fn of(value: &Value) -> Self {
        let value = value.as_array().and_then(|items| items.first()).unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let first = |names: &[&str]| {
            let found =
                names.iter().find_map(|name| error.get(*name).or_else(|| value.get(*name)).and_then(plain));
            found.unwrap_or_default()
        };
        Self {
            message: plain(error)
                .unwrap_or_else(|| first(&["message", "detail", "msg", "error_description"])),
            kind: first(&["type", "status"]),
            code: first(&["code"]),
        }
    }
}

/// A string or number as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(shortened(text, KEPT_AT_MOST).to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `text` with each of `secrets` replaced, as it is and as JSON may escape it, then cut to `most` bytes.
pub fn redact(text: &str, secrets: &[&str], most: usize) -> String {
    let mut text = text.to_owned();
    let mut secrets: Vec<&str> = secrets.iter().copied().filter(|secret| !secret.is_empty()).collect();
    // Longest first: one secret may hold another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        for spelling in spellings(secret) {
            if text.contains(&spelling) {
                text = text.replace(&spelling, REDACTED);
            }
        }
    }
    shortened(&text, most).to_owned()
}

/// A secret as such, as JSON, and as JSON with slashes escaped.
fn spellings(secret: &str) -> [String; 3] {
    let json = serde_json::to_string(secret).expect("a string can always be written as JSON");
    let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let slashed = json.replace('/', "\\/");
    [slashed, json, secret.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: ErrorWords<'_> = ErrorWords {
        message: "a \"b\"\r\n",
        kind: ErrorKind::Invalid,
        param: None,
        code: "invalid_json",
        status: 400,
    };

    #[test]
    fn an_error_is_written_in_each_dialect() {
        for (dialect, name, want) in [
            (
                Dialect::OpenAi,
                "",
                r#"{"error":{"message":"a \"b\"\r\n","type":"invalid_request_error","param":null,"code":"invalid_json"}}"#,
            ),
            (
                Dialect::Anthropic,
                "event: error\n",
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"a \"b\"\r\n","details":{"error_code":"invalid_json"}},"request_id":"r"}"#,
            ),
            (
                Dialect::Gemini,
                "",
                r#"{"error":{"code":400,"message":"a \"b\"\r\n","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_JSON","domain":"tollgate"}]}}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(error_body(&WORDS, dialect, "r")).unwrap(), want);
            let event = String::from_utf8(error_event(&WORDS, dialect, "r")).unwrap();
            assert_eq!(event, format!("{name}data: {want}\n\n"));
        }
        let named = error_body(&ErrorWords { param: Some("n"), ..WORDS }, Dialect::OpenAi, "r");
        assert!(String::from_utf8(named).unwrap().contains("\"param\":\"n\""));
    }

    #[test]
    fn errors_of_any_shape_are_read() {
        for (body, message, kind, code) in [
            ("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}", "m", "t", "c"),
            ("{\"error\":{\"message\":\"m\",\"code\":429,\"status\":\"S\"}}", "m", "S", "429"),
            ("[{\"error\":{\"message\":\"m\"}}]", "m", "", ""),
            ("{\"error\":\"m\",\"code\":\"c\"}", "m", "", "c"),
            ("{\"message\":\"m\",\"type\":\"t\"}", "m", "t", ""),
            ("{\"detail\":\"m\"}", "m", "", ""),
            ("{\"error\":null,\"message\":\"m\"}", "m", "", ""),
            ("{\"error\":{\"message\":{\"x\":1}}}", "", "", ""),
            ("not JSON", "not JSON", "", ""),
            ("", "", "", ""),
            ("null", "", "", ""),
        ] {
            let want =
                ProviderError { message: message.to_owned(), kind: kind.to_owned(), code: code.to_owned() };
            assert_eq!(ProviderError::read(body.as_bytes()), want, "{body}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(ProviderError::read(deep.as_bytes()).message.len(), KEPT_AT_MOST);
    }

    #[test]
    fn secrets_are_taken_out() {
        for (text, secret, want) in [
            ("key sk-abc is bad, sk-abc", "sk-abc", "key [redacted] is bad, [redacted]"),
            ("{\"m\":\"a\\\"b\"}", "a\"b", "{\"m\":\"[redacted]\"}"),
            ("{\"m\":\"a\\/b\"}", "a/b", "{\"m\":\"[redacted]\"}"),
            ("nothing", "", "nothing"),
        ] {
            assert_eq!(redact(text, &[secret], 100), want, "{text}");
        }
        assert_eq!(redact("sk-abcd", &["sk-abc", "sk-abcd"], 100), "[redacted]");
        assert_eq!(redact("ab sk-abc", &["sk-abc"], 6), "ab [re");
        assert_eq!(redact("éé", &[], 3), "é");
    }
}
