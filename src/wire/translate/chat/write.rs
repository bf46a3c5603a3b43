//! Writes a prompt as the body of a chat. Each part of it is said, says nothing, or is refused.

mod messages;
mod tools;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::wire::ask::AskFault;
use crate::wire::endpoints::Dialect;
use crate::wire::translate::prompt::{Effort, Format, Parallel, Prompt, Set, Thinking, Tier};
use messages::Message;
use tools::{Choice, Tool};

/// Whom it is written for.
const TO: Dialect = Dialect::OpenAi;

/// What OpenAI's dialects call how hard to think, at the end of its path.
const EFFORT: &str = "effort";

/// The newer of the two names of a cap.
const NEWER_CAP: &str = "max_completion_tokens";

/// The longest name of who asks that OpenAI takes, in characters.
const LONGEST_USER: usize = 64;

/// What a schema is called that its client gave no name.
const UNNAMED: &str = "answer";

/// The body that is sent.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// The body for a provider that takes the cap in `cap_field`; the model in it has still the client's name. A stream is asked for its
/// usage where every other is: on its way out.
///
/// # Errors
/// The first thing that cannot be said there.
pub(in crate::wire::translate) fn body(prompt: &Prompt<'_>, cap_field: &str) -> Result<Vec<u8>, AskFault> {
    if let Some(top_k) = &prompt.top_k {
        return Err(top_k.inexpressible(TO));
    }
    let has_tools = !prompt.tools.is_empty();
    let is_newer = cap_field == NEWER_CAP;
    let body = Body {
        model: &prompt.model,
        messages: messages::of(prompt)?,
        max_tokens: prompt.cap.filter(|_| !is_newer),
        max_completion_tokens: prompt.cap.filter(|_| is_newer),
        stream: prompt.stream.then_some(true),
        tools: tools::list(prompt),
        tool_choice: tools::choice(prompt),
        parallel_tool_calls: (has_tools && is_serial(prompt)).then_some(false),
        stop: prompt.stops.as_ref().map_or(&[], |stops| &stops.value),
        temperature: within(&prompt.temperature, 0.0, 2.0)?,
        top_p: within(&prompt.top_p, 0.0, 1.0)?,
        presence_penalty: within(&prompt.presence_penalty, -2.0, 2.0)?,
        frequency_penalty: within(&prompt.frequency_penalty, -2.0, 2.0)?,
        seed: prompt.seed.as_ref().map(|seed| seed.value),
        reasoning_effort: prompt.thinking.as_ref().and_then(effort),
        response_format: prompt.format.as_ref().map(|format| response_format(&format.value)),
        user: prompt.user.as_ref().map(|user| named(&user.value)),
        service_tier: prompt.tier.as_ref().map(|tier| tier_word(tier.value)),
    };
    Ok(serde_json::to_vec(&body).expect("strings and JSON can always be written as JSON"))
}

fn within<'a>(
    number: &Option<Set<&'a RawValue>>,
    least: f64,
    most: f64,
) -> Result<Option<&'a RawValue>, AskFault> {
    number.as_ref().map(|number| number.within(least..=most, TO)).transpose()
}

/// Who asks. Claude Code's name of it is longer than OpenAI takes; a digest tells users apart as well, and is what OpenAI advises.
fn named(user: &str) -> Cow<'_, str> {
    if user.chars().count() <= LONGEST_USER {
        return Cow::Borrowed(user);
    }
    Sha256::digest(user).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_serial(prompt: &Prompt<'_>) -> bool {
    prompt.parallel.as_ref().is_some_and(|parallel| parallel.value == Parallel::Forbidden)
}

/// OpenAI's word for how hard to think. Its models find out by themselves what is right, and those that do not think take no word of
/// it: not to think is said where the client has said it in this same word.
fn effort(thinking: &Set<Thinking>) -> Option<&'static str> {
    match thinking.value {
        Thinking::Adaptive => None,
        Thinking::Off => thinking.path.ends_with(EFFORT).then_some("none"),
        Thinking::Effort(Effort::Minimal) => Some("minimal"),
        Thinking::Effort(Effort::Low) | Thinking::Budget(..=2_048) => Some("low"),
        Thinking::Effort(Effort::Medium) | Thinking::Budget(..=8_192) => Some("medium"),
        Thinking::Effort(Effort::High) | Thinking::Budget(_) => Some("high"),
        Thinking::Effort(Effort::Highest) => Some("xhigh"),
    }
}

fn response_format(format: &Format) -> ResponseFormat<'_> {
    match format {
        Format::Json => ResponseFormat::JsonObject,
        Format::Schema { name, description, schema, strict } => ResponseFormat::JsonSchema {
            json_schema: Schema {
                name: name.as_deref().unwrap_or(UNNAMED),
                description: description.as_deref(),
                schema,
                strict: *strict,
            },
        },
    }
}

const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Default => "default",
        Tier::Flex => "flex",
        Tier::Priority => "priority",
    }
}
