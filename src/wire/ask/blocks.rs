//! Walks the content of messages in Anthropic's dialect, block by block: text is counted by its bytes, inline images apart
//! from it, and what is only named, or says nothing by its size, is marked as unseen. A string is taken for an image only
//! where the provider would take it for that.

use super::tally::Tally;
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text};

/// What enforcement reads of a message.
const MESSAGE_NAMES: [&str; 2] = ["role", "content"];

/// What it reads of a block.
const BLOCK_NAMES: [&str; 6] = ["type", "text", "source", "content", "data", "cache_control"];

/// What it reads of a block's source.
const SOURCE_NAMES: [&str; 6] = ["type", "media_type", "data", "url", "file_id", "content"];

/// Types of blocks that hold nothing but what is seen.
const PLAIN_TYPES: [&str; 13] = [
    "text",
    "thinking",
    "redacted_thinking",
    "image",
    "document",
    "search_result",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "mcp_tool_use",
    "mcp_tool_result",
    "tool_reference",
    "compaction",
];

/// Walks the array of messages that comes next.
///
/// # Errors
/// When it is no JSON, too deep, or an object in it that is read has a key twice.
pub(super) fn walk_messages<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    tally.messages(cursor, message)
}

/// Walks the content that comes next: text, a block, or an array of blocks.
///
/// # Errors
/// As [`walk_messages`].
pub(super) fn walk_content<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    tally.content(cursor, block)
}

fn message<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut names = Names::default();
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let name = key.decode();
        names.note(name.clone(), &MESSAGE_NAMES)?;
        match name.as_ref() {
            "content" => {
                tally.key(&key);
                walk_content(cursor, tally)?;
            }
            _ => tally.member(cursor, &key)?,
        }
    }
    names.check()
}

fn block<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut names = Names::default();
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let name = key.decode();
        names.note(name.clone(), &BLOCK_NAMES)?;
        let kind = cursor.kind()?;
        match (name.as_ref(), kind) {
            ("cache_control", _) => cursor.skip().map(|_| ())?,
            ("content", _) => {
                tally.key(&key);
                walk_content(cursor, tally)?;
            }
            ("source", Kind::Object) => {
                tally.key(&key);
                source(cursor, tally)?;
            }
            ("type", Kind::Text) => {
                tally.key(&key);
                let word = cursor.text()?;
                tally.unseen |= !PLAIN_TYPES.contains(&word.decode().as_ref());
                tally.label(&word);
            }
            // Thoughts that only the provider can read.
            ("data", Kind::Text) => {
                tally.key(&key);
                tally.label(&cursor.text()?);
            }
            _ => tally.member(cursor, &key)?,
        }
    }
    names.check()
}

/// Where an image or a document comes from. Its members may stand in any order, so the data is judged at the end.
fn source<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut names = Names::default();
    let (mut kind, mut media, mut data) = (None, None, None);
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let name = key.decode();
        names.note(name.clone(), &SOURCE_NAMES)?;
        tally.key(&key);
        match (name.as_ref(), cursor.kind()?) {
            ("type", Kind::Text) => kind = Some(label(cursor, tally)?),
            ("media_type", Kind::Text) => media = Some(label(cursor, tally)?),
            ("data", Kind::Text) => data = Some(cursor.text()?),
            ("content", _) => walk_content(cursor, tally)?,
            _ => tally.walk(cursor)?,
        }
    }
    let kind = kind.map(|kind| kind.decode()).unwrap_or_default();
    let is_image = media.is_some_and(|media| media.decode().starts_with("image/"));
    match (kind.as_ref(), data) {
        ("base64", Some(_)) if is_image => tally.images = tally.images.saturating_add(1),
        ("text", Some(data)) => tally.text(&data),
        ("content", None) => {}
        // A URL, a file of the provider, a PDF, or something not known here.
        (_, data) => {
            tally.unseen = true;
            data.filter(|_| kind != "base64").iter().for_each(|data| tally.text(data));
        }
    }
    names.check()
}

fn label<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<Text<'a>, JsonFault> {
    let word = cursor.text()?;
    tally.label(&word);
    Ok(word)
}
