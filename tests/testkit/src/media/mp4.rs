//! Reads the MP4 files that ffmpeg writes (ISO/IEC 14496-12): one `moov`, no fragments.
//!
//! For files that we made ourselves: damage panics.

use std::{path::Path, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use weir_media::{AudioCodec, VideoCodec};

/// The tracks of a file.
#[derive(Debug, Clone)]
pub struct Movie {
    /// Video first, then audio.
    pub tracks: Vec<Track>,
}

/// How a track is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Pictures.
    Video(VideoCodec),
    /// Sound.
    Audio(AudioCodec),
}

/// One track.
#[derive(Debug, Clone)]
pub struct Track {
    /// How it is coded.
    pub codec: Codec,
    /// Its configuration, in the formats that [`VideoCodec`] and [`AudioCodec`] name.
    pub config: Bytes,
    /// In decoding order.
    pub samples: Vec<Sample>,
    /// From the first sample's begin to the last one's end, in nanoseconds.
    pub duration: u64,
}

/// One access unit.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Decoding time in nanoseconds. The earliest of all tracks is 0; edit lists are applied.
    pub dts: u64,
    /// Presentation time in nanoseconds.
    pub pts: u64,
    /// Decodable by itself.
    pub keyframe: bool,
    /// Shared with the file.
    pub data: Bytes,
}

impl Movie {
    /// Reads a file.
    ///
    /// # Panics
    /// When there is none, or it is not what ffmpeg writes.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let file = Bytes::from(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        let moov = find(&file, b"moov").expect("a moov");
        let mut raw: Vec<RawTrack> =
            boxes(&moov).filter(|(kind, _)| kind == b"trak").filter_map(|(_, trak)| read_track(&file, &trak)).collect();
        raw.sort_by_key(|track| matches!(track.codec, Codec::Audio(_)));
        let earliest = raw.iter().filter_map(|track| Some(track.samples.first()?.0)).min().unwrap_or(0);
        let nanos = |time: i64| u64::try_from(time - earliest).expect("times after the earliest");
        let finish = |track: RawTrack| Track {
            codec: track.codec,
            config: track.config,
            duration: track.duration,
            samples: track
                .samples
                .into_iter()
                .map(|(dts, pts, keyframe, data)| Sample { dts: nanos(dts), pts: nanos(pts), keyframe, data })
                .collect(),
        };
        Self { tracks: raw.into_iter().map(finish).collect() }
    }

    /// How long one turn is when it is played in a loop: the video, or the sound if there is no video.
    #[must_use]
    pub fn turn(&self) -> Duration {
        Duration::from_nanos(self.tracks.first().map_or(0, |track| track.duration))
    }
}

struct RawTrack {
    codec: Codec,
    config: Bytes,
    /// Decoding and presentation time in nanoseconds, keyframe, data.
    samples: Vec<(i64, i64, bool, Bytes)>,
    duration: u64,
}

fn read_track(file: &Bytes, trak: &Bytes) -> Option<RawTrack> {
    let mdia = find(trak, b"mdia")?;
    let mdhd = find(&mdia, b"mdhd")?;
    let timescale = i128::from(if mdhd[0] == 1 { u32_at(&mdhd, 20) } else { u32_at(&mdhd, 12) });
    let stbl = find(&find(&mdia, b"minf")?, b"stbl")?;
    let (codec, config) = read_entry(&find(&stbl, b"stsd")?.slice(8..))?;
    let nanos = |ticks: i64| i64::try_from(i128::from(ticks) * 1_000_000_000 / timescale).expect("short files");

    let origin = find(trak, b"edts").and_then(|edts| find(&edts, b"elst")).map_or(0, |elst| media_time(&elst));
    let durations = runs(&find(&stbl, b"stts")?);
    let offsets = find(&stbl, b"ctts").map(|ctts| runs(&ctts));
    let keyframes: Option<Vec<u32>> =
        find(&stbl, b"stss").map(|stss| (0..u32_at(&stss, 4) as usize).map(|at| u32_at(&stss, 8 + 4 * at)).collect());

    let (mut time, mut samples) = (0_i64, Vec::new());
    for (at, data) in sample_data(file, &stbl)?.into_iter().enumerate() {
        let offset = offsets.as_ref().map_or(0, |offsets| offsets[at] as i32);
        let keyframe = keyframes.as_ref().is_none_or(|numbers| numbers.contains(&(at as u32 + 1)));
        let dts = time - origin;
        samples.push((nanos(dts), nanos(dts + i64::from(offset)), keyframe, data));
        time += i64::from(durations[at]);
    }
    Some(RawTrack { codec, config, samples, duration: nanos(time).unsigned_abs() })
}

/// The first entry of `stsd`, whose boxes follow fixed fields: 78 bytes for pictures, 28 for sound.
fn read_entry(entries: &Bytes) -> Option<(Codec, Bytes)> {
    let (kind, entry) = boxes(entries).next()?;
    let picture = |name: &[u8; 4]| find(&entry.slice(78..), name);
    let sound = |name: &[u8; 4]| find(&entry.slice(28..), name);
    Some(match &kind {
        b"avc1" => (Codec::Video(VideoCodec::H264), picture(b"avcC")?),
        b"hvc1" | b"hev1" => (Codec::Video(VideoCodec::Hevc), picture(b"hvcC")?),
        b"av01" => (Codec::Video(VideoCodec::Av1), picture(b"av1C")?),
        // Without version and flags.
        b"vp09" => (Codec::Video(VideoCodec::Vp9), picture(b"vpcC")?.slice(4..)),
        b"mp4a" => (Codec::Audio(AudioCodec::Aac), decoder_specific(&sound(b"esds")?)),
        b"Opus" => (Codec::Audio(AudioCodec::Opus), opus_head(&sound(b"dOps")?)),
        _ => return None,
    })
}

/// `DecoderSpecificInfo` in an `esds` box: tag 5, a length of up to four bytes of 7 bits, then an `AudioSpecificConfig`.
fn decoder_specific(esds: &Bytes) -> Bytes {
    let tag = esds.windows(4).position(|at| at == [5, 0x80, 0x80, 0x80]).expect("as ffmpeg writes it");
    let length = usize::from(esds[tag + 4]);
    esds.slice(tag + 5..tag + 5 + length)
}

/// `OpusHead` (RFC 7845 §5.1), which is `dOps` in little endian with a magic.
fn opus_head(dops: &Bytes) -> Bytes {
    let mut head = BytesMut::from(&b"OpusHead"[..]);
    head.put_slice(&[1, dops[1], dops[3], dops[2], dops[7], dops[6], dops[5], dops[4], dops[9], dops[8]]);
    head.put_slice(&dops[10..]);
    head.freeze()
}

/// Where the first edit with media begins, in the track's ticks.
fn media_time(elst: &Bytes) -> i64 {
    for at in 0..u32_at(elst, 4) as usize {
        let time = if elst[0] == 1 {
            u64_at(elst, 16 + 20 * at).cast_signed()
        } else {
            i64::from(u32_at(elst, 12 + 12 * at).cast_signed())
        };
        if time >= 0 {
            return time;
        }
    }
    0
}

/// The run-length coded numbers of `stts` and `ctts`, one a sample.
fn runs(table: &Bytes) -> Vec<u32> {
    let run = |at: usize| (u32_at(table, 8 + 8 * at) as usize, u32_at(table, 12 + 8 * at));
    (0..u32_at(table, 4) as usize).map(run).flat_map(|(count, value)| std::iter::repeat_n(value, count)).collect()
}

fn sample_data(file: &Bytes, stbl: &Bytes) -> Option<Vec<Bytes>> {
    let stsz = find(stbl, b"stsz")?;
    let (same, count) = (u32_at(&stsz, 4), u32_at(&stsz, 8) as usize);
    let size = |at: usize| if same == 0 { u32_at(&stsz, 12 + 4 * at) } else { same } as usize;
    let chunks: Vec<u64> = match (find(stbl, b"stco"), find(stbl, b"co64")) {
        (Some(stco), _) => (0..u32_at(&stco, 4) as usize).map(|at| u64::from(u32_at(&stco, 8 + 4 * at))).collect(),
        (_, Some(co64)) => (0..u32_at(&co64, 4) as usize).map(|at| u64_at(&co64, 8 + 8 * at)).collect(),
        _ => return None,
    };
    let stsc = find(stbl, b"stsc")?;
    let groups: Vec<(usize, usize)> = (0..u32_at(&stsc, 4) as usize)
        .map(|at| (u32_at(&stsc, 8 + 12 * at) as usize, u32_at(&stsc, 12 + 12 * at) as usize))
        .collect();
    let mut data = Vec::with_capacity(count);
    for (at, &offset) in chunks.iter().enumerate() {
        let group = groups.iter().rev().find(|(first, _)| *first <= at + 1)?;
        let mut offset = offset as usize;
        for _ in 0..group.1 {
            let size = size(data.len());
            data.push(file.slice(offset..offset + size));
            offset += size;
        }
    }
    Some(data)
}

/// The boxes in `data`, each its kind and content.
fn boxes(data: &Bytes) -> impl Iterator<Item = ([u8; 4], Bytes)> {
    let mut rest = data.clone();
    std::iter::from_fn(move || {
        if rest.len() < 8 {
            return None;
        }
        let kind = [rest[4], rest[5], rest[6], rest[7]];
        let (head, size) = match u32_at(&rest, 0) {
            0 => (8, rest.len()),
            1 => (16, u64_at(&rest, 8) as usize),
            size => (8, size as usize),
        };
        let mut content = rest.split_to(size);
        Some((kind, content.split_off(head)))
    })
}

fn find(data: &Bytes, name: &[u8; 4]) -> Option<Bytes> {
    boxes(data).find(|(kind, _)| kind == name).map(|(_, content)| content)
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(data: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(data[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media;

    #[test]
    fn every_fixture_has_its_codecs_and_a_seamless_turn() {
        for (path, video, audio) in [
            (media::h264_aac(true), Some(VideoCodec::H264), Some(AudioCodec::Aac)),
            (media::h264_opus(), Some(VideoCodec::H264), Some(AudioCodec::Opus)),
            (media::hevc_aac(), Some(VideoCodec::Hevc), Some(AudioCodec::Aac)),
            (media::av1_opus(), Some(VideoCodec::Av1), Some(AudioCodec::Opus)),
            (media::vp9_opus(), Some(VideoCodec::Vp9), Some(AudioCodec::Opus)),
            (media::aac(), None, Some(AudioCodec::Aac)),
            (media::h264(), Some(VideoCodec::H264), None),
        ] {
            let movie = Movie::open(&path);
            let expected: Vec<Codec> = video.map(Codec::Video).into_iter().chain(audio.map(Codec::Audio)).collect();
            assert_eq!(movie.tracks.iter().map(|track| track.codec).collect::<Vec<_>>(), expected);
            for track in &movie.tracks {
                match track.codec {
                    Codec::Video(codec) => {
                        let params = weir_media::codec::video(codec, track.config.clone()).unwrap();
                        let first = &track.samples[0];
                        let size = match codec {
                            VideoCodec::Vp9 => weir_media::codec::vp9_dimensions(&first.data).unwrap(),
                            _ => (params.width, params.height),
                        };
                        assert_eq!(size, (320, 180));
                        assert!(first.keyframe);
                        assert_eq!(movie.turn(), Duration::from_secs(8), "{codec}");
                        assert!(track.samples.iter().filter(|sample| sample.keyframe).count() >= 8, "{codec}");
                    }
                    Codec::Audio(codec) => {
                        let params = weir_media::codec::audio(codec, track.config.clone()).unwrap();
                        assert_eq!((params.sample_rate, params.channels), (48_000, 2));
                    }
                }
            }
        }
    }
}
