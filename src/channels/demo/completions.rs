//! OpenAI's older completions, of prompts.

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::refusal;
use super::embeddings::{inputs, units_of};
use super::{
    Complaint, MAX_CAP, beginning, capped, flag, id_of, json_reply, object, reply_to, stream_reply,
    whole_number,
};
use crate::channels::client::{ProviderReply, StatusCode};
use crate::clock::Timestamp;

/// The most choices for each prompt.
const MAX_CHOICES: u64 = 128;

/// Answers a completion.
pub(super) fn answer(body: &Bytes, created: Timestamp) -> ProviderReply {
    let stamp = Stamp { id: format!("cmpl-demo-{}", id_of(body)), created: created.secs() };
    match Wish::parse(body) {
        Ok(wish) if wish.stream => wish.streamed(&stamp),
        Ok(wish) => {
            let (choices, usage) = (wish.choices(), wish.usage());
            let mut whole = stamp.object(&wish.model, &choices);
            whole["usage"] = usage;
            json_reply(StatusCode::OK, &whole)
        }
        Err(complaint) => refusal(complaint),
    }
}

/// What a request asks for, checked, and what is said to it.
struct Wish {
    model: String,
    prompt_units: u64,
    /// For each choice: what is said, unit by unit, and why it stops.
    said: Vec<(Vec<String>, &'static str)>,
    /// All units of output, also of those choices that are not shown.
    billed: u64,
    stream: bool,
    usage_in_stream: bool,
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Complaint> {
        let body = object(body)?;
        let model = body["model"].as_str().ok_or_else(|| Complaint::about("model", "must be a string"))?;
        let prompts = inputs(&body["prompt"]).ok_or_else(|| {
            Complaint::about(
                "prompt",
                "must be a string, an array of strings, or token ids, and not be empty",
            )
        })?;
        let cap = whole_number(&body, "max_tokens", MAX_CAP)?.unwrap_or(16);
        let choices = whole_number(&body, "n", MAX_CHOICES)?.unwrap_or(1);
        let best_of = whole_number(&body, "best_of", MAX_CHOICES)?.unwrap_or(choices).max(choices);
        let is_echoed = flag(&body, "echo")?;
        let mut said = Vec::new();
        let mut billed = 0_u64;
        for prompt in &prompts {
            let text = prompt.as_str();
            let asked = text.map(|text| beginning(&[text])).filter(|asked| !asked.is_empty());
            let (units, is_cut) = capped(&reply_to(asked.as_deref()), Some(cap));
            let output = u64::try_from(units.len()).unwrap_or(u64::MAX);
            billed = billed.saturating_add(output.saturating_mul(best_of));
            let echo = text.filter(|_| is_echoed).map(str::to_owned);
            let units: Vec<String> = echo.into_iter().chain(units).collect();
            said.extend((0..choices).map(|_| (units.clone(), if is_cut { "length" } else { "stop" })));
        }
        let options = &body["stream_options"];
        Ok(Self {
            model: model.to_owned(),
            prompt_units: prompts.iter().fold(0, |sum, prompt| sum.saturating_add(units_of(prompt))),
            said,
            stream: flag(&body, "stream")?,
            usage_in_stream: !options.is_null() && flag(options, "include_usage")?,
            billed,
        })
    }

    fn choices(&self) -> Vec<Value> {
        let choice = |(index, (units, reason)): (usize, &(Vec<String>, &str))| json!({"index": index, "text": units.concat(), "logprobs": null, "finish_reason": reason});
        self.said.iter().enumerate().map(choice).collect()
    }

    fn usage(&self) -> Value {
        let total = self.prompt_units.saturating_add(self.billed);
        json!({"prompt_tokens": self.prompt_units, "completion_tokens": self.billed, "total_tokens": total})
    }

    fn streamed(&self, stamp: &Stamp) -> ProviderReply {
        let mut pieces = Vec::new();
        for (index, (units, reason)) in self.said.iter().enumerate() {
            let reason = std::iter::once((String::new(), json!(reason)));
            for (text, reason) in units.iter().map(|unit| (unit.clone(), Value::Null)).chain(reason) {
                let choice = json!({"index": index, "text": text, "logprobs": null, "finish_reason": reason});
                let mut chunk = stamp.object(&self.model, &[choice]);
                if self.usage_in_stream {
                    chunk["usage"] = Value::Null;
                }
                pieces.push(format!("data: {chunk}\n\n"));
            }
        }
        let mut last = String::new();
        if self.usage_in_stream {
            let mut chunk = stamp.object(&self.model, &[]);
            chunk["usage"] = self.usage();
            last = format!("data: {chunk}\n\n");
        }
        last.push_str("data: [DONE]\n\n");
        pieces.push(last);
        stream_reply(pieces)
    }
}

/// What all objects of one answer have in common.
struct Stamp {
    id: String,
    created: i64,
}

impl Stamp {
    fn object(&self, model: &str, choices: &[Value]) -> Value {
        json!({"id": self.id, "object": "text_completion", "created": self.created, "model": model, "choices": choices})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(extra: &Value) -> String {
        let mut body = json!({"model": "demo", "prompt": "Say hello"});
        extra.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
        let mut reply = answer(&Bytes::from(body.to_string()), Timestamp::from_secs(1));
        let mut text = String::new();
        while let Some(piece) = reply.body.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
        text
    }

    #[tokio::test]
    async fn a_stream_says_the_same_as_a_plain_answer() {
        let plain: Value = serde_json::from_str(&read(&json!({"echo": true})).await).unwrap();
        let text =
            read(&json!({"echo": true, "stream": true, "stream_options": {"include_usage": true}})).await;
        let events: Vec<Value> = text
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        let streamed: String =
            events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
        assert!(streamed.starts_with("Say helloHello! You said"), "{streamed}");
        assert_eq!(plain["choices"][0]["text"], streamed);
        assert_eq!(plain["choices"][0]["finish_reason"], "length");
        assert_eq!(plain["usage"], json!({"prompt_tokens": 2, "completion_tokens": 16, "total_tokens": 18}));
        assert_eq!(events.last().unwrap()["usage"], plain["usage"]);
        assert!(text.ends_with("data: [DONE]\n\n"));
    }

    #[tokio::test]
    async fn all_that_is_written_is_billed() {
        let extra = json!({"prompt": ["a", [1, 2]], "n": 2, "best_of": 3, "max_tokens": 5});
        let plain: Value = serde_json::from_str(&read(&extra).await).unwrap();
        assert_eq!(plain["choices"].as_array().unwrap().len(), 4);
        assert_eq!(plain["usage"], json!({"prompt_tokens": 3, "completion_tokens": 30, "total_tokens": 33}));
        for bad in [json!({"prompt": null}), json!({"prompt": 1}), json!({"n": 0}), json!({"echo": 1})] {
            assert!(read(&bad).await.contains("invalid_request_error"), "{bad}");
        }
    }
}
