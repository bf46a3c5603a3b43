//! Providers beyond all bounds: one that sends too much, one that is too slow, one that is not there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Gateway, Mock, Reply, SOON, Settings, Token};
use crate::harness::{at_once, chat, delta, eventually};

const MIB: usize = 1024 * 1024;

fn rich(gateway: &Gateway) -> Token {
    gateway.create(json!({"remain_quota": 1_000_000}))
}

/// UF-08: an answer without an end, in every framing, is cut at its limit, and takes no memory beyond it.
#[test]
fn endless_answers() {
    const LIMIT: usize = MIB;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let start = "{\"choices\":[{\"message\":{\"content\":\"";
    let flood = "x".repeat(64 * 1024);
    let chunk = format!("{:x}\r\n{flood}\r\n", flood.len());
    let endless = |reply: Reply, bytes: &str| reply.repeat(bytes, Duration::ZERO);
    let cases = [
        (endless(Reply::raw(format!("{head}Content-Length: 1073741824\r\n\r\n{start}")), &flood), 502),
        (endless(Reply::raw(format!("{head}\r\n{start}")), &flood), 502),
        (endless(Reply::raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).chunk(start), &chunk), 502),
        (endless(Reply::raw(format!("{head}Content-Encoding: gzip\r\n\r\n\x1f\u{8b}")), &flood), 502),
        (endless(Reply::raw(format!("{head}X: ")), &flood), 502),
        (endless(Reply::raw(head.replace("200 OK", "400 Bad") + "\r\n"), &flood), 400),
        (endless(Reply::raw(head.replace("200 OK", "500 Bad") + "\r\n"), &flood), 502),
        // One event that never ends, after one that was passed on.
        (endless(Reply::sse().event(&delta("a")).chunk("data: {"), &chunk), 200),
    ];
    let replies: Vec<_> = cases.iter().map(|(reply, _)| reply.clone()).collect();
    let mock = Mock::start(move |request| replies[request.number].clone());
    let settings = Settings::with(&mock).set("server", "max_response_bytes", &LIMIT.to_string()).set(
        "server",
        "max_event_bytes",
        &LIMIT.to_string(),
    );
    let gateway = Gateway::start(settings);
    let before = gateway.resident();
    for (number, (_, status)) in cases.iter().enumerate() {
        let token = rich(&gateway);
        let is_stream = *status == 200;
        let answer =
            gateway.chat(&token.key, &chat("m-ok", &json!({"max_tokens": 500, "stream": is_stream})));
        assert_eq!(answer.status, *status, "{number}: {}", answer.text());
        assert!(!answer.text().contains("xxxx"), "{number}");
        let used = gateway.settled(&token);
        assert!(used <= 600, "{number}: {used}");
        if is_stream {
            let last = answer.events().pop().unwrap();
            assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["error"]["type"], "upstream_error");
        }
        eventually("the provider is let go", SOON, || (mock.hang_ups() == number + 1).then_some(()));
    }
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < 16 * MIB, "{} KiB more", grown / 1024);
}

/// UF-12: a byte now and then keeps no exchange alive beyond its time, wherever in the answer it drips.
#[test]
fn dripping_answers() {
    let drip = Duration::from_millis(5);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let replies = [
        Reply::raw("HTTP/1.1 200 OK\r\nX: ").repeat("x", drip),
        Reply::raw(format!("{head}Content-Length: 1000000\r\n\r\n{{\"choices\":")).repeat(" ", drip),
        Reply::raw("HTTP/1.1 200 OK\r\nX: ").repeat("x", drip),
        Reply::sse().event(&delta("some words that were delivered")).repeat("1\r\n:\r\n", drip),
        Reply::sse().event(&delta("some words that were delivered")).repeat("3\r\n:\n\n\r\n", drip),
    ];
    let mock = Mock::start(move |request| {
        let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
        replies[model[2..].parse::<usize>().unwrap()].clone()
    });
    let channel = "models = [\"m-*\"]\ntimeouts = { total = 1 }";
    let gateway = Gateway::start(Settings::demo().channel("mock", &mock, channel).price("m-*", "2", "2"));
    at_once(5, |number| {
        let token = rich(&gateway);
        let more = json!({"max_tokens": 500, "stream": number >= 2});
        let start = Instant::now();
        let answer = gateway.chat(&token.key, &chat(&format!("m-{number}"), &more));
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(8), "{number}: {took:?}");
        assert_eq!(answer.status, if number < 3 { 504 } else { 200 }, "{number}: {}", answer.text());
        assert!(answer.text().contains("upstream_timeout") && !answer.text().contains("[DONE]"), "{number}");
        let used = gateway.settled(&token);
        assert!(used > 0 && used < 500, "{number}: {used}");
    });
    eventually("the provider is let go", SOON, || (mock.hang_ups() == 5).then_some(()));
}

/// UF-14: with the provider down every request gets a quick 502, and costs nothing; with it back the next are served.
#[test]
fn a_provider_that_comes_back() {
    let mut mock =
        Mock::absent(
            |request| {
                if request.is_stream() { Reply::stream(&["a"], 3, 4) } else { Reply::completion(3, 4) }
            },
        );
    let gateway = Gateway::start(Settings::with(&mock));
    let token = rich(&gateway);
    let ask = |number: usize| {
        gateway
            .chat(&token.key, &chat("m-ok", &json!({"max_tokens": 50, "stream": number.is_multiple_of(2)})))
    };
    let start = Instant::now();
    at_once(8, |number| {
        for round in 0..25 {
            ask(number + round).refuses(502, "upstream_error");
        }
    });
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!((gateway.settled(&token), gateway.ledger(&format!("token_id={}", token.id)).len()), (0, 100));
    mock.arrive();
    eventually("it is served again", Duration::from_secs(5), || (ask(1).status == 200).then_some(()));
    at_once(8, |number| (0..5).for_each(|round| drop(ask(number + round).expect(200))));
    assert_eq!(mock.count(), 41);
    assert_eq!(gateway.settled(&token), 41 * 7);
}
