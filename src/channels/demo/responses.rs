//! OpenAI's responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::refusal;
use super::stored::{self, Kept};
use super::{
    Complaint, MAX_CAP, beginning, capped, count, flag, id_of, json_reply, object, reply_to, stream_reply,
    texts_of, whole_number,
};
use crate::channels::client::{ProviderReply, StatusCode};
use crate::clock::Timestamp;

/// The most units that a response and what it goes on from have together.
const LONGEST: u64 = 32_768;

/// Answers a response, and stores it unless that is not wanted.
pub(super) fn answer(body: &Bytes, created: Timestamp) -> ProviderReply {
    let wish = match Wish::parse(body) {
        Ok(wish) => wish,
        Err(complaint) => return refusal(complaint),
    };
    let (id, created) = (mint(body, created), created.secs());
    let reply = if wish.stream {
        stream_reply(wish.events(&id, created))
    } else {
        json_reply(StatusCode::OK, &wish.ended(&id, created))
    };
    if wish.store {
        stored::keep(Kept { id, created, wish, bytes: body.len() });
    }
    reply
}

/// The last part of an id that no other response has.
fn mint(body: &[u8], created: Timestamp) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    id_of(&[body, &created.millis().to_be_bytes(), &number.to_be_bytes()].concat())
}

/// Answers how much input a response would have.
pub(super) fn count_input(body: &Bytes) -> ProviderReply {
    match Wish::parse(body) {
        Ok(wish) => {
            let counted = json!({"object": "response.input_tokens", "input_tokens": wish.input});
            json_reply(StatusCode::OK, &counted)
        }
        Err(complaint) => refusal(complaint),
    }
}

/// What a request asks for, checked, and what is said to it.
pub(super) struct Wish {
    model: String,
    input: u64,
    units: Vec<String>,
    is_cut: bool,
    stream: bool,
    store: bool,
    previous: Option<String>,
    /// What was said to it, where it is stored.
    pub(super) items: Vec<Value>,
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Complaint> {
        let size = body.len();
        let body = object(body)?;
        let model = body["model"].as_str().ok_or_else(|| Complaint::about("model", "must be a string"))?;
        let previous = previous(&body["previous_response_id"])?;
        let (mut input, last_said) = match &body["input"] {
            Value::Null if previous.is_some() => (0, None),
            input => read_input(input)?,
        };
        input = input.saturating_add(body["instructions"].as_str().map_or(0, count));
        if let Some(kept) = &previous {
            input = input.saturating_add(kept.wish.length());
            if input > LONGEST {
                return Err(Complaint::about("input", "is too long with all that it goes on from"));
            }
        }
        let cap = whole_number(&body, "max_output_tokens", MAX_CAP)?;
        let (units, is_cut) = capped(&reply_to(last_said.as_deref()), cap);
        let store = (body["store"].is_null() || flag(&body, "store")?) && size <= stored::LARGEST;
        Ok(Self {
            model: model.to_owned(),
            input,
            units,
            is_cut,
            stream: flag(&body, "stream")?,
            store,
            previous: previous.map(|kept| kept.name()),
            items: if store { items(&body["input"]) } else { Vec::new() },
        })
    }

    /// Its units of input and output.
    fn length(&self) -> u64 {
        self.input.saturating_add(u64::try_from(self.units.len()).unwrap_or(u64::MAX))
    }

    /// The response as it is with this `status` and output, before its usage is known.
    fn response(&self, id: &str, created: i64, status: &str, output: &[Value]) -> Value {
        json!({
            "id": format!("resp_demo_{id}"),
            "object": "response",
            "created_at": created,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "max_output_tokens": null,
            "metadata": {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": self.previous,
            "store": self.store,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": null,
        })
    }

    /// The response as it is in the end.
    pub(super) fn ended(&self, id: &str, created: i64) -> Value {
        let status = self.status();
        let mut response =
            self.response(id, created, status, &[message(id, status, &[part(&self.units.concat())])]);
        if self.is_cut {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        let output = u64::try_from(self.units.len()).unwrap_or(u64::MAX);
        response["usage"] = json!({
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input.saturating_add(output),
        });
        response
    }

    fn status(&self) -> &'static str {
        if self.is_cut { "incomplete" } else { "completed" }
    }

    /// The events that tell it, the number of each being its place.
    pub(super) fn events(&self, id: &str, created: i64) -> Vec<String> {
        let mut pieces = Pieces::default();
        let begun = self.response(id, created, "in_progress", &[]);
        pieces.add("response.created", json!({ "response": begun }));
        pieces.add("response.in_progress", json!({ "response": begun }));
        pieces.add(
            "response.output_item.added",
            json!({"output_index": 0, "item": message(id, "in_progress", &[])}),
        );
        let place = |mut more: Value| {
            more["item_id"] = json!(format!("msg_demo_{id}"));
            more["output_index"] = json!(0);
            more["content_index"] = json!(0);
            more
        };
        pieces.add("response.content_part.added", place(json!({ "part": part("") })));
        for unit in &self.units {
            pieces.add("response.output_text.delta", place(json!({"delta": unit, "logprobs": []})));
        }
        let text = self.units.concat();
        pieces.add("response.output_text.done", place(json!({"text": text, "logprobs": []})));
        pieces.add("response.content_part.done", place(json!({ "part": part(&text) })));
        let item = message(id, self.status(), &[part(&text)]);
        pieces.add("response.output_item.done", json!({"output_index": 0, "item": item}));
        pieces.add(&format!("response.{}", self.status()), json!({ "response": self.ended(id, created) }));
        pieces.events
    }
}

/// The events of a stream, numbered.
#[derive(Default)]
struct Pieces {
    events: Vec<String>,
}

impl Pieces {
    fn add(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.events.len());
        self.events.push(format!("event: {kind}\ndata: {data}\n\n"));
    }
}

/// The stored response that `id` names.
fn previous(id: &Value) -> Result<Option<Arc<Kept>>, Complaint> {
    let id = match id {
        Value::Null => return Ok(None),
        Value::String(id) => id,
        _ => return Err(Complaint::about("previous_response_id", "must be a string")),
    };
    stored::find(id).map(Some).ok_or_else(|| Complaint {
        param: Some("previous_response_id"),
        code: "previous_response_not_found",
        message: format!("Previous response with id '{id}' not found."),
    })
}

/// The items of an input, each with an id.
fn items(input: &Value) -> Vec<Value> {
    let said = |text: &Value| json!([{"type": "input_text", "text": text}]);
    let item = |(number, item): (usize, &Value)| {
        let mut item = match item {
            Value::String(_) => json!({"role": "user", "content": item}),
            _ => item.clone(),
        };
        if item["content"].is_string() {
            item["content"] = said(&item["content"]);
        }
        if item["type"].is_null() {
            item["type"] = json!("message");
        }
        if item["id"].is_null() {
            item["id"] = json!(format!("item_demo_{number}"));
        }
        item
    };
    match input {
        Value::Array(all) => all.iter().filter(|item| item.is_object()).enumerate().map(item).collect(),
        Value::String(_) => vec![item((0, input))],
        _ => Vec::new(),
    }
}

fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({"id": format!("msg_demo_{id}"), "type": "message", "role": "assistant", "status": status, "content": content})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The units of all text, and the beginning of what a user said last.
fn read_input(input: &Value) -> Result<(u64, Option<String>), Complaint> {
    let said = |texts: &[&str]| Some(beginning(texts)).filter(|said| !said.is_empty());
    match input {
        Value::String(text) => Ok((count(text), said(&[text]))),
        Value::Array(items) if !items.is_empty() => {
            let mut units = 0_u64;
            let mut last_said = None;
            for item in items {
                let texts = texts_of(&item["content"])
                    .map_err(|_| Complaint::about("input", "must hold items with text"))?;
                units = texts.iter().fold(units, |sum, text| sum.saturating_add(count(text)));
                units = units.saturating_add(item["output"].as_str().map_or(0, count));
                if item["role"] == "user" {
                    last_said = said(&texts);
                }
            }
            Ok((units, last_said))
        }
        _ => Err(Complaint::about("input", "must be a string or an array of at least one item")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(extra: &Value) -> String {
        let mut body = json!({"model": "demo", "input": "How are you?", "instructions": "Be kind."});
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
        for extra in [
            json!({}),
            json!({"max_output_tokens": 3}),
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "How are you?"}]}]}),
        ] {
            let plain: Value = serde_json::from_str(&read(&extra).await).unwrap();
            let mut streaming = extra.clone();
            streaming["stream"] = json!(true);
            let text = read(&streaming).await;
            let events: Vec<Value> = text
                .split_terminator("\n\n")
                .map(|event| serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap())
                .collect();
            let said: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
            let last = &events[events.len() - 1];
            let ended = &last["response"];
            assert_eq!((&ended["status"], &ended["usage"]), (&plain["status"], &plain["usage"]));
            assert_eq!(ended["output"][0]["content"], plain["output"][0]["content"]);
            assert_eq!(plain["output"][0]["content"][0]["text"], said);
            assert_eq!(plain["usage"]["input_tokens"], 3 + 4);
            assert_eq!(plain["usage"]["output_tokens"], count(&said));
            let is_cut = !extra["max_output_tokens"].is_null();
            assert_eq!(plain["status"], if is_cut { "incomplete" } else { "completed" });
            assert_eq!(last["type"], format!("response.{}", plain["status"].as_str().unwrap()));
        }
    }

    #[tokio::test]
    async fn a_bad_body_is_refused() {
        for extra in
            [json!({"input": 1}), json!({"input": []}), json!({"max_output_tokens": 0}), json!({"stream": 1})]
        {
            assert!(read(&extra).await.contains("invalid_request_error"), "{extra}");
        }
    }
}
