//! Anthropic's messages and OpenAI's responses, answered by a server that has OpenAI's chat alone: what it received, what the client
//! got, what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, Piece, QUOTA, Received, Reply, Request, Response, SOON,
    Settings, Token, delta, eventually, nanos,
};

/// Nanodollars of a unit of input, of one read from the cache, of output, of reasoning.
const PRICES: [i64; 4] = [2_000, 200, 10_000, 12_000];

const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// A channel of OpenAI's dialect for models `m-*`, whose server has no responses and takes caps by the newer name.
fn settings(mock: &Mock) -> Settings {
    let more = "models = [\"m-*\"]\nmodel_map = { m-alias = \"real\" }\noutput_cap_field = \"max_completion_tokens\"\nresponses = \"chat\"";
    let price = "[[prices]]\nmodel = \"m-*\"\ninput = 2\ncached_input = 0.2\noutput = 10\nreasoning = 12\nmax_input_tokens = 5000\n\
         max_output_tokens = 1000\nimage_tokens = 50\n";
    Settings::demo().channel("chats", mock, more).append(price)
}

fn start(mock: &Mock) -> Gateway {
    Gateway::start(settings(mock))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

/// A body for `route`, with the members of `more`.
fn body(route: &str, more: &Value) -> Value {
    let mut body = match route {
        MESSAGES => {
            json!({"model": "m-1", "max_tokens": 100, "messages": [{"role": "user", "content": PROMPT}]})
        }
        _ => json!({"model": "m-1", "input": PROMPT}),
    };
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn ask(gateway: &Gateway, token: &Token, route: &str, more: &Value) -> Response {
    gateway.post(&token.key, route, &body(route, more))
}

fn usage() -> Value {
    json!({"prompt_tokens": 1325, "completion_tokens": 7, "total_tokens": 1332, "prompt_tokens_details": {"cached_tokens": 1000},
        "completion_tokens_details": {"reasoning_tokens": 3}})
}

/// What the usage above costs, by hand.
const COST: i64 = 325 * PRICES[0] + 1000 * PRICES[1] + 4 * PRICES[2] + 3 * PRICES[3];

fn whole(message: &Value, finish_reason: &str) -> Reply {
    let choice = json!({"index": 0, "message": message, "finish_reason": finish_reason});
    Reply::json(
        200,
        &json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "real", "choices": [choice], "usage": usage()}),
    )
}

fn words() -> Value {
    json!({"role": "assistant", "content": COMPLETION})
}

fn finish(reason: &str) -> String {
    let choice = json!({"index": 0, "delta": {}, "finish_reason": reason});
    json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "model": "mock", "choices": [choice]})
        .to_string()
}

fn totals() -> String {
    json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "model": "mock", "choices": [], "usage": usage()})
        .to_string()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_plain_message() {
    let mock = Mock::start(|_| whole(&words(), "stop"));
    let gateway = start(&mock);
    let token = gateway.create(json!({"unlimited_quota": true, "rpm": 60}));
    let more = json!({"model": "m-alias", "system": "be brief", "temperature": 0.5, "stop_sequences": ["x"]});
    let request = Request::post(MESSAGES, &body(MESSAGES, &more)).header("x-api-key", &token.key);
    let request = request
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "x")
        .header("openai-beta", "x");
    let answer = gateway.send(&request).expect(200);
    let told = answer.json();
    assert_eq!(
        (&told["type"], &told["role"], &told["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(told["content"], json!([{"type": "text", "text": COMPLETION}]));
    let counts =
        ["input_tokens", "cache_read_input_tokens", "output_tokens"].map(|name| told["usage"][name].as_i64());
    assert_eq!(counts, [Some(325), Some(1000), Some(7)]);
    assert_eq!(gateway.charged(&answer), COST);
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), Some("60"));

    let got = &mock.received()[0];
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/v1/chat/completions"));
    let messages = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": PROMPT}]);
    let want = json!({"model": "real", "messages": messages, "max_completion_tokens": 100, "temperature": 0.5, "stop": ["x"]});
    assert_eq!(got.json(), want);
    assert_eq!(got.header("authorization"), Some(format!("Bearer {}", mock.key()).as_str()));
    let foreign = ["anthropic-version", "anthropic-beta", "openai-beta", "x-api-key"];
    assert_eq!(foreign.map(|name| got.header(name)), [None; 4]);
}

#[test]
fn a_plain_response() {
    let mock = Mock::start(|_| whole(&words(), "stop"));
    let gateway = start(&mock);
    let token = gateway.create(json!({"unlimited_quota": true}));
    let answer =
        ask(&gateway, &token, RESPONSES, &json!({"instructions": "be brief", "store": false})).expect(200);
    let told = answer.json();
    assert_eq!((&told["object"], &told["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(told["output"][0]["content"][0]["text"], COMPLETION);
    assert_eq!((&told["instructions"], &told["store"]), (&json!("be brief"), &json!(false)));
    let counts = ["input_tokens", "output_tokens", "total_tokens"].map(|name| told["usage"][name].as_i64());
    assert_eq!(counts, [Some(1325), Some(7), Some(1332)]);
    assert_eq!(gateway.charged(&answer), COST);
    // Nothing binds and nothing was asked for: no cap is sent.
    let messages = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": PROMPT}]);
    assert_eq!(mock.received()[0].json(), json!({"model": "m-1", "messages": messages}));
    gateway
        .post(&token.key, "/v1/responses/input_tokens", &body(RESPONSES, &json!({})))
        .refuses(404, "model_not_found");
    assert_eq!(mock.count(), 1);
}

/// Events are told as they come; what ends them waits for the books (R3). The provider is asked for its usage.
#[test]
fn streams() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let reply = Reply::sse().chunk(": alive\n\n").event(&delta("one ")).wait(&shut).event(&delta("two"));
        reply.event(&finish("length")).event(&totals()).event("[DONE]").end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for route in [MESSAGES, RESPONSES] {
        let mut exchange =
            gateway.open(&Request::post(route, &body(route, &json!({"stream": true}))).bearer(&token.key));
        assert_eq!(exchange.event(), Piece::Data(b": alive".to_vec()));
        let first = exchange.data();
        assert!(first.contains("message_start") || first.contains("response.created"), "{first}");
        // The gate stays open: the second stream may be over already.
        assert!(route != MESSAGES || gateway.held(&token) > 0);
        gate.open();
        let answer = exchange.finish().expect(200);
        assert!(answer.clean);
        let told = answer.named_events();
        let (last, before) = (told.last().unwrap(), &told[told.len() - 2]);
        if route == MESSAGES {
            let said: String = told.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
            assert_eq!((said.as_str(), &before["delta"]["stop_reason"]), ("one two", &json!("max_tokens")));
            assert_eq!(
                (&before["usage"]["output_tokens"], &last["type"]),
                (&json!(7), &json!("message_stop"))
            );
        } else {
            assert_eq!(last["type"], "response.incomplete");
            assert_eq!(last["response"]["output"][0]["content"][0]["text"], "one two");
            assert_eq!(last["response"]["usage"]["output_tokens"], 7);
        }
        assert_eq!(gateway.charged(&answer), COST);
        let got = mock.received().pop().unwrap().json();
        assert_eq!((&got["stream"], &got["stream_options"]), (&json!(true), &json!({"include_usage": true})));
    }
}

/// A tool is called, run, and its result told: what goes over the wire in both directions.
#[test]
fn tools_there_and_back() {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}});
    let mock =
        Mock::start(move |request: &Received| match request.json()["messages"].as_array().unwrap().len() {
            1 => whole(
                &json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]}),
                "tool_calls",
            ),
            _ => whole(&words(), "stop"),
        });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "description": "d", "input_schema": schema}]);
    let mut messages = vec![json!({"role": "user", "content": PROMPT})];
    let more = json!({"tools": tools, "tool_choice": {"type": "any", "disable_parallel_tool_use": true}});
    let first = ask(&gateway, &token, MESSAGES, &more).expect(200).json();
    assert_eq!(first["stop_reason"], "tool_use");
    let used = json!({"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}});
    assert_eq!(first["content"], json!([{"type": "text", "text": "Let me see."}, used]));
    messages.push(json!({"role": "assistant", "content": first["content"]}));
    let result = json!({"type": "tool_result", "tool_use_id": "call_1", "content": "rain"});
    messages.push(json!({"role": "user", "content": [result, {"type": "text", "text": "so?"}]}));
    let second =
        ask(&gateway, &token, MESSAGES, &json!({"tools": tools, "messages": messages})).expect(200).json();
    assert_eq!(second["content"][0]["text"], COMPLETION);

    let got = mock.received();
    let told = json!([{"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema}}]);
    let first = got[0].json();
    assert_eq!((&first["tools"], &first["tool_choice"]), (&told, &json!("required")));
    assert_eq!(first["parallel_tool_calls"], false);
    let second = got[1].json();
    assert_eq!(second["messages"][1]["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Paris\"}");
    assert_eq!(second["messages"][2], json!({"role": "tool", "tool_call_id": "call_1", "content": "rain"}));
    assert_eq!(second["messages"][3], json!({"role": "user", "content": "so?"}));
}

/// Tools of a response are flat; their calls stream.
#[test]
fn calls_that_stream() {
    let mock = Mock::start(|_| {
        let call = |call: Value| {
            let choice = json!({"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null});
            json!({"id": "chatcmpl-mock", "model": "mock", "choices": [choice]}).to_string()
        };
        let begun = call(
            json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        );
        let argued = |json: &str| call(json!({"index": 0, "function": {"arguments": json}}));
        let reply = Reply::sse().event(&begun).event(&argued("{\"a\"")).event(&argued(":1}"));
        reply.event(&finish("tool_calls")).event(&totals()).event("[DONE]").end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false}]);
    let answer = ask(&gateway, &token, RESPONSES, &json!({"stream": true, "tools": tools})).expect(200);
    let told = answer.named_events();
    let pieces: Vec<&str> = told
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(pieces, ["{\"a\"", ":1}"]);
    let item = &told.last().unwrap()["response"]["output"][0];
    assert_eq!((&item["type"], &item["call_id"]), (&json!("function_call"), &json!("call_1")));
    assert_eq!((&item["name"], &item["arguments"]), (&json!("f"), &json!("{\"a\":1}")));
    assert_eq!(gateway.charged(&answer), COST);
}

/// The hold is exact, and that of what is sent: each byte of text and the constants at the input price, the cap at that of
/// reasoning, which is the dearest kind of output.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| whole(&words(), "stop").behind(&shut));
    let gateway = start(&mock);
    // role, user, content, hello: 20 bytes; 16 for the message.
    let hello = 4 + 4 + 7 + 5 + 16;
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let image = |source: Value| said(json!([{"type": "image", "source": source}]));
    // role, user, content, type, image_url, image_url, url: what stands around the image, which is 50.
    let around = 4 + 4 + 7 + 4 + 9 + 9 + 3;
    for (route, more, input, cap) in [
        (MESSAGES, said(json!("hello")), hello, 100),
        (RESPONSES, json!({"input": "hello", "max_output_tokens": 9}), hello, 9),
        // What is more than the model can say is not held.
        (RESPONSES, json!({"input": "hello"}), hello, 1000),
        (MESSAGES, image(json!({"type": "url", "url": "https://x/y.png"})), 5_000, 100),
        (
            MESSAGES,
            image(json!({"type": "base64", "media_type": "image/png", "data": "QUJD"})),
            around + 16 + 50,
            100,
        ),
    ] {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&Request::post(route, &body(route, &more)).bearer(&token.key).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        assert_eq!(held * QUOTA, input * PRICES[0] + cap * PRICES[3], "{more}");
    }
    gate.open();
}

/// A cap is sent in the channel's own field: as it was asked for, lowered to what the budget pays for or the model can say.
#[test]
fn caps() {
    let mock = Mock::start(|_| whole(&words(), "stop"));
    let gateway = start(&mock);
    let cap = || mock.received().pop().unwrap().json()["max_completion_tokens"].as_i64();
    let poor = gateway.create(json!({"remain_quota": (200 * PRICES[0] + 50 * PRICES[3]) / QUOTA}));
    let answer = ask(&gateway, &poor, MESSAGES, &json!({"max_tokens": 900})).expect(200);
    assert!((50..900).contains(&cap().unwrap()), "{:?}", cap());
    assert_eq!(answer.header("x-tollgate-output-cap"), Some(cap().unwrap().to_string().as_str()));
    assert_eq!(mock.received()[0].json().get("max_tokens"), None);
    let unlimited = gateway.create(json!({"unlimited_quota": true}));
    for (route, field) in [(MESSAGES, "max_tokens"), (RESPONSES, "max_output_tokens")] {
        for (asked, sent) in [(70, 70), (32_000, 1000)] {
            ask(&gateway, &unlimited, route, &json!({ (field): asked })).expect(200);
            assert_eq!(cap(), Some(sent), "{route}");
        }
    }
}

/// What cannot be said is refused by the client's own name for it, before anything is held or sent.
#[test]
fn fields_that_are_refused() {
    let mock = Mock::start(|_| Reply::json(500, &json!({})));
    let gateway = start(&mock);
    let token = rich(&gateway);
    let pdf = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}});
    let result = json!({"type": "tool_result", "tool_use_id": "a", "content": [pdf]});
    let call = json!({"type": "tool_use", "id": "a", "name": "f", "input": {}});
    let messages = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]);
    for (route, more, param) in [
        (MESSAGES, json!({"top_k": 5}), "top_k"),
        (MESSAGES, json!({ "messages": messages }), "messages[2].content[0].content[0]"),
        (MESSAGES, json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "tools[0]"),
        (RESPONSES, json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (RESPONSES, json!({"tools": [{"type": "web_search"}]}), "tools[0]"),
    ] {
        let answer = ask(&gateway, &token, route, &more).expect(400);
        let told = answer.json();
        assert!(told["error"]["message"].as_str().unwrap().starts_with(param), "{told}");
        assert_eq!(told["error"]["param"].is_string(), route == RESPONSES, "{told}");
    }
    assert_eq!((mock.count(), gateway.settled(&token)), (0, 0));
}

/// A provider's own 4xx is told in the client's dialect; its trouble is 502; neither costs anything.
#[test]
fn providers_that_fail() {
    let mock = Mock::start(|request: &Received| match request.json()["model"].as_str().unwrap() {
        "m-400" => Reply::error(400, "bad"),
        "m-404" => Reply::error(404, "no_model"),
        "m-429" => Reply::error(429, "rate"),
        "m-broke" => Reply::error(429, "insufficient_quota"),
        "m-401" => Reply::error(401, "key"),
        "m-500" => Reply::error(500, "oops"),
        "m-200" => Reply::error(200, "oops"),
        "m-html" => Reply::body(200, "text/html", "<html>"),
        "m-first" => Reply::sse().event("{\"error\":{\"message\":\"mock says no\"}}").end(),
        other => panic!("{other}"),
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let upstream = |model| (model, 502, "api_error", "upstream_error");
    for (model, status, kind, code) in [
        ("m-400", 400, "invalid_request_error", "bad"),
        ("m-404", 404, "not_found_error", "no_model"),
        ("m-429", 429, "rate_limit_error", "rate"),
        upstream("m-broke"),
        upstream("m-401"),
        upstream("m-500"),
        upstream("m-200"),
        upstream("m-html"),
        upstream("m-first"),
    ] {
        let answer = ask(&gateway, &token, MESSAGES, &json!({"model": model, "stream": model == "m-first"}));
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["type"], &told["error"]["type"]),
            (status, &json!("error"), &json!(kind)),
            "{model}"
        );
        assert_eq!(told["error"]["message"] == "mock says no", status != 502, "{told}");
        assert_eq!(told["error"]["details"]["error_code"], code, "{told}");
    }
    assert_eq!(gateway.settled(&token), 0);
}

/// A stream that breaks ends with an error in the client's dialect, and without what ends a good one.
#[test]
fn streams_that_break() {
    let mock = Mock::start(|request: &Received| {
        let began = || Reply::sse().event(&delta("twelve bytes"));
        match request.json()["model"].as_str().unwrap() {
            "m-error" => began().event("{\"error\":{\"message\":\"busy\"}}").end(),
            "m-cut" => began().event(&finish("stop")).event(&totals()).end(),
            _ => began().event("{").end(),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for route in [MESSAGES, RESPONSES] {
        for model in ["m-error", "m-cut", "m-torn"] {
            let answer = ask(&gateway, &token, route, &json!({"model": model, "stream": true})).expect(200);
            let told = answer.named_events();
            assert!(answer.text().contains("twelve bytes"));
            let seen = kinds(&told);
            assert_eq!(seen.last(), Some(&"error"), "{route} {model}");
            let ends = ["message_stop", "response.completed", "response.incomplete", "response.failed"];
            assert!(!seen.iter().any(|kind| ends.contains(kind)), "{seen:?}");
            assert!(gateway.charged(&answer) >= 3 * PRICES[2], "{model}");
        }
    }
}

#[test]
fn a_client_that_leaves() {
    let mock = Mock::start(|_| Reply::sse().event(&delta("twelve bytes")).hang());
    let gateway = start(&mock);
    let token = rich(&gateway);
    let request = Request::post(MESSAGES, &body(MESSAGES, &json!({"stream": true}))).bearer(&token.key);
    let mut exchange = gateway.open(&request);
    exchange.event();
    exchange.event();
    drop(exchange);
    eventually("the provider is let go", SOON, || (mock.hang_ups() == 1).then_some(()));
    let row = gateway.last_entry(&token);
    assert_eq!(row["outcome"], "client_gone");
    assert!(nanos(&row["charged_usd"]) >= 3 * PRICES[2], "{row}");
}

/// Whoever takes responses as they are comes first, wherever it stands in the file; its own input is free to count.
#[test]
fn no_translation_without_need() {
    let mock = Mock::start(|_| whole(&words(), "stop"));
    let native = Mock::start(|request: &Received| match request.target.as_str() {
        "/v1/responses" => Reply::json(
            200,
            &json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m-2", "output": [],
                "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}),
        ),
        _ => Reply::json(200, &json!({"object": "response.input_tokens", "input_tokens": 3})),
    });
    let gateway = Gateway::start(settings(&mock).channel(
        "native",
        &native,
        "models = [\"m-2\"]\nresponses = \"native\"",
    ));
    let token = rich(&gateway);
    ask(&gateway, &token, RESPONSES, &json!({"model": "m-2", "top_logprobs": 5})).expect(200);
    gateway
        .post(&token.key, "/v1/responses/input_tokens", &body(RESPONSES, &json!({"model": "m-2"})))
        .expect(200);
    gateway
        .chat(&token.key, &json!({"model": "m-2", "messages": [{"role": "user", "content": "x"}]}))
        .expect(200);
    assert_eq!((native.count(), mock.count()), (2, 1));
}
