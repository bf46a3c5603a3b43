//! OpenAI's transcriptions and translations: says how much sound came, and that it understands none of it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::refusal;
use super::{Complaint, count, json_reply, stream_reply, units};
use crate::channels::client::{HeaderMap, HeaderValue, ProviderReply, ReplyBody, StatusCode, header};
use crate::wire;

/// Bytes of sound that are one unit of input.
const BYTES_PER_UNIT: usize = 1_600;

/// Bytes of sound that are taken for a second.
const BYTES_PER_SECOND: usize = 16_000;

/// Answers a request to hear; `task` is what it is called in the answer.
pub(super) fn answer(task: &'static str, body: &Bytes) -> ProviderReply {
    match Heard::read(task, body) {
        Ok(heard) if heard.stream => heard.stream(),
        Ok(heard) => heard.whole(),
        Err(complaint) => refusal(complaint),
    }
}

struct Heard {
    task: &'static str,
    bytes: usize,
    said: u64,
    format: String,
    stream: bool,
}

impl Heard {
    fn read(task: &'static str, body: &[u8]) -> Result<Self, Complaint> {
        let fields = wire::fields(body);
        let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let text = |wanted: &str| field(wanted).map(|value| String::from_utf8_lossy(value).into_owned());
        let file = field("file").filter(|file| !file.is_empty());
        let bytes = file.ok_or_else(|| Complaint::about("file", "must be sound"))?.len();
        let format = text("response_format").unwrap_or_else(|| "json".to_owned());
        if !["json", "text", "srt", "vtt", "verbose_json", "diarized_json"].contains(&format.as_str()) {
            let known = "must be json, text, srt, vtt, verbose_json or diarized_json";
            return Err(Complaint::about("response_format", known));
        }
        let said = text("prompt").map_or(0, |prompt| count(&prompt));
        Ok(Self { task, bytes, said, format, stream: text("stream").as_deref() == Some("true") })
    }

    fn text(&self) -> String {
        format!(
            "This is the built-in demo model: it heard {} bytes of sound and understood none of it.",
            self.bytes
        )
    }

    fn seconds(&self) -> usize {
        self.bytes.div_ceil(BYTES_PER_SECOND)
    }

    fn usage(&self) -> Value {
        let heard = u64::try_from(self.bytes.div_ceil(BYTES_PER_UNIT)).unwrap_or(u64::MAX);
        let (input, output) = (heard.saturating_add(self.said), count(&self.text()));
        json!({
            "type": "tokens",
            "input_tokens": input,
            "input_token_details": {"text_tokens": self.said, "audio_tokens": heard},
            "output_tokens": output,
            "total_tokens": input.saturating_add(output),
        })
    }

    fn whole(&self) -> ProviderReply {
        let (text, seconds) = (self.text(), self.seconds());
        let end = |mark: char| {
            format!("{:02}:{:02}:{:02}{mark}000", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        };
        match self.format.as_str() {
            "text" => text_reply(format!("{text}\n")),
            "srt" => text_reply(format!("1\n00:00:00,000 --> {}\n{text}\n\n", end(','))),
            "vtt" => text_reply(format!("WEBVTT\n\n00:00:00.000 --> {}\n{text}\n\n", end('.'))),
            "json" => json_reply(StatusCode::OK, &json!({"text": text, "usage": self.usage()})),
            format => {
                let mut segment = json!({"id": "0", "start": 0.0, "end": seconds, "text": text});
                if format == "diarized_json" {
                    segment["speaker"] = json!("A");
                }
                let body = json!({
                    "task": self.task,
                    "language": "english",
                    "duration": seconds,
                    "text": text,
                    "segments": [segment],
                    "usage": self.usage(),
                });
                json_reply(StatusCode::OK, &body)
            }
        }
    }

    fn stream(&self) -> ProviderReply {
        let text = self.text();
        let deltas = units(&text).map(|unit| json!({"type": "transcript.text.delta", "delta": unit}));
        let done = json!({"type": "transcript.text.done", "text": text, "usage": self.usage()});
        let events: Vec<_> = deltas.chain([done]).map(|event| format!("data: {event}\n\n")).collect();
        stream_reply(events)
    }
}

fn text_reply(text: String) -> ProviderReply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    ProviderReply { status: StatusCode::OK, headers, body: ReplyBody::whole(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_measured() {
        let part = |head: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name={head}\r\n\r\n{value}\r\n")
        };
        let file = part("file; filename=a.wav", &"s".repeat(1_601));
        let body = |more: &str| format!("{file}{more}--x--\r\n");
        let heard = Heard::read("transcribe", body(&part("prompt", "Two words")).as_bytes()).ok().unwrap();
        let usage = heard.usage();
        assert_eq!(usage["input_token_details"], json!({"text_tokens": 2, "audio_tokens": 2}));
        assert_eq!((heard.seconds(), heard.stream, heard.format.as_str()), (1, false, "json"));
        assert!(Heard::read("t", body(&part("response_format", "xml")).as_bytes()).is_err());
        assert!(Heard::read("t", b"{}").is_err());
    }
}
