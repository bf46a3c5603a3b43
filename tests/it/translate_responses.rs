//! Clients of OpenAI's responses, answered by a model that only a channel of Anthropic, of Gemini, or of one who has OpenAI's chat alone
//! serves: what the provider received, what the client got, what it cost.

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, QUOTA, Received, Reply, Request, Response, SOON, Settings,
    Token, cost, eventually,
};

const ROUTE: &str = "/v1/responses";

/// Nanodollars of a token of input, of one read from the cache, written to it, and of output.
const PRICES: [i64; 4] = [2_000, 200, 2_500, 10_000];

/// One channel for each kind of provider: models `c-*` are Anthropic's, `g-*` Gemini's, `o-*` of a server that has no responses, and
/// `n-*` of one that has.
fn settings(mock: &Mock) -> Settings {
    let channel = |name: &str, models: &str| {
        format!(
            "[[channels]]\nname = \"{name}\"\nprovider = \"{name}\"\nbase_url = \"http://{}\"\napi_keys = [\"env:FOREIGN_KEY\"]\n\
             models = [\"{models}\"]\n",
            mock.address()
        )
    };
    let price = |models: &str| {
        format!(
            "[[prices]]\nmodel = \"{models}\"\ninput = 2\ncached_input = 0.2\ncache_write = 2.5\noutput = 10\n\
             max_input_tokens = 5000\nmax_output_tokens = 16384\nimage_tokens = 50\n"
        )
    };
    let settings = Settings::demo().env("FOREIGN_KEY", mock.key());
    let settings = settings.append(&channel("anthropic", "c-*")).append(&channel("gemini", "g-*"));
    let settings = settings.channel("chats", mock, "models = [\"o-*\"]\nresponses = \"chat\"");
    let settings = settings.channel("native", mock, "models = [\"n-*\"]");
    ["c-*", "g-*", "o-*", "n-*"]
        .into_iter()
        .fold(settings, |settings, models| settings.append(&price(models)))
}

fn start(mock: &Mock) -> Gateway {
    Gateway::start(settings(mock))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

fn body(more: &Value) -> Value {
    let mut body = json!({"model": "c-1", "input": PROMPT, "max_output_tokens": 100});
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn request(token: &Token, more: &Value) -> Request {
    Request::post(ROUTE, &body(more)).bearer(&token.key)
}

fn ask(gateway: &Gateway, token: &Token, more: &Value) -> Response {
    gateway.send(&request(token, more))
}

/// A message of Anthropic's.
fn message(content: &Value, reason: &str, usage: &Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c-real", "stop_reason": reason, "stop_sequence": null,
        "content": content, "usage": usage})
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn named(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// A chat completion.
fn completion(message: &Value, reason: &str) -> Value {
    let usage =
        json!({"prompt_tokens": 40, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 10}});
    json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "o-real",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage})
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_plain_answer() {
    let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300, "output_tokens": 7});
    let mock =
        Mock::start(move |_| Reply::json(200, &message(&json!([text(COMPLETION)]), "end_turn", &usage)));
    let gateway = start(&mock);
    let token = gateway.create(json!({"unlimited_quota": true}));
    let more = json!({"instructions": "Be brief.", "temperature": 0.5, "metadata": {"a": "b"}, "store": true, "user": "u"});
    let answer = ask(&gateway, &token, &more).expect(200);
    let told = answer.json();
    assert_eq!(
        (&told["object"], &told["status"], &told["model"]),
        (&json!("response"), &json!("completed"), &json!("c-real"))
    );
    // Nothing is kept, whatever was asked; the rest is repeated.
    assert_eq!(told["store"], false);
    assert_eq!((&told["instructions"], &told["metadata"]), (&json!("Be brief."), &json!({"a": "b"})));
    let said = json!({"type": "output_text", "text": COMPLETION, "annotations": [], "logprobs": []});
    assert_eq!(
        told["output"],
        json!([{"type": "message", "id": "msg_msg_1_0", "status": "completed", "role": "assistant", "content": [said]}])
    );
    assert_eq!(
        told["usage"],
        json!({"input_tokens": 1325, "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 300}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1332})
    );
    assert_eq!(gateway.charged(&answer), cost([25, 1000, 300, 7], PRICES));
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.00107"));
    let got = &mock.received()[0];
    assert_eq!(got.target, "/v1/messages");
    let want = json!({"model": "c-1", "max_tokens": 100, "temperature": 0.5, "metadata": {"user_id": "u"}, "system": [text("Be brief.")],
        "messages": [{"role": "user", "content": [text(PROMPT)]}]});
    assert_eq!(got.json(), want);
    assert_eq!((got.header("x-api-key"), got.header("authorization")), (Some(mock.key()), None));
}

/// A server that has responses of its own is asked for them, and what it gets passes as it came.
#[test]
fn no_translation_without_need() {
    let output =
        json!([{"type": "message", "content": [{"type": "output_text", "text": "x", "annotations": []}]}]);
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let native = json!({"id": "resp_1", "object": "response", "status": "completed", "output": output, "usage": usage});
    let mock = Mock::start(move |request: &Received| match request.target.as_str() {
        "/v1/responses" => Reply::json(200, &native),
        "/v1/chat/completions" => {
            Reply::json(200, &completion(&json!({"role": "assistant", "content": "x"}), "stop"))
        }
        other => panic!("{other}"),
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    ask(&gateway, &token, &json!({"model": "n-1", "truncation": "auto"})).expect(200);
    let answer = ask(&gateway, &token, &json!({"model": "o-1"})).expect(200);
    assert_eq!(gateway.charged(&answer), cost([30, 10, 0, 9], PRICES));
    assert_eq!(answer.json()["usage"]["input_tokens_details"]["cached_tokens"], 10);
    let targets: Vec<String> = mock.received().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/v1/responses", "/v1/chat/completions"]);
    assert_eq!(mock.received()[1].json()["messages"], json!([{"role": "user", "content": PROMPT}]));
    ask(&gateway, &token, &json!({"model": "none"})).refuses(404, "model_not_found");
}

/// Events are told as they come; the last waits for the books (R3).
#[test]
fn a_stream() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 20, "output_tokens": 1});
        let words = |words: &str| {
            named(
                &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}),
            )
        };
        let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "model": "c-real", "content": [], "usage": usage}});
        let end = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 12}});
        let reply = Reply::sse().chunk(named(&start)).chunk(words("one ")).wait(&shut).chunk(words("two"));
        reply.chunk(named(&end)).chunk(named(&json!({"type": "message_stop"}))).end()
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let mut exchange = gateway.open(&request(&token, &json!({"stream": true})));
    assert!(exchange.data().contains("response.created"));
    assert!(gateway.held(&token) > 0);
    gate.open();
    let answer = exchange.finish().expect(200);
    assert!(answer.clean);
    let told = answer.named_events();
    assert_eq!(
        kinds(&told),
        [
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete"
        ]
    );
    let numbers: Vec<u64> = told.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..10).collect::<Vec<u64>>());
    let last = &told.last().unwrap()["response"];
    assert_eq!(last["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(
        (&last["output"][0]["content"][0]["text"], &last["usage"]["output_tokens"]),
        (&json!("one two"), &json!(12))
    );
    assert_eq!(gateway.charged(&answer), cost([10, 50, 20, 12], PRICES));
}

/// What Codex sends, in its form, but for the length of its words.
fn codex(model: &str) -> Value {
    let said = |role: &str, words: &str| json!({"type": "message", "id": format!("msg_{role}"), "role": role, "content": [{"type": "input_text", "text": words}]});
    let function = |name: &str| json!({"type": "function", "name": name, "description": "d", "strict": false, "parameters": {"type": "object"}});
    json!({"model": model, "stream": true, "max_output_tokens": null,
        "input": [said("developer", "You are a coding agent"), said("user", "<environment_context>"), said("user", PROMPT)],
        "tools": [function("exec_command"), {"type": "namespace", "name": "agents", "description": "all", "tools": [function("close")]}],
        "tool_choice": "auto", "parallel_tool_calls": true, "reasoning": {"summary": "auto"}, "store": false,
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "client_metadata": {"session_id": "s"}})
}

/// What a provider is asked.
#[derive(Copy, Clone, PartialEq)]
enum Round {
    /// The question.
    First,
    /// The outcome of the call.
    Last,
}

/// A stream of Gemini's: a thought and a call, or the last words.
fn google(round: Round) -> Reply {
    let parts = json!([{"text": "hm", "thought": true},
        {"functionCall": {"id": "call_1", "name": "agents__close", "args": {"a": 1}}, "thoughtSignature": "PROOF"}]);
    let parts = if round == Round::First { parts } else { json!([{"text": "Done."}]) };
    let candidate = json!({"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0});
    let usage = json!({"promptTokenCount": 40, "candidatesTokenCount": 9});
    let answer = json!({"candidates": [candidate], "usageMetadata": usage, "responseId": "r1"});
    Reply::sse().chunk(format!("data: {answer}\r\n\r\n")).end()
}

/// The same of Anthropic's.
fn claude(round: Round) -> Reply {
    let begin = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let more =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let used = json!({"type": "tool_use", "id": "call_1", "name": "agents__close", "input": {}});
    let called = [
        begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        more(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        more(0, json!({"type": "signature_delta", "signature": "PROOF"})),
        stop(0),
        begin(1, used),
        more(1, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        more(1, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(1),
    ];
    let said = [begin(0, text("")), more(0, json!({"type": "text_delta", "text": "Done."})), stop(0)];
    let (content, reason) =
        if round == Round::First { (called.to_vec(), "tool_use") } else { (said.to_vec(), "end_turn") };
    let usage = json!({"input_tokens": 40, "output_tokens": 9});
    let message = json!({"id": "msg_1", "type": "message", "model": "c-real", "content": [], "usage": usage});
    let start = json!({"type": "message_start", "message": message});
    let reply =
        content.iter().fold(Reply::sse().chunk(named(&start)), |reply, event| reply.chunk(named(event)));
    let end =
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}});
    reply.chunk(named(&end)).chunk(named(&json!({"type": "message_stop"}))).end()
}

/// The same of a server that has chats alone.
fn chats(round: Round) -> Reply {
    let function = json!({"name": "agents__close", "arguments": "{\"a\":1}"});
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
    let called = [
        (json!({"role": "assistant", "reasoning_content": "hm"}), None),
        (json!({"tool_calls": [call]}), None),
        (json!({}), Some("tool_calls")),
    ];
    let said = [(json!({"content": "Done."}), None), (json!({}), Some("stop"))];
    let deltas = if round == Round::First { called.to_vec() } else { said.to_vec() };
    let reply = deltas.iter().fold(Reply::sse(), |reply, (delta, reason)| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        reply.chunk(format!(
            "data: {}\n\n",
            json!({"id": "chatcmpl-1", "model": "o-real", "choices": [choice]})
        ))
    });
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 9}});
    reply.chunk(format!("data: {usage}\n\n")).chunk("data: [DONE]\n\n").end()
}

/// Tools are called, run, and their results told, with what was thought in between: to each provider in its own words.
#[test]
fn codex_there_and_back() {
    let mock = Mock::start(|request: &Received| {
        let has_outcome = request.body.windows(7).any(|window| window == b"It rain");
        let round = if has_outcome { Round::Last } else { Round::First };
        match request.target.as_str() {
            "/v1/messages" => claude(round),
            "/v1/chat/completions" => chats(round),
            _ => google(round),
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (model, sealed) in [("c-1", Some("anthropic.PROOF.hm")), ("g-1", Some("gemini.PROOF")), ("o-1", None)]
    {
        mock.forget();
        let mut turn = codex(model);
        let answer = gateway.post(&token.key, ROUTE, &turn).expect(200);
        assert_eq!(gateway.charged(&answer), cost([40, 0, 0, 9], PRICES), "{model}");
        let told = answer.named_events();
        let last = told.last().unwrap();
        assert_eq!(
            (&last["type"], &last["response"]["status"]),
            (&json!("response.completed"), &json!("completed"))
        );
        let output = last["response"]["output"].as_array().unwrap();
        let done: Vec<&Value> = told
            .iter()
            .filter(|event| event["type"] == "response.output_item.done")
            .map(|event| &event["item"])
            .collect();
        assert_eq!(done, output.iter().collect::<Vec<_>>());
        assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "hm"}]), "{model}");
        assert_eq!(output.iter().find_map(|item| item["encrypted_content"].as_str()), sealed, "{model}");
        let call = output.last().unwrap();
        assert_eq!(
            (&call["type"], &call["namespace"], &call["name"], &call["call_id"], &call["arguments"]),
            (
                &json!("function_call"),
                &json!("agents"),
                &json!("close"),
                &json!("call_1"),
                &json!("{\"a\":1}")
            )
        );
        let input = turn["input"].as_array_mut().unwrap();
        input.extend(output.iter().cloned());
        input.push(
            json!({"type": "function_call_output", "id": "fco", "call_id": "call_1", "output": "It rains."}),
        );
        let second = gateway.post(&token.key, ROUTE, &turn).expect(200);
        let said =
            second.named_events().pop().unwrap()["response"]["output"][0]["content"][0]["text"].clone();
        assert_eq!(said, "Done.", "{model}");
    }
}

/// What of it each provider received the second time.
#[test]
fn thoughts_go_back_to_who_thought_them() {
    let mock = Mock::start(|request: &Received| match request.target.as_str() {
        "/v1/messages" => Reply::json(
            200,
            &message(&json!([text("x")]), "end_turn", &json!({"input_tokens": 1, "output_tokens": 1})),
        ),
        "/v1/chat/completions" => {
            Reply::json(200, &completion(&json!({"role": "assistant", "content": "x"}), "stop"))
        }
        _ => {
            let candidate =
                json!({"content": {"parts": [{"text": "x"}], "role": "model"}, "finishReason": "STOP"});
            Reply::json(
                200,
                &json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}),
            )
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let reasoning =
        |sealed: &str| json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": sealed});
    let call =
        json!({"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"z\":1.50}"});
    let output = json!({"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "r"}]});
    let input = json!([{"role": "user", "content": PROMPT}, reasoning("anthropic.A.hm"), reasoning("gemini.G"), reasoning("gAAAA"), call, output]);
    let tools = json!([{"type": "function", "name": "f", "parameters": null, "strict": null}]);
    for model in ["c-1", "g-1", "o-1"] {
        ask(&gateway, &token, &json!({"model": model, "input": input, "tools": tools})).expect(200);
    }
    let got = mock.received();
    let content = &got[0].json()["messages"][1]["content"];
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "hm", "signature": "A"}));
    assert_eq!((&content[1]["type"], content.as_array().unwrap().len()), (&json!("tool_use"), 2));
    // The arguments pass as they were spelled.
    assert!(got[0].body.windows(8).any(|window| window == b"\"z\":1.50"));
    let parts = &got[1].json()["contents"][1]["parts"];
    assert_eq!((&parts[0]["thoughtSignature"], parts.as_array().unwrap().len()), (&json!("G"), 1));
    let function = json!({"name": "f", "arguments": "{\"z\":1.50}"});
    assert_eq!(
        got[2].json()["messages"].as_array().unwrap()[1..],
        [
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}),
            json!({"role": "tool", "tool_call_id": "call_1", "content": "r"})
        ]
    );
}

/// A schema, images and thinking.
#[test]
fn forms_and_files() {
    let mock = Mock::start(|_| {
        Reply::json(
            200,
            &message(&json!([text("{}")]), "end_turn", &json!({"input_tokens": 1, "output_tokens": 1})),
        )
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    let schema = json!({"type": "object"});
    let content = json!([{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "data:image/png;base64,QUJD"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}]);
    let format = json!({"type": "json_schema", "name": "n", "strict": true, "schema": schema});
    let more = json!({"input": [{"role": "user", "content": content}], "text": {"format": format}, "reasoning": {"effort": "low"}});
    let answer = ask(&gateway, &token, &more).expect(200);
    assert_eq!(answer.json()["text"]["format"], format);
    let got = mock.received()[0].json();
    let source = |media_type: &str| json!({"type": "base64", "media_type": media_type, "data": "QUJD"});
    let want = json!([text("see"), {"type": "image", "source": source("image/png")}, {"type": "document", "source": source("application/pdf")}]);
    assert_eq!(got["messages"][0]["content"], want);
    assert_eq!(
        got["output_config"],
        json!({"effort": "low", "format": {"type": "json_schema", "schema": schema}})
    );
}

/// The hold is exact, and that of what is sent.
#[test]
fn what_is_held() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| {
        Reply::json(
            200,
            &message(&json!([text("x")]), "end_turn", &json!({"input_tokens": 1, "output_tokens": 1})),
        )
        .behind(&shut)
    });
    let gateway = start(&mock);
    // role, user, content, type, text, text, hello: 32 bytes; 16 for the message.
    let hello = 4 + 4 + 7 + 4 + 4 + 4 + 5 + 16;
    let image =
        json!([{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y.png"}]}]);
    for (more, input) in [(json!({"input": "hello"}), hello), (json!({"input": image}), 5_000)] {
        let token = rich(&gateway);
        let mut connection = gateway.connect();
        connection.send(&request(&token, &more).bytes());
        let held = eventually("it is held", SOON, || Some(gateway.held(&token)).filter(|held| *held > 0));
        let want: i64 = input * PRICES[2] + 100 * PRICES[3];
        assert_eq!(held, (want + QUOTA - 1) / QUOTA, "{more}");
    }
    gate.open();
}

/// What cannot be said is refused by name, before anything is held or sent.
#[test]
fn fields_that_are_refused() {
    let mock = Mock::start(|_| Reply::json(500, &json!({})));
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (more, param) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"tools": [{"type": "web_search", "external_web_access": false}]}), "tools[0]"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"text": {"format": {"type": "json_object"}}}), "text.format"),
    ] {
        let answer = ask(&gateway, &token, &more).refuses(400, "invalid_parameter");
        assert_eq!(answer.json()["error"]["param"], param, "{}", answer.text());
    }
    assert_eq!((mock.count(), gateway.settled(&token)), (0, 0));
}

/// A provider's failure is told in OpenAI's words; a stream that breaks has no last event.
#[test]
fn providers_that_fail() {
    let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "mock says no"}, "request_id": "r"});
    let mock = Mock::start(move |request: &Received| match request.json()["model"].as_str().unwrap() {
        "c-400" => Reply::json(400, &error("invalid_request_error")),
        "c-429" => Reply::json(429, &error("rate_limit_error")),
        "c-529" => Reply::json(529, &error("overloaded_error")),
        "c-200" => Reply::json(200, &error("api_error")),
        _ => {
            let usage = json!({"input_tokens": 40, "output_tokens": 1});
            let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "model": "c", "content": [], "usage": usage}});
            let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "twelve bytes"}});
            Reply::sse().chunk(named(&start)).chunk(named(&delta)).end()
        }
    });
    let gateway = start(&mock);
    let token = rich(&gateway);
    for (model, status, kind) in [
        ("c-400", 400, "invalid_request_error"),
        ("c-429", 429, "rate_limit_error"),
        ("c-529", 502, "upstream_error"),
        ("c-200", 502, "upstream_error"),
    ] {
        let answer = ask(&gateway, &token, &json!({"model": model}));
        assert_eq!((answer.status, answer.json()["error"]["type"].as_str()), (status, Some(kind)), "{model}");
    }
    assert_eq!(gateway.settled(&token), 0);
    let answer = ask(&gateway, &token, &json!({"model": "c-cut", "stream": true})).expect(200);
    assert!(answer.text().contains("twelve bytes"));
    let told = answer.named_events();
    assert_eq!(told.last().unwrap()["type"], "error");
    assert!(kinds(&told).iter().all(|kind| !kind.contains("completed") && !kind.contains("incomplete")));
    assert!(gateway.charged(&answer) >= cost([40, 0, 0, 3], PRICES));
}
