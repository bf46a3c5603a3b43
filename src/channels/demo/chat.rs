//! OpenAI's chat completions.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Complaint, MAX_CAP, capped, flag, id_of, json_reply, object, read_messages, reply_to, stream_reply,
    whole_number,
};
use crate::channels::client::{ProviderReply, StatusCode};
use crate::clock::Timestamp;

/// The most choices one request may ask for.
const MAX_CHOICES: u64 = 128;

/// Answers a chat completion.
pub(super) fn answer(body: &Bytes, created: Timestamp) -> ProviderReply {
    match Wish::parse(body) {
        Ok(wish) if wish.stream => wish.streamed(&Stamp::new(body, created)),
        Ok(wish) => wish.plain(&Stamp::new(body, created)),
        Err(complaint) => refusal(complaint),
    }
}

fn refusal(complaint: Complaint) -> ProviderReply {
    let Complaint { param, code, message } = complaint;
    let error = json!({"message": message, "type": "invalid_request_error", "param": param, "code": code});
    json_reply(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

/// What a request asks for, checked.
struct Wish {
    model: String,
    prompt_units: u64,
    last_said: Option<String>,
    /// The most units of output per choice.
    cap: Option<u64>,
    choices: u64,
    stream: bool,
    usage_in_stream: bool,
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Complaint> {
        let body = object(body)?;
        let model = body["model"].as_str().ok_or_else(|| Complaint::about("model", "must be a string"))?;
        let (prompt_units, last_said) = read_messages(&body["messages"])?;
        let caps = [
            whole_number(&body, "max_tokens", MAX_CAP)?,
            whole_number(&body, "max_completion_tokens", MAX_CAP)?,
        ];
        let options = &body["stream_options"];
        Ok(Self {
            model: model.to_owned(),
            prompt_units,
            last_said,
            cap: caps.into_iter().flatten().max(),
            choices: whole_number(&body, "n", MAX_CHOICES)?.unwrap_or(1),
            stream: flag(&body, "stream")?,
            usage_in_stream: !options.is_null() && flag(options, "include_usage")?,
        })
    }

    /// The whole text of choice `index`, before the cap.
    fn text(&self, index: u64) -> String {
        let text = reply_to(self.last_said.as_deref());
        if index == 0 { text } else { format!("Choice {}: {text}", index + 1) }
    }

    fn says(&self, index: u64) -> Said {
        let (units, is_cut) = capped(&self.text(index), self.cap);
        Said { units, finish_reason: if is_cut { "length" } else { "stop" } }
    }

    fn all_said(&self) -> Vec<Said> {
        (0..self.choices).map(|index| self.says(index)).collect()
    }

    fn usage(&self, said: &[Said]) -> Value {
        let output = said.iter().map(|said| said.units.len()).sum::<usize>();
        let output = u64::try_from(output).unwrap_or(u64::MAX);
        json!({
            "prompt_tokens": self.prompt_units,
            "completion_tokens": output,
            "total_tokens": self.prompt_units.saturating_add(output),
        })
    }

    fn plain(&self, stamp: &Stamp) -> ProviderReply {
        let said = self.all_said();
        let choices: Vec<Value> = (0_u64..)
            .zip(&said)
            .map(|(index, said)| {
                json!({
                    "index": index,
                    "message": {"role": "assistant", "content": said.units.concat(), "refusal": null},
                    "logprobs": null,
                    "finish_reason": said.finish_reason,
                })
            })
            .collect();
        let mut whole = stamp.object("chat.completion", &self.model, &choices);
        whole["usage"] = self.usage(&said);
        json_reply(StatusCode::OK, &whole)
    }

    fn streamed(&self, stamp: &Stamp) -> ProviderReply {
        let said = self.all_said();
        let longest = said.iter().map(|said| said.units.len()).max().unwrap_or(0);
        let mut pieces = VecDeque::with_capacity(longest + 2);
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        pieces.push_back(self.piece(stamp, &said, |_| Some((role.clone(), None))));
        for at in 0..longest {
            pieces.push_back(self.piece(stamp, &said, |said| {
                said.units.get(at).map(|unit| (json!({ "content": unit }), None))
            }));
        }
        let mut last = self.piece(stamp, &said, |said| Some((json!({}), Some(said.finish_reason))));
        if self.usage_in_stream {
            let mut chunk = stamp.object("chat.completion.chunk", &self.model, &[]);
            chunk["usage"] = self.usage(&said);
            last.push_str(&event(&chunk));
        }
        last.push_str("data: [DONE]\n\n");
        pieces.push_back(last);
        stream_reply(pieces)
    }

    /// One event per choice that has something to say now: a delta, and at the end a reason.
    fn piece(
        &self,
        stamp: &Stamp,
        said: &[Said],
        mut now: impl FnMut(&Said) -> Option<(Value, Option<&'static str>)>,
    ) -> String {
        let mut events = String::new();
        for (index, said) in (0_u64..).zip(said) {
            let Some((delta, finish_reason)) = now(said) else { continue };
            let choice =
                json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
            let mut chunk = stamp.object("chat.completion.chunk", &self.model, &[choice]);
            if self.usage_in_stream {
                chunk["usage"] = Value::Null;
            }
            events.push_str(&event(&chunk));
        }
        events
    }
}

/// What one choice says, and why it stops.
struct Said {
    units: Vec<String>,
    finish_reason: &'static str,
}

/// What all objects of one answer have in common.
struct Stamp {
    id: String,
    created: i64,
}

impl Stamp {
    fn new(body: &[u8], created: Timestamp) -> Self {
        Self { id: format!("chatcmpl-demo-{}", id_of(body)), created: created.secs() }
    }

    fn object(&self, kind: &str, model: &str, choices: &[Value]) -> Value {
        json!({"id": self.id, "object": kind, "created": self.created, "model": model, "choices": choices})
    }
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::count;
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_764_000_000);

    async fn read(body: &Value) -> (StatusCode, String) {
        let mut reply = answer(&Bytes::from(body.to_string()), NOW);
        let mut text = String::new();
        while let Some(piece) = reply.body.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
        (reply.status, text)
    }

    async fn read_json(body: &Value) -> Value {
        serde_json::from_str(&read(body).await.1).unwrap()
    }

    fn hello(extra: &Value) -> Value {
        let mut body = json!({"model": "demo", "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Grüß dich, how are you?"}]},
        ]});
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    fn events(stream: &str) -> Vec<Value> {
        let mut events: Vec<&str> = stream.split_terminator("\n\n").collect();
        assert_eq!(events.pop(), Some("data: [DONE]"));
        events.iter().map(|e| serde_json::from_str(e.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_plain_answer() {
        let whole = read_json(&hello(&json!({}))).await;
        let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.contains("“Grüß dich, how are you?”") && text.contains("demo"), "{text}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        assert_eq!(whole["usage"]["prompt_tokens"], 3 + 7);
        assert_eq!(whole["usage"]["completion_tokens"], count(text));
        assert_eq!(whole["usage"]["total_tokens"], 10 + count(text));
        assert_eq!(whole["created"], 1_764_000_000);
        assert!(whole["id"].as_str().unwrap().starts_with("chatcmpl-demo-"));
        assert_eq!(whole, read_json(&hello(&json!({}))).await);
    }

    #[tokio::test]
    async fn a_stream_says_the_same_as_a_plain_answer() {
        for extra in [json!({"n": 2}), json!({"max_tokens": 5})] {
            let plain = read_json(&hello(&extra)).await;
            let mut streaming = hello(&extra);
            streaming["stream"] = json!(true);
            streaming["stream_options"] = json!({"include_usage": true});
            let mut chunks = events(&read(&streaming).await.1);
            let usage = chunks.pop().unwrap();
            assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &plain["usage"]));
            for choice in plain["choices"].as_array().unwrap() {
                let mine =
                    || chunks.iter().map(|c| &c["choices"][0]).filter(|c| c["index"] == choice["index"]);
                let text: String = mine().filter_map(|c| c["delta"]["content"].as_str()).collect();
                assert_eq!(choice["message"]["content"], text);
                assert_eq!(mine().next_back().unwrap()["finish_reason"], choice["finish_reason"]);
            }
        }
    }

    #[tokio::test]
    async fn usage_comes_in_a_stream_only_when_asked_for() {
        let (_, stream) = read(&hello(&json!({"stream": true, "max_tokens": 2}))).await;
        assert!(events(&stream).iter().all(|chunk| chunk.get("usage").is_none()), "{stream}");
    }

    #[tokio::test]
    async fn the_cap_is_kept_per_choice() {
        let full = read_json(&hello(&json!({}))).await["usage"]["completion_tokens"].as_u64().unwrap();
        for (extra, output, reason) in [
            (json!({"max_tokens": 3}), 3, "length"),
            (json!({"max_completion_tokens": 4}), 4, "length"),
            (json!({"max_tokens": 3, "max_completion_tokens": 4}), 4, "length"),
            (json!({"max_tokens": 3, "n": 4}), 12, "length"),
            (json!({"max_tokens": full}), full, "stop"),
            (json!({"max_tokens": full - 1}), full - 1, "length"),
        ] {
            let whole = read_json(&hello(&extra)).await;
            assert_eq!(whole["usage"]["completion_tokens"], output, "{extra}");
            assert_eq!(whole["choices"][0]["finish_reason"], reason, "{extra}");
        }
    }

    #[tokio::test]
    async fn a_bad_body_is_refused_by_field() {
        for (body, param) in [
            (json!([]), json!(null)),
            (json!({"messages": [{"role": "user", "content": "x"}]}), json!("model")),
            (json!({"model": "demo"}), json!("messages")),
            (json!({"model": "demo", "messages": []}), json!("messages")),
            (json!({"model": "demo", "messages": ["x"]}), json!("messages")),
            (json!({"model": "demo", "messages": [{"role": "user", "content": 1}]}), json!("messages")),
            (hello(&json!({"n": 0})), json!("n")),
            (hello(&json!({"n": 129})), json!("n")),
            (hello(&json!({"max_tokens": 1.5})), json!("max_tokens")),
            (hello(&json!({"stream": "yes"})), json!("stream")),
        ] {
            let (status, text) = read(&body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
            let error: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(error["error"]["param"], param, "{body}");
            assert_eq!(error["error"]["type"], "invalid_request_error");
        }
        assert_eq!(answer(&Bytes::from_static(b"{"), NOW).status, StatusCode::BAD_REQUEST);
    }
}
