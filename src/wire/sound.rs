//! How long sound is, as its head tells: WAV, MP3 and FLAC. Nobody is bound by it: a head can lie, so what is held never rests
//! on it alone.

/// Bits a second of a frame of MPEG-1 and of MPEG-2 layer III, in thousands, by the index in its head.
const RATES: [[i64; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Where the count of frames may stand behind the head of the first frame, whatever its channels.
const COUNTED_WITHIN: usize = 64;

/// The seconds of the sound that begins with `head` and is `total` bytes long, rounded up; `None` where the head is of another kind
/// or tells nothing.
pub(super) fn seconds(head: &[u8], total: usize) -> Option<i64> {
    let total = i64::try_from(total).ok()?;
    let seconds = match head.get(..4)? {
        b"RIFF" => wave(head, total),
        b"fLaC" => flac(head),
        _ => mpeg(head, total),
    };
    seconds.filter(|seconds| *seconds <= i64::from(i32::MAX))
}

/// A WAV file: chunks, of which one tells the bytes a second and another is the sound.
fn wave(head: &[u8], total: i64) -> Option<i64> {
    let mut at = 12_usize;
    let mut rate = None;
    loop {
        let chunk = head.get(at..)?;
        let name = chunk.get(..4)?;
        let length = little(chunk.get(4..8)?);
        if name == b"data" {
            let rest = total.saturating_sub(i64::try_from(at).ok()?.saturating_add(8));
            return up(rest.min(length), rate?);
        }
        if name == b"fmt " {
            let told = little(chunk.get(16..20)?);
            let counted = little(chunk.get(12..16)?).saturating_mul(little(chunk.get(20..22)?));
            // Of two rates that disagree the lower: it makes the sound longer.
            rate = [told, counted].into_iter().filter(|rate| *rate > 0).min();
        }
        at = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?)?;
    }
}

/// A FLAC file: its first block tells samples a second, and samples in all.
fn flac(head: &[u8]) -> Option<i64> {
    let block = head.get(18..26)?.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let rate = i64::try_from(block >> 44).ok()?;
    let samples = i64::try_from(block & 0xF_FFFF_FFFF).ok()?;
    up(samples, rate).filter(|_| samples > 0)
}

/// An MP3 file: its first frame tells the bits a second, or how many frames there are.
fn mpeg(head: &[u8], total: i64) -> Option<i64> {
    let start = match head.get(..10)? {
        [b'I', b'D', b'3', _, _, _, size @ ..] => {
            size.iter().fold(0_usize, |sum, byte| (sum << 7) | usize::from(byte & 0x7F)).checked_add(10)?
        }
        _ => 0,
    };
    let frame = head.get(start..)?;
    let [sync, kind, rates] = *frame.get(..3)?.first_chunk()?;
    let is_layer_3 = sync == 0xFF && kind & 0xE6 == 0xE2;
    let version = usize::from((kind >> 3) & 3);
    if !is_layer_3 || version == 1 {
        return None;
    }
    if let Some(frames) = counted_frames(frame) {
        let samples_a_second = [44_100, 48_000, 32_000].get(usize::from((rates >> 2) & 3))?;
        // MPEG-1 has twice the samples a frame; MPEG-2 half its rate, and 2.5 a quarter.
        let (a_frame, part) = match version {
            3 => (1_152, 1),
            2 => (576, 2),
            _ => (576, 4),
        };
        return up(frames.saturating_mul(a_frame).saturating_mul(part), *samples_a_second);
    }
    let table = RATES.get(usize::from(version != 3))?;
    let kilobits = *table.get(usize::from(rates >> 4))?;
    let bits = total.saturating_sub(i64::try_from(start).ok()?).saturating_mul(8);
    up(bits, kilobits.saturating_mul(1_000))
}

/// How many frames follow, where the first one is there to tell that.
fn counted_frames(frame: &[u8]) -> Option<i64> {
    let within = frame.get(..frame.len().min(COUNTED_WITHIN))?;
    let mark = |name: &[u8]| within.windows(4).position(|window| window == name);
    let at = mark(b"Xing").or_else(|| mark(b"Info"))?;
    let told = frame.get(at..at.checked_add(12)?)?;
    let has_frames = told.get(7)? & 1 == 1;
    let frames = told.get(8..12)?.iter().fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
    (has_frames && frames > 0).then_some(frames)
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

    #[test]
    fn the_head_tells_the_length() {
        let mut flac = b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0".to_vec();
        // 44 100 a second, one channel, 16 bits, 441 001 samples.
        flac.extend(((44_100_u64 << 44) | (15 << 36) | 441_001).to_be_bytes());
        let mut tagged = b"ID3\x04\0\0\0\0\x01\x02".to_vec();
        tagged.resize(10 + 130, 0);
        tagged.extend(b"\xff\xfb\x90\x64\0\0\0\0\0\0");
        let mut counted = b"\xff\xf3\x44\xc4".to_vec();
        counted.resize(4 + 9, 0);
        counted.extend(b"Xing\0\0\0\x01\0\0\0\x64");
        for (head, total, want) in [
            (wav(24_000, 2, 48_000, 96_000), 44 + 96_000, Some(2)),
            (wav(24_000, 2, 48_000, 96_001), 44 + 96_001, Some(3)),
            // Of no length yet; shorter than it says; with something behind.
            (wav(24_000, 2, 48_000, u32::MAX), 44 + 96_000, Some(2)),
            (wav(24_000, 2, 48_000, 96_000), 44 + 48_000, Some(1)),
            (wav(24_000, 2, 48_000, 48_000), 44 + 96_000, Some(1)),
            // The lower of two rates.
            (wav(1, 1, 48_000, 100), 144, Some(100)),
            (wav(0, 0, 0, 100), 144, None),
            (flac, 1_000, Some(11)),
            // 128 kbit/s: 16 000 bytes a second, behind 140 bytes of tags.
            (tagged, 140 + 32_000, Some(2)),
            // 100 frames of 576 samples at 24 000 a second.
            (counted, 999_999, Some(3)),
            (b"\xff\xf1\x50\x80\0\0\0\0\0\0".to_vec(), 1_000, None),
            (b"OggS\0\0\0\0\0\0".to_vec(), 1_000, None),
            (b"RIFF".to_vec(), 4, None),
            (Vec::new(), 0, None),
        ] {
            assert_eq!(seconds(&head, total), want, "{head:?}");
        }
    }
}
