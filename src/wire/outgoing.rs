//! What is sent to a provider: the client's own body, byte for byte, but for what enforcement must change. Owns the splicing; must not know why a cap is what it is.

use std::ops::Range;

use bytes::Bytes;

use super::ask::{Ask, Place, StreamOptions};
use super::endpoints::Dialect;
use super::multipart::told_length;

/// The fields that cap the output of OpenAI's chat; every one of them that is in a body is lowered. A channel's
/// `output_cap_field` must be one of these, or a body could hold it twice.
pub const CAP_FIELDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// What must differ in what is sent.
#[derive(Copy, Clone, Debug)]
pub struct Outgoing<'a> {
    /// The name by which the channel knows the model, if another.
    pub model: Option<&'a str>,
    /// The cap that must be in what is sent, in output units; `None` when nothing need be bounded.
    pub cap: Option<i64>,
    /// The field for it when the client used none: one that [`Ask::cap`] reads.
    pub cap_field: &'a str,
    /// Whether a stream must end with its usage.
    pub ask_usage: bool,
}

/// A place in the body and what stands there instead.
type Edit = (Range<usize>, String);

/// The body to send: `ask`'s own with `edits` made. Shares its bytes when nothing changes.
pub fn outgoing(ask: &Ask, edits: &Outgoing<'_>) -> Bytes {
    let mut list = Vec::new();
    rename(ask, edits.model, &mut list);
    if let Some(cap) = edits.cap {
        lower_caps(ask, cap, edits.cap_field, &mut list);
    }
    if edits.ask_usage && ask.stream && !ask.wants_usage {
        list.push(usage_edit(ask));
    }
    splice(&ask.body, list)
}

/// Gives the model its name at the provider, wherever the body has it.
fn rename(ask: &Ask, model: Option<&str>, list: &mut Vec<Edit>) {
    let Some(model) = model else { return };
    if ask.has_parts() {
        if model != ask.model {
            // The value of a part stands there as it is, and its head may tell its length.
            let value = &ask.marks().model;
            list.extend(told_length(&ask.body, value).map(|span| (span, model.len().to_string())));
            list.push((value.clone(), model.to_owned()));
        }
    } else if ask.form.dialect() == Dialect::Gemini {
        let repeated = ask.marks().repeated_models.iter().filter(|_| model != ask.model);
        list.extend(repeated.map(|own| (own.span.clone(), quoted(&format!("{}{model}", own.prefix)))));
    } else if ask.marks().model.is_empty() {
        // Which model a provider takes by itself was decided here, so it is said.
        list.push(first_member(ask, &format!("\"model\":{}", quoted(model))));
    } else if model != ask.model {
        list.push((ask.marks().model.clone(), quoted(model)));
    }
}

fn lower_caps(ask: &Ask, cap: i64, field: &str, list: &mut Vec<Edit>) {
    for own in &ask.cap.fields {
        if own.value.is_some_and(|value| value > cap) {
            list.push((own.span.clone(), cap.to_string()));
        }
    }
    if ask.cap.asked.is_some() {
        return;
    }
    // A null names no cap, but it names the field: the cap takes its place.
    let right = ask.cap.fields.iter().find(|own| own.name == field);
    let edit = match right.or(ask.cap.fields.first()) {
        Some(null) => (null.span.clone(), cap.to_string()),
        None if ask.form.dialect() == Dialect::Gemini => configured(ask, &format!("{}:{cap}", quoted(field))),
        None => first_member(ask, &format!("{}:{cap}", quoted(field))),
    };
    list.push(edit);
}

/// Puts `member` into `generationConfig`.
fn configured(ask: &Ask, member: &str) -> Edit {
    match &ask.marks().generation_config {
        Place::Absent => first_member(ask, &format!("\"generationConfig\":{{{member}}}")),
        Place::Null(span) => (span.clone(), format!("{{{member}}}")),
        Place::Object { start, continues } => {
            let comma = if *continues { "," } else { "" };
            (*start..*start, format!("{member}{comma}"))
        }
    }
}

fn usage_edit(ask: &Ask) -> Edit {
    match &ask.marks().stream_options {
        StreamOptions::Absent => first_member(ask, "\"stream_options\":{\"include_usage\":true}"),
        StreamOptions::Null(span) => (span.clone(), "{\"include_usage\":true}".to_owned()),
        StreamOptions::Silent { start, continues } => {
            let comma = if *continues { "," } else { "" };
            (*start..*start, format!("\"include_usage\":true{comma}"))
        }
        StreamOptions::Usage(span) => (span.clone(), "true".to_owned()),
    }
}

/// Puts `member` in front of the others; there are some, `model` or `input` at least.
fn first_member(ask: &Ask, member: &str) -> Edit {
    let start = ask.marks().start;
    (start..start, format!("{member},"))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string can always be written as JSON")
}

fn splice(body: &Bytes, mut list: Vec<Edit>) -> Bytes {
    if list.is_empty() {
        return body.clone();
    }
    list.sort_by_key(|(span, _)| span.start);
    let added: usize = list.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(body.len().saturating_add(added));
    let mut done = 0;
    for (span, text) in list {
        out.extend_from_slice(body.get(done..span.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        done = span.end;
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::{AskLimits, Form};

    const NOTHING: Outgoing<'_> =
        Outgoing { model: None, cap: None, cap_field: "max_tokens", ask_usage: false };

    fn ask(text: &str) -> Ask {
        Ask::parse(Form::Chat, Bytes::copy_from_slice(text.as_bytes()), &AskLimits { max_choices: 8 })
            .unwrap()
    }

    fn sent(text: &str, edits: &Outgoing<'_>) -> String {
        String::from_utf8(outgoing(&ask(text), edits).to_vec()).unwrap()
    }

    #[test]
    fn a_body_nobody_must_change_is_shared() {
        let ask = ask("{\"model\":\"m\",\"messages\":[],\"max_tokens\":5,\"stream\":false}");
        let edits = Outgoing { model: Some("m"), cap: Some(5), ask_usage: true, ..NOTHING };
        assert_eq!(outgoing(&ask, &edits).as_ptr(), ask.body.as_ptr());
    }

    #[test]
    fn only_what_must_change_is_changed() {
        let cap = Outgoing { cap: Some(7), ..NOTHING };
        let newer = Outgoing { cap_field: "max_completion_tokens", ..cap };
        let usage = Outgoing { ask_usage: true, ..NOTHING };
        let name = Outgoing { model: Some("a\"b"), ..NOTHING };
        let rest = "\"model\":\"m\",\"messages\":[]";
        for (edits, before, after) in [
            (&cap, "", "\"max_tokens\":7,"),
            (&newer, "", "\"max_completion_tokens\":7,"),
            (&cap, "\"max_tokens\" : 9 ,", "\"max_tokens\" : 7 ,"),
            (&cap, "\"max_tokens\":6,", "\"max_tokens\":6,"),
            (&newer, "\"max_tokens\":9,", "\"max_tokens\":7,"),
            (&cap, "\"max_tokens\":null,", "\"max_tokens\":7,"),
            (&newer, "\"max_tokens\":null,", "\"max_tokens\":7,"),
            (
                &cap,
                "\"max_tokens\":9,\"max_completion_tokens\":3,",
                "\"max_tokens\":7,\"max_completion_tokens\":3,",
            ),
            (
                &cap,
                "\"max_tokens\":null,\"max_completion_tokens\":9,",
                "\"max_tokens\":null,\"max_completion_tokens\":7,",
            ),
            (&usage, "", ""),
            (&usage, "\"stream\":true,", "\"stream_options\":{\"include_usage\":true},\"stream\":true,"),
            (
                &usage,
                "\"stream\":true,\"stream_options\":null,",
                "\"stream\":true,\"stream_options\":{\"include_usage\":true},",
            ),
            (
                &usage,
                "\"stream\":true,\"stream_options\":{ },",
                "\"stream\":true,\"stream_options\":{\"include_usage\":true },",
            ),
            (
                &usage,
                "\"stream_options\":{\"x\":1},\"stream\":true,",
                "\"stream_options\":{\"include_usage\":true,\"x\":1},\"stream\":true,",
            ),
            (
                &usage,
                "\"stream_options\":{\"include_usage\": null},\"stream\":true,",
                "\"stream_options\":{\"include_usage\": true},\"stream\":true,",
            ),
            (
                &usage,
                "\"stream\":true,\"stream_options\":{\"include_usage\":true},",
                "\"stream\":true,\"stream_options\":{\"include_usage\":true},",
            ),
        ] {
            assert_eq!(sent(&format!("{{{before}{rest}}}"), edits), format!("{{{after}{rest}}}"));
        }
        assert_eq!(
            sent("{ \"model\" :\"m\" ,\"messages\":[]}", &name),
            "{ \"model\" :\"a\\\"b\" ,\"messages\":[]}"
        );
    }

    #[test]
    fn a_model_that_is_not_named_is_put_in() {
        let body = Bytes::from_static(b"{ \"input\":\"x\"}");
        let ask = Ask::parse(Form::Moderations, body, &AskLimits { max_choices: 8 }).unwrap();
        for (name, want) in [("omni-moderation-latest", "omni-moderation-latest"), ("other", "other")] {
            let sent = outgoing(&ask, &Outgoing { model: Some(name), ..NOTHING });
            assert_eq!(sent, format!("{{\"model\":\"{want}\", \"input\":\"x\"}}"));
        }
    }

    /// Whatever the order, blanks and escapes: the result is the same JSON but for the three changes.
    #[test]
    fn the_result_is_the_same_json_but_for_the_changes() {
        let members = [
            "\"mod\\u0065l\" : \"\\u006d\"",
            "\"messages\":[{\"role\":\"user\",\"content\":\"}{,\\\"max_tokens\\\":1\"}]",
            "\"stream\":true",
            "\"max_tokens\": 900",
            "\"x\":{\"model\":\"inner\",\"max_tokens\":5}",
        ];
        let edits =
            Outgoing {
                model: Some("é"), cap: Some(70), cap_field: "max_completion_tokens", ask_usage: true
            };
        for turn in 0..members.len() {
            for blank in ["", " ", "\n\t\r "] {
                let mut order = members.to_vec();
                order.rotate_left(turn);
                let body =
                    format!("{blank}{{{blank}{}{blank}}}{blank}", order.join(&format!("{blank},{blank}")));
                let mut want: Value = serde_json::from_str(&body).unwrap();
                want["model"] = json!("é");
                want["max_tokens"] = json!(70);
                want["stream_options"] = json!({"include_usage": true});
                let got = sent(&body, &edits);
                assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), want, "{got}");
            }
        }
    }
}
