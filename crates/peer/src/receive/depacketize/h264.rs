//! H.264 over RTP (RFC 6184), packetization modes 0 and 1: single NAL units, STAP-A and FU-A.
//!
//! Units come out as MP4 has them (ISO/IEC 14496-15): every NAL unit behind its length, parameter sets in the
//! configuration record, access unit delimiters and filler left out. Everything else stays, user data above all.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use weir_media::{TrackParams, VideoCodec, codec};

use super::{
    BadPayload, Finished, Format,
    nal::{Nals, Sets},
};

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const END_OF_SEQUENCE: u8 = 10;
const END_OF_STREAM: u8 = 11;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub(super) struct H264 {
    nals: Nals,
    sps: Sets,
    pps: Sets,
    /// Whether parameter sets came within the last keyframe.
    in_band: bool,
    /// Whether parameter sets came since then.
    sets_seen: bool,
    /// Whether a configuration record was made.
    announced: bool,
    coded: bool,
    idr: bool,
}

impl H264 {
    pub(super) fn new(fmtp: &str) -> Self {
        let mut this = Self {
            nals: Nals::default(),
            sps: Sets::default(),
            pps: Sets::default(),
            in_band: false,
            sets_seen: false,
            announced: false,
            coded: false,
            idr: false,
        };
        let parameters = fmtp.split(';').filter_map(|parameter| parameter.trim().split_once('='));
        for (_, sets) in parameters.filter(|(name, _)| *name == "sprop-parameter-sets") {
            for set in sets.split(',').filter_map(|set| STANDARD.decode(set).ok()) {
                this.parameter_set(&set);
            }
        }
        this
    }

    fn parameter_set(&mut self, nal: &[u8]) -> bool {
        match nal.first().map(|head| head & 0x1f) {
            Some(SPS) => self.sps.put(nal, sps_id(nal)),
            Some(PPS) => self.pps.put(nal, nal.get(1..).and_then(first_number)),
            _ => false,
        }
    }

    /// A NAL unit is whole: decide whether it stays in the unit.
    fn end_nal(&mut self, unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let nal = self.nals.end(unit)?;
        match nal.first().map_or(0, |head| head & 0x1f) {
            SPS | PPS => {
                self.sets_seen = true;
                let nal = nal.to_vec();
                if self.parameter_set(&nal) {
                    self.nals.set_aside(nal)?;
                }
                self.nals.take_back(unit);
            }
            0 | DELIMITER | END_OF_SEQUENCE | END_OF_STREAM | FILLER => self.nals.take_back(unit),
            kind => {
                self.coded |= (SLICE..=IDR).contains(&kind);
                self.idr |= kind == IDR;
            }
        }
        Ok(())
    }

    fn whole_nal(&mut self, nal: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        self.nals.begin(unit)?;
        unit.extend_from_slice(nal);
        self.end_nal(unit)
    }

    fn params(&mut self) -> Option<TrackParams> {
        let config = codec::h264_config(&self.sps.list(), &self.pps.list()).ok()?;
        codec::video(VideoCodec::H264, config).ok().map(TrackParams::Video)
    }
}

impl Format for H264 {
    fn add(&mut self, payload: &[u8], unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        let Some((&head, rest)) = payload.split_first() else { return Ok(()) };
        match head & 0x1f {
            FU_A => {
                let (&fragment, bytes) = rest.split_first().ok_or(BadPayload::Short)?;
                let (start, end) = (fragment & 0x80 != 0, fragment & 0x40 != 0);
                if start {
                    self.nals.begin(unit)?;
                    unit.push(head & 0xe0 | fragment & 0x1f);
                } else if !self.nals.is_open() {
                    return Err(BadPayload::Fragment);
                }
                unit.extend_from_slice(bytes);
                if end { self.end_nal(unit) } else { Ok(()) }
            }
            STAP_A => {
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
            1..STAP_A => self.whole_nal(payload, unit),
            _ => Err(BadPayload::Kind),
        }
    }

    fn begins_keyframe(&self, payload: &[u8]) -> bool {
        let kind = |nal: &[u8]| nal.first().map(|head| head & 0x1f);
        // With parameter sets in band, a slice that comes first may have lost those that belong to it.
        let first_slice = |nal: &[u8]| !self.in_band && nal.get(1).is_some_and(|byte| byte & 0x80 != 0);
        match kind(payload) {
            Some(SPS) => true,
            Some(IDR) => first_slice(payload),
            Some(STAP_A) => match payload.get(3..) {
                Some(nal) => kind(nal) == Some(SPS) || kind(nal) == Some(IDR) && first_slice(nal),
                None => false,
            },
            Some(FU_A) => match payload {
                &[_, fragment, byte, ..] => fragment & 0x9f == 0x80 | IDR && first_slice(&[IDR, byte]),
                _ => false,
            },
            _ => false,
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
        if self.idr {
            self.in_band = self.sets_seen;
            self.sets_seen = false;
            if self.sps.changed || self.pps.changed || !self.announced {
                params = Some(self.params().ok_or(BadPayload::Parameters)?);
                (self.sps.changed, self.pps.changed, self.announced) = (false, false, true);
            }
        } else {
            // Sets that change between keyframes can only travel with the pictures.
            self.nals.bring_back(unit);
        }
        Ok(Some(Finished { keyframe: self.idr, params }))
    }

    fn reset(&mut self) {
        self.nals.reset();
        (self.coded, self.idr) = (false, false);
    }
}

/// `seq_parameter_set_id` (ISO/IEC 14496-10 §7.3.2.1.1), after the NAL header, profile, constraints and level.
fn sps_id(nal: &[u8]) -> Option<u32> {
    first_number(nal.get(4..)?)
}

/// The Exp-Golomb number that bytes begin with, when it is less than 2^15. Ids are so small that no byte of theirs needs
/// emulation prevention: a zero byte cannot begin one.
pub(super) fn first_number(bytes: &[u8]) -> Option<u32> {
    let mut word = [0; 4];
    for (byte, &from) in word.iter_mut().zip(bytes) {
        *byte = from;
    }
    let word = u32::from_be_bytes(word);
    let zeros = word.leading_zeros();
    (zeros < 16).then(|| (word << zeros >> (31 - zeros)) - 1)
}
