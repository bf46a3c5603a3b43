//! Walks contents in Gemini's dialect, part by part: text is counted by its bytes, inline images and audio apart from it, and
//! what is only named, or says nothing by its size, is marked as unseen.

use super::gemini::noted;
use super::messages::sound_units;
use super::tally::Tally;
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text};

/// What is read of a content.
const CONTENT_READ: [&str; 2] = ["role", "parts"];

/// What is read of a part.
const PART_READ: [&str; 5] = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];

/// What of a part is seen as it is.
const SEEN: [&str; 10] = [
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "mediaResolution",
    "videoMetadata",
    "partMetadata",
];

/// What is read of inline data.
const DATA_READ: [&str; 2] = ["mimeType", "data"];

/// What is read of a function's response.
const RESPONSE_READ: [&str; 1] = ["parts"];

/// Walks the array of contents that comes next.
///
/// # Errors
/// When it is no JSON, too deep, or an object in it that is read has a key twice.
pub(super) fn walk_contents<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut array = cursor.enter()?;
    while cursor.next_item(&mut array)? {
        tally.messages = tally.messages.saturating_add(1);
        content(cursor, tally)?;
    }
    Ok(())
}

/// Walks the content that comes next.
///
/// # Errors
/// As [`walk_contents`].
pub(super) fn content<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    object(cursor, tally, &CONTENT_READ, |cursor, tally, key, name| match name {
        "parts" => {
            tally.key(key);
            parts(cursor, tally)
        }
        _ => tally.member(cursor, key),
    })
}

fn parts<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    if cursor.kind()? != Kind::Array {
        return part(cursor, tally);
    }
    let mut array = cursor.enter()?;
    while cursor.next_item(&mut array)? {
        part(cursor, tally)?;
    }
    Ok(())
}

fn part<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    object(cursor, tally, &PART_READ, |cursor, tally, key, name| match name {
        "inlineData" => {
            tally.key(key);
            inline_data(cursor, tally)
        }
        "functionResponse" => {
            tally.key(key);
            function_response(cursor, tally)
        }
        _ => {
            tally.unseen |= !SEEN.contains(&name) && cursor.kind()? != Kind::Null;
            tally.member(cursor, key)
        }
    })
}

/// What a function gave back: JSON, and parts of its own.
fn function_response<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    object(cursor, tally, &RESPONSE_READ, |cursor, tally, key, name| match name {
        "parts" => {
            tally.key(key);
            parts(cursor, tally)
        }
        _ => tally.member(cursor, key),
    })
}

/// Data and its type, in either order.
fn inline_data<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut data = None;
    let mut kind = String::new();
    object(cursor, tally, &DATA_READ, |cursor, tally, key, name| {
        if cursor.kind()? != Kind::Text || !DATA_READ.contains(&name) {
            return tally.member(cursor, key);
        }
        tally.key(key);
        let text = cursor.text()?;
        if name == "data" {
            data = Some(text.length);
        } else {
            kind = text.decode().to_ascii_lowercase();
            tally.label(&text);
        }
        Ok(())
    })?;
    match data {
        None => {}
        Some(_) if kind.starts_with("image/") => tally.images = tally.images.saturating_add(1),
        Some(characters) if kind.starts_with("audio/") => {
            tally.audio = tally.audio.saturating_add(sound_units(characters));
        }
        // The size of a document or a video says nothing.
        Some(_) => tally.unseen = true,
    }
    Ok(())
}

/// Gives each member of the object that comes next to `take`, by its one spelling; anything but an object is walked.
fn object<'a>(
    cursor: &mut Cursor<'a>,
    tally: &mut Tally<'a>,
    read: &[&str],
    mut take: impl FnMut(&mut Cursor<'a>, &mut Tally<'a>, &Text<'a>, &str) -> Result<(), JsonFault>,
) -> Result<(), JsonFault> {
    if cursor.kind()? != Kind::Object {
        return tally.walk(cursor);
    }
    let mut names = Names::default();
    let mut nest = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut nest)? {
        let name = noted(&mut names, &key, read)?;
        take(cursor, tally, &key, &name)?;
    }
    names.check()
}
