//! The built-in provider: answers the calls of OpenAI's dialect and of Anthropic's on the spot, with no network and no
//! account, so that a first run works. Deterministic: the same body at the same moment gives the same answer, but for the ids of
//! responses, the last few of which it stores in memory ([`stored`]). Must not know of connections, budgets or prices; its usage
//! figures are real by its own count, see [`count`].

mod chat;
mod completions;
mod embeddings;
mod gemini;
mod messages;
mod pictures;
mod ranking;
mod responses;
mod speech;
mod stored;
mod transcripts;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::client::{HeaderMap, HeaderValue, Method, ProviderReply, ReplyBody, StatusCode, header};
use crate::clock::Timestamp;

/// The pause between two words of a stream.
const PAUSE: Duration = Duration::from_millis(5);

/// How many units of the caller's last message are repeated, and how many characters at most.
const ECHOED_UNITS: usize = 12;
const ECHOED_CHARS: usize = 200;

/// The largest cap on output that is one.
const MAX_CAP: u64 = 1 << 31;

/// Answers the request in `body` to a provider's own path and query, `target`, as that provider would have at `created`: a whole JSON body,
/// server-sent events when it asks for a stream, or a 400 with an error object.
pub fn answer(target: &str, body: &Bytes, created: Timestamp) -> ProviderReply {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/v1/messages" => messages::answer(body),
        "/v1/messages/count_tokens" => messages::count_tokens(body),
        "/completions" => completions::answer(body, created),
        "/responses/input_tokens" => responses::count_input(body),
        "/responses" => responses::answer(body, created),
        "/moderations" => ranking::moderation(body),
        "/rerank" => ranking::ranking(body),
        "/audio/speech" => speech::answer(body),
        "/images/generations" => pictures::answer("image_generation", body, created),
        "/images/edits" => pictures::answer("image_edit", body, created),
        "/audio/transcriptions" => transcripts::answer("transcribe", body),
        "/audio/translations" => transcripts::answer("translate", body),
        "/embeddings" => embeddings::answer(body),
        _ if path.contains("/models/") => gemini::answer(path, query, body),
        _ => chat::answer(body, created),
    }
}

/// Answers what follows up a response that the demo stores: `method` on a provider's own path and query.
pub fn follow_up(method: &Method, target: &str) -> ProviderReply {
    stored::answer(method, target)
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
}

/// The JSON object that `body` must be.
fn object(body: &[u8]) -> Result<Value, Complaint> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Complaint::no_json(format!("The body is not JSON: {error}")))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(Complaint::no_json("The body must be a JSON object".to_owned()))
    }
}

/// What is answered to whoever said `said`, or nothing.
fn reply_to(said: Option<&str>) -> String {
    let mut text = match said {
        Some(said) => format!("Hello! You said: “{said}”. "),
        None => "Hello! ".to_owned(),
    };
    text.push_str(
        "This is the built-in demo model: it calls no provider and knows nothing, but your gateway works. \
         Add a channel to config.toml to reach a real one.",
    );
    text
}

/// Twenty-four hex digits that are the same for the same body.
fn id_of(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// The first units of `text`, at most `cap`, and whether it has more.
fn capped(text: &str, cap: Option<u64>) -> (Vec<String>, bool) {
    let cap = cap.and_then(|cap| usize::try_from(cap).ok()).unwrap_or(usize::MAX);
    let mut all = units(text);
    let first = all.by_ref().take(cap).map(str::to_owned).collect();
    (first, all.next().is_some())
}

/// A stream of these pieces, a pause between two.
fn stream_reply(pieces: impl IntoIterator<Item = String>) -> ProviderReply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    let pieces = pieces.into_iter().map(Bytes::from).collect();
    ProviderReply { status: StatusCode::OK, headers, body: ReplyBody::paced(pieces, PAUSE) }
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

fn json_reply(status: StatusCode, body: &Value) -> ProviderReply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ProviderReply { status, headers, body: ReplyBody::whole(Bytes::from(body.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
