//! Anthropic's messages.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Complaint, MAX_CAP, capped, count, flag, id_of, json_reply, object, read_messages, reply_to,
    stream_reply, texts_of, whole_number,
};
use crate::channels::client::{ProviderReply, StatusCode};

/// Answers a message.
pub(super) fn answer(body: &Bytes) -> ProviderReply {
    match Wish::parse(body) {
        Ok(wish) if wish.stream => wish.streamed(&id_of(body)),
        Ok(wish) => wish.plain(&id_of(body)),
        Err(complaint) => refusal(&complaint),
    }
}

/// Answers how much input a message would have.
pub(super) fn count_tokens(body: &Bytes) -> ProviderReply {
    let counted = object(body).and_then(|body| Ok(read_input(&body)?.0));
    match counted {
        Ok(input) => json_reply(StatusCode::OK, &json!({ "input_tokens": input })),
        Err(complaint) => refusal(&complaint),
    }
}

fn refusal(complaint: &Complaint) -> ProviderReply {
    let error = json!({"type": "invalid_request_error", "message": complaint.message});
    json_reply(StatusCode::BAD_REQUEST, &json!({"type": "error", "error": error}))
}

/// What a request asks for, checked.
struct Wish {
    model: String,
    input: u64,
    last_said: Option<String>,
    cap: u64,
    stream: bool,
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Complaint> {
        let body = object(body)?;
        let model = body["model"].as_str().ok_or_else(|| Complaint::about("model", "must be a string"))?;
        let (input, last_said) = read_input(&body)?;
        let cap = whole_number(&body, "max_tokens", MAX_CAP)?;
        Ok(Self {
            model: model.to_owned(),
            input,
            last_said,
            cap: cap.ok_or_else(|| Complaint::about("max_tokens", "is required"))?,
            stream: flag(&body, "stream")?,
        })
    }

    /// What is said, unit by unit, and why it stops.
    fn says(&self) -> (Vec<String>, &'static str) {
        let (units, is_cut) = capped(&reply_to(self.last_said.as_deref()), Some(self.cap));
        (units, if is_cut { "max_tokens" } else { "end_turn" })
    }

    fn message(&self, id: &str, content: &Value) -> Value {
        json!({
            "id": format!("msg_demo_{id}"),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": null,
            "stop_sequence": null,
            "usage": {"input_tokens": self.input, "output_tokens": 0},
        })
    }

    fn plain(&self, id: &str) -> ProviderReply {
        let (units, stop_reason) = self.says();
        let mut message = self.message(id, &json!([{"type": "text", "text": units.concat()}]));
        message["stop_reason"] = json!(stop_reason);
        message["usage"]["output_tokens"] = json!(units.len());
        json_reply(StatusCode::OK, &message)
    }

    fn streamed(&self, id: &str) -> ProviderReply {
        let (units, stop_reason) = self.says();
        let mut start = event(&json!({"type": "message_start", "message": self.message(id, &json!([]))}));
        let block = json!({"type": "text", "text": ""});
        start.push_str(&event(&json!({"type": "content_block_start", "index": 0, "content_block": block})));
        start.push_str(&event(&json!({"type": "ping"})));
        let delta = |unit: &String| {
            let delta = json!({"type": "text_delta", "text": unit});
            event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
        };
        let mut end = event(&json!({"type": "content_block_stop", "index": 0}));
        end.push_str(&event(&json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason, "stop_sequence": null},
            "usage": {"input_tokens": self.input, "output_tokens": units.len()},
        })));
        end.push_str(&event(&json!({"type": "message_stop"})));
        stream_reply([start].into_iter().chain(units.iter().map(delta)).chain([end]))
    }
}

/// The units of the system prompt and of all messages, and the beginning of the last one by the user.
fn read_input(body: &Value) -> Result<(u64, Option<String>), Complaint> {
    let (input, last_said) = read_messages(&body["messages"])?;
    let system = texts_of(&body["system"]).map_err(|_| Complaint::about("system", "must be text"))?;
    Ok((system.iter().fold(input, |sum, text| sum.saturating_add(count(text))), last_said))
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut reply: ProviderReply) -> (StatusCode, String) {
        let mut text = String::new();
        while let Some(piece) = reply.body.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
        (reply.status, text)
    }

    fn hello(extra: &Value) -> Bytes {
        let mut body = json!({"model": "demo", "max_tokens": 1000, "system": "Be kind.",
            "messages": [{"role": "user", "content": "How are you?"}]});
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        Bytes::from(body.to_string())
    }

    #[tokio::test]
    async fn a_stream_says_the_same_as_a_plain_answer() {
        for extra in [json!({}), json!({"max_tokens": 3})] {
            let (_, plain) = read(answer(&hello(&extra))).await;
            let plain: Value = serde_json::from_str(&plain).unwrap();
            let mut streaming = extra.clone();
            streaming["stream"] = json!(true);
            let (_, stream) = read(answer(&hello(&streaming))).await;
            let events: Vec<Value> = stream
                .split_terminator("\n\n")
                .map(|event| serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap())
                .collect();
            let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
            assert_eq!(plain["content"][0]["text"], text);
            let end = &events[events.len() - 2];
            assert_eq!(
                (&end["usage"], &end["delta"]["stop_reason"]),
                (&plain["usage"], &plain["stop_reason"])
            );
            assert_eq!(plain["usage"]["input_tokens"], 3 + 4);
            assert_eq!(plain["usage"]["output_tokens"], count(&text));
            assert_eq!(events.last().unwrap()["type"], "message_stop");
        }
    }

    #[tokio::test]
    async fn input_is_counted_alike() {
        let (status, text) = read(count_tokens(&hello(&json!({"max_tokens": null})))).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "{\"input_tokens\":7}"));
    }

    #[tokio::test]
    async fn a_bad_body_is_refused_in_the_dialect() {
        for extra in [json!({"max_tokens": null}), json!({"messages": []}), json!({"system": 1})] {
            let (status, text) = read(answer(&hello(&extra))).await;
            let error: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((status, &error["type"]), (StatusCode::BAD_REQUEST, &json!("error")), "{extra}");
            assert_eq!(error["error"]["type"], "invalid_request_error");
        }
    }
}
