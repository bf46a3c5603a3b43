//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`: by the second and by the token, in JSON, as text and streamed; and
//! speech by the token and by the second.

use serde_json::{Value, json};

use crate::harness::{Form, Gate, Gateway, Mock, PROMPT, Piece, Reply, Request, Settings, Token, quota};

const HEAR: &str = "/v1/audio/transcriptions";
const TRANSLATE: &str = "/v1/audio/translations";
const SPEAK: &str = "/v1/audio/speech";

/// Sound of 8 000 bytes that does not tell its length: at most 11 seconds, likely 2; 500 units at most.
const SOUND: [u8; 8_000] = [b's'; 8_000];

/// `t-sec` costs 100 000 n$ a second; a million of `t-token` costs 2.5 dollars heard or read and 10 written, of which there are at
/// most 2 000; `v-token` speaks, at 0.6 read and 12 spoken; `v-sec` for 250 000 n$ a second.
fn settings(mock: &Mock) -> Settings {
    let channel = "models = [\"t-*\", \"v-*\"]\nmodel_map = { t-alias = \"real\" }";
    let prices = "[[prices]]\nmodel = \"t-sec\"\nper_second = 0.0001
        [[prices]]\nmodel = \"t-alias\"\nper_second = 0.0001\nmax_seconds = 5
        [[prices]]\nmodel = \"t-token\"\ninput = 2.5\naudio_input = 2.5\noutput = 10\nmax_input_tokens = 16000\nmax_output_tokens = 2000
        [[prices]]\nmodel = \"t-image\"\nper_image = 1
        [[prices]]\nmodel = \"v-token\"\ninput = 0.6\noutput = 10\naudio_output = 12
        [[prices]]\nmodel = \"v-sec\"\nper_second = 0.00025\n";
    Settings::demo().channel("mock", mock, channel).append(prices)
}

fn form(model: &str) -> Form {
    Form::new().file("file", "a.ogg", &SOUND).field("model", model)
}

/// A second of sound that tells its length.
fn wav() -> Vec<u8> {
    let mut sound = b"RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    sound.extend(8_000_u32.to_le_bytes());
    sound.extend(16_000_u32.to_le_bytes());
    sound.extend(b"\x02\0\x10\0data");
    sound.extend(16_000_u32.to_le_bytes());
    sound.resize(sound.len() + 16_000, 0);
    sound
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 1000}))
}

fn means(cost: i64, outcome: &str, source: &str) -> (i64, String, String) {
    (cost, outcome.to_owned(), source.to_owned())
}

fn text(text: &str) -> Reply {
    Reply::body(200, "text/plain; charset=utf-8", text)
}

fn heard(usage: &Value) -> Reply {
    let mut body = json!({"text": "hello"});
    if !usage.is_null() {
        body["usage"] = usage.clone();
    }
    Reply::json(200, &body)
}

fn tokens(said: i64, heard: i64, written: i64) -> Value {
    json!({"type": "tokens", "input_tokens": said + heard, "input_token_details": {"text_tokens": said, "audio_tokens": heard},
        "output_tokens": written, "total_tokens": said + heard + written})
}

/// One answer: what was held for it, and what came of it.
fn settled(reply: &Reply, request: &Request, status: u16) -> (i64, (i64, String, String)) {
    let gate = Gate::new();
    let (shut, reply) = (gate.clone(), reply.clone());
    let mock = Mock::start(move |_| reply.clone().behind(&shut));
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let request = request.clone().bearer(&token.key);
    let held = std::thread::scope(|scope| {
        let asking = scope.spawn(|| gateway.send(&request).expect(status));
        mock.wait_for(1);
        let held = gateway.held(&token);
        gate.open();
        asking.join().unwrap();
        held
    });
    (held, gateway.told(&token))
}

#[test]
fn seconds_are_held_and_charged() {
    let seconds = |seconds: i64| seconds * 100_000;
    let whole = |seconds: Value| heard(&json!({"type": "duration", "seconds": seconds}));
    let verbose = json!({"task": "transcribe", "duration": 1.5, "text": "hello", "segments": []});
    let srt = "1\n00:00:00,000 --> 00:00:02,500\nhello\n\n";
    let long = Form::new().file("file", "a.wav", &wav()).field("model", "t-sec");
    for (form, reply, hold, cost, source) in [
        (form("t-sec"), whole(json!(9)), 11, 9, "provider"),
        (form("t-sec"), whole(json!(8.2)), 11, 9, "provider"),
        (form("t-sec"), Reply::json(200, &verbose), 11, 2, "provider"),
        (form("t-sec").field("response_format", "srt"), text(srt), 11, 3, "estimated"),
        (
            form("t-sec").field("response_format", "vtt"),
            text("WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"),
            11,
            2,
            "estimated",
        ),
        // Nobody says: as long as sound of 32 kbit/s is.
        (form("t-sec").field("response_format", "text"), text("hello\n"), 11, 2, "estimated"),
        (form("t-sec"), heard(&Value::Null), 11, 2, "estimated"),
        (form("t-sec"), whole(json!(-1)), 11, 2, "suspect"),
        // Its own head says so; held is what there may be at most.
        (long, heard(&Value::Null), 22, 1, "estimated"),
        (form("t-alias"), heard(&Value::Null), 5, 2, "estimated"),
    ] {
        let (held, told) = settled(&reply, &form.post(HEAR), 200);
        assert_eq!((held, told), (quota(seconds(hold)), means(seconds(cost), "ok", source)), "{reply:?}");
    }
}

#[test]
fn tokens_are_held_and_charged() {
    // 500 units of sound, 16 around the message, 2 000 written at most.
    let hold = 516 * 2_500 + 2_000 * 10_000;
    let said = Form::new().field("prompt", "four").file("file", "a", &SOUND).field("model", "t-token");
    for (form, reply, hold, cost, source) in [
        (form("t-token"), heard(&tokens(4, 10, 45)), hold, 14 * 2_500 + 45 * 10_000, "provider"),
        (said, heard(&tokens(4, 10, 45)), hold + 4 * 2_500, 14 * 2_500 + 45 * 10_000, "provider"),
        // 2 seconds are 20 units; 4 around the message; 5 bytes are 2 units written.
        (form("t-token"), heard(&Value::Null), hold, 24 * 2_500 + 2 * 10_000, "estimated"),
        (
            form("t-token"),
            heard(&json!({"type": "duration", "seconds": 3})),
            hold,
            34 * 2_500 + 2 * 10_000,
            "estimated",
        ),
        (form("t-token"), heard(&tokens(0, 10, 0)), hold, 24 * 2_500 + 2 * 10_000, "suspect"),
        (
            form("t-token").field("response_format", "text"),
            text("hello"),
            hold,
            24 * 2_500 + 2 * 10_000,
            "estimated",
        ),
    ] {
        let (held, told) = settled(&reply, &form.post(TRANSLATE), 200);
        assert_eq!((held, told), (quota(hold), means(cost, "ok", source)), "{reply:?}");
    }
}

#[test]
fn bodies_pass_as_they_came() {
    let mock = Mock::start(|_| heard(&json!({"type": "duration", "seconds": 3})));
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let form = |model: &str| {
        Form::new()
            .field("timestamp_granularities[]", "word")
            .field("timestamp_granularities[]", "segment")
            .field("include[]", "logprobs")
            .file("file", "ä.mp3", b"\0\r\n\r\n--\xff")
            .field("model", model)
            .field("temperature", "0.2")
            .field("chunking_strategy", "auto")
    };
    let answer = gateway.send(&form("t-sec").post(HEAR).bearer(&token.key)).expect(200);
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.0003"));
    gateway.send(&form("t-alias").post(TRANSLATE).bearer(&token.key)).expect(200);
    let got = mock.received();
    assert_eq!((got[0].target.as_str(), &got[0].body), (HEAR, &form("t-sec").bytes()));
    assert_eq!((got[1].target.as_str(), &got[1].body), (TRANSLATE, &form("real").bytes()));
}

/// Text comes piece by piece with its own type, and its end waits for the books.
#[test]
fn text_is_relayed_as_it_comes() {
    let gate = Gate::new();
    let shut = gate.clone();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/vtt\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mock = Mock::start(move |_| {
        Reply::raw(head).chunk("WEBVTT\n\n00:00.000 --> 00:0").wait(&shut).chunk("4.001\nhello\n").end()
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let request = form("t-sec").field("response_format", "vtt").post(HEAR).bearer(&token.key);
    let mut answer = gateway.open(&request);
    assert!(matches!(answer.piece(), Piece::Data(data) if data == b"WEBVTT\n\n00:00.000 --> 00:0"));
    assert!(gateway.ledger(&format!("token_id={}&outcome=ok", token.id)).is_empty());
    gate.open();
    let answer = answer.finish().expect(200);
    assert_eq!((answer.text().as_str(), answer.clean), ("4.001\nhello\n", true));
    assert_eq!(answer.header("content-type"), Some("text/vtt"));
    assert_eq!(gateway.told(&token), means(500_000, "ok", "estimated"));
}

#[test]
fn a_stream_of_text() {
    let delta = |text: &str| json!({"type": "transcript.text.delta", "delta": text}).to_string();
    let done =
        json!({"type": "transcript.text.done", "text": "hello you", "usage": tokens(0, 14, 3)}).to_string();
    let events = [delta("hello"), delta(" you"), done];
    let sent = events.clone();
    let mock = Mock::start(move |_| sent.iter().fold(Reply::sse(), |reply, event| reply.event(event)).end());
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let asked = form("t-token").field("stream", "true").post(HEAR).bearer(&token.key);
    let answer = gateway.send(&asked).expect(200);
    assert_eq!((answer.events(), answer.clean), (events.to_vec(), true));
    assert_eq!(gateway.told(&token), means(14 * 2_500 + 3 * 10_000, "ok", "provider"));
}

#[test]
fn what_each_end_costs() {
    let delta = "{\"type\":\"transcript.text.delta\",\"delta\":\"hello you\"}";
    let error = "{\"error\":{\"message\":\"no\"}}";
    // 20 units of sound and 4 around the message; 9 bytes are 3 units written.
    let (floor, written) = (24 * 2_500, 3 * 10_000);
    let chunks = |content_type: &str| {
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
    };
    for (reply, status, clean, cost, outcome) in [
        (Reply::json(200, &json!({"error": {"message": "no"}})), 502, true, 0, "void"),
        (Reply::body(200, "text/html", "<html>"), 502, true, 0, "void"),
        (text("<html>"), 502, true, 0, "void"),
        (text("{\"error\":{\"message\":\"no\"}}"), 502, true, 0, "void"),
        (text(""), 502, true, 0, "void"),
        (Reply::json(200, &json!({})), 502, true, floor, "upstream_unknown"),
        (Reply::error(400, "no"), 400, true, 0, "void"),
        (Reply::default().close(), 502, true, floor, "upstream_unknown"),
        (chunks("text/plain").chunk("hello you").close(), 200, false, floor + written, "upstream_error"),
        (chunks("text/plain").close(), 502, true, floor, "upstream_unknown"),
        (Reply::sse().event(delta).event(error).end(), 200, true, floor + written, "upstream_error"),
        (Reply::sse().event(delta).end(), 200, true, floor + written, "upstream_error"),
        (Reply::sse().event(error).end(), 502, true, 0, "void"),
    ] {
        let sent = reply.clone();
        let mock = Mock::start(move |_| sent.clone());
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let request = form("t-token").field("response_format", "text").field("stream", "true").post(HEAR);
        let answer = gateway.send(&request.bearer(&token.key)).expect(status);
        assert_eq!(answer.clean, clean, "{reply:?}");
        let told = gateway.told(&token);
        assert_eq!((told.0, told.1.as_str()), (cost, outcome), "{reply:?}");
    }
}

/// Its provider bills it whole: it is read to its end, and charged.
#[test]
fn a_client_that_leaves_pays_it_all() {
    for (model, reply, cost) in [
        ("t-sec", heard(&json!({"type": "duration", "seconds": 9})), 900_000),
        ("t-token", heard(&tokens(4, 10, 45)), 14 * 2_500 + 45 * 10_000),
    ] {
        let gate = Gate::new();
        let shut = gate.clone();
        let mock = Mock::start(move |_| reply.clone().behind(&shut));
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&form(model).post(HEAR).bearer(&token.key).bytes());
        mock.wait_for(1);
        connection.reset();
        gate.open();
        assert_eq!(gateway.told(&token), means(cost, "client_gone", "provider"));
    }
}

#[test]
fn speech_by_the_token_and_by_the_second() {
    let speak = |model: &str| json!({"model": model, "input": PROMPT, "voice": "alloy"});
    let letters = i64::try_from(PROMPT.len()).unwrap();
    // 128 kbit/s: 2 seconds.
    let mut sound = b"\xff\xfb\x90\x64".to_vec();
    sound.resize(32_000, 0);
    let mp3 = Reply::body(200, "audio/mpeg", &sound);
    let opus = Reply::body(200, "audio/ogg", "OggS and more");
    let done = json!({"type": "speech.audio.done", "usage": {"input_tokens": 5, "output_tokens": 50, "total_tokens": 55}});
    let events = Reply::sse()
        .event("{\"type\":\"speech.audio.delta\",\"audio\":\"QUJD\"}")
        .event(&done.to_string())
        .end();
    // 4 around the input; 21 units spoken for each byte at most.
    let hold = (letters + 4) * 600 + letters * 21 * 12_000;
    let read = (letters + 3) / 4 * 600;
    let likely = (letters + 14) / 15;
    for (model, reply, hold, cost, source) in [
        ("v-token", events, hold, 5 * 600 + 50 * 12_000, "provider"),
        ("v-token", mp3.clone(), hold, read + 42 * 12_000, "estimated"),
        ("v-token", opus.clone(), hold, read + likely * 21 * 12_000, "estimated"),
        // A second for each byte at most.
        ("v-sec", mp3, letters * 250_000, 2 * 250_000, "provider"),
        ("v-sec", opus, letters * 250_000, likely * 250_000, "estimated"),
    ] {
        let (held, told) = settled(&reply, &Request::post(SPEAK, &speak(model)), 200);
        assert_eq!((held, told), (quota(hold), means(cost, "ok", source)), "{model} {reply:?}");
    }
}

#[test]
fn refusals_reach_no_provider() {
    let mock = Mock::start(|_| heard(&Value::Null));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_quota": 549}));
    let post = |form: &Form| form.post(HEAR).bearer(&token.key);
    for (form, status, code) in [
        (Form::new().field("model", "t-sec"), 400, "invalid_parameter"),
        (Form::new().file("file", "a", b""), 400, "invalid_parameter"),
        (Form::new().field("file", "a").field("model", "t-sec"), 400, "invalid_parameter"),
        (form("t-sec").field("url", "https://x/a.mp3"), 400, "invalid_parameter"),
        (form("t-sec").file("file", "b", b""), 400, "duplicate_field"),
        (form("t-sec").field("MODEL", "t-token"), 400, "duplicate_field"),
        (form("t-image"), 402, "model_not_priced"),
        (form("nowhere"), 404, "model_not_found"),
        // 11 seconds are 550 quota.
        (form("t-sec"), 402, "insufficient_quota"),
    ] {
        gateway.send(&post(&form)).refuses(status, code);
    }
    gateway.post(&token.key, HEAR, &json!({"model": "t-sec"})).refuses(415, "unsupported_media_type");
    let bare = Request::new("POST", HEAR).body(b"{}").bearer(&token.key);
    gateway.send(&bare).refuses(415, "unsupported_media_type");
    let cut = String::from_utf8(form("t-sec").bytes()).unwrap().replace("--\r\n", "\r\n");
    let content_type = "multipart/form-data; boundary=----form-boundary-7MA4YWxk";
    let cut = Request::new("POST", HEAR).header("Content-Type", content_type).body(cut.as_bytes());
    gateway.send(&cut.bearer(&token.key)).refuses(400, "invalid_multipart");
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

#[test]
fn demo_hears() {
    let gateway = Gateway::start(Settings::demo());
    let token = rich(&gateway);
    let form = Form::new().file("file", "a.wav", &SOUND).field("model", "demo").field("prompt", "Two words");
    // 5 units of sound and 2 of text at 500 n$; 21 written at 1 500.
    for (more, want) in [
        (("response_format", "json"), "\"text\":"),
        (("response_format", "text"), "8000 bytes"),
        (("response_format", "srt"), "00:00:00,000 --> 00:00:01,000\n"),
        (("response_format", "vtt"), "WEBVTT\n"),
        (("response_format", "verbose_json"), "\"duration\":1"),
        (("response_format", "diarized_json"), "\"speaker\":\"A\""),
        (("stream", "true"), "\"transcript.text.done\""),
    ] {
        let form = form.clone().field(more.0, more.1);
        let answer = gateway.send(&form.post(HEAR).bearer(&token.key)).expect(200);
        assert!(answer.text().contains(want), "{}", answer.text());
        let (cost, outcome, source) = gateway.told(&token);
        assert_eq!(outcome, "ok");
        if source == "provider" {
            assert_eq!(cost, 7 * 500 + 21 * 1_500, "{more:?}");
        }
    }
    gateway.send(&form.post(TRANSLATE).bearer(&token.key)).expect(200);
}
