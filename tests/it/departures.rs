//! The matrix of departures: when a client goes, whether usage was seen by then, and whether it asked for a stream.
//! Whatever the case: one row, nothing held, a charge that is exact where the provider's figure came and bounded where
//! it did not.

use serde_json::{Value, json};

use crate::harness::{
    Exchange, Gate, Gateway, Mock, Piece, QUOTA, Received, Reply, Request, SETTLED, Settings,
};
use crate::harness::{chat, delta, eventually, nanos, usage_event};

/// When and how the client goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Moment {
    /// With a reset, before the provider has said a word.
    BeforeHead,
    /// With a reset, in the middle of the provider's answer.
    Middle,
    /// With a reset, when it has all.
    AfterLast,
    /// It says that it will send no more, in the middle.
    HalfClosed,
    /// It stays and reads nothing: no end of the connection is ever seen.
    Vanished,
}

/// Whether the provider's figure comes before the client is given up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Figure {
    Seen,
    NotSeen,
}

/// What the client asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Form {
    Stream,
    Plain,
}

type Case = (Moment, Figure, Form);

/// What the provider's figure comes to: more than is counted here, for the larger of both is charged.
const EXACT: i64 = 70;

fn cases() -> Vec<Case> {
    let moments =
        [Moment::BeforeHead, Moment::Middle, Moment::AfterLast, Moment::HalfClosed, Moment::Vanished];
    let figures = [Figure::Seen, Figure::NotSeen];
    let forms = [Form::Stream, Form::Plain];
    moments
        .into_iter()
        .flat_map(|moment| figures.map(|figure| (moment, figure)))
        .flat_map(|(moment, figure)| forms.map(|form| (moment, figure, form)))
        .collect()
}

/// More than all buffers between a provider and a client who does not read take.
fn flood(reply: Reply) -> Reply {
    let event = delta(&"x".repeat(1 << 20));
    (0..16).fold(reply, |reply, _| reply.event(&event))
}

/// What the provider does; where the client goes first, it goes on when `gone` opens.
fn script((moment, figure, form): Case, gone: &Gate) -> Reply {
    match form {
        Form::Stream => {
            let start =
                if moment == Moment::BeforeHead { Reply::default().wait(gone) } else { Reply::default() };
            let opened = start.sse_head().event(&delta("some words"));
            let opened = if moment == Moment::Vanished { flood(opened) } else { opened };
            let told = match figure {
                Figure::Seen => opened.event(&usage_event(30, 40)),
                Figure::NotSeen => opened,
            };
            match moment {
                Moment::AfterLast | Moment::Vanished => told.event("[DONE]").end(),
                Moment::BeforeHead if figure == Figure::Seen => told.event("[DONE]").end(),
                _ => told.hang(),
            }
        }
        Form::Plain => {
            let text = if moment == Moment::Vanished { "x".repeat(8 << 20) } else { "some words".to_owned() };
            let body = completion(figure, &text).to_string();
            let (first, rest) = body.split_at(body.len() / 2);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            match moment {
                Moment::BeforeHead => Reply::default().wait(gone).write(head).write(&body),
                Moment::Middle | Moment::HalfClosed => Reply::raw(head).write(first).wait(gone).write(rest),
                Moment::AfterLast | Moment::Vanished => Reply::raw(head).write(&body),
            }
        }
    }
}

fn completion(figure: Figure, text: &str) -> Value {
    let choice =
        json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    let mut body = json!({"id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": "mock", "choices": [choice]});
    if figure == Figure::Seen {
        body["usage"] = json!({"prompt_tokens": 30, "completion_tokens": 40, "total_tokens": EXACT});
    }
    body
}

/// Plays one departure against a provider that has answered `number` requests before.
fn depart(gateway: &Gateway, mock: &Mock, number: usize, case: Case, gone: &Gate) {
    let (moment, figure, form) = case;
    let token = gateway.create(json!({"remain_quota": 100_000_000}));
    let body = chat("m-ok", &json!({"stream": form == Form::Stream, "max_tokens": 10_000}));
    let mut connection = gateway.connect();
    connection.send(&Request::post("/v1/chat/completions", &body).bearer(&token.key).bytes());
    mock.wait_for(number + 1);
    // Whoever has an answer, or a part of it, keeps it until the money is settled.
    let mut kept: Option<Exchange> = None;
    let mut silent = None;
    match (moment, form) {
        (Moment::AfterLast, _) => {
            let mut exchange = connection.answer().unwrap();
            while !matches!(exchange.piece(), Piece::End) {}
            exchange.reset();
        }
        (Moment::Middle | Moment::HalfClosed, Form::Stream) => {
            let mut exchange = connection.answer().unwrap();
            assert!(exchange.data().contains("some words"), "{case:?}");
            if moment == Moment::HalfClosed {
                exchange.half_close();
                kept = Some(exchange);
            } else {
                exchange.reset();
            }
        }
        (Moment::HalfClosed, Form::Plain) => {
            connection.half_close();
            silent = Some(connection);
        }
        (Moment::Vanished, _) => silent = Some(connection),
        (Moment::BeforeHead | Moment::Middle, _) => connection.reset(),
    }
    gone.open();
    eventually(&format!("{case:?}: the money comes free"), 2 * SETTLED, || {
        (gateway.held(&token) == 0).then_some(())
    });
    let rows = gateway.all_entries(&token);
    assert_eq!(rows.len(), 2, "{case:?}: the grant and one row: {rows:?}");
    let row = &rows[0];
    let (outcome, source) = (row["outcome"].as_str().unwrap(), row["usage_source"].as_str().unwrap());
    let charged = nanos(&row["charged_usd"]) / QUOTA;
    let told = format!("{case:?}: {outcome} {source} {charged}");
    // A provider that comes to its end may do so before the departure is known.
    let outcomes: &[&str] = match (moment, figure, form) {
        (Moment::AfterLast, ..) => &["ok"],
        (.., Form::Plain) | (Moment::BeforeHead, Figure::Seen, _) => &["ok", "client_gone"],
        (.., Form::Stream) => &["client_gone"],
    };
    assert!(outcomes.contains(&outcome), "{told}");
    let most = if moment == Moment::Vanished { 100_000_000 } else { 200 };
    match figure {
        Figure::Seen if (moment, form) != (Moment::Vanished, Form::Stream) => {
            assert_eq!((source, charged), ("provider", EXACT), "{told}");
        }
        _ => assert!(charged > 0 && charged < most, "{told}"),
    }
    assert_eq!(gateway.used(&token), charged, "{told}");
    drop((kept, silent));
}

#[test]
fn each_departure_is_charged_once() {
    let cases = cases();
    let gates: Vec<_> = cases.iter().map(|_| Gate::new()).collect();
    let (scripts, shut) = (cases.clone(), gates.clone());
    let mock = Mock::start(move |request: &Received| script(scripts[request.number], &shut[request.number]));
    let settings = Settings::with(&mock).set("server", "timeouts", "{ header = 30, body = 30, write = 2 }");
    let gateway = Gateway::start(settings);
    for (number, (case, gone)) in cases.into_iter().zip(&gates).enumerate() {
        depart(&gateway, &mock, number, case, gone);
    }
}
