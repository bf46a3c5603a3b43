//! The conversation.

use super::*;
use crate::wire::translate::proof::marked;

fn said(turns: Vec<Turn>, model: &str) -> Value {
    sent_to(&Prompt { turns, ..prompt() }, model).unwrap()["contents"].take()
}

fn parts(parts: Vec<Part>, model: &str) -> Value {
    said(vec![turn(Speaker::User, parts)], model)[0]["parts"].take()
}

#[test]
fn texts_images_and_documents() {
    let data = |media_type: &str| json!({"inlineData": {"mimeType": media_type, "data": "QUJD"}});
    let file =
        |media_type: &str, address: &str| json!({"fileData": {"mimeType": media_type, "fileUri": address}});
    for (part, want) in [
        (text("a"), json!({"text": "a"})),
        (Part::Image(inline("image/png")), data("image/png")),
        (Part::Image(inline("image/heic")), data("image/heic")),
        (Part::Document(inline("application/pdf")), data("application/pdf")),
        (Part::Image(url("https://x/a.JPG?b#c")), file("image/jpeg", "https://x/a.JPG?b#c")),
        (Part::Image(url("https://x/a")), json!({"fileData": {"fileUri": "https://x/a"}})),
        (Part::Document(url("https://x/a")), file("application/pdf", "https://x/a")),
    ] {
        assert_eq!(parts(vec![text("see"), part], MODEL), json!([{"text": "see"}, want]));
    }
    for (part, model) in [
        (Part::Image(inline("image/gif")), MODEL),
        (Part::Document(inline("text/plain")), MODEL),
        (Part::Image(url("https://x/a.png")), "gemini-2.0-flash"),
    ] {
        let prompt = Prompt { turns: vec![turn(Speaker::User, vec![text("see"), part])], ..prompt() };
        let (param, message) = refused(&prompt, model);
        assert!(param == "m[1]" && message.starts_with("m[1] must "), "{message}");
    }
}

/// Calls made at once come back at once, under their names, and only the first needs its proof.
#[test]
fn calls_and_what_they_gave() {
    let turns = vec![
        turn(Speaker::User, vec![text("hi")]),
        turn(Speaker::Model, vec![text("so"), call("a", Some("c2ln")), call("b", None)]),
        turn(
            Speaker::User,
            vec![
                outcome("b", vec![text("1"), text("2")], Success::Done),
                outcome("a", vec![text("oh")], Success::Failed),
                text("go on"),
            ],
        ),
        turn(Speaker::Model, vec![call("a", Some("bmV4dA=="))]),
        turn(Speaker::User, vec![outcome("a", vec![Part::Image(inline("image/png"))], Success::Done)]),
    ];
    let args = json!({"b": 1, "a": 2});
    let response = |id: &str, given: Value| json!({"functionResponse": {"id": id, "name": format!("f-{id}"), "response": given}});
    let mut shown = response("a", json!({"output": ""}));
    shown["functionResponse"]["parts"] = json!([{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]);
    assert_eq!(
        said(turns, MODEL),
        json!([
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "so"},
                {"functionCall": {"id": "a", "name": "f-a", "args": args}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "b", "name": "f-b", "args": args}}]},
            {"role": "user", "parts": [response("b", json!({"output": ["1", "2"]})), response("a", json!({"error": "oh"})),
                {"text": "go on"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "f-a", "args": args}, "thoughtSignature": "bmV4dA=="}]},
            {"role": "user", "parts": [shown]},
        ])
    );
    let body =
        write::body(&Prompt { turns: vec![turn(Speaker::Model, vec![call("a", None)])], ..prompt() }, MODEL);
    assert!(String::from_utf8(body.unwrap()).unwrap().contains("\"args\":{\"b\":1,\"a\":2}"));
}

#[test]
fn outcomes_that_cannot_be_told() {
    let asked = || turn(Speaker::Model, vec![call("a", None)]);
    for (model, given, param) in [
        (MODEL, outcome("b", vec![], Success::Done), "m[0]"),
        (MODEL, outcome("a", vec![text("x"), Part::Image(url("https://x/a.png"))], Success::Done), "o[1]"),
        (MODEL, outcome("a", vec![Part::Image(inline("image/gif"))], Success::Done), "o[0]"),
        (MODEL, outcome("a", vec![Part::Document(inline("application/pdf"))], Success::Done), "o[0]"),
        ("gemini-2.5-pro", outcome("a", vec![Part::Image(inline("image/png"))], Success::Done), "o[0]"),
    ] {
        let turns = vec![asked(), turn(Speaker::User, vec![given])];
        assert_eq!(refused(&Prompt { turns, ..prompt() }, model).0, param);
    }
    // A call of later does not answer.
    let turns = vec![turn(Speaker::User, vec![outcome("a", vec![], Success::Done)]), asked()];
    assert_eq!(refused(&Prompt { turns, ..prompt() }, MODEL).0, "m[0]");
}

/// A proof goes back with the call it stood by or in front of; another provider's does not, and where there is none a word stands
/// for it, for the models that ask.
#[test]
fn proofs_of_thought() {
    let own = marked("c2ln");
    let skipped = Some("skip_thought_signature_validator");
    for (model, before, first, want) in [
        (MODEL, None, Some("own"), [Some("own"), None]),
        (MODEL, Some(thought("", Some(&own))), None, [Some("c2ln"), None]),
        (MODEL, Some(thought("hm", Some(&own))), None, [Some("c2ln"), None]),
        ("gemini-2.5-pro", Some(thought("", Some(&own))), None, [Some("c2ln"), None]),
        (MODEL, Some(thought("", Some("RXFRQg=="))), None, [skipped, None]),
        (MODEL, Some(thought("hm", None)), None, [skipped, None]),
        (MODEL, None, None, [skipped, None]),
        ("gemini-2.5-pro", None, None, [None, None]),
    ] {
        let shown = format!("{before:?}");
        let mut said_before: Vec<Part> = before.into_iter().collect();
        said_before.extend([text("so"), call("a", first), call("b", None)]);
        let turns = vec![turn(Speaker::User, vec![text("hi")]), turn(Speaker::Model, said_before)];
        let said = said(turns, model);
        let parts = said[1]["parts"].as_array().unwrap();
        let signatures: Vec<Option<&str>> = parts
            .iter()
            .filter(|part| part["functionCall"].is_object())
            .map(|part| part["thoughtSignature"].as_str())
            .collect();
        assert_eq!(signatures, want, "{model} {shown}");
        // The words of a thought stay here.
        assert_eq!((parts.len(), &parts[0]), (3, &json!({"text": "so"})));
    }
    // A turn of nothing else is left out.
    let turns = vec![
        turn(Speaker::User, vec![text("hi")]),
        turn(Speaker::Model, vec![thought("", Some("RXFRQg=="))]),
        turn(Speaker::User, vec![text("hi")]),
    ];
    assert_eq!(said(turns, MODEL).as_array().unwrap().len(), 2);
}
