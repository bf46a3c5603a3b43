//! How long FLAC is: as its first block tells, or, where the whole file is there, by its frames, which are what a decoder goes by.

use super::up;

/// Samples a second by the code in a frame's head, from 1 on.
const RATES: [i64; 11] =
    [88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

/// The seconds that the first block tells, rounded up. There are never fewer than its bytes would be unpacked.
pub(super) fn told(head: &[u8], total: i64) -> Option<i64> {
    let block = first_block(head)?;
    let bits = |shift: u32, mask: u64| i64::try_from((block >> shift) & mask).ok();
    let rate = bits(44, 0xF_FFFF)?;
    let sample_bits = bits(41, 0x7)?.saturating_add(1).saturating_mul(bits(36, 0x1F)?.saturating_add(1));
    let samples = bits(0, 0xF_FFFF_FFFF)?;
    let told = up(samples, rate).filter(|_| samples > 0)?;
    Some(told.max(up(total.saturating_mul(8), rate.saturating_mul(sample_bits))?))
}

/// The seconds of all frames of a whole file, rounded up, at the lowest rate that is told anywhere in it. What merely looks like the
/// head of a frame counts as one: its checksum makes that rare.
pub(super) fn of_frames(file: &[u8]) -> Option<i64> {
    let mut lowest = i64::try_from((first_block(file)? >> 44) & 0xF_FFFF).ok().filter(|rate| *rate > 0);
    let mut samples = 0_i64;
    for at in memchr::memchr_iter(0xFF, file) {
        let Some(frame) = file.get(at..).and_then(frame) else { continue };
        samples = samples.saturating_add(frame.samples);
        lowest = [lowest, frame.rate].into_iter().flatten().min();
    }
    up(samples, lowest?)
}

/// Rate, channels, bits and samples of the first block.
fn first_block(head: &[u8]) -> Option<u64> {
    Some(head.get(18..26)?.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)))
}

/// What the head of a frame tells.
struct Frame {
    samples: i64,
    /// Samples a second; `None` where they are those of the first block.
    rate: Option<i64>,
}

/// The frame that begins here, if its head is one by its form and its checksum.
fn frame(bytes: &[u8]) -> Option<Frame> {
    let [_, sync, sizes, kind, number] = *bytes.get(..5)?.first_chunk()?;
    let (size, rate) = (sizes >> 4, sizes & 0xF);
    if sync & 0xFE != 0xF8 || size == 0 || rate == 15 || kind >> 4 > 10 || kind & 1 != 0 {
        return None;
    }
    // The frame's number is spelled like a letter of UTF-8, in up to 7 bytes.
    let start = match number.leading_ones() {
        0 => 5,
        1 | 8 => return None,
        more => usize::try_from(more).ok()?.checked_add(4)?,
    };
    let mut rest = bytes.get(start..)?;
    let mut next = |length: usize| {
        let (own, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(own.iter().fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte)))
    };
    let samples = match size {
        1 => 192,
        2..=5 => 576 << (size - 2),
        6 => next(1)?.saturating_add(1),
        7 => next(2)?.saturating_add(1),
        _ => 256 << (size - 8),
    };
    let rate = match rate {
        0 => None,
        12 => Some(next(1)?.saturating_mul(1_000)),
        13 => Some(next(2)?),
        14 => Some(next(2)?.saturating_mul(10)),
        code => RATES.get(usize::from(code).checked_sub(1)?).copied(),
    };
    let (sum, behind) = rest.split_first()?;
    let head = bytes.get(..bytes.len().checked_sub(behind.len())?.checked_sub(1)?)?;
    (checksum(head) == *sum && rate != Some(0)).then_some(Frame { samples, rate })
}

/// What each byte makes of a checksum: a file may be made of nothing but what looks like heads.
const SUMS: [u8; 256] = sums();

const fn sums() -> [u8; 256] {
    let mut sums = [0_u8; 256];
    let mut byte = 1_u8;
    while byte != 0 {
        // Of the half of a byte the sum is known.
        let half = sums[(byte >> 1) as usize];
        // x⁸ + x² + x + 1
        let shifted = if half & 0x80 == 0 { half << 1 } else { (half << 1) ^ 0x07 };
        sums[byte as usize] = if byte & 1 == 0 { shifted } else { shifted ^ 0x07 };
        byte = byte.wrapping_add(1);
    }
    sums
}

/// The checksum of a frame's head (CRC-8).
fn checksum(head: &[u8]) -> u8 {
    head.iter().fold(0, |sum, byte| SUMS[usize::from(sum ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose first block tells this rate and one sample, two channels of 16 bits.
    fn file(rate: u64, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut flac = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0".to_vec();
        flac.extend(((rate << 44) | (1 << 41) | (15 << 36) | 1).to_be_bytes());
        flac.extend([0; 16]);
        flac.extend(frames.concat());
        flac
    }

    fn framed(head: &[u8]) -> Vec<u8> {
        let mut frame = head.to_vec();
        frame.push(checksum(head));
        frame.extend([0; 20]);
        frame
    }

    /// The value that all catalogues of checksums give for this one.
    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0xF4);
    }

    #[test]
    fn a_whole_file_is_as_long_as_its_frames() {
        // 4 096 samples each: at the first block's rate, at 16 000, and with a number of three bytes.
        let (plain, own) = (framed(b"\xff\xf8\xc0\x18\0"), framed(b"\xff\xf9\xc5\x18\0"));
        let third = framed(b"\xff\xf8\xc0\x18\xe1\x80\x80");
        // 65 536 samples and 8 000 a second, 100 samples and 11 025 a second, 3 samples and 44 100.
        let (spelled, short) =
            (framed(b"\xff\xf8\x7c\x18\0\xff\xff\x08"), framed(b"\xff\xf8\x6d\x18\0\x63\x2b\x11"));
        let tens = framed(b"\xff\xf8\x6e\x18\0\x02\x11\x3a");
        let broken = [b"\xff\xf8\xc0\x18\0\x01".as_slice(), &[0; 20]].concat();
        for (rate, frames, want) in [
            (48_000, vec![plain.clone(); 12], Some(2)),
            (48_000, vec![third; 11], Some(1)),
            // The rate that the first block promises is not that of the frames.
            (655_350, vec![own.clone(); 40], Some(11)),
            (655_350, [vec![own.clone()], vec![plain.clone(); 39]].concat(), Some(11)),
            (0, vec![own; 4], Some(2)),
            (48_000, vec![spelled; 2], Some(17)),
            (48_000, vec![short; 111], Some(2)),
            (48_000, vec![tens; 2], Some(1)),
            (0, vec![plain], None),
            (48_000, vec![broken], Some(0)),
        ] {
            let shown = of_frames(&file(rate, &frames));
            assert_eq!(shown, want, "{rate} {:?}", frames.first());
        }
        for cut in 0..26 {
            assert_eq!(of_frames(&file(48_000, &[])[..cut]), None);
        }
    }
}
