//! What Gemini's methods answer.

use super::*;

fn read(text: &str) -> Reading {
    let mut meter = Meter::new(Metering::Generate, UsageEvent::Client);
    meter.on_body(text.as_bytes());
    meter.reading()
}

fn with(usage: &str) -> Reading {
    read(&format!(
        "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"hello\"}}]}}}}],\"usageMetadata\":{usage}}}"
    ))
}

#[test]
fn usage_is_taken_apart() {
    for (usage, want) in [
        (
            r#"{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11}"#,
            vec![("input", 9), ("output", 2)],
        ),
        (
            r#"{"promptTokenCount":9,"cachedContentTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":5,"toolUsePromptTokenCount":3}"#,
            vec![("input", 8), ("cached_input", 4), ("output", 2), ("reasoning", 5)],
        ),
        // Only the total knows the rest.
        (
            r#"{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":20}"#,
            vec![("input", 9), ("output", 11)],
        ),
        (r#"{"candidatesTokenCount":2,"totalTokenCount":11}"#, vec![("input", 9), ("output", 2)]),
        (
            r#"{"promptTokenCount":9,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":5},{"modality":"IMAGE","tokenCount":1}],
                "candidatesTokenCount":7,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":6}]}"#,
            vec![("input", 3), ("output", 1), ("audio_input", 5), ("image_input", 1), ("image_output", 6)],
        ),
    ] {
        let reading = with(usage);
        assert_eq!((counts(&reading), reading.suspect), (want, false), "{usage}");
    }
    for nonsense in [
        r#"{"promptTokenCount":-1,"candidatesTokenCount":2}"#,
        r#"{"promptTokenCount":"9","candidatesTokenCount":2}"#,
        r#"{"promptTokenCount":9,"candidatesTokenCount":0.5}"#,
        r#"{"promptTokenCount":9}"#,
        r#"{"candidatesTokenCount":2}"#,
        "[]",
    ] {
        let reading = with(nonsense);
        assert_eq!((reading.usage, reading.suspect), (None, true), "{nonsense}");
    }
}

#[test]
fn answers_are_told_from_what_is_none() {
    for (text, want) in [
        (r#"{"candidates":[]}"#, Answer::Given),
        (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, Answer::Given),
        (r#"{"embedding":{"values":[1]}}"#, Answer::Given),
        (r#"{"error":{"code":500}}"#, Answer::Error),
        (r#"{"usageMetadata":{"promptTokenCount":1}}"#, Answer::Empty),
        ("{}", Answer::Empty),
        ("[]", Answer::Empty),
        ("<html>", Answer::Page),
        ("{", Answer::Unreadable),
    ] {
        assert_eq!(read(text).answer, want, "{text}");
    }
}

/// The answer ends where each candidate seen has ended.
#[test]
fn the_last_chunk_is_known() {
    let chunk = |index: u8, reason: &str| {
        format!("data: {{\"candidates\":[{{\"index\":{index},\"finishReason\":{reason}}}]}}\n\n")
    };
    let stop = "\"STOP\"";
    for (text, want) in [
        ([chunk(0, "null"), chunk(0, stop)].concat(), vec![Step::Forward, Step::Last]),
        (
            [chunk(0, "null"), chunk(1, "null"), chunk(0, stop), chunk(1, stop)].concat(),
            vec![Step::Forward, Step::Forward, Step::Forward, Step::Last],
        ),
        ("data: {\"promptFeedback\":{\"blockReason\":\"OTHER\"}}\n\n".to_owned(), vec![Step::Last]),
        ("data: {\"error\":{\"code\":503}}\n\n".to_owned(), vec![Step::Fault]),
    ] {
        let (steps, _) = stream_of(Meter::new(Metering::Generate, UsageEvent::Client), &text);
        assert_eq!(steps, want, "{text}");
    }
}

/// Google bills each query once and none that is empty; a request to one of its older models once, however many there are.
#[test]
fn searches_are_counted_as_they_are_billed() {
    let grounded = |model: &str, queries: &str| {
        format!(
            "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"x\"}}]}},\"groundingMetadata\":{{\"webSearchQueries\":{queries}}}}}],\
             \"usageMetadata\":{{\"promptTokenCount\":1,\"candidatesTokenCount\":1}},\"modelVersion\":\"{model}\"}}"
        )
    };
    for (model, queries, want) in [
        ("gemini-3.8-flash", "[\"a\",\"b\"]", Some(2)),
        ("gemini-3.8-flash", "[\"\",\"a\",\"a\",\"\"]", Some(1)),
        ("gemini-3.8-flash", "[]", None),
        ("gemini-2.5-pro", "[\"a\",\"b\"]", Some(1)),
        ("gemini-2.5-pro", "[]", None),
    ] {
        let kinds: Vec<(&str, i64)> = want.map(|calls| ("tool_calls", calls)).into_iter().collect();
        assert_eq!(
            counts(&read(&grounded(model, queries))),
            [&[("input", 1), ("output", 1)], &kinds[..]].concat(),
            "{model} {queries}"
        );
    }
}
