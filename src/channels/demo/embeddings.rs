//! OpenAI's embeddings: vectors of length 1 that are the same for the same text, and mean nothing.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::chat::refusal;
use super::{Complaint, count, json_reply, object, whole_number};
use crate::channels::client::{ProviderReply, StatusCode};

/// The numbers of a vector when the request does not say, and the most it may say.
const DIMENSIONS: u64 = 256;
const MAX_DIMENSIONS: u64 = 3_072;

/// Answers a request for embeddings.
pub(super) fn answer(body: &Bytes) -> ProviderReply {
    match embed(body) {
        Ok(whole) => json_reply(StatusCode::OK, &whole),
        Err(complaint) => refusal(complaint),
    }
}

fn embed(body: &[u8]) -> Result<Value, Complaint> {
    let body = object(body)?;
    let model = body["model"].as_str().ok_or_else(|| Complaint::about("model", "must be a string"))?;
    let dimensions = whole_number(&body, "dimensions", MAX_DIMENSIONS)?.unwrap_or(DIMENSIONS);
    let dimensions = usize::try_from(dimensions).unwrap_or_default();
    let inputs = inputs(&body["input"]).ok_or_else(|| {
        Complaint::about("input", "must be a string, an array of strings, or token ids, and not be empty")
    })?;
    let is_base64 = match &body["encoding_format"] {
        Value::Null => false,
        format if format == "float" || format == "base64" => format == "base64",
        _ => return Err(Complaint::about("encoding_format", "must be float or base64")),
    };
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(&input.to_string(), dimensions);
        let embedding = if is_base64 { json!(base64(&bytes_of(&vector))) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = data.collect();
    let units = inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(units_of(input)));
    let usage = json!({"prompt_tokens": units, "total_tokens": units});
    Ok(json!({"object": "list", "data": data, "model": model, "usage": usage}))
}

/// Texts or token ids, one by one; an array of numbers is one. `None` for anything else, and for nothing.
pub(super) fn inputs(input: &Value) -> Option<Vec<&Value>> {
    let is_ids =
        |value: &Value| value.as_array().is_some_and(|ids| !ids.is_empty() && ids.iter().all(Value::is_u64));
    match input {
        Value::String(_) => Some(vec![input]),
        Value::Array(_) if is_ids(input) => Some(vec![input]),
        Value::Array(all) if !all.is_empty() && all.iter().all(|one| one.is_string() || is_ids(one)) => {
            Some(all.iter().collect())
        }
        _ => None,
    }
}

/// The units of one of them.
pub(super) fn units_of(input: &Value) -> u64 {
    match input {
        Value::Array(ids) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
        _ => input.as_str().map_or(0, count),
    }
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let bytes = (0_u64..).flat_map(|round| Sha256::digest(format!("{round} {text}")));
    let raw: Vec<f32> = bytes.take(dimensions).map(|byte| f32::from(byte) - 127.5).collect();
    let length = raw.iter().map(|number| number * number).sum::<f32>().sqrt();
    raw.iter().map(|number| number / length).collect()
}

fn bytes_of(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(group.get(at).copied().unwrap_or_default()));
        let bits = a << 16 | b << 8 | c;
        for at in 0..4 {
            let letter = usize::try_from(bits >> (18 - 6 * at) & 63).ok().and_then(|at| LETTERS.get(at));
            let is_padding = at > u32::try_from(group.len()).unwrap_or(3);
            text.push(letter.filter(|_| !is_padding).map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_alike_in_both_spellings() {
        let ask = |extra: &str| embed(format!("{{\"model\":\"demo\",{extra}}}").as_bytes()).ok().unwrap();
        let plain = ask("\"input\":[\"Hello, world!\",\"x\"],\"dimensions\":5");
        assert_eq!(plain["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
        let numbers: Vec<f32> = serde_json::from_value(plain["data"][0]["embedding"].clone()).unwrap();
        assert_eq!(numbers.len(), 5);
        assert!((numbers.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-5);
        let packed = ask("\"input\":\"Hello, world!\",\"dimensions\":5,\"encoding_format\":\"base64\"");
        assert_eq!(packed["data"][0]["embedding"], base64(&bytes_of(&numbers)));
        assert_eq!(ask("\"input\":[7,8,9]")["usage"]["total_tokens"], 3);
        assert_eq!(ask("\"input\":[[7,8],[9]]")["data"].as_array().unwrap().len(), 2);
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn bad_bodies_are_refused() {
        for members in
            ["\"input\":[]", "\"input\":1", "\"input\":\"a\",\"dimensions\":0", "\"input\":[\"a\",1]"]
        {
            assert!(embed(format!("{{\"model\":\"demo\",{members}}}").as_bytes()).is_err(), "{members}");
        }
    }
}
