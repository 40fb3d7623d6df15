//! Corrects what the muxer writes, mostly a chunk's `moof` where samples are reordered. No GStreamer.
//!
//! `cmafmux` sets a chunk's `tfdt` to its earliest *presentation* time and shifts the composition offsets, which makes
//! decoding times jump back and forth from chunk to chunk wherever B-frames cross a boundary; and it holds a segment's
//! last chunk until it has seen enough of the next segment to know that earliest time: two frames, five with B-frames.
//! So for H.264 and HEVC it is told decoding times only, and that nothing after the first frame is a keyframe. What it
//! was not told is written here: composition offsets and sync flags.

use std::borrow::Cow;

use bytes::BufMut as _;

/// What the muxer was not told of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Presentation after decoding time, in the track's timescale.
    pub(crate) composition_offset: u32,
    /// A decoder can start here.
    pub(crate) sync: bool,
}

/// A chunk header that is not what the muxer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the muxer's chunk header is not as expected: {0}")]
pub(crate) struct BadChunk(&'static str);

// ISO/IEC 14496-12 §8.8.7 (tfhd) and §8.8.8 (trun).
const TFHD_DURATION: u32 = 0x08;
const TFHD_SIZE: u32 = 0x10;
const TFHD_FLAGS: u32 = 0x20;
const TFHD_BASE_IS_MOOF: u32 = 0x2_00_00;
const TRUN_DATA_OFFSET: u32 = 0x01;
const TRUN_FIRST_FLAGS: u32 = 0x04;
const TRUN_DURATION: u32 = 0x1_00;
const TRUN_SIZE: u32 = 0x2_00;
const TRUN_FLAGS: u32 = 0x4_00;
const TRUN_OFFSET: u32 = 0x8_00;
/// `sample_depends_on` 2: on no other.
const SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` 1 and `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0101_0000;

/// The header (what comes before the samples: an optional `styp`, `moof`, the start of `mdat`) with `truths` in it.
pub(crate) fn correct(header: &[u8], truths: &[Truth]) -> Result<Vec<u8>, BadChunk> {
    let mut out = Vec::with_capacity(header.len() + truths.len() * 8 + 16);
    let mut rest = header;
    while let Some((kind, content, after)) = next_box(rest) {
        let whole = &rest[..rest.len() - after.len()];
        if &kind == b"moof" {
            let mdat_header = after.len();
            moof(&mut out, content, truths, mdat_header)?;
        } else {
            out.put_slice(whole);
        }
        rest = after;
    }
    // The header of `mdat`, whose content is not here.
    out.put_slice(rest);
    Ok(out)
}

/// The header without the claim that the presentation ends with it, which the muxer makes at its end (`lmsg`, ISO/IEC
/// 23009-1 §7.3.1), and with a `styp` only where a segment starts.
pub(crate) fn open_ended(header: &[u8], starts_segment: bool) -> Cow<'_, [u8]> {
    let Some((kind, brands, rest)) = next_box(header) else { return header.into() };
    if &kind != b"styp" {
        return header.into();
    }
    if !starts_segment {
        return rest.into();
    }
    if !brands.chunks_exact(4).any(|brand| brand == b"lmsg") {
        return header.into();
    }
    let kept: Vec<u8> = brands.chunks_exact(4).filter(|brand| brand != b"lmsg").flatten().copied().collect();
    let mut out = Vec::with_capacity(header.len());
    out.put_u32(kept.len() as u32 + 8);
    out.put_slice(b"styp");
    out.put_slice(&kept);
    out.put_slice(rest);
    out.into()
}

/// The initialization section without dates of creation, so that every muxer of a track writes the same one.
pub(crate) fn undated(init: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(init.len());
    let mut rest = init;
    while let Some((kind, content, after)) = next_box(rest) {
        let whole = &rest[..rest.len() - after.len()];
        match &kind {
            b"moov" | b"trak" | b"mdia" => {
                out.put_slice(&whole[..8]);
                out.extend(undated(content));
            }
            b"mvhd" | b"tkhd" | b"mdhd" => {
                let start = out.len();
                out.put_slice(whole);
                // Creation and modification time follow version and flags (ISO/IEC 14496-12 §8.2.2).
                let length = if content.first() == Some(&1) { 16 } else { 8 };
                if let Some(dates) = out.get_mut(start + 12..start + 12 + length) {
                    dates.fill(0);
                }
            }
            _ => out.put_slice(whole),
        }
        rest = after;
    }
    out.put_slice(rest);
    out
}

/// The first box: its type, its content and what follows it; `None` when it is not there as a whole.
fn next_box(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<8>()?;
    let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let content = bytes.get(8..size)?;
    Some(([head[4], head[5], head[6], head[7]], content, &bytes[size..]))
}

fn moof(out: &mut Vec<u8>, content: &[u8], truths: &[Truth], mdat_header: usize) -> Result<(), BadChunk> {
    let start = out.len();
    let mut data_offset_at = None;
    boxed(out, b"moof", |out| {
        let mut rest = content;
        while let Some((kind, inner, after)) = next_box(rest) {
            match &kind {
                b"traf" if data_offset_at.is_none() => {
                    let samples = Samples::read(inner)?;
                    data_offset_at = Some(boxed(out, b"traf", |out| samples.write(out, truths))?);
                }
                b"traf" => return Err(BadChunk("two tracks")),
                _ => out.put_slice(&rest[..rest.len() - after.len()]),
            }
            rest = after;
        }
        Ok(())
    })?;
    let at = data_offset_at.ok_or(BadChunk("no track"))?;
    let data_offset = u32::try_from(out.len() - start + mdat_header).map_err(|_| BadChunk("it is too large"))?;
    out[at..at + 4].copy_from_slice(&data_offset.to_be_bytes());
    Ok(())
}

fn boxed<T>(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    content: impl FnOnce(&mut Vec<u8>) -> Result<T, BadChunk>,
) -> Result<T, BadChunk> {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    let value = content(out)?;
    let size = u32::try_from(out.len() - start).map_err(|_| BadChunk("it is too large"))?;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    Ok(value)
}

/// What the muxer wrote of one track's samples.
struct Samples<'a> {
    track: u32,
    tfdt: &'a [u8],
    /// Duration and size of each.
    each: Vec<(u32, u32)>,
}

impl<'a> Samples<'a> {
    fn read(traf: &'a [u8]) -> Result<Self, BadChunk> {
        let (mut tfhd, mut tfdt, mut trun) = (None, None, None);
        let mut rest = traf;
        while let Some((kind, inner, after)) = next_box(rest) {
            match &kind {
                b"tfhd" => tfhd = Some(inner),
                b"tfdt" => tfdt = Some(&rest[..rest.len() - after.len()]),
                b"trun" if trun.is_none() => trun = Some(inner),
                _ => return Err(BadChunk("an unknown box in traf")),
            }
            rest = after;
        }
        let (tfhd, tfdt, trun) =
            (tfhd.ok_or(BadChunk("no tfhd"))?, tfdt.ok_or(BadChunk("no tfdt"))?, trun.ok_or(BadChunk("no trun"))?);
        let mut tfhd = Words(tfhd);
        let flags = tfhd.next()? & 0x00ff_ffff;
        if flags & !(TFHD_DURATION | TFHD_SIZE | TFHD_FLAGS | TFHD_BASE_IS_MOOF) != 0 {
            return Err(BadChunk("an unknown field in tfhd"));
        }
        let track = tfhd.next()?;
        let duration = tfhd.next_if(flags & TFHD_DURATION != 0)?;
        let size = tfhd.next_if(flags & TFHD_SIZE != 0)?;
        let mut trun = Words(trun);
        let flags = trun.next()? & 0x00ff_ffff;
        let count = trun.next()?;
        trun.next_if(flags & TRUN_DATA_OFFSET != 0)?;
        trun.next_if(flags & TRUN_FIRST_FLAGS != 0)?;
        let mut each = Vec::new();
        for _ in 0..count {
            let duration = trun.next_if(flags & TRUN_DURATION != 0)?.or(duration);
            let size = trun.next_if(flags & TRUN_SIZE != 0)?.or(size);
            trun.next_if(flags & TRUN_FLAGS != 0)?;
            trun.next_if(flags & TRUN_OFFSET != 0)?;
            each.push((duration.ok_or(BadChunk("no duration"))?, size.ok_or(BadChunk("no size"))?));
        }
        Ok(Self { track, tfdt, each })
    }

    /// Writes the track with what the muxer was not told. Answers where the data offset stands.
    fn write(&self, out: &mut Vec<u8>, truths: &[Truth]) -> Result<usize, BadChunk> {
        if truths.len() != self.each.len() {
            return Err(BadChunk("another number of samples"));
        }
        let same_duration = self.each.windows(2).all(|two| two[0].0 == two[1].0);
        let sync_later = truths.iter().skip(1).any(|truth| truth.sync);
        let sync_first = truths.first().is_some_and(|truth| truth.sync);
        let has_offsets = truths.iter().any(|truth| truth.composition_offset != 0);
        boxed(out, b"tfhd", |out| {
            out.put_u32(TFHD_BASE_IS_MOOF | TFHD_FLAGS | if same_duration { TFHD_DURATION } else { 0 });
            out.put_u32(self.track);
            if let (true, Some((duration, _))) = (same_duration, self.each.first()) {
                out.put_u32(*duration);
            }
            out.put_u32(NON_SYNC);
            Ok(())
        })?;
        out.put_slice(self.tfdt);
        boxed(out, b"trun", |out| {
            let mut flags = TRUN_DATA_OFFSET | TRUN_SIZE;
            flags |= if same_duration { 0 } else { TRUN_DURATION };
            flags |= if has_offsets { TRUN_OFFSET } else { 0 };
            flags |= match (sync_first, sync_later) {
                (_, true) => TRUN_FLAGS,
                (true, false) => TRUN_FIRST_FLAGS,
                (false, false) => 0,
            };
            out.put_u32(flags);
            out.put_u32(u32::try_from(self.each.len()).map_err(|_| BadChunk("too many samples"))?);
            let data_offset_at = out.len();
            out.put_u32(0);
            if flags & TRUN_FIRST_FLAGS != 0 {
                out.put_u32(SYNC);
            }
            for ((duration, size), truth) in self.each.iter().zip(truths) {
                if !same_duration {
                    out.put_u32(*duration);
                }
                out.put_u32(*size);
                if flags & TRUN_FLAGS != 0 {
                    out.put_u32(if truth.sync { SYNC } else { NON_SYNC });
                }
                if has_offsets {
                    out.put_u32(truth.composition_offset);
                }
            }
            Ok(data_offset_at)
        })
    }
}

/// Big-endian 32-bit words.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Result<u32, BadChunk> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or(BadChunk("it is cut short"))?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*word))
    }

    fn next_if(&mut self, present: bool) -> Result<Option<u32>, BadChunk> {
        present.then(|| self.next()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        boxed(&mut out, kind, |out| {
            out.put_slice(content);
            Ok(())
        })
        .expect("it is small");
        out
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A chunk header of three samples, as the muxer writes it.
    fn header() -> Vec<u8> {
        let tfhd = made(b"tfhd", &words(&[TFHD_BASE_IS_MOOF | TFHD_DURATION | TFHD_FLAGS, 1, 3000, NON_SYNC]));
        let tfdt = made(b"tfdt", &words(&[0, 90_000]));
        let trun = made(b"trun", &words(&[TRUN_DATA_OFFSET | TRUN_SIZE, 3, 999, 10, 20, 30]));
        let moof =
            made(b"moof", &[made(b"mfhd", &words(&[0, 7])), made(b"traf", &[tfhd, tfdt, trun].concat())].concat());
        [made(b"styp", b"cmfs"), moof, words(&[68]), b"mdat".to_vec()].concat()
    }

    fn truth(composition_offset: u32, sync: bool) -> Truth {
        Truth { composition_offset, sync }
    }

    /// The words of the `trun` after correction.
    fn trun_after(truths: &[Truth]) -> Vec<u32> {
        let corrected = correct(&header(), truths).expect("it is well formed");
        let (_, _, rest) = next_box(&corrected).expect("styp");
        let (kind, moof, rest) = next_box(rest).expect("moof");
        assert_eq!(&kind, b"moof");
        assert_eq!(rest, [words(&[68]), b"mdat".to_vec()].concat());
        let (_, _, after) = next_box(moof).expect("mfhd");
        let (_, mut traf, _) = next_box(after).expect("traf");
        while let Some((kind, inner, after)) = next_box(traf) {
            if &kind == b"trun" {
                let words: Vec<_> = inner
                    .chunks_exact(4)
                    .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
                    .collect();
                assert_eq!(words[2] as usize, moof.len() + 8 + 8, "data begins after the header of mdat");
                return words;
            }
            traf = after;
        }
        panic!("no trun");
    }

    #[test]
    fn a_keyframe_at_the_start_is_the_only_flagged_one() {
        let trun = trun_after(&[truth(0, true), truth(0, false), truth(0, false)]);
        assert_eq!(trun[0], TRUN_DATA_OFFSET | TRUN_SIZE | TRUN_FIRST_FLAGS);
        assert_eq!(trun[3..], [SYNC, 10, 20, 30]);
    }

    #[test]
    fn offsets_and_a_later_keyframe_are_written_for_each_sample() {
        let trun = trun_after(&[truth(3000, false), truth(6000, true), truth(0, false)]);
        assert_eq!(trun[0], TRUN_DATA_OFFSET | TRUN_SIZE | TRUN_FLAGS | TRUN_OFFSET);
        assert_eq!(trun[3..], [10, NON_SYNC, 3000, 20, SYNC, 6000, 30, NON_SYNC, 0]);
    }

    #[test]
    fn another_number_of_samples_is_refused() {
        assert_eq!(correct(&header(), &[truth(0, true)]), Err(BadChunk("another number of samples")));
    }

    #[test]
    fn the_last_part_does_not_claim_to_be_the_end() {
        let moof = made(b"moof", b"");
        let last = [made(b"styp", b"cmfs\0\0\0\0cmfslmsg"), moof.clone()].concat();
        assert_eq!(*open_ended(&last, false), moof);
        assert_eq!(*open_ended(&last, true), [made(b"styp", b"cmfs\0\0\0\0cmfs"), moof.clone()].concat());
        assert_eq!(*open_ended(&moof, false), moof);
    }

    #[test]
    fn sections_of_two_dates_are_the_same() {
        let init = |date: u32| {
            let mdhd = made(b"mdhd", &words(&[0, date, date, 90_000]));
            let trak = made(b"trak", &[made(b"tkhd", &words(&[0, date, date, 1])), made(b"mdia", &mdhd)].concat());
            let mvhd = made(b"mvhd", &words(&[0x0100_0000, 0, date, 0, date, 90_000]));
            [made(b"ftyp", b"cmf2"), made(b"moov", &[mvhd, trak].concat())].concat()
        };
        assert_eq!(undated(&init(7)), init(0));
        assert_eq!(undated(&init(0)), init(0));
    }

    #[test]
    fn a_header_cut_anywhere_never_panics() {
        let whole = header();
        for length in 0..whole.len() {
            let _ = correct(&whole[..length], &[truth(0, true); 3]);
            let _ = (undated(&whole[..length]), open_ended(&whole[..length], true));
        }
    }
}
