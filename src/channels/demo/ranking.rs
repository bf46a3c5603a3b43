//! Judgements about texts: moderations, which never mind, and rankings by the words that a document shares with the query.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::refusal;
use super::{Complaint, count, id_of, json_reply, object, units, whole_number};
use crate::channels::client::{ProviderReply, StatusCode};

/// What a moderation judges.
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// The most documents.
const MAX_DOCUMENTS: u64 = 1_000;

/// Answers a moderation.
pub(super) fn moderation(body: &Bytes) -> ProviderReply {
    match judge(body) {
        Ok(whole) => json_reply(StatusCode::OK, &whole),
        Err(complaint) => refusal(complaint),
    }
}

/// Answers a ranking.
pub(super) fn ranking(body: &Bytes) -> ProviderReply {
    match rank(body) {
        Ok(whole) => json_reply(StatusCode::OK, &whole),
        Err(complaint) => refusal(complaint),
    }
}

fn judge(bytes: &[u8]) -> Result<Value, Complaint> {
    let body = object(bytes)?;
    let judged = match &body["input"] {
        Value::String(_) => 1,
        Value::Array(inputs) if !inputs.is_empty() && inputs.iter().all(Value::is_string) => inputs.len(),
        // Parts of one thing.
        Value::Array(inputs) if !inputs.is_empty() && inputs.iter().all(Value::is_object) => 1,
        _ => return Err(Complaint::about("input", "must be a string, or an array of strings or parts")),
    };
    let of_each = |value: Value| CATEGORIES.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
    let categories: serde_json::Map<_, _> = of_each(json!(false));
    let scores: serde_json::Map<_, _> = of_each(json!(0.0));
    let types: serde_json::Map<_, _> = of_each(json!(["text"]));
    let result = json!({"flagged": false, "categories": categories, "category_scores": scores,
        "category_applied_input_types": types});
    let id = format!("modr-demo-{}", id_of(bytes));
    Ok(json!({"id": id, "model": body["model"], "results": vec![result; judged]}))
}

fn rank(bytes: &[u8]) -> Result<Value, Complaint> {
    let body = object(bytes)?;
    let query = body["query"].as_str().ok_or_else(|| Complaint::about("query", "must be a string"))?;
    let wrong = || Complaint::about("documents", "must be an array of strings, or of objects with a text");
    let documents =
        body["documents"].as_array().filter(|documents| !documents.is_empty()).ok_or_else(wrong)?;
    let texts: Option<Vec<&str>> =
        documents.iter().map(|document| document.as_str().or_else(|| document["text"].as_str())).collect();
    let texts = texts.ok_or_else(wrong)?;
    let most = whole_number(&body, "top_n", MAX_DOCUMENTS)?.unwrap_or(MAX_DOCUMENTS);
    let used =
        texts.iter().fold(0_u64, |sum, text| sum.saturating_add(count(text)).saturating_add(count(query)));
    let asked = words(query);
    let mut results: Vec<(usize, usize)> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| (index, words(text).intersection(&asked).count()))
        .collect();
    results.sort_by_key(|(index, shared)| (usize::MAX - shared, *index));
    results.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let results: Vec<Value> = results
        .into_iter()
        .map(|(index, shared)| json!({"index": index, "relevance_score": share(shared, asked.len())}))
        .collect();
    let usage = json!({"prompt_tokens": used, "total_tokens": used});
    Ok(json!({"object": "list", "model": body["model"], "results": results, "usage": usage}))
}

fn words(text: &str) -> BTreeSet<String> {
    units(text).map(|unit| unit.trim().to_lowercase()).collect()
}

/// How much of a whole a part is, 0 to 1.
fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_more_words_comes_first() {
        let body = json!({"model": "demo", "query": "a red cat", "top_n": 2,
            "documents": ["the dog", {"text": "a Red cat, asleep"}, "one cat"]});
        let got = rank(body.to_string().as_bytes()).ok().unwrap();
        assert_eq!(
            got["results"],
            json!([{"index": 1, "relevance_score": 1.0}, {"index": 2, "relevance_score": 1.0 / 3.0}])
        );
        // The query with each of three documents, of 2, 5 and 2 units.
        assert_eq!(got["usage"]["total_tokens"], 3 * 3 + 2 + 5 + 2);
        for bad in [
            json!({"query": "a", "documents": []}),
            json!({"query": 1, "documents": ["a"]}),
            json!({"query": "a", "documents": [1]}),
        ] {
            assert!(rank(bad.to_string().as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_minded() {
        for (input, results) in
            [(json!("x"), 1), (json!(["x", "y"]), 2), (json!([{"type": "text", "text": "x"}]), 1)]
        {
            let got = judge(json!({"model": "demo", "input": input}).to_string().as_bytes()).ok().unwrap();
            assert_eq!(got["results"].as_array().unwrap().len(), results);
            assert_eq!(got["results"][0]["categories"]["violence/graphic"], false);
        }
        assert!(judge(b"{\"input\":[]}").is_err());
    }
}
