//! Requests in tables: what is read, what is refused, what counts.

mod gemini;
mod media;
mod openai;

use super::*;

const LIMITS: AskLimits = AskLimits { max_choices: 128 };

fn parse(text: &str) -> Result<Ask, AskFault> {
    Ask::parse(Form::Chat, Bytes::copy_from_slice(text.as_bytes()), &LIMITS)
}

/// A good body with `members` in front of the rest.
fn with(members: &str) -> Result<Ask, AskFault> {
    parse(&format!("{{{members}\"model\":\"m\",\"messages\":[]}}"))
}

/// A good body with one message of these members.
fn message(members: &str) -> Ask {
    parse(&format!("{{\"model\":\"m\",\"messages\":[{{{members}}}]}}")).unwrap()
}

fn param(result: Result<Ask, AskFault>) -> String {
    match result {
        Err(AskFault::Parameter { param, message }) => {
            assert!(message.contains(param.rsplit('.').next().unwrap_or(&param)), "{message}");
            param.into_owned()
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn the_plain_fields_are_read() {
    let ask = parse(
        r#" {"model":"gpt\u002d4o","stream":true,"stream_options":{"include_usage":true},"n":3,"max_tokens":100,
        "max_completion_tokens":70,"service_tier":"flex","thinking":{"type":"enabled","budget_tokens":50},
        "modalities":["text","audio"],"prediction":{"type":"content","content":"abc"},"messages":[{"role":"user","content":"hi"}]}"#,
    )
    .unwrap();
    assert_eq!((ask.model.as_str(), ask.stream, ask.wants_usage, ask.choices), ("gpt-4o", true, true, 3));
    assert_eq!((ask.cap.asked, ask.tier, ask.thinking_budget), (Some(100), ServiceTier::Flex, Some(50)));
    assert_eq!((ask.messages, ask.text_bytes, ask.spoken), (1, 2, true));
    assert_eq!(ask.predicted_bytes, 34);
    let ask = with("").unwrap();
    assert_eq!((ask.stream, ask.wants_usage, ask.choices, ask.cap), (false, false, 1, Cap::default()));
    assert_eq!((ask.text_bound, ask.tools, ask.images, ask.unseen_input), (0, 0, 0, false));
}

#[test]
fn null_is_absent() {
    let ask = with(
        r#""stream":null,"stream_options":null,"n":null,"max_tokens":null,"tools":null,"functions":null,"prediction":null,
        "modalities":null,"service_tier":null,"background":null,"models":null,"web_search_options":null,
        "prompt":null,"thinking":{"budget_tokens":null},"#,
    )
    .unwrap();
    assert_eq!((ask.stream, ask.choices, ask.cap.asked, ask.tools), (false, 1, None, 0));
    assert_eq!((ask.unseen_input, ask.provider_calls, ask.predicted_bytes), (false, 0, 0));
    assert_eq!(ask.cap.fields.len(), 1);
}

#[test]
fn bad_fields_are_named() {
    for value in ["\"true\"", "1", "0", "[]", "{}", "\"\""] {
        assert_eq!(param(with(&format!("\"stream\":{value},"))), "stream", "{value}");
        let options = format!("\"stream_options\":{{\"include_usage\":{value}}},");
        assert_eq!(param(with(&options)), "stream_options.include_usage", "{value}");
    }
    for value in ["true", "1", "[]", "\"\""] {
        assert_eq!(param(with(&format!("\"stream_options\":{value},"))), "stream_options", "{value}");
    }
    for value in ["true", "1", "{}", "\"\""] {
        assert_eq!(param(with(&format!("\"tools\":{value},"))), "tools", "{value}");
        assert_eq!(param(with(&format!("\"functions\":{value},"))), "functions", "{value}");
    }
    let no_count =
        ["0", "-1", "1.5", "1.0", "1e3", "\"16\"", "true", "[]", "{}", "99999999999999999999", "1E2", "-0"];
    for value in no_count {
        for name in ["max_tokens", "max_completion_tokens", "n", "best_of"] {
            assert_eq!(param(with(&format!("\"{name}\":{value},"))), name, "{value}");
        }
    }
    assert_eq!(param(with("\"max_tokens\":2147483649,")), "max_tokens");
    assert!(with("\"max_tokens\":2147483648,\"n\":128,").is_ok());
    assert_eq!(param(with("\"n\":129,")), "n");
    for value in ["true", "1", "\"false\""] {
        assert_eq!(param(with(&format!("\"background\":{value},"))), "background", "{value}");
    }
    // A response is followed up by its own token alone: where that is known.
    assert_eq!(param(with("\"previous_response_id\":\"resp_1\",")), "previous_response_id");
    assert!(with("\"previous_response_id\":null,").is_ok());
    assert_eq!(param(with("\"models\":[\"dear\"],")), "models");
    assert_eq!(param(with("\"thinking\":{\"budget_tokens\":1.5},")), "thinking.budget_tokens");
    assert_eq!(param(with("\"service_tier\":1,")), "service_tier");
}

#[test]
fn a_model_and_messages_are_needed() {
    for value in
        ["null", "1", "[\"m\"]", "{}", "\"\"", "\"a\\nb\"", "\"\\u0000\"", "\"\\u0085\"", "\"\\u007f\""]
    {
        assert_eq!(param(parse(&format!("{{\"model\":{value},\"messages\":[]}}"))), "model", "{value}");
    }
    assert_eq!(param(parse(&format!("{{\"model\":\"{}\",\"messages\":[]}}", "x".repeat(257)))), "model");
    assert_eq!(param(parse("{\"messages\":[]}")), "model");
    assert_eq!(param(parse("{\"model\":\"m\"}")), "messages");
    for value in ["null", "\"hi\"", "{}", "1"] {
        assert_eq!(param(parse(&format!("{{\"model\":\"m\",\"messages\":{value}}}"))), "messages", "{value}");
    }
}

#[test]
fn syntax_is_told_before_fields() {
    assert!(matches!(parse("{\"model\":1,\"n\":}"), Err(AskFault::Json(JsonFault::Malformed { .. }))));
    assert!(matches!(parse("[1]"), Err(AskFault::Json(JsonFault::NotAnObject))));
    assert!(matches!(parse("{\"model\":1} {}"), Err(AskFault::Json(JsonFault::Malformed { .. }))));
    assert_eq!(param(parse("{\"stream\":1,\"n\":0,\"model\":1}")), "stream");
}

#[test]
fn no_key_that_is_read_comes_twice_or_nearly() {
    for members in [
        "\"model\":\"a\",",
        "\"Model\":\"a\",",
        "\"m\\u006fdel\":\"a\",",
        "\"max_tokens\":1,\"Max_Tokens\":9,",
        "\"\\u017ftream\":true,",
        "\"max_to\u{212a}ens\":1,",
        "\"N\":1,",
        "\"temperature\":1,\"temperature\":2,",
        "\"stream_options\":{\"include_usage\":true,\"include_usage\":false},",
        "\"stream_options\":{\"Include_Usage\":true},",
        "\"thinking\":{\"Budget_tokens\":1},",
        "\"tools\":[{\"type\":\"function\",\"Type\":\"web_search\"}],",
        "\"tools\":[{\"type\":\"function\",\"type\":\"web_search\"}],",
    ] {
        assert!(matches!(with(members), Err(AskFault::Json(JsonFault::Duplicate(_)))), "{members}");
    }
    for members in [
        "\"role\":\"user\",\"Role\":\"x\"",
        "\"content\":\"a\",\"content\":\"b\"",
        "\"content\":[{\"type\":\"text\",\"text\":\"a\",\"Text\":\"b\"}]",
        "\"content\":[{\"type\":\"text\",\"text\":\"a\",\"text\":\"b\"}]",
        "\"content\":[{\"Image_URL\":\"a\"}]",
        "\"content\":[{\"image_url\":{\"url\":\"a\",\"URL\":\"b\"}}]",
        "\"content\":{\"file\":{\"file_id\":\"a\",\"File_Id\":\"b\"}}",
    ] {
        let body = format!("{{\"model\":\"m\",\"messages\":[{{{members}}}]}}");
        assert!(matches!(parse(&body), Err(AskFault::Json(JsonFault::Duplicate(_)))), "{members}");
    }
    // What nobody reads may be as it is: a schema's keys belong to the client.
    let schema = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"Model\":1,\"model\":2,\"model\":3}}}],";
    assert!(with(schema).is_ok());
    assert!(with("\"metadata\":{\"a\":1,\"a\":2},\"Temperature\":1,").is_ok());
}

#[test]
fn text_counts_by_its_bytes() {
    // role + user + content + the text
    let keys = 4 + 4 + 7;
    for (text, bytes) in [("hi", 2), ("é", 2), ("\\u00e9", 2), ("\\ud83d\\ude00", 4), ("\\n", 1), ("", 0)] {
        let ask = message(&format!("\"role\":\"user\",\"content\":\"{text}\""));
        assert_eq!((ask.text_bytes, ask.text_bound), (bytes, keys + bytes + 16), "{text}");
    }
    let ask = message(
        "\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"abc\"}],\"weight\":0.5,\"x\":null",
    );
    assert_eq!(ask.text_bytes, 3);
    assert_eq!(ask.text_bound, keys + 4 + 4 + 4 + 3 + 6 + 3 + 1 + 4 + 16);
    let ask = message(
        "\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"call\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]",
    );
    assert_eq!(ask.text_bytes, 3);
    let tools = "[ {\"type\":\"function\",\"function\":{\"name\":\"f\"}} ]";
    let ask = with(&format!("\"tools\":{tools},\"temperature\":0.5,\"later\":[1,2],")).unwrap();
    assert_eq!((ask.tools, ask.provider_calls, ask.unseen_input), (1, 0, false));
    assert_eq!(ask.text_bytes, long(tools));
    assert_eq!(ask.text_bound, long(tools) + 32 + 5 + 5);
    let ask = with("\"functions\":[{},{}],\"response_format\":{\"a\":1},\"prediction\":\"abc\",").unwrap();
    assert_eq!((ask.tools, ask.text_bytes, ask.text_bound), (2, 7 + 7, 7 + 7 + 5 + 64));
}

fn long(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap()
}

/// part; images, audio, unseen, and whether its data is left out of the bytes
#[test]
fn media_is_not_text() {
    let data = "A".repeat(4_000);
    for (part, images, audio, unseen, left_out) in [
        (r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,X"}}"#, 1, 0, false, true),
        (r#"{"type":"image_url","image_url":"DATA:image/png;base64,X"}"#, 1, 0, false, true),
        (r#"{"image_url":{"detail":"low","url":"X"},"type":"image_url"}"#, 1, 0, false, true),
        (r#"{"type":"image_url","image_url":{"url":"https://x/X"}}"#, 0, 0, true, false),
        (r#"{"type":"image_url","image_url":{"url":"data:application/pdf;base64,X"}}"#, 0, 0, true, true),
        (r#"{"type":"image_url","image_url":{"file_id":"X"}}"#, 0, 0, true, false),
        (r#"{"type":"image_url","image_url":[1,"X"]}"#, 0, 0, true, false),
        (r#"{"type":"input_audio","input_audio":{"data":"X","format":"wav"}}"#, 0, 188, false, true),
        (r#"{"type":"input_audio","input_audio":{"data":"https:\/\/X","format":"wav"}}"#, 0, 0, true, false),
        (r#"{"type":"file","file":{"file_id":"X"}}"#, 0, 0, true, false),
        (
            r#"{"type":"file","file":{"filename":"a","file_data":"data:application/pdf;base64,X"}}"#,
            0,
            0,
            true,
            true,
        ),
        (r#"{"type":"video_url","video_url":{"url":"data:video/mp4;base64,X"}}"#, 0, 0, true, true),
        (r#"{"type":"text","text":"data:image/png;base64,X"}"#, 0, 0, false, false),
        (r#"{"type":"refusal","refusal":"X"}"#, 0, 0, false, false),
        (r#"{"type":"hologram","x":"X"}"#, 0, 0, true, false),
        (r#"{"type":"text","text":"a","url":"data:image/png;base64,X"}"#, 0, 0, false, false),
    ] {
        let ask = message(&format!("\"content\":[{}]", part.replace('X', &data)));
        assert_eq!((ask.images, ask.audio_tokens, ask.unseen_input), (images, audio, unseen), "{part}");
        assert_eq!(ask.text_bound < 4_000, left_out, "{part}: {}", ask.text_bound);
        assert!(!left_out || ask.text_bytes < 100, "{part}: {}", ask.text_bytes);
    }
    // Outside a part nothing is media; an earlier spoken answer is only named.
    assert!(message(&format!("\"content\":\"\",\"image_url\":\"{data}\"")).text_bound > 4_000);
    assert!(message("\"role\":\"assistant\",\"audio\":{\"id\":\"audio_1\"}").unseen_input);
    assert!(!message("\"role\":\"assistant\",\"content\":null,\"audio\":null").unseen_input);
}

#[test]
fn what_the_provider_fetches_is_unseen() {
    for (members, calls) in [
        ("\"web_search_options\":{},", 10),
        ("\"tools\":[{\"type\":\"web_search\",\"max_uses\":3},{\"type\":\"code_interpreter\"}],", 13),
        ("\"tools\":[{\"google_search\":{}}],", 10),
        ("\"tools\":[{\"type\":\"\\u0066unction\"},{\"type\":\"mcp\",\"max_uses\":-3}],", 10),
        ("\"conversation\":{\"id\":\"x\"},", 0),
        ("\"extra_body\":{\"google\":{\"cached_content\":\"x\"}},", 0),
        ("\"extra_body\":{\"google\":{\"\\u0063ached_content\":\"x\"}},", 0),
    ] {
        let ask = with(members).unwrap();
        assert_eq!((ask.unseen_input, ask.provider_calls), (true, calls), "{members}");
    }
    for members in [
        "\"tools\":[{\"type\":\"function\",\"function\":{}},{\"type\":\"custom\"},{\"function\":{}}],",
        "\"extra_body\":{\"google\":{\"thinking_config\":{\"thinking_budget\":9}}},",
    ] {
        let ask = with(members).unwrap();
        assert_eq!((ask.unseen_input, ask.provider_calls), (false, 0), "{members}");
    }
}

#[test]
fn the_tokenizer_gets_all_that_is_counted() {
    let ask = parse(
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\",\"odd\":1},{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"AAAA\"}}]}],\"tools\":[{}],\"later\":true}",
    )
    .unwrap();
    assert_eq!(ask.texts(), ["user", "hé", "odd", "1", "image_url", "[{}]", "later", "true"]);
    assert_eq!(ask.counted_bound(10), 10 + 2 * 16 + 32);
    assert_eq!(ask.counted_bound(i64::MAX), ask.text_bound);
}

#[test]
fn torture_ends_in_bounded_time() {
    let deep = "[".repeat(100_000);
    for body in [
        format!("{{\"model\":\"m\",\"messages\":{deep}"),
        format!("{{\"model\":\"m\",\"messages\":[{{\"content\":{deep}"),
        format!("{{\"model\":\"m\",\"tools\":{deep}"),
        format!("{{\"model\":\"m\",\"later\":{deep}"),
    ] {
        assert_eq!(parse(&body).unwrap_err(), AskFault::Json(JsonFault::TooDeep));
    }
    let digits = "9".repeat(1_000_000);
    assert_eq!(param(with(&format!("\"max_tokens\":{digits},"))), "max_tokens");
    assert!(with(&format!("\"seed\":{digits},")).is_ok());
    let keys: String = (0..100_000).map(|n| format!("\"{n}\":0,")).collect();
    assert_eq!(with(&keys).unwrap_err(), AskFault::Json(JsonFault::TooManyMembers));
    assert!(
        message(&format!("\"content\":\"\",\"x\":{{{}}}", keys.trim_end_matches(','))).text_bound > 100_000
    );
    let lone = parse("{\"model\":\"m\",\"messages\":[{\"content\":\"\\ud800\"}]}");
    assert!(matches!(lone, Err(AskFault::Json(JsonFault::Malformed { .. }))));
}

/// A body of Anthropic's dialect with `members` in front of the rest.
fn message_with(members: &str) -> Result<Ask, AskFault> {
    let text = format!("{{{members}\"model\":\"m\",\"max_tokens\":9,\"messages\":[]}}");
    Ask::parse(Form::Messages, Bytes::from(text), &LIMITS)
}

/// One with a single message whose content is this JSON.
fn content(json: &str) -> Ask {
    let text = format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":{json}}}]}}");
    Ask::parse(Form::Messages, Bytes::from(text), &LIMITS).unwrap()
}

#[test]
fn messages_are_read() {
    let ask = message_with(
        r#""stream":true,"system":[{"type":"text","text":"ab","cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "thinking":{"type":"enabled","budget_tokens":5},"service_tier":"standard_only","temperature":1,"#,
    )
    .unwrap();
    assert_eq!((ask.model.as_str(), ask.stream, ask.cap.asked, ask.choices), ("m", true, Some(9), 1));
    assert_eq!((ask.thinking_budget, ask.tier), (Some(5), ServiceTier::Default));
    // type, text; text, ab
    assert_eq!((ask.text_bytes, ask.text_bound, ask.unseen_input), (2, 4 + 4 + 4 + 2, false));
    let texts: Vec<_> = ask.texts().into_iter().map(Cow::into_owned).collect();
    assert_eq!(texts, ["text", "ab"]);
    // role, user, content, hello, and what each message adds
    let ask = content("\"hello\"");
    assert_eq!((ask.text_bytes, ask.messages, ask.text_bound), (5, 1, 4 + 4 + 7 + 5 + 16));
    assert_eq!(ask.cap, Cap::default());
}

#[test]
fn content_of_messages_is_counted_by_its_kind() {
    // What stands around it: role, user, content, and 16 for the message.
    for (json, text, beside, images, unseen) in [
        (r#"[{"type":"text","text":"abc"}]"#, 3, 12, 0, false),
        (
            r#"[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]"#,
            0,
            48,
            1,
            false,
        ),
        // In any order, and by escapes.
        (
            r#"[{"source":{"data":"QUJD","media_type":"image\/png","typ\u0065":"base64"},"type":"image"}]"#,
            0,
            48,
            1,
            false,
        ),
        (
            r#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"abcde"}}]"#,
            5,
            50,
            0,
            false,
        ),
        (r#"[{"type":"tool_use","id":"t1","name":"f","input":{"a":"bc"}}]"#, 3, 26, 0, false),
        (
            r#"[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"ok"}]}]"#,
            2,
            47,
            0,
            false,
        ),
        (r#"[{"type":"thinking","thinking":"hm","signature":"QUJDREVG"}]"#, 2, 37, 0, false),
        (r#"[{"type":"redacted_thinking","data":"QUJDREVG"}]"#, 0, 33, 0, false),
    ] {
        let ask = content(json);
        let bound = 4 + 4 + 7 + 16 + text + beside;
        assert_eq!((ask.text_bytes, ask.images, ask.unseen_input), (text, images, unseen), "{json}");
        assert_eq!(ask.text_bound, bound, "{json}");
    }
    for json in [
        r#"[{"type":"image","source":{"type":"url","url":"https://x/y.png"}}]"#,
        r#"[{"type":"image","source":{"type":"file","file_id":"file_1"}}]"#,
        r#"[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"}}]"#,
        r#"[{"type":"container_upload","file_id":"file_1"}]"#,
        r#"[{"type":"web_search_tool_result","tool_use_id":"t","content":[{"type":"web_search_result","encrypted_content":"QUJD"}]}]"#,
        r#"[{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]"#,
    ] {
        assert!(content(json).unseen_input, "{json}");
    }
    // Text that only looks like media is text.
    let ask = content(r#"[{"type":"text","text":"data:image/png;base64,QUJD"}]"#);
    assert_eq!((ask.text_bytes, ask.images), (26, 0));
    let ask = content(
        r#"[{"type":"tool_use","input":{"source":{"type":"base64","media_type":"image/png","data":"QUJD"}}}]"#,
    );
    assert_eq!((ask.images, ask.unseen_input), (0, false));
}

#[test]
fn tools_of_the_provider_are_calls_and_unseen_input() {
    for (members, tools, calls, unseen) in [
        (r#""tools":[{"name":"f","input_schema":{}}],"#, 1, 0, false),
        (r#""tools":[{"type":"custom","name":"f"},{"type":"bash_20250124","name":"bash"}],"#, 2, 0, false),
        (r#""tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}],"#, 1, 3, true),
        (
            r#""tools":[{"type":"web_fetch_20250910","name":"f"},{"type":"code_execution_20250825"}],"#,
            2,
            20,
            true,
        ),
        (r#""mcp_servers":[{"type":"url","url":"https://x","name":"x"}],"#, 0, 10, true),
        (r#""mcp_servers":[],"tools":null,"container":null,"#, 0, 0, false),
        (r#""container":"c1","#, 0, 0, true),
        (r#""context_management":{"edits":[]},"#, 0, 0, false),
        (
            r#""context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"},{"trigger":{"type":"input_tokens"},"type":"clear_tool_uses_20250919"}]},"#,
            0,
            0,
            false,
        ),
        (r#""context_management":{"edits":[{"type":"compact_20260112"}]},"#, 0, 0, true),
        (r#""context_management":{"edits":[{"type":"clear_x","typ\u0065":"compact"}]},"#, 0, 0, true),
        (r#""context_management":{"edits":[],"edits":[{"type":"compact"}]},"#, 0, 0, true),
        (r#""context_management":{"edits":[{"keep":1}]},"#, 0, 0, true),
        (r#""context_management":{"other":1},"#, 0, 0, true),
        (r#""context_management":[],"#, 0, 0, true),
    ] {
        let ask = message_with(members).unwrap();
        assert_eq!((ask.tools, ask.provider_calls, ask.unseen_input), (tools, calls, unseen), "{members}");
    }
    let plain = message_with(r#""tools":[{"name":"f"}],"#).unwrap();
    assert_eq!(plain.text_bound, 14 + 32 + 1024);
    let bash = message_with(r#""tools":[{"type":"bash_20250124"}],"#).unwrap();
    assert_eq!(bash.text_bound, 26 + 32 + 1024 + 1024);
    assert!(bash.counted_bound(0) >= 2048, "a tokenizer does not see what the provider adds");
    let formed = message_with(r#""output_config":{"format":{"schema":{}}},"#).unwrap();
    assert_eq!(formed.text_bound, 24 + 1024);
    let steered = message_with(r#""output_config":{"effort":"low"},"#).unwrap();
    assert_eq!(steered.text_bound, 16);
}

#[test]
fn what_cannot_be_metered_in_messages_is_refused() {
    for (members, want) in [
        ("\"max_tokens\":0,", "max_tokens"),
        ("\"stream\":1,", "stream"),
        ("\"service_tier\":1,", "service_tier"),
        ("\"inference_geo\":\"us\",", "inference_geo"),
        ("\"fallbacks\":[],", "fallbacks"),
        ("\"tools\":1,", "tools"),
        ("\"thinking\":{\"budget_tokens\":-1},", "thinking.budget_tokens"),
    ] {
        let text = format!("{{{members}\"model\":\"m\",\"messages\":[]}}");
        assert_eq!(param(Ask::parse(Form::Messages, Bytes::from(text), &LIMITS)), want, "{members}");
    }
    for (text, want) in [
        ("{\"messages\":[]}", "model"),
        ("{\"model\":\"m\"}", "messages"),
        ("{\"model\":\"m\",\"messages\":1}", "messages"),
    ] {
        assert_eq!(param(Ask::parse(Form::Messages, Bytes::from(text), &LIMITS)), want, "{text}");
    }
    for text in [
        r#"{"model":"m","messages":[],"Model":"n"}"#,
        r#"{"model":"m","messages":[],"system":"a","system":"b"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"a","Content":"b"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","type":"text"}}]}]}"#,
    ] {
        let fault = Ask::parse(Form::Messages, Bytes::from(text), &LIMITS).unwrap_err();
        assert!(matches!(fault, AskFault::Json(JsonFault::Duplicate(_))), "{text}");
    }
    assert_eq!(
        message_with("\"speed\":\"fast\",\"service_tier\":\"auto\",").unwrap().tier,
        ServiceTier::Priority
    );
    assert_eq!(
        message_with("\"service_tier\":\"auto\",\"speed\":\"standard\",").unwrap().tier,
        ServiceTier::Auto
    );
}
