//! The items of a response's input as turns of a conversation. What a developer or the system says goes before all. An answer that begins
//! with reasoning, a text or a call, is one turn of the model's.

use super::super::seal;
use super::super::tools::{self, Kind};
use crate::wire::ask::AskFault;
use crate::wire::translate::members::Members;
use crate::wire::translate::prompt::{Call, Media, Outcome, Part, Prompt, Set, Speaker, Success};
use crate::wire::translate::value::{Value, company};

/// Takes the member `input`.
///
/// # Errors
/// The first thing in it that cannot be said.
pub(super) fn read(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    if value.is_text() {
        prompt.say(Speaker::User, parts(value)?);
    } else {
        value.items()?.iter().try_for_each(|item| take(prompt, item))?;
    }
    if prompt.turns.is_empty() {
        return Err(value.refuse("must hold a message of a user"));
    }
    Ok(())
}

fn take(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    let mut item = Members::of(value)?;
    // Names and states of what was told before, and whether it was the last word.
    item.pass(&["id", "status", "phase"]);
    let kind = item.text("type")?;
    match kind.as_deref().unwrap_or("message") {
        "message" => message(prompt, value, &mut item)?,
        "reasoning" => {
            let part = thought(value, &mut item)?;
            prompt.say(Speaker::Model, part.map(|part| value.set(part)).into_iter().collect());
        }
        "function_call" => called(prompt, value, &mut item, Kind::Function)?,
        "custom_tool_call" => called(prompt, value, &mut item, Kind::Custom)?,
        "function_call_output" | "custom_tool_call_output" => {
            let call = item.needed("call_id")?.text()?;
            let parts = parts(&item.needed("output")?)?;
            // Codex repeats the name of the tool.
            item.pass(&["name"]);
            let outcome = Outcome { call, parts, success: Success::Done };
            prompt.say(Speaker::User, vec![value.set(Part::Outcome(outcome))]);
        }
        other => {
            return Err(value.refuse(&format!(
                "is of the type {other:?}, which this model's provider ({}) cannot be given",
                company(value.to)
            )));
        }
    }
    item.done()
}

fn message(prompt: &mut Prompt<'_>, value: &Value<'_>, item: &mut Members<'_>) -> Result<(), AskFault> {
    let role = item.needed("role")?.text()?;
    let content = item.needed("content")?;
    let parts = parts(&content)?;
    let speaker = match role.as_str() {
        "user" => Speaker::User,
        "assistant" => Speaker::Model,
        "system" | "developer" => {
            for part in parts {
                let Part::Text(text) = part.value else {
                    return Err(part.refuse("must be text in this role"));
                };
                prompt.system.push(Set { value: text, path: part.path });
            }
            return Ok(());
        }
        _ => return Err(value.refuse("must have the role user, assistant, system or developer")),
    };
    if parts.is_empty() {
        return Err(content.refuse("must hold something"));
    }
    prompt.say(speaker, parts);
    Ok(())
}

/// Content, whatever it is; parts without text are left out.
fn parts(value: &Value<'_>) -> Result<Vec<Set<Part>>, AskFault> {
    if value.is_text() {
        let text = value.text()?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![value.set(Part::Text(text))] });
    }
    let mut parts = Vec::new();
    for item in value.items()? {
        parts.extend(part(&item)?.map(|part| item.set(part)));
    }
    Ok(parts)
}

fn part(value: &Value<'_>) -> Result<Option<Part>, AskFault> {
    let mut part = Members::of(value)?;
    let said = |text: String| (!text.is_empty()).then_some(Part::Text(text));
    let read = match part.text("type")?.as_deref() {
        Some("input_text") => said(part.needed("text")?.text()?),
        Some("output_text") => {
            part.idle("annotations", &["[]"])?;
            part.idle("logprobs", &["[]"])?;
            said(part.needed("text")?.text()?)
        }
        Some("refusal") => said(part.needed("refusal")?.text()?),
        Some("input_image") => {
            part.idle("detail", &["\"auto\"", "\"high\""])?;
            Some(Part::Image(media(&part.needed("image_url")?)?))
        }
        Some("input_file") => Some(Part::Document(file(&mut part, value)?)),
        _ => {
            return Err(value.refuse(
                "must be of type input_text, output_text, refusal, input_image or input_file: no other can be sent to another provider",
            ));
        }
    };
    part.done()?;
    Ok(read)
}

/// A file by its data or by its address. Its name says nothing that is in it.
fn file(part: &mut Members<'_>, value: &Value<'_>) -> Result<Media, AskFault> {
    part.pass(&["filename"]);
    match (part.take("file_data"), part.take("file_url")) {
        (Some(data), None) => media(&data),
        (None, Some(url)) => media(&url),
        _ => {
            Err(value
                .refuse("must have file_data or file_url: files that OpenAI keeps cannot be sent elsewhere"))
        }
    }
}

/// A file in a `data:` URL, or at an address.
fn media(value: &Value<'_>) -> Result<Media, AskFault> {
    let url = value.text()?;
    let Some(inline) = url.strip_prefix("data:") else {
        let is_https = url.starts_with("https://");
        return if is_https {
            Ok(Media::Url(url))
        } else {
            Err(value.refuse("must be an https:// or data: URL"))
        };
    };
    match inline.split_once(";base64,") {
        Some((media_type, data)) => {
            Ok(Media::Inline { media_type: media_type.to_owned(), data: data.to_owned() })
        }
        None => Err(value.refuse("must be in base64, as in data:image/png;base64,…")),
    }
}

/// What was thought before, as far as this provider can read it again.
fn thought(value: &Value<'_>, item: &mut Members<'_>) -> Result<Option<Part>, AskFault> {
    let mut texts = Vec::new();
    for name in ["summary", "content"] {
        for part in item.take(name).map_or(Ok(Vec::new()), |parts| parts.items())? {
            let mut part = Members::of(&part)?;
            part.idle("type", &["\"summary_text\"", "\"reasoning_text\""])?;
            texts.push(part.needed("text")?.text()?);
            part.done()?;
        }
    }
    let sealed = item.text("encrypted_content")?.and_then(|sealed| seal::open(&sealed, value.to));
    if sealed.is_some() {
        return Ok(sealed);
    }
    let text = texts.concat();
    Ok((!text.is_empty()).then_some(Part::Thought { text, signature: None }))
}

fn called(
    prompt: &mut Prompt<'_>,
    value: &Value<'_>,
    item: &mut Members<'_>,
    kind: Kind,
) -> Result<(), AskFault> {
    let name = item.needed("name")?.text()?;
    let outer = item.text("namespace")?;
    item.idle("async", &["false"])?;
    if let Some(caller) = item.take("caller") {
        let mut caller = Members::of(&caller)?;
        caller.idle("type", &["\"direct\""])?;
        caller.done()?;
    }
    let arguments = match kind {
        Kind::Function => item.needed("arguments")?.object_text()?,
        Kind::Custom => tools::wrapped(&item.needed("input")?.text()?),
    };
    let (id, name) = (item.needed("call_id")?.text()?, tools::full_name(&name, outer.as_deref()));
    let call = Part::Call(Call { id, name, arguments, signature: None });
    prompt.say(Speaker::Model, vec![value.set(call)]);
    Ok(())
}
