//! Codecs by their names and format parameters, and which stream a receiver's payload type fits.

use weir_media::{TrackParams, VideoCodec, VideoParams};

use super::section::Codec;
use crate::agreed::RtpCodec;

/// What the channel has: one coded stream that could be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// How it is coded.
    pub codec: RtpCodec,
    /// What its decoder must be able to.
    pub profile: Profile,
}

/// What a stream asks of a decoder beyond its codec. Levels are left out: browsers name 3.1 and decode what the machine
/// can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// H.264: `profile_idc` and the byte of constraint flags.
    H264 {
        /// Such as 0x42, 0x4d, 0x64.
        idc: u8,
        /// `constraint_set0_flag` in the highest bit.
        constraints: u8,
    },
    /// The number of a profile: VP9 0 to 3, AV1 0 to 2, HEVC 1 (Main), 2 (Main 10) and others.
    Number(u8),
    /// Nothing is known, or there are no profiles.
    Any,
}

impl Source {
    /// Opus, as it is published or as it will be made.
    pub const OPUS: Self = Self { codec: RtpCodec::Opus, profile: Profile::Any };

    /// A published track, if RTP here carries its codec: AAC has to become Opus first.
    #[must_use]
    pub fn of(params: &TrackParams) -> Option<Self> {
        match params {
            TrackParams::Video(video) => Some(Self::video(video)),
            TrackParams::Audio(audio) if audio.codec == weir_media::AudioCodec::Opus => Some(Self::OPUS),
            TrackParams::Audio(_) => None,
        }
    }

    /// A published video track.
    #[must_use]
    pub fn video(params: &VideoParams) -> Self {
        let mut parts = params.rfc6381.split('.').skip(1);
        let first = parts.next().unwrap_or_default();
        let number = || first.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse();
        let profile = match params.codec {
            VideoCodec::H264 => h264_profile(first),
            VideoCodec::Hevc | VideoCodec::Av1 | VideoCodec::Vp9 => number().map(Profile::Number).ok(),
            VideoCodec::Vp8 => None,
        };
        let codec = match params.codec {
            VideoCodec::H264 => RtpCodec::H264,
            VideoCodec::Hevc => RtpCodec::Hevc,
            VideoCodec::Av1 => RtpCodec::Av1,
            VideoCodec::Vp8 => RtpCodec::Vp8,
            VideoCodec::Vp9 => RtpCodec::Vp9,
        };
        Self { codec, profile: profile.unwrap_or(Profile::Any) }
    }
}

/// How well a payload type of a receiver fits a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The profile is beyond what the receiver names. For H.264 only, where receivers decode more than they say.
    Beyond,
    /// Its profile contains the stream's.
    Contains,
    /// The same profile.
    Same,
}

/// What `codec` is, if we carry it.
pub(super) fn known(codec: &Codec) -> Option<RtpCodec> {
    const NAMES: [(&str, RtpCodec); 6] = [
        ("H264", RtpCodec::H264),
        ("H265", RtpCodec::Hevc),
        ("VP8", RtpCodec::Vp8),
        ("VP9", RtpCodec::Vp9),
        ("AV1", RtpCodec::Av1),
        ("opus", RtpCodec::Opus),
    ];
    let (_, known) = NAMES.into_iter().find(|(name, _)| codec.name.eq_ignore_ascii_case(name))?;
    (codec.clock_rate == known.clock_rate()).then_some(known)
}

/// What people call it.
pub(super) fn name(codec: RtpCodec) -> &'static str {
    match codec {
        RtpCodec::H264 => "H.264",
        RtpCodec::Hevc => "HEVC",
        RtpCodec::Vp8 => "VP8",
        RtpCodec::Vp9 => "VP9",
        RtpCodec::Av1 => "AV1",
        RtpCodec::Opus => "Opus",
    }
}

/// A format parameter's value. Names are compared without case.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let pairs = fmtp.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then_some(value.trim()))
}

/// The payload type that retransmissions of `pt` come with (RFC 4588 §8.6).
pub(super) fn retransmission(codecs: &[Codec], pt: u8) -> Option<u8> {
    let is_rtx = |codec: &&Codec| {
        codec.name.eq_ignore_ascii_case("rtx")
            && parameter(&codec.fmtp, "apt").and_then(|apt| apt.parse().ok()) == Some(pt)
    };
    codecs.iter().find(is_rtx).map(|codec| codec.pt)
}

/// `packetization-mode` of an H.264 payload type; 0 unless it says otherwise (RFC 6184 §8.1).
pub(super) fn packetization_mode(codec: &Codec) -> u8 {
    parameter(&codec.fmtp, "packetization-mode").map_or(Some(0), |mode| mode.parse().ok()).unwrap_or(u8::MAX)
}

/// Whether a receiver that offers `codec` decodes `source`.
pub(super) fn fit(source: &Source, codec: &Codec) -> Option<Fit> {
    if known(codec)? != source.codec {
        return None;
    }
    let number = |name, default| parameter(&codec.fmtp, name).map_or(Some(default), |value| value.parse::<u8>().ok());
    match (source.codec, source.profile) {
        // Streams are sent as STAP-A and FU-A, which only mode 1 allows (RFC 6184 §5.4).
        (RtpCodec::H264, _) if packetization_mode(codec) != 1 => None,
        (RtpCodec::H264, Profile::H264 { idc, constraints }) => {
            let stream = H264::of(idc, constraints);
            // What is not said is Baseline (RFC 6184 §8.1).
            let decoder = match parameter(&codec.fmtp, "profile-level-id") {
                Some(value) => match h264_profile(value)? {
                    Profile::H264 { idc, constraints } => H264::of(idc, constraints),
                    _ => None,
                },
                None => Some(H264::Baseline),
            };
            Some(match (decoder, stream) {
                (Some(decoder), Some(stream)) if decoder == stream => Fit::Same,
                (Some(decoder), Some(stream)) if decoder.decodes(stream) => Fit::Contains,
                _ => Fit::Beyond,
            })
        }
        (RtpCodec::Vp9, Profile::Number(profile)) => (number("profile-id", 0)? == profile).then_some(Fit::Same),
        (RtpCodec::Av1, Profile::Number(profile)) => at_most(profile, number("profile", 0)?),
        // Main 10 contains Main and Main Still Picture; the others only themselves.
        (RtpCodec::Hevc, Profile::Number(profile)) => match number("profile-id", 1)? {
            theirs if theirs == profile => Some(Fit::Same),
            2 if profile == 1 || profile == 3 => Some(Fit::Contains),
            _ => None,
        },
        _ => Some(Fit::Same),
    }
}

fn at_most(stream: u8, decoder: u8) -> Option<Fit> {
    match stream.cmp(&decoder) {
        std::cmp::Ordering::Less => Some(Fit::Contains),
        std::cmp::Ordering::Equal => Some(Fit::Same),
        std::cmp::Ordering::Greater => None,
    }
}

/// The first two of the three bytes that `profile-level-id` and RFC 6381 write in hexadecimal.
fn h264_profile(hex: &str) -> Option<Profile> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (hex.len() == 6).then_some(())?;
    byte(4)?;
    Some(Profile::H264 { idc: byte(0)?, constraints: byte(2)? })
}

/// Profiles of H.264, as RFC 6184 §8.1 table 5 tells them apart. In falling order of what [`Self::decodes`] contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum H264 {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    ConstrainedHigh,
    High,
    High10,
    High422,
    High444,
}

impl H264 {
    fn of(idc: u8, constraints: u8) -> Option<Self> {
        let set = |bit: u8| constraints & (0x80 >> bit) != 0;
        Some(match idc {
            0x42 if set(1) => Self::ConstrainedBaseline,
            0x42 => Self::Baseline,
            0x4d if set(0) => Self::ConstrainedBaseline,
            0x4d => Self::Main,
            0x58 if set(0) && set(1) => Self::ConstrainedBaseline,
            0x58 if set(0) => Self::Baseline,
            0x58 => Self::Extended,
            0x64 if set(4) && set(5) => Self::ConstrainedHigh,
            0x64 => Self::High,
            0x6e => Self::High10,
            0x7a => Self::High422,
            0xf4 => Self::High444,
            _ => return None,
        })
    }

    /// Whether a decoder of this profile decodes every stream of `stream` (ITU-T H.264 A.2).
    fn decodes(self, stream: Self) -> bool {
        use H264::{Baseline, ConstrainedBaseline, ConstrainedHigh, Extended, High, High10, High422, High444, Main};
        self == stream
            || match stream {
                ConstrainedBaseline => true,
                Baseline => self == Extended,
                Main | ConstrainedHigh => matches!(self, High | High10 | High422 | High444),
                High => matches!(self, High10 | High422 | High444),
                High10 => matches!(self, High422 | High444),
                High422 => self == High444,
                Extended | High444 => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreed::Feedback;

    fn codec(name: &str, fmtp: &str) -> Codec {
        let (name, fmtp) = (name.to_owned(), fmtp.to_owned());
        Codec { pt: 96, name, clock_rate: 90_000, fmtp, feedback: Feedback::default() }
    }

    fn check(source: &str, name: &str, fmtp: &str, want: Option<Fit>) {
        let (codec, rfc6381) = match source.split('.').next().unwrap() {
            "avc1" => (VideoCodec::H264, source),
            "hvc1" => (VideoCodec::Hevc, source),
            "av01" => (VideoCodec::Av1, source),
            "vp09" => (VideoCodec::Vp9, source),
            _ => (VideoCodec::Vp8, "vp08"),
        };
        let rfc6381 = rfc6381.to_owned();
        let config = bytes::Bytes::new();
        let params = VideoParams { codec, config, width: 1, height: 1, frame_rate: None, rfc6381 };
        assert_eq!(fit(&Source::video(&params), &self::codec(name, fmtp)), want, "{source} for {name} {fmtp}");
    }

    #[test]
    fn h264_fits_where_the_receivers_profile_contains_the_streams() {
        let mode1 =
            |profile: &str| format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}");
        check("avc1.64001f", "H264", &mode1("64001f"), Some(Fit::Same));
        check("avc1.640028", "H264", &mode1("64001f"), Some(Fit::Same));
        check("avc1.64001f", "H264", &mode1("f4001f"), Some(Fit::Contains));
        check("avc1.64001f", "H264", &mode1("42e01f"), Some(Fit::Beyond));
        check("avc1.4d401f", "H264", &mode1("64001f"), Some(Fit::Contains));
        check("avc1.42c01f", "H264", &mode1("42e01f"), Some(Fit::Same));
        check("avc1.42e01f", "h264", &mode1("42001f"), Some(Fit::Contains));
        check("avc1.42001f", "H264", &mode1("4D001F"), Some(Fit::Beyond));
        check("avc1.64001f", "H264", "packetization-mode=0;profile-level-id=64001f", None);
        check("avc1.64001f", "H264", "profile-level-id=64001f", None);
        check("avc1.64001f", "VP8", "", None);
    }

    #[test]
    fn other_codecs_fit_by_their_profile_number() {
        check("vp09.00.10.08", "VP9", "", Some(Fit::Same));
        check("vp09.00.10.08", "VP9", "profile-id=0", Some(Fit::Same));
        check("vp09.02.10.10", "VP9", "profile-id=0", None);
        check("av01.0.04M.08", "AV1", "level-idx=5;profile=0;tier=0", Some(Fit::Same));
        check("av01.0.04M.08", "AV1", "profile=1", Some(Fit::Contains));
        check("av01.1.04M.08", "AV1", "", None);
        check("hvc1.1.6.L93.B0", "H265", "", Some(Fit::Same));
        check("hvc1.1.6.L93.B0", "H265", "level-id=180;profile-id=2;tier-flag=0;tx-mode=SRST", Some(Fit::Contains));
        check("hvc1.2.4.L93.B0", "H265", "profile-id=1", None);
        check("vp08", "VP8", "", Some(Fit::Same));
    }

    #[test]
    fn parameters_are_found_whatever_their_case_and_spaces() {
        assert_eq!(parameter("minptime=10; UseInbandFEC = 1", "useinbandfec"), Some("1"));
        assert_eq!(parameter("apt=96", "ap"), None);
    }
}
