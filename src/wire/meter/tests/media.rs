//! Replies with images and with words that were heard.

use super::*;

fn whole(metering: Metering, text: &str) -> Reading {
    let mut meter = Meter::new(metering, UsageEvent::Client);
    meter.on_body(text.as_bytes());
    meter.reading()
}

fn events(metering: Metering, data: &[&str]) -> (Vec<Step>, Reading) {
    let text: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    stream_of(Meter::new(metering, UsageEvent::Gateway), &text)
}

fn images(text: &str) -> Reading {
    whole(Metering::Images, text)
}

fn heard(text: &str) -> Reading {
    whole(Metering::Transcript, text)
}

#[test]
fn images_and_their_usage() {
    let usage = r#"{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":4160,"total_tokens":4210}"#;
    let reading = images(&format!(
        "{{\"created\":1,\"data\":[{{\"b64_json\":\"QQ==\"}},{{\"url\":\"u\"}}],\"usage\":{usage}}}"
    ));
    assert_eq!(counts(&reading), [("input", 10), ("image_input", 40), ("image_output", 4_160)]);
    assert_eq!((reading.images.get(), reading.answer, reading.suspect), (2, Answer::Given, false));
    // Where the output is told apart, what is text costs as that.
    let apart = r#"{"input_tokens":5,"output_tokens":100,"output_tokens_details":{"image_tokens":90,"text_tokens":10}}"#;
    let reading = images(&format!("{{\"data\":[{{}}],\"usage\":{apart}}}"));
    assert_eq!(counts(&reading), [("input", 5), ("output", 10), ("image_output", 90)]);
    for (body, answer, made, usage, suspect) in [
        ("{\"data\":[{\"url\":\"u\"}]}", Answer::Given, 1, false, false),
        ("{\"data\":[]}", Answer::Given, 0, false, false),
        (
            "{\"data\":[{}],\"usage\":{\"input_tokens\":-1,\"output_tokens\":1}}",
            Answer::Given,
            1,
            false,
            true,
        ),
        // An image without output is not believed.
        ("{\"data\":[{}],\"usage\":{\"input_tokens\":1,\"output_tokens\":0}}", Answer::Given, 1, false, true),
        ("{\"error\":{\"message\":\"m\"}}", Answer::Error, 0, false, false),
        ("{}", Answer::Empty, 0, false, false),
        ("<html>", Answer::Page, 0, false, false),
        ("", Answer::Nothing, 0, false, false),
        ("{\"data\":[{\"b64_json\":\"QQQQQQQQ", Answer::Unreadable, 0, false, true),
    ] {
        let reading = images(body);
        // The bytes of an image are no text.
        assert_eq!(reading.output_bytes, 0, "{body}");
        let told = (reading.answer, reading.images.get(), reading.usage.is_some(), reading.suspect);
        assert_eq!(told, (answer, made, usage, suspect), "{body}");
    }
}

#[test]
fn images_in_a_stream() {
    use Step::{Fault, Forward, Terminator};
    let preview =
        "{\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\",\"partial_image_index\":0}";
    let done = "{\"type\":\"image_edit.completed\",\"b64_json\":\"QQ==\",\"usage\":{\"input_tokens\":7,\"output_tokens\":372}}";
    let (steps, reading) = events(Metering::Images, &[preview, "{\"type\":\"keepalive\"}", done]);
    assert_eq!(steps, [Forward, Forward, Terminator]);
    assert_eq!(counts(&reading), [("input", 7), ("image_output", 372)]);
    assert_eq!((reading.images.get(), reading.has_output), (1, true));
    let (steps, reading) = events(Metering::Images, &[preview]);
    assert_eq!((steps, reading.images.get(), reading.has_output), (vec![Forward], 0, true));
    for bad in ["{\"type\":\"error\",\"message\":\"m\"}", "{\"error\":{\"code\":\"x\"}}"] {
        assert_eq!(events(Metering::Images, &[bad]).0, [Fault], "{bad}");
    }
}

#[test]
fn transcripts_and_their_usage() {
    let tokens = r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":45,"total_tokens":59}"#;
    let reading = heard(&format!("{{\"text\":\"hello\",\"usage\":{tokens}}}"));
    assert_eq!(counts(&reading), [("input", 4), ("output", 45), ("audio_input", 10)]);
    assert_eq!((reading.seconds, reading.output_bytes), (None, 5));
    // What is not said to be text was heard.
    let reading = heard("{\"text\":\"hello\",\"usage\":{\"input_tokens\":14,\"output_tokens\":45}}");
    assert_eq!(counts(&reading), [("output", 45), ("audio_input", 14)]);
    for (body, seconds, suspect) in [
        ("{\"text\":\"hello\",\"usage\":{\"type\":\"duration\",\"seconds\":9}}", Some(9), false),
        ("{\"text\":\"hello\",\"usage\":{\"type\":\"duration\",\"seconds\":8.2}}", Some(9), false),
        (
            "{\"task\":\"transcribe\",\"duration\":8.470000267028809,\"text\":\"hello\",\"segments\":[]}",
            Some(9),
            false,
        ),
        (
            "{\"duration\":\"8.47\",\"text\":\"hello\",\"usage\":{\"type\":\"duration\",\"seconds\":9}}",
            Some(9),
            false,
        ),
        (
            "{\"duration\":12.1,\"text\":\"hello\",\"usage\":{\"type\":\"duration\",\"seconds\":9}}",
            Some(13),
            false,
        ),
        ("{\"text\":\"hello\",\"usage\":{\"seconds\":-9}}", None, true),
        ("{\"text\":\"hello\",\"duration\":1e9}", None, true),
        // Whatever was heard is longer than nothing.
        ("{\"text\":\"hello\",\"usage\":{\"seconds\":0}}", None, false),
        ("{\"text\":\"hello\",\"duration\":0.0}", None, false),
        ("{\"text\":\"hello\"}", None, false),
        ("{\"text\":\"\"}", None, false),
    ] {
        let reading = heard(body);
        let told = (reading.seconds.map(TokenCount::get), reading.suspect, reading.answer);
        assert_eq!(told, (seconds, suspect, Answer::Given), "{body}");
        assert_eq!(reading.usage, None, "{body}");
    }
    for (body, answer) in [
        ("{\"error\":{\"message\":\"m\"}}", Answer::Error),
        ("{\"usage\":{\"seconds\":1}}", Answer::Empty),
        ("hello", Answer::Unreadable),
        ("<html>", Answer::Page),
    ] {
        assert_eq!(heard(body).answer, answer, "{body}");
    }
}

#[test]
fn transcripts_in_a_stream() {
    use Step::{Fault, Forward, Strip, Terminator};
    let delta = |text: &str| format!("{{\"type\":\"transcript.text.delta\",\"delta\":\"{text}\"}}");
    let usage = r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":3}"#;
    let done = format!("{{\"type\":\"transcript.text.done\",\"text\":\"hello you\",\"usage\":{usage}}}");
    let (steps, reading) = events(Metering::Transcript, &[&delta("hello"), &delta(" you"), &done]);
    assert_eq!(steps, [Forward, Forward, Terminator]);
    assert_eq!(counts(&reading), [("output", 3), ("audio_input", 14)]);
    // Told twice, counted once.
    assert_eq!((reading.output_bytes, reading.is_outdated), (9, false));
    let segment = "{\"type\":\"transcript.text.segment\",\"text\":\"hello you\",\"speaker\":\"A\"}";
    let (steps, reading) = events(Metering::Transcript, &[&delta("hello you"), segment]);
    assert_eq!((steps, reading.output_bytes), (vec![Forward, Forward], 9));
    assert_eq!(events(Metering::Transcript, &["{\"error\":{\"message\":\"m\"}}"]).0, [Fault]);
    // In the manner of a chat, as vLLM has it.
    let piece = "{\"object\":\"transcription.chunk\",\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}";
    let last = "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}";
    let (steps, reading) = events(Metering::Transcript, &[piece, last, "[DONE]"]);
    assert_eq!(steps, [Forward, Strip, Terminator]);
    assert_eq!(counts(&reading), [("output", 2), ("audio_input", 7)]);
}

#[test]
fn text_as_it_is() {
    let mut meter = Meter::new(Metering::Transcript, UsageEvent::Client);
    assert_eq!(meter.reading().answer, Answer::Nothing);
    meter.on_text(b"1\n00:00:00,000 --> 00:00:0");
    meter.on_text(b"2,500\nhello\n");
    let reading = meter.reading();
    assert_eq!((reading.answer, reading.output_bytes, reading.has_output), (Answer::Given, 38, true));
    assert_eq!((reading.least_seconds.get(), reading.seconds, reading.usage), (3, None, None));
}

/// Speech that came without any use of output is not believed; its bytes are no text.
#[test]
fn speech_is_output() {
    let delta = "{\"type\":\"speech.audio.delta\",\"audio\":\"QQ==\"}";
    let done = |output: i64| {
        let usage =
            format!("{{\"input_tokens\":5,\"output_tokens\":{output},\"total_tokens\":{}}}", 5 + output);
        format!("{{\"type\":\"speech.audio.done\",\"usage\":{usage}}}")
    };
    let told = |data: &[&str]| {
        let reading = events(Metering::Speech, data).1;
        (reading.has_output, reading.usage.is_some(), reading.suspect, reading.output_bytes)
    };
    assert_eq!(told(&[delta, &done(9)]), (true, true, false, 0));
    assert_eq!(told(&[delta, &done(0)]), (true, false, true, 0));
    assert_eq!(told(&[&done(0)]), (false, true, false, 0));
    assert_eq!(told(&["{\"type\":\"speech.audio.delta\",\"audio\":\"QQ"]), (false, false, true, 0));
    let mut meter = Meter::new(Metering::Speech, UsageEvent::Client);
    meter.on_sound(&[0]);
    assert!(meter.reading().has_output);
}

#[test]
fn sound_tells_its_length() {
    let mut meter = Meter::new(Metering::Speech, UsageEvent::Client);
    // 128 kbit/s: 16 000 bytes a second.
    meter.on_sound(b"\xff\xfb\x90\x64\0\0\0\0\0\0");
    meter.on_sound(&[0; 31_990]);
    assert_eq!(meter.reading().seconds.map(TokenCount::get), Some(2));
    meter.on_sound(&[0]);
    assert_eq!(meter.reading().seconds.map(TokenCount::get), Some(3));
}
