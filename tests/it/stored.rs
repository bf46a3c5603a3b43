//! Stored responses: what follows them up goes to the channel that made them, for the token that asked for them alone, free.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{
    COMPLETION, Gate, Gateway, Mock, PROMPT, Piece, QUOTA, Received, Reply, Request, Response, SOON,
    Settings, Token, at_once, eventually, nanos,
};

const ROUTE: &str = "/v1/responses";

/// Nanodollars of a unit of input and of output.
const PRICES: [i64; 2] = [2_000, 10_000];

fn price() -> &'static str {
    "[[prices]]\nmodel = \"*-*\"\ninput = 2\noutput = 10\nmax_input_tokens = 1000\nmax_output_tokens = 16384\n"
}

fn prices() -> String {
    ["r-*", "s-*"].map(|model| price().replace("*-*", model)).concat()
}

/// One channel for models `r-*`, one for `s-*`.
fn settings(one: &Mock, two: &Mock) -> Settings {
    Settings::demo()
        .channel("one", one, "models = [\"r-*\"]\nmodel_map = { r-mapped = \"inner\" }")
        .channel("two", two, "models = [\"s-*\"]")
        .append(&prices())
}

fn response(id: &str) -> Value {
    json!({"id": id, "object": "response", "created_at": 1, "status": "completed", "error": null, "model": "inner",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": COMPLETION, "annotations": []}]}],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}})
}

fn event(kind: &str, mut data: Value) -> String {
    data["type"] = json!(kind);
    format!("event: {kind}\ndata: {data}\n\n")
}

fn events(id: &str) -> [String; 3] {
    let mut begun = response(id);
    (begun["status"], begun["output"], begun["usage"]) = (json!("in_progress"), json!([]), Value::Null);
    [
        event("response.created", json!({ "response": begun })),
        event("response.output_text.delta", json!({"delta": COMPLETION})),
        event("response.completed", json!({"response": response(id)})),
    ]
}

fn stream(id: &str) -> Reply {
    events(id).iter().fold(Reply::sse(), |reply, event| reply.chunk(event)).end()
}

/// A provider: it makes the response `name` whatever is asked, and answers what follows up any.
fn provider(name: &'static str) -> Mock {
    Mock::start(move |request| answer(name, request))
}

fn answer(name: &str, request: &Received) -> Reply {
    let path = request.target.split('?').next().unwrap();
    match (request.method.as_str(), path.strip_prefix("/v1/responses").unwrap()) {
        ("POST", "") if request.is_stream() => stream(name),
        ("POST", "") => Reply::json(200, &response(name)),
        ("POST", "/input_tokens") => Reply::json(200, &json!({"object": "x", "input_tokens": 7})),
        ("GET", "/gone") => Reply::error(404, "gone"),
        ("GET", _) if request.target.contains("stream=true") => stream(name),
        (method, rest) => Reply::json(200, &json!({"object": "seen", "by": name, "what": [method, rest]})),
    }
}

fn body(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "input": PROMPT, "max_output_tokens": 100});
    more.as_object().into_iter().flatten().for_each(|(name, value)| body[name.as_str()] = value.clone());
    body
}

fn ask(gateway: &Gateway, token: &Token, model: &str, more: &Value) -> Response {
    gateway.post(&token.key, ROUTE, &body(model, more))
}

fn follow(gateway: &Gateway, token: &Token, method: &str, rest: &str) -> Response {
    gateway.send(&Request::new(method, &format!("{ROUTE}/{rest}")).bearer(&token.key))
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 2000}))
}

/// The database, as a stranger's program opens it.
#[expect(clippy::disallowed_methods, reason = "a stranger's look at the file")]
fn database(gateway: &Gateway) -> rusqlite::Connection {
    rusqlite::Connection::open(gateway.database()).unwrap()
}

fn rows(gateway: &Gateway) -> i64 {
    database(gateway).query_row("SELECT count(*) FROM responses", [], |row| row.get(0)).unwrap()
}

/// Each follow-up reaches the channel that made the response, with its own method, path and query, and no body; nothing of it
/// costs. What is deleted is forgotten.
#[test]
fn a_response_is_followed_up() {
    let (one, two) = (provider("resp_1"), provider("resp_2"));
    let gateway = Gateway::start(settings(&one, &two));
    // Exactly what one response is held at: behind it the token is exhausted.
    let hold = i64::try_from(PROMPT.len()).unwrap() + 16 + 500;
    let token = gateway.create(json!({"remain_quota": hold}));
    ask(&gateway, &token, "s-1", &json!({})).expect(200);
    let left = gateway.number(token.id, "remain_quota");
    gateway
        .post(gateway.admin(), &format!("/v1/tokens/{}/credit", token.id), &json!({"quota": -left}))
        .expect(200);
    ask(&gateway, &token, "s-1", &json!({})).refuses(402, "insufficient_quota");
    let rows_before = gateway.ledger(&format!("token_id={}", token.id));
    let include = "include%5B%5D=a&include[]=b&include=c";
    for (method, rest, want) in [
        ("GET", "resp_2".to_owned(), "resp_2".to_owned()),
        (
            "GET",
            format!("resp_2?{include}&stream=false&starting_after=3&limit=1&key=x&after=y"),
            format!("resp_2?{include}&stream=false&starting_after=3"),
        ),
        (
            "GET",
            format!("resp_2/input_items?{include}&after=a%20b&limit=2&order=asc&before=x&stream=true"),
            format!("resp_2/input_items?{include}&after=a%20b&limit=2&order=asc"),
        ),
        ("POST", "resp_2/cancel?limit=1".to_owned(), "resp_2/cancel".to_owned()),
        ("DELETE", "resp%5F2?stream=true".to_owned(), "resp_2".to_owned()),
    ] {
        let seen = two.count();
        let answer = follow(&gateway, &token, method, &rest).expect(200);
        let what = format!("/{}", want.split('?').next().unwrap());
        assert_eq!(answer.json(), json!({"object": "seen", "by": "resp_2", "what": [method, what]}));
        assert_eq!(
            (answer.header("content-type"), answer.header("x-tollgate-cost-usd")),
            (Some("application/json"), None)
        );
        assert!(answer.header("x-request-id").is_some());
        let got = &two.received()[seen];
        let want_target = format!("{ROUTE}/{want}");
        assert_eq!((got.method.as_str(), &got.target, got.body.len()), (method, &want_target, 0));
        assert_eq!(got.header("authorization"), Some(format!("Bearer {}", two.key()).as_str()));
        assert_eq!(got.header("content-length"), (method == "POST").then_some("0"));
    }
    assert_eq!(rows(&gateway), 0);
    for method in ["GET", "DELETE"] {
        follow(&gateway, &token, method, "resp_2").refuses(404, "not_found");
    }
    assert_eq!((one.count(), two.count()), (0, 6));
    assert_eq!(gateway.ledger(&format!("token_id={}", token.id)), rows_before);
}

/// Whoever else asks, and whatever else is asked for: one and the same answer, and no provider is asked.
#[test]
fn it_is_that_tokens_alone() {
    let (one, two) = (provider("resp_1"), provider("resp_1"));
    let gateway = Gateway::start(settings(&one, &two));
    let owner = rich(&gateway);
    let sibling = rich(&gateway);
    let user = gateway.post(gateway.admin(), "/v1/users", &json!({"name": "other", "unlimited_quota": true}));
    let stranger =
        gateway.create(json!({"remain_credits": 10, "user_id": user.expect(200).json()["data"]["id"]}));
    ask(&gateway, &owner, "r-1", &json!({})).expect(200);
    let refused = |token: &Token, method: &str, rest: &str| {
        let text = follow(&gateway, token, method, rest).refuses(404, "not_found").text();
        text.replace(rest.split(['/', '?']).next().unwrap(), "…")
    };
    let unknown = refused(&owner, "GET", "resp_9");
    assert!(unknown.contains("not_found_error"), "{unknown}");
    for token in [&sibling, &stranger] {
        for (method, rest) in [
            ("GET", "resp_1"),
            ("DELETE", "resp_1"),
            ("POST", "resp_1/cancel"),
            ("GET", "resp_1/input_items?limit=1"),
        ] {
            assert_eq!(refused(token, method, rest), unknown, "{method} {rest}");
        }
        ask(&gateway, token, "r-1", &json!({"previous_response_id": "resp_1"}))
            .refuses(400, "invalid_parameter");
    }
    for rest in
        ["resp_1%2Fcancel", "%2E%2E", "resp_1%00", "resp_1%252F", "%", "resp_1%0d%0ax:y", &"r".repeat(257)]
    {
        follow(&gateway, &owner, "GET", rest).refuses(404, "not_found");
    }
    for rest in ["resp_1/", "../responses", "resp_1/../resp_1", "resp_1//cancel", "resp_1/cancel/x", ""] {
        follow(&gateway, &owner, "GET", rest).refuses(404, "not_found");
    }
    assert_eq!(one.count(), 1);
    // A provider that repeats an id, as one does that lets clients choose it: it stays the first one's.
    ask(&gateway, &sibling, "r-1", &json!({"request_id": "resp_1"})).expect(200);
    ask(&gateway, &sibling, "r-1", &json!({"request_id": "resp_1", "stream": true})).expect(200);
    for (method, rest) in [("GET", "resp_1"), ("DELETE", "resp_1")] {
        assert_eq!(refused(&sibling, method, rest), unknown, "{method} {rest}");
    }
    ask(&gateway, &sibling, "r-1", &json!({"previous_response_id": "resp_1"}))
        .refuses(400, "invalid_parameter");
    assert_eq!(one.count(), 3);
    // Another provider that repeats the id of another token's response takes it from nobody, and shows it to nobody.
    ask(&gateway, &stranger, "s-1", &json!({})).expect(200);
    assert_eq!(follow(&gateway, &stranger, "DELETE", "resp_1").expect(200).json()["by"], "resp_1");
    assert_eq!((one.count(), two.count()), (3, 2));
    follow(&gateway, &owner, "GET", "resp_1").expect(200);
    assert_eq!((one.count(), two.count()), (4, 2));
    // Nor does one that repeats it to its own token: the first stays.
    ask(&gateway, &owner, "s-1", &json!({})).expect(200);
    follow(&gateway, &owner, "GET", "resp_1").expect(200);
    assert_eq!((one.count(), two.count()), (5, 3));
}

/// What is not stored is not remembered; nor an id that means something in a path, nor an answer that is none.
#[test]
fn what_is_not_remembered() {
    let replies = [
        json!({"id": "resp/1", "object": "response", "output": []}),
        json!({"id": "..", "object": "response", "output": []}),
        json!({"id": 7, "object": "response", "output": []}),
        json!({"object": "response", "output": []}),
        json!({"id": "resp_1", "object": "response", "output": []}),
        json!({"id": "resp_2", "error": {"code": "x", "message": "no"}}),
        json!({"id": "resp_3", "object": "response"}),
    ];
    let sent = replies.clone();
    let mock = Mock::start(move |request| Reply::json(200, &sent[request.number]));
    let gateway = Gateway::start(settings(&mock, &mock));
    let token = rich(&gateway);
    for (number, reply) in replies.iter().enumerate() {
        let more = if number == 4 { json!({"store": false}) } else { json!({}) };
        let status = if number < 5 { 200 } else { 502 };
        ask(&gateway, &token, "r-1", &more).expect(status);
        assert_eq!(rows(&gateway), 0, "{reply}");
    }
    follow(&gateway, &token, "GET", "resp_1").refuses(404, "not_found");
}

/// The id of a stream can be followed up as soon as the client has it, also behind a kill.
#[test]
fn a_stream_is_remembered_from_its_first_event() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request| {
        if request.method == "GET" {
            return stream("resp_1");
        }
        let [created, delta, end] = events("resp_1");
        Reply::sse().chunk(created).chunk(delta).wait(&shut).chunk(end).end()
    });
    let mut gateway = Gateway::start(settings(&mock, &mock));
    let token = rich(&gateway);
    let request = Request::post(ROUTE, &body("r-1", &json!({"stream": true}))).bearer(&token.key);
    let mut begun = gateway.open(&request);
    assert_eq!(begun.data() + "\n\n", events("resp_1")[0]);
    let again = follow(&gateway, &token, "GET", "resp_1?stream=true&starting_after=2").expect(200);
    assert_eq!((again.text(), again.clean), (events("resp_1").concat(), true));
    assert_eq!(again.header("content-type"), Some("text/event-stream"));
    assert_eq!(mock.received()[1].target, "/v1/responses/resp_1?stream=true&starting_after=2");
    gateway.kill();
    drop(begun);
    gate.open();
    gateway.restart();
    follow(&gateway, &token, "GET", "resp_1?stream=true").expect(200);
    assert_eq!(gateway.last_entry(&token)["outcome"], "recovered");
}

/// A plain answer, too: whoever has it finds it behind a kill at once, and behind a stop.
#[test]
fn what_a_client_has_outlives_a_kill() {
    let mock = Mock::start(|request| {
        if request.method == "GET" {
            answer("x", request)
        } else {
            Reply::json(200, &response(&format!("resp_{}", request.number)))
        }
    });
    let mut gateway = Gateway::start(settings(&mock, &mock));
    let token = rich(&gateway);
    for round in 0..4 {
        let ids = at_once(6, |_| ask(&gateway, &token, "r-1", &json!({})).expect(200).json()["id"].clone());
        if round == 3 {
            gateway.terminate();
        } else {
            gateway.kill();
        }
        gateway.restart();
        for id in ids {
            follow(&gateway, &token, "GET", id.as_str().unwrap()).expect(200);
        }
    }
}

/// A stream that is told again: events pass whole, whatever they say, and a provider that breaks off is told apart.
#[test]
fn a_stream_is_told_again() {
    let [created, delta, _] = events("resp_1");
    let odd = "event: odd\ndata: not even JSON\n\n";
    for (reply, want, end) in [
        (Reply::sse().chunk(&created).chunk(odd).end(), format!("{created}{odd}"), None),
        (Reply::sse().end(), String::new(), None),
        (Reply::sse().chunk(&created).chunk("data: cut").close(), created.clone(), Some("upstream_error")),
        (
            Reply::sse().chunk(&delta).chunk("data: ".to_owned() + &"x".repeat(9000)).end(),
            delta.clone(),
            Some("upstream_error"),
        ),
    ] {
        let sent = reply.clone();
        let mock = Mock::start(move |request| {
            if request.method == "GET" { sent.clone() } else { Reply::json(200, &response("resp_1")) }
        });
        let gateway = Gateway::start(settings(&mock, &mock).set("server", "max_event_bytes", "8192"));
        let token = rich(&gateway);
        ask(&gateway, &token, "r-1", &json!({})).expect(200);
        let again = follow(&gateway, &token, "GET", "resp_1?stream=true").expect(200);
        assert!(again.clean && again.text().starts_with(&want), "{reply:?}: {}", again.text());
        let rest = &again.text()[want.len()..];
        match end {
            None => assert_eq!(rest, ""),
            Some(code) => assert!(rest.starts_with("event: error\ndata: ") && rest.contains(code), "{rest}"),
        }
        assert_eq!(gateway.last_entry(&token)["outcome"], "ok");
    }
}

/// A client that leaves ends a stream that is told again; one that deletes has deleted.
#[test]
fn a_client_that_leaves() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request| match request.method.as_str() {
        "GET" => Reply::sse().chunk(events("resp_1")[0].clone()).hang(),
        "DELETE" => Reply::json(200, &json!({"deleted": true})).behind(&shut),
        _ => Reply::json(200, &response("resp_1")),
    });
    let gateway = Gateway::start(settings(&mock, &mock));
    let token = gateway.create(json!({"remain_credits": 2000, "max_concurrency": 1}));
    ask(&gateway, &token, "r-1", &json!({})).expect(200);
    let reading = Request::get("/v1/responses/resp_1?stream=true").bearer(&token.key);
    let mut again = gateway.open(&reading);
    assert!(matches!(again.piece(), Piece::Data(_)));
    follow(&gateway, &token, "GET", "resp_1").refuses(429, "concurrency_limit_exceeded");
    drop(again);
    eventually("the provider is hung up on", SOON, || (mock.hang_ups() == 1).then_some(()));
    let mut deleting = gateway.connect();
    deleting.send(&Request::new("DELETE", "/v1/responses/resp_1").bearer(&token.key).bytes());
    mock.wait_for(3);
    drop(deleting);
    gate.open();
    eventually("it is forgotten", SOON, || (rows(&gateway) == 0).then_some(()));
}

/// Only the channel that made a response goes on from it: for a model of another, or of one of another dialect, there is none.
#[test]
fn other_channels_go_on_from_no_response() {
    let (one, two) = (provider("resp_0"), provider("resp_x"));
    let three = "[[channels]]\nname = \"three\"\nprovider = \"anthropic\"\nbase_url = \"http://127.0.0.1:9\"
        api_keys = [\"env:PROVIDER_KEY_ONE\"]\nmodels = [\"c-1\"]";
    let gateway = Gateway::start(settings(&one, &two).append(three));
    let token = gateway.create(json!({"remain_credits": 10}));
    ask(&gateway, &token, "r-1", &json!({})).expect(200);
    // Of another channel, and of one of another dialect.
    for model in ["s-1", "c-1"] {
        let refused = ask(&gateway, &token, model, &json!({"previous_response_id": "resp_0"}))
            .refuses(400, "invalid_parameter");
        assert_eq!(refused.json()["error"]["param"], "previous_response_id");
        assert!(refused.message().contains(model), "{}", refused.message());
    }
    ask(&gateway, &token, "nowhere", &json!({"previous_response_id": "resp_0"}))
        .refuses(404, "model_not_found");
    assert_eq!((one.count(), two.count()), (1, 0));
}

/// What a new response goes on from is input that is not seen: held at the model's maximum, charged as used.
#[test]
fn a_response_goes_on_from_another() {
    let gate = Gate::new();
    let shut = gate.clone();
    let one = Mock::start(move |request| {
        let reply = answer(&format!("resp_{}", request.number), request);
        if request.number == 1 { reply.behind(&shut) } else { reply }
    });
    let two = provider("resp_x");
    // Later the second channel serves the models of the first as well, and comes first.
    let swapped = Settings::demo()
        .channel("two", &two, "models = [\"r-*\", \"s-*\"]")
        .channel("one", &one, "models = [\"r-1\"]")
        .append(&prices());
    let mut gateway = Gateway::start(settings(&one, &two));
    // The first costs 10 × 1 + 5 × 5; the second is held at 1000 and 100 × 5.
    let token = gateway.create(json!({"remain_quota": 35 + 1500}));
    ask(&gateway, &token, "r-1", &json!({})).expect(200);
    let more = json!({"previous_response_id": "resp_0", "input": "x"});
    let short = gateway.create(json!({"remain_quota": 1499}));
    ask(&gateway, &short, "r-1", &more).refuses(400, "invalid_parameter");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&gateway, &token, "r-1", &more));
        one.wait_for(2);
        assert_eq!(gateway.held(&token), 1500);
        gate.open();
        slow.join().unwrap().expect(200);
    });
    assert_eq!(gateway.settled(&token), 70);
    let entry = gateway.last_entry(&token);
    assert_eq!(nanos(&entry["charged_usd"]), 10 * PRICES[0] + 5 * PRICES[1]);
    assert_eq!(nanos(&entry["held_usd"]), 1500 * QUOTA);
    assert_eq!(one.received()[1].json(), body("r-1", &more));
    // 1465 are left, and not enough.
    ask(&gateway, &token, "r-1", &json!({"previous_response_id": "resp_1", "max_output_tokens": null}))
        .expect(200);
    gateway.terminate();
    gateway.configure(swapped);
    gateway.restart();
    gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"unlimited_quota": true})).expect(200);
    let (first, second) = (one.count(), two.count());
    ask(&gateway, &token, "r-1", &json!({})).expect(200);
    assert_eq!((one.count(), two.count()), (first, second + 1));
    // Its own channel, wherever that stands; a stream, and what counts its input, too.
    ask(&gateway, &token, "r-1", &more).expect(200);
    ask(&gateway, &token, "r-1", &json!({"previous_response_id": "resp_0", "stream": true})).expect(200);
    let counting = json!({"model": "r-1", "previous_response_id": "resp_0"});
    gateway.post(&token.key, "/v1/responses/input_tokens", &counting).expect(200);
    assert_eq!((one.count(), two.count()), (first + 3, second + 1));
    // A model of that channel no more.
    ask(&gateway, &token, "r-2", &more).refuses(400, "invalid_parameter");
    gateway
        .post(
            &token.key,
            "/v1/responses/input_tokens",
            &json!({"model": "r-2", "previous_response_id": "resp_0"}),
        )
        .refuses(400, "invalid_parameter");
    assert_eq!((one.count(), two.count()), (first + 3, second + 1));
}

/// The lists, rates and places in flight of a token bind; its model is the client's own name of it.
#[test]
fn limits_bind() {
    let (one, two) = (provider("resp_1"), provider("resp_2"));
    let gateway = Gateway::start(settings(&one, &two));
    let token = gateway.create(json!({"remain_credits": 10, "rpm": 3}));
    ask(&gateway, &token, "r-mapped", &json!({})).expect(200);
    assert_eq!(one.received()[0].json()["model"], "inner");
    let path = format!("/v1/tokens/{}", token.id);
    let allow = |list: &str| {
        gateway.patch(&path, &json!({"model_limits_enabled": true, "model_limits": list})).expect(200);
    };
    allow("inner,s-*");
    let refused = follow(&gateway, &token, "GET", "resp_1").refuses(403, "model_not_allowed");
    assert!(refused.message().contains("r-mapped"), "{}", refused.message());
    allow("r-*");
    let answer = follow(&gateway, &token, "GET", "resp_1").expect(200);
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("1"));
    // What is refused before takes nothing of the rate.
    follow(&gateway, &token, "GET", "resp_9").refuses(404, "not_found");
    follow(&gateway, &token, "DELETE", "resp_1").expect(200);
    ask(&gateway, &token, "r-mapped", &json!({})).refuses(429, "rate_limit_exceeded");
    gateway.patch(&path, &json!({"rpm": 0})).expect(200);
    ask(&gateway, &token, "r-mapped", &json!({})).expect(200);
    gateway.patch(&path, &json!({"rpm": 1})).expect(200);
    let limited = follow(&gateway, &token, "GET", "resp_1").refuses(429, "rate_limit_exceeded");
    assert!(limited.header("retry-after").is_some());
    gateway.patch(&path, &json!({"allow_ips": "10.0.0.1", "rpm": 0})).expect(200);
    follow(&gateway, &token, "GET", "resp_1").refuses(403, "ip_not_allowed");
    gateway.patch(&path, &json!({"allow_ips": "", "status": 2})).expect(200);
    follow(&gateway, &token, "GET", "resp_1").refuses(401, "token_disabled");
    let manager = gateway.create(json!({"scopes": ["manage"]}));
    follow(&gateway, &manager, "GET", "resp_1").refuses(403, "scope_missing");
    gateway.send(&Request::get("/v1/responses/resp_1")).refuses(401, "missing_api_key");
    assert_eq!((rows(&gateway), one.count()), (1, 4));
    gateway.delete(&path).expect(200);
    assert_eq!(rows(&gateway), 0);
    follow(&gateway, &token, "GET", "resp_1").refuses(401, "invalid_api_key");
}

/// Too old, or of a channel that is gone or out of the token's reach: as if it had never been.
#[test]
fn what_is_gone_is_unknown() {
    let (one, two) = (provider("resp_1"), provider("resp_2"));
    let mut gateway =
        Gateway::start(settings(&one, &two).append("[[groups]]\nname = \"vip\"\nmultiplier = \"1\""));
    let token = rich(&gateway);
    ask(&gateway, &token, "r-1", &json!({})).expect(200);
    ask(&gateway, &token, "s-1", &json!({})).expect(200);
    let path = format!("/v1/tokens/{}", token.id);
    gateway.patch(&path, &json!({"group": "vip"})).expect(200);
    follow(&gateway, &token, "GET", "resp_1").refuses(404, "not_found");
    gateway.patch(&path, &json!({"cross_group_retry": true})).expect(200);
    follow(&gateway, &token, "GET", "resp_1").expect(200);
    gateway.patch(&path, &json!({"group": "", "cross_group_retry": false})).expect(200);

    gateway.terminate();
    // A day less than its life, and a minute more.
    let day = 24 * 3_600_000_i64;
    let age = "UPDATE responses SET made_at = made_at - ?1 WHERE id = ?2";
    database(&gateway).execute(age, (29 * day, "resp_1")).unwrap();
    database(&gateway).execute(age, (30 * day + 60_000, "resp_2")).unwrap();
    gateway.restart();
    follow(&gateway, &token, "GET", "resp_1").expect(200);
    follow(&gateway, &token, "GET", "resp_2").refuses(404, "not_found");
    ask(&gateway, &token, "s-1", &json!({"previous_response_id": "resp_2"}))
        .refuses(400, "invalid_parameter");

    gateway.terminate();
    // The models that it serves now do not matter to what it made.
    gateway.configure(Settings::demo().channel("one", &one, "models = [\"s-*\"]").append(&prices()));
    gateway.restart();
    follow(&gateway, &token, "GET", "resp_1").expect(200);
    gateway.terminate();
    gateway.configure(Settings::demo().channel("other", &one, "models = [\"r-*\"]").append(&prices()));
    gateway.restart();
    let seen = one.count();
    follow(&gateway, &token, "GET", "resp_1").refuses(404, "not_found");
    ask(&gateway, &token, "r-1", &json!({"previous_response_id": "resp_1"}))
        .refuses(400, "invalid_parameter");
    assert_eq!(one.count(), seen);
}

/// A provider's answer passes as it is, whatever its shape; what is none, and its own trouble, is 502.
#[test]
fn what_the_provider_says() {
    let failed = json!({"id": "resp_1", "object": "response", "status": "failed", "error": {"code": "x"}});
    let missing =
        json!({"error": {"message": "no such response", "type": "invalid_request_error", "code": null}});
    let raw = |head: &str| Reply::raw(format!("HTTP/1.1 {head}\r\n\r\n"));
    for (method, reply, status, told) in [
        ("GET", Reply::json(200, &failed), 200, Some(failed.to_string())),
        ("GET", Reply::json(200, &json!(["odd", 1.50])), 200, Some("[\"odd\",1.5]".to_owned())),
        ("GET", Reply::json(404, &missing), 404, Some(missing.to_string())),
        ("DELETE", Reply::json(404, &missing), 404, Some(missing.to_string())),
        ("DELETE", raw("204 No Content"), 204, Some(String::new())),
        ("DELETE", raw("200 OK\r\nContent-Length: 0"), 200, Some(String::new())),
        ("GET", raw("200 OK\r\nContent-Length: 0"), 502, None),
        ("GET", Reply::json(200, &missing), 502, None),
        ("DELETE", Reply::json(200, &missing), 502, None),
        ("GET", Reply::body(200, "text/html", "<html>no</html>"), 502, None),
        ("GET", raw("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0"), 502, None),
        ("GET", Reply::body(200, "application/json", "{\"id\":"), 502, None),
        ("GET", Reply::error(401, "bad_key"), 502, None),
        ("GET", Reply::error(500, "down"), 502, None),
        ("GET", raw("302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0"), 502, None),
        ("GET", Reply::error(429, "slow"), 429, None),
    ] {
        let sent = reply.clone();
        let mock = Mock::start(move |request| {
            if request.method == "POST" { Reply::json(200, &response("resp_1")) } else { sent.clone() }
        });
        let gateway = Gateway::start(settings(&mock, &mock));
        let token = rich(&gateway);
        ask(&gateway, &token, "r-1", &json!({})).expect(200);
        let answer = follow(&gateway, &token, method, "resp_1").expect(status);
        match told {
            Some(told) => assert_eq!(answer.text(), told, "{reply:?}"),
            None if status == 502 => assert_eq!(answer.code(), "upstream_error", "{reply:?}"),
            None => {}
        }
        let is_deleted = method == "DELETE" && (200..300).contains(&status);
        assert_eq!(rows(&gateway), i64::from(!is_deleted), "{reply:?}");
    }
}

#[test]
fn what_is_no_follow_up() {
    let (one, two) = (provider("resp_1"), provider("resp_2"));
    let gateway = Gateway::start(settings(&one, &two));
    let token = rich(&gateway);
    ask(&gateway, &token, "r-1", &json!({})).expect(200);
    for (method, rest, allow) in [
        ("POST", "resp_1", "GET, DELETE"),
        ("GET", "resp_1/cancel", "POST"),
        ("DELETE", "resp_1/input_items", "GET"),
        ("GET", "input_tokens", "POST"),
    ] {
        let refused = follow(&gateway, &token, method, rest).refuses(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some(allow), "{method} {rest}");
    }
    let cancel = |body: &[u8], kind: &str| {
        let request = Request::new("POST", "/v1/responses/resp_1/cancel").bearer(&token.key);
        gateway.send(&request.header("Content-Type", kind).body(body))
    };
    cancel(b"", "application/json").expect(200);
    cancel(b" { } ", "application/json").expect(200);
    cancel(b"{\"a\":1}", "application/json").refuses(400, "invalid_parameter");
    cancel(b"x", "text/plain").refuses(415, "unsupported_media_type");
    follow(&gateway, &token, "GET", "resp_1?model=r-2").refuses(400, "invalid_parameter");
    let background = ask(&gateway, &token, "r-1", &json!({"background": true}));
    background.refuses(400, "invalid_parameter");
    assert_eq!(one.received()[2].body.len(), 0);
    assert_eq!(one.count(), 3);
}

/// The store cannot record for a while: the answer was paid for and passes, and what is remembered of it follows.
#[test]
fn a_store_that_cannot_record() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request| {
        let reply = answer("resp_1", request);
        if request.number == 0 { reply.behind(&shut) } else { reply }
    });
    let gateway = Gateway::start(settings(&mock, &mock));
    let token = rich(&gateway);
    let request = Request::post(ROUTE, &body("r-1", &json!({"stream": true}))).bearer(&token.key);
    let (foreign, has_begun) = (database(&gateway), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut begun = gateway.open(&request);
            let first = begun.data();
            has_begun.store(true, Ordering::SeqCst);
            (first, begun.finish())
        });
        mock.wait_for(1);
        foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
        gate.open();
        // Time enough for an event that does not wait.
        for _ in 0..20 {
            gateway.get(&token.key, "/v1/models").expect(200);
        }
        assert!(!has_begun.load(Ordering::SeqCst), "an id was told before it was on disk");
        // It waits as long as a client may, and then passes.
        let log = "which channel made its response is not recorded";
        eventually("it passes", SOON, || gateway.log_shows(log).then_some(()));
        foreign.execute_batch("ROLLBACK").unwrap();
        let (first, rest) = asking.join().unwrap();
        assert_eq!((first + "\n\n" + &rest.text(), rest.clean), (events("resp_1").concat(), true));
    });
    eventually("it is remembered", SOON, || (rows(&gateway) == 1).then_some(()));
    follow(&gateway, &token, "GET", "resp_1").expect(200);
    assert_eq!(gateway.last_entry(&token)["outcome"], "ok");
}

/// All of it with the built-in model, which stores its last few in memory.
#[test]
fn demo_stores_responses() {
    let mut gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 10}));
    let first = ask(&gateway, &token, "demo", &json!({"input": "Hi"})).expect(200).json();
    let id = first["id"].as_str().unwrap();
    assert_eq!(follow(&gateway, &token, "GET", id).expect(200).json(), first);
    let again = follow(&gateway, &token, "GET", &format!("{id}?stream=true")).expect(200).text();
    assert!(again.starts_with("event: response.created\n") && again.contains("event: response.completed\n"));
    let items = follow(&gateway, &token, "GET", &format!("{id}/input_items")).expect(200).json();
    assert_eq!(items["data"][0]["content"], json!([{"type": "input_text", "text": "Hi"}]));
    let more = json!({"input": "And?", "previous_response_id": id, "max_output_tokens": 4});
    let next = ask(&gateway, &token, "demo", &more).expect(200);
    // All of the first, two units of input and four of output, at 0.5 and 1.5 dollars a million.
    let input = first["usage"]["total_tokens"].as_i64().unwrap() + 2;
    assert_eq!(next.json()["usage"]["input_tokens"], input);
    assert_eq!(nanos(&json!(next.header("x-tollgate-cost-usd").unwrap())), input * 500 + 4 * 1_500);
    follow(&gateway, &token, "POST", &format!("{id}/cancel")).expect(400);
    let other = gateway.create(json!({"remain_credits": 10}));
    follow(&gateway, &other, "GET", id).refuses(404, "not_found");
    assert_eq!(follow(&gateway, &token, "DELETE", id).expect(200).json()["deleted"], true);
    follow(&gateway, &token, "GET", id).refuses(404, "not_found");
    // What the demo forgets at a stop its channel does not know any more, as any provider may not.
    gateway.terminate();
    gateway.restart();
    let next = next.json();
    let missing = follow(&gateway, &token, "GET", next["id"].as_str().unwrap()).expect(404);
    assert!(missing.message().contains("not found"), "{}", missing.message());
}

/// A provider that repeats the channel's key in what it says of a failure tells it nobody: not in the stream, not when that is read again.
#[test]
fn a_failed_stream_repeats_no_secret() {
    let mock = Mock::start(|request| {
        let key = request.header("authorization").unwrap().replace("Bearer ", "");
        let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed", "output": [],
            "error": {"code": "server_error", "message": format!("no such key: {key}")}}});
        let created = json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}});
        Reply::sse().event(&created.to_string()).event(&failed.to_string()).end()
    });
    let gateway = Gateway::start(settings(&mock, &provider("resp_x")));
    let token = rich(&gateway);
    for answer in [
        ask(&gateway, &token, "r-1", &json!({"stream": true})),
        follow(&gateway, &token, "GET", "resp_1?stream=true"),
    ] {
        let text = answer.expect(200).text();
        assert!(text.contains("no such key: ") && !text.contains(mock.key()), "{text}");
    }
}
