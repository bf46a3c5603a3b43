//! Walks the messages of a chat: text is counted by its bytes, inline media apart from it, and what is only named is
//! marked as unseen. A string is taken for media only where a provider would take it for that, so that no text
//! can hide from the count.

use super::tally::{Tally, long};
use crate::wire::json::{Cursor, JsonFault, Kind, Names, Text};

/// What enforcement reads of a message.
const MESSAGE_NAMES: [&str; 3] = ["role", "content", "audio"];

/// Members of a content part that hold an image, as OpenAI and those who follow it spell them.
const IMAGES: [&str; 3] = ["image_url", "image", "input_image"];

/// Members of a content part that hold sound.
const SOUNDS: [&str; 3] = ["input_audio", "audio_url", "audio"];

/// Members of a content part that hold or name something whose size says nothing about its cost.
const FILES: [&str; 11] = [
    "file",
    "input_file",
    "file_id",
    "file_url",
    "file_data",
    "video_url",
    "video",
    "input_video",
    "document_url",
    "document",
    "source",
];

/// Members of the objects in those places that hold the data itself or its URL.
const DATA: [&str; 4] = ["url", "data", "file_data", "image_url"];

/// Members of those objects that name something stored elsewhere.
const NAMED: [&str; 3] = ["file_id", "file_url", "id"];

/// Types of content parts that hold nothing but what is seen.
const PLAIN_TYPES: [&str; 10] = [
    "text",
    "refusal",
    "input_text",
    "output_text",
    "thinking",
    "summary_text",
    "reasoning_text",
    "image_url",
    "input_image",
    "input_audio",
];

/// Bytes of audio, decoded, that make at most one unit.
const AUDIO_BYTES: i64 = 16;

/// Bytes of a string that are looked at to tell base64 from a name.
const TELLING: usize = 64;

#[derive(Copy, Clone, PartialEq, Eq)]
enum Media {
    Image,
    Sound,
    File,
}

/// Walks the array of messages that comes next.
///
/// # Errors
/// When it is no JSON, too deep, or an object in it that is read has a key twice.
pub(super) fn walk_messages<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    tally.messages(cursor, message)
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
                content(cursor, tally)?;
            }
            "audio" => {
                // An earlier spoken answer, by its id.
                tally.unseen |= cursor.kind()? != Kind::Null;
                tally.member(cursor, &key)?;
            }
            _ => tally.member(cursor, &key)?,
        }
    }
    names.check()
}

/// Walks the content that comes next: text, a part, or an array of parts.
///
/// # Errors
/// As [`walk_messages`].
pub(super) fn content<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    tally.content(cursor, part)
}

fn part<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>) -> Result<(), JsonFault> {
    let mut names = Names::default();
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let name = key.decode();
        for read in [&["type", "text"][..], &IMAGES, &SOUNDS, &FILES] {
            names.look(&name, read)?;
        }
        names.note(name.clone(), &[])?;
        match media_of(&name) {
            Some(kind) => {
                tally.key(&key);
                media(cursor, tally, kind)?;
            }
            None if name == "type" && cursor.kind()? == Kind::Text => {
                tally.key(&key);
                let word = cursor.text()?;
                tally.unseen |= !PLAIN_TYPES.contains(&word.decode().as_ref());
                tally.label(&word);
            }
            None => tally.member(cursor, &key)?,
        }
    }
    names.check()
}

fn media_of(name: &str) -> Option<Media> {
    if IMAGES.contains(&name) {
        return Some(Media::Image);
    }
    if SOUNDS.contains(&name) {
        return Some(Media::Sound);
    }
    FILES.contains(&name).then_some(Media::File)
}

/// The value of a media member: the data or its URL, or an object that holds either.
fn media<'a>(cursor: &mut Cursor<'a>, tally: &mut Tally<'a>, kind: Media) -> Result<(), JsonFault> {
    match cursor.kind()? {
        Kind::Null => return tally.walk(cursor),
        Kind::Text => {
            data(&cursor.text()?, tally, kind);
            return Ok(());
        }
        Kind::Object => {}
        _ => {
            tally.unseen = true;
            return tally.walk(cursor);
        }
    }
    tally.unseen |= kind == Media::File;
    let mut names = Names::default();
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let name = key.decode();
        names.look(&name, &DATA)?;
        names.note(name.clone(), &NAMED)?;
        let is_text = cursor.kind()? == Kind::Text;
        if is_text && DATA.contains(&name.as_ref()) {
            tally.key(&key);
            data(&cursor.text()?, tally, kind);
        } else {
            tally.unseen |= NAMED.contains(&name.as_ref());
            tally.member(cursor, &key)?;
        }
    }
    names.check()
}

/// The data of an image, a sound or a file, or where to find it.
fn data<'a>(text: &Text<'a>, tally: &mut Tally<'a>, kind: Media) {
    let value = text.decode();
    match inline_kind(&value, kind) {
        Some(Media::Image) => tally.images = tally.images.saturating_add(1),
        Some(Media::Sound) => tally.audio = tally.audio.saturating_add(sound_units(value.len())),
        Some(Media::File) => tally.unseen = true,
        None => {
            tally.unseen = true;
            tally.label(text);
        }
    }
}

/// What is inline in `value`, which stands where `kind` is expected; `None` when it only names something.
fn inline_kind(value: &str, kind: Media) -> Option<Media> {
    let starts =
        |prefix: &str| value.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if starts("data:image/") {
        return Some(Media::Image);
    }
    if starts("data:audio/") {
        return Some(Media::Sound);
    }
    if starts("data:") {
        return Some(Media::File);
    }
    let base64 =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n');
    value.bytes().take(TELLING).all(base64).then_some(kind)
}

/// Units of so many characters of base64, rounded up.
pub(super) fn sound_units(characters: usize) -> i64 {
    // Four characters hold three bytes.
    let bytes = long(characters).saturating_mul(3).div_euclid(4).saturating_add(1);
    bytes.div_euclid(AUDIO_BYTES).saturating_add(1)
}
