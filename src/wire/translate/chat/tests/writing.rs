//! From a prompt to the body.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::ask::AskFault;
use crate::wire::translate::chat::write;
use crate::wire::translate::prompt::{
    Call, Choice, Effort, Format, Media, Outcome, Parallel, Part, Prompt, Set, Speaker, Success, Thinking,
    Tier, Tool,
};

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn set<T>(path: &str, value: T) -> Set<T> {
    Set { value, path: path.to_owned() }
}

fn text(text: &str) -> Set<Part> {
    set("text", Part::Text(text.to_owned()))
}

fn inline(media_type: &str) -> Media {
    Media::Inline { media_type: media_type.to_owned(), data: "QUJD".to_owned() }
}

fn call(id: &str, arguments: &str) -> Set<Part> {
    let arguments = RawValue::from_string(arguments.to_owned()).unwrap();
    set("call", Part::Call(Call { id: id.to_owned(), name: "f".to_owned(), arguments, signature: None }))
}

fn outcome(call: &str, parts: Vec<Set<Part>>, success: Success) -> Set<Part> {
    set("outcome", Part::Outcome(Outcome { call: call.to_owned(), parts, success }))
}

fn tool(name: &str) -> Set<Tool> {
    let schema = Some(raw(&json!({"type": "object"})));
    set("tools", Tool { name: name.to_owned(), description: Some("d".to_owned()), schema, strict: None })
}

/// A prompt that says hi.
fn hello<'a>() -> Prompt<'a> {
    let mut prompt = Prompt { model: "m".to_owned(), ..Prompt::default() };
    prompt.say(Speaker::User, vec![text("hi")]);
    prompt
}

fn written(prompt: &Prompt<'_>) -> Value {
    serde_json::from_slice(&write::body(prompt, "max_tokens").unwrap()).unwrap()
}

/// What is written beside the model and the messages.
fn members(prompt: &Prompt<'_>) -> Value {
    let mut body = written(prompt);
    let members = body.as_object_mut().unwrap();
    assert_eq!(members.remove("model"), Some(json!("m")));
    assert!(members.remove("messages").is_some());
    body
}

fn check<const COUNT: usize>(cases: [(Prompt<'_>, Value); COUNT]) {
    for (prompt, want) in cases {
        assert_eq!(members(&prompt), want, "{prompt:?}");
    }
}

#[test]
fn members_of_the_body() {
    let number = |spelled: &'static str| Some(set("n", serde_json::from_str::<&RawValue>(spelled).unwrap()));
    let thinking = |thinking| Prompt { thinking: Some(set("t", thinking)), ..hello() };
    let tier = |tier| Prompt { tier: Some(set("t", tier)), ..hello() };
    check([
        (hello(), json!({})),
        (Prompt { stream: true, cap: Some(9), ..hello() }, json!({"stream": true, "max_tokens": 9})),
        (
            Prompt { temperature: number("1.50"), top_p: number("0.5"), seed: number("7"), ..hello() },
            json!({"temperature": 1.5, "top_p": 0.5, "seed": 7}),
        ),
        (
            Prompt { presence_penalty: number("-2"), frequency_penalty: number("2"), ..hello() },
            json!({"presence_penalty": -2, "frequency_penalty": 2}),
        ),
        (
            Prompt { stops: Some(set("s", vec!["a".to_owned(), "b".to_owned()])), ..hello() },
            json!({"stop": ["a", "b"]}),
        ),
        (Prompt { user: Some(set("u", "me".to_owned())), ..hello() }, json!({"user": "me"})),
        (tier(Tier::Default), json!({"service_tier": "default"})),
        (tier(Tier::Flex), json!({"service_tier": "flex"})),
        (tier(Tier::Priority), json!({"service_tier": "priority"})),
        (thinking(Thinking::Adaptive), json!({})),
        (thinking(Thinking::Off), json!({})),
        (
            Prompt { thinking: Some(set("reasoning.effort", Thinking::Off)), ..hello() },
            json!({"reasoning_effort": "none"}),
        ),
        (thinking(Thinking::Effort(Effort::Minimal)), json!({"reasoning_effort": "minimal"})),
        (thinking(Thinking::Effort(Effort::Highest)), json!({"reasoning_effort": "xhigh"})),
        (thinking(Thinking::Budget(2_048)), json!({"reasoning_effort": "low"})),
        (thinking(Thinking::Budget(8_192)), json!({"reasoning_effort": "medium"})),
        (thinking(Thinking::Budget(31_999)), json!({"reasoning_effort": "high"})),
    ]);
    let capped = write::body(&Prompt { cap: Some(9), ..hello() }, "max_completion_tokens").unwrap();
    assert!(std::str::from_utf8(&capped).unwrap().contains("\"max_completion_tokens\":9"));
}

#[test]
fn forms_of_the_answer() {
    let schema = json!({"z": 1, "a": 2});
    let schema_of = |name: Option<&str>, strict| Format::Schema {
        name: name.map(str::to_owned),
        description: None,
        schema: raw(&schema),
        strict,
    };
    let format = |format| Prompt { format: Some(set("f", format)), ..hello() };
    check([
        (format(Format::Json), json!({"response_format": {"type": "json_object"}})),
        (
            format(schema_of(Some("x"), Some(true))),
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": true}}}),
        ),
        (
            format(schema_of(None, None)),
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}),
        ),
    ]);
    // As it was sent: an order of properties steers the model.
    let body = write::body(&format(schema_of(None, None)), "max_tokens").unwrap();
    assert!(std::str::from_utf8(&body).unwrap().contains(&schema.to_string()));
}

#[test]
fn tools_and_their_choice() {
    let told = json!([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]);
    let chosen = |choice| Prompt { tools: vec![tool("f")], choice: Some(set("c", choice)), ..hello() };
    check([
        (chosen(Choice::Auto), json!({"tools": told, "tool_choice": "auto"})),
        (chosen(Choice::Nothing), json!({"tools": told, "tool_choice": "none"})),
        (chosen(Choice::Any), json!({"tools": told, "tool_choice": "required"})),
        (
            chosen(Choice::Named("f".to_owned())),
            json!({"tools": told, "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ),
        (
            Prompt { tools: vec![tool("f")], parallel: Some(set("p", Parallel::Forbidden)), ..hello() },
            json!({"tools": told, "parallel_tool_calls": false}),
        ),
        (
            Prompt {
                choice: Some(set("c", Choice::Auto)),
                parallel: Some(set("p", Parallel::Forbidden)),
                ..hello()
            },
            json!({}),
        ),
    ]);
}

#[test]
fn messages() {
    let mut prompt = Prompt { model: "m".to_owned(), ..Prompt::default() };
    prompt.system = vec![set("s", "be brief".to_owned()), set("s", "be kind".to_owned())];
    let image = set("i", Part::Image(inline("image/png")));
    let linked = set("i", Part::Image(Media::Url("https://x/y.png".to_owned())));
    let document = set("d", Part::Document(inline("application/pdf")));
    let thought = set("t", Part::Thought { text: "hm".to_owned(), signature: Some("s".to_owned()) });
    prompt.say(Speaker::User, vec![text("look"), image, linked, document]);
    prompt
        .say(Speaker::Model, vec![thought.clone(), text("well"), call("a", "{\"z\":1.50}"), call("b", "{}")]);
    // A chat wants what tools gave right behind the calls.
    let (done, failed) = (Success::Done, Success::Failed);
    prompt.say(
        Speaker::User,
        vec![
            text("and?"),
            outcome("a", vec![text("one"), text("two")], done),
            outcome("b", vec![text("no such file")], failed),
        ],
    );
    prompt.say(Speaker::Model, vec![call("c", "{}")]);
    prompt.say(Speaker::User, vec![outcome("c", Vec::new(), done)]);
    prompt.say(Speaker::Model, vec![thought]);
    prompt.say(Speaker::User, vec![text("bye")]);
    let part = |text: &str| json!({"type": "text", "text": text});
    let called = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let gave = |id: &str, content: Value| json!({"role": "tool", "tool_call_id": id, "content": content});
    let file = json!({"filename": "document.pdf", "file_data": "data:application/pdf;base64,QUJD"});
    let want = json!([
        {"role": "system", "content": [part("be brief"), part("be kind")]},
        {"role": "user", "content": [part("look"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            {"type": "file", "file": file}]},
        {"role": "assistant", "content": "well", "tool_calls": [called("a", "{\"z\":1.50}"), called("b", "{}")]},
        gave("a", json!([part("one"), part("two")])),
        gave("b", json!([part("The tool failed."), part("no such file")])),
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": null, "tool_calls": [called("c", "{}")]},
        gave("c", json!("")),
        {"role": "user", "content": "bye"},
    ]);
    assert_eq!(written(&prompt)["messages"], want);
}

#[test]
fn what_cannot_be_expressed_is_refused_by_name() {
    let number = |spelled: &'static str| Some(set("n", serde_json::from_str::<&RawValue>(spelled).unwrap()));
    let says = |speaker, part: Set<Part>| {
        let mut prompt = hello();
        prompt.say(speaker, vec![part]);
        prompt
    };
    let image = || set("n", Part::Image(inline("image/png")));
    let linked = Part::Document(Media::Url("https://x/y.pdf".to_owned()));
    for prompt in [
        Prompt { top_k: number("5"), ..hello() },
        Prompt { temperature: number("2.1"), ..hello() },
        Prompt { top_p: number("1.1"), ..hello() },
        Prompt { presence_penalty: number("3"), ..hello() },
        says(Speaker::Model, image()),
        says(
            Speaker::User,
            outcome("a", vec![set("n", Part::Document(inline("application/pdf")))], Success::Done),
        ),
        says(Speaker::User, set("n", linked)),
        says(Speaker::User, set("n", Part::Document(inline("text/plain")))),
    ] {
        match write::body(&prompt, "max_tokens") {
            Err(AskFault::Parameter { param, .. }) => assert_eq!(param, "n"),
            other => panic!("{prompt:?}: {other:?}"),
        }
    }
}

/// What a tool gave is text alone in a chat; an image stands in the user's message behind it.
#[test]
fn images_that_a_tool_gave() {
    let mut prompt = hello();
    let image = set("i", Part::Image(inline("image/png")));
    let given = outcome("a", vec![text("done"), image], Success::Done);
    prompt.say(Speaker::User, vec![given, text("well?")]);
    let body: Value = serde_json::from_slice(&write::body(&prompt, "max_tokens").unwrap()).unwrap();
    let said = |text: &str| json!({"type": "text", "text": text});
    let url = json!({"url": "data:image/png;base64,QUJD"});
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(
        messages[messages.len() - 2..],
        [
            json!({"role": "tool", "tool_call_id": "a", "content": [said("done"), said("(The image follows.)")]}),
            json!({"role": "user", "content": [said("hi"), said("What the tool showed:"), {"type": "image_url", "image_url": url}, said("well?")]}),
        ]
    );
}
