//! Errors as the wire spells them: one in the caller's dialect to write, a provider's in whatever shape to read, and
//! secrets to take out before anybody sees it. Decides no status and no words.

use serde::Serialize;
use serde_json::Value;

use super::json::shortened;

/// What stands where a secret was.
const REDACTED: &str = "[redacted]";

/// The most bytes of a provider's error that are read.
const READ_AT_MOST: usize = 1 << 20;

/// The most bytes of one of its fields that are kept.
const KEPT_AT_MOST: usize = 2_000;

/// An error in OpenAI's dialect.
#[derive(Copy, Clone, Debug, Serialize)]
pub struct ErrorWords<'a> {
    /// What went wrong and what to do, for a person.
    pub message: &'a str,
    /// The kind, as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The field that is to blame.
    pub param: Option<&'a str>,
    /// The exact cause, for a program.
    pub code: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorWords<'a>,
}

/// `{"error":{"message","type","param","code"}}`
pub fn error_body(error: ErrorWords<'_>) -> Vec<u8> {
    serde_json::to_vec(&Envelope { error }).expect("strings can always be written as JSON")
}

/// The same as an event of a stream.
pub fn error_event(error: ErrorWords<'_>) -> Vec<u8> {
    // JSON has its line ends escaped, so one data line holds it.
    [b"data: ".as_slice(), &error_body(error), b"\n\n"].concat()
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
        kind: "invalid_request_error",
        param: None,
        code: "invalid_json",
    };

    #[test]
    fn an_error_is_written_in_the_dialect() {
        let want = "{\"error\":{\"message\":\"a \\\"b\\\"\\r\\n\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_json\"}}";
        assert_eq!(String::from_utf8(error_body(WORDS)).unwrap(), want);
        assert_eq!(String::from_utf8(error_event(WORDS)).unwrap(), format!("data: {want}\n\n"));
        let named = error_body(ErrorWords { param: Some("n"), ..WORDS });
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
