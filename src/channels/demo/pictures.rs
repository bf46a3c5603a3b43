//! OpenAI's images: one pixel, whatever was asked for. A body of parts is read as one of JSON would be.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::chat::refusal;
use super::{Complaint, count, flag, json_reply, object, stream_reply, whole_number};
use crate::channels::client::{ProviderReply, StatusCode};
use crate::clock::Timestamp;
use crate::wire;

/// A picture of one black pixel: PNG, in base64.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";

/// The most pictures of one request.
const MAX_PICTURES: u64 = 10;

/// The most previews of a picture.
const MAX_PREVIEWS: u64 = 3;

/// Units of output for each picture, and for each preview of it.
const PER_PICTURE: u64 = 16;

/// Units of input for each picture that is given.
const PER_GIVEN: u64 = 4;

/// Answers a request for pictures; `event` is what its events begin with.
pub(super) fn answer(event: &'static str, body: &Bytes, created: Timestamp) -> ProviderReply {
    match Wish::read(body) {
        Ok(wish) if wish.stream => wish.stream(event, created),
        Ok(wish) => json_reply(StatusCode::OK, &wish.plain(created)),
        Err(complaint) => refusal(complaint),
    }
}

struct Wish {
    prompt: u64,
    given: u64,
    pictures: u64,
    previews: u64,
    stream: bool,
}

impl Wish {
    fn read(body: &[u8]) -> Result<Self, Complaint> {
        let (body, given) = read(body)?;
        let prompt = body["prompt"].as_str().filter(|prompt| !prompt.is_empty());
        let prompt =
            prompt.ok_or_else(|| Complaint::about("prompt", "must be a string that is not empty"))?;
        let previews = match &body["partial_images"] {
            none if none == 0 => None,
            _ => whole_number(&body, "partial_images", MAX_PREVIEWS)?,
        };
        Ok(Self {
            prompt: count(prompt),
            given,
            pictures: whole_number(&body, "n", MAX_PICTURES)?.unwrap_or(1),
            previews: previews.unwrap_or(0),
            stream: flag(&body, "stream")?,
        })
    }

    fn usage(&self) -> Value {
        let seen = self.given.saturating_mul(PER_GIVEN);
        let made = self.pictures.saturating_mul(self.previews.saturating_add(1)).saturating_mul(PER_PICTURE);
        let input = self.prompt.saturating_add(seen);
        json!({
            "input_tokens": input,
            "input_tokens_details": {"text_tokens": self.prompt, "image_tokens": seen},
            "output_tokens": made,
            "total_tokens": input.saturating_add(made),
        })
    }

    fn plain(&self, created: Timestamp) -> Value {
        let pictures: Vec<_> = (0..self.pictures).map(|_| json!({"b64_json": PIXEL})).collect();
        json!({
            "created": created.secs(),
            "background": "opaque",
            "data": pictures,
            "output_format": "png",
            "quality": "low",
            "size": "1x1",
            "usage": self.usage(),
        })
    }

    fn stream(&self, event: &str, created: Timestamp) -> ProviderReply {
        let picture = |kind: &str| {
            json!({
                "type": format!("{event}.{kind}"),
                "b64_json": PIXEL,
                "created_at": created.secs(),
                "background": "opaque",
                "output_format": "png",
                "quality": "low",
                "size": "1x1",
            })
        };
        let mut events: Vec<_> = (0..self.previews)
            .map(|index| {
                let mut preview = picture("partial_image");
                preview["partial_image_index"] = json!(index);
                preview
            })
            .collect();
        let mut whole = picture("completed");
        whole["usage"] = self.usage();
        events.push(whole);
        let told = |event: Value| {
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
        };
        stream_reply(events.into_iter().map(told))
    }
}

/// The fields of a body, and how many pictures it gives.
fn read(body: &[u8]) -> Result<(Value, u64), Complaint> {
    if !body.starts_with(b"--") {
        let body = object(body)?;
        let given = ["image", "images", "mask"].iter().fold(0, |sum: usize, name| {
            sum.saturating_add(match &body[*name] {
                Value::Null => 0,
                Value::Array(pictures) => pictures.len(),
                _ => 1,
            })
        });
        return Ok((body, u64::try_from(given).unwrap_or(u64::MAX)));
    }
    let mut given = 0_u64;
    let mut fields = Map::new();
    for (name, value) in wire::fields(body) {
        let base = name.split('[').next().unwrap_or_default();
        let text = String::from_utf8_lossy(value);
        let value = match base {
            "image" | "images" | "mask" => {
                given = given.saturating_add(1);
                continue;
            }
            "prompt" | "model" => json!(text),
            // Numbers and booleans are spelled as in JSON.
            _ => serde_json::from_str(&text).unwrap_or_else(|_| json!(text)),
        };
        fields.insert(base.to_owned(), value);
    }
    Ok((Value::Object(fields), given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_counted() {
        let wish = |body: &[u8]| Wish::read(body).map(|wish| wish.usage()).ok();
        let usage =
            wish(b"{\"prompt\":\"A red fox\",\"n\":2,\"image\":[\"a\",\"b\"],\"mask\":\"c\"}").unwrap();
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(3 + 12), &json!(32)));
        let parts = b"--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n7\r\n--x\r\n\
            Content-Disposition: form-data; name=\"image[]\"; filename=\"a\"\r\n\r\n\xff\r\n--x\r\n\
            Content-Disposition: form-data; name=\"partial_images\"\r\n\r\n2\r\n--x--\r\n";
        let usage = wish(parts).unwrap();
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(1 + 4), &json!(48)));
        for bad in [&b"{}"[..], b"{\"prompt\":\"\"}", b"{\"prompt\":\"a\",\"n\":11}"] {
            assert_eq!(wish(bad), None);
        }
    }
}
