//! Reads the bodies of Gemini's methods, in one pass each. The path names the model; a body may repeat it. Fields may be
//! spelled in camelCase or snake_case: both are read, as one.

use std::borrow::Cow;

use super::gemini_parts::{content, walk_contents};
use super::reader::Reader;
use super::tools::UNBOUNDED_CALLS;
use super::{AskLimits, RepeatedModel, ServiceTier};
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text, lookalike};

/// What is read of a request to generate.
const READ: [&str; 10] = [
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "cachedContent",
    "continuationToken",
    "serviceTier",
    "safetySettings",
];

/// What is read of a request to count.
const COUNT_READ: [&str; 3] = ["model", "contents", "generateContentRequest"];

/// What is read of a request to embed.
const EMBED_READ: [&str; 3] = ["model", "content", "requests"];

/// What steers an embedding and never reaches the model as input.
const EMBED_CONTROLS: [&str; 3] = ["taskType", "outputDimensionality", "embedContentConfig"];

/// What is read of a tool.
const TOOL_READ: [&str; 1] = ["functionDeclarations"];

/// The longest name of a model, in bytes.
const LONGEST_MODEL: usize = 256;

/// What stands before a model's name in Google's resource names.
const RESOURCE: &str = "models/";

/// Takes note of `key` under its one spelling, camelCase, which is given back.
///
/// # Errors
/// When it resembles one of `read` without being it, or is one key too many.
pub(super) fn noted<'a>(
    names: &mut Names<'a>,
    key: &Text<'a>,
    read: &[&str],
) -> Result<Cow<'a, str>, JsonFault> {
    let name = camel(key.decode());
    if !read.contains(&name.as_ref()) {
        let bare = name.replace('_', "");
        if read.contains(&bare.as_str()) || lookalike(&bare, read) {
            let shown: String = name.chars().take(64).collect();
            return Err(JsonFault::Duplicate(shown));
        }
    }
    names.note(name.clone(), &[])?;
    Ok(name)
}

/// `key` in camelCase, if it is snake_case.
fn camel(key: Cow<'_, str>) -> Cow<'_, str> {
    if !key.contains('_') {
        return key;
    }
    let mut out = String::with_capacity(key.len());
    let mut rest = key.chars().peekable();
    while let Some(letter) = rest.next() {
        match rest.peek() {
            Some(next) if letter == '_' && !out.is_empty() && next.is_ascii_lowercase() => {
                out.push(next.to_ascii_uppercase());
                rest.next();
            }
            _ => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// Gives each member of the object that comes next to `take`, by its one spelling.
///
/// # Errors
/// When it is no JSON, or a key comes twice, in either spelling.
pub(super) fn object<'a>(
    reader: &mut Reader<'a>,
    read: &[&str],
    mut take: impl FnMut(&mut Reader<'a>, &Text<'a>, &str) -> Result<(), JsonFault>,
) -> Result<(), JsonFault> {
    let mut names = Names::default();
    let mut nest = reader.cursor.enter()?;
    while let Some(key) = reader.cursor.next_key(&mut nest)? {
        let name = noted(&mut names, &key, read)?;
        take(reader, &key, &name)?;
    }
    names.check()
}

/// Reads a whole body: one object.
fn body<'a>(
    reader: &mut Reader<'a>,
    read: &[&str],
    take: impl FnMut(&mut Reader<'a>, &Text<'a>, &str) -> Result<(), JsonFault>,
) -> Result<(), JsonFault> {
    if reader.cursor.kind()? != Kind::Object {
        reader.cursor.skip()?;
        reader.cursor.end()?;
        return Err(JsonFault::NotAnObject);
    }
    reader.fields.marks.start = reader.cursor.offset().saturating_add(1);
    object(reader, read, take)?;
    reader.cursor.end()?;
    check_model(reader);
    reader.fields.choices = reader.fields.choices.max(1);
    Ok(())
}

/// Refuses a path whose model is no name, or one that a server could take for another place.
fn check_model(reader: &mut Reader<'_>) {
    let model = &reader.fields.model;
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '\\' | '?' | '#');
    if model.len() > LONGEST_MODEL || !model.split('/').all(is_part) || !model.chars().all(is_plain) {
        reader.refuse("model", "the model in the path must be 1 to 256 bytes: a plain name");
    }
}

/// Reads the body of `generateContent`.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn generate(reader: &mut Reader<'_>, limits: &AskLimits) -> Result<(), JsonFault> {
    let mut has_contents = false;
    body(reader, &READ, |reader, key, name| {
        has_contents |= name == "contents";
        if name == "generationConfig" { reader.generation_config(limits) } else { member(reader, key, name) }
    })?;
    if !has_contents {
        reader.refuse("contents", "contents is missing; it must be an array of contents");
    }
    Ok(())
}

/// Reads the body of `streamGenerateContent`.
///
/// # Errors
/// As [`generate`].
pub(super) fn stream(reader: &mut Reader<'_>, limits: &AskLimits) -> Result<(), JsonFault> {
    reader.fields.stream = true;
    generate(reader, limits)
}

/// Reads the body of `countTokens`, which may hold a whole request to generate.
///
/// # Errors
/// As [`generate`].
pub(super) fn count(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    body(reader, &COUNT_READ, |reader, key, name| match name {
        "generateContentRequest" if reader.cursor.kind()? == Kind::Object => {
            object(reader, &READ, |reader, key, name| match name {
                "generationConfig" => reader.control(),
                _ => member(reader, key, name),
            })
        }
        _ => member(reader, key, name),
    })
}

/// Reads the body of `embedContent`.
///
/// # Errors
/// As [`generate`].
pub(super) fn embed(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let mut has_content = false;
    body(reader, &EMBED_READ, |reader, key, name| {
        has_content |= name == "content";
        embedding(reader, key, name)
    })?;
    if !has_content {
        reader.refuse("content", "content is missing; it must be an object with parts");
    }
    Ok(())
}

/// Reads the body of `batchEmbedContents`.
///
/// # Errors
/// As [`generate`].
pub(super) fn embed_all(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let mut has_requests = false;
    body(reader, &EMBED_READ, |reader, key, name| {
        if name != "requests" || reader.cursor.kind()? != Kind::Array {
            return embedding(reader, key, name);
        }
        has_requests = true;
        let mut array = reader.cursor.enter()?;
        while reader.cursor.next_item(&mut array)? {
            match reader.cursor.kind()? {
                Kind::Object => object(reader, &EMBED_READ, embedding)?,
                _ => reader.given()?,
            }
        }
        Ok(())
    })?;
    if !has_requests {
        reader.refuse("requests", "requests is missing; it must be an array of requests");
    }
    Ok(())
}

fn embedding<'a>(reader: &mut Reader<'a>, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
    match name {
        "model" => reader.repeated_model(),
        "content" => {
            let tally = &mut reader.fields.tally;
            tally.messages = tally.messages.saturating_add(1);
            content(&mut reader.cursor, tally)
        }
        _ if EMBED_CONTROLS.contains(&name) => reader.control(),
        _ => reader.unknown(key),
    }
}

fn member<'a>(reader: &mut Reader<'a>, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
    match name {
        "model" => reader.repeated_model(),
        "contents" => {
            if reader.cursor.kind()? == Kind::Array {
                return walk_contents(&mut reader.cursor, &mut reader.fields.tally);
            }
            reader.cursor.skip()?;
            reader.refuse("contents", "contents must be an array of contents");
            Ok(())
        }
        "systemInstruction" => content(&mut reader.cursor, &mut reader.fields.tally),
        "tools" => reader.gemini_tools(),
        // What the answer that is continued had written is read anew, and stands nowhere here.
        "cachedContent" | "continuationToken" => reader.named_elsewhere(key, name),
        "serviceTier" => reader.gemini_tier(),
        "toolConfig" => reader.given(),
        "safetySettings" | "labels" | "store" => reader.control(),
        _ => reader.unknown(key),
    }
}

/// The tier of service that Google's word names.
pub(in crate::wire) fn tier_named(word: &str) -> ServiceTier {
    let word = word.to_ascii_lowercase();
    match word.strip_prefix("service_tier_").unwrap_or(&word) {
        "standard" => ServiceTier::Default,
        word => ServiceTier::named(word),
    }
}

impl<'a> Reader<'a> {
    /// A model that the path has named before.
    fn repeated_model(&mut self) -> Result<(), JsonFault> {
        let kind = self.cursor.kind()?;
        let start = self.cursor.offset();
        if kind != Kind::Text {
            if self.cursor.skip()? != "null" {
                self.refuse("model", "model must be a string");
            }
            return Ok(());
        }
        let named = self.cursor.text()?.decode();
        let (prefix, name) = match named.strip_prefix(RESOURCE) {
            Some(name) => (RESOURCE, name),
            None => ("", named.as_ref()),
        };
        if name == self.fields.model {
            let span = start..self.cursor.offset();
            self.fields.marks.repeated_models.push(RepeatedModel { span, prefix });
        } else {
            self.refuse("model", "model disagrees with the path: leave it out, or name the same model");
        }
        Ok(())
    }

    fn gemini_tier(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => self.fields.tier = tier_named(&self.cursor.text()?.decode()),
            _ if self.cursor.skip()? == "null" => {}
            _ => self.refuse("serviceTier", "serviceTier must be a string"),
        }
        Ok(())
    }

    /// The tools: functions are the client's own, whatever else there is the provider runs.
    fn gemini_tools(&mut self) -> Result<(), JsonFault> {
        let kind = self.cursor.kind()?;
        let start = self.cursor.offset();
        if kind != Kind::Array {
            return self.null_or_array("tools");
        }
        let mut array = self.cursor.enter()?;
        while self.cursor.next_item(&mut array)? {
            if self.cursor.kind()? != Kind::Object {
                self.cursor.skip()?;
                continue;
            }
            object(self, &TOOL_READ, |reader, _, name| {
                if name == TOOL_READ[0] {
                    let functions = items(&mut reader.cursor)?;
                    let tally = &mut reader.fields.tally;
                    tally.tools = tally.tools.saturating_add(functions);
                } else if reader.cursor.skip()? != "null" {
                    reader.provider_tool(UNBOUNDED_CALLS);
                }
                Ok(())
            })?;
        }
        self.fields.tally.raw_text(self.cursor.since(start));
        Ok(())
    }
}

/// The number of items of the array that comes next; 1 of anything else.
fn items(cursor: &mut Cursor<'_>) -> Result<i64, JsonFault> {
    if cursor.kind()? != Kind::Array {
        cursor.skip()?;
        return Ok(1);
    }
    let mut items = 0_i64;
    let mut array = cursor.enter()?;
    while cursor.next_item(&mut array)? {
        cursor.skip()?;
        items = items.saturating_add(1);
    }
    Ok(items)
}
