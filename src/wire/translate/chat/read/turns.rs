//! The messages of a chat as turns of a conversation. What the system or the developer says goes before all.

use crate::wire::ask::AskFault;
use crate::wire::translate::prompt::{Call, Media, Outcome, Part, Prompt, Set, Speaker, Success};
use crate::wire::translate::value::{Value, company};

/// What is read of a message.
#[derive(Default)]
struct Message<'a> {
    role: String,
    content: Option<Value<'a>>,
    refusal: Option<Value<'a>>,
    calls: Option<Value<'a>>,
    call_id: Option<String>,
    has_reasoning: bool,
}

/// Reads the array of messages into `prompt`.
///
/// # Errors
/// The first thing in it that cannot be understood.
pub(super) fn read(prompt: &mut Prompt<'_>, messages: &Value<'_>) -> Result<(), AskFault> {
    for value in messages.items()? {
        take(prompt, &value)?;
    }
    if prompt.turns.is_empty() {
        return Err(messages.refuse("must hold a message of a user"));
    }
    Ok(())
}

fn take(prompt: &mut Prompt<'_>, value: &Value<'_>) -> Result<(), AskFault> {
    let message = Message::read(value)?;
    message.check_role(value)?;
    let (speaker, parts) = match message.role.as_str() {
        "system" | "developer" => {
            prompt.system.extend(message.texts()?.into_iter().filter_map(words));
            return Ok(());
        }
        "user" => (Speaker::User, message.parts()?),
        "assistant" => (Speaker::Model, message.of_assistant()?),
        "tool" => {
            let parts = message.texts()?;
            let call = message.call_id.ok_or_else(|| value.refuse("must have a tool_call_id"))?;
            let outcome = Part::Outcome(Outcome { call, parts, success: Success::Done });
            (Speaker::User, vec![value.set(outcome)])
        }
        _ => return Err(value.refuse("must have the role system, developer, user, assistant or tool")),
    };
    if parts.is_empty() {
        let company = company(value.to);
        let why = format!("must have content: this model's provider ({company}) takes no empty message");
        return Err(value.refuse(&why));
    }
    prompt.say(speaker, parts);
    Ok(())
}

/// The words of a part that is known to be text.
fn words(part: Set<Part>) -> Option<Set<String>> {
    match part.value {
        Part::Text(value) => Some(Set { value, path: part.path }),
        _ => None,
    }
}

impl<'a> Message<'a> {
    fn read(value: &Value<'a>) -> Result<Self, AskFault> {
        let mut message = Self::default();
        for (name, value) in value.members()? {
            match name.as_ref() {
                "role" => message.role = value.text()?,
                _ if value.is_null() => {}
                "content" => message.content = Some(value),
                "refusal" => message.refusal = Some(value),
                "tool_calls" => message.calls = Some(value),
                "tool_call_id" => message.call_id = Some(value.text()?),
                // What an answer of ours has beside its text, sent back: no provider reads it again.
                "reasoning_content" => {
                    value.text()?;
                    message.has_reasoning = true;
                }
                "annotations" => value.must_be_idle(&["[]"])?,
                _ => return Err(value.inexpressible()),
            }
        }
        Ok(message)
    }

    /// Refuses what only a message in another role may have.
    fn check_role(&self, value: &Value<'_>) -> Result<(), AskFault> {
        let of_assistant = self.calls.is_some() || self.refusal.is_some() || self.has_reasoning;
        if (of_assistant && self.role != "assistant") || (self.call_id.is_some() && self.role != "tool") {
            return Err(value.refuse("has a field that does not belong to a message in its role"));
        }
        Ok(())
    }

    /// Its content, which must be text alone.
    fn texts(&self) -> Result<Vec<Set<Part>>, AskFault> {
        let parts = self.parts()?;
        match &self.content {
            Some(content) if !parts.iter().all(|part| matches!(part.value, Part::Text(_))) => {
                Err(content.refuse("must be text alone in this role"))
            }
            _ => Ok(parts),
        }
    }

    /// Its content, whatever it is; parts without text are left out: they say nothing.
    fn parts(&self) -> Result<Vec<Set<Part>>, AskFault> {
        let Some(content) = &self.content else { return Ok(Vec::new()) };
        if content.is_text() {
            return Ok(text_part(content)?.into_iter().collect());
        }
        let mut parts = Vec::new();
        for item in content.items()? {
            parts.extend(part(&item)?);
        }
        Ok(parts)
    }

    fn of_assistant(&self) -> Result<Vec<Set<Part>>, AskFault> {
        let mut parts = self.texts()?;
        if let Some(refusal) = &self.refusal {
            parts.extend(text_part(refusal)?);
        }
        if let Some(calls) = &self.calls {
            for item in calls.items()? {
                parts.push(item.set(Part::Call(call(&item)?)));
            }
        }
        Ok(parts)
    }
}

fn text_part(value: &Value<'_>) -> Result<Option<Set<Part>>, AskFault> {
    let text = value.text()?;
    Ok((!text.is_empty()).then(|| value.set(Part::Text(text))))
}

/// A part of a message's content.
fn part(value: &Value<'_>) -> Result<Option<Set<Part>>, AskFault> {
    let (mut kind, mut text, mut media) = (String::new(), None, None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "type" => kind = value.text()?,
            _ if value.is_null() => {}
            "text" | "refusal" => text = Some(value),
            "image_url" => media = Some(image(&value)?),
            "file" => media = Some(document(&value)?),
            _ => return Err(value.inexpressible()),
        }
    }
    match (kind.as_str(), text, media) {
        ("text" | "refusal", Some(text), None) => text_part(&text),
        ("image_url", None, Some(image @ Set { value: Part::Image(_), .. })) => Ok(Some(image)),
        ("file", None, Some(file @ Set { value: Part::Document(_), .. })) => Ok(Some(file)),
        _ => {
            let company = company(value.to);
            let why = format!(
                "must be a part of type text, image_url or file: no other can be sent to this model's provider ({company})"
            );
            Err(value.refuse(&why))
        }
    }
}

fn image(value: &Value<'_>) -> Result<Set<Part>, AskFault> {
    let mut image = None;
    for (name, value) in value.members()? {
        match name.as_ref() {
            "url" => image = Some(value.set(Part::Image(media(&value)?))),
            "detail" => value.must_be_idle(&["\"auto\"", "\"high\""])?,
            _ => value.must_be_idle(&[])?,
        }
    }
    image.ok_or_else(|| value.refuse("must have a url"))
}

/// A file by its data; one that only has an id lies with another provider.
fn document(value: &Value<'_>) -> Result<Set<Part>, AskFault> {
    let mut file = None;
    for (name, part) in value.members()? {
        match name.as_ref() {
            _ if part.is_null() => {}
            "file_data" => file = Some(part),
            // A label.
            "filename" => {}
            _ => return Err(value.inexpressible()),
        }
    }
    let file = file.ok_or_else(|| value.refuse("must have file_data"))?;
    let text = file.text()?;
    let data = text.strip_prefix("data:").and_then(|rest| rest.strip_prefix("application/pdf;base64,"));
    let data = data.ok_or_else(|| file.refuse("must be a PDF: data:application/pdf;base64,…"))?;
    let media = Media::Inline { media_type: "application/pdf".to_owned(), data: data.to_owned() };
    Ok(file.set(Part::Document(media)))
}

/// An image by its data or by its address.
fn media(value: &Value<'_>) -> Result<Media, AskFault> {
    let url = value.text()?;
    let Some(inline) = url.strip_prefix("data:") else {
        let is_https = url.starts_with("https://");
        let wrong = || value.refuse("must be an https:// or data: URL");
        return if is_https { Ok(Media::Url(url)) } else { Err(wrong()) };
    };
    let parts = inline.split_once(";base64,");
    let (media_type, data) =
        parts.ok_or_else(|| value.refuse("must hold its data in base64, as in data:image/png;base64,…"))?;
    Ok(Media::Inline { media_type: media_type.to_owned(), data: data.to_owned() })
}

/// A call of a tool that the model made.
fn call(value: &Value<'_>) -> Result<Call, AskFault> {
    let (mut id, mut function, mut signature) = (None, None, None);
    for (name, value) in value.members()? {
        match name.as_ref() {
            "id" => id = Some(value.text()?),
            "extra_content" if !value.is_null() => signature = proof(&value)?,
            "type" => value.must_be_idle(&["\"function\""])?,
            "function" => function = Some(value),
            "index" => {}
            _ => value.must_be_idle(&[])?,
        }
    }
    let (Some(id), Some(function)) = (id, function) else {
        return Err(value.refuse("must have an id and a function"));
    };
    let (mut called, mut input) = (None, None);
    for (name, value) in function.members()? {
        match name.as_ref() {
            "name" => called = Some(value.text()?),
            "arguments" => input = Some(value.object_text()?),
            _ => value.must_be_idle(&[])?,
        }
    }
    let (Some(name), Some(arguments)) = (called, input) else {
        return Err(function.refuse("must have a name and arguments"));
    };
    Ok(Call { id, name, arguments, signature })
}

/// What Google's models want back with a call, at the place that Google has for it: `google.thought_signature`.
fn proof(value: &Value<'_>) -> Result<Option<String>, AskFault> {
    let mut proof = None;
    for (name, value) in value.members()? {
        if name != "google" {
            value.must_be_idle(&[])?;
            continue;
        }
        for (name, value) in value.members()? {
            match name.as_ref() {
                _ if value.is_null() => {}
                "thought_signature" => proof = Some(value.text()?),
                _ => return Err(value.inexpressible()),
            }
        }
    }
    Ok(proof)
}
