//! Bodies of parts, spelled out byte by byte; nothing in them is checked. Must not know the gateway.

use super::Request;

/// The line between parts, without its dashes.
pub const BOUNDARY: &str = "----form-boundary-7MA4YWxk";

/// A `multipart/form-data` body that grows part by part.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<u8>);

impl Form {
    /// Without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.part(&format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes())
    }

    /// Adds a file.
    pub fn file(self, name: &str, file: &str, value: &[u8]) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: application/octet-stream"
        );
        self.part(&head, value)
    }

    /// Adds a part with this head.
    pub fn part(mut self, head: &str, value: &[u8]) -> Self {
        self.0.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
        self.0.extend_from_slice(value);
        self.0.extend(b"\r\n");
        self
    }

    /// The whole body.
    pub fn bytes(&self) -> Vec<u8> {
        [self.0.as_slice(), format!("--{BOUNDARY}--\r\n").as_bytes()].concat()
    }

    /// `POST target` with it.
    pub fn post(&self, target: &str) -> Request {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        Request::new("POST", target).header("Content-Type", &content_type).body(&self.bytes())
    }
}
