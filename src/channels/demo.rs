//! The built-in provider: answers OpenAI chat completions on the spot, with no network and no account, so that a first
//! run works. Deterministic: the same body at the same moment gives the same answer. Must not know of connections,
//! budgets or prices; its usage figures are real by its own count, see [`count`].

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{HeaderMap, HeaderValue, ProviderReply, ReplyBody, StatusCode, header};
use crate::clock::Timestamp;

/// The pause between two words of a stream.
const PAUSE: Duration = Duration::from_millis(5);
/// How many units of the caller's last message are repeated, and how many characters at most.
const ECHOED_UNITS: usize = 12;
const ECHOED_CHARS: usize = 200;
/// The most choices one request may ask for.
const MAX_CHOICES: u64 = 128;
/// The largest cap on output that is one.
const MAX_CAP: u64 = 1 << 31;

/// Answers the chat completion request in `body`, as OpenAI would have at `created`: a whole JSON body, server-sent
/// events when it asks for a stream, or a 400 with an error object.
pub fn answer(body: &Bytes, created: Timestamp) -> ProviderReply {
    match Wish::parse(body) {
        Ok(wish) if wish.stream => wish.streamed(&Stamp::new(body, created)),
        Ok(wish) => wish.plain(&Stamp::new(body, created)),
        Err(complaint) => complaint.into_reply(),
    }
}

/// The number of units (the demo's "tokens") of `text`: each run of letters and digits is one, and so is every other
/// character that is not blank. A unit has at least one byte, so a text has never more units than bytes.
pub fn count(text: &str) -> u64 {
    u64::try_from(units(text).count()).unwrap_or(u64::MAX)
}

/// The units of `text`, each with the blanks before it; joined again they are `text`, but for blanks at its end.
fn units(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let blank = rest.len() - rest.trim_start().len();
        let first = rest[blank..].chars().next()?;
        let word = if first.is_alphanumeric() {
            rest[blank..].find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len() - blank)
        } else {
            first.len_utf8()
        };
        let (unit, after) = rest.split_at(blank + word);
        rest = after;
        Some(unit)
    })
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

/// A field that can't be what it is.
struct Complaint {
    param: Option<&'static str>,
    code: &'static str,
    message: String,
}

impl Complaint {
    fn about(param: &'static str, message: &str) -> Self {
        let message = format!("'{param}' {message}");
        Self { param: Some(param), code: "invalid_parameter", message }
    }

    fn no_json(message: String) -> Self {
        Self { param: None, code: "invalid_json", message }
    }

    fn into_reply(self) -> ProviderReply {
        let Self { param, code, message } = self;
        let error =
            json!({"message": message, "type": "invalid_request_error", "param": param, "code": code});
        json_reply(StatusCode::BAD_REQUEST, &json!({ "error": error }))
    }
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Complaint> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Complaint::no_json(format!("The body is not JSON: {error}")))?;
        if !body.is_object() {
            return Err(Complaint::no_json("The body must be a JSON object".to_owned()));
        }
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
        let mut text = if index == 0 { String::new() } else { format!("Choice {}: ", index + 1) };
        match &self.last_said {
            Some(said) => {
                text.push_str("Hello! You said: “");
                text.push_str(said);
                text.push_str("”. ");
            }
            None => text.push_str("Hello! "),
        }
        text.push_str(
            "This is the built-in demo model: it calls no provider and knows nothing, but your gateway works. \
             Add a channel to config.toml to reach a real one.",
        );
        text
    }

    fn says(&self, index: u64) -> Said {
        let text = self.text(index);
        let cap = self.cap.and_then(|cap| usize::try_from(cap).ok()).unwrap_or(usize::MAX);
        let mut all = units(&text);
        let units: Vec<String> = all.by_ref().take(cap).map(str::to_owned).collect();
        Said { units, finish_reason: if all.next().is_some() { "length" } else { "stop" } }
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
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        let pieces = pieces.into_iter().map(Bytes::from).collect();
        ProviderReply { status: StatusCode::OK, headers, body: ReplyBody::paced(pieces, PAUSE) }
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
        let mut id = "chatcmpl-demo-".to_owned();
        for byte in Sha256::digest(body).iter().take(12) {
            id.push_str(&format!("{byte:02x}"));
        }
        Self { id, created: created.secs() }
    }

    fn object(&self, kind: &str, model: &str, choices: &[Value]) -> Value {
        json!({"id": self.id, "object": kind, "created": self.created, "model": model, "choices": choices})
    }
}

/// The units of all messages' text, and the beginning of the last one by the user.
fn read_messages(messages: &Value) -> Result<(u64, Option<String>), Complaint> {
    let messages = messages
        .as_array()
        .filter(|messages| !messages.is_empty())
        .ok_or_else(|| Complaint::about("messages", "must be an array of at least one message"))?;
    let mut prompt_units = 0_u64;
    let mut last_said = None;
    for message in messages {
        let Some(role) = message["role"].as_str() else {
            return Err(Complaint::about("messages", "must hold objects that have a role"));
        };
        let texts = texts_of(&message["content"])?;
        prompt_units = texts.iter().fold(prompt_units, |sum, text| sum.saturating_add(count(text)));
        if role == "user" {
            last_said = Some(beginning(&texts));
        }
    }
    Ok((prompt_units, last_said.filter(|said| !said.is_empty())))
}

/// The texts of a message: itself, or those of its parts; images and the like have none.
fn texts_of(content: &Value) -> Result<Vec<&str>, Complaint> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text]),
        Value::Array(parts) => Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => Err(Complaint::about("messages", "must have content that is a string, an array or null")),
    }
}

fn beginning(texts: &[&str]) -> String {
    let mut all = texts.iter().flat_map(|text| units(text));
    let start: String = all.by_ref().take(ECHOED_UNITS).collect();
    let start = start.trim();
    let mut said: String = start.chars().take(ECHOED_CHARS).collect();
    if said.len() < start.len() || all.next().is_some() {
        said.push('…');
    }
    said
}

/// An optional whole number from 1 to `most`; null is absent.
fn whole_number(body: &Value, name: &'static str, most: u64) -> Result<Option<u64>, Complaint> {
    match &body[name] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(number) if (1..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Complaint::about(name, &format!("must be a whole number from 1 to {most}"))),
        },
    }
}

/// An optional boolean; absent and null are false.
fn flag(object: &Value, name: &'static str) -> Result<bool, Complaint> {
    match &object[name] {
        Value::Null => Ok(false),
        value => value.as_bool().ok_or_else(|| Complaint::about(name, "must be true or false")),
    }
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn json_reply(status: StatusCode, body: &Value) -> ProviderReply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ProviderReply { status, headers, body: ReplyBody::whole(Bytes::from(body.to_string())) }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn units_are_words_and_marks() {
        for (text, expected) in
            [("", 0), (" \n ", 0), ("a", 1), ("Hello, world!", 4), ("x1  y…", 3), ("你好。", 2), ("!!", 2)]
        {
            assert_eq!(count(text), expected, "{text}");
            assert!(expected <= u64::try_from(text.len()).unwrap());
            assert_eq!(units(text).collect::<String>(), text.trim_end(), "{text}");
        }
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
