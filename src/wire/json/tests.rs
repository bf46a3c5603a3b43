//! The reader against tables, and against serde_json as the judge of syntax.

use super::*;

fn names(text: &str) -> Result<Vec<(String, String)>, JsonFault> {
    let members = members(text.as_bytes())?;
    Ok(members.into_iter().map(|(key, value)| (key.into_owned(), value.get().to_owned())).collect())
}

#[test]
fn members_keep_their_order_and_their_values_as_sent() {
    let got = names(" {\"b\" : 1e400 , \"\\u0061\":{\"x\":[ ]},\"\":\"\\ud83d\\ude00\"}\n").unwrap();
    let want = [("b", "1e400"), ("a", "{\"x\":[ ]}"), ("", "\"\\ud83d\\ude00\"")];
    assert_eq!(got, want.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(names("{}"), Ok(vec![]));
}

#[test]
fn what_is_no_object_is_refused() {
    for text in ["[]", "1", "null", "\"{}\"", " true "] {
        assert_eq!(names(text), Err(JsonFault::NotAnObject), "{text}");
    }
    let malformed = [
        "",
        " ",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}x",
        "{\"a\":1}{\"a\":1}",
        "{\"a\":1}\0",
        "\u{feff}{}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":truex}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"\\ud800\":1}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\ud800\"}",
        "{\"a\":\"\\ud800\\n\"}",
        "nul",
        "[1",
        "{\"a\":1} // x",
        "{\"a\":/**/1}",
        "{\"a\":\u{a0}1}",
    ];
    for text in malformed {
        assert!(matches!(names(text), Err(JsonFault::Malformed { .. })), "{text}: {:?}", names(text));
    }
    for bytes in [
        &b"{\"a\":\"\xff\"}"[..],
        b"\xff\xfe{\0}\0",
        b"\0{\0}",
        b"{\"a\xc0\xaf\":1}",
        b"{\"\xed\xa0\x80\":1}",
    ] {
        assert!(matches!(members(bytes), Err(JsonFault::Malformed { .. })), "{bytes:?}");
    }
}

#[test]
fn a_fault_says_where_but_never_what() {
    let fault = members(b"{\n  \"secret\": \"sk-abc\",\n  \"n\": sk}").unwrap_err();
    assert_eq!(fault, JsonFault::Malformed { line: 3, column: 8, reason: "expected a value" });
    assert!(!fault.to_string().contains("sk"), "{fault}");
    let long = format!("{{\"{0}\":1,\"{0}\":2}}", "é".repeat(1_000));
    assert_eq!(members(long.as_bytes()).unwrap_err(), JsonFault::Duplicate("é".repeat(32)));
}

#[test]
fn a_key_may_come_once_after_unescaping() {
    for text in ["{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"\\u0061\":3}", "{\"\":1,\"\":2}"] {
        assert!(matches!(names(text), Err(JsonFault::Duplicate(_))), "{text}");
    }
    assert!(names("{\"a\":1,\"A\":1,\"é\":1,\"e\u{301}\":1,\"x\":{\"a\":1,\"a\":2}}").is_ok());
}

#[test]
fn lookalikes_differ_only_in_case() {
    let read = ["max_tokens", "stream", "k"];
    for key in
        ["Max_Tokens", "MAX_TOKENS", "\u{17f}tream", "\u{17f}TREAM", "max_to\u{212a}ens", "\u{212a}", "K"]
    {
        assert!(lookalike(key, &read), "{key}");
    }
    for key in ["max_tokens", "stream", "k", "streams", "ştream", "maxtokens", "", "max_tokens "] {
        assert!(!lookalike(key, &read), "{key}");
    }
}

#[test]
fn depth_is_bounded_wherever_it_hides() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(names(&nested(127)).is_ok());
    assert_eq!(names(&nested(128)), Err(JsonFault::TooDeep));
    assert_eq!(names(&format!("{{\"a\":{}", "{\"a\":".repeat(100_000))), Err(JsonFault::TooDeep));
    assert_eq!(names(&"[".repeat(100_000)), Err(JsonFault::TooDeep));
    // Brackets in strings and side by side are no depth.
    assert!(names(&format!("{{\"a\":\"{}\",\"b\":[{}0]}}", "[".repeat(1_000), "[],".repeat(1_000))).is_ok());
}

#[test]
fn great_sizes_are_passed_or_refused_in_bounded_time() {
    let keys: String = (0..1_000_000).map(|n| format!("\"{n}\":0,")).collect();
    let keys = keys.trim_end_matches(',');
    assert_eq!(names(&format!("{{{keys}}}")), Err(JsonFault::TooManyMembers));
    assert!(names(&format!("{{\"x\":{{{keys}}}}}")).is_ok());
    let digits = "9".repeat(1_000_000);
    assert!(names(&format!("{{\"x\":{digits}.{digits}e-{digits}}}")).is_ok());
    assert!(names(&format!("{{\"x\":\"{}\"}}", "\\u00e9".repeat(1_000_000))).is_ok());
}

/// Whole documents, then the same with one byte cut, doubled or replaced: the cursor and serde_json must agree.
#[test]
fn serde_json_agrees_on_syntax() {
    let seeds = [
        "{\"a\":[1,-0.5e+3,true,false,null,\"x\\n\\u00e9\\ud83d\\ude00\\/\"],\"b\":{\"c\":{},\"d\":[]}}",
        "[[],{},\"\",0,-0,1E9,0.0,\"\\\\\\\"\"]",
    ];
    for seed in seeds {
        for at in 0..seed.len() {
            for change in
                ["", "\"", "{", "}", "[", "]", ",", ":", "\\", "0", "1", "e", ".", "-", " ", "u", "d", "\t"]
            {
                let Some((head, tail)) = seed.split_at_checked(at) else { continue };
                let tail = tail.get(1..).unwrap_or_default();
                agree(&format!("{head}{change}{tail}"));
            }
        }
    }
}

fn agree(text: &str) {
    let mut cursor = Cursor::new(text);
    let ours = cursor.skip_span().and_then(|_| cursor.end());
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?} against {theirs:?}");
}

#[test]
fn a_string_knows_its_length_without_escapes() {
    for text in ["\"\"", "\"abc\"", "\"\\n\"", "\"é\\u00e9\\u4e2d\\ud83d\\ude00\\\"\"", "\"\\u0000\""] {
        let got = Cursor::new(text).text().unwrap();
        let want: String = serde_json::from_str(text).unwrap();
        assert_eq!((got.length, got.decode().as_ref()), (want.len(), want.as_str()), "{text}");
    }
}
