//! HEVC (RFC 7798): single units, aggregation packets, fragmentation units; no decoding order numbers.

use bytes::Bytes;

use super::nal::{Config, Format, Head, Role};

const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;
const START: u8 = 0x80;
const END: u8 = 0x40;

pub(super) struct Hevc;

fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(63, |first| first >> 1 & 0x3f)
}

impl Format for Hevc {
    const HEADER_BYTES: usize = 2;

    fn role(unit: &[u8]) -> Role {
        match kind(unit) {
            _ if unit.len() < 2 => Role::Nothing,
            kind @ 32..=34 => Role::ParameterSet(kind - 32),
            // Access unit delimiter, filler, and the types that only RTP has.
            35 | 38 | 48.. => Role::Nothing,
            _ => Role::Other,
        }
    }

    /// Damage if one is damaged, the lowest layer and temporal id of them (§4.4.2).
    fn gathered<'a>(units: impl Iterator<Item = &'a [u8]>) -> Head {
        let (mut damage, mut layer, mut temporal) = (0, 63_u8, 7_u8);
        for unit in units {
            let &[first, second, ..] = unit else { continue };
            damage |= first & 0x80;
            layer = layer.min((first & 1) << 5 | second >> 3);
            temporal = temporal.min(second & 7);
        }
        Head::new([damage | AGGREGATION << 1 | layer >> 5, (layer & 31) << 3 | temporal])
    }

    fn fragment(unit: &[u8], first: bool, last: bool) -> Head {
        let &[high, low, ..] = unit else { return Head::new([0, 0, 0]) };
        let edges = if first { START } else { 0 } | if last { END } else { 0 };
        Head::new([high & 0x81 | FRAGMENT << 1, low, edges | kind(unit)])
    }
}

/// Reads an `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1), as far as it is whole. Only parameter sets are
/// taken.
pub(super) fn config(record: &Bytes) -> Config {
    let mut config =
        Config { length_bytes: record.get(21).map_or(4, |lengths| usize::from(lengths & 3) + 1), sets: Vec::new() };
    let mut at = 23;
    for _ in 0..record.get(22).copied().unwrap_or(0) {
        let Some(&[_, high, low]) = record.get(at..at + 3) else { return config };
        at += 3;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let Some(&[high, low]) = record.get(at..at + 2) else { return config };
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            if end > record.len() {
                return config;
            }
            let unit = record.slice(at + 2..end);
            if matches!(Hevc::role(&unit), Role::ParameterSet(_)) {
                config.sets.push(unit);
            }
            at = end;
        }
    }
    config
}
