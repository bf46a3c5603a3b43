//! What OpenAI's other routes answer.

use super::*;

fn read(metering: Metering, text: &str) -> Reading {
    let mut meter = Meter::new(metering, UsageEvent::Client);
    meter.on_body(text.as_bytes());
    meter.reading()
}

#[test]
fn answers_without_output_are_metered() {
    let with = |usage: &str| {
        read(
            Metering::Inputs,
            &format!("{{\"object\":\"list\",\"data\":[{{\"embedding\":\"AAAA\"}}],\"usage\":{usage}}}"),
        )
    };
    for (usage, want, suspect) in [
        ("{\"prompt_tokens\":7,\"total_tokens\":7}", vec![("input", 7)], false),
        // A total is input: there is nothing else.
        ("{\"total_tokens\":9}", vec![("input", 9)], false),
        ("{\"prompt_tokens\":7,\"total_tokens\":9}", vec![("input", 9)], false),
        ("{\"prompt_tokens\":7,\"completion_tokens\":0,\"total_tokens\":7}", vec![("input", 7)], false),
        (
            "{\"prompt_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":4}}",
            vec![("input", 5), ("cached_input", 4)],
            false,
        ),
        ("null", vec![], false),
        ("{}", vec![], false),
        ("{\"prompt_tokens\":0,\"total_tokens\":0}", vec![], true),
        ("{\"prompt_tokens\":-1}", vec![], true),
        ("{\"prompt_tokens\":1.5}", vec![], true),
    ] {
        let reading = with(usage);
        assert_eq!((counts(&reading), reading.suspect), (want, suspect), "{usage}");
        assert_eq!((reading.answer, reading.output_bytes, reading.has_output), (Answer::Given, 0, false));
    }
    for (text, answer) in [
        ("{\"results\":[]}", Answer::Given),
        ("{\"error\":{\"message\":\"m\"},\"data\":[]}", Answer::Error),
        ("{\"object\":\"list\",\"data\":null}", Answer::Empty),
        ("{}", Answer::Empty),
        ("[]", Answer::Empty),
        ("{\"data\":[", Answer::Unreadable),
        ("<html>", Answer::Page),
    ] {
        assert_eq!(read(Metering::Inputs, text).answer, answer, "{text}");
    }
}
