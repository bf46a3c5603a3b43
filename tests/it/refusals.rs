//! Every refusal on every route that reaches a provider, in the dialect of that route: one row of the contract's table after the
//! other, kept in `snapshots/refusals.txt`; of what follows up a stored response, in `snapshots/refusals_stored.txt`. Routes that
//! answer alike stand together.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::harness::{
    Gate, Gateway, Mock, Received, Reply, Request, Response, SOON, Settings, at_once, chat, delta,
    eventually, now, unique,
};
use crate::snapshots::{compare, masked};

/// A route, and the least body that it takes for a model.
pub struct Route {
    method: &'static str,
    /// Its path; `{id}` stands for the model.
    pub pattern: &'static str,
    body: Body,
}

/// How a body is made.
enum Body {
    Json(fn(&str) -> Value),
    /// The parts before that of the model.
    Parts(&'static str),
}

const fn post(pattern: &'static str, body: fn(&str) -> Value) -> Route {
    Route { method: "POST", pattern, body: Body::Json(body) }
}

const fn post_parts(pattern: &'static str, parts: &'static str) -> Route {
    Route { method: "POST", pattern, body: Body::Parts(parts) }
}

const PICTURE: &str = "--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nPNG\r\n\
    --b\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\nhi\r\n";
const SOUND: &str = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nMP3\r\n";

/// All routes that reach a provider.
pub const ROUTES: &[Route] = &[
    post("/v1/chat/completions", spoken),
    post("/v1/completions", |model| json!({"model": model, "max_tokens": 16, "prompt": "hi"})),
    post("/v1/responses", |model| json!({"model": model, "max_output_tokens": 16, "input": "hi"})),
    post("/v1/responses/input_tokens", |model| json!({"model": model, "input": "hi"})),
    post("/v1/embeddings", |model| json!({"model": model, "input": "hi"})),
    post("/v1/moderations", |model| json!({"model": model, "input": "hi"})),
    post("/v1/rerank", |model| json!({"model": model, "query": "hi", "documents": ["a"]})),
    post("/v1/audio/speech", |model| json!({"model": model, "input": "hi", "voice": "alloy"})),
    post("/v1/images/generations", |model| json!({"model": model, "prompt": "hi"})),
    post_parts("/v1/images/edits", PICTURE),
    post_parts("/v1/audio/transcriptions", SOUND),
    post_parts("/v1/audio/translations", SOUND),
    post("/v1/messages", spoken),
    post("/v1/messages/count_tokens", |model| json!({"model": model, "messages": said()})),
    post("/v1beta/models/{id}:generateContent", generated),
    post("/v1beta/models/{id}:streamGenerateContent", generated),
    post("/v1beta/models/{id}:countTokens", |_| json!({"contents": contents()})),
    post("/v1beta/models/{id}:embedContent", |_| json!({"content": contents()[0]})),
    post("/v1beta/models/{id}:batchEmbedContents", embedded),
    post("/v1/models/{id}:generateContent", generated),
    post("/v1/models/{id}:streamGenerateContent", generated),
    post("/v1/models/{id}:countTokens", |_| json!({"contents": contents()})),
    post("/v1/models/{id}:embedContent", |_| json!({"content": contents()[0]})),
    post("/v1/models/{id}:batchEmbedContents", embedded),
];

/// What follows up a stored response: it reaches a provider, and has no body.
const FOLLOW_UPS: &[(&str, &str)] = &[
    ("GET", "/v1/responses/{id}"),
    ("DELETE", "/v1/responses/{id}"),
    ("POST", "/v1/responses/{id}/cancel"),
    ("GET", "/v1/responses/{id}/input_items"),
];

/// Those that only list models.
const LISTINGS: &[&str] = &["/v1/models", "/v1/models/{id}", "/v1beta/models", "/v1beta/models/{id}"];

fn said() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

fn spoken(model: &str) -> Value {
    json!({"model": model, "max_tokens": 16, "messages": said()})
}

fn contents() -> Value {
    json!([{"role": "user", "parts": [{"text": "hi"}]}])
}

fn generated(_: &str) -> Value {
    json!({"contents": contents(), "generationConfig": {"maxOutputTokens": 16}})
}

fn embedded(model: &str) -> Value {
    json!({"requests": [{"model": format!("models/{model}"), "content": contents()[0]}]})
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.pattern)
    }

    fn path(&self, model: &str) -> String {
        self.pattern.replace("{id}", model)
    }

    /// The body's type and text, for `model`.
    fn body(&self, model: &str) -> (&'static str, String) {
        match self.body {
            Body::Json(body) => ("application/json", body(model).to_string()),
            Body::Parts(parts) => {
                let model = format!(
                    "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--b--\r\n"
                );
                ("multipart/form-data; boundary=b", parts.to_owned() + &model)
            }
        }
    }

    fn request(&self, model: &str) -> Request {
        self.request_at(self.method, &self.path(model), model)
    }

    fn request_at(&self, method: &str, target: &str, model: &str) -> Request {
        let (kind, body) = self.body(model);
        Request::new(method, target).header("Content-Type", kind).body(body.as_bytes())
    }

    /// A request with this text as its body.
    fn text(&self, text: &str) -> Request {
        let (kind, _) = self.body("m-out");
        Request::new(self.method, &self.path("m-out")).header("Content-Type", kind).body(text.as_bytes())
    }
}

/// The provider, whose faults are named by the models.
fn provider(request: &Received) -> Reply {
    let asked = format!("{} {}", request.target, String::from_utf8_lossy(&request.body));
    let named = |model: &str| asked.contains(model);
    for status in [301, 400, 401, 402, 403, 404, 407, 418, 429, 500, 503, 529] {
        if named(&format!("m-{status}")) {
            return Reply::error(status, "says_no");
        }
    }
    let zipped = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}";
    match () {
        () if named("m-broke") => Reply::error(429, "insufficient_quota"),
        () if named("m-error") => Reply::json(200, &json!({"error": {"message": "no", "code": "no"}})),
        () if named("m-page") => Reply::body(200, "text/html", "<html></html>"),
        () if named("m-empty") => Reply::body(200, "application/json", ""),
        () if named("m-null") => Reply::body(200, "application/json", "null"),
        () if named("m-gzip") => Reply::raw(zipped),
        () if named("m-cut") => Reply::raw(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"a\"",
        )
        .close(),
        () if named("m-mute") => Reply::default().close(),
        () if named("m-late") => Reply::default().hang(),
        () => Reply::completion(0, 16),
    }
}

const FAULTS: &[(&str, &str)] = &[
    ("m-301", "the provider redirects"),
    ("m-400", "the provider's own 400"),
    ("m-401", "the provider does not know the channel's key"),
    ("m-402", "the provider's account is empty"),
    ("m-403", "the provider forbids"),
    ("m-404", "the provider's own 404"),
    ("m-407", "a proxy wants a password"),
    ("m-418", "the provider's own 418"),
    ("m-429", "the provider's own 429"),
    ("m-500", "the provider fails"),
    ("m-503", "the provider is not available"),
    ("m-529", "the provider is overloaded"),
    ("m-broke", "the provider's 429 for its account"),
    ("m-error", "an error under a 200"),
    ("m-page", "a page under a 200"),
    ("m-empty", "nothing under a 200"),
    ("m-null", "null under a 200"),
    ("m-gzip", "a compressed answer"),
    ("m-cut", "an answer cut short"),
    ("m-mute", "no answer"),
    ("m-late", "the provider is too slow"),
    ("gone", "no connection"),
];

/// A channel of each provider for `m-*`, and one of each that nobody answers.
fn settings(mock: &Mock, timeouts: &str) -> Settings {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = Settings::demo().env("KEY", mock.key()).set("server", "max_body_bytes", "2000").set(
        "server",
        "timeouts",
        "{ header = 30, body = 1, write = 30 }",
    );
    for provider in ["openai", "anthropic", "gemini"] {
        let base = if provider == "openai" { "/v1" } else { "" };
        for (name, address, models) in
            [("here", mock.address(), "\"m-*\", \"dull\""), ("gone", gone, "\"gone\"")]
        {
            settings = settings.append(&format!(
                "[[channels]]\nname = \"{provider}-{name}\"\nprovider = \"{provider}\"\nbase_url = \"http://{address}{base}\"\n\
                 api_keys = [\"env:KEY\"]\nmodels = [{models}]\n{timeouts}\n"
            ));
        }
    }
    // What burns a budget to its last unit has no input that costs.
    let settings = settings.price("m-burn", "0", "2");
    ["m-*", "gone"].into_iter().fold(settings, |settings, model| {
        settings.append(&format!(
            "[[prices]]\nmodel = \"{model}\"\ninput = 2\noutput = 2\nmax_input_tokens = 128000\nmax_output_tokens = 16384\n\
             per_million_characters = 1\n"
        ))
    })
}

/// An answer as it is kept: its status, what of its head matters, and its body; of one that is no refusal the status alone.
fn shown(answer: &Response) -> String {
    let mut text = answer.status.to_string();
    if answer.status < 300 {
        return text;
    }
    for name in ["retry-after", "x-should-retry", "allow", "www-authenticate"] {
        if let Some(value) = answer.header(name) {
            let value = if name == "retry-after" && value != "1" { "<seconds>" } else { value };
            write!(text, " {name}: {value}").unwrap();
        }
    }
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    let id = answer.header("x-request-id").expect("an id");
    write!(text, "\n{}", masked(&answer.text().replace(id, "<id>"))).unwrap();
    text
}

/// Adds a row: what each route answers, those together that answer alike.
fn row(page: &mut String, name: &str, ask: impl Fn(&Route) -> Response + Sync) {
    let answers = at_once(ROUTES.len(), |number| shown(&ask(&ROUTES[number])));
    let names: Vec<_> = ROUTES.iter().map(Route::name).collect();
    tell(page, name, &names, &answers);
}

/// Tells what each of these routes answers.
fn tell(page: &mut String, name: &str, routes: &[String], answers: &[String]) {
    writeln!(page, "# {name}").unwrap();
    let mut told = BTreeSet::new();
    for answer in answers {
        if !told.insert(answer) {
            continue;
        }
        for (route, _) in routes.iter().zip(answers).filter(|(_, other)| *other == answer) {
            writeln!(page, "{route}").unwrap();
        }
        writeln!(page, "{answer}\n").unwrap();
    }
}

/// Adds a row: what each follow-up on the response `id` answers, made into a request by `ask`.
fn follow_ups(page: &mut String, name: &str, id: &str, ask: impl Fn(Request) -> Response) {
    let name_of = |(method, pattern): &(&str, &str)| format!("{method} {pattern}");
    let names: Vec<_> = FOLLOW_UPS.iter().map(name_of).collect();
    let request = |(method, pattern): &(&str, &str)| Request::new(method, &pattern.replace("{id}", id));
    let answers: Vec<_> = FOLLOW_UPS.iter().map(|route| shown(&ask(request(route)))).collect();
    tell(page, name, &names, &answers);
}

#[test]
fn every_route_is_here() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/endpoints.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let table = source.split("#[cfg(test)]").next().unwrap();
    let written: BTreeSet<_> = table
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with("/v1") && !text.contains('?'))
        .collect();
    let known = ROUTES.iter().map(|route| route.pattern).chain(LISTINGS.iter().copied());
    let known: BTreeSet<_> = known.chain(FOLLOW_UPS.iter().map(|(_, pattern)| *pattern)).collect();
    assert_eq!(known, written, "ROUTES, FOLLOW_UPS and LISTINGS name the table's routes");
}

fn refused_by_key(gateway: &Gateway, page: &mut String) {
    row(page, "no key", |route| gateway.send(&route.request("m-out")));
    row(page, "an unknown key", |route| {
        gateway.send(&route.request("m-out").bearer(&format!("sk-{}", "0".repeat(48))))
    });
    row(page, "two keys", |route| {
        let request = route.request("m-out").bearer(gateway.admin());
        gateway.send(&request.header("x-api-key", &format!("sk-{}", unique())))
    });
    for (name, mut fields) in [
        ("a disabled token", json!({})),
        ("an expired token", json!({"expired_time": now() + 2})),
        ("another address", json!({"allow_ips": "10.0.0.1"})),
        ("another scope", json!({"scopes": ["manage"]})),
    ] {
        fields["remain_quota"] = json!(1000);
        let token = gateway.create(fields);
        if name == "a disabled token" {
            gateway.patch(&format!("/v1/tokens/{}", token.id), &json!({"status": 2})).expect(200);
        }
        if name == "an expired token" {
            eventually("it expires", SOON, || {
                (gateway.get(&token.key, "/v1/models").status == 401).then_some(())
            });
        }
        row(page, name, |route| gateway.send(&route.request("m-out").bearer(&token.key)));
    }
}

fn refused_by_request(gateway: &Gateway, page: &mut String) {
    let token = gateway.create(
        json!({"remain_credits": 100, "model_limits_enabled": true, "model_limits": "m-*,gone,dull,nowhere"}),
    );
    let send = |request: Request| gateway.send(&request.bearer(&token.key));
    row(page, "another method", |route| send(route.request_at("PUT", &route.path("m-out"), "m-out")));
    row(page, "malformed JSON", |route| send(route.text("{\"a\"")));
    row(page, "no object", |route| send(route.text("[]")));
    row(page, "a key twice", |route| send(route.text("{\"model\":\"m-out\",\"model\":\"m-out\"}")));
    row(page, "nothing in the body", |route| send(route.text("{}")));
    row(page, "a model in the query", |route| {
        let target = format!("{}?model=m-out", route.path("m-out"));
        send(route.request_at(route.method, &target, "m-out"))
    });
    row(page, "another type of body", |route| {
        send(
            Request::new(route.method, &route.path("m-out")).header("Content-Type", "text/plain").body(b"{}"),
        )
    });
    row(page, "a compressed body", |route| send(route.request("m-out").header("Content-Encoding", "gzip")));
    row(page, "a body too large", |route| send(route.text(&" ".repeat(2_001))));
    row(page, "a body too slow", |route| {
        let mut connection = gateway.connect();
        let (path, key) = (route.path("m-out"), &token.key);
        let head = format!(
            "{} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 9\r\n\r\n{{",
            route.method
        );
        connection.send(head.as_bytes());
        connection.answer().unwrap().finish()
    });
    for (name, model) in [
        ("a model not allowed", "other"),
        ("a model nobody serves", "nowhere"),
        ("a model without a price", "dull"),
    ] {
        row(page, name, |route| send(route.request(model)));
    }
    for (model, name) in FAULTS {
        row(page, name, |route| send(route.request(model)));
    }
}

/// Free routes need no money, but the rates bind them.
fn refused_by_limits(gateway: &Gateway, page: &mut String) {
    let body = chat("m-burn", &json!({"max_tokens": 16}));
    for (name, fields) in [
        ("the total is spent", json!({"remain_quota": 16})),
        ("the day's limit is spent", json!({"unlimited_quota": true, "daily_quota": 16})),
        ("the month's limit is spent", json!({"unlimited_quota": true, "monthly_quota": 16})),
        ("the requests of the minute are spent", json!({"unlimited_quota": true, "rpm": 1})),
    ] {
        let token = gateway.create(fields);
        gateway.chat(&token.key, &body).expect(200);
        gateway.settled(&token);
        row(page, name, |route| gateway.send(&route.request("m-out").bearer(&token.key)));
    }
}

/// One request too many at a time, of the token.
fn refused_by_concurrency(page: &mut String) {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::sse().event(&delta("x")).wait(&shut).event("[DONE]").end());
    let gateway = Gateway::start(settings(&mock, ""));
    let token = gateway.create(json!({"unlimited_quota": true, "max_concurrency": 1}));
    let streamed = chat("m-out", &json!({"stream": true}));
    let busy = gateway.open(&Request::post("/v1/chat/completions", &streamed).bearer(&token.key));
    row(page, "as many requests as the token may have at a time", |route| {
        gateway.send(&route.request("m-out").bearer(&token.key))
    });
    gate.open();
    assert!(busy.finish().clean);
}

#[test]
fn refusals() {
    let mock = Mock::start(provider);
    let gateway = Gateway::start(settings(&mock, "timeouts = { first_byte = 1, total = 1 }"));
    let mut page = String::new();
    refused_by_key(&gateway, &mut page);
    refused_by_request(&gateway, &mut page);
    refused_by_limits(&gateway, &mut page);
    refused_by_concurrency(&mut page);
    compare("refusals.txt", &page);
}

/// A provider that stores a response under the id that its `metadata` asks for.
fn storing_provider(request: &Received) -> Reply {
    let asked = request.json()["metadata"]["id"].clone();
    match asked.as_str() {
        Some(id) => Reply::json(
            200,
            &json!({"id": id, "object": "response", "output": [], "usage": {"input_tokens": 0, "output_tokens": 1}}),
        ),
        None => provider(request),
    }
}

/// A response that `key` has, under this id.
fn store(gateway: &Gateway, key: &str, id: &str) {
    let body = json!({"model": "m-out", "input": "hi", "max_output_tokens": 16, "metadata": {"id": id}});
    gateway.post(key, "/v1/responses", &body).expect(200);
}

#[test]
fn refusals_of_follow_ups() {
    let mock = Mock::start(storing_provider);
    let gateway = Gateway::start(settings(&mock, "timeouts = { first_byte = 1, total = 1 }"));
    let mut page = String::new();
    let token = gateway.create(json!({"remain_credits": 100}));
    let path = format!("/v1/tokens/{}", token.id);
    let patch = |fields: Value| {
        gateway.patch(&path, &fields).expect(200);
    };
    let send = |request: Request| gateway.send(&request.bearer(&token.key));
    store(&gateway, &token.key, "resp_1");
    follow_ups(&mut page, "no key", "resp_1", |request| gateway.send(&request));
    follow_ups(&mut page, "an unknown key", "resp_1", |request| {
        gateway.send(&request.bearer(&format!("sk-{}", "0".repeat(48))))
    });
    follow_ups(&mut page, "two keys", "resp_1", |request| {
        send(request.header("x-api-key", &format!("sk-{}", unique())))
    });
    for (name, wrong, right) in [
        ("a disabled token", json!({"status": 2}), json!({"status": 1})),
        ("another address", json!({"allow_ips": "10.0.0.1"}), json!({"allow_ips": ""})),
        (
            "a model not allowed",
            json!({"model_limits_enabled": true, "model_limits": "other"}),
            json!({"model_limits_enabled": false}),
        ),
    ] {
        patch(wrong);
        follow_ups(&mut page, name, "resp_1", send);
        patch(right);
    }
    let body =
        |request: Request, kind: &str, body: &[u8]| send(request.header("Content-Type", kind).body(body));
    follow_ups(&mut page, "a body", "resp_1", |request| body(request, "application/json", b"{\"a\":1}"));
    follow_ups(&mut page, "another type of body", "resp_1", |request| body(request, "text/plain", b"x"));
    follow_ups(&mut page, "a body too large", "resp_1", |request| {
        body(request, "application/json", " ".repeat(2_001).as_bytes())
    });
    follow_ups(&mut page, "a model in the query", "resp_1?model=m-out&x", send);
    follow_ups(&mut page, "a response that is not there", "resp_2", send);
    follow_ups(&mut page, "a response of another token", "resp_1", |request| {
        gateway.send(&request.bearer(gateway.admin()))
    });
    for (model, name) in FAULTS.iter().filter(|(model, _)| *model != "gone") {
        let id = format!("resp_{model}");
        store(&gateway, &token.key, &id);
        follow_ups(&mut page, name, &id, |request| {
            let answer = send(request);
            // One that was deleted is there for the next, too.
            store(&gateway, &token.key, &id);
            answer
        });
    }
    patch(json!({"rpm": 1}));
    send(Request::get("/v1/responses/resp_1")).expect(200);
    follow_ups(&mut page, "the requests of the minute are spent", "resp_1", send);
    compare("refusals_stored.txt", &page);
}
