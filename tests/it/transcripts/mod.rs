//! What each dialect looks like on the wire, kept in `snapshots/`: what the client sent, what its provider received, what that
//! answered, what the client got. And what it cost: each shape of usage at the shipped prices, worked out by hand.

mod anthropic;
mod gemini;
mod media;
mod openai;
mod translation;

use std::fmt::Write as _;

use serde_json::json;

use crate::harness::{Gateway, Mock, Request, Response, Settings, nanos};
use crate::refusals::ROUTES;
use crate::snapshots::compare;

/// One exchange.
#[derive(Copy, Clone)]
struct Case {
    name: &'static str,
    target: &'static str,
    /// Headers of the client, beside its key.
    headers: &'static [(&'static str, &'static str)],
    /// The body, to the byte.
    body: &'static str,
    /// The type and the pieces of the provider's answer. More than one piece: a stream.
    reply: (&'static str, &'static [&'static str]),
    /// Units of each kind of usage, and what one costs in nanodollars: a thousand times the price of a million in dollars.
    /// `None` where nothing is charged at all.
    cost: Option<&'static [(i64, i64)]>,
}

/// What clients send beside their request, of which a part passes.
const SENT: &[(&str, &str)] = &[
    ("accept", "application/json"),
    ("cookie", "c=1"),
    ("openai-organization", "org-client"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("user-agent", "Client/1.0"),
    ("x-api-version", "9"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-stainless-lang", "python"),
];

/// What providers send beside their answer, of which a part passes.
const ANSWERED: &str = "openai-organization: org-channel\r\nopenai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\nserver: mock\r\n\
    set-cookie: c=2\r\nx-request-id: req_of_the_provider\r\nx-ratelimit-limit-requests: 1\r\n";

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// The provider's answer, as it stands on the wire.
fn reply(case: &Case) -> crate::harness::Reply {
    let (kind, pieces) = case.reply;
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{ANSWERED}transfer-encoding: chunked\r\n\r\n");
    let head = crate::harness::Reply::raw(head);
    pieces.iter().fold(head, |reply, piece| reply.chunk(piece)).end()
}

/// Runs the cases one after the other against one provider, compares what passed, and checks what was charged.
///
/// `more` are lines of its channel, its models among them.
fn transcribe(file: &str, provider: &str, more: &str, cases: &'static [Case]) {
    let mock = Mock::start(move |request| reply(&cases[request.number]));
    let base = if provider == "openai" { "/v1" } else { "" };
    let channel = format!(
        "[[channels]]\nname = \"{provider}\"\nprovider = \"{provider}\"\nbase_url = \"http://{}{base}\"\napi_keys = [\"env:KEY\"]\n\
         {more}\nheaders = {{ X-Of-The-Channel = \"yes\" }}\n",
        mock.address()
    );
    let gateway = Gateway::start(Settings::demo().env("KEY", mock.key()).append(&channel));
    let token = gateway.create(json!({"unlimited_quota": true}));
    let mut page = String::new();
    for (number, case) in cases.iter().enumerate() {
        let is_json = case.body.starts_with('{');
        let kind = if is_json { JSON } else { "multipart/form-data; boundary=b" };
        let sent = SENT.iter().chain(case.headers).fold(
            Request::new("POST", case.target).header("content-type", kind).body(case.body.as_bytes()),
            |request, (name, value)| request.header(name, value),
        );
        let answer = gateway.send(&sent.bearer(&token.key));
        let got = &mock.received()[number];
        let secret = |text: &str| text.replace(mock.key(), "<the channel's key>");
        let mut heads: Vec<_> = got.headers.iter().filter(|(name, _)| name != "host").collect();
        heads.sort();
        writeln!(page, "# {}\n\n> POST {}\n> {}\n", case.name, case.target, case.body).unwrap();
        writeln!(page, ">> {} {}", got.method, got.target).unwrap();
        for (name, value) in heads {
            writeln!(page, ">> {name}: {}", secret(&unnamed(value, &answer))).unwrap();
        }
        writeln!(page, ">> {}\n", String::from_utf8_lossy(&got.body)).unwrap();
        record(&mut page, case, &answer);
        let id = answer.header("x-request-id").unwrap();
        let rows = gateway.ledger(&format!("request_id={id}"));
        let cost = case.cost.map(|kinds| kinds.iter().map(|(units, price)| units * price).sum::<i64>());
        assert_eq!(rows.first().map(|row| nanos(&row["charged_usd"])), cost, "{}: {rows:?}", case.name);
        if let Some(row) = rows.first() {
            let source = row["usage_source"].as_str().unwrap();
            let kinds = row["usage"].as_object().unwrap().iter().filter(|(_, count)| **count != 0);
            let kinds: Vec<_> = kinds.map(|(kind, count)| format!("{count} {kind}")).collect();
            let charged = nanos(&row["charged_usd"]);
            writeln!(page, "$ {charged} nanodollars; {source}: {}\n", kinds.join(", ")).unwrap();
        }
    }
    compare(file, &page);
}

/// No route is without a transcript.
#[test]
fn every_route_has_one() {
    let cases = [anthropic::CASES, gemini::CASES, media::CASES, openai::CASES].concat();
    for route in ROUTES {
        let (before, after) = route.pattern.split_once("{id}").unwrap_or((route.pattern, ""));
        // Gemini's two prefixes lead to the same.
        let before =
            before.strip_prefix("/v1/models/").map_or(before.to_owned(), |_| "/v1beta/models/".to_owned());
        let is_told = cases.iter().any(|case| {
            let path = case.target.split('?').next().unwrap().replace("/v1/models/", "/v1beta/models/");
            path.strip_prefix(&before)
                .is_some_and(|rest| rest.ends_with(after) && (!after.is_empty() || rest.is_empty()))
        });
        assert!(is_told, "{}", route.pattern);
    }
}

/// A text without the request's id, and without when it was answered.
fn unnamed(text: &str, answer: &Response) -> String {
    let text = text.replace(answer.header("x-request-id").unwrap(), "<id>");
    let mut pieces = text.split("\"created");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(':').unwrap_or((piece, ""));
        let behind = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let is_time = rest.len() - behind.len() == 10;
        plain +=
            &format!("\"created{name}:{}", if is_time { format!("<time>{behind}") } else { rest.to_owned() });
    }
    plain
}

fn record(page: &mut String, case: &Case, answer: &Response) {
    for piece in case.reply.1 {
        piece.lines().for_each(|line| writeln!(page, "<< {line}").unwrap());
    }
    writeln!(page, "\n< {}", answer.status).unwrap();
    let mut heads: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").collect();
    heads.sort();
    for (name, value) in heads {
        writeln!(page, "< {name}: {}", unnamed(value, answer)).unwrap();
    }
    unnamed(&answer.text(), answer).lines().for_each(|line| writeln!(page, "< {line}").unwrap());
    page.push('\n');
}
