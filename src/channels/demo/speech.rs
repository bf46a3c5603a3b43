//! OpenAI's speech: silence, as long as saying the text would take.

use bytes::Bytes;
use serde_json::Value;

use super::chat::refusal;
use super::{Complaint, object};
use crate::channels::client::{HeaderMap, HeaderValue, ProviderReply, ReplyBody, StatusCode, header};

/// The most characters that are spoken.
const MAX_CHARACTERS: usize = 4_096;

/// A frame of silence: MPEG-1 layer III, 128 kbit/s, 44.1 kHz, 26 ms.
const FRAME_HEAD: [u8; 4] = [0xff, 0xfb, 0x90, 0x64];
const FRAME_BYTES: usize = 417;

/// Bytes of 24 000 samples a second of 16 bits, for about a sixteenth of a second.
const SAMPLE_BYTES: usize = 3_000;

/// Answers a request for speech.
pub(super) fn answer(body: &Bytes) -> ProviderReply {
    match speak(body) {
        Ok((content_type, sound)) => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            ProviderReply { status: StatusCode::OK, headers, body: ReplyBody::whole(sound.into()) }
        }
        Err(complaint) => refusal(complaint),
    }
}

fn speak(body: &[u8]) -> Result<(&'static str, Vec<u8>), Complaint> {
    let body = object(body)?;
    let text = body["input"].as_str().filter(|text| (1..=MAX_CHARACTERS).contains(&text.chars().count()));
    let text = text.ok_or_else(|| Complaint::about("input", "must be a string of 1 to 4096 characters"))?;
    let characters = text.chars().count();
    match &body["response_format"] {
        Value::Null => Ok(("audio/mpeg", frames(characters))),
        format if format == "mp3" => Ok(("audio/mpeg", frames(characters))),
        format if format == "wav" => Ok(("audio/wav", wav(characters))),
        format if format == "pcm" => Ok(("audio/pcm", vec![0; characters.saturating_mul(SAMPLE_BYTES)])),
        _ => Err(Complaint::about("response_format", "must be mp3, wav or pcm")),
    }
}

fn frames(characters: usize) -> Vec<u8> {
    let mut frame = FRAME_HEAD.to_vec();
    frame.resize(FRAME_BYTES, 0);
    frame.repeat(characters.saturating_mul(2))
}

fn wav(characters: usize) -> Vec<u8> {
    let length = u32::try_from(characters.saturating_mul(SAMPLE_BYTES)).unwrap_or(u32::MAX);
    let mut sound = Vec::new();
    sound.extend_from_slice(b"RIFF");
    sound.extend_from_slice(&length.saturating_add(36).to_le_bytes());
    sound.extend_from_slice(b"WAVEfmt ");
    // 16 bytes of format: PCM, one channel, 24 000 samples and 48 000 bytes a second, 2 bytes and 16 bits each.
    for (value, bytes) in [(16_u32, 4), (1, 2), (1, 2), (24_000, 4), (48_000, 4), (2, 2), (16, 2)] {
        sound.extend(value.to_le_bytes().iter().take(bytes));
    }
    sound.extend_from_slice(b"data");
    sound.extend_from_slice(&length.to_le_bytes());
    sound.resize(sound.len().saturating_add(characters.saturating_mul(SAMPLE_BYTES)), 0);
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_as_long_as_the_text() {
        let (kind, sound) = speak(b"{\"input\":\"h\xc3\xa9\"}").ok().unwrap();
        assert_eq!((kind, sound.len()), ("audio/mpeg", 2 * 2 * 417));
        let (kind, sound) = speak(b"{\"input\":\"ab\",\"response_format\":\"wav\"}").ok().unwrap();
        assert_eq!((kind, sound.len()), ("audio/wav", 44 + 6_000));
        assert_eq!(sound[40..44], 6_000_u32.to_le_bytes());
        for bad in
            [&b"{\"input\":\"\"}"[..], b"{\"input\":1}", b"{\"input\":\"a\",\"response_format\":\"opus\"}"]
        {
            assert!(speak(bad).is_err());
        }
    }
}
