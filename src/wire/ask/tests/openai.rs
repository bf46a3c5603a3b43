//! OpenAI's other routes: what their bodies are read as.

use super::*;

fn read(form: Form, text: &str) -> Result<Ask, AskFault> {
    Ask::parse(form, Bytes::copy_from_slice(text.as_bytes()), &LIMITS)
}

/// A good body with this member.
fn embed(member: &str) -> Result<Ask, AskFault> {
    read(Form::Embeddings, &format!("{{\"model\":\"m\",{member}}}"))
}

/// Whether a body is refused for a key that comes twice, or nearly.
#[track_caller]
fn is_duplicate(form: Form, text: &str) {
    let fault = read(form, text).unwrap_err();
    assert!(matches!(fault, AskFault::Json(JsonFault::Duplicate(_))), "{text}: {fault:?}");
}

#[test]
fn inputs_of_embeddings_are_counted() {
    for (input, text_bytes, bound) in [
        // The bytes, and 4 for each input.
        (r#""hello""#, 5, 5 + 4),
        (r#""h\u00e9""#, 3, 3 + 4),
        (r#"["ab","cde",""]"#, 5, 5 + 3 * 4),
        // An id is one unit, and about four bytes.
        ("[1,2,3]", 12, 3 + 4),
        ("[[1,2],[3,400000]]", 16, 4 + 2 * 4),
        ("[]", 0, 0),
    ] {
        let ask =
            embed(&format!("\"input\":{input},\"dimensions\":9,\"encoding_format\":\"base64\"")).unwrap();
        assert_eq!((ask.text_bytes, ask.text_bound, ask.messages), (text_bytes, bound, 0), "{input}");
        assert!(!ask.unseen_input && !ask.form.has_output() && ask.cap == Cap::default());
    }
    // A tokenizer counts the texts; ids and what stands around an input stay.
    let ask = embed("\"input\":[\"aaaa\",[1,2]]").unwrap();
    assert_eq!((ask.texts(), ask.counted_bound(1)), (vec![Cow::from("aaaa")], 1 + 2 + 2 * 4));
    // A member that is not known may stand before each input: 8 bytes, three times.
    let ask = embed("\"input\":[\"a\",\"b\"],\"task\":\"go\"").unwrap();
    assert_eq!(ask.text_bound, 2 + 2 * 4 + 3 * 8);
}

#[test]
fn bad_embeddings_are_refused() {
    for (member, want) in [
        ("\"input\":null", "input"),
        ("\"input\":1", "input"),
        ("\"input\":{}", "input"),
        ("\"input\":[null]", "input"),
        ("\"input\":[{\"text\":\"a\"}]", "input"),
        ("\"input\":[[\"a\"]]", "input"),
        ("\"input\":[[[1]]]", "input"),
        ("\"user\":\"a\"", "input"),
        ("\"input\":\"a\",\"models\":[\"b\"]", "models"),
    ] {
        assert_eq!(param(embed(member)), want, "{member}");
    }
    assert_eq!(param(read(Form::Embeddings, "{\"input\":\"a\"}")), "model");
    for member in [
        "\"input\":\"a\",\"input\":[\"b\"]",
        "\"input\":\"a\",\"Input\":\"b\"",
        "\"input\":\"a\",\"m\\u006fdel\":\"n\"",
    ] {
        is_duplicate(Form::Embeddings, &format!("{{\"model\":\"m\",{member}}}"));
    }
}

/// A good body with this member.
fn complete(member: &str) -> Result<Ask, AskFault> {
    read(Form::Completions, &format!("{{\"model\":\"m\",{member}}}"))
}

#[test]
fn completions_are_read() {
    let ask = complete(
        r#""prompt":"hello","suffix":"bye","stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"echo":true,"stop":["x"]"#,
    )
    .unwrap();
    assert_eq!((ask.stream, ask.wants_usage, ask.cap.asked, ask.choices), (true, true, Some(9), 1));
    assert_eq!((ask.text_bytes, ask.text_bound, ask.messages), (8, 5 + 4 + 3, 0));
    for (members, choices) in [
        ("\"prompt\":\"a\",\"n\":3", 3),
        ("\"prompt\":\"a\",\"best_of\":5,\"n\":2", 5),
        ("\"prompt\":[\"a\",\"b\",\"c\"],\"best_of\":4", 12),
        ("\"n\":2,\"prompt\":[[1],[2]]", 4),
        ("\"prompt\":[1,2,3],\"n\":null", 1),
        ("\"prompt\":[]", 1),
    ] {
        assert_eq!(complete(members).unwrap().choices, choices, "{members}");
    }
}

#[test]
fn bad_completions_are_refused() {
    for (members, want) in [
        ("\"prompt\":null", "prompt"),
        ("\"prompt\":{\"id\":\"x\"}", "prompt"),
        ("\"echo\":true", "prompt"),
        ("\"prompt\":\"a\",\"suffix\":1", "suffix"),
        ("\"prompt\":\"a\",\"max_tokens\":0", "max_tokens"),
        ("\"prompt\":\"a\",\"n\":129", "n"),
        ("\"prompt\":\"a\",\"best_of\":0", "best_of"),
        ("\"prompt\":\"a\",\"best_of\":1.0", "best_of"),
        ("\"prompt\":\"a\",\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage"),
        ("\"prompt\":\"a\",\"background\":true", "background"),
    ] {
        assert_eq!(param(complete(members)), want, "{members}");
    }
    for members in [
        "\"prompt\":\"a\",\"Best_Of\":9",
        "\"prompt\":\"a\",\"prompt\":\"b\"",
        "\"prompt\":\"a\",\"\u{17f}uffix\":\"b\"",
    ] {
        is_duplicate(Form::Completions, &format!("{{\"model\":\"m\",{members}}}"));
    }
}

/// A good body with this member.
fn respond(member: &str) -> Result<Ask, AskFault> {
    read(Form::Responses, &format!("{{\"model\":\"m\",{member}}}"))
}

/// One with a single item.
fn item(json: &str) -> Ask {
    respond(&format!("\"input\":[{json}]")).unwrap()
}

#[test]
fn responses_are_read() {
    let ask = respond(
        r#""input":"hello","instructions":"be kind","stream":true,"max_output_tokens":9,"service_tier":"flex","reasoning":{"effort":"low"},
        "store":false,"include":["x"],"background":false,"previous_response_id":null,"prompt":null,"conversation":null,"max_tool_calls":null"#,
    )
    .unwrap();
    assert_eq!((ask.stream, ask.cap.asked, ask.choices, ask.tier), (true, Some(9), 1, ServiceTier::Flex));
    // Each is a message.
    assert_eq!((ask.text_bytes, ask.messages, ask.text_bound), (12, 2, 12 + 2 * 16));
    assert_eq!((ask.unseen_input, ask.provider_calls), (false, 0));
    assert!(!ask.stores && ask.previous.is_none());
    let ask = respond(r#""previous_response_id":"resp_1""#).unwrap();
    assert!(
        ask.stores && ask.unseen_input && ask.text_bound == 0,
        "its input may be all in what it goes on from"
    );
    assert_eq!(ask.previous.unwrap().as_str(), "resp_1");
    for (store, stores) in [("true", true), ("null", true), ("false", false), ("\"false\"", true)] {
        assert_eq!(respond(&format!("\"input\":\"\",\"store\":{store}")).unwrap().stores, stores, "{store}");
    }
    let bare = Ask::about("m");
    assert_eq!(
        (bare.model.as_str(), bare.form, bare.body.len(), bare.stores),
        ("m", Form::Responses, 0, false)
    );
    let ask = respond(r#""input":[],"text":{"format":{"type":"json_schema"}}"#).unwrap();
    assert_eq!((ask.text_bytes, ask.text_bound), (33, 33));
}

#[test]
fn items_are_counted_by_their_kind() {
    // 16 for the item; of the rest, `text` is text and `beside` are labels and keys.
    for (json, text, beside, images, unseen) in [
        (r#"{"role":"user","content":"abc"}"#, 3, 4 + 4 + 7, 0, false),
        (
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"abc"}]}"#,
            3,
            11 + 8 + 7 + 4 + 10 + 4,
            0,
            false,
        ),
        (
            r#"{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,QUJD"}]}"#,
            0,
            8 + 7 + 4 + 11 + 9,
            1,
            false,
        ),
        (
            r#"{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}"#,
            3,
            4 + 13 + 7 + 2 + 4 + 9,
            0,
            false,
        ),
        (r#"{"type":"function_call_output","call_id":"c1","output":"ok"}"#, 2, 4 + 20 + 7 + 2 + 6, 0, false),
        (
            r#"{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"QUJD"}"#,
            2,
            4 + 9 + 2 + 1 + 7 + 4 + 12 + 4 + 17 + 4,
            0,
            false,
        ),
        (r#"{"result":"QUJDREVG","type":"image_generation_call"}"#, 0, 6 + 4 + 21, 1, true),
        // Only there is it a picture.
        (r#"{"type":"mcp_call","result":"QUJDREVG"}"#, 8, 4 + 8 + 6, 0, false),
    ] {
        let ask = item(json);
        assert_eq!((ask.text_bytes, ask.images, ask.unseen_input), (text, images, unseen), "{json}");
        assert_eq!((ask.text_bound, ask.messages), (16 + text + beside, 1), "{json}");
    }
    for json in [
        r#"{"type":"item_reference","id":"msg_1"}"#,
        r#"{"type":"web_search_call","id":"ws_1"}"#,
        r#"{"type":"file_search_call","id":"fs_1"}"#,
        r#"{"type":"code_interpreter_call","code":"1"}"#,
        r#"{"type":"compaction","encrypted_content":"QUJD"}"#,
        r#"{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}"#,
        r#"{"role":"user","content":[{"type":"input_image","image_url":"https://x/y.png"}]}"#,
        r#"{"role":"user","content":[{"type":"input_file","file_data":"data:application/pdf;base64,QUJD"}]}"#,
        r#"{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_url":"https://x"}]}"#,
        r#"{"type":"of tomorrow"}"#,
    ] {
        assert!(item(json).unseen_input, "{json}");
    }
}

#[test]
fn tools_of_responses_and_what_is_stored() {
    for (member, tools, calls, unseen) in [
        (
            r#""tools":[{"type":"function","name":"f","parameters":{}},{"type":"custom","name":"g"}]"#,
            2,
            0,
            false,
        ),
        (r#""tools":[{"type":"local_shell"}]"#, 1, 0, false),
        (
            r#""tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}]"#,
            2,
            0,
            false,
        ),
        (r#""tools":[{"tools":[{"type":"web_search"}],"type":"namespace"}]"#, 2, 10, true),
        (
            r#""tools":[{"type":"namespace","tools":[{"type":"namespace","tools":[{"type":"mcp"}]}]}]"#,
            3,
            10,
            true,
        ),
        (r#""tools":[{"type":"mcp","tools":[{"type":"function","name":"f"}]}]"#, 2, 10, true),
        (r#""tools":[{"type":"web_search"}]"#, 1, 10, true),
        (r#""tools":[{"type":"web_search_preview"},{"type":"file_search"},{"type":"mcp"}]"#, 3, 30, true),
        (
            r#""tools":[{"type":"code_interpreter"},{"type":"image_generation"}],"max_tool_calls":3"#,
            2,
            3,
            true,
        ),
        (r#""max_tool_calls":40,"tools":[{"type":"web_search"}]"#, 1, 40, true),
        (r#""max_tool_calls":3,"tools":[{"type":"function"}]"#, 1, 0, false),
        (r#""conversation":"conv_1""#, 0, 0, true),
        (r#""conversation":{"id":"conv_1"}"#, 0, 0, true),
        (r#""prompt":{"id":"pmpt_1"}"#, 0, 10, true),
        (r#""prompt":{"id":"pmpt_1"},"max_tool_calls":2"#, 0, 2, true),
        (r#""context_management":[{"type":"compaction"}]"#, 0, 0, true),
    ] {
        let ask = respond(&format!("\"input\":\"\",{member}")).unwrap();
        assert_eq!((ask.tools, ask.provider_calls, ask.unseen_input), (tools, calls, unseen), "{member}");
    }
    let shell = respond(r#""input":"","tools":[{"type":"local_shell"}]"#).unwrap();
    assert_eq!(shell.text_bound, 16 + 24 + 32 + 1024);
    assert!(respond(r#""prompt":{"id":"pmpt_1"}"#).is_ok() && respond(r#""conversation":"c""#).is_ok());
}

#[test]
fn bad_responses_are_refused() {
    for (member, want) in [
        ("\"input\":1", "input"),
        ("\"input\":null", "input"),
        ("\"store\":false", "input"),
        ("\"input\":\"\",\"instructions\":[]", "instructions"),
        ("\"input\":\"\",\"background\":true", "background"),
        ("\"input\":\"\",\"previous_response_id\":\"../files\"", "previous_response_id"),
        ("\"input\":\"\",\"previous_response_id\":[\"resp_1\"]", "previous_response_id"),
        ("\"input\":\"\",\"max_output_tokens\":0", "max_output_tokens"),
        ("\"input\":\"\",\"max_output_tokens\":\"9\"", "max_output_tokens"),
        ("\"input\":\"\",\"max_tool_calls\":0", "max_tool_calls"),
        ("\"input\":\"\",\"max_tool_calls\":1.5", "max_tool_calls"),
        ("\"input\":\"\",\"tools\":{}", "tools"),
        ("\"input\":\"\",\"service_tier\":1", "service_tier"),
    ] {
        assert_eq!(param(respond(member)), want, "{member}");
    }
    for member in [
        "\"input\":\"a\",\"Instructions\":\"b\"",
        "\"input\":\"a\",\"store\":false,\"store\":true",
        "\"input\":\"a\",\"previous_response_id\":null,\"previous_re\u{17f}ponse_id\":\"resp_1\"",
        "\"input\":\"a\",\"max_output_to\u{212a}ens\":9",
        "\"input\":[{\"role\":\"user\",\"content\":\"a\",\"Content\":\"b\"}]",
        "\"input\":[{\"type\":\"message\",\"type\":\"item_reference\"}]",
        "\"input\":[{\"content\":[{\"type\":\"input_image\",\"Image_Url\":\"x\"}]}]",
        "\"input\":\"a\",\"tools\":[{\"type\":\"function\",\"Type\":\"web_search\"}]",
        "\"input\":\"a\",\"tools\":[{\"type\":\"namespace\",\"Tools\":[{\"type\":\"web_search\"}]}]",
    ] {
        is_duplicate(Form::Responses, &format!("{{\"model\":\"m\",{member}}}"));
    }
}

#[test]
fn moderations_are_read() {
    let ask = read(Form::Moderations, "{\"input\":\"hello\"}").unwrap();
    assert_eq!((ask.model.as_str(), ask.text_bytes, ask.text_bound), ("omni-moderation-latest", 5, 5 + 4));
    let ask = read(Form::Moderations, "{\"input\":[\"a\",\"bc\"],\"model\":\"m\"}").unwrap();
    assert_eq!((ask.model.as_str(), ask.text_bytes, ask.text_bound), ("m", 3, 3 + 2 * 4));
    let parts = |url: &str| {
        format!(
            r#"{{"input":[{{"type":"text","text":"abc"}},{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}"#
        )
    };
    let ask = read(Form::Moderations, &parts("data:image/png;base64,QUJD")).unwrap();
    // type text text abc; type image_url image_url url
    assert_eq!((ask.text_bytes, ask.text_bound), (3, 3 + 12 + 4 + 9 + 9 + 3 + 2 * 4));
    assert_eq!((ask.images, ask.unseen_input), (1, false));
    assert!(read(Form::Moderations, &parts("https://x/y.png")).unwrap().unseen_input);
    for (body, want) in [
        ("{\"model\":\"m\"}", "input"),
        ("{\"input\":null}", "input"),
        ("{\"input\":[1]}", "input"),
        ("{\"input\":[[\"a\"]]}", "input"),
        ("{\"input\":\"a\",\"model\":null}", "model"),
        ("{\"input\":\"a\",\"model\":\"\"}", "model"),
    ] {
        assert_eq!(param(read(Form::Moderations, body)), want, "{body}");
    }
    for body in [
        "{\"input\":\"a\",\"Model\":\"m\"}",
        "{\"input\":\"a\",\"input\":\"b\"}",
        "{\"input\":[{\"type\":\"text\",\"Text\":\"b\"}]}",
    ] {
        is_duplicate(Form::Moderations, body);
    }
}

#[test]
fn a_query_is_read_with_each_document() {
    let rank = |members: &str| read(Form::Rerank, &format!("{{\"model\":\"m\",{members}}}"));
    for (members, text, bound) in [
        // 3 bytes of query with each of 2 documents, and 8 around each pair.
        ("\"query\":\"abc\",\"documents\":[\"de\",\"fghi\"],\"top_n\":1", 6 + 6, 6 + 6 + 16),
        ("\"documents\":[\"de\",\"fghi\"],\"query\":\"abc\"", 6 + 6, 6 + 6 + 16),
        // A key is no text, but counts.
        ("\"query\":\"abc\",\"documents\":[{\"text\":\"de\"}]", 5, 5 + 4 + 8),
        ("\"query\":\"abc\",\"documents\":[]", 3, 3),
        // What is not known here may stand with each pair: 6 bytes.
        ("\"query\":\"abc\",\"documents\":[\"d\",\"e\"],\"odd\":123", 6 + 2, 6 + 2 + 16 + 12),
    ] {
        let ask = rank(members).unwrap();
        assert_eq!((ask.text_bytes, ask.text_bound), (text, bound), "{members}");
        assert!(!ask.form.has_output() && !ask.unseen_input);
    }
    assert!(rank("\"query\":\"a\",\"documents\":[{\"image\":\"https://x/y.png\"}]").unwrap().unseen_input);
    for (members, want) in [
        ("\"query\":\"a\"", "documents"),
        ("\"documents\":[]", "query"),
        ("\"query\":1,\"documents\":[]", "query"),
        ("\"query\":\"a\",\"documents\":\"b\"", "documents"),
        ("\"query\":\"a\",\"documents\":[1]", "documents"),
    ] {
        assert_eq!(param(rank(members)), want, "{members}");
    }
    is_duplicate(Form::Rerank, "{\"model\":\"m\",\"query\":\"a\",\"Documents\":[\"b\"],\"documents\":[]}");
}

#[test]
fn characters_of_speech_are_counted() {
    let speak = |members: &str| read(Form::Speech, &format!("{{\"model\":\"m\",{members}}}"));
    // The instructions are read too, by models that cost by the token.
    for (members, characters, spoken, bytes, stream) in [
        ("\"input\":\"hello\",\"voice\":\"alloy\",\"speed\":2", 5, 5, 5, false),
        ("\"input\":\"h\\u00e9 \u{1f600}\",\"instructions\":\"kindly\"", 4, 8, 14, false),
        ("\"input\":\"a\",\"stream_format\":\"sse\"", 1, 1, 1, true),
        ("\"stream_format\":\"audio\",\"input\":\"\"", 0, 0, 0, false),
    ] {
        let ask = speak(members).unwrap();
        let media = (ask.media.characters, ask.media.spoken_bytes);
        assert_eq!((media, ask.text_bytes, ask.stream), ((characters, spoken), bytes, stream), "{members}");
        assert_eq!((ask.text_bound, ask.form.has_output(), ask.spoken), (bytes + 4, false, true));
    }
    for (members, want) in [
        ("\"voice\":\"x\"", "input"),
        ("\"input\":[\"a\"]", "input"),
        ("\"input\":\"a\",\"stream_format\":1", "stream_format"),
    ] {
        assert_eq!(param(speak(members)), want, "{members}");
    }
    is_duplicate(Form::Speech, "{\"model\":\"m\",\"input\":\"a\",\"Input\":\"b\"}");
}
