//! The messages, block by block. Messages of one side that follow each other make one turn, as Anthropic has it too. What messages of
//! the role `system` say goes before the conversation, for few providers take it within.

use super::cache_control;
use crate::wire::ask::AskFault;
use crate::wire::endpoints::Dialect;
use crate::wire::translate::members::Members;
use crate::wire::translate::prompt::{Call, Media, Outcome, Part, Prompt, Set, Speaker, Success};
use crate::wire::translate::proof::unmarked;
use crate::wire::translate::value::{Value, company};

/// Takes the member `messages`.
///
/// # Errors
/// The first thing in it that cannot be said.
pub(super) fn read(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    let mut last = None;
    for message in value.items()? {
        last = take(prompt, &message)?.map(|speaker| (speaker, message)).or(last);
    }
    match last {
        Some((Speaker::User, _)) => Ok(()),
        Some((Speaker::Model, message)) => Err(message.refuse(
            "must not be the last: an answer that is begun by the client cannot be gone on with there",
        )),
        None => Err(value.refuse("must hold a message of a user")),
    }
}

/// Takes one message; who speaks, unless it is the system.
fn take(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<Option<Speaker>, AskFault> {
    let (mut role, mut content) = (String::new(), None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "role" => role = value.text()?,
            "content" => content = Some(value),
            _ => value.must_be_idle(&[])?,
        }
    }
    let content = content.ok_or_else(|| value.refuse("must have content"))?;
    let speaker = match role.as_str() {
        "system" => {
            prompt.system.append(&mut texts(&content)?);
            return Ok(None);
        }
        "user" => Speaker::User,
        "assistant" => Speaker::Model,
        _ => return Err(value.refuse("must have the role user, assistant or system")),
    };
    let parts = parts(&content, speaker)?;
    if parts.is_empty() {
        return Err(content.refuse("must hold something"));
    }
    prompt.say(speaker, parts);
    Ok(Some(speaker))
}

/// Content that is text alone.
///
/// # Errors
/// When it is anything else.
pub(super) fn texts(value: &Value<'_>) -> Result<Vec<Set<String>>, AskFault> {
    let said = parts(value, Speaker::User)?;
    said.into_iter()
        .map(|part| match part.value {
            Part::Text(text) => Ok(Set { value: text, path: part.path }),
            _ => Err(part.refuse("must be text")),
        })
        .collect()
}

/// Content, whatever it is; blocks without text are left out.
fn parts(value: &Value<'_>, speaker: Speaker) -> Result<Vec<Set<Part>>, AskFault> {
    if value.is_text() {
        let text = value.text()?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![value.set(Part::Text(text))] });
    }
    let mut parts = Vec::new();
    for item in value.items()? {
        parts.extend(part(&item, speaker)?.map(|part| item.set(part)));
    }
    Ok(parts)
}

/// A block.
fn part(value: &Value<'_>, speaker: Speaker) -> Result<Option<Part>, AskFault> {
    let mut block = Members::of(value)?;
    let kind = block.needed("type")?.text()?;
    if let Some(mark) = block.take("cache_control") {
        cache_control(&mark)?;
    }
    let part = match (kind.as_str(), speaker) {
        ("text", _) => text(&mut block)?,
        ("image", Speaker::User) => Some(Part::Image(media(&block.needed("source")?)?)),
        ("document", Speaker::User) => document(&mut block)?,
        ("tool_result", Speaker::User) => Some(Part::Outcome(outcome(&mut block)?)),
        // A tool that was searched for and found. All that may be are described from the beginning.
        ("tool_reference", Speaker::User) => block.text("tool_name")?.map(Part::Text),
        ("tool_use", Speaker::Model) => Some(Part::Call(call(&mut block)?)),
        ("thinking", Speaker::Model) => thought(&mut block, value.to)?,
        ("redacted_thinking", Speaker::Model) => proof(&block.needed("data")?.text()?, value.to),
        _ => {
            return Err(value.refuse(&format!(
                "is of the type {kind:?}, which cannot be said by this side to this model's provider ({})",
                company(value.to)
            )));
        }
    };
    block.done()?;
    Ok(part)
}

fn text(block: &mut Members<'_>) -> Result<Option<Part>, AskFault> {
    block.idle("citations", &["[]"])?;
    let text = block.needed("text")?.text()?;
    Ok((!text.is_empty()).then_some(Part::Text(text)))
}

fn document(block: &mut Members<'_>) -> Result<Option<Part>, AskFault> {
    if let Some(citations) = block.take("citations") {
        let mut citations = Members::of(&citations)?;
        citations.idle("enabled", &["false"])?;
        citations.done()?;
    }
    let source = block.needed("source")?;
    let mut plain = Members::of(&source)?;
    if plain.text("type")?.as_deref() != Some("text") {
        return Ok(Some(Part::Document(media(&source)?)));
    }
    plain.idle("media_type", &["\"text/plain\""])?;
    let words = plain.needed("data")?.text()?;
    plain.done()?;
    Ok((!words.is_empty()).then_some(Part::Text(words)))
}

/// A file by its data or by its address.
fn media(value: &Value<'_>) -> Result<Media, AskFault> {
    let mut source = Members::of(value)?;
    let media = match source.needed("type")?.text()?.as_str() {
        "base64" => Media::Inline {
            media_type: source.needed("media_type")?.text()?,
            data: source.needed("data")?.text()?,
        },
        "url" => Media::Url(address(&source.needed("url")?)?),
        _ => {
            return Err(
                value.refuse("must be of type base64 or url: no other can be sent to another provider")
            );
        }
    };
    source.done()?;
    Ok(media)
}

/// A public one, as Anthropic itself takes it; another provider may take others for places in its operator's own account.
fn address(value: &Value<'_>) -> Result<String, AskFault> {
    let url = value.text()?;
    if url.starts_with("https://") { Ok(url) } else { Err(value.refuse("must be an https:// URL")) }
}

fn outcome(block: &mut Members<'_>) -> Result<Outcome, AskFault> {
    let call = block.needed("tool_use_id")?.text()?;
    let parts = block.take("content").map(|content| parts(&content, Speaker::User)).transpose()?;
    let parts = parts.unwrap_or_default();
    if let Some(part) = parts.iter().find(|part| matches!(part.value, Part::Outcome(_))) {
        return Err(part.refuse("cannot be within what a tool gave"));
    }
    let has_failed = block.take("is_error").map(|value| value.flag()).transpose()?.flatten();
    let success = if has_failed == Some(true) { Success::Failed } else { Success::Done };
    Ok(Outcome { call, parts, success })
}

fn call(block: &mut Members<'_>) -> Result<Call, AskFault> {
    if let Some(caller) = block.take("caller") {
        let mut caller = Members::of(&caller)?;
        caller.idle("type", &["\"direct\""])?;
        caller.done()?;
    }
    Ok(Call {
        id: block.needed("id")?.text()?,
        name: block.needed("name")?.text()?,
        arguments: block.needed("input")?.object()?.to_owned(),
        signature: None,
    })
}

/// What was thought before. A proof of Anthropic's, which no other can read, is left out.
fn thought(block: &mut Members<'_>, to: Dialect) -> Result<Option<Part>, AskFault> {
    let text = block.text("thinking")?.unwrap_or_default();
    let signature = block.text("signature")?.filter(|signature| is_of(signature, to));
    let says_something = !text.is_empty() || signature.is_some();
    Ok(says_something.then_some(Part::Thought { text, signature }))
}

fn proof(data: &str, to: Dialect) -> Option<Part> {
    is_of(data, to).then(|| Part::Thought { text: String::new(), signature: Some(data.to_owned()) })
}

/// Whether a marked proof is of the provider whose dialect is `to`.
fn is_of(proof: &str, to: Dialect) -> bool {
    to == Dialect::Gemini && unmarked(proof).is_some()
}
