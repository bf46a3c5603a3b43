//! Anthropic's dialect, to a channel of that provider: what the provider received, what the client got, what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON, cost,
};
use crate::harness::{Settings, Token, chat, eventually, nanos};

const ROUTE: &str = "/v1/messages";

/// Nanodollars of a token of input, of one read from the cache, written to it for 5 minutes and for an hour, and of output.
const PRICES: [i64; 5] = [2_000, 200, 2_500, 4_000, 10_000];

/// A call of the provider's search.
const CALL: i64 = 10_000_000;

/// One channel that speaks Anthropic's dialect with `mock`, for models `c-*`; another that speaks OpenAI's, for `m-*`.
fn settings(mock: &Mock) -> Settings {
    let channel = format!(
        "[[channels]]\nname = \"claude\"\nprovider = \"anthropic\"\nbase_url = \"http://{}\"\napi_keys = [\"env:CLAUDE_KEY\"]\n\
         models = [\"c-*\", \"dull\"]\nmodel_map = {{ c-alias = \"c-real\" }}\n",
        mock.address()
    );
    let price = "[[prices]]\nmodel = \"c-*\"\nprovider = \"anthropic\"\ninput = 2\ncached_input = 0.2\ncache_write = 2.5\n\
         cache_write_1h = 4\noutput = 10\nper_tool_call = 0.01\nmax_input_tokens = 5000\nmax_output_tokens = 16384\nimage_tokens = 50\n";
    let settings = Settings::demo().env("CLAUDE_KEY", mock.key()).append(&channel).append(price);
    settings.channel("other", mock, "models = [\"m-*\"]").price("m-*", "2", "2")
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

/// A request with a prompt that no log may show, with the fields of `more` on top.
fn body(more: &Value) -> Value {
    let mut body = chat("c-1", &json!({"max_tokens": 100}));
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn ask(gateway: &Gateway, token: &Token, more: &Value) -> Response {
    let request = Request::post(ROUTE, &body(more)).header("x-api-key", &token.key);
    gateway.send(&request.header("anthropic-version", "2023-06-01"))
}

fn whole(usage: &Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c-1", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": COMPLETION}], "usage": usage})
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn start(usage: &Value) -> String {
    event(
        &json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": [], "usage": usage}}),
    )
}

fn text(words: &str) -> String {
    let delta = json!({"type": "text_delta", "text": words});
    event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
}

fn end(usage: &Value) -> String {
    event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}))
}

fn stop() -> String {
    event(&json!({"type": "message_stop"}))
}

fn stream(events: &[String]) -> Reply {
    events.iter().fold(Reply::sse(), |reply, event| reply.chunk(event)).end()
}

#[test]
fn a_plain_answer() {
    let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}, "output_tokens": 7,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 9}, "service_tier": "standard"});
    let sent = whole(&usage);
    let replied = sent.clone();
    let mock = Mock::start(move |_| Reply::json(200, &replied));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"unlimited_quota": true, "rpm": 60, "tpm": 100_000}));
    let request = Request::post("/v1/messages?beta=true&key=x&junk=1", &body(&json!({"odd": [1.50]})))
        .header("x-api-key", &token.key)
        .header("Authorization", &format!("Bearer {}", token.key))
        .header("anthropic-beta", "context-1m-2025-08-07");
    let answer = gateway.send(&request).expect(200);
    assert_eq!(answer.json(), sent);
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    // 25·2000 + 1000·200 + 100·2500 + 200·4000 + 7·10000 + 2 calls
    assert_eq!(gateway.charged(&answer), 50_000 + 200_000 + 250_000 + 800_000 + 70_000 + 2 * CALL);
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.02137"));
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), Some("60"));
    assert!(answer.header("anthropic-ratelimit-tokens-reset").unwrap().ends_with('Z'));
    assert_eq!(answer.header("x-ratelimit-limit-requests"), None);

    let got = &mock.received()[0];
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/v1/messages?beta=true"));
    // No budget binds: byte for byte.
    assert_eq!(got.body, body(&json!({"odd": [1.50]})).to_string().into_bytes());
    assert_eq!(got.header("x-api-key"), Some(mock.key()));
    assert_eq!(got.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(got.header("anthropic-beta"), Some("context-1m-2025-08-07"));
    assert_eq!((got.header("authorization"), got.header("junk")), (None, None));
    assert_eq!(got.header("x-client-request-id"), answer.header("x-request-id"));
}

/// Every event passes as it is and when it comes; `message_stop` waits for the books (R3).
#[test]
fn a_stream() {
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 20, "output_tokens": 1});
    let events = [
        start(&usage),
        event(
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event(&json!({"type": "ping"})),
        text("one "),
        text("two"),
        event(&json!({"type": "content_block_stop", "index": 0})),
        end(&json!({"output_tokens": 12})),
        stop(),
    ];
    let gate = Gate::new();
    let (sent, shut) = (events.clone(), gate.clone());
    let mock = Mock::start(move |_| {
        let reply = sent[..6].iter().fold(Reply::sse(), |reply, event| reply.chunk(event)).wait(&shut);
        sent[6..].iter().fold(reply, |reply, event| reply.chunk(event)).end()
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let request = Request::post(ROUTE, &body(&json!({"stream": true}))).bearer(&token.key);
    let exchange = gateway.open(&request);
    mock.wait_for(1);
    assert!(gateway.held(&token) > 0);
    gate.open();
    let answer = exchange.finish().expect(200);
    assert!(answer.clean);
    assert_eq!(answer.text(), events.concat());
    assert_eq!(gateway.charged(&answer), cost([10, 50, 20, 0, 12], PRICES));
    assert_eq!(answer.header("x-tollgate-cost-usd"), None);
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    // The budget can pay what was asked for, so the body is the client's own.
    assert_eq!(mock.received()[0].body, body(&json!({"stream": true})).to_string().into_bytes());
}

/// The hold is exact: each byte of text and the constants at the dearest kind of input, the cap at the output price.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::json(200, &whole(&json!({"input_tokens": 1, "output_tokens": 1}))).behind(&shut)
    });
    let gateway = Gateway::start(settings(&mock));
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}});
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3});
    let mut searching = said(json!("hello"));
    searching["tools"] = json!([search]);
    let cases = [
        // role, user, content, hello: 20 bytes; 16 for the message.
        (said(json!("hello")), 36 * PRICES[3]),
        // The image is 50; the rest is what stands around it.
        (said(json!([image])), (4 + 4 + 7 + 16 + 48 + 50) * PRICES[3]),
        // What a search finds: the model's whole input, and each call.
        (searching, 5_000 * PRICES[3] + 3 * CALL),
        (
            said(json!([{"type": "document", "source": {"type": "url", "url": "https://x"}}])),
            5_000 * PRICES[3],
        ),
    ];
    for (more, input) in &cases {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&Request::post(ROUTE, &body(more)).bearer(&token.key).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        assert_eq!(held * QUOTA, input + 100 * PRICES[4], "{more}");
    }
    gate.open();
}

/// A budget lowers `max_tokens` to what it can pay, at the place where it stood, and below the thinking it refuses.
#[test]
fn a_lowered_cap() {
    let mock = Mock::start(|_| Reply::json(200, &whole(&json!({"input_tokens": 9, "output_tokens": 40}))));
    let gateway = Gateway::start(settings(&mock));
    // Near a limit the input is counted properly: 2 tokens, and half as many again, of "user" and "hello"; 16 for the message.
    let quota = (19 * PRICES[3] + 50 * PRICES[4]) / QUOTA;
    let hello = json!({"messages": [{"role": "user", "content": "hello"}]});
    let token = gateway.create(json!({"remain_quota": quota}));
    let answer = ask(&gateway, &token, &hello).expect(200);
    assert_eq!(answer.header("x-tollgate-output-cap"), Some("50"));
    let mut want = body(&hello);
    want["max_tokens"] = json!(50);
    assert_eq!(mock.received()[0].json(), want);
    let mut without = body(&hello);
    without.as_object_mut().unwrap().remove("max_tokens");
    let token = gateway.create(json!({"remain_quota": quota}));
    gateway.post(&token.key, ROUTE, &without).expect(200);
    assert_eq!(mock.received()[1].json()["max_tokens"], 50);

    let token = gateway.create(json!({"remain_quota": quota}));
    let mut thinking = hello;
    thinking["thinking"] = json!({"type": "enabled", "budget_tokens": 60});
    let refused = ask(&gateway, &token, &thinking).expect(402);
    assert_eq!(refused.json()["error"]["type"], "billing_error");
    assert_eq!(refused.json()["error"]["details"]["error_code"], "insufficient_quota");
    assert_eq!((refused.header("x-should-retry"), mock.count()), (Some("false"), 2));
}

fn shape(answer: &Response) -> (u16, String, String) {
    let error = answer.json();
    assert_eq!(error["type"], "error", "{error}");
    assert_eq!(error["request_id"].as_str(), answer.header("request-id"), "{error}");
    assert!(!error["error"]["message"].as_str().unwrap().is_empty());
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (answer.status, word(&error["error"]["type"]), word(&error["error"]["details"]["error_code"]))
}

#[test]
fn refusals_in_the_dialect() {
    let mock = Mock::start(|_| Reply::json(200, &whole(&json!({"input_tokens": 9, "output_tokens": 4}))));
    let gateway = Gateway::start(settings(&mock).set("server", "max_body_bytes", "2000"));
    let token = gateway.create(
        json!({"remain_credits": 100, "model_limits_enabled": true, "model_limits": "c-*,m-*,dull,gone"}),
    );
    let raw = |method: &str, kind: &str, body: &str| {
        let request = Request::new(method, ROUTE).bearer(&token.key).header("Content-Type", kind);
        gateway.send(&request.body(body.as_bytes()))
    };
    let model = |model: &str| ask(&gateway, &token, &json!({"model": model}));
    let spent = gateway.create(json!({}));
    let daily = gateway.create(json!({"unlimited_quota": true, "daily_quota": 10}));
    let manager = gateway.create(json!({"scopes": ["manage"]}));
    let distant = gateway.create(json!({"allow_ips": "10.0.0.1"}));
    let slow = gateway.create(json!({"remain_credits": 100, "rpm": 1}));
    ask(&gateway, &slow, &json!({})).expect(200);
    let plain = json!({});
    for (answer, status, kind, code) in [
        (gateway.post("", ROUTE, &body(&plain)), 401, "authentication_error", "missing_api_key"),
        (raw("GET", "application/json", ""), 405, "invalid_request_error", "method_not_allowed"),
        (raw("POST", "application/json", "{"), 400, "invalid_request_error", "invalid_json"),
        (
            raw("POST", "application/json", "{\"model\":1,\"model\":2}"),
            400,
            "invalid_request_error",
            "duplicate_field",
        ),
        (raw("POST", "application/json", "{}"), 400, "invalid_request_error", "invalid_parameter"),
        (raw("POST", "text/plain", "{}"), 415, "invalid_request_error", "unsupported_media_type"),
        (raw("POST", "application/json", &" ".repeat(3_000)), 413, "request_too_large", "request_too_large"),
        (ask(&gateway, &token, &json!({"max_tokens": 0})), 400, "invalid_request_error", "invalid_parameter"),
        (ask(&gateway, &manager, &plain), 403, "permission_error", "scope_missing"),
        (ask(&gateway, &distant, &plain), 403, "permission_error", "ip_not_allowed"),
        (model("forbidden"), 403, "permission_error", "model_not_allowed"),
        (model("gone"), 404, "not_found_error", "model_not_found"),
        (model("dull"), 402, "billing_error", "model_not_priced"),
        (ask(&gateway, &spent, &plain), 402, "billing_error", "insufficient_quota"),
        (ask(&gateway, &daily, &plain), 429, "rate_limit_error", "daily_limit_exceeded"),
        (ask(&gateway, &slow, &plain), 429, "rate_limit_error", "rate_limit_exceeded"),
    ] {
        assert_eq!(shape(&answer), (status, kind.to_owned(), code.to_owned()));
    }
    assert_eq!(mock.count(), 1);
    gateway.post(&token.key, "/v1/messages/batches", &json!({})).refuses(404, "not_found");
}

/// A provider's own 4xx passes; its trouble is 502 in the dialect; neither costs anything.
#[test]
fn providers_that_fail() {
    let no = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "mock says no"}});
    let (told, wrong) = (no.clone(), no.clone());
    let mock = Mock::start(move |request: &Received| match request.json()["model"].as_str().unwrap() {
        "c-400" => Reply::json(400, &told),
        "c-200" => Reply::json(200, &wrong),
        "c-529" => Reply::json(
            529,
            &json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
        ),
        "c-html" => Reply::body(200, "text/html", "<html></html>"),
        "c-first" => stream(&[event(
            &json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
        )]),
        other => panic!("{other}"),
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let model = |model: &str| ask(&gateway, &token, &json!({"model": model, "stream": model == "c-first"}));
    let refused = model("c-400").expect(400);
    assert_eq!((refused.json(), refused.header("request-id").is_some()), (no, true));
    for name in ["c-200", "c-529", "c-html", "c-first"] {
        let answer = model(name);
        assert_eq!(shape(&answer), (502, "api_error".to_owned(), "upstream_error".to_owned()), "{name}");
    }
    assert_eq!(gateway.settled(&token), 0);
}

/// An error inside a stream ends it with an error event, and what was seen is charged.
#[test]
fn streams_that_break() {
    let usage = json!({"input_tokens": 40, "output_tokens": 1});
    let began = [start(&usage), text("twelve bytes")];
    let error = event(&json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}));
    for tail in [vec![error], vec![]] {
        let sent = [&began[..], &tail[..]].concat();
        let mock = Mock::start(move |_| stream(&sent));
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let answer = ask(&gateway, &token, &json!({"stream": true})).expect(200);
        let text = answer.text();
        let (kept, last) = text.split_once("event: error\ndata: ").expect("an error event");
        assert_eq!(kept, began.concat());
        let last: Value = serde_json::from_str(last.trim_end()).unwrap();
        assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("api_error")), "{last}");
        assert!(!text.contains("message_stop"));
        // The input as the provider said, the output as it was counted here: 12 bytes.
        assert_eq!(gateway.charged(&answer), cost([40, 0, 0, 0, 3], PRICES));
    }
}

#[test]
fn a_client_that_leaves() {
    let usage = json!({"input_tokens": 40, "output_tokens": 1});
    let began = [start(&usage), text("twelve bytes")];
    let mock =
        Mock::start(move |_| began.iter().fold(Reply::sse(), |reply, event| reply.chunk(event)).hang());
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let mut exchange =
        gateway.open(&Request::post(ROUTE, &body(&json!({"stream": true}))).bearer(&token.key));
    exchange.event();
    drop(exchange);
    eventually("the provider is let go", SOON, || (mock.hang_ups() == 1).then_some(()));
    let row = gateway.last_entry(&token);
    assert_eq!(
        (&row["outcome"], nanos(&row["charged_usd"])),
        (&json!("client_gone"), cost([40, 0, 0, 0, 3], PRICES))
    );
}

/// Counting tokens is free, also for a token that is exhausted; lists and rates bind it.
#[test]
fn counting_tokens() {
    let mock = Mock::start(|request: &Received| match request.json()["model"].as_str().unwrap() {
        "c-400" => {
            Reply::json(400, &json!({"type": "error", "error": {"type": "x", "message": "mock says no"}}))
        }
        "c-500" => Reply::json(500, &json!({})),
        "c-bad" => Reply::json(200, &json!({"error": "x"})),
        _ => Reply::json(200, &json!({"input_tokens": 14})),
    });
    let gateway = Gateway::start(settings(&mock));
    let route = "/v1/messages/count_tokens";
    let count = |token: &Token, model: &str| {
        let request = json!({"model": model, "messages": [{"role": "user", "content": PROMPT}]});
        gateway.send(&Request::post(&format!("{route}?beta=true"), &request).header("x-api-key", &token.key))
    };
    let token = gateway.create(json!({"model_limits_enabled": true, "model_limits": "c-*,m-*,dull,demo"}));
    let answer = count(&token, "c-alias").expect(200);
    assert_eq!(answer.json(), json!({"input_tokens": 14}));
    assert!(answer.header("request-id").is_some());
    let got = &mock.received()[0];
    assert_eq!(got.target, format!("{route}?beta=true"));
    assert_eq!((got.json()["model"].as_str(), got.header("x-api-key")), (Some("c-real"), Some(mock.key())));
    // No price is needed.
    count(&token, "dull").expect(200);
    count(&token, "c-400").expect(400);
    for (model, status, kind) in [
        ("c-500", 502, "api_error"),
        ("c-bad", 502, "api_error"),
        ("m-1", 404, "not_found_error"),
        ("x", 403, "permission_error"),
    ] {
        let answer = count(&token, model);
        assert_eq!((answer.status, shape(&answer).1.as_str()), (status, kind), "{model}");
    }
    assert!(count(&token, "demo").expect(200).json()["input_tokens"].as_i64().unwrap() > 0);
    let slow = gateway.create(json!({"rpm": 1}));
    count(&slow, "c-1").expect(200);
    assert_eq!(shape(&count(&slow, "c-1")).2, "rate_limit_exceeded");
    assert_eq!(gateway.settled(&token), 0);
    let rows = gateway.all_entries(&token);
    assert!(rows.iter().all(|row| row["outcome"] == "credit"), "{rows:?}");
}

/// The built-in model answers in this dialect too, and is charged.
#[test]
fn the_demo_model() {
    let gateway = Gateway::start(Settings::demo());
    let token = rich(&gateway);
    let plain = ask(&gateway, &token, &json!({"model": "demo", "max_tokens": 500})).expect(200).json();
    let usage = &plain["usage"];
    let row = gateway.last_entry(&token);
    assert_eq!(row["output_tokens"], usage["output_tokens"], "{row}");
    let streamed =
        ask(&gateway, &token, &json!({"model": "demo", "max_tokens": 500, "stream": true})).expect(200);
    assert!(streamed.clean && streamed.text().ends_with(&stop()), "{}", streamed.text());
    let text = streamed.text();
    let data =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let words: String = data.filter_map(|data| data["delta"]["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(plain["content"][0]["text"], words);
    assert_eq!(nanos(&gateway.last_entry(&token)["charged_usd"]), nanos(&row["charged_usd"]));
}

/// A list of models has its caller's shape, and so have the refusals of that route.
#[test]
fn models_in_the_dialect() {
    let mock = Mock::answering(1, 1);
    let gateway =
        Gateway::start(settings(&mock).append("[[prices]]\nmodel = \"c-1\"\ninput = 1\noutput = 1"));
    let token = rich(&gateway);
    let get = |target: &str, key: &str| {
        gateway.send(&Request::get(target).bearer(key).header("anthropic-version", "2023-06-01"))
    };
    let list = get("/v1/models", &token.key).expect(200);
    let ids: Vec<_> =
        list.json()["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert!(ids.contains(&json!("c-1")) && ids.contains(&json!("demo")), "{ids:?}");
    assert_eq!((list.json()["has_more"].clone(), list.header("request-id").is_some()), (json!(false), true));
    assert_eq!(get("/v1/models/c-1", &token.key).expect(200).json()["type"], "model");
    assert_eq!(shape(&get("/v1/models/none", &token.key)).2, "model_not_found");
    assert_eq!(shape(&get("/v1/models", "")).2, "missing_api_key");
}
