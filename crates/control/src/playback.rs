//! Signed addresses of closed channels: who has one may begin to watch until it expires.
//!
//! A token stands on the first request only (`?token=` of the multivariant playlist, or of a WHEP offer). What that
//! lists carries a secret of the publish, the same for all viewers, so a cache needs no token in its key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq;
use weir_identity::{ChannelId, ChannelName, KeySecret, VodId};

use crate::seal::derive;

/// Longest life of a token.
pub const LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Life of a token that nobody said a life for.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// A token: when it ends, whose it is, and the signature.
const TOKEN_BYTES: usize = 4 + 16 + 16;

/// Signs and checks tokens of one installation.
#[derive(Debug, Clone)]
pub struct PlaybackTokens(KeySecret);

impl PlaybackTokens {
    /// Tokens of the installation with this secret.
    #[must_use]
    pub fn new(secret: &KeySecret) -> Self {
        Self(secret.clone())
    }

    /// A token for a channel that counts until `end`.
    #[must_use]
    pub fn sign(&self, channel: &ChannelName, id: ChannelId, end: Timestamp) -> String {
        let end = u32::try_from(end.as_second()).unwrap_or(u32::MAX).to_be_bytes();
        URL_SAFE_NO_PAD.encode([&end[..], id.as_bytes(), &self.mac(channel, id, end)].concat())
    }

    /// Whether `token` opens `channel` at `now`. Asks nobody, so it counts until it expires, also when the channel was
    /// given another owner; a channel that was removed and made anew has another id, which the caller compares.
    #[must_use]
    pub fn opens(&self, token: &str, channel: &ChannelName, now: Timestamp) -> Option<ChannelId> {
        let mut bytes = [0; TOKEN_BYTES];
        // Longer texts do not fit, and are not read.
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        if length != bytes.len() {
            return None;
        }
        let (end, rest) = bytes.split_at(4);
        let (id, mac) = rest.split_at(16);
        let end: [u8; 4] = end.try_into().expect("4 of 36");
        let id = ChannelId::from_bytes(id.try_into().expect("16 of 36"));
        let right: bool = self.mac(channel, id, end).ct_eq(mac).into();
        (right && i64::from(u32::from_be_bytes(end)) > now.as_second()).then_some(id)
    }

    /// A token for a recording that counts until `end`.
    #[must_use]
    pub fn sign_vod(&self, id: VodId, end: Timestamp) -> String {
        let end = u32::try_from(end.as_second()).unwrap_or(u32::MAX).to_be_bytes();
        URL_SAFE_NO_PAD.encode([&end[..], id.as_bytes(), &self.vod_mac(id, end)].concat())
    }

    /// Whether `token` opens that recording at `now`.
    #[must_use]
    pub fn opens_vod(&self, token: &str, id: VodId, now: Timestamp) -> bool {
        let mut bytes = [0; TOKEN_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok() != Some(bytes.len()) {
            return false;
        }
        let (end, rest) = bytes.split_at(4);
        let (of, mac) = rest.split_at(16);
        let end: [u8; 4] = end.try_into().expect("4 of 36");
        let right: bool = (self.vod_mac(id, end).ct_eq(mac) & id.as_bytes().as_slice().ct_eq(of)).into();
        right && i64::from(u32::from_be_bytes(end)) > now.as_second()
    }

    fn vod_mac(&self, id: VodId, end: [u8; 4]) -> [u8; 16] {
        let whole = derive(&self.0, "vod playback", &[&end[..], id.as_bytes()].concat());
        *whole.first_chunk().expect("16 of 32")
    }

    fn mac(&self, channel: &ChannelName, id: ChannelId, end: [u8; 4]) -> [u8; 16] {
        let whole = derive(&self.0, "playback", &[&end[..], id.as_bytes(), channel.as_str().as_bytes()].concat());
        *whole.first_chunk().expect("16 of 32")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_channel_until_it_expires() {
        let (tokens, now) = (PlaybackTokens::new(&KeySecret::random()), Timestamp::now());
        let (anna, berta): (ChannelName, ChannelName) = ("anna".parse().unwrap(), "berta".parse().unwrap());
        let id = ChannelId::new();
        let token = tokens.sign(&anna, id, now + LIFETIME);
        assert_eq!(tokens.opens(&token, &anna, now), Some(id));
        assert_eq!(tokens.opens(&token, &berta, now), None);
        assert_eq!(tokens.opens(&token, &anna, now + LIFETIME), None);
        assert_eq!(PlaybackTokens::new(&KeySecret::random()).opens(&token, &anna, now), None);
        for bad in ["", "AAAA", &"A".repeat(48), &"A".repeat(100_000), &token[1..]] {
            assert_eq!(tokens.opens(bad, &anna, now), None);
        }
    }
}
