//! Walks the input of a response, item by item: messages, calls and what came of them, earlier reasoning. What is only named, and
//! items that stand for more than they hold, are marked as unseen.

use super::messages::content;
use super::tally::Tally;
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text};

/// What enforcement reads of an item.
const ITEM_NAMES: [&str; 6] = ["type", "role", "content", "output", "result", "encrypted_content"];

/// Members whose strings are labels.
const LABELS: [&str; 5] = ["call_id", "status", "server_label", "approval_request_id", "encrypted_content"];

/// Types of items that hold all that the model sees of them.
const PLAIN_TYPES: [&str; 17] = [
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "computer_call",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
];

/// Walks the array of items that comes next.
///
/// # Errors
/// When it is no JSON, too deep, or an object in it that is read has a key twice.
pub(super) fn walk_items<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    tally.messages(cursor, item)
}

fn item<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut names = Names::default();
    let mut kind: Option<Text<'a>> = None;
    let mut drawn: Option<Text<'a>> = None;
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let name = key.decode();
        names.note(name.clone(), &ITEM_NAMES)?;
        tally.key(&key);
        match (name.as_ref(), cursor.kind()?) {
            ("content" | "output", _) => content(cursor, tally)?,
            ("type", Kind::Text) => {
                let word = cursor.text()?;
                tally.label(&word);
                kind = Some(word);
            }
            ("result", Kind::Text) => drawn = Some(cursor.text()?),
            (name, Kind::Text) if LABELS.contains(&name) => tally.label(&cursor.text()?),
            _ => tally.value(cursor, &key)?,
        }
    }
    let kind = kind.map(|word| word.decode());
    tally.unseen |= kind.as_deref().is_some_and(|kind| !PLAIN_TYPES.contains(&kind));
    match drawn {
        // A picture is one only where the provider takes it for one.
        Some(_) if kind.as_deref() == Some("image_generation_call") => {
            tally.images = tally.images.saturating_add(1);
        }
        Some(text) => tally.text(&text),
        None => {}
    }
    names.check()
}
