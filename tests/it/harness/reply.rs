//! What the mock provider answers: a script of steps. Must not know sockets.

use std::time::Duration;

use serde_json::{Value, json};

use super::{COMPLETION, Gate};

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes bytes.
    Write(Vec<u8>),
    /// Waits until a gate opens.
    Wait(Gate),
    /// Says nothing until the gateway hangs up.
    Hang,
    /// Writes the same bytes again and again, this long apart, until the gateway hangs up.
    Repeat(Vec<u8>, Duration),
    /// Closes the connection.
    Close,
    /// Closes it with a reset.
    Reset,
}

/// A scripted answer. Without [`Reply::close`], [`Reply::reset`] or [`Reply::hang`] the connection stays open for the
/// next request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// The JSON of a piece of text in a stream.
pub fn delta(text: &str) -> String {
    let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
    json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": "mock", "choices": [choice]})
        .to_string()
}

/// The JSON of a stream's usage event.
pub fn usage_event(input: u64, output: u64) -> String {
    json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": "mock", "choices": [],
        "usage": usage(input, output)})
    .to_string()
}

fn usage(input: u64, output: u64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

impl Reply {
    /// Exactly these bytes.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self::default().write(bytes)
    }

    /// A body with its length and type.
    pub fn body(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status} Mock\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self::raw(head).write(body)
    }

    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::body(status, "application/json", body.to_string())
    }

    /// A completion that reports this usage.
    pub fn completion(input: u64, output: u64) -> Self {
        Self::with_usage(&usage(input, output))
    }

    /// A completion with any value as its usage; null: without the field.
    pub fn with_usage(usage: &Value) -> Self {
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": COMPLETION}, "finish_reason": "stop"});
        let mut body = json!({"id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": "mock",
            "choices": [choice]});
        if !usage.is_null() {
            body["usage"] = usage.clone();
        }
        Self::json(200, &body)
    }

    /// A provider's error.
    pub fn error(status: u16, code: &str) -> Self {
        Self::json(
            status,
            &json!({"error": {"message": "mock says no", "type": "mock", "param": null, "code": code}}),
        )
    }

    /// The head of a chunked event stream.
    pub fn sse() -> Self {
        Self::default().sse_head()
    }

    /// Adds the head of a chunked event stream.
    pub fn sse_head(self) -> Self {
        self.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    }

    /// A whole stream of pieces of text, with usage and terminator.
    pub fn stream(pieces: &[&str], input: u64, output: u64) -> Self {
        let reply = pieces.iter().fold(Self::sse(), |reply, text| reply.event(&delta(text)));
        reply.event(&usage_event(input, output)).event("[DONE]").end()
    }

    /// Adds an event with this payload, as one chunk.
    pub fn event(self, payload: &str) -> Self {
        self.chunk(format!("data: {payload}\n\n"))
    }

    /// Adds one chunk of any bytes.
    pub fn chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.write(framed)
    }

    /// Ends a chunked body.
    pub fn end(self) -> Self {
        self.write("0\r\n\r\n")
    }

    /// Adds bytes as they are.
    pub fn write(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Write(bytes.as_ref().to_vec()));
        self
    }

    /// Waits here until `gate` opens.
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Waits until `gate` opens before anything is said.
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Wait(gate.clone()));
        self
    }

    /// Says nothing more until the gateway hangs up.
    pub fn hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }

    /// Writes these bytes again and again, `pause` apart, until the gateway hangs up.
    pub fn repeat(mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> Self {
        self.steps.push(Step::Repeat(bytes.as_ref().to_vec(), pause));
        self
    }

    /// Closes here.
    pub fn close(mut self) -> Self {
        self.steps.push(Step::Close);
        self
    }

    /// Resets here.
    pub fn reset(mut self) -> Self {
        self.steps.push(Step::Reset);
        self
    }
}
