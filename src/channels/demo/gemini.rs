//! Gemini's methods.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Complaint, MAX_CAP, capped, count, id_of, json_reply, object, reply_to, stream_reply, texts_of,
    whole_number,
};
use crate::channels::client::{HeaderValue, ProviderReply, StatusCode, header};

/// Answers the method that `path` ends in.
pub(super) fn answer(path: &str, query: &str, body: &Bytes) -> ProviderReply {
    let method = path.rsplit_once(':').map_or("", |(_, method)| method);
    let answered = match method {
        "generateContent" => Wish::parse(body).map(|wish| wish.plain(&id_of(body))),
        "streamGenerateContent" => Wish::parse(body).map(|wish| {
            let is_events = query.split('&').any(|pair| pair == "alt=sse");
            if is_events { wish.events(&id_of(body)) } else { wish.array(&id_of(body)) }
        }),
        "countTokens" => counted(body),
        "embedContent" => embedded(body),
        "batchEmbedContents" => all_embedded(body),
        _ => Err(Complaint::no_json("The demo model has no such method".to_owned())),
    };
    answered.unwrap_or_else(|complaint| {
        let error = json!({"code": 400, "message": complaint.message, "status": "INVALID_ARGUMENT"});
        json_reply(StatusCode::BAD_REQUEST, &json!({ "error": error }))
    })
}

/// What a request asks for, checked.
struct Wish {
    input: u64,
    last_said: Option<String>,
    cap: Option<u64>,
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Complaint> {
        let body = object(body)?;
        let (input, last_said) = read_input(&body)?;
        let config = either(&body, "generationConfig", "generation_config");
        let cap = whole_number(config, "maxOutputTokens", MAX_CAP)?;
        let cap = cap.or(whole_number(config, "max_output_tokens", MAX_CAP)?);
        Ok(Self { input, last_said, cap })
    }

    fn says(&self) -> (Vec<String>, &'static str) {
        let (units, is_cut) = capped(&reply_to(self.last_said.as_deref()), self.cap);
        (units, if is_cut { "MAX_TOKENS" } else { "STOP" })
    }

    fn chunk(&self, id: &str, text: &str, (written, reason): (usize, Option<&str>)) -> Value {
        let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
        if let Some(reason) = reason {
            candidate["finishReason"] = json!(reason);
        }
        let total = self.input.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        json!({
            "candidates": [candidate],
            "usageMetadata": {
                "promptTokenCount": self.input, "candidatesTokenCount": written, "totalTokenCount": total,
            },
            "modelVersion": "demo",
            "responseId": id,
        })
    }

    fn plain(&self, id: &str) -> ProviderReply {
        let (units, reason) = self.says();
        json_reply(StatusCode::OK, &self.chunk(id, &units.concat(), (units.len(), Some(reason))))
    }

    fn chunks(&self, id: &str) -> Vec<Value> {
        let (units, reason) = self.says();
        let reason = |at: usize| (at == units.len()).then_some(reason);
        (1..).zip(&units).map(|(at, unit)| self.chunk(id, unit, (at, reason(at)))).collect()
    }

    fn events(&self, id: &str) -> ProviderReply {
        stream_reply(self.chunks(id).iter().map(|chunk| format!("data: {chunk}\r\n\r\n")))
    }

    fn array(&self, id: &str) -> ProviderReply {
        let lead = |at: usize| if at == 0 { "[" } else { ",\r\n" };
        let chunks = self.chunks(id);
        let pieces = chunks.iter().enumerate().map(|(at, chunk)| format!("{}{chunk}", lead(at)));
        let mut reply = stream_reply(pieces.chain(["\r\n]\r\n".to_owned()]));
        reply
            .headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
        reply
    }
}

fn counted(body: &[u8]) -> Result<ProviderReply, Complaint> {
    let body = object(body)?;
    let inner = either(&body, "generateContentRequest", "generate_content_request");
    let (total, _) = read_input(if inner.is_object() { inner } else { &body })?;
    Ok(json_reply(StatusCode::OK, &json!({ "totalTokens": total })))
}

fn embedded(body: &[u8]) -> Result<ProviderReply, Complaint> {
    let body = object(body)?;
    let (embedding, units) = embedding(&body)?;
    let usage = json!({ "promptTokenCount": units });
    Ok(json_reply(StatusCode::OK, &json!({"embedding": embedding, "usageMetadata": usage})))
}

fn all_embedded(body: &[u8]) -> Result<ProviderReply, Complaint> {
    let body = object(body)?;
    let requests =
        body["requests"].as_array().ok_or_else(|| Complaint::about("requests", "must be an array"))?;
    let mut embeddings = Vec::new();
    let mut total = 0_u64;
    for request in requests {
        let (one, units) = embedding(request)?;
        embeddings.push(one);
        total = total.saturating_add(units);
    }
    let usage = json!({ "promptTokenCount": total });
    Ok(json_reply(StatusCode::OK, &json!({"embeddings": embeddings, "usageMetadata": usage})))
}

/// Eight numbers that are the same for the same text, and its units.
fn embedding(request: &Value) -> Result<(Value, u64), Complaint> {
    let texts = texts_of(&request["content"]["parts"])?;
    let units = texts.iter().map(|text| count(text)).fold(0_u64, u64::saturating_add);
    let digits = id_of(texts.concat().as_bytes());
    let values: Vec<f64> = digits.bytes().take(8).map(|digit| f64::from(digit % 16) / 16.0 - 0.5).collect();
    Ok((json!({ "values": values }), units))
}

/// The units of all that is said to the model, and the beginning of what the user said last.
fn read_input(body: &Value) -> Result<(u64, Option<String>), Complaint> {
    let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
    let contents =
        contents.ok_or_else(|| Complaint::about("contents", "must be an array of at least one content"))?;
    let mut input = 0_u64;
    let mut last_said = None;
    for content in contents {
        let texts = texts_of(&content["parts"])?;
        input = texts.iter().fold(input, |sum, text| sum.saturating_add(count(text)));
        if content["role"] != "model" {
            last_said = Some(super::beginning(&texts)).filter(|said| !said.is_empty());
        }
    }
    let system = texts_of(&either(body, "systemInstruction", "system_instruction")["parts"])?;
    Ok((system.iter().fold(input, |sum, text| sum.saturating_add(count(text))), last_said))
}

/// A member in one of its two spellings.
fn either<'a>(body: &'a Value, camel: &str, snake: &str) -> &'a Value {
    if body[camel].is_null() { &body[snake] } else { &body[camel] }
}
