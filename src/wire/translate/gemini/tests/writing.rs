//! The body but for the conversation.

use super::*;
use crate::wire::translate::prompt::{Choice, Effort, Format, Parallel, Thinking, Tier};

fn config(config: &Value) -> Value {
    json!({"generationConfig": config})
}

#[test]
fn members_of_the_body() {
    let [one, half, seven, minus] = [raw("1.0"), raw("0.50"), raw("7"), raw("-2")];
    for (prompt, want) in [
        (prompt(), json!({})),
        // The path says the model and whether the answer streams; who asks is not said.
        (
            Prompt { stream: true, user: Some(set("u".to_owned())), stops: Some(set(vec![])), ..prompt() },
            json!({}),
        ),
        (Prompt { cap: Some(9), ..prompt() }, config(&json!({"maxOutputTokens": 9}))),
        (
            Prompt { system: vec![set("a".to_owned()), set("b".to_owned())], ..prompt() },
            json!({"systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}}),
        ),
        (
            Prompt {
                temperature: Some(set(&one)),
                top_p: Some(set(&half)),
                top_k: Some(set(&seven)),
                presence_penalty: Some(set(&minus)),
                frequency_penalty: Some(set(&half)),
                seed: Some(set(&minus)),
                stops: Some(set(vec!["a".to_owned(), "b".to_owned()])),
                ..prompt()
            },
            config(
                &json!({"temperature": 1.0, "topP": 0.5, "topK": 7, "presencePenalty": -2, "frequencyPenalty": 0.5,
                "seed": -2, "stopSequences": ["a", "b"]}),
            ),
        ),
        (Prompt { tier: Some(set(Tier::Default)), ..prompt() }, json!({"serviceTier": "standard"})),
        (Prompt { tier: Some(set(Tier::Flex)), ..prompt() }, json!({"serviceTier": "flex"})),
        (Prompt { tier: Some(set(Tier::Priority)), ..prompt() }, json!({"serviceTier": "priority"})),
    ] {
        assert_eq!(sent(&prompt, MODEL), want);
    }
}

/// Schemas of tools and of answers go as they came.
#[test]
fn schemas() {
    let schema =
        raw("{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{\"$ref\":\"#/$defs/a\"}},\"$defs\":{}}");
    let value: Value = serde_json::from_str(schema.get()).unwrap();
    let described = |description: Option<&str>| Tool {
        name: "f".to_owned(),
        description: description.map(str::to_owned),
        schema: Some(schema.clone()),
        strict: None,
    };
    let formed = |description: Option<&str>| Format::Schema {
        name: Some("n".to_owned()),
        description: description.map(str::to_owned),
        schema: schema.clone(),
        strict: Some(true),
    };
    let declared = json!([{"name": "f", "description": "d", "parametersJsonSchema": value}, {"name": "g"}]);
    for (prompt, want) in [
        (
            Prompt { tools: vec![set(described(Some("d"))), tool("g", None)], ..prompt() },
            json!({"tools": [{"functionDeclarations": declared}]}),
        ),
        (
            Prompt { format: Some(set(Format::Json)), ..prompt() },
            config(&json!({"responseMimeType": "application/json"})),
        ),
        (
            Prompt { format: Some(set(formed(None))), ..prompt() },
            config(&json!({"responseMimeType": "application/json", "responseJsonSchema": value})),
        ),
    ] {
        assert_eq!(sent(&prompt, MODEL), want);
    }
    // What was spelled so stays so, in its order.
    let one = raw("1.0");
    let tools = Prompt { tools: vec![set(described(None))], temperature: Some(set(&one)), ..prompt() };
    let body = String::from_utf8(write::body(&tools, MODEL).unwrap()).unwrap();
    assert!(body.contains(schema.get()) && body.contains("\"temperature\":1.0}"), "{body}");
    let described = Prompt { format: Some(at(formed(Some("d")), "response_format")), ..prompt() };
    assert_eq!(refused(&described, MODEL).0, "response_format");
}

#[test]
fn which_tools_are_called() {
    let mode = |mode: &str| json!({"functionCallingConfig": {"mode": mode}});
    let named = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}});
    let (auto, nothing, any) = (Choice::Auto, Choice::Nothing, Choice::Any);
    let the_named = Choice::Named("f".to_owned());
    for (strict, choice, want) in [
        (None, None, json!(null)),
        (Some(false), Some(&auto), mode("AUTO")),
        (None, Some(&nothing), mode("NONE")),
        (None, Some(&any), mode("ANY")),
        (None, Some(&the_named), named.clone()),
        // In this mode arguments keep to their schema; where a call is asked for they do in any case.
        (Some(true), None, mode("VALIDATED")),
        (Some(true), Some(&auto), mode("VALIDATED")),
        (Some(true), Some(&any), mode("ANY")),
        (Some(true), Some(&nothing), mode("NONE")),
    ] {
        let prompt = Prompt { tools: vec![tool("f", strict)], choice: choice.cloned().map(set), ..prompt() };
        assert_eq!(sent(&prompt, MODEL)["toolConfig"], want, "{choice:?}");
    }
    for choice in [auto, nothing] {
        assert_eq!(sent(&Prompt { choice: Some(set(choice)), ..prompt() }, MODEL), json!({}));
    }
    // Nothing to choose from: Google itself says so.
    assert_eq!(sent(&Prompt { choice: Some(set(any)), ..prompt() }, MODEL)["toolConfig"], mode("ANY"));
}

#[test]
fn serial_calls_cannot_be_asked_for() {
    let serial = || Some(at(Parallel::Forbidden, "parallel_tool_calls"));
    let tools = || vec![tool("f", None)];
    assert_eq!(
        refused(&Prompt { tools: tools(), parallel: serial(), ..prompt() }, MODEL).0,
        "parallel_tool_calls"
    );
    for fine in [
        Prompt { parallel: serial(), ..prompt() },
        Prompt { tools: tools(), parallel: Some(set(Parallel::Allowed)), ..prompt() },
        Prompt { tools: tools(), parallel: serial(), choice: Some(set(Choice::Nothing)), ..prompt() },
    ] {
        sent(&fine, MODEL);
    }
}

fn number(value: &RawValue) -> Option<Set<&RawValue>> {
    Some(at(value, "n"))
}

#[test]
fn numbers_out_of_bounds() {
    let numbers: Vec<Box<RawValue>> =
        ["2.1", "-0.1", "1.5", "0.5", "2147483648", "-2.5", "1e999", "\"1\""].map(raw).into_iter().collect();
    let [hot, cold, over, half, long, low, huge, word] = numbers.as_slice() else { panic!() };
    for prompt in [
        Prompt { temperature: number(hot), ..prompt() },
        Prompt { temperature: number(cold), ..prompt() },
        Prompt { temperature: number(huge), ..prompt() },
        Prompt { temperature: number(word), ..prompt() },
        Prompt { top_p: number(over), ..prompt() },
        Prompt { top_k: number(half), ..prompt() },
        Prompt { seed: number(long), ..prompt() },
        Prompt { presence_penalty: number(low), ..prompt() },
        Prompt { frequency_penalty: number(hot), ..prompt() },
        Prompt { stops: Some(at(vec!["a".to_owned(); 6], "n")), ..prompt() },
    ] {
        let (param, message) = refused(&prompt, MODEL);
        assert!(param == "n" && message.starts_with("n must ") && message.contains("(Google)"), "{message}");
    }
}

/// Budgets for models of 2.5, words for newer ones.
#[test]
fn how_much_is_thought() {
    let budget = |units: i64| json!({"thinkingBudget": units, "includeThoughts": true});
    let level = |word: &str| json!({"thinkingLevel": word, "includeThoughts": true});
    let (flash, pro, lite) = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite");
    let effort = Thinking::Effort;
    for (model, asked, cap, want, want_cap) in [
        (flash, Thinking::Off, None, json!({"thinkingBudget": 0}), None),
        (lite, Thinking::Off, Some(9), json!({"thinkingBudget": 0}), Some(9)),
        (flash, Thinking::Adaptive, None, budget(-1), None),
        (flash, effort(Effort::Minimal), None, budget(1_024), Some(5_120)),
        (flash, effort(Effort::Medium), None, budget(8_192), Some(12_288)),
        (flash, effort(Effort::Highest), None, budget(24_576), Some(28_672)),
        (pro, effort(Effort::High), None, budget(24_576), Some(28_672)),
        (pro, effort(Effort::Highest), None, budget(32_768), Some(36_864)),
        (pro, effort(Effort::High), Some(10_000), budget(5_000), Some(10_000)),
        (pro, effort(Effort::Low), Some(256), budget(128), Some(256)),
        (flash, Thinking::Budget(2_000), Some(3_000), budget(2_000), Some(3_000)),
        (flash, Thinking::Budget(50_000), Some(60_000), budget(24_576), Some(60_000)),
        ("gemini-2.0-flash", Thinking::Off, None, json!(null), None),
        ("gemini-3.6-flash", Thinking::Off, None, json!({"thinkingLevel": "minimal"}), None),
        ("gemini-3-flash-preview", effort(Effort::Minimal), None, level("minimal"), None),
        (MODEL, Thinking::Adaptive, None, json!({"includeThoughts": true}), None),
        (MODEL, effort(Effort::Minimal), Some(9), level("low"), Some(9)),
        (MODEL, effort(Effort::Low), None, level("low"), None),
        (MODEL, effort(Effort::Medium), None, level("medium"), None),
        ("gemini-3.1-pro-preview", effort(Effort::High), None, level("high"), None),
        (MODEL, effort(Effort::Highest), None, level("high"), None),
        (MODEL, Thinking::Budget(1_024), Some(2_000), level("low"), Some(2_000)),
        (MODEL, Thinking::Budget(8_192), Some(9_000), level("medium"), Some(9_000)),
        (MODEL, Thinking::Budget(30_000), Some(40_000), level("high"), Some(40_000)),
    ] {
        let body = sent(&Prompt { thinking: Some(set(asked)), cap, ..prompt() }, model);
        let config = &body["generationConfig"];
        let told = (&config["thinkingConfig"], config["maxOutputTokens"].as_i64());
        assert_eq!(told, (&want, want_cap), "{model} {asked:?}");
    }
    for (model, asked, cap) in [
        (pro, Thinking::Off, None),
        (MODEL, Thinking::Off, None),
        ("gemini-3.1-pro-preview", Thinking::Off, None),
        ("gemini-2.0-flash", effort(Effort::Low), None),
        (pro, effort(Effort::Low), Some(200)),
        (lite, Thinking::Budget(100), Some(200)),
    ] {
        let prompt = Prompt { thinking: Some(at(asked, "reasoning_effort")), cap, ..prompt() };
        assert_eq!(refused(&prompt, model).0, "reasoning_effort", "{model}");
    }
}
