//! How many samples a frame of sound has.

use std::time::Duration;

use weir_media::AudioParams;

/// Samples of a usual Opus packet: 20 ms at 48 kHz.
pub(crate) const OPUS_SAMPLES: u32 = 960;
/// Samples that a frame of AAC may have: of the low-delay, 960, and long profiles, and all of them doubled by SBR.
const AAC_SAMPLES: [u32; 6] = [480, 512, 960, 1024, 1920, 2048];

/// Samples in an Opus packet at 48 kHz (RFC 6716 §3.1). 0 for an empty packet.
pub(crate) fn opus_samples(packet: &[u8]) -> u32 {
    let Some(toc) = packet.first() else { return 0 };
    let config = toc >> 3;
    let frame = match config {
        0..12 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..16 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).map_or(0, |count| count & 63)),
    };
    // A packet lasts 120 ms at most.
    (frame * frames).min(5760)
}

/// Samples in a frame of AAC: as its profile says, unless frames are observed to come at another pace.
pub(crate) fn aac_samples(params: &AudioParams, observed: Option<Duration>) -> u32 {
    let has_sbr = params.rfc6381.ends_with(".5") || params.rfc6381.ends_with(".29");
    let usual = if has_sbr { 2048 } else { 1024 };
    let Some(observed) = observed else { return usual };
    let samples = observed.as_secs_f64() * f64::from(params.sample_rate);
    let off = |count: u32| (f64::from(count) - samples).abs();
    if off(usual) <= f64::from(usual) * 0.04 {
        return usual;
    }
    let nearest = AAC_SAMPLES.into_iter().min_by(|a, b| off(*a).total_cmp(&off(*b))).unwrap_or(usual);
    if off(nearest) <= f64::from(nearest) * 0.04 { nearest } else { usual }
}

#[cfg(test)]
mod tests {
    use weir_media::AudioCodec;

    use super::*;

    fn aac(rfc6381: &str, rate: u32, observed_ms: f64) -> u32 {
        let params = AudioParams {
            codec: AudioCodec::Aac,
            config: bytes::Bytes::new(),
            sample_rate: rate,
            channels: 2,
            rfc6381: rfc6381.into(),
        };
        aac_samples(&params, Some(Duration::from_secs_f64(observed_ms / 1e3)))
    }

    #[test]
    fn opus_packets_tell_their_length() {
        assert_eq!(opus_samples(&[0b1111_1000]), 960);
        assert_eq!(opus_samples(&[0b0001_1000]), 2880);
        assert_eq!(opus_samples(&[0b1111_1001, 0]), 1920);
        assert_eq!(opus_samples(&[0b1111_0011, 3]), 1440);
        assert_eq!(opus_samples(&[]), 0);
        assert_eq!(opus_samples(&[0b1111_1011]), 0);
    }

    #[test]
    fn aac_frames_are_as_the_profile_or_the_pace_says() {
        assert_eq!(aac("mp4a.40.2", 48_000, 21.33), 1024);
        assert_eq!(aac("mp4a.40.2", 48_000, 21.0), 1024);
        assert_eq!(aac("mp4a.40.5", 48_000, 42.67), 2048);
        assert_eq!(aac("mp4a.40.2", 48_000, 42.67), 2048, "SBR that was not announced");
        assert_eq!(aac("mp4a.40.2", 48_000, 20.0), 960);
        assert_eq!(aac("mp4a.40.2", 48_000, 500.0), 1024, "a pace that fits nothing tells nothing");
    }
}
