//! Anthropic's clients, answered by a model that only a channel of OpenAI's dialect or of Gemini's serves: what the provider received,
//! what the client got, what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON, Settings,
    Token, chat, cost, eventually,
};

const ROUTE: &str = "/v1/messages";

/// Nanodollars of a token of input, of one read from the cache, and of output.
const PRICES: [i64; 3] = [2_000, 500, 8_000];

/// A channel that speaks OpenAI's chat, for models `o-*`, and one of Gemini, for `g-*`.
fn settings(mock: &Mock) -> Settings {
    let google = format!(
        "[[channels]]\nname = \"google\"\nprovider = \"gemini\"\nbase_url = \"http://{}\"\napi_keys = [\"env:G_KEY\"]\n\
         models = [\"g-*\"]\n",
        mock.address()
    );
    let price = |model: &str| {
        format!(
            "[[prices]]\nmodel = \"{model}\"\ninput = 2\ncached_input = 0.5\noutput = 8\nmax_input_tokens = 5000\n\
             max_output_tokens = 16384\nimage_tokens = 50\n"
        )
    };
    let settings = Settings::demo().env("G_KEY", mock.key()).append(&google).append(&price("o-*"));
    let settings = settings.append(&price("g-*"));
    settings.channel("chats", mock, "models = [\"o-*\"]\nmodel_map = { o-alias = \"gpt-real\" }\noutput_cap_field = \"max_completion_tokens\"")
}

fn start(mock: &Mock) -> Gateway {
    Gateway::start(settings(mock))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

fn body(more: &Value) -> Value {
    let mut body = chat("o-1", &json!({"max_tokens": 100}));
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn request(token: &Token, more: &Value) -> Request {
    let request = Request::post(ROUTE, &body(more)).header("x-api-key", &token.key);
    request.header("anthropic-version", "2023-06-01").header("anthropic-beta", "x-2025-01-01")
}

fn ask(gateway: &Gateway, token: &Token, more: &Value) -> Response {
    gateway.send(&request(token, more))
}

fn usage(input: i64, cached: i64, output: i64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached}})
}

fn completion(message: &Value, reason: &str, usage: &Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-real",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage})
}

fn said(words: &str) -> Value {
    json!({"role": "assistant", "content": words})
}

fn little() -> Value {
    completion(&said("x"), "stop", &usage(1, 0, 1))
}

fn chunk(delta: &Value, reason: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
    format!(
        "data: {}\n\n",
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-real", "choices": [choice]})
    )
}

fn totals(usage: &Value) -> String {
    format!(
        "data: {}\n\n",
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    )
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

#[test]
fn a_plain_answer() {
    let mock =
        Mock::start(move |_| Reply::json(200, &completion(&said(COMPLETION), "stop", &usage(1000, 400, 50))));
    let gateway = start(&mock);
    let token = gateway.create(json!({"unlimited_quota": true}));
    let more = json!({"model": "o-alias", "system": "Be brief.", "temperature": 0.5, "stop_sequences": ["END"], "metadata": {"user_id": "u"},
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}});
    let answer = ask(&gateway, &token, &more).expect(200);
    let counted = json!({"input_tokens": 600, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 400, "output_tokens": 50});
    assert_eq!(
        answer.json(),
        json!({"id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt-real", "content": [text(COMPLETION)],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": counted})
    );
    assert_eq!(gateway.charged(&answer), cost([600, 400, 50], PRICES));
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.0018"));
    let got = &mock.received()[0];
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/v1/chat/completions"));
    let want = json!({"model": "gpt-real", "max_completion_tokens": 100, "temperature": 0.5, "stop": ["END"], "user": "u",
        "reasoning_effort": "low", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]});
    assert_eq!(got.json(), want);
    assert_eq!(got.header("authorization"), Some(format!("Bearer {}", mock.key()).as_str()));
    for foreign in ["x-api-key", "anthropic-version", "anthropic-beta"] {
        assert_eq!(got.header(foreign), None, "{foreign}");
    }
}

/// Events are told as they come; what ends them waits for the books (R3), and has the usage.
#[test]
fn a_stream() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let reply = Reply::sse().chunk(chunk(&json!({"role": "assistant", "content": ""}), None));
        let reply = reply.chunk(chunk(&json!({"content": "one "}), None)).wait(&shut);
        let reply =
            reply.chunk(chunk(&json!({"content": "two"}), None)).chunk(chunk(&json!({}), Some("length")));
        reply.chunk(totals(&usage(80, 50, 12))).chunk("data: [DONE]\n\n").end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let mut exchange = gateway.open(&request(&token, &json!({"stream": true})));
    assert!(exchange.data().contains("message_start"));
    assert!(gateway.held(&token) > 0);
    gate.open();
    let answer = exchange.finish().expect(200);
    assert!(answer.clean);
    let told = answer.named_events();
    let kinds: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let words: String = told.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(words, "one two");
    let end = &told[4];
    assert_eq!(end["delta"]["stop_reason"], "max_tokens");
    assert_eq!(
        (
            &end["usage"]["input_tokens"],
            &end["usage"]["cache_read_input_tokens"],
            &end["usage"]["output_tokens"]
        ),
        (&json!(30), &json!(50), &json!(12))
    );
    assert_eq!(gateway.charged(&answer), cost([30, 50, 12], PRICES));
    let got = mock.received()[0].json();
    // Usage is asked for, or nobody would know what it cost.
    assert_eq!((&got["stream"], &got["stream_options"]["include_usage"]), (&json!(true), &json!(true)));
}

/// A tool is called, run, and its result told: what goes over the wire in both directions.
#[test]
fn tools_there_and_back() {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}});
    let mock =
        Mock::start(move |request: &Received| match request.json()["messages"].as_array().unwrap().len() {
            1 => {
                let message = json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]});
                Reply::json(200, &completion(&message, "tool_calls", &usage(40, 0, 9)))
            }
            _ => Reply::json(200, &completion(&said("It rains."), "stop", &usage(40, 0, 9))),
        });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "description": "d", "input_schema": schema, "cache_control": {"type": "ephemeral"}}]);
    let choice = json!({"type": "any", "disable_parallel_tool_use": true});
    let mut messages = vec![json!({"role": "user", "content": PROMPT})];
    let first = ask(&gateway, &token, &json!({"tools": tools, "tool_choice": choice, "messages": messages}))
        .expect(200)
        .json();
    assert_eq!(first["stop_reason"], "tool_use");
    let used = json!({"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}});
    assert_eq!(first["content"], json!([text("Let me see."), used]));
    messages.push(json!({"role": "assistant", "content": first["content"]}));
    let result =
        json!({"type": "tool_result", "tool_use_id": "call_1", "content": [text("rain")], "is_error": false});
    messages.push(json!({"role": "user", "content": [result, text("and now?")]}));
    let second = ask(&gateway, &token, &json!({"tools": tools, "messages": messages})).expect(200).json();
    assert_eq!(second["content"], json!([text("It rains.")]));
    let got = mock.received();
    let told = json!([{"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema}}]);
    let first = got[0].json();
    assert_eq!(
        (&first["tools"], &first["tool_choice"], &first["parallel_tool_calls"]),
        (&told, &json!("required"), &json!(false))
    );
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}});
    assert_eq!(
        got[1].json()["messages"].as_array().unwrap()[1..],
        [
            json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]}),
            json!({"role": "tool", "tool_call_id": "call_1", "content": "rain"}),
            json!({"role": "user", "content": "and now?"})
        ]
    );
}

/// In a stream whose calls are mixed, no block begins before the one before it is over.
#[test]
fn calls_that_are_mixed() {
    let mock = Mock::start(|_| {
        let piece = |index: u64, json: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": json}}]});
        let begin = |index: u64, id: &str| {
            let function = json!({"name": "weather", "arguments": ""});
            json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
        };
        [
            begin(0, "call_1"),
            piece(0, "{\"city\":"),
            begin(1, "call_2"),
            piece(1, "{\"city\":\"Rome\"}"),
            piece(0, "\"Paris\"}"),
        ]
        .iter()
        .fold(Reply::sse(), |reply, delta| reply.chunk(chunk(delta, None)))
        .chunk(chunk(&json!({}), Some("tool_calls")))
        .chunk(totals(&usage(40, 0, 9)))
        .chunk("data: [DONE]\n\n")
        .end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let tools = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
    let answer = ask(&gateway, &token, &json!({"tools": tools, "stream": true})).expect(200);
    let mut inputs = vec![String::new(); 2];
    let mut open = None;
    for event in answer.named_events() {
        let index = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "content_block_start" => assert_eq!(open.replace(index.unwrap()), None),
            "content_block_delta" => {
                assert_eq!(open, index);
                inputs[usize::try_from(index.unwrap()).unwrap()] +=
                    event["delta"]["partial_json"].as_str().unwrap();
            }
            "content_block_stop" => assert_eq!(open.take(), index),
            _ => {}
        }
    }
    assert_eq!(inputs, ["{\"city\":\"Paris\"}", "{\"city\":\"Rome\"}"]);
}

/// What Claude Code sends, in its form, but for the length of its words.
fn claude_code(model: &str) -> Value {
    let mark = json!({"type": "ephemeral"});
    let user_id =
        format!("{{\"device_id\":\"{}\",\"account_uuid\":\"\",\"session_id\":\"s\"}}", "5".repeat(64));
    json!({"model": model, "max_tokens": 32000, "stream": true,
        "messages": [
            {"role": "user", "content": [text("<system-reminder>"), text(PROMPT)]},
            {"role": "system", "content": "# Environment"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "EqQB"},
                {"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {"query": "select:WebFetch"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1",
                "content": [{"type": "tool_reference", "tool_name": "WebFetch"}], "cache_control": mark}]}],
        "system": [text("x-anthropic-billing-header: cc_version=2.1.331;"), {"type": "text", "text": "You are an agent", "cache_control": mark}],
        "tools": [{"name": "Bash", "description": "d", "input_schema": {"$schema": "x", "type": "object"}},
            {"name": "WebFetch", "description": "d", "input_schema": {"type": "object"}, "defer_loading": true}],
        "metadata": {"user_id": user_id},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"}})
}

#[test]
fn claude_code_on_a_model_of_openai() {
    let mock = Mock::start(|_| {
        let thought = chunk(&json!({"role": "assistant", "reasoning_content": "hm"}), None);
        let reply = Reply::sse().chunk(thought).chunk(chunk(&json!({"content": "Hello"}), None));
        reply
            .chunk(chunk(&json!({}), Some("stop")))
            .chunk(totals(&usage(9, 0, 3)))
            .chunk("data: [DONE]\n\n")
            .end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let answer = ask(&gateway, &token, &claude_code("o-1")).expect(200);
    let told = answer.named_events();
    // It did not ask to be told what is thought.
    assert!(!answer.text().contains("thinking"));
    assert_eq!(told.last().unwrap()["type"], "message_stop");
    assert_eq!(gateway.charged(&answer), cost([9, 0, 3], PRICES));
    let mut got = mock.received()[0].json();
    let user = got["user"].take();
    assert_eq!(user.as_str().unwrap().len(), 64, "{user}");
    let parts = |texts: [&str; 3]| texts.map(text);
    let call = json!({"id": "toolu_1", "type": "function", "function": {"name": "ToolSearch", "arguments": "{\"query\":\"select:WebFetch\"}"}});
    assert_eq!(
        got["messages"],
        json!([
            {"role": "system", "content": parts(["x-anthropic-billing-header: cc_version=2.1.331;", "You are an agent", "# Environment"])},
            {"role": "user", "content": [text("<system-reminder>"), text(PROMPT)]},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "WebFetch"}])
    );
    assert_eq!((&got["reasoning_effort"], got["tools"].as_array().unwrap().len()), (&json!("high"), 2));
}

/// The hold is exact, and that of what is sent.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::json(200, &little()).behind(&shut));
    let gateway = start(&mock);
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let image = |source: Value| json!([{"type": "image", "source": source}]);
    // role, user, content, hello: 20 bytes; 16 for the message.
    let hello = 4 + 4 + 7 + 5 + 16;
    let cases = [
        (said(json!("hello")), hello),
        (said(image(json!({"type": "url", "url": "https://x/y.png"}))), 5_000),
        // The image is 50; the rest is what stands around it: role, user, content, type, image_url, image_url, url.
        (
            said(image(json!({"type": "base64", "media_type": "image/png", "data": "QUJD"}))),
            4 + 4 + 7 + 16 + 4 + 9 + 9 + 3 + 50,
        ),
    ];
    for (more, input) in &cases {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&request(&token, more).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        let want: i64 = input * PRICES[0] + 100 * PRICES[2];
        assert_eq!(held, (want + QUOTA - 1) / QUOTA, "{more}");
    }
    gate.open();
}

/// A schema, and files, as OpenAI takes them.
#[test]
fn forms_and_files() {
    let mock = Mock::start(move |_| Reply::json(200, &little()));
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let source = |media_type: &str| json!({"type": "base64", "media_type": media_type, "data": "QUJD"});
    let content = json!([text("see"), {"type": "image", "source": source("image/png")}, {"type": "document", "source": source("application/pdf")}]);
    let more = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}, "messages": [{"role": "user", "content": content}]});
    ask(&gateway, &token, &more).expect(200);
    let got = mock.received()[0].json();
    assert_eq!(
        got["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}})
    );
    let pieces = &got["messages"][0]["content"];
    assert_eq!(pieces[1], json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}));
    assert_eq!(pieces[2]["file"]["file_data"], "data:application/pdf;base64,QUJD");
}

/// What cannot be said is refused by name, before anything is held or sent.
#[test]
fn fields_that_are_refused() {
    let mock = Mock::start(|_| Reply::json(500, &json!({})));
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (more, param) in [
        (json!({"top_k": 5}), "top_k"),
        (json!({"container": "c"}), "container"),
        (json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "tools[0]"),
        (
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "I"}]}),
            "messages[1]",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 50}, "output_config": {"effort": "low"}}),
            "output_config.effort",
        ),
    ] {
        let answer = ask(&gateway, &token, &more).expect(400);
        let error = &answer.json()["error"];
        assert_eq!(
            (&answer.json()["type"], &error["type"]),
            (&json!("error"), &json!("invalid_request_error"))
        );
        assert_eq!(error["details"]["error_code"], "invalid_parameter");
        assert!(error["message"].as_str().unwrap().starts_with(param), "{error}");
    }
    assert_eq!((mock.count(), gateway.settled(&token)), (0, 0));
}

/// Nobody counts the tokens of another provider's models in Anthropic's dialect.
#[test]
fn counting_is_not_translated() {
    let mock = Mock::start(|_| Reply::json(500, &json!({})));
    let gateway = start(&mock);
    let token = rich(&gateway);
    let request =
        Request::post("/v1/messages/count_tokens", &chat("o-1", &json!({}))).header("x-api-key", &token.key);
    let answer = gateway.send(&request).expect(404);
    assert_eq!(answer.json()["error"]["details"]["error_code"], "model_not_found");
    assert_eq!(mock.count(), 0);
}

/// A provider's own 4xx is told in the client's dialect; its trouble is 502; neither costs anything.
#[test]
fn providers_that_fail() {
    let error =
        |kind: &str| json!({"error": {"type": kind, "message": "mock says no", "param": null, "code": null}});
    let mock = Mock::start(move |request: &Received| match request.json()["model"].as_str().unwrap() {
        "o-400" => Reply::json(400, &error("invalid_request_error")),
        "o-404" => Reply::json(404, &error("invalid_request_error")),
        "o-429" => Reply::json(429, &error("rate_limit_error")),
        "o-401" => Reply::json(401, &error("authentication_error")),
        "o-500" => Reply::json(500, &error("server_error")),
        "o-200" => Reply::json(200, &error("server_error")),
        "o-html" => Reply::body(200, "text/html", "<html>"),
        other => panic!("{other}"),
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (model, status, kind) in [
        ("o-400", 400, "invalid_request_error"),
        ("o-404", 404, "not_found_error"),
        ("o-429", 429, "rate_limit_error"),
        ("o-401", 502, "api_error"),
        ("o-500", 502, "api_error"),
        ("o-200", 502, "api_error"),
        ("o-html", 502, "api_error"),
    ] {
        let answer = ask(&gateway, &token, &json!({"model": model}));
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["type"], &told["error"]["type"]),
            (status, &json!("error"), &json!(kind)),
            "{model}"
        );
        assert_eq!(told["error"]["message"] == "mock says no", status != 502, "{told}");
        assert!(told["request_id"].is_string());
    }
    assert_eq!(gateway.settled(&token), 0);
}

/// A stream that breaks ends with an error in the client's dialect, and without a terminator.
#[test]
fn streams_that_break() {
    let mock = Mock::start(|request: &Received| {
        let began = Reply::sse().chunk(chunk(&json!({"role": "assistant", "content": "twelve bytes"}), None));
        match request.json()["model"].as_str().unwrap() {
            "o-cut" => began.end(),
            "o-error" => {
                began.chunk("data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\"}}\n\n").end()
            }
            _ => began.chunk("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n").end(),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for model in ["o-cut", "o-error", "o-torn"] {
        let answer = ask(&gateway, &token, &json!({"model": model, "stream": true})).expect(200);
        let text = answer.text();
        assert!(text.contains("twelve bytes") && !text.contains("message_stop"), "{model}: {text}");
        let last = answer.named_events().pop().unwrap();
        assert_eq!(
            (&last["type"], &last["error"]["type"]),
            (&json!("error"), &json!("api_error")),
            "{model}"
        );
        assert!(gateway.charged(&answer) > 0, "{model}");
    }
}

/// Gemini's proof of thought comes back with the call that it belongs to.
#[test]
fn a_model_of_gemini() {
    let mock = Mock::start(move |request: &Received| {
        let usage = json!({"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 5, "thoughtsTokenCount": 4});
        let call = json!({"functionCall": {"id": "f1", "name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "PROOF"});
        let parts = if request.json()["contents"].as_array().unwrap().len() == 1 {
            json!([{"text": "hm", "thought": true}, call])
        } else {
            json!([{"text": "It rains."}])
        };
        let candidate =
            json!({"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0});
        let answer = json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x", "responseId": "r1"});
        if request.target.contains("stream") {
            Reply::sse().chunk(format!("data: {answer}\r\n\r\n")).end()
        } else {
            Reply::json(200, &answer)
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let tools = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
    let proof = json!({"type": "redacted_thinking", "data": "gemini.PROOF"});
    let used = json!({"type": "tool_use", "id": "f1", "name": "weather", "input": {"city": "Paris"}});
    let mut messages = vec![json!({"role": "user", "content": PROMPT})];
    let more = json!({"model": "g-1", "tools": tools, "messages": messages});
    let answer = ask(&gateway, &token, &more).expect(200);
    let first = answer.json();
    assert_eq!((&first["content"], &first["stop_reason"]), (&json!([proof, used]), &json!("tool_use")));
    assert_eq!(
        first["usage"],
        json!({"input_tokens": 60, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 40, "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4}})
    );
    assert_eq!(gateway.charged(&answer), cost([60, 40, 9], PRICES));
    messages.push(json!({"role": "assistant", "content": first["content"]}));
    messages.push(
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "f1", "content": "rain"}]}),
    );
    let second =
        ask(&gateway, &token, &json!({"model": "g-1", "tools": tools, "messages": messages})).expect(200);
    assert_eq!(second.json()["content"], json!([text("It rains.")]));
    let got = mock.received()[1].json();
    assert_eq!(got["contents"][1]["parts"][0]["thoughtSignature"], "PROOF");
    assert_eq!(got["contents"][2]["parts"][0]["functionResponse"]["name"], "weather");

    // Streamed, and told what is thought.
    let more = json!({"model": "g-1", "tools": tools, "stream": true, "thinking": {"type": "adaptive"}});
    let answer = ask(&gateway, &token, &more).expect(200);
    let begun: Vec<Value> =
        answer.named_events().into_iter().filter(|event| event["type"] == "content_block_start").collect();
    let kinds: Vec<&str> =
        begun.iter().map(|event| event["content_block"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "tool_use"]);
    assert_eq!(answer.named_events().last().unwrap()["type"], "message_stop");
    assert_eq!(gateway.charged(&answer), cost([60, 40, 9], PRICES));
}

#[test]
fn claude_code_on_a_model_of_gemini() {
    let mock = Mock::start(|_| {
        let candidate = json!({"content": {"parts": [{"text": "Hello"}], "role": "model"}, "finishReason": "STOP", "index": 0});
        let usage = json!({"promptTokenCount": 9, "candidatesTokenCount": 3});
        Reply::sse()
            .chunk(format!("data: {}\r\n\r\n", json!({"candidates": [candidate], "usageMetadata": usage})))
            .end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let answer = ask(&gateway, &token, &claude_code("g-1")).expect(200);
    assert_eq!(gateway.charged(&answer), cost([9, 0, 3], PRICES));
    let got = mock.received()[0].json();
    assert_eq!(got["systemInstruction"]["parts"].as_array().unwrap().len(), 3);
    assert_eq!(got["contents"].as_array().unwrap().len(), 3);
    assert_eq!(got["contents"][2]["parts"][0]["functionResponse"]["response"], json!({"output": "WebFetch"}));
}
