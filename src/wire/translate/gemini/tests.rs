//! Both ways, from the documented shapes of Gemini's API.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::write;
use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Call, Media, Outcome, Part, Prompt, Set, Speaker, Success, Tool, Turn};

mod hearing;
mod saying;
mod writing;

const MODEL: &str = "gemini-3.8-flash";

fn set<T>(value: T) -> Set<T> {
    Set { value, path: "x".to_owned() }
}

fn at<T>(value: T, path: &str) -> Set<T> {
    Set { value, path: path.to_owned() }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn text(words: &str) -> Part {
    Part::Text(words.to_owned())
}

fn call(id: &str, signature: Option<&str>) -> Part {
    let (id, name) = (id.to_owned(), format!("f-{id}"));
    Part::Call(Call {
        id,
        name,
        arguments: raw("{\"b\":1,\"a\":2}"),
        signature: signature.map(str::to_owned),
    })
}

fn thought(text: &str, signature: Option<&str>) -> Part {
    Part::Thought { text: text.to_owned(), signature: signature.map(str::to_owned) }
}

fn outcome(call: &str, parts: Vec<Part>, success: Success) -> Part {
    let parts = parts.into_iter().enumerate().map(|(index, part)| at(part, &format!("o[{index}]"))).collect();
    Part::Outcome(Outcome { call: call.to_owned(), parts, success })
}

fn inline(media_type: &str) -> Media {
    Media::Inline { media_type: media_type.to_owned(), data: "QUJD".to_owned() }
}

fn url(address: &str) -> Media {
    Media::Url(address.to_owned())
}

fn turn(speaker: Speaker, parts: Vec<Part>) -> Turn {
    let parts = parts.into_iter().enumerate().map(|(index, part)| at(part, &format!("m[{index}]"))).collect();
    Turn { speaker, parts }
}

fn tool(name: &str, strict: Option<bool>) -> Set<Tool> {
    set(Tool { name: name.to_owned(), description: None, schema: None, strict })
}

/// The least prompt.
fn prompt<'a>() -> Prompt<'a> {
    Prompt { model: "m".to_owned(), turns: vec![turn(Speaker::User, vec![text("hi")])], ..Prompt::default() }
}

fn sent_to(prompt: &Prompt<'_>, model: &str) -> Result<Value, AskFault> {
    write::body(prompt, model).map(|body| serde_json::from_slice(&body).unwrap())
}

/// What is sent of a prompt, without the least one's contents.
fn sent(prompt: &Prompt<'_>, model: &str) -> Value {
    let mut body = sent_to(prompt, model).unwrap();
    let contents = body.as_object_mut().unwrap().remove("contents");
    assert_eq!(contents, Some(json!([{"role": "user", "parts": [{"text": "hi"}]}])));
    body
}

fn refused(prompt: &Prompt<'_>, model: &str) -> (String, String) {
    match sent_to(prompt, model) {
        Err(AskFault::Parameter { param, message }) => (param.into_owned(), message),
        other => panic!("{other:?}"),
    }
}
