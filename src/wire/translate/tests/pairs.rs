//! Each pair both ways, kept as text in `snapshots/`: what the documentation of the client's dialect has it ask (`recorded/*.request.json`),
//! as the provider is asked it; and what that of the provider's has it answer (`recorded/*.answer.json`, `*.stream.txt`), as the client is told
//! it. `UPDATE_SNAPSHOTS=1 cargo test pairs` writes them anew; the difference is for a reviewer to judge.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A client's request: its name, its form and the body.
pub(super) const CLIENTS: [(&str, Form, &str); 3] = [
    ("chat", Form::Chat, include_str!("recorded/chat.request.json")),
    ("messages", Form::Messages, include_str!("recorded/messages.request.json")),
    ("responses", Form::Responses, include_str!("recorded/responses.request.json")),
];

/// What a provider answers, whole and as a stream; and a model of its.
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) model: &'static str,
    pub(super) answer: &'static str,
    pub(super) stream: &'static str,
}

pub(super) const fn provider(target: Target) -> Provider {
    match target {
        Target::Chat => Provider {
            name: "chat",
            model: "gpt-4o-mini",
            answer: include_str!("recorded/chat.answer.json"),
            stream: include_str!("recorded/chat.stream.txt"),
        },
        Target::Messages => Provider {
            name: "messages",
            model: "claude-sonnet-4-5",
            answer: include_str!("recorded/messages.answer.json"),
            stream: include_str!("recorded/messages.stream.txt"),
        },
        Target::Content => Provider {
            name: "gemini",
            model: "gemini-2.5-flash",
            answer: include_str!("recorded/gemini.answer.json"),
            stream: include_str!("recorded/gemini.stream.txt"),
        },
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/translate/tests/snapshots")
}

#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the tests")]
fn is_update() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1")
}

fn pretty(json: &[u8]) -> String {
    serde_json::to_string_pretty(&serde_json::from_slice::<Value>(json).unwrap()).unwrap()
}

/// One pair, both ways, as text.
fn told(form: Form, body: &str, target: Target) -> String {
    let Provider { model, answer, stream, .. } = provider(target);
    let ask =
        Ask::parse(form, Bytes::copy_from_slice(body.as_bytes()), &AskLimits { max_choices: 1 }).unwrap();
    let (translated, translation) = Translation::of(&ask, target, manner(model), NOW).unwrap();
    let mut text = format!("# the provider is asked\n{}\n", pretty(&translated.body));
    let whole = translation.answer(answer.as_bytes()).unwrap();
    writeln!(text, "\n# the client is told, whole\n{}", pretty(&whole)).unwrap();
    writeln!(text, "\n# the client is told, in a stream").unwrap();
    let streamed = text.len();
    let mut retelling = translation.stream();
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(Bytes::copy_from_slice(stream.as_bytes()));
    while let Some(event) = splitter.next_event().unwrap() {
        text.push_str(std::str::from_utf8(&retelling.tell(&event).unwrap()).unwrap());
    }
    text.push_str(std::str::from_utf8(&retelling.end()).unwrap());
    for event in text[streamed..].split_terminator("\n\n") {
        let data = event.rsplit_once("data: ").unwrap().1;
        assert!(data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok(), "{event}");
    }
    text
}

#[test]
fn pairs_both_ways() {
    let mut written = Vec::new();
    for (client, form, body) in CLIENTS {
        for target in targets(form) {
            let file = format!("{client}_to_{}.txt", provider(*target).name);
            let text = told(form, body, *target);
            let path = folder().join(&file);
            if is_update() {
                fs::write(&path, &text).unwrap();
            }
            let kept = fs::read_to_string(&path).unwrap_or_default();
            for (number, (kept, new)) in kept.lines().zip(text.lines()).enumerate() {
                assert_eq!(
                    new,
                    kept,
                    "{file}:{} differs; if that is wanted: UPDATE_SNAPSHOTS=1 cargo test pairs",
                    number + 1
                );
            }
            assert_eq!(text.len(), kept.len(), "{file}");
            written.push(file);
        }
    }
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(written.iter().any(|file| name == **file), "{} belongs to no pair", name.display());
    }
}
