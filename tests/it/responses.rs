//! `POST /v1/responses`: what the provider received, what the client got, what was held and what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON,
};
use crate::harness::{Settings, Token, eventually, nanos};

const ROUTE: &str = "/v1/responses";

/// Nanodollars of a unit of input, of one read from the cache, of output, of reasoning; and of a call of the provider's search.
const PRICES: [i64; 4] = [2_000, 200, 10_000, 12_000];
const CALL: i64 = 10_000_000;

/// One channel for models `r-*`.
fn settings(mock: &Mock) -> Settings {
    let price = "[[prices]]\nmodel = \"r-*\"\ninput = 2\ncached_input = 0.2\noutput = 10\nreasoning = 12\nper_tool_call = 0.01\n\
         max_input_tokens = 1000\nmax_output_tokens = 16384\nimage_tokens = 50\n";
    Settings::demo().channel("mock", mock, "models = [\"r-*\"]").append(price).price("r-out", "0", "2")
}

fn usage(input: u64, cached: u64, output: u64, reasoning: u64) -> Value {
    json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": input + output})
}

fn response(status: &str, output: &Value, usage: &Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": null, "model": "r-1",
        "output": output, "usage": usage})
}

fn said(text: &str) -> Value {
    json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}])
}

fn event(kind: &str, mut data: Value) -> String {
    data["type"] = json!(kind);
    format!("event: {kind}\ndata: {data}\n\n")
}

fn created() -> String {
    event("response.created", json!({"response": response("in_progress", &json!([]), &Value::Null)}))
}

fn delta(text: &str) -> String {
    event("response.output_text.delta", json!({"delta": text}))
}

fn end(kind: &str, response: &Value) -> String {
    event(kind, json!({ "response": response }))
}

fn stream(events: &[String]) -> Reply {
    events.iter().fold(Reply::sse(), |reply, event| reply.chunk(event)).end()
}

fn body(more: &Value) -> Value {
    let mut body = json!({"model": "r-1", "input": PROMPT, "max_output_tokens": 100});
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn ask(gateway: &Gateway, token: &Token, more: &Value) -> Response {
    gateway.post(&token.key, ROUTE, &body(more))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

fn charged(gateway: &Gateway, token: &Token) -> (i64, String) {
    let entry = gateway.last_entry(token);
    (nanos(&entry["charged_usd"]), entry["outcome"].as_str().unwrap().to_owned())
}

#[test]
fn a_plain_answer() {
    let output = json!([{"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "message", "content": [{"type": "output_text", "text": COMPLETION, "annotations": []}]}]);
    let sent = response("completed", &output, &usage(1000, 400, 50, 30));
    let replied = sent.clone();
    let mock = Mock::start(move |_| Reply::json(200, &replied));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"unlimited_quota": true}));
    let text = format!("{{\"model\":\"r-1\" ,\"input\":\"{PROMPT}\",\"store\":false,\"odd\":[1.50]}}");
    let request = Request::new("POST", ROUTE).bearer(&token.key).header("Content-Type", "application/json");
    let answer = gateway.send(&request.body(text.as_bytes())).expect(200);
    assert_eq!(answer.json(), sent);
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.body.as_slice()), (ROUTE, text.as_bytes()));
    // 600 new, 400 from the cache, 20 of output, 30 of reasoning, one search.
    let cost = 600 * PRICES[0] + 400 * PRICES[1] + 20 * PRICES[2] + 30 * PRICES[3] + CALL;
    assert_eq!(charged(&gateway, &token), (cost, "ok".to_owned()));
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.01184"));
    // The shipped prices: 1000 units of gpt-4.1-mini at 0.4, of which 400 at 0.1, and 50 at 1.6 dollars a million; a search.
    let shipped = Gateway::start(Settings::demo().channel("mock", &mock, "models = [\"gpt-4.1-mini\"]"));
    let token = shipped.create(json!({"unlimited_quota": true}));
    let answer = ask(&shipped, &token, &json!({"model": "gpt-4.1-mini", "tools": []})).expect(200);
    assert_eq!(answer.status, 200);
    let (cost, _) = charged(&shipped, &token);
    assert_eq!(cost, 600 * 400 + 400 * 100 + 50 * 1600 + CALL);
}

/// The cap goes into the field of this route, is lowered to what a budget pays, and the hold is exact.
#[test]
fn the_hold_is_exact() {
    let prompt = i64::try_from(PROMPT.len()).unwrap();
    // In quota: 1 a unit of input, 6 a unit of output (its reasoning is dearer), 5000 a call.
    for (more, hold) in [
        (json!({}), prompt + 16 + 600),
        (json!({"instructions": "abc"}), prompt + 3 + 32 + 600),
        (json!({"input": [{"role": "user", "content": "abc"}]}), 3 + 4 + 4 + 7 + 16 + 600),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]}]}),
            4 + 4 + 7 + 4 + 11 + 9 + 16 + 50 + 600,
        ),
        // What is not seen: the model's maximum. What the provider runs: its calls too.
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), 1000 + 600),
        (json!({"conversation": "conv_1"}), 1000 + 600),
        (json!({"tools": [{"type": "web_search"}]}), 1000 + 600 + 10 * 5000),
        (
            json!({"tools": [{"type": "web_search"}, {"type": "mcp"}], "max_tool_calls": 3}),
            1000 + 600 + 3 * 5000,
        ),
        (json!({"prompt": {"id": "pmpt_1"}}), 1000 + 600 + 10 * 5000),
    ] {
        let gate = Gate::new();
        let shut = gate.clone();
        let mock = Mock::start(move |_| {
            Reply::json(200, &response("completed", &said(COMPLETION), &usage(10, 0, 5, 0))).behind(&shut)
        });
        let gateway = Gateway::start(settings(&mock));
        let token = gateway.create(json!({"remain_quota": hold}));
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| ask(&gateway, &token, &more));
            mock.wait_for(1);
            assert_eq!(gateway.held(&token), hold, "{more}");
            gate.open();
            slow.join().unwrap().expect(200);
        });
        assert_eq!((gateway.settled(&token), mock.received()[0].json()), (10 + 25, body(&more)), "{more}");
    }
    let mock =
        Mock::start(|_| Reply::json(200, &response("incomplete", &said(COMPLETION), &usage(10, 0, 20, 0))));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_quota": 20}));
    let lowered = ask(&gateway, &token, &json!({"model": "r-out"})).expect(200);
    assert_eq!(lowered.header("x-tollgate-output-cap"), Some("20"));
    assert_eq!(mock.received()[0].json(), body(&json!({"model": "r-out", "max_output_tokens": 20})));
    let token = rich(&gateway);
    let mut uncapped = body(&json!({}));
    uncapped.as_object_mut().unwrap().remove("max_output_tokens");
    gateway.post(&token.key, ROUTE, &uncapped).expect(200);
    assert_eq!(mock.received()[1].json(), body(&json!({"max_output_tokens": 4096})));
}

/// Every event passes as it is and when it comes; the last one waits for the books (R3).
#[test]
fn a_stream() {
    for kind in ["completed", "incomplete"] {
        let last = end(&format!("response.{kind}"), &response(kind, &said("one two"), &usage(100, 0, 7, 2)));
        let events = [created(), delta("one "), delta("two"), last];
        let (gate, sent) = (Gate::new(), events.clone());
        let shut = gate.clone();
        let mock = Mock::start(move |_| {
            let begun = sent[..2].iter().fold(Reply::sse(), |reply, event| reply.chunk(event));
            sent[2..].iter().fold(begun.wait(&shut), |reply, event| reply.chunk(event)).end()
        });
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let request = Request::post(ROUTE, &body(&json!({"stream": true}))).bearer(&token.key);
        let mut answer = gateway.open(&request);
        assert_eq!([answer.data(), answer.data()].map(|event| event + "\n\n"), events[..2]);
        gate.open();
        let rest = answer.finish();
        assert_eq!((rest.text(), rest.clean), (events[2..].concat(), true));
        // Whoever saw the end was charged.
        let rows = gateway.ledger(&format!("token_id={}", token.id));
        let cost = 100 * PRICES[0] + 5 * PRICES[2] + 2 * PRICES[3];
        assert_eq!(nanos(&rows[0]["charged_usd"]), cost, "{kind}");
        assert_eq!(mock.received()[0].json(), body(&json!({"stream": true})));
    }
}

/// A failure that the provider tells passes as its end; one that it does not tell is an error event of this route.
#[test]
fn streams_that_fail() {
    let failed = |output: &Value, used: &Value| {
        let mut whole = response("failed", output, used);
        whole["error"] = json!({"code": "server_error", "message": "no"});
        end("response.failed", &whole)
    };
    let floor = 4 + i64::try_from(PROMPT.len().div_ceil(4)).unwrap();
    let error = event("error", json!({"code": "server_error", "message": "no", "param": null}));
    for (events, last, cost, outcome) in [
        // Nothing came, and nobody says that it cost.
        (vec![created(), failed(&json!([]), &Value::Null)], "response.failed", 0, "void"),
        (
            vec![created(), failed(&json!([]), &usage(100, 0, 0, 0))],
            "response.failed",
            100 * PRICES[0],
            "upstream_error",
        ),
        (
            vec![created(), delta("12345678"), failed(&said("12345678"), &Value::Null)],
            "response.failed",
            floor * PRICES[0] + 2 * PRICES[2],
            "upstream_error",
        ),
        (vec![created(), error.clone()], "error", 0, "void"),
        (
            vec![created(), delta("12345678"), error],
            "error",
            floor * PRICES[0] + 2 * PRICES[2],
            "upstream_error",
        ),
        (vec![created(), delta("12345678")], "error", floor * PRICES[0] + 2 * PRICES[2], "upstream_error"),
    ] {
        let sent = events.clone();
        let mock = Mock::start(move |_| stream(&sent));
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let answer = ask(&gateway, &token, &json!({"stream": true})).expect(200);
        let text = answer.text();
        let told = text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(told.starts_with(&format!("event: {last}\ndata: ")), "{text}");
        assert!(!text.contains("response.completed"));
        if last == "error" {
            let told: Value = serde_json::from_str(told.split_once("data: ").unwrap().1).unwrap();
            assert_eq!((&told["type"], &told["error"]["code"]), (&json!("error"), &json!("upstream_error")));
        }
        assert_eq!(charged(&gateway, &token), (cost, outcome.to_owned()), "{text}");
    }
}

#[test]
fn plain_answers_that_fail() {
    for (reply, cost, outcome) in [
        (
            json!({"object": "response", "status": "failed", "error": {"code": "x", "message": "no"}, "output": []}),
            0,
            "void",
        ),
        (json!({"error": {"message": "no"}}), 0, "void"),
        (
            json!({"object": "response", "status": "completed"}),
            4 + i64::try_from(PROMPT.len().div_ceil(4)).unwrap(),
            "upstream_unknown",
        ),
    ] {
        let sent = reply.clone();
        let mock = Mock::start(move |_| Reply::json(200, &sent));
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        ask(&gateway, &token, &json!({})).refuses(502, "upstream_error");
        assert_eq!(charged(&gateway, &token), (cost * QUOTA, outcome.to_owned()), "{reply}");
    }
}

#[test]
fn a_client_that_leaves_pays_what_came() {
    let mock = Mock::start(|_| {
        [created(), delta("12345678")].iter().fold(Reply::sse(), |reply, event| reply.chunk(event)).hang()
    });
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let request = Request::post(ROUTE, &body(&json!({"stream": true}))).bearer(&token.key);
    let mut answer = gateway.open(&request);
    assert!(answer.data().contains("response.created") && answer.data().contains("12345678"));
    drop(answer);
    eventually("it is settled", SOON, || (gateway.held(&token) == 0).then_some(()));
    let floor = 4 + i64::try_from(PROMPT.len().div_ceil(4)).unwrap();
    assert_eq!(charged(&gateway, &token), (floor * PRICES[0] + 2 * PRICES[2], "client_gone".to_owned()));
}

#[test]
fn refusals_reach_no_provider() {
    let mock =
        Mock::start(|_: &Received| Reply::json(200, &response("completed", &said("x"), &usage(1, 0, 1, 0))));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_quota": 1000}));
    for (more, status, code) in [
        (json!({"background": true}), 400, "invalid_parameter"),
        (json!({"previous_response_id": "resp_1"}), 400, "invalid_parameter"),
        (json!({"input": 1}), 400, "invalid_parameter"),
        (json!({"max_output_tokens": 0}), 400, "invalid_parameter"),
        (json!({"max_tool_calls": -1}), 400, "invalid_parameter"),
        (json!({"previous_response_id": "../x"}), 400, "invalid_parameter"),
        (json!({"Input": "x"}), 400, "duplicate_field"),
        (json!({"service_tier": "priority"}), 400, "invalid_parameter"),
        (json!({"model": "nowhere"}), 404, "model_not_found"),
        (json!({"tools": [{"type": "web_search"}]}), 402, "insufficient_quota"),
    ] {
        let answer = ask(&gateway, &token, &more).refuses(status, code);
        assert!(answer.json()["error"]["type"].is_string(), "{more}");
    }
    gateway.get(&token.key, ROUTE).refuses(405, "method_not_allowed");
    gateway.get(&token.key, "/v1/responses/resp_1").refuses(404, "not_found");
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

/// Counting is free, also for a token that is exhausted; lists bind it.
#[test]
fn counting_input_is_free() {
    const COUNT: &str = "/v1/responses/input_tokens";
    let counted = json!({"object": "response.input_tokens", "input_tokens": 7});
    let replied = counted.clone();
    let mock = Mock::start(move |_| Reply::json(200, &replied));
    let gateway = Gateway::start(settings(&mock));
    let token =
        gateway.create(json!({"remain_quota": 0, "model_limits_enabled": true, "model_limits": "r-1,demo"}));
    let asked = json!({"model": "r-1", "input": PROMPT});
    let answer = gateway.post(&token.key, COUNT, &asked).expect(200);
    assert_eq!((answer.json(), answer.header("x-tollgate-cost-usd")), (counted, None));
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.json()), (COUNT, asked));
    let demo = json!({"model": "demo", "input": "Hello, world!"});
    assert_eq!(gateway.post(&token.key, COUNT, &demo).expect(200).json()["input_tokens"], 4);
    gateway.post(&token.key, COUNT, &json!({"model": "r-2", "input": "x"})).refuses(403, "model_not_allowed");
    gateway.post(&token.key, COUNT, &json!({"model": "r-1"})).refuses(400, "invalid_parameter");
    assert_eq!((mock.count(), gateway.ledger(&format!("token_id={}", token.id)).len()), (1, 0));
}

#[test]
fn demo_responds() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 1}));
    let answer =
        ask(&gateway, &token, &json!({"model": "demo", "input": "Hi", "max_output_tokens": 4})).expect(200);
    assert_eq!(answer.json()["status"], "incomplete");
    // 1 at 0.5 and 4 at 1.5 dollars a million.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.0000065"));
    let stream = ask(&gateway, &token, &json!({"model": "demo", "stream": true, "max_output_tokens": 500}))
        .expect(200);
    assert!(
        stream.text().trim_end().rsplit("\n\n").next().unwrap().starts_with("event: response.completed\n")
    );
}
