//! Tells an answer as a chat completion, or as the chunks of one.

mod stream;

use std::borrow::Cow;

use serde::Serialize;

use crate::wire::translate::telling::{Asked, Delta, Figures, Finish};
pub(in crate::wire::translate) use stream::Stream;

/// Usage as OpenAI spells it: the input is all of it, the cached part among it.
#[derive(Copy, Clone, Debug, Serialize)]
struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Copy, Clone, Debug, Serialize)]
struct PromptDetails {
    cached_tokens: i64,
    cache_write_tokens: i64,
}

#[derive(Copy, Clone, Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: i64,
}

/// A call of a tool, or more of one.
#[derive(Serialize)]
struct ToolCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent<'a>>,
}

/// Where Google's own server of chat has what its models want back with a call.
#[derive(Serialize)]
struct ExtraContent<'a> {
    google: Google<'a>,
}

#[derive(Serialize)]
struct Google<'a> {
    thought_signature: &'a str,
}

/// What of a function is called.
#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: Cow<'a, str>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: i64,
    message: Told<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Default, Serialize)]
struct Told<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

/// The chat completion that `deltas` are.
pub(in crate::wire::translate) fn whole(deltas: &[Delta], asked: &Asked) -> Vec<u8> {
    let (mut id, mut model) = (own_id(asked.created), asked.model.clone());
    let (mut finish, mut figures) = ("stop", Figures::default());
    let mut message = Told { role: "assistant", ..Told::default() };
    for delta in deltas {
        match delta {
            Delta::Begin { id: given, model: called } => {
                named(&mut id, given);
                named(&mut model, called);
            }
            Delta::Text(text) => message.content.get_or_insert_default().push_str(text),
            Delta::Thought(text) => message.reasoning_content.get_or_insert_default().push_str(text),
            Delta::Refusal(text) => message.refusal.get_or_insert_default().push_str(text),
            // No chat has a place for it.
            Delta::Signature(_) => {}
            Delta::Call { id, name, signature, .. } => {
                message.tool_calls.push(ToolCall::begun(None, (id, name), signature.as_deref()));
            }
            Delta::Arguments { index, json } => {
                if let Some(call) = message.tool_calls.get_mut(*index) {
                    call.function.arguments.to_mut().push_str(json);
                }
            }
            Delta::Finish(reason) => finish = finish_reason(reason),
            Delta::Figures(latest) => figures = *latest,
        }
    }
    let choices = [Choice { index: 0, message, logprobs: None, finish_reason: finish }];
    let usage = Usage::of(figures);
    let (id, model, created) = (id.as_str(), model.as_str(), asked.created);
    let completion = Completion { id, object: "chat.completion", created, model, choices, usage };
    serde_json::to_vec(&completion).expect("strings and numbers can always be written as JSON")
}

/// The name of an answer that its provider gives none.
fn own_id(created: i64) -> String {
    format!("chatcmpl-{created}")
}

/// Takes the provider's name of something, where it has one.
fn named(name: &mut String, given: &str) {
    if !given.is_empty() {
        given.clone_into(name);
    }
}

/// OpenAI's word for why an answer ended.
const fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::End | Finish::Stop(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
        Finish::Refused => "content_filter",
    }
}

impl<'a> ToolCall<'a> {
    /// A call of the tool `name` that is called `id` and has no arguments yet.
    fn begun(index: Option<usize>, (id, name): (&'a str, &'a str), signature: Option<&'a str>) -> Self {
        let function = Function { name: Some(name), arguments: Cow::Borrowed("") };
        let google = |thought_signature| ExtraContent { google: Google { thought_signature } };
        let extra_content = signature.map(google);
        Self { index, id: Some(id), kind: Some("function"), function, extra_content }
    }
}

impl Usage {
    const fn of(figures: Figures) -> Self {
        Self {
            prompt_tokens: figures.input,
            completion_tokens: figures.output,
            total_tokens: figures.input.saturating_add(figures.output),
            prompt_tokens_details: PromptDetails {
                cached_tokens: figures.cached,
                cache_write_tokens: figures.cache_write,
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: figures.thought },
        }
    }
}
