//! Session keys, and what makes each packet's nonce.

use rtc::crypto::{
    AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, HmacAlgorithm, Mac, StreamCipher, StreamCipherAlgorithm,
};

use super::{KEY, Profile};
use crate::transport::Error;
use crate::transport::provider::provider;

/// A session key with its salt.
pub(super) enum Cipher {
    Gcm { aead: Box<dyn AeadCipher>, salt: [u8; 12] },
    Cm { stream: Box<dyn StreamCipher>, mac: Box<dyn Mac>, salt: [u8; 14] },
}

impl Cipher {
    /// The session keys of RTP and RTCP.
    pub(super) fn pair(profile: Profile, key: &[u8], salt: &[u8]) -> Result<(Self, Self), Error> {
        let wrong = || Error::Crypto("a master key or salt has the wrong length".into());
        let key: &[u8; KEY] = key.try_into().map_err(|_| wrong())?;
        if salt.len() != profile.salt_len() {
            return Err(wrong());
        }
        Ok((Self::new(profile, key, salt, 0)?, Self::new(profile, key, salt, 3)?))
    }

    /// One session key; labels begin at `label` (RFC 3711 §4.3.1: 0 for SRTP, 3 for SRTCP).
    fn new(profile: Profile, key: &[u8; KEY], salt: &[u8], label: u8) -> Result<Self, Error> {
        let crypto = provider().crypto();
        let failed = |error: rtc::crypto::CryptoError| Error::Crypto(error.to_string());
        let session: [u8; KEY] = derive(key, salt, label)?;
        Ok(match profile {
            Profile::AeadAes128Gcm => Self::Gcm {
                aead: crypto.new_aead(AeadAlgorithm::Aes128Gcm, &session).map_err(failed)?,
                salt: derive(key, salt, label + 2)?,
            },
            Profile::Aes128CmSha1 => Self::Cm {
                stream: crypto.new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, &session).map_err(failed)?,
                mac: crypto.new_hmac(HmacAlgorithm::Sha1, &derive::<20>(key, salt, label + 1)?).map_err(failed)?,
                salt: derive(key, salt, label + 2)?,
            },
        })
    }
}

/// The key derivation of RFC 3711 §4.3.3, with a rate of zero: the keystream of `key` from salt and label on.
fn derive<const N: usize>(key: &[u8; KEY], salt: &[u8], label: u8) -> Result<[u8; N], Error> {
    let mut start = [0; 16];
    for (byte, salt) in start.iter_mut().zip(salt) {
        *byte = *salt;
    }
    start[7] ^= label;
    let mut out = [0; N];
    for (counter, chunk) in out.chunks_mut(16).enumerate() {
        let mut block = start;
        block[15] = counter as u8;
        provider()
            .crypto()
            .block_encrypt(BlockCipherAlgorithm::Aes128, key, &mut block)
            .map_err(|error| Error::Crypto(error.to_string()))?;
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    Ok(out)
}

/// RFC 7714 §8.1 and §9.1: two zeroes, SSRC, the 48-bit index (or zeroes and the 31-bit one), XORed with the salt.
pub(super) fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    nonce
}

/// RFC 7714 §9.2: the header and SSRC, then the E bit and index.
pub(super) fn gcm_rtcp_aad(head: &[u8], word: [u8; 4]) -> [u8; 12] {
    let mut aad = [0; 12];
    for (byte, head) in aad.iter_mut().zip(head) {
        *byte = *head;
    }
    aad[8..].copy_from_slice(&word);
    aad
}

/// RFC 3711 §4.1.1: the counter's first block.
pub(super) fn cm_counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut counter = [0; 16];
    counter[4..8].copy_from_slice(&ssrc.to_be_bytes());
    counter[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
    for (byte, salt) in counter.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    counter
}
