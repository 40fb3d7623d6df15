//! `[repair]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[repair]`: media that viewers cannot take as it is sent is converted, in processes of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether anything is converted. Without it, WebRTC viewers of an RTMP publish hear nothing, and see nothing of one
    /// with B-frames.
    pub enabled: bool,
    /// Streams whose sound is converted at once (AAC to Opus, Opus to AAC). One costs about 1.3 % of a core and 20 MB.
    pub sound_max: usize,
    /// Streams whose pictures are converted to H.264 without B-frames at once. One of 720p costs a third of a core
    /// and 75 MB. 0: half as many as there are cores, at least one.
    pub video_max: usize,
    /// Whether pictures are converted at all.
    pub video: bool,
    /// Whether HLS players get AAC beside the Opus of a browser's stream. Those of Apple take no Opus.
    pub aac_for_hls: bool,
    /// Bitrate of sound that is made, in bits a second: 32 000 to 320 000.
    pub sound_bitrate: u32,
    /// Whether Opus carries what is needed to hide a lost packet. It costs quality where none is lost.
    pub opus_fec: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            sound_max: 64,
            video_max: 0,
            video: true,
            aac_for_hls: true,
            sound_bitrate: 128_000,
            opus_fec: false,
        }
    }
}

impl Config {
    /// Refuses impossible values: the key, and why.
    ///
    /// # Errors
    /// The first key with such a value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(32_000..=320_000).contains(&self.sound_bitrate) {
            return Err(("sound_bitrate", "must be 32000 to 320000".into()));
        }
        if self.sound_max > 10_000 {
            return Err(("sound_max", "must be at most 10000: each is a process".into()));
        }
        if self.video_max > 1_000 {
            return Err(("video_max", "must be at most 1000: each is a process".into()));
        }
        Ok(())
    }

    /// Streams whose pictures may be converted at once on this machine.
    pub(crate) fn video_slots(&self) -> usize {
        match (self.video, self.video_max) {
            (false, _) => 0,
            (true, 0) => (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
            (true, most) => most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_leave_room_for_pictures() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert!(Config::default().video_slots() >= 1);
        assert_eq!(Config { video: false, ..Config::default() }.video_slots(), 0);
    }

    #[test]
    fn a_bitrate_that_no_encoder_takes_is_named() {
        assert_eq!(Config { sound_bitrate: 1, ..Config::default() }.validate().unwrap_err().0, "sound_bitrate");
    }
}
