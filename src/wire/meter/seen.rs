//! What went by of a reply: what kind of answer that makes, and what it shows of images and sound.

use crate::usage::TokenCount;
use crate::wire::sound;

/// Bytes of sound that are kept: its head stands there.
const HEAD: usize = 4 * 1024;

/// Bytes of text that are kept: its last line with times stands there.
const TAIL: usize = 4 * 1024;

/// What kind of answer a reply is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No bytes, or only comments.
    Nothing,
    /// An HTML page.
    Page,
    /// An error object, without an answer before it.
    Error,
    /// JSON, but no answer: `null`, `[]`, `{}`, anything without choices.
    Empty,
    /// No JSON, or cut short.
    Unreadable,
    /// An answer, at least its beginning.
    Given,
}

/// What went by so far.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) page: bool,
    pub(super) error: bool,
    pub(super) no_answer: bool,
    pub(super) unreadable: bool,
    pub(super) answer: bool,
}

impl Seen {
    /// What kind of answer that is.
    pub(super) const fn answer(self) -> Answer {
        if self.answer {
            return Answer::Given;
        }
        if self.error {
            return Answer::Error;
        }
        if self.page {
            return Answer::Page;
        }
        if self.unreadable {
            return Answer::Unreadable;
        }
        if self.no_answer { Answer::Empty } else { Answer::Nothing }
    }
}

/// What went by of images and sound.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// Images that were made.
    pub(super) images: i64,
    /// Seconds that the answer tells, rounded up; the largest counts.
    pub(super) told: Option<i64>,
    head: Vec<u8>,
    sound: usize,
    tail: Vec<u8>,
}

impl Media {
    /// Watches a piece of sound.
    pub(super) fn hear(&mut self, piece: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend(piece.iter().take(missing));
        self.sound = self.sound.saturating_add(piece.len());
    }

    /// Watches a piece of text that may be subtitles.
    pub(super) fn read(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece);
        let beyond = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..beyond);
    }

    /// Seconds of sound, as they were told, or as the sound itself tells.
    pub(super) fn seconds(&self) -> Option<TokenCount> {
        let shown = || sound::seconds(&self.head, self.sound);
        self.told.or_else(shown).and_then(TokenCount::parse)
    }

    /// Seconds up to the end of the last subtitle.
    pub(super) fn least_seconds(&self) -> TokenCount {
        last_cue(&self.tail).and_then(TokenCount::parse).unwrap_or_default()
    }
}

/// The end of the last subtitle, `00:00:01,000 --> 00:00:02,500` or with points and without hours, in seconds, rounded up.
fn last_cue(text: &[u8]) -> Option<i64> {
    let arrow = memchr::memmem::rfind(text, b"--> ")?;
    let behind = text.get(arrow.checked_add(4)?..)?;
    let time: &[u8] = behind.split(|byte| !(byte.is_ascii_digit() || b":.,".contains(byte))).next()?;
    let (whole, fraction) = time.split_at(time.iter().position(|byte| b".,".contains(byte))?);
    let mut seconds = 0_i64;
    for part in whole.split(|byte| *byte == b':') {
        let part: i64 = std::str::from_utf8(part).ok()?.parse().ok()?;
        seconds = seconds.checked_mul(60)?.checked_add(part)?;
    }
    let is_more = fraction.iter().any(|byte| (b'1'..=b'9').contains(byte));
    seconds.checked_add(i64::from(is_more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_subtitle_tells_the_length() {
        for (text, want) in [
            ("1\n00:00:00,000 --> 00:00:01,500\nHi\n\n2\n00:00:02,000 --> 00:01:02,500\nYou\n", Some(63)),
            ("WEBVTT\n\n00:00.000 --> 00:04.000 align:start\nHi\n", Some(4)),
            ("01:00:00,000 --> 01:00:00,001\r\n", Some(3_601)),
            ("a --> b", None),
            ("--> 00:00:0", None),
            ("--> 99999999999999999999,0", None),
            ("", None),
        ] {
            assert_eq!(last_cue(text.as_bytes()), want, "{text}");
        }
        let mut media = Media::default();
        media.read(b"00:00:00,000 --> 00:00:0");
        media.read(b"7,000\n");
        assert_eq!((media.least_seconds().get(), media.seconds()), (7, None));
        media.read(&[b'x'; 3 * TAIL]);
        assert_eq!((media.tail.len(), media.least_seconds().get()), (TAIL, 0));
        media.told = Some(9);
        assert_eq!(media.seconds().map(TokenCount::get), Some(9));
    }
}
