//! OpenAI's chat, answered by a model that only a channel of Anthropic serves: what the provider received, what the client got,
//! what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON, Settings,
    Token, chat, cost, eventually, nanos,
};

const ROUTE: &str = "/v1/chat/completions";

/// Nanodollars of a token of input, of one read from the cache, written to it for 5 minutes and for an hour, and of output.
const PRICES: [i64; 5] = [2_000, 200, 2_500, 4_000, 10_000];

/// A channel of Anthropic for models `c-*` and `m-both`; one of OpenAI, behind it, for `m-*`.
fn settings(mock: &Mock, other: &Mock) -> Settings {
    let channel = format!(
        "[[channels]]\nname = \"claude\"\nprovider = \"anthropic\"\nbase_url = \"http://{}\"\napi_keys = [\"env:CLAUDE_KEY\"]\n\
         models = [\"c-*\", \"m-both\", \"dull\"]\nmodel_map = {{ c-alias = \"claude-haiku-4-5\" }}\n",
        mock.address()
    );
    let price = "[[prices]]\nmodel = \"c-*\"\nprovider = \"anthropic\"\ninput = 2\ncached_input = 0.2\ncache_write = 2.5\n\
         cache_write_1h = 4\noutput = 10\nmax_input_tokens = 5000\nmax_output_tokens = 16384\nimage_tokens = 50\n";
    let settings = Settings::demo().env("CLAUDE_KEY", mock.key()).append(&channel).append(price);
    settings.channel("other", other, "models = [\"m-*\"]").price("m-*", "2", "2")
}

fn start(mock: &Mock) -> Gateway {
    Gateway::start(settings(mock, &Mock::answering(1, 1)))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

fn ask(gateway: &Gateway, token: &Token, more: &Value) -> Response {
    gateway.send(&Request::post(ROUTE, &chat("c-1", more)).bearer(&token.key))
}

fn whole(content: &Value, stop_reason: &str, usage: &Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c-1", "stop_reason": stop_reason,
        "stop_sequence": null, "content": content, "usage": usage})
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn begin(usage: &Value) -> String {
    let message = json!({"id": "msg_1", "type": "message", "model": "c-1", "content": [], "usage": usage});
    event(&json!({"type": "message_start", "message": message}))
}

fn words(words: &str) -> String {
    event(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}))
}

#[test]
fn a_plain_answer() {
    let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}, "output_tokens": 7});
    let mock = Mock::start(move |_| Reply::json(200, &whole(&json!([text(COMPLETION)]), "end_turn", &usage)));
    let gateway = start(&mock);
    let token = gateway.create(json!({"unlimited_quota": true, "rpm": 60}));
    let request = Request::post(ROUTE, &chat("c-alias", &json!({"temperature": 0.5})));
    let request = request.header("x-stainless-lang", "python").header("openai-beta", "x");
    let request = request.header("anthropic-beta", "fine-grained-tool-streaming-2025-05-14");
    let answer = gateway.send(&request.bearer(&token.key)).expect(200);
    let told = answer.json();
    assert_eq!(told["object"], "chat.completion");
    assert_eq!(
        told["choices"][0]["message"],
        json!({"role": "assistant", "content": COMPLETION, "refusal": null})
    );
    assert_eq!(told["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&told["usage"]["prompt_tokens"], &told["usage"]["completion_tokens"]),
        (&json!(1325), &json!(7))
    );
    assert_eq!(gateway.charged(&answer), cost([25, 1000, 100, 200, 7], PRICES));
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.00137"));
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("60"));
    assert_eq!(
        (answer.header("request-id"), answer.header("content-type")),
        (None, Some("application/json"))
    );

    let got = &mock.received()[0];
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/v1/messages"));
    // No budget binds, but the provider asks for a cap.
    let content = json!([text(PROMPT)]);
    let want = json!({"model": "claude-haiku-4-5", "max_tokens": 4096, "temperature": 0.5, "messages": [{"role": "user", "content": content}]});
    assert_eq!(got.json(), want);
    assert_eq!(got.header("x-api-key"), Some(mock.key()));
    assert_eq!(got.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(["authorization", "openai-beta", "anthropic-beta"].map(|name| got.header(name)), [None; 3]);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("x-client-request-id"), answer.header("x-request-id"));
}

/// Whoever speaks the client's dialect comes first, wherever it stands in the file; what is free is not translated.
#[test]
fn no_translation_without_need() {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let mock = Mock::start(move |_| Reply::json(200, &whole(&json!([text("x")]), "end_turn", &usage)));
    let other = Mock::answering(3, 2);
    let gateway = Gateway::start(settings(&mock, &other));
    let token = rich(&gateway);
    let sent = chat("m-both", &json!({"max_tokens": 9, "seed": 7}));
    gateway.chat(&token.key, &sent).expect(200);
    assert_eq!((mock.count(), other.received()[0].json()["seed"].as_i64()), (0, Some(7)));
    gateway.chat(&token.key, &chat("none", &json!({}))).refuses(404, "model_not_found");
    gateway.chat(&token.key, &chat("dull", &json!({}))).refuses(402, "model_not_priced");
    let listed =
        gateway.create(json!({"remain_credits": 9, "model_limits_enabled": true, "model_limits": "m-*"}));
    ask(&gateway, &listed, &json!({})).refuses(403, "model_not_allowed");
    let messages =
        json!({"model": "m-1", "max_tokens": 9, "messages": [{"role": "user", "content": PROMPT}]});
    gateway.post(&token.key, "/v1/messages/count_tokens", &messages).expect(404);
    assert_eq!((mock.count(), other.count()), (0, 1));
}

/// Events are told as they come; `[DONE]` waits for the books (R3).
#[test]
fn a_stream() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 20, "output_tokens": 1});
        let end = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 12}});
        let reply = Reply::sse()
            .chunk(begin(&usage))
            .chunk(event(&json!({"type": "ping"})))
            .chunk(words("one "))
            .wait(&shut);
        reply.chunk(words("two")).chunk(event(&end)).chunk(event(&json!({"type": "message_stop"}))).end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for options in [json!(null), json!({"include_usage": true})] {
        let more = json!({"stream": true, "stream_options": options, "max_tokens": 100});
        let mut exchange = gateway.open(&Request::post(ROUTE, &chat("c-1", &more)).bearer(&token.key));
        assert!(exchange.data().contains("\"role\":\"assistant\""));
        // The gate stays open: the second stream may be over already.
        assert!(!options.is_null() || gateway.held(&token) > 0);
        gate.open();
        let answer = exchange.finish().expect(200);
        assert!(answer.clean);
        let told = answer.chunks();
        assert!(
            told.iter().all(|chunk| chunk["id"] == "msg_1" && chunk["object"] == "chat.completion.chunk")
        );
        let said: String =
            told.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(said, "one two");
        assert!(told.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "length"));
        let totals = told.iter().filter(|chunk| chunk["usage"]["prompt_tokens"] == 80).count();
        assert_eq!(totals, usize::from(!options.is_null()));
        assert_eq!(gateway.charged(&answer), cost([10, 50, 20, 0, 12], PRICES));
        assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    }
    let got = mock.received()[0].json();
    assert_eq!(
        (&got["stream"], &got["max_tokens"], got.get("stream_options")),
        (&json!(true), &json!(100), None)
    );
}

/// A tool is called, run, and its result told: what goes over the wire in both directions.
#[test]
fn tools_there_and_back() {
    let input = json!({"city": "Paris"});
    let used = json!({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": input});
    let mock = Mock::start(move |request: &Received| {
        let usage = json!({"input_tokens": 40, "output_tokens": 9});
        match request.json()["messages"].as_array().unwrap().len() {
            1 => Reply::json(200, &whole(&json!([text("Let me see."), used]), "tool_use", &usage)),
            _ => Reply::json(200, &whole(&json!([text("It rains.")]), "end_turn", &usage)),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": schema}}]);
    let mut messages = vec![json!({"role": "user", "content": PROMPT})];
    let first =
        ask(&gateway, &token, &json!({"tools": tools, "tool_choice": "required", "messages": messages}))
            .expect(200)
            .json();
    let choice = &first["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["name"]), (&json!("toolu_1"), &json!("weather")));
    assert_eq!(call["function"]["arguments"], "{\"city\":\"Paris\"}");
    messages.push(choice["message"].clone());
    messages.push(json!({"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}));
    let second = ask(&gateway, &token, &json!({"tools": tools, "messages": messages})).expect(200).json();
    assert_eq!(second["choices"][0]["message"]["content"], "It rains.");
    let got = mock.received();
    let told = json!([{"name": "weather", "input_schema": schema}]);
    assert_eq!((&got[0].json()["tools"], &got[0].json()["tool_choice"]), (&told, &json!({"type": "any"})));
    assert_eq!(got[1].json()["messages"][1]["content"][1]["input"], input);
    let result = json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("rain")]});
    assert_eq!(got[1].json()["messages"][2], json!({"role": "user", "content": [result]}));
}

/// The hold is exact, and that of what is sent: each byte of text and the constants at the dearest kind of input, what the
/// provider adds for tools, the cap at the output price.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let mock =
        Mock::start(move |_| Reply::json(200, &whole(&json!([text("x")]), "end_turn", &usage)).behind(&shut));
    let gateway = start(&mock);
    let said =
        |content: Value| json!({"max_tokens": 100, "messages": [{"role": "user", "content": content}]});
    let image = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
    let mut tooled = said(json!("hello"));
    tooled["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let sent = r#"[{"name":"f","input_schema":{"type":"object","properties":{}}}]"#;
    let mut formed = said(json!("hello"));
    formed["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {}}});
    let format = r#"{"format":{"type":"json_schema","schema":{}}}"#;
    // role, user, content, type, text, text, hello: 32 bytes; 16 for the message.
    let hello = 4 + 4 + 7 + 4 + 4 + 4 + 5 + 16;
    let cases = [
        (said(json!("hello")), hello),
        (said(image("https://x/y.png")), 5_000),
        // The image is 50; the rest is what stands around it.
        (said(image("data:image/png;base64,QUJD")), 4 + 4 + 7 + 16 + 48 + 50),
        (formed, hello + i64::try_from(format.len()).unwrap() + 1_024),
        (tooled, hello + i64::try_from(sent.len()).unwrap() + 32 + 1_024),
    ];
    for (more, input) in &cases {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&Request::post(ROUTE, &chat("c-1", more)).bearer(&token.key).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        assert_eq!(held * QUOTA, input * PRICES[3] + 100 * PRICES[4], "{more}");
    }
    gate.open();
}

/// A budget lowers the cap, in the field that the provider has for it.
#[test]
fn a_lowered_cap() {
    let usage = json!({"input_tokens": 9, "output_tokens": 40});
    let mock = Mock::start(move |_| Reply::json(200, &whole(&json!([text("x")]), "max_tokens", &usage)));
    let gateway = start(&mock);
    let token = gateway.create(json!({"remain_quota": (200 * PRICES[3] + 50 * PRICES[4]) / QUOTA}));
    let answer = ask(&gateway, &token, &json!({"max_completion_tokens": 900})).expect(200);
    let cap = mock.received()[0].json()["max_tokens"].as_i64().unwrap();
    assert!((50..900).contains(&cap), "{cap}");
    assert_eq!(answer.header("x-tollgate-output-cap"), Some(cap.to_string().as_str()));
    assert_eq!(mock.received()[0].json().get("max_completion_tokens"), None);
    let poor = gateway.create(json!({"remain_quota": 1}));
    ask(&gateway, &poor, &json!({})).refuses(402, "insufficient_quota");
    assert_eq!(mock.count(), 1);
}

/// What cannot be said is refused by name, before anything is held or sent.
#[test]
fn fields_that_are_refused() {
    let mock = Mock::start(|_| Reply::json(500, &json!({})));
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (more, param) in [
        (json!({"n": 2}), "n"),
        (json!({"seed": 7}), "seed"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"response_format": {"type": "json_object"}}), "response_format"),
        (json!({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}), "messages[0].name"),
    ] {
        let answer = ask(&gateway, &token, &more);
        assert_eq!(
            (answer.status, answer.json()["error"]["param"].as_str()),
            (400, Some(param)),
            "{}",
            answer.text()
        );
        answer.refuses(400, "invalid_parameter");
    }
    assert_eq!((mock.count(), gateway.settled(&token)), (0, 0));
    let rows = gateway.all_entries(&token);
    assert!(rows.iter().all(|row| row["outcome"] == "credit"), "{rows:?}");
}

/// A provider's own 4xx is told in the client's dialect; its trouble is 502; neither costs anything.
#[test]
fn providers_that_fail() {
    let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "mock says no"}, "request_id": "r"});
    let mock = Mock::start(move |request: &Received| match request.json()["model"].as_str().unwrap() {
        "c-400" => Reply::json(400, &error("invalid_request_error")),
        "c-404" => Reply::json(404, &error("not_found_error")),
        "c-429" => Reply::json(429, &error("rate_limit_error")),
        "c-401" => Reply::json(401, &error("authentication_error")),
        "c-529" => Reply::json(529, &error("overloaded_error")),
        "c-200" => Reply::json(200, &error("api_error")),
        "c-html" => Reply::body(200, "text/html", "<html>"),
        "c-first" => Reply::sse().chunk(event(&error("overloaded_error"))).end(),
        other => panic!("{other}"),
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (model, status, kind, code) in [
        ("c-400", 400, "invalid_request_error", "invalid_request_error"),
        ("c-404", 404, "not_found_error", "not_found_error"),
        ("c-429", 429, "rate_limit_error", "rate_limit_error"),
        ("c-401", 502, "upstream_error", "upstream_error"),
        ("c-529", 502, "upstream_error", "upstream_error"),
        ("c-200", 502, "upstream_error", "upstream_error"),
        ("c-html", 502, "upstream_error", "upstream_error"),
        ("c-first", 502, "upstream_error", "upstream_error"),
    ] {
        let answer = ask(&gateway, &token, &json!({"model": model, "stream": model == "c-first"}));
        let told = answer.json();
        assert!(told.get("type").is_none() && told["error"]["param"].is_null(), "{told}");
        let told = &told["error"];
        assert_eq!(
            (answer.status, told["type"].as_str(), told["code"].as_str()),
            (status, Some(kind), Some(code)),
            "{model}"
        );
        assert_eq!(told["message"] == "mock says no", status != 502, "{told}");
    }
    assert_eq!(gateway.settled(&token), 0);
}

/// An answer that has no form of one is 502, and charged as its provider bills it; a stream that breaks ends with an error in
/// the client's dialect, and without a terminator.
#[test]
fn answers_that_cannot_be_told() {
    let mock = Mock::start(|request: &Received| {
        let usage = json!({"input_tokens": 40, "output_tokens": 1});
        let began = || Reply::sse().chunk(begin(&usage)).chunk(words("twelve bytes"));
        match request.json()["model"].as_str().unwrap() {
            "c-odd" => Reply::json(200, &json!({"type": "message", "content": [text("x")], "usage": usage})),
            "c-error" => began()
                .chunk(event(
                    &json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
                ))
                .end(),
            "c-cut" => began().end(),
            _ => began().chunk("event: content_block_delta\ndata: {\n\n").end(),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let odd = ask(&gateway, &token, &json!({"model": "c-odd"}));
    odd.refuses(502, "upstream_error");
    assert_eq!(nanos(&gateway.last_entry(&token)["charged_usd"]), cost([40, 0, 0, 0, 1], PRICES));
    for model in ["c-error", "c-cut", "c-torn"] {
        let answer = ask(&gateway, &token, &json!({"model": model, "stream": true})).expect(200);
        let text = answer.text();
        assert!(text.contains("twelve bytes") && !text.contains("[DONE]"), "{text}");
        let last = text.trim_end().rsplit_once("data: ").unwrap().1;
        let last: Value = serde_json::from_str(last).unwrap();
        assert_eq!(
            (&last["error"]["type"], &last["error"]["code"]),
            (&json!("upstream_error"), &json!("upstream_error"))
        );
        let least = cost([40, 0, 0, 0, 3], PRICES);
        assert!(gateway.charged(&answer) >= least, "{model}");
    }
}

#[test]
fn a_client_that_leaves() {
    let usage = json!({"input_tokens": 40, "output_tokens": 1});
    let mock = Mock::start(move |_| Reply::sse().chunk(begin(&usage)).chunk(words("twelve bytes")).hang());
    let gateway = start(&mock);
    let token = rich(&gateway);
    let request = Request::post(ROUTE, &chat("c-1", &json!({"stream": true}))).bearer(&token.key);
    let mut exchange = gateway.open(&request);
    exchange.event();
    exchange.event();
    drop(exchange);
    eventually("the provider is let go", SOON, || (mock.hang_ups() == 1).then_some(()));
    let row = gateway.last_entry(&token);
    assert_eq!(
        (&row["outcome"], nanos(&row["charged_usd"])),
        (&json!("client_gone"), cost([40, 0, 0, 0, 3], PRICES))
    );
}
