//! Who may watch a closed stream, asked of the rest of the server.

use std::sync::Arc;

use weir_identity::ChannelName;

/// Decides about signed addresses. Must not block: it is asked on every first request.
pub trait Access: Send + Sync + 'static {
    /// Whether `token` opens the closed stream of `channel` now.
    fn opens(&self, channel: &ChannelName, token: &str) -> bool;
}

/// The `token` of a query.
pub(crate) fn token(query: Option<&str>) -> Option<&str> {
    query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Whether a request for a closed stream may go on, by the `token` of its query. Without anybody to ask it may not.
pub(crate) fn may_watch(access: Option<&Arc<dyn Access>>, channel: &ChannelName, query: Option<&str>) -> bool {
    token(query).zip(access).is_some_and(|(token, access)| access.opens(channel, token))
}
