//! Images and sound: what is read of them, as JSON and part by part.

use crate::wire::multipart::{BodyType, body_type};
use crate::wire::outgoing::{Outgoing, outgoing};

use super::*;

fn part(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n{value}\r\n")
}

fn of_parts(form: Form, parts: &[String]) -> Result<Ask, AskFault> {
    let body = parts.concat() + "--x--\r\n";
    let Ok(Some(BodyType::Parts(boundary))) = body_type(Some(b"multipart/form-data; boundary=x")) else {
        panic!("a boundary")
    };
    Ask::parse_parts(&boundary, form, Bytes::from(body), &AskLimits { max_choices: 8 })
}

fn of_json(body: &str) -> Result<Ask, AskFault> {
    Ask::parse(Form::ImageEdits, Bytes::copy_from_slice(body.as_bytes()), &AskLimits { max_choices: 8 })
}

fn fault(result: Result<Ask, AskFault>) -> String {
    match result {
        Err(AskFault::Parameter { param, .. }) => param.into_owned(),
        Err(AskFault::Form(crate::wire::FormFault::Duplicate(name))) => format!("twice {name}"),
        Err(AskFault::Json(JsonFault::Duplicate(name))) => format!("twice {name}"),
        Err(fault) => format!("{fault:?}"),
        Ok(_) => "fine".to_owned(),
    }
}

/// A model's part whose head tells its length is sent with the length of its name at the provider.
#[test]
fn a_part_that_tells_its_length_tells_the_right_one() {
    let told = |line: &str, value: &str| {
        format!("--x\r\n{line}Content-Disposition: form-data; name=\"model\"\r\n\r\n{value}\r\n")
    };
    let prompt = part("prompt", "p\r\ncontent-length: 9");
    for (line, want) in [
        ("Content-Length: 2\r\n", "Content-Length: 12\r\n"),
        ("CONTENT-LENGTH:002\r\n", "CONTENT-LENGTH:12\r\n"),
        (
            "Content-Type: text/plain\r\ncontent-length:  2 \r\n",
            "Content-Type: text/plain\r\ncontent-length:  12 \r\n",
        ),
        ("", ""),
    ] {
        let ask = of_parts(Form::ImageEdits, &[prompt.clone(), told(line, "m1"), file("image", "")]).unwrap();
        let other = Outgoing { model: Some("another-name"), cap: None, cap_field: "", ask_usage: false };
        let sent = prompt.clone() + &told(want, "another-name") + &file("image", "") + "--x--\r\n";
        assert_eq!(outgoing(&ask, &other), Bytes::from(sent), "{line}");
    }
}

#[test]
fn images_are_read_alike_in_both_forms() {
    let json = of_json(
        r#"{"model":"m","prompt":"fox","n":2,"size":"1024x1024","quality":"low","partial_images":0,
        "image":["data:image/png;base64,AA"],"mask":{"image_url":"data:,"},"background":"auto"}"#,
    )
    .unwrap();
    let parts = of_parts(
        Form::ImageEdits,
        &[
            file("image[]", "\u{1}"),
            part("prompt", "fox"),
            part("n", "2"),
            part("size", "1024x1024"),
            part("quality", "low"),
            part("partial_images", "0"),
            file("mask", "\u{1}"),
            part("model", "m"),
            part("background", "auto"),
        ],
    )
    .unwrap();
    for ask in [&json, &parts] {
        assert_eq!((ask.model.as_str(), ask.choices, ask.stream), ("m", 2, false));
        assert_eq!((ask.images, ask.unseen_input, ask.text_bytes, ask.messages), (2, false, 3, 1));
        assert_eq!(ask.text_bound, 3 + 16);
        assert_eq!(ask.media.size.as_deref(), Some("1024x1024"));
        assert_eq!((ask.media.quality.as_deref(), ask.media.image_units), (Some("low"), 272));
    }
    assert_eq!(parts.texts(), ["fox"]);
    assert!(parts.has_parts() && !json.has_parts());
}

#[test]
fn images_that_are_only_named_are_unseen() {
    for (image, images, unseen) in [
        ("null", 0, false),
        ("\"data:image/png;base64,AA\"", 1, false),
        ("\"https://x/y.png\"", 1, true),
        ("[{\"image_url\":\"DATA:,\"},{\"image_url\":{\"url\":\"data:,\"}}]", 2, false),
        ("[{\"file_id\":\"file-1\"}]", 1, true),
        ("{\"file_id\":null,\"url\":\"data:,\",\"type\":\"image_url\"}", 1, false),
        ("{\"file_id\":\"file-1\",\"image_url\":\"data:,\"}", 1, true),
        ("[{\"image_url\":\"data:,\"},{\"image_url\":\"http://x\"}]", 2, true),
        ("7", 1, true),
    ] {
        let ask = of_json(&format!("{{\"model\":\"m\",\"prompt\":\"p\",\"images\":{image}}}")).unwrap();
        assert_eq!((ask.images, ask.unseen_input), (images, unseen), "{image}");
    }
    let twice =
        "{\"model\":\"m\",\"prompt\":\"p\",\"image\":{\"image_url\":\"data:,\",\"image_url\":\"http://x\"}}";
    assert_eq!(fault(of_json(twice)), "twice image_url");
    let ask = of_parts(Form::ImageEdits, &[part("model", "m"), part("prompt", "p"), part("image", "file-1")]);
    assert!(ask.unwrap().unseen_input);
}

#[test]
fn fields_of_images_are_judged() {
    for (more, want) in [
        ("\"n\":10", "n"),
        ("\"n\":0", "n"),
        ("\"n\":\"1\"", "n"),
        ("\"n\":8", "fine"),
        ("\"n\":null,\"size\":null,\"stream\":null", "fine"),
        ("\"stream\":true,\"n\":2", "n"),
        ("\"stream\":true,\"partial_images\":3", "fine"),
        ("\"partial_images\":4", "partial_images"),
        ("\"size\":7", "size"),
        ("\"quality\":\"\"", "quality"),
        ("\"quality\":\" hd\"", "quality"),
        ("\"size\":\"1024x1024 \"", "size"),
        ("\"stream\":\"true\"", "stream"),
        ("\"prompt\":[\"a\"]", "twice prompt"),
        ("\"Model\":\"x\"", "twice Model"),
        ("\"models\":[\"x\"]", "models"),
    ] {
        let body = format!("{{\"model\":\"m\",\"prompt\":\"p\",{more}}}");
        assert_eq!(fault(of_json(&body)), want, "{more}");
    }
    assert_eq!(fault(of_json("{\"model\":\"m\"}")), "prompt");
    assert_eq!(fault(of_json("{\"prompt\":\"p\"}")), "model");
    let asked = "{\"model\":\"m\",\"prompt\":\"p\",\"stream\":true,\"partial_images\":3,\"quality\":\"medium\",\"size\":\"1024x1024\"}";
    let ask = of_json(asked).unwrap();
    assert_eq!((ask.media.image_units, ask.stream), (1_756 + 300, true));
}

#[test]
fn parts_that_are_read_twice_are_refused() {
    let (model, prompt) = (part("model", "m"), part("prompt", "p"));
    for (more, want) in [
        (part("model", "m"), "twice model"),
        (part("Model", "x"), "twice Model"),
        (part("MODEL", "x"), "twice MODEL"),
        (part("model[]", "x"), "twice model[]"),
        (part("model[0]", "x"), "twice model[0]"),
        (part("n[]", "1"), "twice n[]"),
        (part("[model]", "x"), "twice [model]"),
        (part("model]", "x"), "twice model]"),
        (part("]model", "x"), "twice ]model"),
        (part("model[", "x"), "twice model["),
        (part("a[b", "x"), "twice a[b"),
        (part("a[b]c", "x"), "twice a[b]c"),
        (part("a[[b]]", "x"), "twice a[[b]]"),
        (part("a[b][0]", "x") + &part("a[b][1]", "x"), "fine"),
        (part("partial.images", "3"), "twice partial.images"),
        (part("Partial.images", "3"), "twice Partial.images"),
        (part("a.b", "3"), "fine"),
        (part("user", "a") + &part("user", "b"), "twice user"),
        (part("seed", "1") + &part("seed", "2"), "twice seed"),
        (part("n", "1") + &part("n", "2"), "twice n"),
        (file("Image", "a"), "twice Image"),
        (part("n", "01"), "n"),
        (part("n", "+1"), "n"),
        (part("n", "1.0"), "n"),
        (part("n", " 1"), "n"),
        (part("n", ""), "n"),
        (part("stream", "True"), "stream"),
        (part("stream", "1"), "stream"),
        (part("models", "x"), "models"),
        (file("image", "a") + &file("image", "b") + &file("image[]", "c") + &file("image[1]", "d"), "fine"),
        (part("tags[]", "a") + &part("tags[]", "b"), "fine"),
        (file("n", "1"), "Form(Malformed(3, \"it must be text in UTF-8, without a file's name\"))"),
    ] {
        let parts = [model.clone(), prompt.clone(), more.clone()];
        assert_eq!(fault(of_parts(Form::ImageEdits, &parts)), want, "{more}");
    }
    for name in ["", " m", "m ", "m\u{7}", "m\r\n"] {
        assert_eq!(fault(of_parts(Form::ImageEdits, &[part("model", name), prompt.clone()])), "model");
    }
}

#[test]
fn sound_is_measured_and_bounded() {
    let ask = |parts: &[String]| of_parts(Form::Transcription, parts);
    let heard = ask(&[
        part("response_format", "srt"),
        file("file", &"s".repeat(33)),
        part("prompt", "words"),
        part("timestamp_granularities[]", "word"),
        part("timestamp_granularities[]", "segment"),
        part("known_speaker_references[]", &"r".repeat(16)),
        part("chunking_strategy[type]", "server_vad"),
        part("unknown", "12345"),
        part("model", "m"),
    ])
    .unwrap();
    assert_eq!((heard.audio_tokens, heard.media.sound_bytes, heard.media.sound_seconds), (4, 49, None));
    assert_eq!((heard.text_bytes, heard.text_bound), (5, 5 + 5 + 16));
    assert!(heard.media.wants_text && !heard.unseen_input);
    let sent =
        outgoing(&heard, &Outgoing { model: Some("other"), cap: None, cap_field: "", ask_usage: true });
    let sent = std::str::from_utf8(&sent).unwrap();
    let own = std::str::from_utf8(&heard.body).unwrap();
    assert_eq!(sent, own.replace("\r\n\r\nm\r\n", "\r\n\r\nother\r\n"));
    let same = outgoing(&heard, &Outgoing { model: Some("m"), cap: None, cap_field: "", ask_usage: true });
    assert_eq!(same, heard.body);
    let model = part("model", "m");
    for (parts, want) in [
        (vec![model.clone()], "file"),
        (vec![model.clone(), part("file", "s")], "file"),
        (vec![model.clone(), file("file", "s"), file("file", "s")], "twice file"),
        (vec![model.clone(), file("file[]", "s")], "twice file[]"),
        (vec![model.clone(), file("file", "s"), part("url", "http://x")], "url"),
        (vec![model.clone(), file("file", "s"), part("stream", "yes")], "stream"),
        (
            vec![model.clone(), file("file", "s"), part("temperature", "0") + &part("temperature", "1")],
            "twice temperature",
        ),
        (vec![file("file", "s")], "model"),
    ] {
        assert_eq!(fault(ask(&parts)), want, "{parts:?}");
    }
}
