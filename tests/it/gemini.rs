//! Gemini's dialect, to a channel of that provider: what the provider received, what the client got, what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON,
};
use crate::harness::{Settings, Token, eventually, nanos};

/// Nanodollars of a token of input, of one read from the cache, of one heard, and of output.
const PRICES: [i64; 4] = [2_000, 200, 4_000, 10_000];

/// A call of the provider's search.
const CALL: i64 = 10_000_000;

const PLAIN: &str = "/v1beta/models/g-1:generateContent";
const EVENTS: &str = "/v1beta/models/g-1:streamGenerateContent?alt=sse";
const ARRAY: &str = "/v1beta/models/g-1:streamGenerateContent";

/// One channel that speaks Gemini's dialect with `mock`.
fn settings(mock: &Mock) -> Settings {
    let channel = format!(
        "[[channels]]\nname = \"google\"\nprovider = \"gemini\"\nbase_url = \"http://{}\"\napi_keys = [\"env:G_KEY\"]\n\
         models = [\"g-*\", \"a/b c\", \"dull\"]\nmodel_map = {{ g-alias = \"g real/1\" }}\n",
        mock.address()
    );
    let price = "[[prices]]\nmodel = \"g-*\"\nprovider = \"gemini\"\ninput = 2\ncached_input = 0.2\naudio_input = 4\noutput = 10\n\
         per_tool_call = 0.01\nmax_input_tokens = 5000\nmax_output_tokens = 16384\nimage_tokens = 50\n\
         [[prices]]\nmodel = \"a/b c\"\nprovider = \"gemini\"\ninput = 2\noutput = 10\n\
         [[prices]]\nmodel = \"g-long\"\nprovider = \"gemini\"\ninput = 2\ncached_input = 0.2\noutput = 10\n\
         long_context = { above = 1000, input = 4, cached_input = 0.4, output = 15 }\n";
    Settings::demo().env("G_KEY", mock.key()).append(&channel).append(price)
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

fn said(text: &str) -> Value {
    json!([{"role": "user", "parts": [{"text": text}]}])
}

/// A request with a prompt that no log may show, with the fields of `more` on top.
fn body(more: &Value) -> Value {
    let mut body = json!({"contents": said(PROMPT), "generationConfig": {"maxOutputTokens": 100}});
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn ask(gateway: &Gateway, token: &Token, target: &str, more: &Value) -> Response {
    gateway.send(&Request::post(target, &body(more)).header("x-goog-api-key", &token.key))
}

fn chunk(text: &str, reason: Option<&str>, usage: &Value) -> Value {
    let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
    if let Some(reason) = reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g-1"})
}

fn whole(usage: &Value) -> Value {
    chunk(COMPLETION, Some("STOP"), usage)
}

fn sse(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn json_head() -> Reply {
    Reply::raw(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
}

#[test]
fn a_plain_answer() {
    let usage = json!({"promptTokenCount": 1000, "cachedContentTokenCount": 300, "toolUsePromptTokenCount": 50,
        "candidatesTokenCount": 7, "thoughtsTokenCount": 40, "totalTokenCount": 1097,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 880}, {"modality": "AUDIO", "tokenCount": 120}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}, {"modality": "TEXT", "tokenCount": 280}]});
    let mut sent = whole(&usage);
    sent["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["a", "b"]});
    let replied = sent.clone();
    let mock = Mock::start(move |_| Reply::json(200, &replied));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    let target = format!("{PLAIN}?key={}&alt=json&junk=1", token.key);
    let request = Request::post(&target, &body(&json!({"odd": [1.50]})));
    let answer = gateway.send(&request).expect(200);
    assert_eq!(answer.json(), sent);
    // 650 of text, 300 of the cache, 100 heard; 47 of output; 2 calls.
    let want = 650 * PRICES[0] + 300 * PRICES[1] + 100 * PRICES[2] + 47 * PRICES[3] + 2 * CALL;
    assert_eq!(gateway.charged(&answer), want);
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.02223"));
    let got = &mock.received()[0];
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", &*format!("{PLAIN}?alt=json")));
    // No budget binds: byte for byte.
    assert_eq!(got.body, body(&json!({"odd": [1.50]})).to_string().into_bytes());
    assert_eq!(got.header("x-goog-api-key"), Some(mock.key()));
    assert_eq!(got.header("authorization"), None);
    let (_, log) = gateway.printed();
    assert!(!log.contains(&token.key) && !log.contains("key="), "{log}");
}

/// Beyond the threshold all is charged at the prices of a long context.
#[test]
fn a_long_context() {
    let mock = Mock::start(|request: &Received| {
        let count = if request.json()["contents"][0]["parts"][0]["text"] == "long" { 1001 } else { 1000 };
        Reply::json(
            200,
            &whole(
                &json!({"promptTokenCount": count, "cachedContentTokenCount": 500, "candidatesTokenCount": 10}),
            ),
        )
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    for (text, want) in
        [("short", 500 * 2_000 + 500 * 200 + 10 * 10_000), ("long", 501 * 4_000 + 500 * 400 + 10 * 15_000)]
    {
        let target = "/v1/models/g-long:generateContent";
        let answer = ask(&gateway, &token, target, &json!({"contents": said(text)})).expect(200);
        assert_eq!(gateway.charged(&answer), want, "{text}");
    }
    assert_eq!(mock.received()[0].target, "/v1/models/g-long:generateContent");
}

fn chunks() -> [Value; 4] {
    let usage = |output: i64| json!({"promptTokenCount": 30, "candidatesTokenCount": output});
    let end = json!({"promptTokenCount": 30, "cachedContentTokenCount": 10, "candidatesTokenCount": 12, "thoughtsTokenCount": 5});
    [
        chunk("one ", None, &usage(1)),
        chunk("two", None, &usage(2)),
        chunk("", Some("STOP"), &end),
        json!({"usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 13}}),
    ]
}

/// Every chunk passes as it is and when it comes; the one with which the answer ends, and all after it, waits for the end of
/// the body and the books (R3). What follows counts too.
#[test]
fn a_stream_of_events() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let [one, two, last, tail] = chunks().map(|chunk| sse(&chunk));
        Reply::sse().chunk(one).chunk(two).wait(&shut).chunk(last).chunk(tail).end()
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let mut exchange = gateway.open(&Request::post(EVENTS, &body(&json!({}))).bearer(&token.key));
    assert_eq!(exchange.data(), chunks()[0].to_string());
    assert!(gateway.held(&token) > 0);
    gate.open();
    let answer = exchange.finish().expect(200);
    assert!(answer.clean);
    assert!(answer.text().ends_with(&chunks()[1..].iter().map(sse).collect::<String>()), "{}", answer.text());
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    assert_eq!(gateway.charged(&answer), 20 * PRICES[0] + 10 * PRICES[1] + 18 * PRICES[3]);
    assert_eq!(mock.received()[0].target, EVENTS);
}

#[test]
fn a_stream_of_an_array() {
    let text = {
        let [one, two, last, tail] = chunks();
        [format!("[{one}"), format!(",\r\n{two}"), format!(",\r\n{last}"), format!(",\r\n{tail}\r\n]\r\n")]
    };
    let sent = text.clone();
    let mock = Mock::start(move |_| sent.iter().fold(json_head(), |reply, piece| reply.chunk(piece)).end());
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let answer = ask(&gateway, &token, ARRAY, &json!({})).expect(200);
    assert!(answer.clean);
    assert_eq!(answer.text(), text.concat());
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    assert_eq!(gateway.charged(&answer), 20 * PRICES[0] + 10 * PRICES[1] + 18 * PRICES[3]);
}

/// An error within a stream, or an end before the answer's: an error in the stream's own form, and no clean end.
#[test]
fn a_stream_that_breaks() {
    let mock = Mock::start(|request: &Received| {
        let is_array = !request.target.contains("alt=sse");
        let begun = chunk("twelve bytes", None, &json!({"promptTokenCount": 40, "candidatesTokenCount": 1}));
        let error = json!({"error": {"code": 503, "message": "mock", "status": "UNAVAILABLE"}});
        let reply =
            if is_array { json_head().chunk(format!("[{begun}")) } else { Reply::sse().chunk(sse(&begun)) };
        match (request.target.contains("g-cut"), is_array) {
            (true, _) => reply.end(),
            (false, true) => reply.chunk(format!(",\n{error}\n]")).end(),
            (false, false) => reply.chunk(sse(&error)).end(),
        }
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    for model in ["g-cut", "g-error"] {
        for query in ["", "?alt=sse"] {
            let target = format!("/v1beta/models/{model}:streamGenerateContent{query}");
            let answer = ask(&gateway, &token, &target, &json!({})).expect(200);
            let text = answer.text();
            let (_, last) =
                text.rsplit_once(if query.is_empty() { ",\r\n" } else { "data: " }).expect("an error");
            let last: Value = serde_json::from_str(last.trim_end()).expect(&text);
            assert_eq!(
                (&last["error"]["code"], &last["error"]["status"]),
                (&json!(502), &json!("UNAVAILABLE"))
            );
            assert!(!text.contains("finishReason") && !text.trim_end().ends_with(']'), "{text}");
            // As the provider said: that is more than the floor and what was counted here.
            assert_eq!(gateway.charged(&answer), 40 * PRICES[0] + PRICES[3], "{target}");
        }
    }
}

#[test]
fn a_client_that_leaves() {
    let begun = chunk("twelve bytes", None, &json!({"promptTokenCount": 40, "candidatesTokenCount": 1}));
    let mock = Mock::start(move |_| Reply::sse().chunk(sse(&begun)).hang());
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let mut exchange = gateway.open(&Request::post(EVENTS, &body(&json!({}))).bearer(&token.key));
    exchange.event();
    drop(exchange);
    eventually("the provider is let go", SOON, || (mock.hang_ups() == 1).then_some(()));
    let row = gateway.last_entry(&token);
    assert_eq!(row["outcome"], "client_gone", "{row}");
    assert!(nanos(&row["charged_usd"]) >= 40 * PRICES[0] + PRICES[3], "{row}");
}

/// The hold is exact: each byte of text and the constants, the cap at the output price, for each candidate.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::json(200, &whole(&json!({"promptTokenCount": 1, "candidatesTokenCount": 1}))).behind(&shut)
    });
    let gateway = Gateway::start(settings(&mock));
    let part = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let inline = |kind: &str| part(json!({"inlineData": {"mimeType": kind, "data": "QUJD".repeat(16)}}));
    let mut search = part(json!({"text": "hello"}));
    search["tools"] = json!([{"googleSearch": {}}]);
    let mut cached = part(json!({"text": "hello"}));
    cached["cachedContent"] = json!("cachedContents/x");
    let mut two = part(json!({"text": "hello"}));
    two["generationConfig"] = json!({"candidate_count": 2, "max_output_tokens": 50});
    let unseen = 5_000 * PRICES[2];
    let cases = [
        // role, user, parts, text, hello: 22 bytes; 16 for the message.
        (part(json!({"text": "hello"})), 38 * PRICES[0]),
        // 44 bytes stand around it, and it is 50.
        (inline("image/png"), (44 + 16 + 50) * PRICES[0]),
        // 48 bytes of sound: 4 units.
        (inline("audio/wav"), (44 + 16) * PRICES[0] + 4 * PRICES[2]),
        (inline("video/mp4"), unseen),
        (inline("application/pdf"), unseen),
        (part(json!({"fileData": {"fileUri": "https://x"}})), unseen),
        (cached, unseen),
        (search, unseen + 10 * CALL),
        (two, 38 * PRICES[0]),
    ];
    for (more, input) in &cases {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&Request::post(PLAIN, &body(more)).bearer(&token.key).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        assert_eq!(held * QUOTA, input + 100 * PRICES[3], "{more}");
    }
    gate.open();
}

/// A budget lowers the cap to what it can pay, at the place where it stood, or puts it there; in the spelling found.
#[test]
fn a_lowered_cap() {
    let usage = json!({"promptTokenCount": 9, "candidatesTokenCount": 40});
    let mock = Mock::start(move |_| Reply::json(200, &whole(&usage)));
    let gateway = Gateway::start(settings(&mock));
    // Near a limit the input is counted properly: 3 tokens, and half as many again, of "user", "parts" and "hello"; 16 for the message.
    let quota = (21 * PRICES[0] + 50 * PRICES[3]) / QUOTA;
    let contents = "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]}]";
    for (config, want) in [
        (
            ",\"generationConfig\":{\"maxOutputTokens\": 100}",
            ",\"generationConfig\":{\"maxOutputTokens\": 50}",
        ),
        (
            ",\"generation_config\":{\"max_output_tokens\":100}",
            ",\"generation_config\":{\"max_output_tokens\":50}",
        ),
        (",\"generationConfig\":{\"topK\":1}", ",\"generationConfig\":{\"maxOutputTokens\":50,\"topK\":1}"),
        (",\"generationConfig\":{ }", ",\"generationConfig\":{\"maxOutputTokens\":50 }"),
        (",\"generationConfig\":null", ",\"generationConfig\":{\"maxOutputTokens\":50}"),
    ] {
        let token = gateway.create(json!({"remain_quota": quota}));
        let text = format!("{{{contents}{config}}}");
        let request =
            Request::new("POST", PLAIN).bearer(&token.key).header("Content-Type", "application/json");
        let answer = gateway.send(&request.body(text.as_bytes())).expect(200);
        assert_eq!(answer.header("x-tollgate-output-cap"), Some("50"), "{config}");
        let got = String::from_utf8(mock.received().last().unwrap().body.clone()).unwrap();
        assert_eq!(got, format!("{{{contents}{want}}}"));
    }
    let token = gateway.create(json!({"remain_quota": quota}));
    let without = json!({"contents": said("hello")});
    gateway.post(&token.key, PLAIN, &without).expect(200);
    assert_eq!(mock.received().last().unwrap().json()["generationConfig"], json!({"maxOutputTokens": 50}));

    let token = gateway.create(json!({"remain_quota": quota}));
    let thinking =
        json!({"contents": said("hello"), "generationConfig": {"thinkingConfig": {"thinkingBudget": 60}}});
    let refused = gateway.post(&token.key, PLAIN, &thinking).expect(402);
    assert_eq!(refused.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(refused.json()["error"]["details"][0]["reason"], "INSUFFICIENT_QUOTA");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
}

#[track_caller]
fn assert_refused(answer: &Response, (status, word, reason): (u16, &str, &str)) {
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status, &error["code"], &error["status"]),
        (status, &json!(status), &json!(word)),
        "{error}"
    );
    assert_eq!(error["details"][0]["reason"], reason, "{error}");
    assert_eq!(error["details"][0]["domain"], "tollgate");
}

#[test]
fn refusals_in_the_dialect() {
    let mock =
        Mock::start(|_| Reply::json(200, &whole(&json!({"promptTokenCount": 9, "candidatesTokenCount": 4}))));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(
        json!({"remain_credits": 100, "model_limits_enabled": true, "model_limits": "g-*,dull,gone"}),
    );
    let spent = gateway.create(json!({}));
    let daily = gateway.create(json!({"unlimited_quota": true, "daily_quota": 10}));
    let none = json!({});
    let model = |model: &str| ask(&gateway, &token, &format!("/v1/models/{model}:generateContent"), &none);
    let with = |more: Value| ask(&gateway, &token, PLAIN, &more);
    let both = Request::post(&format!("{PLAIN}?key={}", spent.key), &body(&none))
        .header("x-goog-api-key", &token.key);
    let get = Request::get(PLAIN).bearer(&token.key);
    for (answer, status, word, reason) in [
        (gateway.send(&Request::post(PLAIN, &body(&none))), 401, "UNAUTHENTICATED", "MISSING_API_KEY"),
        (gateway.send(&both), 400, "INVALID_ARGUMENT", "AMBIGUOUS_CREDENTIALS"),
        (gateway.send(&get), 405, "INVALID_ARGUMENT", "METHOD_NOT_ALLOWED"),
        (
            ask(&gateway, &token, &format!("{PLAIN}?alt=proto"), &none),
            400,
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER",
        ),
        (with(json!({"model": "models/g-2"})), 400, "INVALID_ARGUMENT", "INVALID_PARAMETER"),
        (with(json!({"contents": "x"})), 400, "INVALID_ARGUMENT", "INVALID_PARAMETER"),
        (
            with(json!({"generationConfig": {"maxOutputTokens": 0}})),
            400,
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER",
        ),
        (
            with(json!({"generationConfig": {"candidateCount": 129}})),
            400,
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER",
        ),
        (with(json!({"generation_config": {}})), 400, "INVALID_ARGUMENT", "DUPLICATE_FIELD"),
        (with(json!({"Tools": []})), 400, "INVALID_ARGUMENT", "DUPLICATE_FIELD"),
        (
            with(json!({"generationConfig": {"max_output_tokens": 1, "maxOutputTokens": 1}})),
            400,
            "INVALID_ARGUMENT",
            "DUPLICATE_FIELD",
        ),
        (model("other"), 403, "PERMISSION_DENIED", "MODEL_NOT_ALLOWED"),
        (model("gone"), 404, "NOT_FOUND", "MODEL_NOT_FOUND"),
        (model("g-1%2F%2e%2e%2Fx"), 400, "INVALID_ARGUMENT", "INVALID_PARAMETER"),
        (model("dull"), 402, "FAILED_PRECONDITION", "MODEL_NOT_PRICED"),
        (ask(&gateway, &spent, EVENTS, &none), 402, "RESOURCE_EXHAUSTED", "INSUFFICIENT_QUOTA"),
        (ask(&gateway, &daily, ARRAY, &none), 429, "RESOURCE_EXHAUSTED", "DAILY_LIMIT_EXCEEDED"),
    ] {
        assert_refused(&answer, (status, word, reason));
    }
    assert_eq!(mock.count(), 0);
}

#[test]
fn what_a_provider_refuses() {
    let mock = Mock::start(|request: &Received| {
        let status = request.target.split_once("g-").unwrap().1.get(..3).unwrap().parse().unwrap();
        Reply::json(status, &json!({"error": {"code": status, "message": "mock says no", "status": "X"}}))
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    for (status, told, word) in [
        (400, 400, "X"),
        (404, 404, "X"),
        (429, 429, "X"),
        (403, 502, "UNAVAILABLE"),
        (503, 502, "UNAVAILABLE"),
        (200, 502, "UNAVAILABLE"),
    ] {
        for method in
            ["generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse", "embedContent"]
        {
            let more = json!({"content": {"parts": [{"text": "x"}]}});
            let answer =
                ask(&gateway, &token, &format!("/v1beta/models/g-{status}:{method}"), &more).expect(told);
            assert_eq!(answer.json()["error"]["status"], word, "{status} {method}");
            assert_eq!(gateway.charged(&answer), 0);
        }
    }
}

/// A name is decoded once, checked so, and encoded once; what a channel calls it stands wherever its name stood.
#[test]
fn names_of_models() {
    let mock =
        Mock::start(|_| Reply::json(200, &whole(&json!({"promptTokenCount": 9, "candidatesTokenCount": 4}))));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    for (path, named, target, sent) in [
        ("a%2fb%20c", Some("models/a/b c"), "a%2Fb%20c", Some("models/a/b c")),
        ("%67-1", Some("g-1"), "g-1", Some("g-1")),
        ("g-alias", Some("models/g-alias"), "g%20real%2F1", Some("models/g real/1")),
        ("g-alias", None, "g%20real%2F1", None),
    ] {
        let mut more = json!({});
        named.into_iter().for_each(|named| more["model"] = json!(named));
        ask(&gateway, &token, &format!("/v1beta/models/{path}:generateContent"), &more).expect(200);
        let got = mock.received().last().unwrap().clone();
        assert_eq!(got.target, format!("/v1beta/models/{target}:generateContent"));
        assert_eq!(got.json()["model"].as_str(), sent, "{path}");
    }
    let twice = ask(&gateway, &token, "/v1beta/models/a%252Fb%20c:generateContent", &json!({})).expect(404);
    assert_eq!(twice.json()["error"]["status"], "NOT_FOUND");
}

#[test]
fn embeddings() {
    let mock = Mock::start(|request: &Received| {
        let usage = json!({"promptTokenCount": 11});
        match request.target.contains("batch") {
            true => Reply::json(200, &json!({"embeddings": [{"values": [0.5]}], "usageMetadata": usage})),
            false => Reply::json(200, &json!({"embedding": {"values": [0.5]}})),
        }
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let content = json!({"parts": [{"text": "hello"}]});
    let batch = json!({"requests": [{"model": "models/g-alias", "content": content}, {"model": "models/g-alias", "content": content}]});
    let answer = gateway.post(&token.key, "/v1beta/models/g-alias:batchEmbedContents", &batch).expect(200);
    assert_eq!(gateway.charged(&answer), 11 * PRICES[0]);
    let got = mock.received()[0].clone();
    assert_eq!(got.target, "/v1beta/models/g%20real%2F1:batchEmbedContents");
    assert_eq!(got.json()["requests"][1]["model"], "models/g real/1");
    // Nobody says what it was: 5 bytes are 2 units, and 4 for the message.
    let one = json!({"content": content, "taskType": "RETRIEVAL_QUERY"});
    let answer = gateway.post(&token.key, "/v1beta/models/g-1:embedContent", &one).expect(200);
    assert_eq!(gateway.charged(&answer), 6 * PRICES[0]);
    let other = json!({"requests": [{"model": "models/g-2", "content": content}]});
    let refused = gateway.post(&token.key, "/v1beta/models/g-1:batchEmbedContents", &other).expect(400);
    assert_eq!(refused.json()["error"]["details"][0]["reason"], "INVALID_PARAMETER");
}

/// Counting is free, also for a token that is exhausted.
#[test]
fn counting_tokens() {
    let mock = Mock::start(|_| Reply::json(200, &json!({"totalTokens": 14})));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({}));
    let whole = json!({"generateContentRequest": {"model": "models/g-alias", "contents": said(PROMPT)}});
    let target = "/v1beta/models/g-alias:countTokens";
    let answer = gateway.post(&token.key, target, &whole).expect(200);
    assert_eq!(answer.json(), json!({"totalTokens": 14}));
    assert_eq!(mock.received()[0].target, "/v1beta/models/g%20real%2F1:countTokens");
    assert_eq!(mock.received()[0].json()["generateContentRequest"]["model"], "models/g real/1");
    gateway.post(&token.key, target, &json!({"contents": said(PROMPT)})).expect(200);
    gateway.post(&token.key, target, &json!({"generateContentRequest": {"model": "g-2"}})).expect(400);
    assert_eq!(gateway.settled(&token), 0);
}

/// The built-in model answers all of it, and is charged; it stands in Google's list.
#[test]
fn the_demo_model() {
    let gateway = Gateway::start(Settings::demo());
    let token = rich(&gateway);
    let method = |method: &str| format!("/v1beta/models/demo:{method}");
    let more = json!({"generationConfig": {"maxOutputTokens": 500}});
    let plain = ask(&gateway, &token, &method("generateContent"), &more).expect(200).json();
    assert_eq!(gateway.last_entry(&token)["output_tokens"], plain["usageMetadata"]["candidatesTokenCount"]);
    let text = |chunks: &[Value]| -> String {
        chunks
            .iter()
            .filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str())
            .collect()
    };
    let array = ask(&gateway, &token, &method("streamGenerateContent"), &more).expect(200);
    assert_eq!(text(array.json().as_array().unwrap()), text(std::slice::from_ref(&plain)));
    let events = ask(&gateway, &token, &method("streamGenerateContent?alt=sse"), &more).expect(200);
    let events = events.text();
    let events: Vec<Value> = events
        .split_terminator("\r\n\r\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    assert_eq!(text(&events), text(std::slice::from_ref(&plain)));
    assert_eq!(gateway.last_entry(&token)["output_tokens"], plain["usageMetadata"]["candidatesTokenCount"]);
    let count = ask(&gateway, &token, &method("countTokens"), &json!({})).expect(200).json();
    assert_eq!(count["totalTokens"], plain["usageMetadata"]["promptTokenCount"]);
    let content = json!({"content": {"parts": [{"text": "hello"}]}});
    let embedded = gateway.post(&token.key, &method("embedContent"), &content).expect(200).json();
    assert_eq!(embedded["embedding"]["values"].as_array().unwrap().len(), 8);
    let list = gateway.send(&Request::get(&format!("/v1beta/models?key={}", token.key))).expect(200).json();
    assert_eq!(list["models"][0]["name"], "models/demo");
    let one = gateway.get(&token.key, "/v1beta/models/demo").expect(200).json();
    assert_eq!(one["name"], "models/demo");
}
