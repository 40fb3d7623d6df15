//! SRTP and SRTCP (RFC 3711, RFC 7714) for the two profiles that every browser speaks.
//!
//! The ciphers are `rtc`'s; the packet handling is ours. `rtc::srtp` allocates and copies for every packet it seals,
//! remembers every SSRC that anybody names before the packet is authenticated, and takes an SRTCP packet whose E bit
//! is clear without looking at its tag; it is the other side in this module's tests.
//!
//! [`Sealer`] and [`Opener`] are one direction each. The index of a packet is 48 bits: the sequence number and how
//! often it wrapped (RFC 3711 §3.3.1), kept for each synchronisation source in [`index`].

use bytes::{Bytes, BytesMut};
use rtc::crypto::constant_time_eq;

use super::Error;
use cipher::{Cipher, cm_counter, gcm_nonce, gcm_rtcp_aad};
use index::{Sources, Window};

mod cipher;
mod index;
#[cfg(test)]
mod tests;

/// Bytes that protecting adds to an RTP packet at most.
pub const RTP_OVERHEAD: usize = 16;

/// Bytes that protecting adds to an RTCP packet at most.
pub const RTCP_OVERHEAD: usize = 20;

/// How packets are protected. The order is ours: AEAD is several times cheaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 3711, RFC 5764).
    Aes128CmSha1,
}

impl Profile {
    /// Bytes of a master salt.
    #[must_use]
    pub fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmSha1 => 14,
        }
    }

    /// Bytes of key material that both directions need (RFC 5764 §4.2).
    #[must_use]
    pub fn material_len(self) -> usize {
        2 * (KEY + self.salt_len())
    }
}

/// Bytes of a master key and of a session key.
const KEY: usize = 16;

/// Bytes of an RTP header without anything optional.
const RTP_HEADER: usize = 12;

/// Bytes of an RTCP packet that stay readable: its header and SSRC.
const RTCP_HEADER: usize = 8;

/// Bytes of an authentication tag.
const GCM_TAG: usize = 16;
const SHA1_TAG: usize = 10;

/// The bit before an SRTCP index that says the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Both directions of one session.
pub struct Keys {
    /// For what we send.
    pub sealer: Sealer,
    /// For what the peer sends.
    pub opener: Opener,
}

impl Keys {
    /// Takes DTLS's exported key material apart (RFC 5764 §4.2).
    pub fn new(profile: Profile, material: &[u8], is_client: bool) -> Result<Self, Error> {
        let salt = profile.salt_len();
        let mut rest = material;
        let mut next = |len| rest.split_off(..len).ok_or_else(|| Error::Crypto("too little key material".into()));
        let keys = (next(KEY)?, next(KEY)?);
        let salts = (next(salt)?, next(salt)?);
        let client = (keys.0, salts.0);
        let server = (keys.1, salts.1);
        let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
        Ok(Self { sealer: Sealer::new(profile, ours.0, ours.1)?, opener: Opener::new(profile, theirs.0, theirs.1)? })
    }
}

/// Protects what is sent.
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources<Sent>,
    /// The SRTCP index of the next packet: one for all sources, so it is never used twice with a key.
    rtcp_index: u32,
}

/// What is known of a source we send.
#[derive(Default)]
struct Sent {
    window: Window<1>,
}

impl Sealer {
    /// From a master key and salt of the profile's lengths.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let (rtp, rtcp) = Cipher::pair(profile, key, salt)?;
        Ok(Self { rtp, rtcp, sources: Sources::new(), rtcp_index: 0 })
    }

    /// Appends the protected `packet` to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is no RTP packet. [`Error::Repeated`] if AEAD already sealed this sequence number of
    /// this source, or one 64 earlier: a nonce that is used for two different packets gives the key away (RFC 7714
    /// §8.1), so a retransmission goes over RTX, or sends the protected bytes of the first time.
    pub fn rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let header = Header::parse(packet).ok_or(Error::Malformed)?;
        let source = self.sources.get(header.ssrc);
        let index = source.window.index(header.sequence);
        if !source.window.is_new(index) && matches!(self.rtp, Cipher::Gcm { .. }) {
            return Err(Error::Repeated);
        }
        let start = out.len();
        out.reserve(packet.len() + RTP_OVERHEAD);
        out.extend_from_slice(packet);
        // The packet was appended whole and the header lies within it.
        let (aad, payload) = out.split_at_mut(start + header.len);
        let sealed = match &mut self.rtp {
            Cipher::Gcm { aead, salt } => {
                let nonce = gcm_nonce(salt, header.ssrc, index);
                let mut tag = [0; GCM_TAG];
                aead.seal_in_place(&nonce, aad.get(start..).unwrap_or_default(), payload, &mut tag)
                    .map(|()| out.extend_from_slice(&tag))
            }
            Cipher::Cm { stream, mac, salt } => {
                let mut tag = [0; 20];
                let roc = ((index >> 16) as u32).to_be_bytes();
                stream
                    .apply_keystream(&cm_counter(salt, header.ssrc, index), payload)
                    .and_then(|()| mac.sign(&[out.get(start..).unwrap_or_default(), &roc], &mut tag))
                    .map(|()| out.extend_from_slice(&tag[..SHA1_TAG]))
            }
        };
        match sealed {
            Ok(()) => {
                source.window.accept(index);
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(Error::Crypto(error.to_string()))
            }
        }
    }

    /// Appends the protected compound `packet` to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is no RTCP packet; [`Error::Repeated`] after 2^31 packets, when the key is used up.
    pub fn rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let ssrc = rtcp_ssrc(packet).ok_or(Error::Malformed)?;
        let index = self.rtcp_index;
        if index >= ENCRYPTED {
            return Err(Error::Repeated);
        }
        self.rtcp_index += 1;
        let word = (index | ENCRYPTED).to_be_bytes();
        let start = out.len();
        out.reserve(packet.len() + RTCP_OVERHEAD);
        out.extend_from_slice(packet);
        let (head, payload) = out.split_at_mut(start + RTCP_HEADER);
        let sealed = match &mut self.rtcp {
            Cipher::Gcm { aead, salt } => {
                let aad = gcm_rtcp_aad(head.get(start..).unwrap_or_default(), word);
                let mut tag = [0; GCM_TAG];
                aead.seal_in_place(&gcm_nonce(salt, ssrc, u64::from(index)), &aad, payload, &mut tag).map(|()| {
                    out.extend_from_slice(&tag);
                    out.extend_from_slice(&word);
                })
            }
            Cipher::Cm { stream, mac, salt } => {
                let mut tag = [0; 20];
                stream.apply_keystream(&cm_counter(salt, ssrc, u64::from(index)), payload).and_then(|()| {
                    out.extend_from_slice(&word);
                    mac.sign(&[out.get(start..).unwrap_or_default()], &mut tag)?;
                    out.extend_from_slice(&tag[..SHA1_TAG]);
                    Ok(())
                })
            }
        };
        sealed.map_err(|error| {
            out.truncate(start);
            Error::Crypto(error.to_string())
        })
    }
}

/// Opens what the peer sent.
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources<Heard>,
    rtcp_sources: Sources<Heard>,
}

/// What is known of a source of the peer's.
#[derive(Default)]
struct Heard {
    /// 1 024 packets: what a stream of 10 Mbit/s sends in a second, so that a late retransmission still counts.
    window: Window<16>,
}

impl Opener {
    /// From a master key and salt of the profile's lengths.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let (rtp, rtcp) = Cipher::pair(profile, key, salt)?;
        Ok(Self { rtp, rtcp, sources: Sources::new(), rtcp_sources: Sources::new() })
    }

    /// The RTP packet in `packet`, if it is authentic and new.
    pub fn rtp(&mut self, packet: &[u8]) -> Option<Bytes> {
        let header = Header::parse(packet)?;
        let index = match self.sources.find(header.ssrc) {
            Some(source) => {
                let index = source.window.index(header.sequence);
                source.window.is_new(index).then_some(index)?
            }
            None => u64::from(header.sequence),
        };
        let plain = match &mut self.rtp {
            Cipher::Gcm { aead, salt } => {
                let (body, tag) = packet.split_at_checked(packet.len().checked_sub(GCM_TAG)?)?;
                let mut plain = BytesMut::from(body);
                let (aad, payload) = plain.split_at_mut_checked(header.len)?;
                aead.open_in_place(&gcm_nonce(salt, header.ssrc, index), aad, payload, tag).ok()?;
                plain
            }
            Cipher::Cm { stream, mac, salt } => {
                let (body, sent) = packet.split_at_checked(packet.len().checked_sub(SHA1_TAG)?)?;
                let mut tag = [0; 20];
                mac.sign(&[body, &((index >> 16) as u32).to_be_bytes()], &mut tag).ok()?;
                if !constant_time_eq(&tag[..SHA1_TAG], sent) {
                    return None;
                }
                let mut plain = BytesMut::from(body);
                let payload = plain.get_mut(header.len..)?;
                stream.apply_keystream(&cm_counter(salt, header.ssrc, index), payload).ok()?;
                plain
            }
        };
        // Only now that it is authentic does the source take a place.
        self.sources.get(header.ssrc).window.accept(index);
        Some(plain.freeze())
    }

    /// The compound RTCP packet in `packet`, if it is authentic and new. One that is not encrypted is refused: RFC 5764
    /// has no such profile.
    pub fn rtcp(&mut self, packet: &[u8]) -> Option<Bytes> {
        let ssrc = rtcp_ssrc(packet)?;
        let tag_after = if matches!(self.rtcp, Cipher::Gcm { .. }) { 0 } else { SHA1_TAG };
        let (rest, sent) = packet.split_at_checked(packet.len().checked_sub(tag_after)?)?;
        let (body, word) = rest.split_last_chunk::<4>()?;
        let word_value = u32::from_be_bytes(*word);
        if word_value & ENCRYPTED == 0 {
            return None;
        }
        let index = u64::from(word_value & !ENCRYPTED);
        if self.rtcp_sources.find(ssrc).is_some_and(|source| !source.window.is_new(index)) {
            return None;
        }
        let plain = match &mut self.rtcp {
            Cipher::Gcm { aead, salt } => {
                let (body, tag) = body.split_at_checked(body.len().checked_sub(GCM_TAG)?)?;
                let mut plain = BytesMut::from(body);
                let (head, payload) = plain.split_at_mut_checked(RTCP_HEADER)?;
                let aad = gcm_rtcp_aad(head, *word);
                aead.open_in_place(&gcm_nonce(salt, ssrc, index), &aad, payload, tag).ok()?;
                plain
            }
            Cipher::Cm { stream, mac, salt } => {
                let mut tag = [0; 20];
                mac.sign(&[rest], &mut tag).ok()?;
                if !constant_time_eq(&tag[..SHA1_TAG], sent) {
                    return None;
                }
                let mut plain = BytesMut::from(body);
                stream.apply_keystream(&cm_counter(salt, ssrc, index), plain.get_mut(RTCP_HEADER..)?).ok()?;
                plain
            }
        };
        self.rtcp_sources.get(ssrc).window.accept(index);
        Some(plain.freeze())
    }
}

/// What of an RTP header protection needs.
struct Header {
    ssrc: u32,
    sequence: u16,
    /// Bytes of the whole header, extensions included: what is sent readable.
    len: usize,
}

impl Header {
    /// RFC 3550 §5.1.
    fn parse(packet: &[u8]) -> Option<Self> {
        let &[first, _, s0, s1, _, _, _, _, a, b, c, d, ..] = packet else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let mut len = RTP_HEADER + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let (_, words) = packet.get(len..len + 4)?.split_last_chunk::<2>()?;
            len += 4 + 4 * usize::from(u16::from_be_bytes(*words));
        }
        (len <= packet.len()).then_some(Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([s0, s1]),
            len,
        })
    }
}

/// The source of an RTCP packet's first part.
fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let &[first, _, _, _, a, b, c, d, ..] = packet else { return None };
    (first >> 6 == 2).then_some(u32::from_be_bytes([a, b, c, d]))
}
