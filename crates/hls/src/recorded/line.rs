//! The text of an index: words between spaces, a star and the line's checksum, a line feed.
//!
//! ```text
//! begin 1 TARGET
//! rendition ID CODECS video WIDTH HEIGHT MILLIFRAMES      (or: audio CHANNELS RATE)
//! init ID NUMBER AT BYTES
//! segment ID MSN AT BYTES MICROSECONDS MILLISECONDS-SINCE-1970 FLAGS INIT
//! end
//! ```
//!
//! FLAGS are `d` (a discontinuity before it), `i` (begins with an independent frame), `g` (a gap), or `-`.

use std::time::{Duration, SystemTime};

use super::{Extent, Segment};
use crate::spec::{RenditionId, RenditionKind, RenditionSpec};

/// The form of the text.
const VERSION: u32 = 1;
/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 512;

/// A line of an index.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The first.
    Begin {
        /// `EXT-X-TARGETDURATION`, in seconds.
        target: u64,
    },
    /// A rendition, before anything of it.
    Rendition(RenditionSpec),
    /// An initialization section.
    Init {
        /// Of which rendition.
        rendition: RenditionId,
        /// Its number, which grows.
        number: u32,
        /// Where it is.
        extent: Extent,
    },
    /// A segment.
    Segment {
        /// Of which rendition.
        rendition: RenditionId,
        /// What it is.
        segment: Segment,
    },
    /// The last.
    End,
}

impl Line {
    /// The line at the beginning of `text`, and its length; none unless it is whole.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<(Self, usize)> {
        let head = text.get(..text.len().min(LINE_BYTES_MAX))?;
        let length = head.iter().position(|byte| *byte == b'\n')? + 1;
        let line = std::str::from_utf8(head.get(..length - 1)?).ok()?;
        let (words, sum) = line.rsplit_once(" *")?;
        (sum == format!("{:08x}", checksum(words.as_bytes()))).then_some(())?;
        Some((Self::parse(words)?, length))
    }

    /// The line as it stands in the file.
    #[must_use]
    pub fn write(&self) -> String {
        let words = match self {
            Self::Begin { target } => format!("begin {VERSION} {target}"),
            Self::Rendition(RenditionSpec { id, codecs, kind }) => match *kind {
                RenditionKind::Video { width, height, frame_rate } => {
                    let rate = (frame_rate.clamp(0.0, 1e6) * 1_000.0).round() as u64;
                    format!("rendition {id} {codecs} video {width} {height} {rate}")
                }
                RenditionKind::Audio { channels, sample_rate } => {
                    format!("rendition {id} {codecs} audio {channels} {sample_rate}")
                }
            },
            Self::Init { rendition, number, extent: Extent { at, bytes } } => {
                format!("init {rendition} {number} {at} {bytes}")
            }
            Self::Segment { rendition, segment } => {
                let Segment { msn, extent: Extent { at, bytes }, .. } = segment;
                let length = segment.duration.as_micros();
                let since = segment.program_date_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let flags = [(segment.discontinuity, 'd'), (segment.independent, 'i'), (segment.gap, 'g')];
                let mut flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect();
                if flags.is_empty() {
                    flags.push('-');
                }
                let init = segment.init.map_or_else(|| "-".to_owned(), |init| init.to_string());
                format!("segment {rendition} {msn} {at} {bytes} {length} {} {flags} {init}", since.as_millis())
            }
            Self::End => "end".to_owned(),
        };
        format!("{words} *{:08x}\n", checksum(words.as_bytes()))
    }

    fn parse(words: &str) -> Option<Self> {
        let mut words = words.split(' ');
        let line = match words.next()? {
            "begin" => {
                (words.next()? == VERSION.to_string()).then_some(())?;
                Self::Begin { target: number(words.next()?)? }
            }
            "rendition" => {
                let (id, codecs) = (RenditionId::new(words.next()?)?, words.next()?.to_owned());
                let kind = match words.next()? {
                    "video" => RenditionKind::Video {
                        width: number(words.next()?)?.try_into().ok()?,
                        height: number(words.next()?)?.try_into().ok()?,
                        frame_rate: number(words.next()?)? as f64 / 1_000.0,
                    },
                    "audio" => RenditionKind::Audio {
                        channels: number(words.next()?)?.try_into().ok()?,
                        sample_rate: number(words.next()?)?.try_into().ok()?,
                    },
                    _ => return None,
                };
                Self::Rendition(RenditionSpec { id, codecs, kind })
            }
            "init" => Self::Init {
                rendition: RenditionId::new(words.next()?)?,
                number: number(words.next()?)?.try_into().ok()?,
                extent: Extent { at: number(words.next()?)?, bytes: number(words.next()?)? },
            },
            "segment" => {
                let (rendition, msn) = (RenditionId::new(words.next()?)?, number(words.next()?)?);
                let extent = Extent { at: number(words.next()?)?, bytes: number(words.next()?)? };
                let duration = Duration::from_micros(number(words.next()?)?);
                let since = Duration::from_millis(number(words.next()?)?);
                let flags = words.next()?;
                let init = match words.next()? {
                    "-" => None,
                    init => Some(number(init)?.try_into().ok()?),
                };
                let segment = Segment {
                    msn,
                    extent,
                    duration,
                    program_date_time: SystemTime::UNIX_EPOCH.checked_add(since)?,
                    discontinuity: flags.contains('d'),
                    independent: flags.contains('i'),
                    gap: flags.contains('g'),
                    init,
                };
                Self::Segment { rendition, segment }
            }
            "end" => Self::End,
            _ => return None,
        };
        words.next().is_none().then_some(line)
    }
}

/// A number of ours: digits, and small enough that sums of them fit.
fn number(word: &str) -> Option<u64> {
    let digits = !word.is_empty() && word.len() <= 16 && word.bytes().all(|byte| byte.is_ascii_digit());
    if digits { word.parse().ok() } else { None }
}

/// FNV-1a with 32 bits: tells a line that was not written to its end, or over another.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment() -> impl Strategy<Value = Segment> {
        let numbers = (0..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 30, 0..1_u64 << 30, 0..1_u64 << 42);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), proptest::option::of(0_u32..9));
        (numbers, flags).prop_map(|((msn, at, bytes, us, ms), (discontinuity, independent, gap, init))| Segment {
            msn,
            extent: Extent { at, bytes },
            duration: Duration::from_micros(us),
            program_date_time: SystemTime::UNIX_EPOCH + Duration::from_millis(ms),
            discontinuity,
            independent,
            gap,
            init,
        })
    }

    proptest! {
        #[test]
        fn a_segment_reads_back_and_nothing_of_half_of_it(segment in segment(), cut in any::<prop::sample::Index>()) {
            let line = Line::Segment { rendition: RenditionId::video(), segment };
            let text = line.write();
            prop_assert_eq!(Line::read(text.as_bytes()), Some((line, text.len())));
            prop_assert_eq!(Line::read(&text.as_bytes()[..cut.index(text.len())]), None);
        }

        #[test]
        fn whatever_stands_there_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Line::read(&bytes);
        }

        #[test]
        fn words_in_any_order_are_read_without_panic(words in "(begin|init|segment|rendition|video|-|[0-9]{1,20}| ){0,20}") {
            let text = format!("{words} *{:08x}\n", checksum(words.as_bytes()));
            let _ = Line::read(text.as_bytes());
        }
    }

    #[test]
    fn every_line_reads_back() {
        let video = RenditionKind::Video { width: 1280, height: 720, frame_rate: 29.97 };
        let audio = RenditionKind::Audio { channels: 2, sample_rate: 48_000 };
        let spec = |id, codecs: &str, kind| Line::Rendition(RenditionSpec { id, codecs: codecs.into(), kind });
        let init = Line::Init { rendition: RenditionId::video(), number: 1, extent: Extent { at: 2, bytes: 3 } };
        for line in [
            Line::Begin { target: 2 },
            spec(RenditionId::video(), "avc1.64001f", video),
            spec(RenditionId::audio(), "mp4a.40.2", audio),
            init,
            Line::End,
        ] {
            let text = line.write();
            assert_eq!(Line::read(text.as_bytes()), Some((line, text.len())), "{text}");
        }
    }
}
