//! `POST /v1/images/generations` and `/v1/images/edits`: by the image and by the token, as JSON and in parts, whole and streamed.

use serde_json::{Value, json};

use crate::harness::{
    Form, Gate, Gateway, Mock, PROMPT, Reply, Request, Response, Settings, Token, nanos, quota,
};

const MAKE: &str = "/v1/images/generations";
const EDIT: &str = "/v1/images/edits";

/// Units of the prompt at most: its bytes, and 16 for the message.
const PROMPT_UNITS: i64 = 27 + 16;

/// `i-each` costs by the image; a million of `i-token` costs 5 dollars of text, 10 seen and 40 made, an image seen at most 300.
fn settings(mock: &Mock) -> Settings {
    let channel = "models = [\"i-*\", \"m-1\", \"s-1\"]\nmodel_map = { i-alias = \"a/real name\" }";
    let prices = "[[prices]]\nmodel = \"i-each\"\nper_image = { \"1024x1024/hd\" = 0.08, default = 0.04 }
        [[prices]]\nmodel = \"i-token\"\ninput = 5\nimage_input = 10\nimage_output = 40\nimage_tokens = 300\nmax_input_tokens = 1000
        [[prices]]\nmodel = \"i-alias\"\nper_image = 0.01\n[[prices]]\nmodel = \"s-1\"\nper_million_characters = 1\n";
    Settings::demo().channel("mock", mock, channel).append(prices).price("m-1", "2", "2")
}

fn body(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "prompt": PROMPT});
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    body
}

fn small(model: &str, more: &Value) -> Value {
    let mut body = body(model, more);
    body["size"] = json!("1024x1024");
    body["quality"] = json!("low");
    body
}

fn pictures(count: usize, usage: &Value) -> Value {
    let mut answer = json!({"created": 1, "data": vec![json!({"b64_json": "iVBORw0KGgo="}); count]});
    if !usage.is_null() {
        answer["usage"] = usage.clone();
    }
    answer
}

fn usage(text: i64, seen: i64, made: i64) -> Value {
    json!({"input_tokens": text + seen, "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
        "output_tokens": made, "total_tokens": text + seen + made})
}

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_credits": 1000}))
}

fn means(cost: i64, outcome: &str, source: &str) -> (i64, String, String) {
    (cost, outcome.to_owned(), source.to_owned())
}

fn ask(gateway: &Gateway, token: &Token, body: &Value) -> Response {
    gateway.post(&token.key, MAKE, body)
}

/// What is held while the provider has not answered, in n$ rounded up to quota; and the answer.
fn held(reply: &Reply, request: &Request) -> (i64, i64, Gateway, Token) {
    let gate = Gate::new();
    let (shut, reply) = (gate.clone(), reply.clone());
    let mock = Mock::start(move |_| reply.clone().behind(&shut));
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let request = request.clone().bearer(&token.key);
    let held = std::thread::scope(|scope| {
        let asking = scope.spawn(|| gateway.send(&request).expect(200));
        mock.wait_for(1);
        let held = gateway.held(&token);
        gate.open();
        asking.join().unwrap();
        held
    });
    let cost = gateway.told(&token).0;
    (held, cost, gateway, token)
}

#[test]
fn images_are_held_and_charged_each() {
    for (more, images, hold, cost) in [
        (json!({"n": 3, "size": "1024x1024", "quality": "hd"}), 3, 240_000_000, 240_000_000),
        // Fewer came: those are charged.
        (json!({"n": 3, "size": "1024x1024", "quality": "hd"}), 1, 240_000_000, 80_000_000),
        (json!({"size": "512x512", "quality": "hd"}), 1, 40_000_000, 40_000_000),
        (json!({}), 1, 40_000_000, 40_000_000),
        // Left to the provider: the dearest it may come to.
        (json!({"quality": "auto"}), 1, 80_000_000, 80_000_000),
    ] {
        let reply = Reply::json(200, &pictures(images, &Value::Null));
        let (held, charged, gateway, token) = held(&reply, &Request::post(MAKE, &body("i-each", &more)));
        assert_eq!((held, charged), (quota(hold), cost), "{more}");
        let entry = gateway.last_entry(&token);
        assert_eq!(
            (&entry["usage"]["image_output"], &entry["usage_source"]),
            (&json!(images), &json!("provider"))
        );
    }
}

#[test]
fn images_by_the_token() {
    let text = PROMPT_UNITS * 5_000;
    for (request, usage, hold, cost) in [
        // 272 units each
        (
            Request::post(MAKE, &small("i-token", &json!({"n": 2}))),
            usage(9, 0, 544),
            text + 2 * 272 * 40_000,
            9 * 5_000 + 544 * 40_000,
        ),
        // Nothing said: the dearest size and quality.
        (
            Request::post(MAKE, &body("i-token", &json!({}))),
            usage(9, 0, 1_056),
            text + 23_719 * 40_000,
            9 * 5_000 + 1_056 * 40_000,
        ),
        // Two images and a mask, inside the body.
        (
            Request::post(
                EDIT,
                &small(
                    "i-token",
                    &json!({"images": [{"image_url": "data:,a"}, {"image_url": "data:,b"}], "mask": {"image_url": "data:,c"}}),
                ),
            ),
            usage(9, 800, 272),
            text + 900 * 10_000 + 272 * 40_000,
            9 * 5_000 + 800 * 10_000 + 272 * 40_000,
        ),
        // One that is only named: all that the model takes, at the dearest input.
        (
            Request::post(EDIT, &small("i-token", &json!({"images": [{"file_id": "file-1"}]}))),
            usage(9, 250, 272),
            1_000 * 10_000 + 272 * 40_000,
            9 * 5_000 + 250 * 10_000 + 272 * 40_000,
        ),
        (
            Form::new()
                .file("image", "a.png", b"\x89PNG\r\n--\r\n\0")
                .field("prompt", PROMPT)
                .field("size", "1536x1024")
                .field("quality", "medium")
                .field("model", "i-token")
                .post(EDIT),
            usage(9, 250, 1_568),
            // 32 × 48 × 3 572 864 / 4 000 000 = 1 372; the older models' table says 1 568
            text + 300 * 10_000 + 1_568 * 40_000,
            9 * 5_000 + 250 * 10_000 + 1_568 * 40_000,
        ),
    ] {
        let (held, charged, ..) = held(&Reply::json(200, &pictures(1, &usage)), &request);
        assert_eq!((held, charged), (quota(hold), cost), "{request:?}");
    }
}

/// What the client sent is what the provider got, and its cost is in the head.
#[test]
fn bodies_pass_as_they_came() {
    let mock = Mock::start(|_| Reply::json(200, &pictures(1, &usage(1, 2, 3))));
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let form = |model: &str| {
        let disposition = format!("Content-Disposition: form-data; name={}; filename*=utf-8''b", "mask");
        Form::new()
            .file("image[]", "é 1.png", b"\x00\xff\r\n\r\n--")
            .file("image[]", "2.png", b"")
            .part(&disposition, b"\r\n")
            .field("model", model)
            .field("n", "2")
            .part(
                "Content-Type: text/plain; charset=utf-8\r\ncontent-disposition: form-data; name=prompt",
                PROMPT.as_bytes(),
            )
            .field("output_format", "webp")
    };
    let answer = gateway.send(&form("i-token").post(EDIT).bearer(&token.key)).expect(200);
    // 5 000 + 2 × 10 000 + 3 × 40 000
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.000145"));
    assert_eq!(answer.json(), pictures(1, &usage(1, 2, 3)));
    gateway.send(&form("i-alias").post(EDIT).bearer(&token.key)).expect(200);
    let json = small("i-alias", &json!({"output_format": "webp"}));
    ask(&gateway, &token, &json).expect(200);
    let got = mock.received();
    assert_eq!((got[0].target.as_str(), &got[0].body), (EDIT, &form("i-token").bytes()));
    assert_eq!(got[1].body, form("a/real name").bytes());
    assert!(got[1].header("content-type").unwrap().starts_with("multipart/form-data; boundary=----form"));
    assert_eq!(got[2].target, MAKE);
    assert_eq!(got[2].json()["model"], "a/real name");
}

fn event(kind: &str, more: &Value) -> String {
    let mut event = json!({"type": kind, "b64_json": "iVBORw0KGgo=", "created_at": 1});
    more.as_object().unwrap().iter().for_each(|(name, value)| event[name] = value.clone());
    event.to_string()
}

#[test]
fn a_stream_of_previews() {
    let gate = Gate::new();
    let shut = gate.clone();
    let preview = event("image_generation.partial_image", &json!({"partial_image_index": 0}));
    let done = event("image_generation.completed", &json!({"usage": usage(9, 0, 472)}));
    let events = [preview.clone(), done.clone()];
    let mock = Mock::start(move |_| Reply::sse().event(&preview).wait(&shut).event(&done).end());
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let asked = small("i-token", &json!({"stream": true, "partial_images": 2}));
    let mut answer = gateway.open(&Request::post(MAKE, &asked).bearer(&token.key));
    assert!(answer.data().contains("partial_image"));
    // 272 units, and 100 for each preview.
    assert_eq!(gateway.held(&token), quota(PROMPT_UNITS * 5_000 + 472 * 40_000));
    gate.open();
    let rest = answer.finish().expect(200);
    assert_eq!((rest.events(), rest.clean), (vec![events[1].clone()], true));
    assert_eq!(gateway.told(&token), means(9 * 5_000 + 472 * 40_000, "ok", "provider"));
    assert_eq!(mock.received()[0].json(), asked);
}

#[test]
fn what_each_end_costs() {
    let preview = event("image_edit.partial_image", &json!({}));
    let done = event("image_edit.completed", &json!({}));
    let error = "{\"type\":\"error\",\"error\":{\"message\":\"no\"}}";
    // The floor: 27 bytes are 7 units, and 4 for the message.
    let floor = 11 * 5_000;
    let made = 272 * 40_000;
    let page = Reply::body(200, "text/html", "<html>");
    let cut = format!("{{\"data\":[{{\"b64_json\":\"{}", "A".repeat(100_000));
    for (model, reply, status, cost, outcome, source) in [
        // Nobody says: as many units as each was held at.
        ("i-token", Reply::json(200, &pictures(2, &Value::Null)), 200, floor + 2 * made, "ok", "estimated"),
        ("i-token", Reply::json(200, &pictures(1, &usage(-1, 0, 5))), 200, floor + made, "ok", "suspect"),
        ("i-token", Reply::json(200, &pictures(1, &usage(9, 0, 0))), 200, floor + made, "ok", "suspect"),
        ("i-token", Reply::json(200, &json!({"data": []})), 200, floor, "ok", "estimated"),
        ("i-token", Reply::json(200, &json!({})), 502, floor, "upstream_unknown", "estimated"),
        ("i-token", Reply::json(200, &json!({"error": {"message": "no"}})), 502, 0, "void", "none"),
        ("i-token", page.clone(), 502, 0, "void", "none"),
        ("i-token", Reply::error(400, "no"), 400, 0, "void", "none"),
        ("i-token", Reply::error(500, "no"), 502, 0, "void", "none"),
        ("i-token", Reply::default().close(), 502, floor, "upstream_unknown", "estimated"),
        // By the image nobody need say: those asked for, where it is not known what was made.
        ("i-each", Reply::json(200, &json!({"data": []})), 200, 40_000_000, "ok", "estimated"),
        ("i-each", Reply::json(200, &json!({"error": {"message": "no"}})), 502, 0, "void", "none"),
        ("i-each", Reply::default().close(), 502, 40_000_000, "upstream_unknown", "estimated"),
        // Streams.
        ("i-token", Reply::sse().event(&preview).event(&done).end(), 200, floor + made, "ok", "estimated"),
        ("i-each", Reply::sse().event(&preview).event(&done).end(), 200, 40_000_000, "ok", "provider"),
        (
            "i-token",
            Reply::sse().event(&preview).event(error).end(),
            200,
            floor + made,
            "upstream_error",
            "estimated",
        ),
        (
            "i-each",
            Reply::sse().event(&preview).event(error).end(),
            200,
            40_000_000,
            "upstream_error",
            "estimated",
        ),
        ("i-token", Reply::sse().event(error).end(), 502, 0, "void", "none"),
        // What a preview shows was made.
        ("i-token", Reply::sse().event(&preview).end(), 200, floor + made, "upstream_error", "estimated"),
        ("i-token", Reply::sse().event(&preview).close(), 200, floor + made, "upstream_error", "estimated"),
        // The bytes of an image are not counted as if they were text.
        ("i-token", Reply::body(200, "application/json", &cut), 502, floor, "upstream_unknown", "estimated"),
    ] {
        let sent = reply.clone();
        let mock = Mock::start(move |_| sent.clone());
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let form = Form::new().file("image", "a", b"").field("model", model).field("prompt", PROMPT);
        let form = form.field("quality", "low").field("size", "1024x1024").field("stream", "true");
        let answer = gateway.send(&form.post(EDIT).bearer(&token.key)).expect(status);
        assert_eq!(gateway.told(&token), means(cost, outcome, source), "{model} {reply:?}");
        if status == 200 && outcome != "ok" {
            assert!(answer.text().contains("upstream_error"), "{}", answer.text());
        }
    }
}

/// An answer is read to its end, also one in a stream: its last preview is nearly the image, and its provider bills it whole.
#[test]
fn a_client_that_leaves_pays() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |_| Reply::json(200, &pictures(1, &usage(9, 0, 200))).behind(&shut));
    let gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let mut connection = gateway.connect();
    connection.send(&Request::post(MAKE, &small("i-token", &json!({}))).bearer(&token.key).bytes());
    mock.wait_for(1);
    connection.reset();
    gate.open();
    assert_eq!(gateway.told(&token), means(9 * 5_000 + 200 * 40_000, "client_gone", "provider"));

    let preview = event("image_generation.partial_image", &json!({}));
    let done = event("image_generation.completed", &json!({"usage": usage(9, 0, 300)}));
    for (model, cost) in [("i-each", 40_000_000), ("i-token", 9 * 5_000 + 300 * 40_000)] {
        let gate = Gate::new();
        let (shut, preview, done) = (gate.clone(), preview.clone(), done.clone());
        let mock = Mock::start(move |_| Reply::sse().event(&preview).wait(&shut).event(&done).end());
        let gateway = Gateway::start(settings(&mock));
        let token = rich(&gateway);
        let asked = body(model, &json!({"stream": true, "partial_images": 1}));
        let mut answer = gateway.open(&Request::post(MAKE, &asked).bearer(&token.key));
        assert!(answer.data().contains("partial_image"));
        drop(answer);
        gate.open();
        let (charged, outcome, source) = gateway.told(&token);
        assert_eq!((charged, source.as_str()), (cost, "provider"), "{model}");
        assert!(outcome == "client_gone" || outcome == "ok", "{outcome}");
    }
}

/// What a killed gateway left open is charged as held.
#[test]
fn a_killed_gateway_charges_what_it_held() {
    let mock = Mock::start(|_| Reply::default().hang());
    let mut gateway = Gateway::start(settings(&mock));
    let token = rich(&gateway);
    let mut connection = gateway.connect();
    let form =
        Form::new().file("image", "a", b"").field("model", "i-each").field("prompt", PROMPT).field("n", "2");
    connection.send(&form.post(EDIT).bearer(&token.key).bytes());
    mock.wait_for(1);
    gateway.kill();
    gateway.restart();
    let entry = gateway.last_entry(&token);
    assert_eq!((&entry["outcome"], nanos(&entry["charged_usd"])), (&json!("recovered"), 80_000_000));
}

#[test]
fn refusals_reach_no_provider() {
    let mock = Mock::start(|_| Reply::json(200, &pictures(1, &Value::Null)));
    let gateway = Gateway::start(settings(&mock));
    let token = gateway.create(json!({"remain_quota": 19_999}));
    for (body, status, code) in [
        (json!({"model": "i-each"}), 400, "invalid_parameter"),
        (json!({"prompt": "a"}), 400, "invalid_parameter"),
        (body("i-each", &json!({"n": 11})), 400, "invalid_parameter"),
        (body("i-each", &json!({"n": 2, "stream": true})), 400, "invalid_parameter"),
        (body("i-each", &json!({"N": 1})), 400, "duplicate_field"),
        (body("s-1", &json!({})), 402, "model_not_priced"),
        (body("nowhere", &json!({})), 404, "model_not_found"),
        // 20 000 quota
        (body("i-each", &json!({})), 402, "insufficient_quota"),
    ] {
        let answer = ask(&gateway, &token, &body).refuses(status, code);
        assert!(
            code != "model_not_priced" || answer.message().contains("per_image = "),
            "{}",
            answer.message()
        );
    }
    let form = || Form::new().field("model", "i-each").field("prompt", "a");
    for (form, code) in [
        (form().field("model", "i-token"), "duplicate_field"),
        (form().field("Model", "i-token"), "duplicate_field"),
        (form().field("model[]", "i-token"), "duplicate_field"),
        (form().file("size", "f", b"1024x1024"), "invalid_multipart"),
        (form().part("Content-Disposition: form-data; name=\"a\\\"b\"", b""), "invalid_multipart"),
        (form().field("n", "1").field("extra", "------form-boundary-7MA4YWxk"), "invalid_multipart"),
        (form().field("n", "ten"), "invalid_parameter"),
    ] {
        gateway.send(&form.post(EDIT).bearer(&token.key)).refuses(400, code);
    }
    let other = form().post(MAKE).bearer(&token.key);
    gateway.send(&other).refuses(415, "unsupported_media_type");
    let none = Request::new("POST", EDIT).header("Content-Type", "multipart/form-data").body(&form().bytes());
    gateway.send(&none.bearer(&token.key)).refuses(400, "invalid_multipart");
    let text = json!({"model": "i-each", "messages": [], "max_tokens": 16});
    gateway.chat(&token.key, &text).refuses(402, "model_not_priced");
    assert_eq!((mock.count(), gateway.used(&token)), (0, 0));
}

#[test]
fn demo_draws() {
    let gateway = Gateway::start(Settings::demo());
    let token = rich(&gateway);
    // 3 units of prompt at 500 n$, 16 units of each picture at 1 500.
    let answer = ask(&gateway, &token, &json!({"model": "demo", "prompt": "A red fox", "n": 2})).expect(200);
    let picture = &answer.json()["data"][1]["b64_json"];
    assert!(picture.as_str().unwrap().starts_with("iVBORw0KGgo"), "{picture}");
    assert_eq!(gateway.told(&token), means(3 * 500 + 32 * 1_500, "ok", "provider"));
    let form = Form::new().file("image[]", "a.png", b"x").field("prompt", "A red fox").field("model", "demo");
    let form = form.field("stream", "true").field("partial_images", "1");
    let answer = gateway.send(&form.post(EDIT).bearer(&token.key)).expect(200);
    let text = answer.text();
    assert!(
        text.contains("event: image_edit.partial_image\n") && text.contains("event: image_edit.completed\n")
    );
    // 4 units of the image that is seen, 16 of the preview.
    assert_eq!(gateway.told(&token), means(3 * 500 + 4 * 500 + 32 * 1_500, "ok", "provider"));
}
