//! AAC: `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1), with both ways of announcing SBR and PS.

use bytes::Bytes;

use super::{BadConfig, bits::Bits};
use crate::track::{AudioCodec, AudioParams};

/// `samplingFrequencyIndex` to Hz (table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// `channelConfiguration` to channels (table 1.19); 0 means that a program config element tells.
const CHANNELS: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8];

const AAC_MAIN: u32 = 1;
const AAC_LTP: u32 = 4;
const SBR: u32 = 5;
const PS: u32 = 29;

pub(super) fn params(config: Bytes) -> Result<AudioParams, BadConfig> {
    let mut bits = Bits::new(&config);
    let mut object = object_type(&mut bits)?;
    let mut sample_rate = rate(&mut bits)?;
    let channel_config = bits.take(4)?;
    let mut extension = matches!(object, SBR | PS).then_some(object);
    if extension.is_some() {
        sample_rate = rate(&mut bits)?;
        object = object_type(&mut bits)?;
    }
    if !(AAC_MAIN..=AAC_LTP).contains(&object) {
        return Err(BadConfig::Damaged("its object type is not AAC as RTMP carries it"));
    }
    let mut channels = *CHANNELS.get(channel_config as usize).unwrap_or(&0);
    match general_audio(&mut bits, channel_config == 0) {
        Ok(counted) if channel_config == 0 => channels = counted,
        Ok(_) => {}
        // Two bytes are a usual config; nothing in the rest is needed then.
        Err(error) if channel_config == 0 => return Err(error),
        Err(_) => bits = Bits::new(&[]),
    }
    if extension.is_none() {
        // Whatever is no such announcement is padding.
        if let Ok(Some(found)) = late_announcement(&mut bits) {
            extension = Some(found.object);
            sample_rate = found.sample_rate;
        }
    }
    if channels == 0 {
        return Err(BadConfig::Damaged("it has no channels"));
    }
    // Parametric stereo makes two channels of one.
    if extension == Some(PS) && channels == 1 {
        channels = 2;
    }
    let rfc6381 = format!("mp4a.40.{}", extension.unwrap_or(object));
    Ok(AudioParams { codec: AudioCodec::Aac, config, sample_rate, channels, rfc6381 })
}

fn object_type(bits: &mut Bits<'_>) -> Result<u32, BadConfig> {
    Ok(match bits.take(5)? {
        31 => 32 + bits.take(6)?,
        object => object,
    })
}

fn rate(bits: &mut Bits<'_>) -> Result<u32, BadConfig> {
    match bits.take(4)? {
        15 => bits.take(24),
        index => RATES.get(index as usize).copied().ok_or(BadConfig::Damaged("its sample rate is reserved")),
    }
}

/// `GASpecificConfig` (§4.4.1) of the object types up to LTP. Counts the channels of a program config element.
fn general_audio(bits: &mut Bits<'_>, has_program: bool) -> Result<u8, BadConfig> {
    bits.flag()?; // frameLengthFlag
    if bits.flag()? {
        bits.skip(14)?; // coreCoderDelay
    }
    bits.flag()?; // extensionFlag: nothing follows for these types
    if has_program { program_channels(bits) } else { Ok(0) }
}

/// `program_config_element` (§4.4.1.1).
fn program_channels(bits: &mut Bits<'_>) -> Result<u8, BadConfig> {
    bits.skip(10)?; // element_instance_tag, object_type, sampling_frequency_index
    let elements = bits.take(4)? + bits.take(4)? + bits.take(4)?; // front, side, back
    let (low_frequency, associated, coupling) = (bits.take(2)?, bits.take(3)?, bits.take(4)?);
    for length in [4, 4, 3] {
        if bits.flag()? {
            bits.skip(length)?; // mono, stereo and matrix mixdown
        }
    }
    let mut channels = low_frequency;
    for _ in 0..elements {
        channels += if bits.flag()? { 2 } else { 1 };
        bits.skip(4)?; // element_tag_select
    }
    bits.skip((4 * low_frequency + 4 * associated + 5 * coupling) as usize)?;
    bits.align();
    let comment = usize::from(bits.byte()?);
    bits.skip(8 * comment)?;
    u8::try_from(channels).map_err(|_| BadConfig::Damaged("it has too many channels"))
}

struct Extension {
    object: u32,
    sample_rate: u32,
}

/// SBR and PS announced behind the config, so that old decoders do not see it (§1.6.5.2).
fn late_announcement(bits: &mut Bits<'_>) -> Result<Option<Extension>, BadConfig> {
    const SYNC_SBR: u32 = 0x2b7;
    const SYNC_PS: u32 = 0x548;
    if bits.left() < 16 || bits.take(11)? != SYNC_SBR || object_type(bits)? != SBR || !bits.flag()? {
        return Ok(None);
    }
    let sample_rate = rate(bits)?;
    let stereo = bits.left() >= 12 && bits.take(11)? == SYNC_PS && bits.flag()?;
    Ok(Some(Extension { object: if stereo { PS } else { SBR }, sample_rate }))
}
