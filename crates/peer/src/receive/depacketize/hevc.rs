//! HEVC over RTP (RFC 7798): single NAL units, aggregation packets and fragmentation units, without decoding order
//! numbers (which `sprop-max-don-diff` would announce).
//!
//! Units come out as MP4 has them, as for H.264.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use weir_media::{TrackParams, VideoCodec, codec};

use super::{
    BadPayload, Finished, Format,
    h264::first_number,
    nal::{Nals, Sets},
};

/// Types of slices end here; from [`IRAP`] on they are random access points (ISO/IEC 23008-2 table 7-1).
const SLICE_MAX: u8 = 31;
const IRAP: std::ops::RangeInclusive<u8> = 16..=21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
/// Delimiter, end of sequence, end of bitstream, filler.
const LEFT_OUT: std::ops::RangeInclusive<u8> = 35..=38;
const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;

pub(super) struct Hevc {
    nals: Nals,
    vps: Sets,
    sps: Sets,
    pps: Sets,
    /// Whether parameter sets came within the last keyframe.
    in_band: bool,
    /// Whether parameter sets came since then.
    sets_seen: bool,
    /// Whether a configuration record was made.
    announced: bool,
    coded: bool,
    random_access: bool,
}

impl Hevc {
    pub(super) fn new(fmtp: &str) -> Self {
        let mut this = Self {
            nals: Nals::default(),
            vps: Sets::default(),
            sps: Sets::default(),
            pps: Sets::default(),
            in_band: false,
            sets_seen: false,
            announced: false,
            coded: false,
            random_access: false,
        };
        let parameters = fmtp.split(';').filter_map(|parameter| parameter.trim().split_once('='));
        for (_, sets) in parameters.filter(|(name, _)| ["sprop-vps", "sprop-sps", "sprop-pps"].contains(name)) {
            for set in sets.split(',').filter_map(|set| STANDARD.decode(set).ok()) {
                this.parameter_set(&set);
            }
        }
        this
    }

    fn parameter_set(&mut self, nal: &[u8]) -> bool {
        match kind(nal) {
            // vps_video_parameter_set_id
            Some(VPS) => self.vps.put(nal, nal.get(2).map(|byte| u32::from(byte >> 4))),
            // The id of a sequence parameter set lies behind its levels; one is in use at a time.
            Some(SPS) => self.sps.put(nal, Some(0)),
            Some(PPS) => self.pps.put(nal, nal.get(2..).and_then(first_number)),
            _ => false,
        }
    }

    /// A NAL unit is whole: decide whether it stays in the unit.
    fn end_nal(&mut self, unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let nal = self.nals.end(unit)?;
        match kind(nal) {
            Some(VPS | SPS | PPS) => {
                self.sets_seen = true;
                let nal = nal.to_vec();
                if self.parameter_set(&nal) {
                    self.nals.set_aside(nal)?;
                }
                self.nals.take_back(unit);
            }
            Some(kind) if LEFT_OUT.contains(&kind) => self.nals.take_back(unit),
            Some(kind) => {
                self.coded |= kind <= SLICE_MAX;
                self.random_access |= IRAP.contains(&kind);
            }
            None => return Err(BadPayload::Short),
        }
        Ok(())
    }

    fn whole_nal(&mut self, nal: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        self.nals.begin(unit)?;
        unit.extend_from_slice(nal);
        self.end_nal(unit)
    }

    fn params(&self) -> Option<TrackParams> {
        let config = codec::hevc_config(&self.vps.list(), &self.sps.list(), &self.pps.list()).ok()?;
        codec::video(VideoCodec::Hevc, config).ok().map(TrackParams::Video)
    }
}

impl Format for Hevc {
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let (&[high, low], rest) = payload.split_first_chunk().ok_or(BadPayload::Short)?;
        match high >> 1 & 0x3f {
            FRAGMENT => {
                let (&fragment, bytes) = rest.split_first().ok_or(BadPayload::Short)?;
                let (start, end) = (fragment & 0x80 != 0, fragment & 0x40 != 0);
                if start {
                    self.nals.begin(unit)?;
                    unit.extend([high & 0x81 | (fragment & 0x3f) << 1, low]);
                } else if !self.nals.is_open() {
                    return Err(BadPayload::Fragment);
                }
                unit.extend_from_slice(bytes);
                if end { self.end_nal(unit) } else { Ok(()) }
            }
            AGGREGATION => {
                let mut rest = rest;
                while let Some((&[high, low], after)) = rest.split_first_chunk() {
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    let (nal, after) = after.split_at_checked(length).ok_or(BadPayload::Short)?;
                    if !nal.is_empty() {
                        self.whole_nal(nal, unit)?;
                    }
                    rest = after;
                }
                if rest.is_empty() { Ok(()) } else { Err(BadPayload::Short) }
            }
            0..AGGREGATION => self.whole_nal(payload, unit),
            _ => Err(BadPayload::Kind),
        }
    }

    fn begins_keyframe(&self, payload: &[u8]) -> bool {
        // With parameter sets in band, a slice that comes first may have lost those that belong to it.
        let first_slice = |kind: u8, first: Option<&u8>| {
            !self.in_band && IRAP.contains(&kind) && first.is_some_and(|byte| byte & 0x80 != 0)
        };
        let begins = |nal: &[u8]| match kind(nal) {
            Some(VPS | SPS) => true,
            Some(kind) => first_slice(kind, nal.get(2)),
            None => false,
        };
        match kind(payload) {
            Some(AGGREGATION) => payload.get(4..).is_some_and(begins),
            Some(FRAGMENT) => payload
                .get(2)
                .is_some_and(|fragment| fragment & 0x80 != 0 && first_slice(fragment & 0x3f, payload.get(3))),
            _ => begins(payload),
        }
    }

    fn finish(&mut self, unit: &mut Vec<u8>) -> Result<Option<Finished>, BadPayload> {
        if self.nals.is_open() {
            return Err(BadPayload::Fragment);
        }
        if !self.coded {
            return Ok(None);
        }
        let mut params = None;
        if self.random_access {
            self.in_band = self.sets_seen;
            self.sets_seen = false;
            if self.vps.changed || self.sps.changed || self.pps.changed || !self.announced {
                params = Some(self.params().ok_or(BadPayload::Parameters)?);
                (self.vps.changed, self.sps.changed, self.pps.changed) = (false, false, false);
                self.announced = true;
            }
        } else {
            // Sets that change between keyframes can only travel with the pictures.
            self.nals.bring_back(unit);
        }
        Ok(Some(Finished { keyframe: self.random_access, params }))
    }

    fn reset(&mut self) {
        self.nals.reset();
        (self.coded, self.random_access) = (false, false);
    }
}

/// `nal_unit_type`, of a whole NAL unit header.
fn kind(nal: &[u8]) -> Option<u8> {
    nal.get(1)?;
    nal.first().map(|byte| byte >> 1 & 0x3f)
}
