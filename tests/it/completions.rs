//! `POST /v1/completions`, the older kind: what the provider received, what the client got, what was held and what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, Reply, Request, Response, Settings, Token, usage_event,
};

const ROUTE: &str = "/v1/completions";

fn piece(text: &str) -> String {
    json!({"id": "cmpl-mock", "object": "text_completion", "created": 1, "model": "mock",
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": null}]})
    .to_string()
}

fn whole(usage: &Value) -> Reply {
    let choice = json!({"index": 0, "text": COMPLETION, "logprobs": null, "finish_reason": "stop"});
    Reply::json(
        200,
        &json!({"id": "cmpl-mock", "object": "text_completion", "created": 1, "choices": [choice], "usage": usage}),
    )
}

fn used(input: u64, output: u64) -> Reply {
    whole(&json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}))
}

fn ask(gateway: &Gateway, token: &Token, more: &Value) -> Response {
    let mut body = json!({"model": "m-1", "prompt": PROMPT});
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    gateway.post(&token.key, ROUTE, &body)
}

#[test]
fn a_plain_answer() {
    let mock = Mock::start(|_| used(7, 5));
    let settings = Settings::demo().channel(
        "mock",
        &mock,
        "models = [\"gpt-3.5-turbo-instruct-0914\"]\noutput_cap_field = \"max_completion_tokens\"",
    );
    let gateway = Gateway::start(settings);
    let free = gateway.create(json!({"unlimited_quota": true}));
    let body =
        format!("{{\"model\":\"gpt-3.5-turbo-instruct-0914\",\"prompt\":\"{PROMPT}\" , \"odd\":[1.50]}}");
    let request = Request::new("POST", ROUTE).bearer(&free.key).header("Content-Type", "application/json");
    let answer = gateway.send(&request.body(body.as_bytes())).expect(200);
    assert_eq!(answer.json()["choices"][0]["text"], COMPLETION);
    // 7 at 1.5 and 5 at 2 dollars a million.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.0000205"));
    let got = &mock.received()[0];
    assert_eq!((got.target.as_str(), got.body.as_slice()), (ROUTE, body.as_bytes()));
    // The field of the cap is this route's own, whatever the channel's for chats.
    let bound = gateway.create(json!({"remain_credits": 100}));
    ask(&gateway, &bound, &json!({"model": "gpt-3.5-turbo-instruct-0914"})).expect(200);
    let sent = mock.received()[1].json();
    assert_eq!((&sent["max_tokens"], sent.get("max_completion_tokens")), (&json!(4096), None));
}

/// What multiplies the output multiplies the hold; the provider's count is charged.
#[test]
fn the_hold_is_exact() {
    for (more, hold) in [
        (json!({"prompt": "abc", "max_tokens": 20}), 3 + 4 + 20),
        (json!({"prompt": "abc", "suffix": "de", "max_tokens": 20}), 3 + 2 + 4 + 20),
        (json!({"prompt": [1, 2, 3], "max_tokens": 20, "n": 3}), 3 + 4 + 60),
        (json!({"prompt": ["a", "b"], "max_tokens": 20, "n": 2, "best_of": 5}), 2 + 8 + 2 * 5 * 20),
    ] {
        let gate = Gate::new();
        let shut = gate.clone();
        let mock = Mock::start(move |_| used(3, 20).behind(&shut));
        let gateway = Gateway::start(Settings::with(&mock));
        let token = gateway.create(json!({"remain_quota": hold}));
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| ask(&gateway, &token, &more));
            mock.wait_for(1);
            assert_eq!(gateway.held(&token), hold, "{more}");
            gate.open();
            slow.join().unwrap().expect(200);
        });
        assert_eq!(
            (gateway.settled(&token), mock.received()[0].json()["max_tokens"].as_i64()),
            (23, Some(20))
        );
    }
    let mock = Mock::start(|_| used(0, 16));
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 30}));
    let lowered = ask(&gateway, &token, &json!({"model": "m-out", "max_tokens": 99})).expect(200);
    assert_eq!(lowered.header("x-tollgate-output-cap"), Some("30"));
    assert_eq!(mock.received()[0].json()["max_tokens"], 30);
    ask(&gateway, &token, &json!({"model": "m-out"})).refuses(402, "insufficient_quota");
}

/// The gateway asks for the usage, and keeps its own event and the terminator back.
#[test]
fn a_stream() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::sse()
            .event(&piece("one "))
            .event(&piece("two"))
            .wait(&shut)
            .event(&usage_event(7, 5))
            .event("[DONE]")
            .end()
    });
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 10_000}));
    gate.open();
    let answer = ask(&gateway, &token, &json!({"stream": true, "max_tokens": 50})).expect(200);
    let (one, two) = (piece("one "), piece("two"));
    assert_eq!(answer.text(), format!("data: {one}\n\ndata: {two}\n\ndata: [DONE]\n\n"));
    assert_eq!(mock.received()[0].json()["stream_options"], json!({"include_usage": true}));
    assert_eq!(gateway.settled(&token), 12);
    let options = json!({"stream": true, "max_tokens": 50, "stream_options": {"include_usage": true}});
    let answer = ask(&gateway, &token, &options).expect(200);
    assert!(answer.text().contains("prompt_tokens"));
}

#[test]
fn refusals_reach_no_provider() {
    let mock = Mock::start(|_| used(1, 1));
    let gateway = Gateway::start(Settings::with(&mock).set("limits", "max_choices", "4"));
    let token = gateway.create(json!({"remain_quota": 1000}));
    for (more, status, code) in [
        (json!({"prompt": null}), 400, "invalid_parameter"),
        (json!({"max_tokens": 0}), 400, "invalid_parameter"),
        (json!({"best_of": 5}), 400, "invalid_parameter"),
        (json!({"model": "nowhere"}), 404, "model_not_found"),
        (json!({"max_tokens": 16, "n": 4, "prompt": vec!["a"; 20]}), 402, "insufficient_quota"),
    ] {
        ask(&gateway, &token, &more).refuses(status, code);
    }
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

#[test]
fn demo_completes() {
    let gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 1}));
    let answer =
        ask(&gateway, &token, &json!({"model": "demo", "prompt": "Hi", "max_tokens": 4})).expect(200);
    assert_eq!(
        answer.json()["usage"],
        json!({"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5})
    );
    // 1 at 0.5 and 4 at 1.5 dollars a million.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.0000065"));
    let stream = ask(&gateway, &token, &json!({"model": "demo", "stream": true})).expect(200);
    assert!(stream.text().ends_with("data: [DONE]\n\n"));
}
