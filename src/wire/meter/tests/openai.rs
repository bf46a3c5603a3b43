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

fn response(members: &str) -> Reading {
    read(
        Metering::Responses,
        &format!("{{\"id\":\"resp_1\",\"object\":\"response\",\"error\":null,{members}}}"),
    )
}

/// The steps and the reading of a stream, given by the data of its events.
fn typed(data: &[&str]) -> (Vec<Step>, Reading) {
    let text: String =
        data.iter().map(|data| format!("event: x\ndata: {}\n\n", data.replace('\n', ""))).collect();
    stream_of(Meter::new(Metering::Responses, UsageEvent::Gateway), &text)
}

const USED: &str = r#""usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60},"output_tokens":50,
    "output_tokens_details":{"reasoning_tokens":30},"total_tokens":150}"#;

#[test]
fn a_response_is_metered() {
    let reading = response(&format!(
        r#""status":"completed","service_tier":"default","output":[{{"type":"reasoning","summary":[{{"type":"summary_text","text":"hmm"}}],"encrypted_content":"QUJD"}},
        {{"type":"web_search_call","action":{{"type":"search","query":"a long query"}}}},
        {{"type":"web_search_call","action":{{"type":"open_page","url":"https://x"}}}},
        {{"type":"file_search_call","queries":["x"]}},{{"type":"mcp_call","name":"f","arguments":"{{}}","output":"no output of the model"}},
        {{"type":"function_call","name":"f","arguments":"{{\"a\":1}}","call_id":"c"}},
        {{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"h\u00e9","annotations":[]}},{{"type":"refusal","refusal":"no"}}]}}],{USED}"#
    ));
    let want = [("input", 40), ("cached_input", 60), ("output", 20), ("reasoning", 30), ("tool_calls", 2)];
    assert_eq!(counts(&reading), want);
    // hmm; f {}; f {"a":1}; hé no
    assert_eq!(
        (reading.output_bytes, reading.answer, reading.suspect),
        (3 + 3 + 8 + 3 + 2, Answer::Given, false)
    );
    assert_eq!(reading.tier, Some(ServiceTier::Default));
    for (members, answer) in [
        (r#""status":"incomplete","output":[]"#, Answer::Given),
        (r#""status":"completed""#, Answer::Empty),
        (r#""status":"completed","output":null"#, Answer::Empty),
    ] {
        assert_eq!(response(members).answer, answer, "{members}");
    }
    let failed = r#"{"object":"response","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}"#;
    assert_eq!(read(Metering::Responses, failed).answer, Answer::Error);
    assert_eq!(read(Metering::Responses, "{\"error\":{\"message\":\"m\"}}").answer, Answer::Error);
}

#[test]
fn a_stream_of_a_response_is_metered() {
    use Step::{Failure, Fault, Forward, Terminator};
    let created = r#"{"type":"response.created","response":{"status":"in_progress","error":null,"output":[],"usage":null,"service_tier":"auto"}}"#;
    let added = r#"{"type":"response.output_item.added","item":{"type":"message","content":[]}}"#;
    let delta = r#"{"type":"response.output_text.delta","delta":"abcd"}"#;
    let done = r#"{"type":"response.output_text.done","text":"abcdabcd"}"#;
    let item = r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"abcdabcd"}]}}"#;
    let search = r#"{"type":"response.output_item.done","item":{"type":"web_search_call","action":{"type":"search"}}}"#;
    let whole = r#""output":[{"type":"web_search_call"},{"type":"message","content":[{"type":"output_text","text":"abcdabcd"}]}]"#;
    let completed =
        format!("{{\"type\":\"response.completed\",\"response\":{{\"error\":null,{whole},{USED}}}}}");
    let (steps, reading) = typed(&[created, added, search, delta, delta, done, item, &completed]);
    assert_eq!(steps, [Forward, Forward, Forward, Forward, Forward, Forward, Forward, Terminator]);
    let want = [("input", 40), ("cached_input", 60), ("output", 20), ("reasoning", 30), ("tool_calls", 1)];
    assert_eq!(counts(&reading), want);
    // What is told twice counts once.
    assert_eq!((reading.output_bytes, reading.is_outdated, reading.suspect), (8, false, false));
    assert_eq!(reading.answer, Answer::Given);
    let incomplete = completed.replace("response.completed", "response.incomplete");
    assert_eq!(typed(&[created, delta, &incomplete]).0, [Forward, Forward, Terminator]);
    // Cut before its end: what went by is known, the calls too.
    let (_, reading) = typed(&[created, search, delta]);
    assert_eq!((reading.usage, reading.output_bytes, reading.tool_calls.get()), (None, 4, 1));
    // Without deltas the whole counts.
    let bare = format!("{{\"type\":\"response.completed\",\"response\":{{{whole}}}}}");
    assert_eq!(typed(&[created, &bare]).1.output_bytes, 8);
    // Text without output is not believed.
    let zero = format!(
        "{{\"type\":\"response.completed\",\"response\":{{{whole},\"usage\":{{\"input_tokens\":5,\"output_tokens\":0}}}}}}"
    );
    let (_, reading) = typed(&[&zero]);
    assert_eq!((reading.usage, reading.suspect), (None, true));

    let failed = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"},"output":[],"usage":null}}"#;
    let (steps, reading) = typed(&[created, failed]);
    assert_eq!((steps, reading.answer, reading.has_output), (vec![Forward, Failure], Answer::Error, false));
    let (steps, reading) = typed(&[created, delta, failed]);
    assert_eq!((steps, reading.answer), (vec![Forward, Forward, Failure], Answer::Given));
    for error in [
        r#"{"type":"error","code":"x","message":"m","param":null,"sequence_number":1}"#,
        r#"{"type":"error","error":{"message":"m"}}"#,
        r#"{"error":{"message":"m"}}"#,
    ] {
        let (steps, reading) = typed(&[created, error]);
        assert_eq!((steps, reading.answer), (vec![Forward, Fault], Answer::Error), "{error}");
    }
}

#[test]
fn all_that_the_model_wrote_in_a_response_is_counted() {
    for kind in [
        "output_text",
        "refusal",
        "reasoning_text",
        "reasoning_summary_text",
        "function_call_arguments",
        "custom_tool_call_input",
        "mcp_call_arguments",
        "code_interpreter_call_code",
    ] {
        let event = format!("{{\"delta\":\"h\\u00e9\",\"type\":\"response.{kind}.delta\"}}");
        let (steps, reading) = typed(&[&event]);
        assert_eq!(
            (steps, reading.output_bytes, reading.has_output),
            (vec![Step::Forward], 3, true),
            "{kind}"
        );
    }
    let picture = r#"{"type":"response.image_generation_call.partial_image","partial_image_b64":"QUJD"}"#;
    let (_, reading) = typed(&[picture, r#"{"type":"keepalive"}"#]);
    assert_eq!((reading.output_bytes, reading.has_output), (0, true));
}

#[test]
fn speech_has_usage_in_events_alone() {
    use Step::{Fault, Forward, Terminator};
    let mut meter = Meter::new(Metering::Speech, UsageEvent::Client);
    assert_eq!((meter.reading().usage, meter.reading().answer), (None, Answer::Nothing));
    meter.on_sound(b"<\0{");
    assert_eq!((meter.reading().usage, meter.reading().answer), (None, Answer::Given));
    for (body, answer) in [
        ("{\"audio_data\":\"QUJD\"}", Answer::Given),
        ("{\"error\":{\"message\":\"m\"}}", Answer::Error),
        ("{}", Answer::Empty),
        ("<html>", Answer::Page),
    ] {
        let reading = read(Metering::Speech, body);
        assert_eq!((reading.answer, reading.usage), (answer, None), "{body}");
    }
    let stream = |data: &[&str]| {
        let text: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
        stream_of(Meter::new(Metering::Speech, UsageEvent::Gateway), &text)
    };
    let delta = "{\"type\":\"speech.audio.delta\",\"audio\":\"QUJD\"}";
    let done = "{\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":5,\"output_tokens\":9,\"total_tokens\":14}}";
    let (steps, reading) = stream(&[delta, done]);
    assert_eq!(
        (steps, counts(&reading)),
        (vec![Forward, Terminator], vec![("input", 5), ("audio_output", 9)])
    );
    assert_eq!(stream(&["{\"type\":\"error\",\"error\":{\"message\":\"m\"}}"]).0, [Fault]);
}

/// The id is the response's own, the first that is safe to repeat.
#[test]
fn the_id_of_a_response_is_seen() {
    let id_of = |feed: &dyn Fn(&mut Meter)| {
        let mut meter = Meter::new(Metering::Responses, UsageEvent::Client);
        feed(&mut meter);
        meter.response_id().map(|id| id.as_str().to_owned())
    };
    for (body, want) in [
        (r#"{"id":"resp_1","output":[{"id":"msg_1"}]}"#, Some("resp_1")),
        (r#"{"output":[],"id":"a\u0062"}"#, Some("ab")),
        (r#"{"id":"resp/1","output":[]}"#, None),
        (r#"{"id":["resp_1"],"output":[]}"#, None),
        (r#"{"id":"resp_1","error":{"code":"x"}}"#, None),
        (r#"{"id":"resp_1""#, None),
    ] {
        assert_eq!(id_of(&|meter| meter.on_body(body.as_bytes())).as_deref(), want, "{body}");
    }
    let created = |id: &str| format!(r#"{{"type":"response.created","response":{{"id":{id},"output":[]}}}}"#);
    for (events, want) in [
        (vec![created("\"resp_1\""), created("\"resp_2\"")], Some("resp_1")),
        (vec![created("null"), created("\"../x\""), created("\"resp_2\"")], Some("resp_2")),
        (vec![r#"{"type":"response.output_text.delta","id":"resp_1","delta":"x"}"#.to_owned()], None),
    ] {
        let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let fed = id_of(&|meter| {
            let mut splitter = Splitter::new(1 << 20);
            splitter.push(text.clone().into());
            while let Some(event) = splitter.next_event().unwrap() {
                meter.on_event(&event);
            }
        });
        assert_eq!(fed.as_deref(), want, "{text}");
    }
}
