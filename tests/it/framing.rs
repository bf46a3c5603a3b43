//! Streams of events, however they are framed, cut and broken, in each dialect but OpenAI's chat, which `stream` has.

use serde_json::{Value, json};

use crate::harness::{Gate, Gateway, Mock, QUOTA, Reply, Request, Response, Settings, Token};

/// How a dialect streams: what is asked, and the events of an answer.
struct Stream {
    name: &'static str,
    target: &'static str,
    body: fn() -> Value,
    /// Begins an answer.
    head: &'static [&'static str],
    /// A piece of text.
    text: fn(&str) -> Value,
    /// Ends it, having used 5 units of input and 7 of output.
    tail: &'static [&'static str],
    /// Stands in the error event.
    error: &'static str,
}

fn prompt() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

const STREAMS: &[Stream] = &[
    Stream {
        name: "completions",
        target: "/v1/completions",
        body: || json!({"model": "m-1", "stream": true, "stream_options": {"include_usage": true}, "prompt": "hi"}),
        head: &[],
        text: |text| json!({"choices": [{"index": 0, "text": text}]}),
        tail: &[
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#,
            "[DONE]",
        ],
        error: r#"{"error":{"message":""#,
    },
    Stream {
        name: "responses",
        target: "/v1/responses",
        body: || json!({"model": "m-1", "stream": true, "store": false, "input": "hi"}),
        head: &[
            r#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","output":[]}}"#,
        ],
        text: |text| json!({"type": "response.output_text.delta", "delta": text}),
        tail: &[
            r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}],"usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}}"#,
        ],
        error: r#"{"type":"error","#,
    },
    Stream {
        name: "messages",
        target: "/v1/messages",
        body: || json!({"model": "m-1", "stream": true, "max_tokens": 1000, "messages": prompt()}),
        head: &[
            r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":5,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ],
        text: |text| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        tail: &[
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        error: r#"{"type":"error","error":{"#,
    },
    Stream {
        name: "gemini",
        target: "/v1beta/models/m-1:streamGenerateContent?alt=sse",
        body: || json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        head: &[],
        text: |text| json!({"candidates": [{"content": {"parts": [{"text": text}]}}]}),
        tail: &[
            r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"totalTokenCount":12}}"#,
        ],
        error: r#"{"error":{"code":502,"#,
    },
];

impl Stream {
    /// The payloads of a whole answer that says `texts`.
    fn whole(&self, texts: &[&str]) -> Vec<String> {
        let mut all: Vec<_> = self.head.iter().map(|data| (*data).to_owned()).collect();
        all.extend(texts.iter().map(|text| (self.text)(text).to_string()));
        all.extend(self.tail.iter().map(|data| (*data).to_owned()));
        all
    }

    /// The same without its end.
    fn open(&self, texts: &[&str]) -> Vec<String> {
        let mut all = self.whole(texts);
        all.truncate(all.len() - self.tail.len());
        all
    }

    fn ask(&self, gateway: &Gateway, token: &Token) -> Response {
        gateway.send(&Request::post(self.target, &(self.body)()).bearer(&token.key))
    }

    /// Whether an answer ends as one that is whole does.
    fn is_whole(&self, answer: &Response) -> bool {
        payloads(&answer.text()).last().is_some_and(|last| last == self.tail[self.tail.len() - 1])
    }
}

/// The name that goes with a payload, where its dialect has names.
fn name_of(data: &str) -> Option<String> {
    let value: Value = serde_json::from_str(data).ok()?;
    value["type"].as_str().map(str::to_owned)
}

/// The event of a payload as providers write it.
fn event(data: &str) -> String {
    let name = name_of(data).map(|name| format!("event: {name}\n")).unwrap_or_default();
    format!("{name}data: {data}\n\n")
}

/// The payloads of events, as any reader of the format sees them.
fn payloads(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let data =
        |line: &str| line.strip_prefix("data:").map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned());
    let events = text.split("\n\n").map(|event| event.lines().filter_map(data).collect::<Vec<_>>());
    events.filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect()
}

/// A channel of each provider; a unit costs one quota.
fn settings(mock: &Mock) -> Settings {
    let channels = ["openai", "anthropic", "gemini"].into_iter().map(|provider| {
        let base = if provider == "openai" { "/v1" } else { "" };
        format!(
            "[[channels]]\nname = \"{provider}\"\nprovider = \"{provider}\"\nbase_url = \"http://{}{base}\"\napi_keys = [\"env:KEY\"]\n\
             models = [\"m-*\"]\n",
            mock.address()
        )
    });
    let settings = Settings::demo().env("KEY", mock.key()).price("m-*", "2", "2");
    channels.fold(settings, |settings, channel| settings.append(&channel))
}

/// What was charged, in quota, and how it ended.
fn charged(gateway: &Gateway, token: &Token) -> (i64, String) {
    let quota = gateway.settled(token);
    (quota, gateway.last_entry(token)["outcome"].as_str().unwrap().to_owned())
}

/// Each payload in another spelling of the format.
fn spelled(data: &[String]) -> String {
    let mut text = "\u{feff}: hello\n\n".to_owned();
    for (number, data) in data.iter().enumerate() {
        let name = name_of(data);
        let name = |end: &str| name.as_ref().map(|name| format!("event:{name}{end}")).unwrap_or_default();
        text += &match number % 4 {
            0 => format!("{}data: {data}\r\n\r\n: comment\r\n\r\n", name("\r\n")),
            1 => format!("{}data:{data}\n\n", name("\n")),
            2 => format!("data: {data}\r{}id: 7\r\r", name("\r")),
            _ => format!("{}retry: 9\ndata: {}\n\n", name("\n"), data.replacen(',', ",\ndata: ", 1)),
        };
    }
    text
}

/// ST-10: every spelling of the format, cut at every byte, within letters too.
#[test]
fn any_framing() {
    for stream in STREAMS {
        let data = stream.whole(&["a", "ü€😀", "b", "c", "d"]);
        let body = spelled(&data).into_bytes();
        let sent = body.clone();
        let mock = Mock::start(move |request| {
            let size = [1, 3, 7, 50, usize::MAX][request.number].min(sent.len());
            sent.chunks(size).fold(Reply::sse(), |reply, piece| reply.chunk(piece)).end()
        });
        let gateway = Gateway::start(settings(&mock));
        for _ in 0..5 {
            let token = gateway.create(json!({"unlimited_quota": true}));
            let answer = stream.ask(&gateway, &token).expect(200);
            let plain = |data: &[String]| data.iter().map(|data| data.replace('\n', "")).collect::<Vec<_>>();
            assert_eq!(plain(&payloads(&answer.text())), data, "{}", stream.name);
            assert_eq!(answer.body, body, "{}: byte for byte", stream.name);
            assert_eq!(charged(&gateway, &token), (12, "ok".to_owned()), "{}", stream.name);
        }
    }
}

/// Events of 300 KiB and of megabytes pass, without a copy of the text in any figure; one beyond the bound ends the stream.
#[test]
fn large_events() {
    for stream in STREAMS {
        let (large, huge) = ("x".repeat(300 * 1024), "y".repeat(3 * 1024 * 1024));
        let data = stream.whole(&[&large, &huge, "z"]);
        let mock = Mock::start(move |_| {
            let pieces = data.iter().map(|data| event(data));
            pieces.fold(Reply::sse(), |reply, piece| reply.chunk(piece)).end()
        });
        for (most, is_whole) in [("16777216", true), ("1000000", false)] {
            let gateway = Gateway::start(settings(&mock).set("server", "max_event_bytes", most));
            let token = gateway.create(json!({"unlimited_quota": true}));
            let answer = stream.ask(&gateway, &token).expect(200);
            assert_eq!(stream.is_whole(&answer), is_whole, "{} {most}", stream.name);
            assert_eq!(answer.text().contains(&huge), is_whole, "{} {most}", stream.name);
            let (quota, outcome) = charged(&gateway, &token);
            if is_whole {
                assert_eq!((quota, outcome.as_str()), (12, "ok"), "{}", stream.name);
            } else {
                assert!(answer.text().contains(stream.error), "{}", stream.name);
                // What passed is charged: a quarter of its bytes.
                assert!(
                    quota >= 300 * 1024 / 4 && outcome == "upstream_error",
                    "{} {quota} {outcome}",
                    stream.name
                );
            }
        }
    }
}

/// ST-12: a stream that breaks never ends well for its client, and what came of it is charged.
#[test]
fn streams_that_break() {
    for stream in STREAMS {
        let text: String =
            stream.open(&["some words that were delivered "]).iter().map(|data| event(data)).collect();
        let began = || Reply::sse().chunk(&text);
        for reply in [
            began().end(),
            began().close(),
            began().write("zz\r\n").close(),
            began().chunk("data: {not json\n\n").end(),
            began().chunk("data: {\"half\": ").end(),
            began().chunk("event: error\ndata: {\"error\":{\"message\":\"gone\"}}\n\n").end(),
        ] {
            let script = reply.clone();
            let mock = Mock::start(move |_| script.clone());
            let gateway = Gateway::start(settings(&mock));
            let token = gateway.create(json!({"unlimited_quota": true}));
            let answer = stream.ask(&gateway, &token);
            let told = answer.text();
            assert!(!stream.is_whole(&answer), "{} {reply:?}: {told}", stream.name);
            assert!(told.contains(stream.error), "{} {reply:?}: {told}", stream.name);
            let (quota, outcome) = charged(&gateway, &token);
            assert!((8..=200).contains(&quota), "{} {reply:?}: {quota}", stream.name);
            assert_eq!(outcome, "upstream_error", "{} {reply:?}", stream.name);
        }
    }
}

/// ST-13: nothing passes after the terminator, and nothing of it is charged. Gemini's streams have none: their end is the body's.
#[test]
fn nothing_after_the_terminator() {
    for stream in STREAMS.iter().filter(|stream| stream.name != "gemini") {
        let whole: String = stream.whole(&["a"]).iter().map(|data| event(data)).collect();
        let late = event(&(stream.text)("late words that nobody asked for").to_string());
        let sent = whole.clone();
        let mock = Mock::start(move |_| {
            Reply::sse().chunk(format!("{sent}{late}<html>late</html>")).chunk("data: [DONE]\n\n").end()
        });
        let gateway = Gateway::start(settings(&mock));
        let token = gateway.create(json!({"unlimited_quota": true}));
        let answer = stream.ask(&gateway, &token).expect(200);
        assert_eq!((answer.text(), answer.clean), (whole, true), "{}", stream.name);
        assert_eq!(charged(&gateway, &token), (12, "ok".to_owned()), "{}", stream.name);
        assert_eq!(gateway.used(&token) * QUOTA, 12 * QUOTA);
    }
}

/// Killed before its provider has ended the answer, of which Gemini had said the last word: no client saw it whole, and it is
/// charged as it was held.
#[test]
fn killed_before_the_end() {
    for stream in STREAMS {
        let gate = Gate::new();
        let shut = gate.clone();
        let said = if stream.name == "gemini" { stream.whole(&["a"]) } else { stream.open(&["a"]) };
        let text: String = said.iter().map(|data| event(data)).collect();
        let mock = Mock::start(move |_| Reply::sse().chunk(&text).wait(&shut).end());
        let mut gateway = Gateway::start(settings(&mock));
        let token = gateway.create(json!({"remain_quota": 1_000_000}));
        let mut answer = gateway.open(&Request::post(stream.target, &(stream.body)()).bearer(&token.key));
        let seen: String = stream.open(&["a"]).iter().map(|_| format!("{:?}", answer.event())).collect();
        let held = gateway.held(&token);
        gateway.kill();
        let rest = answer.finish();
        assert!(!rest.clean && !stream.is_whole(&rest), "{} {seen} {}", stream.name, rest.text());
        gateway.restart();
        let row = gateway.last_entry(&token);
        assert_eq!((&row["outcome"], gateway.held(&token)), (&json!("recovered"), 0), "{}", stream.name);
        assert_eq!(gateway.used(&token), held, "{}", stream.name);
        gate.open();
    }
}
