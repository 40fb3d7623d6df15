//! Who may watch a closed stream: the edge asks, signatures answer.

use jiff::Timestamp;
use weir_control::playback::PlaybackTokens;
use weir_identity::ChannelName;

/// Lets in whoever has a signed address.
pub(crate) struct Signed(pub(crate) PlaybackTokens);

impl weir_edge::Access for Signed {
    fn opens(&self, channel: &ChannelName, token: &str) -> bool {
        self.0.opens(token, channel, Timestamp::now()).is_some()
    }
}
