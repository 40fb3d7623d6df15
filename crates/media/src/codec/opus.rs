//! Opus: the identification header `OpusHead` (RFC 7845 §5.1), or the content of an MP4 `dOps` box (Encapsulation of
//! Opus in ISO BMFF §4.3.2), which says the same in big endian and without the magic.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::BadConfig;
use crate::track::{AudioCodec, AudioParams};

const MAGIC: &[u8; 8] = b"OpusHead";
/// Hz: what every Opus decoder can put out, whatever went in.
const SAMPLE_RATE: u32 = 48_000;

pub(super) fn params(config: Bytes) -> Result<AudioParams, BadConfig> {
    let config = if config.starts_with(MAGIC) { config } else { head_from_box(&config)? };
    let &[version, channels, _, _, _, _, _, _, _, _, family, ref mapping @ ..] = &config[MAGIC.len()..] else {
        return Err(BadConfig::Short);
    };
    if version & 0xf0 != 0 {
        return Err(BadConfig::Damaged("its major version is unknown"));
    }
    let channels_max = match family {
        0 => 2,
        1 => 8,
        _ => u8::MAX,
    };
    if !(1..=channels_max).contains(&channels) {
        return Err(BadConfig::Damaged("its number of channels does not fit its mapping"));
    }
    // Stream count, coupled count, and one index a channel.
    if family != 0 && mapping.len() < 2 + usize::from(channels) {
        return Err(BadConfig::Short);
    }
    Ok(AudioParams { codec: AudioCodec::Opus, config, sample_rate: SAMPLE_RATE, channels, rfc6381: "opus".into() })
}

fn head_from_box(dops: &[u8]) -> Result<Bytes, BadConfig> {
    let &[version, channels, s0, s1, r0, r1, r2, r3, g0, g1, ref mapping @ ..] = dops else {
        return Err(BadConfig::Short);
    };
    if version != 0 {
        return Err(BadConfig::Damaged("it is neither OpusHead nor dOps"));
    }
    let mut head = BytesMut::with_capacity(MAGIC.len() + dops.len());
    head.put_slice(MAGIC);
    head.put_slice(&[1, channels, s1, s0, r3, r2, r1, r0, g1, g0]);
    head.put_slice(mapping);
    Ok(head.freeze())
}
