//! OpenAI's other routes: what their bodies are read as.

use super::*;

fn read(form: Form, text: &str) -> Result<Ask, AskFault> {
    Ask::parse(form, Bytes::copy_from_slice(text.as_bytes()), &LIMITS)
}

/// A good body with this member.
fn embed(member: &str) -> Result<Ask, AskFault> {
    read(Form::Embeddings, &format!("{{\"model\":\"m\",{member}}}"))
}

/// Whether a body is refused for a key that comes twice, or nearly.
#[track_caller]
fn is_duplicate(form: Form, text: &str) {
    let fault = read(form, text).unwrap_err();
    assert!(matches!(fault, AskFault::Json(JsonFault::Duplicate(_))), "{text}: {fault:?}");
}

#[test]
fn inputs_of_embeddings_are_counted() {
    for (input, text_bytes, bound) in [
        // The bytes, and 4 for each input.
        (r#""hello""#, 5, 5 + 4),
        (r#""h\u00e9""#, 3, 3 + 4),
        (r#"["ab","cde",""]"#, 5, 5 + 3 * 4),
        // An id is one unit, and about four bytes.
        ("[1,2,3]", 12, 3 + 4),
        ("[[1,2],[3,400000]]", 16, 4 + 2 * 4),
        ("[]", 0, 0),
    ] {
        let ask =
            embed(&format!("\"input\":{input},\"dimensions\":9,\"encoding_format\":\"base64\"")).unwrap();
        assert_eq!((ask.text_bytes, ask.text_bound, ask.messages), (text_bytes, bound, 0), "{input}");
        assert!(!ask.unseen_input && !ask.form.has_output() && ask.cap == Cap::default());
    }
    // A tokenizer counts the texts; ids and what stands around an input stay.
    let ask = embed("\"input\":[\"aaaa\",[1,2]]").unwrap();
    assert_eq!((ask.texts(), ask.counted_bound(1)), (vec![Cow::from("aaaa")], 1 + 2 + 2 * 4));
    // A member that is not known may stand before each input: 8 bytes, three times.
    let ask = embed("\"input\":[\"a\",\"b\"],\"task\":\"go\"").unwrap();
    assert_eq!(ask.text_bound, 2 + 2 * 4 + 3 * 8);
}

#[test]
fn bad_embeddings_are_refused() {
    for (member, want) in [
        ("\"input\":null", "input"),
        ("\"input\":1", "input"),
        ("\"input\":{}", "input"),
        ("\"input\":[null]", "input"),
        ("\"input\":[{\"text\":\"a\"}]", "input"),
        ("\"input\":[[\"a\"]]", "input"),
        ("\"input\":[[[1]]]", "input"),
        ("\"user\":\"a\"", "input"),
        ("\"input\":\"a\",\"models\":[\"b\"]", "models"),
    ] {
        assert_eq!(param(embed(member)), want, "{member}");
    }
    assert_eq!(param(read(Form::Embeddings, "{\"input\":\"a\"}")), "model");
    for member in [
        "\"input\":\"a\",\"input\":[\"b\"]",
        "\"input\":\"a\",\"Input\":\"b\"",
        "\"input\":\"a\",\"m\\u006fdel\":\"n\"",
    ] {
        is_duplicate(Form::Embeddings, &format!("{{\"model\":\"m\",{member}}}"));
    }
}

/// A good body with this member.
fn complete(member: &str) -> Result<Ask, AskFault> {
    read(Form::Completions, &format!("{{\"model\":\"m\",{member}}}"))
}

#[test]
fn completions_are_read() {
    let ask = complete(
        r#""prompt":"hello","suffix":"bye","stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"echo":true,"stop":["x"]"#,
    )
    .unwrap();
    assert_eq!((ask.stream, ask.wants_usage, ask.cap.asked, ask.choices), (true, true, Some(9), 1));
    assert_eq!((ask.text_bytes, ask.text_bound, ask.messages), (8, 5 + 4 + 3, 0));
    for (members, choices) in [
        ("\"prompt\":\"a\",\"n\":3", 3),
        ("\"prompt\":\"a\",\"best_of\":5,\"n\":2", 5),
        ("\"prompt\":[\"a\",\"b\",\"c\"],\"best_of\":4", 12),
        ("\"n\":2,\"prompt\":[[1],[2]]", 4),
        ("\"prompt\":[1,2,3],\"n\":null", 1),
        ("\"prompt\":[]", 1),
    ] {
        assert_eq!(complete(members).unwrap().choices, choices, "{members}");
    }
}

#[test]
fn bad_completions_are_refused() {
    for (members, want) in [
        ("\"prompt\":null", "prompt"),
        ("\"prompt\":{\"id\":\"x\"}", "prompt"),
        ("\"echo\":true", "prompt"),
        ("\"prompt\":\"a\",\"suffix\":1", "suffix"),
        ("\"prompt\":\"a\",\"max_tokens\":0", "max_tokens"),
        ("\"prompt\":\"a\",\"n\":129", "n"),
        ("\"prompt\":\"a\",\"best_of\":0", "best_of"),
        ("\"prompt\":\"a\",\"best_of\":1.0", "best_of"),
        ("\"prompt\":\"a\",\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage"),
        ("\"prompt\":\"a\",\"background\":true", "background"),
    ] {
        assert_eq!(param(complete(members)), want, "{members}");
    }
    for members in [
        "\"prompt\":\"a\",\"Best_Of\":9",
        "\"prompt\":\"a\",\"prompt\":\"b\"",
        "\"prompt\":\"a\",\"\u{17f}uffix\":\"b\"",
    ] {
        is_duplicate(Form::Completions, &format!("{{\"model\":\"m\",{members}}}"));
    }
}
