//! Whether this server is ready for traffic, and if not, why.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use weir_control::Store;

/// How long the store may take to answer before the server counts as not ready.
const STORE_ANSWER_MAX: Duration = Duration::from_secs(2);
/// Reasons kept: one a part of the server, which are few.
const REASONS_MAX: usize = 16;

/// Shared by everything that can be unwell.
#[derive(Clone)]
pub(crate) struct Health(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    reasons: Mutex<Vec<&'static str>>,
}

impl Health {
    /// Not ready until [`Self::clear`] takes `starting` back.
    pub(crate) fn starting(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner { store, reasons: Mutex::new(vec![STARTING]) }))
    }

    /// Not ready, for this reason.
    pub(crate) fn because(&self, reason: &'static str) {
        let mut reasons = self.0.reasons.lock();
        if !reasons.contains(&reason) && reasons.len() < REASONS_MAX {
            reasons.push(reason);
        }
    }

    /// That reason is gone.
    pub(crate) fn clear(&self, reason: &'static str) {
        self.0.reasons.lock().retain(|known| *known != reason);
    }

    /// Ready, or why not.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        if let Some(reason) = self.0.reasons.lock().first() {
            return Err((*reason).to_owned());
        }
        match tokio::time::timeout(STORE_ANSWER_MAX, self.0.store.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the store does not answer".into()),
        }
    }
}

/// The listeners are not all there yet.
pub(crate) const STARTING: &str = "starting";
/// It was told to stop.
pub(crate) const DRAINING: &str = "draining";
/// The RTMP listener failed too often.
pub(crate) const NO_RTMP: &str = "the RTMP listener failed too often and was given up";
/// The owner of the streams failed too often.
pub(crate) const NO_STREAMS: &str = "the owner of the streams failed too often and was given up";
/// The owner of publishers over WebRTC was given up.
pub(crate) const NO_WHIP: &str = "the owner of the publishers over WebRTC failed too often and was given up";
/// The owner of the chat rooms was given up.
pub(crate) const NO_CHAT: &str = "the owner of the chat rooms failed too often and was given up";
/// The owner of viewers over WebRTC was given up.
pub(crate) const NO_WHEP: &str = "the owner of the viewers over WebRTC failed too often and was given up";
