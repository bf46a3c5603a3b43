//! Whatever a client asks and whatever a provider answers, nothing panics, and what is told keeps to the form of the client's dialect. The
//! recorded requests and answers are changed place by place; each is then translated, or refused.

mod forms;

use serde::de::IgnoredAny;

use super::pairs::{CLIENTS, Provider, provider};
use super::*;

/// What is put in each place.
const NASTY: [&str; 19] = [
    "null",
    "true",
    "\"\"",
    "\"x\"",
    "0",
    "-1",
    "1.5",
    "1e999",
    "123456789012345678901234567890",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "[\"\"]",
    "{\"\":{}}",
    "{\"type\":\"x\",\"type\":\"y\"}",
    "\"\\ud800\"",
    "\"\\u00a0{}\\u3000\"",
    "\"{\\\"a\\\":\\n1}{\"",
];

/// Stands where something is put.
const HERE: &str = "@here@";

/// Every place in `json`, and in the objects and arrays within.
fn places(json: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let within: Vec<(String, &Value)> = match json {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in within {
        all.extend(places(value).into_iter().map(|place| format!("/{name}{place}")));
    }
    all
}

/// `json` with each of [`NASTY`] in each place.
fn changed(json: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(json).unwrap();
    let mut all = Vec::new();
    for place in places(&json) {
        let mut marked = json.clone();
        *marked.pointer_mut(&place).unwrap() = json!(HERE);
        let marked = marked.to_string();
        all.extend(NASTY.iter().map(|nasty| marked.replacen(&format!("{HERE:?}"), nasty, 1)));
    }
    all
}

fn asked(form: Form, body: &str, target: Target) -> Result<(Ask, Translation), AskFault> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let ask = Ask::parse(form, body, &AskLimits { max_choices: 1 })?;
    Translation::of(&ask, target, manner(provider(target).model), NOW)
}

/// Each pair, as its documentation has it asked.
fn pairs() -> Vec<(Form, Target, Translation)> {
    let mut all = Vec::new();
    for (_, form, body) in CLIENTS {
        let pair = |target: &Target| (form, *target, asked(form, body, *target).unwrap().1);
        all.extend(targets(form).iter().map(pair));
    }
    all
}

/// What the client is told of a stream; `None` where it broke off.
fn streamed(translation: &Translation, events: &[&str]) -> Option<String> {
    let mut retelling = translation.stream();
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(Bytes::from(events.concat()));
    let mut told = Vec::new();
    while let Some(event) = splitter.next_event().unwrap() {
        told.extend_from_slice(&retelling.tell(&event).ok()?);
    }
    told.extend_from_slice(&retelling.end());
    Some(String::from_utf8(told).unwrap())
}

#[test]
fn whatever_is_asked() {
    let mut taken = 0;
    for (_, form, body) in CLIENTS {
        for body in changed(body) {
            for target in targets(form) {
                let Ok((ask, translation)) = asked(form, &body, *target) else { continue };
                assert!(serde_json::from_slice::<IgnoredAny>(&ask.body).is_ok(), "{body}");
                let Provider { answer, stream, .. } = provider(*target);
                forms::check_whole(form, &translation.answer(answer.as_bytes()).unwrap());
                forms::check_stream(form, &streamed(&translation, &[stream]).unwrap());
                taken += 1;
            }
        }
    }
    assert!(taken > 500, "{taken}");
}

#[test]
fn whatever_is_answered() {
    let mut told = 0;
    for (form, target, translation) in pairs() {
        for answer in changed(provider(target).answer) {
            if let Ok(whole) = translation.answer(answer.as_bytes()) {
                forms::check_whole(form, &whole);
                told += 1;
            }
        }
    }
    assert!(told > 500, "{told}");
}

#[test]
fn whatever_is_streamed() {
    let mut told = 0;
    for (form, target, translation) in pairs() {
        let events: Vec<&str> = provider(target).stream.split_inclusive("\n\n").collect();
        let mut check = |events: &[&str]| {
            if let Some(stream) = streamed(&translation, events) {
                forms::check_stream(form, &stream);
                told += 1;
            }
        };
        for at in 0..events.len() {
            let (before, rest) = events.split_at(at);
            let (event, after) = rest.split_first().unwrap();
            // Cut before it; without it; with it twice; behind the next one.
            check(before);
            check(&[before, after].concat());
            check(&[before, &[event, event], after].concat());
            if let [next, after @ ..] = after {
                check(&[before, &[next, event], after].concat());
            }
            let (line, data) = event.trim_end().rsplit_once("data: ").unwrap();
            if data != "[DONE]" {
                for data in changed(data) {
                    check(&[before, &[line, "data: ", &data, "\n\n"], after].concat());
                }
            }
        }
    }
    assert!(told > 2_000, "{told}");
}

/// A stream that is cut anywhere is told up to its last whole event.
#[test]
fn cut_anywhere() {
    for (form, target, translation) in pairs() {
        let stream = provider(target).stream;
        for at in (0..stream.len()).filter(|at| stream.is_char_boundary(*at)).step_by(7) {
            forms::check_stream(form, &streamed(&translation, &[&stream[..at]]).unwrap());
            assert!(translation.answer(&stream.as_bytes()[..at]).is_err());
        }
        let answer = provider(target).answer.trim_end();
        for at in 0..answer.len() {
            assert_eq!(translation.answer(&answer.as_bytes()[..at]), Err(NotAnAnswer));
        }
    }
}
