//! Clients of other dialects, answered by a model that only a channel of Gemini serves: what the provider received, what the client
//! got, what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON, Settings,
    Token, chat, cost, eventually, nanos,
};

const ROUTE: &str = "/v1/chat/completions";

const PLAIN: &str = "/v1beta/models/g-1:generateContent";
const EVENTS: &str = "/v1beta/models/g-1:streamGenerateContent?alt=sse";

/// Nanodollars of a token of input, of one read from the cache, and of output.
const PRICES: [i64; 3] = [2_000, 200, 10_000];

/// A channel of Gemini for models `g-*`, one of which has another name there.
fn settings(mock: &Mock) -> Settings {
    let channel = format!(
        "[[channels]]\nname = \"google\"\nprovider = \"gemini\"\nbase_url = \"http://{}\"\napi_keys = [\"env:G_KEY\"]\n\
         models = [\"g-*\"]\nmodel_map = {{ g-alias = \"gemini-2.5-flash\" }}\n",
        mock.address()
    );
    let price = "[[prices]]\nmodel = \"g-*\"\nprovider = \"gemini\"\ninput = 2\ncached_input = 0.2\noutput = 10\n\
         max_input_tokens = 5000\nmax_output_tokens = 16384\nimage_tokens = 50\n";
    Settings::demo().env("G_KEY", mock.key()).append(&channel).append(price)
}

fn start(mock: &Mock) -> Gateway {
    Gateway::start(settings(mock))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

fn ask(gateway: &Gateway, token: &Token, model: &str, more: &Value) -> Response {
    gateway.send(&Request::post(ROUTE, &chat(model, more)).bearer(&token.key))
}

/// An answer, or a chunk of one, of these parts.
fn answer(parts: &Value, reason: Option<&str>, usage: &Value) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(reason) = reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x", "responseId": "r1"})
}

fn text(words: &str) -> Value {
    json!([{"text": words}])
}

fn little() -> Value {
    json!({"promptTokenCount": 1, "candidatesTokenCount": 1})
}

fn sse(chunk: &Value) -> String {
    format!("data: {chunk}\r\n\r\n")
}

#[test]
fn a_plain_answer() {
    let usage = json!({"promptTokenCount": 1000, "cachedContentTokenCount": 300, "toolUsePromptTokenCount": 50,
        "candidatesTokenCount": 7, "thoughtsTokenCount": 40, "totalTokenCount": 1097});
    let mock = Mock::start(move |_| Reply::json(200, &answer(&text(COMPLETION), Some("STOP"), &usage)));
    let gateway = start(&mock);
    let token = gateway.create(json!({"unlimited_quota": true, "rpm": 60}));
    let more = json!({"temperature": 1.5, "seed": 7, "stop": "x", "user": "u", "reasoning_effort": "low"});
    let request = Request::post(ROUTE, &chat("g-alias", &more)).header("x-stainless-lang", "python");
    let answer = gateway.send(&request.header("openai-beta", "x").bearer(&token.key)).expect(200);
    let told = answer.json();
    assert_eq!(
        (&told["object"], &told["id"], &told["model"]),
        (&json!("chat.completion"), &json!("r1"), &json!("gemini-x"))
    );
    assert_eq!(
        told["choices"][0]["message"],
        json!({"role": "assistant", "content": COMPLETION, "refusal": null})
    );
    assert_eq!(told["choices"][0]["finish_reason"], "stop");
    let used = &told["usage"];
    assert_eq!((&used["prompt_tokens"], &used["completion_tokens"]), (&json!(1050), &json!(47)));
    assert_eq!(
        (
            &used["prompt_tokens_details"]["cached_tokens"],
            &used["completion_tokens_details"]["reasoning_tokens"]
        ),
        (&json!(300), &json!(40))
    );
    assert_eq!(gateway.charged(&answer), cost([750, 300, 47], PRICES));
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.00203"));
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("60"));

    let got = &mock.received()[0];
    // The path has the channel's own name for the model; the body has none.
    assert_eq!(
        (got.method.as_str(), got.target.as_str()),
        ("POST", "/v1beta/models/gemini-2.5-flash:generateContent")
    );
    let config = json!({"maxOutputTokens": 5120, "temperature": 1.5, "seed": 7, "stopSequences": ["x"],
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}});
    assert_eq!(
        got.json(),
        json!({"contents": [{"role": "user", "parts": [{"text": PROMPT}]}], "generationConfig": config})
    );
    assert_eq!(got.header("x-goog-api-key"), Some(mock.key()));
    assert_eq!((got.header("authorization"), got.header("openai-beta")), (None, None));
    assert_eq!(
        (got.header("anthropic-version"), got.header("content-type")),
        (None, Some("application/json"))
    );
}

/// Chunks are told as they come; the end waits for the end of the provider's body and for the books (R3).
#[test]
fn a_stream() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let usage = json!({"promptTokenCount": 80, "cachedContentTokenCount": 50, "thoughtsTokenCount": 5});
        let mut all = usage.clone();
        all["candidatesTokenCount"] = json!(12);
        let thought = json!([{"text": "hm", "thought": true}]);
        let reply = Reply::sse()
            .chunk(sse(&answer(&thought, None, &usage)))
            .chunk(sse(&answer(&text("one "), None, &usage)))
            .wait(&shut);
        reply.chunk(sse(&answer(&text("two"), Some("MAX_TOKENS"), &all))).end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for options in [json!(null), json!({"include_usage": true})] {
        let more = json!({"stream": true, "stream_options": options, "max_tokens": 100});
        let mut exchange = gateway.open(&Request::post(ROUTE, &chat("g-1", &more)).bearer(&token.key));
        assert!(exchange.data().contains("\"role\":\"assistant\""));
        // The gate stays open: the second stream may be over already.
        assert!(!options.is_null() || gateway.held(&token) > 0);
        gate.open();
        let answer = exchange.finish().expect(200);
        assert!(answer.clean);
        let told = answer.chunks();
        assert!(told.iter().all(|chunk| chunk["id"] == "r1" && chunk["object"] == "chat.completion.chunk"));
        let all = |member: &str| -> String {
            told.iter().filter_map(|chunk| chunk["choices"][0]["delta"][member].as_str()).collect()
        };
        assert_eq!((all("content"), all("reasoning_content")), ("one two".to_owned(), "hm".to_owned()));
        assert!(told.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "length"));
        let totals = told.iter().filter(|chunk| chunk["usage"]["prompt_tokens"] == 80).count();
        assert_eq!(totals, usize::from(!options.is_null()));
        assert_eq!(gateway.charged(&answer), cost([30, 50, 17], PRICES));
        assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    }
    let got = &mock.received()[0];
    assert_eq!(got.target, EVENTS);
    assert_eq!(got.json()["generationConfig"], json!({"maxOutputTokens": 100}));
}

/// A model that calls two tools at once, of which the first call has its proof, and then has something to say.
fn forecaster() -> Mock {
    Mock::start(move |request: &Received| {
        let call = |city: &str| json!({"functionCall": {"name": "weather", "args": {"city": city}}});
        let mut first = call("Paris");
        first["thoughtSignature"] = json!("c2ln");
        let calls = answer(&json!([{"text": "Let me see."}, first, call("Rome")]), Some("STOP"), &little());
        match (request.json()["contents"].as_array().unwrap().len(), request.target.contains("stream")) {
            (1, false) => Reply::json(200, &calls),
            (1, true) => Reply::sse().chunk(sse(&calls)).end(),
            (_, _) => Reply::json(200, &answer(&text("It rains."), Some("STOP"), &little())),
        }
    })
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": false})
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "parameters": schema()}}])
}

/// A call as OpenAI's clients know it.
fn called(id: &str, city: &str) -> Value {
    let arguments = json!({"city": city}).to_string();
    json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
}

/// The same with its proof, where Google's own OpenAI-compatible API has it.
fn proven(id: &str, city: &str) -> Value {
    let mut call = called(id, city);
    call["extra_content"] = json!({"google": {"thought_signature": "c2ln"}});
    call
}

#[test]
fn tools_that_are_called() {
    let mock = forecaster();
    let gateway = start(&mock);
    let token = rich(&gateway);
    let mut asked = json!({"tools": tools(), "tool_choice": "required"});
    let whole = ask(&gateway, &token, "g-1", &asked).expect(200).json();
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!("Let me see."))
    );
    let calls = json!([proven("call_r1_0", "Paris"), called("call_r1_1", "Rome")]);
    assert_eq!(choice["message"]["tool_calls"], calls);
    asked["stream"] = json!(true);
    let told = ask(&gateway, &token, "g-1", &asked).expect(200).chunks();
    let calls: Vec<&Value> =
        told.iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).collect();
    let extra = &proven("", "")["extra_content"];
    assert!(
        calls.iter().any(|call| call["id"] == "call_r1_0" && call["extra_content"] == *extra),
        "{told:?}"
    );
    let arguments = "{\"city\":\"Rome\"}";
    assert!(calls.iter().any(|call| call["index"] == 1 && call["function"]["arguments"] == arguments));
    assert!(told.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "tool_calls"));

    let got = mock.received();
    let declared = json!([{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": schema()}]}]);
    assert_eq!((&got[0].json()["tools"], got[0].target.as_str()), (&declared, PLAIN));
    assert_eq!(got[0].json()["toolConfig"], json!({"functionCallingConfig": {"mode": "ANY"}}));
}

/// What tools gave goes back with the proofs of the calls. A history that another model made has none: Google's own word stands for
/// it, where one is asked for.
#[test]
fn what_tools_gave() {
    let mock = forecaster();
    let gateway = start(&mock);
    let token = rich(&gateway);
    let result = |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let said = |words: Value, first: Value| {
        let calls = [first, called("call_r1_1", "Rome")];
        json!([{"role": "user", "content": PROMPT}, {"role": "assistant", "content": words, "tool_calls": calls},
            result("call_r1_1", "sun"), result("call_r1_0", "rain")])
    };
    let sent =
        |id: &str, city: &str| json!({"functionCall": {"id": id, "name": "weather", "args": {"city": city}}});
    let signed = |signature: &str| {
        let mut call = sent("call_r1_0", "Paris");
        call["thoughtSignature"] = json!(signature);
        call
    };
    let foreign = || said(json!(null), called("call_r1_0", "Paris"));
    let own = said(json!("Let me see."), proven("call_r1_0", "Paris"));
    for (model, messages, want) in [
        ("g-1", own, vec![json!({"text": "Let me see."}), signed("c2ln")]),
        ("g-1", foreign(), vec![signed("skip_thought_signature_validator")]),
        ("g-alias", foreign(), vec![sent("call_r1_0", "Paris")]),
    ] {
        let told = ask(&gateway, &token, model, &json!({"tools": tools(), "messages": messages})).expect(200);
        assert_eq!(told.json()["choices"][0]["message"]["content"], "It rains.");
        let got = mock.received().last().unwrap().json();
        let want = [want, vec![sent("call_r1_1", "Rome")]].concat();
        assert_eq!(got["contents"][1], json!({"role": "model", "parts": want}));
        let given = |id: &str, words: &str| json!({"functionResponse": {"id": id, "name": "weather", "response": {"output": words}}});
        let turn = json!({"role": "user", "parts": [given("call_r1_1", "sun"), given("call_r1_0", "rain")]});
        assert_eq!(got["contents"][2], turn);
    }
}

#[test]
fn forms_images_and_documents() {
    let mock = Mock::start(|_| Reply::json(200, &answer(&text("{\"a\":1}"), Some("STOP"), &little())));
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}});
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let content = json!([{"type": "text", "text": "see"}, image("data:image/png;base64,QUJD"), image("https://x/y.webp"),
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}}]);
    let messages =
        json!([{"role": "developer", "content": "be brief"}, {"role": "user", "content": content}]);
    let told = ask(&gateway, &token, "g-1", &json!({"response_format": format, "messages": messages}))
        .expect(200)
        .json();
    assert_eq!(told["choices"][0]["message"]["content"], "{\"a\":1}");
    let got = mock.received()[0].json();
    let config = &got["generationConfig"];
    assert_eq!(
        (&config["responseMimeType"], &config["responseJsonSchema"]),
        (&json!("application/json"), &schema)
    );
    assert_eq!(got["systemInstruction"], json!({"parts": [{"text": "be brief"}]}));
    let data = |kind: &str| json!({"inlineData": {"mimeType": kind, "data": "QUJD"}});
    let file = json!({"fileData": {"mimeType": "image/webp", "fileUri": "https://x/y.webp"}});
    let parts = json!([{"text": "see"}, data("image/png"), file, data("application/pdf")]);
    assert_eq!(got["contents"], json!([{"role": "user", "parts": parts}]));
}

/// The hold is exact, and that of what is sent: each byte of text and the constants, the cap at the output price.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock =
        Mock::start(move |_| Reply::json(200, &answer(&text("x"), Some("STOP"), &little())).behind(&shut));
    let gateway = start(&mock);
    let said =
        |content: Value| json!({"max_tokens": 100, "messages": [{"role": "user", "content": content}]});
    let image = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
    let mut tooled = said(json!("hello"));
    tooled["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let declared = r#"[{"functionDeclarations":[{"name":"f"}]}]"#;
    let mut chosen = tooled.clone();
    chosen["tool_choice"] = json!("required");
    let config = r#"{"functionCallingConfig":{"mode":"ANY"}}"#;
    let mut formed = said(json!("hello"));
    formed["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {}}});
    let length = |text: &str| i64::try_from(text.len()).unwrap();
    // role, user, parts, text, hello: 22 bytes; 16 for the message.
    let hello = 4 + 4 + 5 + 4 + 5 + 16;
    let cases = [
        (said(json!("hello")), hello),
        (said(image("https://x/y.png")), 5_000),
        // role, user, parts, inlineData, mimeType, image/png, data; the image is 50.
        (said(image("data:image/png;base64,QUJD")), 4 + 4 + 5 + 10 + 8 + 9 + 4 + 16 + 50),
        (formed, hello + length("{}")),
        (tooled, hello + length(declared) + 32),
        (chosen, hello + length(declared) + 32 + length(config)),
    ];
    for (more, input) in &cases {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&Request::post(ROUTE, &chat("g-1", more)).bearer(&token.key).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        assert_eq!(held * QUOTA, input * PRICES[0] + 100 * PRICES[2], "{more}");
    }
    gate.open();
}

/// A budget lowers the cap, in the field that the provider has for it.
#[test]
fn a_lowered_cap() {
    let usage = json!({"promptTokenCount": 9, "candidatesTokenCount": 40});
    let mock = Mock::start(move |_| Reply::json(200, &answer(&text("x"), Some("MAX_TOKENS"), &usage)));
    let gateway = start(&mock);
    let token = gateway.create(json!({"remain_quota": (200 * PRICES[0] + 50 * PRICES[2]) / QUOTA}));
    for asked in [json!({"max_completion_tokens": 900}), json!({})] {
        let answer = ask(&gateway, &token, "g-1", &asked).expect(200);
        let cap =
            mock.received().last().unwrap().json()["generationConfig"]["maxOutputTokens"].as_i64().unwrap();
        assert!((16..900).contains(&cap), "{cap}");
        assert_eq!(answer.header("x-tollgate-output-cap"), Some(cap.to_string().as_str()));
    }
    let poor = gateway.create(json!({"remain_quota": 1}));
    ask(&gateway, &poor, "g-1", &json!({})).refuses(402, "insufficient_quota");
    assert_eq!(mock.count(), 2);
}

/// What cannot be said is refused by name, before anything is held or sent.
#[test]
fn fields_that_are_refused() {
    let mock = Mock::start(|_| Reply::json(500, &json!({})));
    let gateway = start(&mock);
    let token = rich(&gateway);
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}}});
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "x", "other": 1}}});
    let extra = json!([{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]);
    let gif = json!([{"type": "image_url", "image_url": {"url": "data:image/gif;base64,QUJD"}}]);
    for (more, param) in [
        (json!({"n": 2}), "n"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"temperature": 2.5}), "temperature"),
        (json!({"seed": 2_147_483_648_i64}), "seed"),
        (json!({"presence_penalty": 3}), "presence_penalty"),
        (json!({"stop": ["1", "2", "3", "4", "5", "6"]}), "stop"),
        (json!({"reasoning_effort": "none"}), "reasoning_effort"),
        (json!({"tools": tools, "parallel_tool_calls": false}), "parallel_tool_calls"),
        (json!({"response_format": format}), "response_format"),
        (json!({"messages": extra}), "messages[1].tool_calls[0].extra_content.google.other"),
        (json!({"messages": [{"role": "user", "content": gif}]}), "messages[0].content[0].image_url.url"),
        (
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "a", "content": "x"}]}),
            "messages[1]",
        ),
    ] {
        let answer = ask(&gateway, &token, "g-1", &more);
        let told = answer.json();
        assert_eq!((answer.status, told["error"]["param"].as_str()), (400, Some(param)), "{}", answer.text());
        assert!(!answer.text().contains("Anthropic"), "{}", answer.text());
        answer.refuses(400, "invalid_parameter");
    }
    assert_eq!((mock.count(), gateway.settled(&token)), (0, 0));
    let rows = gateway.all_entries(&token);
    assert!(rows.iter().all(|row| row["outcome"] == "credit"), "{rows:?}");
}

/// A prompt or an answer that Google blocks is an answer, and charged as Google counts it.
#[test]
fn what_is_blocked() {
    let mock = Mock::start(|request: &Received| {
        let usage = json!({"promptTokenCount": 40, "candidatesTokenCount": 3});
        let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "gemini-x",
            "responseId": "r1", "usageMetadata": {"promptTokenCount": 40}});
        let stopped = answer(&text("so far"), Some("SAFETY"), &usage);
        let told = if request.target.contains("g-prompt") { blocked } else { stopped };
        if request.target.contains("stream") {
            Reply::sse().chunk(sse(&told)).end()
        } else {
            Reply::json(200, &told)
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (model, reason, content, want) in [
        ("g-prompt", "PROHIBITED_CONTENT", None, cost([40, 0, 0], PRICES)),
        ("g-1", "SAFETY", Some("so far"), cost([40, 0, 3], PRICES)),
    ] {
        let whole = ask(&gateway, &token, model, &json!({})).expect(200);
        let choice = whole.json()["choices"][0].take();
        assert_eq!(
            (&choice["finish_reason"], choice["message"]["content"].as_str()),
            (&json!("content_filter"), content)
        );
        assert!(choice["message"]["refusal"].as_str().unwrap().contains(reason), "{choice}");
        assert_eq!(gateway.charged(&whole), want);
        let stream = ask(&gateway, &token, model, &json!({"stream": true})).expect(200);
        let told = stream.chunks();
        assert!(
            told.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "content_filter"),
            "{told:?}"
        );
        assert!(stream.text().contains(reason));
        assert_eq!(gateway.charged(&stream), want);
    }
}

/// A provider's own 4xx is told in the client's dialect; its trouble is 502; neither costs anything.
#[test]
fn providers_that_fail() {
    let error = |status: u16, word: &str| json!({"error": {"code": status, "message": "mock says no", "status": word}});
    let mock = Mock::start(move |request: &Received| {
        let status = request.target.split_once("g-").unwrap().1.get(..3).unwrap().parse().unwrap();
        match status {
            201 => Reply::body(200, "text/html", "<html>"),
            202 => Reply::sse().chunk(sse(&error(503, "UNAVAILABLE"))).end(),
            203 => Reply::json(200, &json!([error(503, "UNAVAILABLE")])),
            400 => Reply::json(400, &error(400, "INVALID_ARGUMENT")),
            404 => Reply::json(404, &error(404, "NOT_FOUND")),
            429 => Reply::json(429, &error(429, "RESOURCE_EXHAUSTED")),
            other => Reply::json(other, &error(other, "UNAVAILABLE")),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (model, status, kind, code) in [
        ("g-400", 400, "invalid_request_error", "INVALID_ARGUMENT"),
        ("g-404", 404, "not_found_error", "NOT_FOUND"),
        ("g-429", 429, "rate_limit_error", "RESOURCE_EXHAUSTED"),
        ("g-403", 502, "upstream_error", "upstream_error"),
        ("g-503", 502, "upstream_error", "upstream_error"),
        ("g-200", 502, "upstream_error", "upstream_error"),
        ("g-201", 502, "upstream_error", "upstream_error"),
        ("g-202", 502, "upstream_error", "upstream_error"),
        ("g-203", 502, "upstream_error", "upstream_error"),
    ] {
        let streams = matches!(model, "g-202" | "g-203");
        let answer = ask(&gateway, &token, model, &json!({"stream": streams}));
        let told = answer.json();
        assert!(told["error"]["param"].is_null(), "{told}");
        let told = &told["error"];
        assert_eq!(
            (answer.status, told["type"].as_str(), told["code"].as_str()),
            (status, Some(kind), Some(code)),
            "{model} {told}"
        );
        assert_eq!(told["message"] == "mock says no", status != 502, "{told}");
    }
    assert_eq!(gateway.settled(&token), 0);
}

/// An answer that cannot be told is 502, and charged as its provider bills it; a stream that breaks ends with an error in
/// the client's dialect, and without a terminator.
#[test]
fn answers_that_cannot_be_told() {
    let mock = Mock::start(|request: &Received| {
        let usage = json!({"promptTokenCount": 40, "candidatesTokenCount": 3});
        let broken = answer(&text("twelve bytes"), Some("MALFORMED_FUNCTION_CALL"), &usage);
        let began = || Reply::sse().chunk(sse(&answer(&text("twelve bytes"), None, &usage)));
        match request.target.split(['/', ':']).nth(3).unwrap() {
            "g-odd" => Reply::json(200, &broken),
            "g-malformed" => began().chunk(sse(&broken)).end(),
            "g-error" => began()
                .chunk(sse(&json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})))
                .end(),
            "g-cut" => began().end(),
            _ => began().chunk("data: {\n\n").end(),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    ask(&gateway, &token, "g-odd", &json!({})).refuses(502, "upstream_error");
    assert_eq!(nanos(&gateway.last_entry(&token)["charged_usd"]), cost([40, 0, 3], PRICES));
    for model in ["g-malformed", "g-error", "g-cut", "g-torn"] {
        let answer = ask(&gateway, &token, model, &json!({"stream": true})).expect(200);
        let text = answer.text();
        assert!(text.contains("twelve bytes") && !text.contains("[DONE]"), "{text}");
        let last = text.trim_end().rsplit_once("data: ").unwrap().1;
        let last: Value = serde_json::from_str(last).unwrap();
        assert_eq!(
            (&last["error"]["type"], &last["error"]["code"]),
            (&json!("upstream_error"), &json!("upstream_error")),
            "{model}"
        );
        assert!(gateway.charged(&answer) >= cost([40, 0, 3], PRICES), "{model}");
    }
}

#[test]
fn a_client_that_leaves() {
    let usage = json!({"promptTokenCount": 40, "candidatesTokenCount": 3});
    let mock =
        Mock::start(move |_| Reply::sse().chunk(sse(&answer(&text("twelve bytes"), None, &usage))).hang());
    let gateway = start(&mock);
    let token = rich(&gateway);
    let request = Request::post(ROUTE, &chat("g-1", &json!({"stream": true}))).bearer(&token.key);
    let mut exchange = gateway.open(&request);
    exchange.event();
    drop(exchange);
    eventually("the provider is let go", SOON, || (mock.hang_ups() == 1).then_some(()));
    let row = gateway.last_entry(&token);
    assert_eq!(row["outcome"], "client_gone", "{row}");
    assert!(nanos(&row["charged_usd"]) >= cost([40, 0, 3], PRICES), "{row}");
}

const MESSAGES: &str = "/v1/messages";

/// A client of Anthropic's.
fn message(gateway: &Gateway, token: &Token, model: &str, more: &Value) -> Response {
    let mut body =
        json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": PROMPT}]});
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
    let request = Request::post(MESSAGES, &body).header("x-api-key", &token.key);
    gateway.send(&request.header("anthropic-version", "2023-06-01").header("anthropic-beta", "x"))
}

#[test]
fn a_message() {
    let usage = json!({"promptTokenCount": 1000, "cachedContentTokenCount": 300, "candidatesTokenCount": 7, "thoughtsTokenCount": 40});
    let mock = Mock::start(move |_| {
        let parts = json!([{"text": "hm", "thought": true}, {"text": COMPLETION}]);
        Reply::json(200, &answer(&parts, Some("STOP"), &usage))
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let more = json!({"system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}], "top_k": 5,
        "max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 2048}, "metadata": {"user_id": "u"}});
    let answer = message(&gateway, &token, "g-1", &more).expect(200);
    let told = answer.json();
    assert_eq!(
        (&told["type"], &told["id"], &told["stop_reason"]),
        (&json!("message"), &json!("msg_r1"), &json!("end_turn"))
    );
    let content = &told["content"];
    assert_eq!((&content[0]["thinking"], &content[1]["text"]), (&json!("hm"), &json!(COMPLETION)));
    let used = &told["usage"];
    assert_eq!(
        (&used["input_tokens"], &used["cache_read_input_tokens"], &used["output_tokens"]),
        (&json!(700), &json!(300), &json!(47))
    );
    assert_eq!(gateway.charged(&answer), cost([700, 300, 47], PRICES));
    let got = &mock.received()[0];
    assert_eq!(got.target, PLAIN);
    let config = json!({"maxOutputTokens": 5000, "topK": 5, "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": true}});
    assert_eq!(
        got.json(),
        json!({"contents": [{"role": "user", "parts": [{"text": PROMPT}]}], "generationConfig": config,
            "systemInstruction": {"parts": [{"text": "be brief"}]}})
    );
    assert_eq!((got.header("x-goog-api-key"), got.header("x-api-key")), (Some(mock.key()), None));
    assert_eq!((got.header("anthropic-version"), got.header("anthropic-beta")), (None, None));
}

/// `message_stop` waits for the end of the provider's body and for the books (R3).
#[test]
fn a_message_that_streams() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let usage = json!({"promptTokenCount": 80, "candidatesTokenCount": 12});
        let reply = Reply::sse().chunk(sse(&answer(&text("one "), None, &json!({"promptTokenCount": 80}))));
        reply.wait(&shut).chunk(sse(&answer(&text("two"), Some("MAX_TOKENS"), &usage))).end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let body = json!({"model": "g-1", "max_tokens": 100, "stream": true, "messages": [{"role": "user", "content": PROMPT}]});
    let mut exchange = gateway.open(&Request::post(MESSAGES, &body).bearer(&token.key));
    assert!(exchange.data().contains("message_start"));
    assert!(gateway.held(&token) > 0);
    gate.open();
    let answer = exchange.finish().expect(200);
    assert!(answer.clean);
    let told = answer.named_events();
    let said: String = told.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(said, "one two");
    let [.., change, stop] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (&change["delta"]["stop_reason"], &change["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(12))
    );
    assert_eq!(stop["type"], "message_stop");
    assert_eq!(gateway.charged(&answer), cost([80, 0, 12], PRICES));
    assert_eq!(mock.received()[0].target, EVENTS);
}

/// The proof of a call is a thought in front of it, which such clients send back as it is.
#[test]
fn tools_of_messages() {
    let mock = Mock::start(move |request: &Received| {
        let call = json!({"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"});
        let calls = answer(&json!([{"text": "Let me see."}, call]), Some("STOP"), &little());
        match (request.json()["contents"].as_array().unwrap().len(), request.target.contains("stream")) {
            (1, false) => Reply::json(200, &calls),
            (1, true) => Reply::sse().chunk(sse(&calls)).end(),
            (_, _) => Reply::json(200, &answer(&text("It rains."), Some("STOP"), &little())),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "description": "d", "input_schema": schema}]);
    let asked = json!({"tools": tools, "tool_choice": {"type": "tool", "name": "weather"}});
    let first = message(&gateway, &token, "g-1", &asked).expect(200).json();
    assert_eq!(first["stop_reason"], "tool_use");
    let used = json!({"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}});
    let proof = json!({"type": "redacted_thinking", "data": "gemini.c2ln"});
    let content = first["content"].as_array().unwrap();
    assert_eq!(content[0]["text"], "Let me see.");
    assert_eq!((&content[1], &content[2]["id"], &content[2]["input"]), (&proof, &used["id"], &used["input"]));
    let mut streamed = asked.clone();
    streamed["stream"] = json!(true);
    let told = message(&gateway, &token, "g-1", &streamed).expect(200).named_events();
    assert!(told.iter().any(|event| event["content_block"] == proof), "{told:?}");

    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}});
    let result = |content: Value| json!({"type": "tool_result", "tool_use_id": "c1", "content": content, "is_error": true});
    // The same call as another provider's model made it: its thought stays here.
    let foreign = json!([{"type": "thinking", "thinking": "hm", "signature": "EqQB"}, used]);
    for (content, given) in [
        (first["content"].clone(), json!("rain")),
        (foreign, json!([{"type": "text", "text": "rain"}, image])),
    ] {
        let messages = json!([{"role": "user", "content": PROMPT}, {"role": "assistant", "content": content},
            {"role": "user", "content": [result(given), {"type": "text", "text": "go on"}]}]);
        let second = message(&gateway, &token, "g-1", &json!({"tools": tools, "messages": messages}));
        assert_eq!(second.expect(200).json()["content"][0]["text"], "It rains.");
    }
    let got = mock.received();
    let named = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}});
    let declared = json!([{"functionDeclarations": [{"name": "weather", "description": "d", "parametersJsonSchema": schema}]}]);
    assert_eq!((&got[0].json()["toolConfig"], &got[0].json()["tools"]), (&named, &declared));
    let call = |signature: &str| json!({"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": signature});
    let response = json!({"id": "c1", "name": "weather", "response": {"error": "rain"}});
    let contents = |position: usize, turn: usize| got[position].json()["contents"][turn]["parts"].clone();
    assert_eq!(contents(2, 1), json!([{"text": "Let me see."}, call("c2ln")]));
    assert_eq!(contents(2, 2), json!([{"functionResponse": response}, {"text": "go on"}]));
    assert_eq!(contents(3, 1), json!([call("skip_thought_signature_validator")]));
    let mut shown = response;
    shown["parts"] = json!([{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]);
    assert_eq!(contents(3, 2)[0], json!({"functionResponse": shown}));
}

#[test]
fn what_messages_are_refused() {
    let mock = Mock::start(|request: &Received| match request.target.contains("g-429") {
        true => Reply::json(
            429,
            &json!({"error": {"code": 429, "message": "mock says no", "status": "RESOURCE_EXHAUSTED"}}),
        ),
        false => Reply::json(200, &answer(&text("so far"), Some("SAFETY"), &little())),
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let serial = json!({"type": "auto", "disable_parallel_tool_use": true});
    for (more, field) in [
        (json!({"tools": tools, "tool_choice": serial}), "tool_choice.disable_parallel_tool_use"),
        (json!({"thinking": {"type": "disabled"}}), "thinking"),
        (json!({"top_k": 1.5}), "top_k"),
    ] {
        let refused = message(&gateway, &token, "g-1", &more).expect(400).json();
        let error = &refused["error"];
        assert_eq!((&refused["type"], &error["type"]), (&json!("error"), &json!("invalid_request_error")));
        assert!(error["message"].as_str().unwrap().starts_with(field), "{refused}");
    }
    let limited = message(&gateway, &token, "g-429", &json!({})).expect(429).json();
    assert_eq!(
        (&limited["error"]["type"], &limited["error"]["message"]),
        (&json!("rate_limit_error"), &json!("mock says no"))
    );
    assert_eq!((mock.count(), gateway.settled(&token)), (1, 0));
    let blocked = message(&gateway, &token, "g-1", &json!({})).expect(200);
    assert_eq!(blocked.json()["stop_reason"], "refusal");
    assert_eq!(gateway.charged(&blocked), cost([1, 0, 1], PRICES));
}

/// A client of OpenAI's responses.
#[test]
fn a_response() {
    let mock = Mock::start(|request: &Received| {
        let call = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"});
        match request.json()["contents"].as_array().unwrap().len() {
            1 => Reply::json(200, &answer(&json!([call]), Some("STOP"), &little())),
            _ => Reply::json(200, &answer(&text(COMPLETION), Some("STOP"), &little())),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false}]);
    let ask = |input: Value| {
        let body = json!({"model": "g-1", "input": input, "tools": tools, "store": false, "max_output_tokens": 100,
            "include": ["reasoning.encrypted_content"]});
        gateway.post(&token.key, "/v1/responses", &body).expect(200)
    };
    let question = json!({"role": "user", "content": PROMPT});
    let first = ask(json!([question])).json();
    let mut input = vec![question];
    input.extend(first["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "call_r1_0", "output": "done"}));
    let second = ask(json!(input));
    assert!(second.text().contains(COMPLETION), "{}", second.text());
    assert_eq!(gateway.charged(&second), cost([1, 0, 1], PRICES));
    let called =
        json!({"functionCall": {"id": "call_r1_0", "name": "f", "args": {}}, "thoughtSignature": "c2ln"});
    assert_eq!(mock.received()[1].json()["contents"][1]["parts"], json!([called]));
}
