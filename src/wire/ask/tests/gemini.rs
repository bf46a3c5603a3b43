//! Gemini's methods: what their bodies are read as, and what is sent.

use super::*;
use crate::wire::outgoing::{Outgoing, outgoing};

fn read(form: Form, text: &str) -> Result<Ask, AskFault> {
    Ask::parse_for("m", form, Bytes::copy_from_slice(text.as_bytes()), &LIMITS)
}

fn generate(members: &str) -> Result<Ask, AskFault> {
    read(Form::Generate, &format!("{{\"contents\":[]{members}}}"))
}

#[test]
fn both_spellings_are_read() {
    for members in [
        r#","generationConfig":{"maxOutputTokens":7,"candidateCount":2,"thinkingConfig":{"thinkingBudget":5},"responseModalities":["AUDIO"]}"#,
        r#","generation_config":{"max_output_tokens":7,"candidate_count":2,"thinking_config":{"thinking_budget":5},"response_modalities":["AUDIO"]}"#,
    ] {
        let ask = generate(members).unwrap();
        assert_eq!(
            (ask.cap.asked, ask.choices, ask.thinking_budget, ask.spoken),
            (Some(7), 2, Some(5), true)
        );
        assert_eq!((ask.model.as_str(), ask.stream), ("m", false));
    }
    assert!(read(Form::StreamGenerate, r#"{"contents":[]}"#).unwrap().stream);
    assert_eq!(generate(r#","service_tier":"SERVICE_TIER_FLEX""#).unwrap().tier, ServiceTier::Flex);
    let free = generate(r#","generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}"#).unwrap();
    assert_eq!(free.thinking_budget, None);
}

#[test]
fn what_comes_twice_or_nearly_is_refused() {
    for members in [
        r#","contents":[]"#,
        r#","Contents":[]"#,
        r#","generationConfig":{},"generation_config":{}"#,
        r#","generationconfig":{}"#,
        r#","generation_Config":{}"#,
        r#","_generation_config":{}"#,
        r#","generationConfig":{"maxOutputTokens":1,"max_output_tokens":1}"#,
        r#","generationConfig":{"maxoutputtoken\u017f":1}"#,
        r#","generationConfig":{"thinkingConfig":{"thinkingBudget":1,"thinking_budget":1}}"#,
        r#","tools":[{"functionDeclarations":[],"function_declarations":[]}]"#,
        r#","systemInstruction":{"parts":[{"inlineData":{"data":"","Data":""}}]}"#,
        r#","systemInstruction":{"parts":[{"text":"a","te\u0078t":"b"}]}"#,
    ] {
        let fault = generate(members).unwrap_err();
        assert!(matches!(fault, AskFault::Json(JsonFault::Duplicate(_))), "{members}: {fault:?}");
    }
}

#[test]
fn bad_fields_are_named() {
    for (members, want) in [
        (r#","generationConfig":1"#, "generationConfig"),
        (r#","generationConfig":{"maxOutputTokens":"7"}"#, "generationConfig.maxOutputTokens"),
        (r#","generationConfig":{"maxOutputTokens":1.5}"#, "generationConfig.maxOutputTokens"),
        (r#","generationConfig":{"candidateCount":0}"#, "generationConfig.candidateCount"),
        (r#","model":"models/other""#, "model"),
        (r#","model":1"#, "model"),
        (r#","tools":{}"#, "tools"),
    ] {
        match generate(members) {
            Err(AskFault::Parameter { param, .. }) => assert_eq!(param, want, "{members}"),
            other => panic!("{members}: {other:?}"),
        }
    }
    for name in ["", "a//b", "../x", "a/..", "a?b", "a#b", "a\\b", "a\u{7f}"] {
        let body = Bytes::from_static(br#"{"contents":[]}"#);
        let fault = Ask::parse_for(name, Form::Generate, body, &LIMITS).unwrap_err();
        assert!(matches!(fault, AskFault::Parameter { .. }), "{name:?}: {fault:?}");
    }
    assert!(read(Form::Generate, "{}").is_err() && read(Form::EmbedContent, "{}").is_err());
    assert!(read(Form::EmbedContents, "{}").is_err() && read(Form::CountContent, "{}").is_ok());
}

#[test]
fn tools_and_what_is_unseen() {
    for (members, tools, calls, unseen) in [
        (r#","tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]"#, 2, 0, false),
        (r#","tools":[{"googleSearch":{}},{"code_execution":{}},{"urlContext":null}]"#, 0, 20, true),
        (r#","cachedContent":"cachedContents/x""#, 0, 0, true),
        (r#","continuation_token":"dG9rZW4=""#, 0, 0, true),
        (r#","cached_content":null"#, 0, 0, false),
        (r#","systemInstruction":{"parts":[{"fileData":{"fileUri":"x"}}]}"#, 0, 0, true),
        (r#","systemInstruction":{"parts":[{"functionResponse":{"parts":[{"file_data":{}}]}}]}"#, 0, 0, true),
        (r#","systemInstruction":{"parts":[{"functionCall":{"name":"f","args":{}}}]}"#, 0, 0, false),
    ] {
        let ask = generate(members).unwrap();
        assert_eq!((ask.tools, ask.provider_calls, ask.unseen_input), (tools, calls, unseen), "{members}");
    }
}

#[test]
fn only_what_must_change_is_changed() {
    let text = r#"{"model":"models/m","contents":[],"generationConfig":{"max_output_tokens":9}}"#;
    let edits = Outgoing { model: Some("x/y"), cap: Some(7), cap_field: "maxOutputTokens", ask_usage: false };
    let sent = |text: &str| outgoing(&read(Form::Generate, text).unwrap(), &edits);
    let want = r#"{"model":"models/x/y","contents":[],"generationConfig":{"max_output_tokens":7}}"#;
    assert_eq!(sent(text), want);
    let want = r#"{"generationConfig":{"maxOutputTokens":7},"contents":[]}"#;
    assert_eq!(sent(r#"{"contents":[]}"#), want);
}
