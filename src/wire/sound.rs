//! How long sound is, as it tells itself: WAV, MP3 and FLAC. A client may lie there, so what is held never rests on it alone;
//! and only what a decoder goes by, too, is believed: the frames of an MP3, not the count of them in its head.

mod flac;

/// Bits a second of a frame of MPEG-1 and of MPEG-2 layer III, in thousands, by the index in its head.
const RATES: [[i64; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Bytes of sound a second that are assumed of what is no frame in the midst of them: 32 kbit/s.
const UNFRAMED: i64 = 4_000;

/// Parts of a second of which a sample is a whole number, at any pitch of an MP3.
const TICKS: i64 = 14_112_000;

/// The seconds of the sound that begins with `head` and is `total` bytes long, rounded up; `None` where the head is of another kind
/// or tells nothing.
pub(super) fn seconds(head: &[u8], total: usize) -> Option<i64> {
    let total = i64::try_from(total).ok()?;
    let is_whole = i64::try_from(head.len()) == Ok(total);
    let seconds = match head.get(..4)? {
        b"RIFF" => wave(head, total),
        b"fLaC" if is_whole => flac::of_frames(head),
        b"fLaC" => flac::told(head, total),
        _ if is_whole => frames(head),
        _ => mpeg(head, total),
    };
    seconds.filter(|seconds| (1..=i64::from(i32::MAX)).contains(seconds))
}

/// A WAV file: chunks, of which some tell the bytes a second and others are the sound. Only what is not packed is as long as they tell.
fn wave(head: &[u8], total: i64) -> Option<i64> {
    let mut rest = head.get(8..)?.strip_prefix(b"WAVE")?;
    let (mut at, mut rate, mut sound) = (12_i64, None, 0_i64);
    while let (Some(name), Some(length)) = (rest.get(..4), rest.get(4..8)) {
        let length = little(length);
        match name {
            // Where the length is not known yet, all that follows is sound; so it is for decoders where none is told.
            b"data" => {
                let behind = total.saturating_sub(at).saturating_sub(8);
                let own = if length == 0 { behind } else { behind.min(length) };
                sound = sound.saturating_add(own);
            }
            b"fmt " => {
                let told = unpacked_rate(rest)?;
                rate = Some(rate.map_or(told, |rate: i64| rate.min(told)));
            }
            _ => {}
        }
        // A chunk of an odd length is followed by a byte that is none of the next.
        let step = length.saturating_add(length & 1).saturating_add(8);
        at = at.saturating_add(step);
        rest = rest.get(usize::try_from(step).ok()?..).unwrap_or_default();
    }
    up(sound, rate?)
}

/// Bytes a second of sound that is not packed, as the chunk that begins here tells: of several rates that disagree the lowest, which
/// makes the sound longest. `None` for packed sound: whoever unpacks it does not go by them.
fn unpacked_rate(chunk: &[u8]) -> Option<i64> {
    let kind = match little(chunk.get(8..10)?) {
        // It stands further behind.
        0xFFFE => little(chunk.get(32..34)?),
        kind => kind,
    };
    let (channels, pitch) = (little(chunk.get(10..12)?), little(chunk.get(12..16)?));
    let sample = up(little(chunk.get(22..24)?), 8)?.saturating_mul(channels);
    // PCM of integers and of floats, A-law and µ-law.
    let is_unpacked = matches!(kind, 1 | 3 | 6 | 7) && sample > 0;
    let counted = pitch.saturating_mul(little(chunk.get(20..22)?));
    let rates = [little(chunk.get(16..20)?), counted, pitch.saturating_mul(sample)];
    rates.into_iter().filter(|rate| is_unpacked && *rate > 0).min()
}

/// The frame that begins an MP3, or goes on with it.
struct Frame {
    /// Bits a second.
    rate: i64,
    /// Samples a second.
    pitch: i64,
    samples: i64,
    length: usize,
}

impl Frame {
    /// The frame whose head this is; `None` where it is none of layer III.
    fn read(head: &[u8]) -> Option<Self> {
        let [sync, kind, rates] = *head.get(..3)?.first_chunk()?;
        let is_layer_3 = sync == 0xFF && kind & 0xE6 == 0xE2;
        let version = (kind >> 3) & 3;
        if !is_layer_3 || version == 1 {
            return None;
        }
        // MPEG-2 has half the samples a frame and half the rate; 2.5 a quarter of that.
        let (table, samples, part) = match version {
            3 => (0, 1_152, 1),
            2 => (1, 576, 2),
            _ => (1, 576, 4),
        };
        let kilobits: i64 = *RATES.get(table)?.get(usize::from(rates >> 4))?;
        let pitches: [i64; 3] = [44_100, 48_000, 32_000];
        let pitch =
            pitches.get(usize::from((rates >> 2) & 3)).and_then(|pitch| i64::checked_div(*pitch, part))?;
        let rate = kilobits.saturating_mul(1_000);
        let padding = i64::from((rates >> 1) & 1);
        let length = rate.checked_mul(samples)?.checked_div(8)?.checked_div(pitch)?.saturating_add(padding);
        let length = usize::try_from(length).ok().filter(|_| rate > 0)?;
        Some(Self { rate, pitch, samples, length })
    }
}

/// A whole MP3 file, frame by frame, each at its own pitch; what is no frame counts by its bytes.
fn frames(file: &[u8]) -> Option<i64> {
    let mut rest = file.get(tags(file)?..)?;
    Frame::read(rest)?;
    let mut ticks = 0_i64;
    while let Some(frame) = Frame::read(rest) {
        ticks = ticks.saturating_add(frame.samples.saturating_mul(TICKS).checked_div(frame.pitch)?);
        rest = rest.get(frame.length..).unwrap_or_default();
    }
    let unframed = up(i64::try_from(rest.len()).ok()?, UNFRAMED)?;
    Some(up(ticks, TICKS)?.saturating_add(unframed))
}

/// The beginning of an MP3: as long as all of it is at the rate of its first frame.
fn mpeg(head: &[u8], total: i64) -> Option<i64> {
    let start = tags(head)?;
    let frame = Frame::read(head.get(start..)?)?;
    let bits = total.saturating_sub(i64::try_from(start).ok()?).saturating_mul(8);
    up(bits, frame.rate)
}

/// Where an MP3 begins behind its tags.
fn tags(head: &[u8]) -> Option<usize> {
    match head.get(..10)? {
        [b'I', b'D', b'3', _, _, _, size @ ..] => {
            size.iter().fold(0_usize, |sum, byte| (sum << 7) | usize::from(byte & 0x7F)).checked_add(10)
        }
        _ => Some(0),
    }
}

fn little(bytes: &[u8]) -> i64 {
    bytes.iter().rev().fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte))
}

/// `count / per`, rounded up; `None` for nothing a second.
fn up(count: i64, per: i64) -> Option<i64> {
    if per <= 0 { None } else { count.max(0).saturating_add(per).saturating_sub(1).checked_div(per) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate: u32, align: u16, told: u32, length: u32) -> Vec<u8> {
        let mut head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        head.extend(rate.to_le_bytes());
        head.extend(told.to_le_bytes());
        head.extend(align.to_le_bytes());
        head.extend(b"\x10\0data");
        head.extend(length.to_le_bytes());
        head
    }

    /// A WAV file of two seconds whose sound is packed in this manner.
    fn of_kind(kind: u8) -> Vec<u8> {
        let mut head = wav(24_000, 2, 48_000, 96_000);
        head[20] = kind;
        head
    }

    /// A FLAC file of 44 100 samples a second, one channel of 16 bits, that says it has so many.
    fn flac_of(samples: u64) -> Vec<u8> {
        let mut flac = b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0".to_vec();
        flac.extend(((44_100_u64 << 44) | (15 << 36) | samples).to_be_bytes());
        flac
    }

    #[test]
    fn the_head_tells_the_length() {
        let mut tagged = b"ID3\x04\0\0\0\0\x01\x02".to_vec();
        tagged.resize(10 + 130, 0);
        tagged.extend(b"\xff\xfb\x90\x64\0\0\0\0\0\0");
        for (head, total, want) in [
            (wav(24_000, 2, 48_000, 96_000), 44 + 96_000, Some(2)),
            (wav(24_000, 2, 48_000, 96_001), 44 + 96_001, Some(3)),
            // Of no length yet; shorter than it says; with something behind.
            (wav(24_000, 2, 48_000, u32::MAX), 44 + 96_000, Some(2)),
            (wav(24_000, 2, 48_000, 96_000), 44 + 48_000, Some(1)),
            (wav(24_000, 2, 48_000, 48_000), 44 + 96_000, Some(1)),
            // The lowest of its rates, and of those of two heads; it is not longer for being wide.
            (wav(1, 1, 48_000, 100), 144, Some(100)),
            (wav(16_000, u16::MAX, u32::MAX, 320_000), 320_044, Some(10)),
            (
                [&wav(16_000, 2, 32_000, 0)[..36], &wav(u32::MAX, 2, u32::MAX, 320_000)[12..]].concat(),
                320_068,
                Some(10),
            ),
            (wav(0, 0, 0, 100), 144, None),
            // No length is told: to the end. A second piece of sound, behind a chunk of an odd length.
            (wav(16_000, 2, 32_000, 0), 44 + 320_000, Some(10)),
            (
                [&wav(16_000, 2, 32_000, 2)[..], b"\0\0junk\x01\0\0\0\0\0data\0\x7d\0\0"].concat(),
                64 + 32_000,
                Some(2),
            ),
            // Packed, so its head tells nothing; and no WAV.
            (of_kind(0x55), 44 + 96_000, None),
            (of_kind(0x11), 44 + 96_000, None),
            (of_kind(7), 44 + 96_000, Some(2)),
            (wav(24_000, 2, 48_000, 0), 44, None),
            (
                b"RIFF\0\0\0\0AVI ".iter().chain(&wav(24_000, 2, 48_000, 96_000)[12..]).copied().collect(),
                96_044,
                None,
            ),
            (flac_of(441_001), 1_000, Some(11)),
            // It says a sample, and has ten seconds of them even if nothing is packed.
            (flac_of(1), 882_000, Some(10)),
            (flac_of(0), 882_000, None),
            // 128 kbit/s: 16 000 bytes a second, behind 140 bytes of tags.
            (tagged, 140 + 32_000, Some(2)),
            (b"\xff\xf1\x50\x80\0\0\0\0\0\0".to_vec(), 1_000, None),
            (b"OggS\0\0\0\0\0\0".to_vec(), 1_000, None),
            (b"RIFF".to_vec(), 4, None),
            (Vec::new(), 0, None),
        ] {
            assert_eq!(seconds(&head, total), want, "{head:?}");
        }
    }

    #[test]
    fn a_whole_mp3_is_as_long_as_its_frames() {
        let frame = |head: &[u8], length: usize| {
            let mut frame = head.to_vec();
            frame.resize(length, 0);
            frame
        };
        // 128 kbit/s at 44 100: 417 bytes, 1 152 samples. 8 kbit/s at 24 000: 24 bytes, 576 samples.
        let quick = frame(b"\xff\xfb\x90\x64", 417);
        let slow = frame(b"\xff\xf3\x14\xc4", 24);
        for (file, want) in [
            (quick.repeat(38), 1),
            (quick.repeat(39), 2),
            (slow.repeat(1_000), 24),
            // A head that promises much and frames that do not keep it.
            ([frame(b"\xff\xf3\xe4\xc4", 480), slow.repeat(1_000)].concat(), 25),
            // What is no frame counts as 32 kbit/s.
            ([quick.repeat(38), vec![0; 4_001]].concat(), 3),
            ([quick.clone(), vec![0; 8_000]].concat(), 3),
            // Frames of another pitch are as long as they are.
            ([quick.clone(), slow.repeat(1_000)].concat(), 25),
        ] {
            assert_eq!(seconds(&file, file.len()), Some(want), "{} bytes", file.len());
        }
    }
}
