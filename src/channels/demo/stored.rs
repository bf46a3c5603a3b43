//! The responses that the demo stores: the last few, in memory, all tokens' together. A start knows none of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::chat::refusal;
use super::responses::Wish;
use super::{Complaint, json_reply, stream_reply};
use crate::channels::client::{Method, ProviderReply, StatusCode};
use crate::wire::percent;

/// The most bytes that the requests of all stored responses had together, with [`EACH`] for each.
const MOST: usize = 2 << 20;

/// What a response counts beside its request.
const EACH: usize = 2_048;

/// The largest request whose response is stored.
pub(super) const LARGEST: usize = 64 << 10;

/// Items on a page, where nobody says how many.
const PAGE: usize = 20;

/// A stored response.
pub(super) struct Kept {
    /// The last part of its id.
    pub(super) id: String,
    /// When it was made, in seconds.
    pub(super) created: i64,
    /// What was asked, and what was said to it.
    pub(super) wish: Wish,
    /// Bytes of its request.
    pub(super) bytes: usize,
}

struct Ring {
    kept: VecDeque<Arc<Kept>>,
    bytes: usize,
}

static RING: Mutex<Ring> = Mutex::new(Ring::empty());

fn ring() -> MutexGuard<'static, Ring> {
    // Nothing in it is ever half done.
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ring {
    const fn empty() -> Self {
        Self { kept: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, kept: Arc<Kept>) {
        self.bytes += kept.size();
        self.kept.push_back(kept);
        while self.bytes > MOST {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.size();
        }
    }

    fn forget(&mut self, name: &str) {
        self.kept.retain(|kept| kept.name() != name);
        self.bytes = self.kept.iter().map(|kept| kept.size()).sum();
    }
}

/// Stores a response, in place of the oldest where there is no more room.
pub(super) fn keep(kept: Kept) {
    ring().push(Arc::new(kept));
}

/// The stored response that is called `name`.
pub(super) fn find(name: &str) -> Option<Arc<Kept>> {
    ring().kept.iter().rev().find(|kept| kept.name() == name).cloned()
}

/// Answers what follows up a stored response.
pub(super) fn answer(method: &Method, target: &str) -> ProviderReply {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let named = path.strip_prefix("/responses/").unwrap_or_default();
    let (name, what) = named.split_once('/').unwrap_or((named, ""));
    let Some(kept) = find(name) else { return missing(name) };
    match (method.as_str(), what) {
        ("GET", "") => kept.shown(query),
        ("GET", "input_items") => kept.listed(query).unwrap_or_else(refusal),
        ("DELETE", "") => {
            ring().forget(name);
            json_reply(StatusCode::OK, &json!({"id": name, "object": "response", "deleted": true}))
        }
        ("POST", "cancel") => refusal(Complaint {
            param: None,
            code: "invalid_parameter",
            message: "Cannot cancel a synchronous response.".to_owned(),
        }),
        _ => missing(name),
    }
}

fn missing(name: &str) -> ProviderReply {
    let message = format!("Response with id '{name}' not found.");
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": null});
    json_reply(StatusCode::NOT_FOUND, &json!({ "error": error }))
}

/// The value of a parameter of a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| percent::decode(value))
}

impl Kept {
    /// Its id.
    pub(super) fn name(&self) -> String {
        format!("resp_demo_{}", self.id)
    }

    const fn size(&self) -> usize {
        self.bytes.saturating_add(EACH)
    }

    fn shown(&self, query: &str) -> ProviderReply {
        if parameter(query, "stream").as_deref() != Some("true") {
            return json_reply(StatusCode::OK, &self.wish.ended(&self.id, self.created));
        }
        let after = parameter(query, "starting_after").and_then(|number| number.parse::<usize>().ok());
        let events = self.wish.events(&self.id, self.created);
        stream_reply(events.into_iter().skip(after.map_or(0, |number| number.saturating_add(1))))
    }

    fn listed(&self, query: &str) -> Result<ProviderReply, Complaint> {
        let limit = match parameter(query, "limit") {
            None => PAGE,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=100).contains(limit))
                .ok_or_else(|| Complaint::about("limit", "must be a whole number from 1 to 100"))?,
        };
        let mut items: Vec<&Value> = self.wish.items.iter().collect();
        if parameter(query, "order").as_deref() != Some("asc") {
            items.reverse();
        }
        if let Some(after) = parameter(query, "after") {
            let place = items.iter().position(|item| item["id"] == after.as_str());
            items.drain(..place.map_or(items.len(), |place| place + 1));
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let id = |item: Option<&&Value>| item.map_or(Value::Null, |item| item["id"].clone());
        let (first, last) = (id(items.first()), id(items.last()));
        let page = json!({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more});
        Ok(json_reply(StatusCode::OK, &page))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::channels::demo;
    use crate::clock::Timestamp;

    async fn text(mut reply: ProviderReply) -> (u16, String) {
        let mut text = String::new();
        while let Some(piece) = reply.body.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
        (reply.status.as_u16(), text)
    }

    async fn made(more: &Value) -> Value {
        let mut body = json!({"model": "demo", "input": "Hi there"});
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
        let reply = demo::answer("/responses", &Bytes::from(body.to_string()), Timestamp::from_secs(1));
        serde_json::from_str(&text(reply).await.1).unwrap()
    }

    async fn follow(method: Method, target: &str) -> (u16, Value) {
        let (status, text) = text(demo::follow_up(&method, target)).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    #[tokio::test]
    async fn a_response_is_read_continued_and_deleted() {
        let (first, second) = (made(&json!({})).await, made(&json!({})).await);
        assert_ne!(first["id"], second["id"]);
        let id = first["id"].as_str().unwrap();
        assert_eq!(follow(Method::GET, &format!("/responses/{id}")).await, (200, first.clone()));
        let next = made(&json!({"previous_response_id": id, "input": "And?"})).await;
        let total = |response: &Value| response["usage"]["total_tokens"].as_u64().unwrap();
        assert_eq!(next["usage"]["input_tokens"], total(&first) + 2);
        assert_eq!(next["previous_response_id"], id);
        let cancelled = follow(Method::POST, &format!("/responses/{id}/cancel")).await;
        assert_eq!(cancelled.0, 400);
        let deleted = follow(Method::DELETE, &format!("/responses/{id}")).await;
        assert_eq!(deleted, (200, json!({"id": id, "object": "response", "deleted": true})));
        assert_eq!(follow(Method::GET, &format!("/responses/{id}")).await.0, 404);
        let error = made(&json!({"previous_response_id": id})).await["error"].clone();
        assert_eq!(error["code"], "previous_response_not_found");
        let unstored = made(&json!({"store": false})).await;
        let target = format!("/responses/{}", unstored["id"].as_str().unwrap());
        assert_eq!((&unstored["store"], follow(Method::GET, &target).await.0), (&json!(false), 404));
    }

    #[tokio::test]
    async fn a_stream_is_told_again_from_any_event() {
        let id = made(&json!({})).await["id"].as_str().unwrap().to_owned();
        let told = |query: &str| text(demo::follow_up(&Method::GET, &format!("/responses/{id}?{query}")));
        let whole = told("stream=true").await.1;
        assert!(
            whole.starts_with("event: response.created\n") && whole.contains("event: response.completed\n")
        );
        let rest = told("stream=true&starting_after=3").await.1;
        let first: Value =
            serde_json::from_str(rest.lines().nth(1).unwrap().strip_prefix("data: ").unwrap()).unwrap();
        assert!(first["sequence_number"] == 4 && whole.ends_with(&rest));
    }

    #[tokio::test]
    async fn input_comes_in_pages() {
        let input = json!([{"role": "user", "content": "a"}, {"id": "own", "role": "user", "content": []},
            {"type": "function_call_output", "call_id": "c", "output": "x"}]);
        let id = made(&json!({ "input": input })).await["id"].as_str().unwrap().to_owned();
        for (query, want, more) in [
            ("", vec!["item_demo_2", "own", "item_demo_0"], false),
            ("?order=asc&limit=2", vec!["item_demo_0", "own"], true),
            ("?order=asc&after=own", vec!["item_demo_2"], false),
            ("?after=nowhere", vec![], false),
        ] {
            let page = follow(Method::GET, &format!("/responses/{id}/input_items{query}")).await.1;
            let ids: Vec<_> =
                page["data"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
            assert_eq!(
                (ids, &page["has_more"]),
                (want.into_iter().map(Value::from).collect(), &json!(more)),
                "{query}"
            );
        }
        assert_eq!(follow(Method::GET, &format!("/responses/{id}/input_items?limit=0")).await.0, 400);
    }

    #[tokio::test]
    async fn what_is_stored_is_bounded() {
        let kept = async |size: usize| {
            let made = made(&json!({"input": "x".repeat(size)})).await;
            find(made["id"].as_str().unwrap())
        };
        let (small, large) = (kept(1).await.unwrap(), kept(LARGEST - 1_000).await.unwrap());
        assert!(kept(LARGEST).await.is_none());
        let mut ring = Ring::empty();
        ring.push(Arc::clone(&small));
        for _ in 0..=MOST / LARGEST {
            ring.push(Arc::clone(&large));
        }
        assert!(ring.bytes <= MOST && ring.bytes == ring.kept.len() * large.size());
        ring.push(small);
        ring.forget(&large.name());
        assert_eq!((ring.kept.len(), ring.bytes), (1, ring.kept[0].size()));
    }
}
