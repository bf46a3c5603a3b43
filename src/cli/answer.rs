//! Reads an answer of the API: its `data`, or why not.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What came back for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    message: String,
    data: Option<Box<RawValue>>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

impl Reply {
    /// The answer's `data`, as JSON text.
    ///
    /// # Errors
    /// The API's own message, or what is wrong with the answer.
    pub fn data(&self) -> Result<String, String> {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&self.body) else {
            return Err(format!("the server answered with status {} and no JSON", self.status));
        };
        if self.status == 200 && envelope.success {
            return Ok(envelope.data.map_or_else(|| "null".to_owned(), |data| data.get().to_owned()));
        }
        match envelope.error.map_or(envelope.message, |error| error.message) {
            message if message.is_empty() => Err(format!("the server answered with status {}", self.status)),
            message => Err(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_or_the_reason() {
        for (status, body, data) in [
            (200, r#"{"success":true,"message":"","data":{"a":0.10}}"#, Ok(r#"{"a":0.10}"#)),
            (200, r#"{"success":true,"message":"","data":null}"#, Ok("null")),
            (200, r#"{"success":true}"#, Ok("null")),
            (400, r#"{"success":false,"message":"name: no","code":"invalid_field"}"#, Err("name: no")),
            (409, r#"{"success":false,"message":"twice","code":"c","data":{"id":1}}"#, Err("twice")),
            (403, r#"{"error":{"code":403,"message":"no","type":"permission_error"}}"#, Err("no")),
            (500, "{}", Err("the server answered with status 500")),
            (502, "<html>", Err("the server answered with status 502 and no JSON")),
        ] {
            let reply = Reply { status, body: body.into() };
            assert_eq!(reply.data(), data.map(str::to_owned).map_err(str::to_owned), "{body}");
        }
    }
}
