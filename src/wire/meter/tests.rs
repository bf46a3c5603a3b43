//! Replies in tables: what was used, what is not believed, whose event is whose.

mod gemini;
mod media;
mod openai;

use bytes::Bytes;

use super::super::sse::EventTooLarge;
use super::*;
use crate::wire::Splitter;

/// The steps and the reading of a stream.
fn stream(usage_event: UsageEvent, text: &str) -> (Vec<Step>, Reading) {
    stream_of(Meter::new(Metering::Chat, usage_event), text)
}

fn stream_of(mut meter: Meter, text: &str) -> (Vec<Step>, Reading) {
    let mut splitter = Splitter::new(1 << 24);
    let mut steps = Vec::new();
    splitter.push(Bytes::copy_from_slice(text.as_bytes()));
    while let Some(event) = splitter.next_event().unwrap_or_else(|EventTooLarge| panic!("too large")) {
        steps.push(meter.on_event(&event));
    }
    (steps, meter.reading())
}

fn body(text: &str) -> Reading {
    let mut meter = Meter::new(Metering::Chat, UsageEvent::Client);
    meter.on_body(text.as_bytes());
    meter.reading()
}

fn with_usage(usage: &str) -> Reading {
    body(&format!("{{\"choices\":[{{\"message\":{{\"content\":\"hello\"}}}}],\"usage\":{usage}}}"))
}

/// The counts that are not zero, by name.
fn counts(reading: &Reading) -> Vec<(&'static str, i64)> {
    let usage = reading.usage.unwrap_or_default();
    let counts = Usage::NAMES.into_iter().zip(usage.counts().map(TokenCount::get));
    counts.filter(|(_, count)| *count != 0).collect()
}

const DELTA: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcd\"}}],\"usage\":null}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn the_gateways_own_event_is_stripped_and_no_other() {
    use Step::{Forward, Strip, Terminator};
    let whole = format!("{DELTA}: ping\n\n{DELTA}{USAGE}{DONE}");
    let (steps, reading) = stream(UsageEvent::Gateway, &whole);
    assert_eq!(steps, [Forward, Forward, Forward, Strip, Terminator]);
    assert_eq!(counts(&reading), [("input", 5), ("output", 2)]);
    assert_eq!((reading.output_bytes, reading.has_output, reading.suspect), (8, true, false));
    assert_eq!((reading.answer, reading.estimated_output().get()), (Answer::Given, 2));
    assert_eq!(stream(UsageEvent::Client, &whole).0, [Forward, Forward, Forward, Forward, Terminator]);
    for other in [
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        "data: {\"choices\":[],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data:\n\n",
        "data: not JSON\n\n",
    ] {
        assert_eq!(stream(UsageEvent::Gateway, other).0, [Forward], "{other}");
    }
    assert_eq!(stream(UsageEvent::Client, "data:  [DONE] \r\n\r\n").0, [Terminator]);
    let (_, reading) = stream(UsageEvent::Client, "data:\n\n");
    assert_eq!((reading.answer, reading.suspect), (Answer::Nothing, false), "an empty event is none");
}

#[test]
fn usage_before_the_last_output_is_outdated() {
    let both = DELTA.replace("null", "{\"prompt_tokens\":5,\"completion_tokens\":2}");
    for (text, outdated) in [
        (format!("{DELTA}{USAGE}"), false),
        (format!("{USAGE}{DELTA}"), true),
        (format!("{USAGE}{DELTA}{USAGE}"), false),
        (both.clone(), false),
        (format!("{both}{DELTA}"), true),
        (format!("{both}{DONE}"), false),
        (DELTA.to_owned(), false),
    ] {
        let (_, reading) = stream(UsageEvent::Client, &text);
        assert_eq!((reading.is_outdated, reading.suspect), (outdated, outdated), "{text}");
    }
}

#[test]
fn usage_in_a_stream_is_cumulative() {
    let part = |output: i64| {
        format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":10,\"completion_tokens\":{output}}}}}\n\n"
        )
    };
    let (_, reading) = stream(UsageEvent::Client, &format!("{DELTA}{}{}{}", part(3), part(9), part(5)));
    assert_eq!(counts(&reading), [("input", 10), ("output", 9)]);
    let late =
        "data: {\"x_groq\":{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}},\"choices\":[]}\n\n";
    assert_eq!(counts(&stream(UsageEvent::Client, late).1), [("input", 1), ("output", 2)]);
}

#[test]
fn each_kind_counts_at_its_largest() {
    let usage = |[input, output, total]: [i64; 3], details: [i64; 7], calls: i64| {
        let [cached, written, heard, seen, thought, spoken, drawn] = details;
        format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{total},\"prompt_tokens_details\":{{\"cached_tokens\":{cached},\"cache_write_tokens\":{written},\"audio_tokens\":{heard},\"image_tokens\":{seen}}},\"completion_tokens_details\":{{\"reasoning_tokens\":{thought},\"audio_tokens\":{spoken},\"image_tokens\":{drawn}}},\"server_tool_use\":{{\"web_search_requests\":{calls}}}}}}}\n\n"
        )
    };
    let one = usage([1000, 500, 1700], [10, 50, 20, 70, 11, 60, 13], 2);
    let other = usage([900, 400, 1300], [40, 20, 60, 30, 44, 15, 66], 5);
    for text in [format!("{one}{other}"), format!("{other}{one}")] {
        assert_eq!(
            counts(&stream(UsageEvent::Client, &text).1),
            [
                ("input", 780),
                ("cached_input", 40),
                ("cache_write", 50),
                ("output", 530),
                ("reasoning", 44),
                ("audio_input", 60),
                ("audio_output", 60),
                ("image_input", 70),
                ("image_output", 66),
                ("tool_calls", 5),
            ]
        );
    }
}

#[test]
fn kinds_are_disjoint() {
    for (usage, want) in [
        (
            "{\"prompt_tokens\":100,\"completion_tokens\":50,\"total_tokens\":150}",
            vec![("input", 100), ("output", 50)],
        ),
        (
            "{\"prompt_tokens\":100,\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_tokens\":60,\"audio_tokens\":10,\"cache_write_tokens\":20,\"odd\":\"x\"},\"completion_tokens_details\":{\"reasoning_tokens\":30,\"audio_tokens\":5,\"accepted_prediction_tokens\":3}}",
            vec![
                ("input", 10),
                ("cached_input", 60),
                ("cache_write", 20),
                ("output", 15),
                ("reasoning", 30),
                ("audio_input", 10),
                ("audio_output", 5),
            ],
        ),
        // DeepSeek says the cached part at the top.
        (
            "{\"prompt_tokens\":100,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":36}",
            vec![("input", 36), ("cached_input", 64), ("output", 5)],
        ),
        // xAI counts reasoning beside the output, Gemini's compatible server too.
        (
            "{\"prompt_tokens\":32,\"completion_tokens\":9,\"total_tokens\":135,\"completion_tokens_details\":{\"reasoning_tokens\":94}}",
            vec![("input", 32), ("output", 9), ("reasoning", 94)],
        ),
        (
            "{\"prompt_tokens\":4,\"completion_tokens\":3,\"total_tokens\":100}",
            vec![("input", 4), ("output", 96)],
        ),
        // Images are kinds of their own; Anthropic says what was written to the cache at the top.
        (
            "{\"input_tokens\":100,\"output_tokens\":50,\"cache_creation_input_tokens\":20,\"input_tokens_details\":{\"image_tokens\":30},\"output_tokens_details\":{\"image_tokens\":40}}",
            vec![
                ("input", 50),
                ("cache_write", 20),
                ("output", 10),
                ("image_input", 30),
                ("image_output", 40),
            ],
        ),
        // A detail larger than its total.
        (
            "{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":60,\"audio_tokens\":1},\"completion_tokens_details\":{\"reasoning_tokens\":9}}",
            vec![("cached_input", 10), ("reasoning", 5)],
        ),
        ("{\"completion_tokens\":3,\"total_tokens\":10}", vec![("input", 7), ("output", 3)]),
        (
            "{\"input_tokens\":7,\"output_tokens\":3,\"prompt_tokens_details\":null}",
            vec![("input", 7), ("output", 3)],
        ),
        (
            "{\"prompt_tokens\":7,\"completion_tokens\":3,\"server_tool_use\":{\"web_search_requests\":2,\"x\":null}}",
            vec![("input", 7), ("output", 3), ("tool_calls", 2)],
        ),
    ] {
        let reading = with_usage(usage);
        assert_eq!((counts(&reading), reading.suspect), (want, false), "{usage}");
    }
}

#[test]
fn nonsense_is_not_believed() {
    for usage in [
        "{\"prompt_tokens\":-5,\"completion_tokens\":2}",
        "{\"prompt_tokens\":5.5,\"completion_tokens\":2}",
        "{\"prompt_tokens\":\"5\",\"completion_tokens\":2}",
        "{\"prompt_tokens\":1e3,\"completion_tokens\":2}",
        "{\"prompt_tokens\":5,\"completion_tokens\":2147483648}",
        "{\"prompt_tokens\":5,\"completion_tokens\":99999999999999999999999}",
        "{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":-1}}",
        "{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":[]}",
        "{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":1.5}}",
        "{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":\"1\",\"audio_tokens\":0}}",
        "{\"completion_tokens_details\":{\"reasoning_tokens\":-1},\"prompt_tokens\":5,\"completion_tokens\":2}",
        "{\"server_tool_use\":{\"web_search_requests\":-1},\"prompt_tokens\":5,\"completion_tokens\":2}",
        "{\"completion_tokens\":2}",
        // No output, although text flowed.
        "{\"prompt_tokens\":5,\"completion_tokens\":0}",
        "[]",
        "\"5\"",
    ] {
        let reading = with_usage(usage);
        assert_eq!((reading.usage, reading.suspect, reading.output_bytes), (None, true, 5), "{usage}");
    }
    for usage in ["null", "{}", "{\"cost\":1.5}"] {
        let reading = with_usage(usage);
        assert_eq!((reading.usage, reading.suspect), (None, false), "{usage}");
    }
}

#[test]
fn all_that_the_model_wrote_is_counted() {
    for (message, bytes) in [
        ("{\"content\":\"h\\u00e9\\n\"}", 4),
        ("{\"content\":null,\"refusal\":\"no\"}", 2),
        ("{\"reasoning_content\":\"abc\",\"content\":\"\"}", 3),
        (
            "{\"reasoning_content\":\"abc\",\"reasoning\":\"abc\",\"reasoning_details\":[{\"text\":\"abc\"}]}",
            3,
        ),
        ("{\"content\":\"a\"}", 1),
        ("{\"reasoning_content\":null,\"reasoning\":{},\"content\":\"a\"}", 1),
        ("{\"reasoning\":\"abc\",\"content\":\"de\"}", 5),
        ("{\"reasoning\":\"abcd\",\"reasoning_content\":\"ab\"}", 4),
        (
            "{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}",
            3,
        ),
        ("{\"tool_calls\":[{\"custom\":{\"name\":\"f\",\"input\":\"abc\"}}]}", 4),
        ("{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}}", 3),
        ("{\"audio\":{\"id\":\"x\",\"data\":\"QUJD\",\"transcript\":\"hey\"}}", 3),
        (
            "{\"content\":[{\"type\":\"text\",\"text\":\"abc\"},{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"de\"}]}]}",
            5,
        ),
        ("{\"role\":\"assistant\"}", 0),
        ("null", 0),
    ] {
        for place in ["message", "delta"] {
            let reading = body(&format!("{{\"choices\":[{{\"{place}\":{message}}}]}}"));
            assert_eq!((reading.output_bytes, reading.has_output), (bytes, bytes > 0), "{message}");
        }
    }
    assert_eq!(body("{\"choices\":[{\"text\":\"abcde\"}]}").estimated_output().get(), 2);
    assert!(body("{\"choices\":[{\"delta\":{\"audio\":{\"data\":\"QUJD\"}}}]}").has_output);
}

#[test]
fn what_is_no_answer_is_known_as_such() {
    for (text, want) in [
        ("", Answer::Nothing),
        (" \n", Answer::Nothing),
        ("  <!DOCTYPE html><html>", Answer::Page),
        ("null", Answer::Empty),
        ("[]", Answer::Empty),
        ("{}", Answer::Empty),
        ("{\"error\":null}", Answer::Empty),
        ("\"ok\"", Answer::Empty),
        ("{\"choices\":null}", Answer::Empty),
        ("{\"choices\":{\"text\":\"x\"}}", Answer::Empty),
        ("{\"error\":{\"message\":\"m\"}}", Answer::Error),
        ("{\"error\":\"m\",\"choices\":[]}", Answer::Error),
        ("[{\"error\":{\"code\":429}}]", Answer::Error),
        ("{\"choices\":[", Answer::Unreadable),
        ("\u{1f}\u{8b}", Answer::Unreadable),
        ("{\"choices\":[]} x", Answer::Unreadable),
        ("{\"choices\":[{}]}", Answer::Given),
    ] {
        assert_eq!(body(text).answer, want, "{text}");
        // What cannot be read may be output; what can be and is no answer is none.
        let unreadable = want == Answer::Unreadable;
        assert_eq!((body(text).has_output, body(text).suspect), (unreadable, unreadable), "{text}");
    }
    let reading =
        body("{\"error\":{\"message\":\"m\"},\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":0}}");
    assert_eq!((counts(&reading), reading.has_error, reading.has_output), (vec![("input", 3)], true, false));
    // Cut short behind its usage.
    let reading =
        body("{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1},\"choices\":[{\"message\":{\"con");
    assert_eq!((counts(&reading), reading.answer), (vec![("input", 3), ("output", 1)], Answer::Unreadable));
    assert_eq!(body(&"[".repeat(100_000)).answer, Answer::Unreadable);
}

#[test]
fn an_error_ends_a_stream() {
    use Step::{Fault, Forward};
    for (text, steps, answer) in [
        ("data: {\"error\":{\"message\":\"m\"}}\n\n".to_owned(), vec![Fault], Answer::Error),
        ("event: error\ndata: {\"message\":\"m\"}\n\n".to_owned(), vec![Fault], Answer::Error),
        ("{\"error\":{\"message\":\"m\"}}\n\n".to_owned(), vec![Fault], Answer::Error),
        (format!("{DELTA}data: {{\"error\":\"m\"}}\n\n"), vec![Forward, Fault], Answer::Given),
        ("<html>\n\n".to_owned(), vec![Fault], Answer::Page),
        (": ping\n\n".to_owned(), vec![Forward], Answer::Nothing),
    ] {
        let (got, reading) = stream(UsageEvent::Gateway, &text);
        assert_eq!((got, reading.answer), (steps, answer), "{text}");
        assert_eq!(reading.has_error, text.contains("error"), "{text}");
    }
}

#[test]
fn the_tier_that_served_is_told() {
    for (tier, want) in [
        ("\"priority\"", Some(ServiceTier::Priority)),
        ("\"default\"", Some(ServiceTier::Default)),
        ("null", None),
        ("1", None),
    ] {
        assert_eq!(body(&format!("{{\"choices\":[],\"service_tier\":{tier}}}")).tier, want, "{tier}");
    }
}

#[test]
fn large_events_are_scanned() {
    let large = "x".repeat(1 << 20);
    let text = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"images\":[{{\"image_url\":{{\"url\":\"{large}\"}}}}]}}}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":2}}}}\n\n"
    );
    let (_, reading) = stream(UsageEvent::Gateway, &text);
    assert_eq!(counts(&reading), [("input", 1), ("output", 2)]);
    assert_eq!((reading.output_bytes, reading.has_output), (0, true));
}

/// The steps and the reading of a stream of Anthropic's, given by the data of its events.
fn events(data: &[&str]) -> (Vec<Step>, Reading) {
    let text: String =
        data.iter().map(|data| format!("event: x\ndata: {}\n\n", data.replace('\n', ""))).collect();
    stream_of(Meter::new(Metering::Messages, UsageEvent::Gateway), &text)
}

fn message(text: &str) -> Reading {
    let mut meter = Meter::new(Metering::Messages, UsageEvent::Client);
    meter.on_body(text.as_bytes());
    meter.reading()
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","content":[],"usage":{"input_tokens":25,
    "cache_read_input_tokens":100,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,
    "ephemeral_1h_input_tokens":20},"output_tokens":1,"service_tier":"standard"}}}"#;
const TEXT: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"abcdefgh"}}"#;
const END: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

#[test]
fn a_stream_of_messages_is_metered() {
    use Step::{Forward, Terminator};
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let (steps, reading) = events(&[START, block, r#"{"type":"ping"}"#, TEXT, TEXT, END, STOP]);
    assert_eq!(steps, [Forward, Forward, Forward, Forward, Forward, Forward, Terminator]);
    let kinds =
        [("input", 25), ("cached_input", 100), ("cache_write", 10), ("cache_write_1h", 20), ("output", 15)];
    assert_eq!(counts(&reading), kinds);
    assert_eq!((reading.output_bytes, reading.is_outdated, reading.suspect), (16, false, false));
    assert_eq!((reading.answer, reading.tier), (Answer::Given, Some(ServiceTier::Default)));
    // Cut before its last figures: the input is known, the output is counted here.
    let (_, reading) = events(&[START, TEXT, TEXT, TEXT]);
    assert_eq!(counts(&reading).last(), Some(&("output", 6)));
    assert!(reading.is_outdated);
    // The last figures may name the totals again; they count once, at their largest.
    let end = r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":25,"cache_creation_input_tokens":30,
        "cache_read_input_tokens":100,"output_tokens":15,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":5}}}"#;
    let (_, reading) = events(&[START, TEXT, end, STOP]);
    assert_eq!(counts(&reading), [&kinds[..], &[("tool_calls", 2)]].concat());
}

#[test]
fn all_that_the_model_wrote_in_a_message_is_counted() {
    for (delta, bytes) in [
        (r#"{"type":"text_delta","text":"a\u00e9"}"#, 3),
        (r#"{"type":"thinking_delta","thinking":"hmm"}"#, 3),
        (r#"{"type":"input_json_delta","partial_json":"{\"a\":"}"#, 5),
        (r#"{"type":"signature_delta","signature":"QUJD"}"#, 0),
        (r#"{"type":"citations_delta","citation":{"cited_text":"abc"}}"#, 0),
    ] {
        let event = format!("{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}");
        let reading = events(&[&event]).1;
        assert_eq!((reading.output_bytes, reading.has_output), (bytes, bytes > 0), "{delta}");
    }
    for (block, bytes, has_output) in [
        (r#"{"type":"text","text":"abc"}"#, 3, true),
        (r#"{"type":"thinking","thinking":"ab","signature":"QUJD"}"#, 2, true),
        (r#"{"type":"redacted_thinking","data":"QUJD"}"#, 0, true),
        (r#"{"type":"tool_use","id":"t","name":"f","input":{"a":1}}"#, 8, true),
        (r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#, 1, true),
        (r#"{"type":"web_search_tool_result","content":[{"title":"abc"}]}"#, 0, false),
    ] {
        let reading = message(&format!("{{\"type\":\"message\",\"content\":[{block}]}}"));
        assert_eq!((reading.output_bytes, reading.has_output), (bytes, has_output), "{block}");
    }
}

#[test]
fn usage_of_a_message_is_read() {
    for (usage, want) in [
        (r#"{"input_tokens":3,"output_tokens":4}"#, vec![("input", 3), ("output", 4)]),
        // Writes of no known life are short ones.
        (
            r#"{"input_tokens":3,"cache_creation_input_tokens":9,"cache_read_input_tokens":null,"output_tokens":4}"#,
            vec![("input", 3), ("cache_write", 9), ("output", 4)],
        ),
        (
            r#"{"input_tokens":3,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":5},"output_tokens":4}"#,
            vec![("input", 3), ("cache_write", 4), ("cache_write_1h", 5), ("output", 4)],
        ),
        // Several rounds are billed, whatever the totals have of them.
        (
            r#"{"input_tokens":3,"output_tokens":4,"iterations":[{"type":"compaction","input_tokens":100,"output_tokens":20},
                {"type":"message","input_tokens":3,"output_tokens":4}]}"#,
            vec![("input", 103), ("output", 24)],
        ),
    ] {
        let reading = message(&format!(
            "{{\"type\":\"message\",\"content\":[{{\"type\":\"text\",\"text\":\"hi\"}}],\"usage\":{usage}}}"
        ));
        assert_eq!((counts(&reading), reading.suspect), (want, false), "{usage}");
    }
    for usage in [
        r#"{"input_tokens":-3,"output_tokens":4}"#,
        r#"{"input_tokens":3.5,"output_tokens":4}"#,
        r#"{"input_tokens":3,"output_tokens":4,"cache_creation":{"ephemeral_1h_input_tokens":-1}}"#,
        r#"{"input_tokens":3,"output_tokens":4,"server_tool_use":{"web_search_requests":-1}}"#,
        r#"{"input_tokens":3,"output_tokens":0}"#,
        r#"{"output_tokens":4}"#,
        "[]",
    ] {
        let reading = message(&format!(
            "{{\"type\":\"message\",\"content\":[{{\"type\":\"text\",\"text\":\"hi\"}}],\"usage\":{usage}}}"
        ));
        assert_eq!((reading.usage, reading.suspect), (None, true), "{usage}");
    }
    let tier =
        |usage: &str| message(&format!("{{\"content\":[],\"usage\":{{\"input_tokens\":1,{usage}}}}}")).tier;
    assert_eq!(tier(r#""service_tier":"priority""#), Some(ServiceTier::Priority));
    assert_eq!(tier(r#""speed":"fast","service_tier":"standard""#), Some(ServiceTier::Priority));
    assert_eq!(tier(r#""service_tier":"standard","speed":"fast""#), Some(ServiceTier::Priority));
    assert_eq!(tier(r#""service_tier":"standard","speed":"standard""#), Some(ServiceTier::Default));
}

#[test]
fn what_is_no_message_is_known_as_such() {
    use Step::{Fault, Forward};
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#;
    for (text, want) in [
        ("", Answer::Nothing),
        ("<html>", Answer::Page),
        ("{}", Answer::Empty),
        ("[]", Answer::Empty),
        ("{\"type\":\"ping\"}", Answer::Empty),
        (error, Answer::Error),
        ("{\"content\":[", Answer::Unreadable),
        ("{\"content\":[],\"type\":\"odd\"}", Answer::Given),
        ("{\"type\":\"message\",\"content\":[]}", Answer::Given),
    ] {
        assert_eq!(message(text).answer, want, "{text}");
    }
    for (data, steps, answer) in [
        (vec![error], vec![Fault], Answer::Error),
        (vec![START, error], vec![Forward, Fault], Answer::Given),
        (vec![r#"{"type":"ping"}"#], vec![Forward], Answer::Nothing),
        (vec![r#"{"type":"of_tomorrow","x":[1]}"#], vec![Forward], Answer::Nothing),
    ] {
        let (got, reading) = events(&data);
        assert_eq!((got, reading.answer), (steps, answer), "{data:?}");
    }
}
