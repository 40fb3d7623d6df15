//! What is counted of viewers over WebRTC.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// Handles of all of them.
#[derive(Debug)]
pub(super) struct Meters {
    /// Viewers that are connected.
    pub(super) viewers: Gauge,
    /// Viewers that were answered and are not connected yet.
    pub(super) connecting: Gauge,
    /// Requests that were answered 201.
    pub(super) accepted: Counter,
    /// Requests that were refused.
    pub(super) refused: Counter,
    /// Video frames that did not go to a viewer whose link, or whose shard, was behind.
    pub(super) skipped: Counter,
    /// Video frames that went to a viewer at the pace of its link, not at once.
    pub(super) paced: Counter,
    /// Keyframes that publishers were asked for.
    pub(super) keyframes: Counter,
    /// Packets that were sent again.
    pub(super) repeated: Counter,
}

impl Meters {
    pub(super) fn new() -> Self {
        describe_gauge!("weir_whep_viewers", Unit::Count, "Viewers that are connected over WebRTC");
        describe_gauge!("weir_whep_connecting", Unit::Count, "Viewers that were answered and are not connected yet");
        describe_counter!("weir_whep_requests_total", Unit::Count, "Requests of new viewers over WebRTC, by outcome");
        describe_counter!(
            "weir_whep_skipped_frames_total",
            Unit::Count,
            "Video frames left out for viewers that were behind"
        );
        describe_counter!(
            "weir_whep_paced_frames_total",
            Unit::Count,
            "Video frames that went to viewers at the pace of their links, not at once"
        );
        describe_counter!(
            "weir_whep_keyframe_requests_total",
            Unit::Count,
            "Keyframes that viewers over WebRTC had publishers asked for"
        );
        describe_counter!("weir_whep_retransmissions_total", Unit::Count, "Packets sent again to viewers over WebRTC");
        let requests = |outcome: &'static str| counter!("weir_whep_requests_total", "outcome" => outcome);
        Self {
            viewers: gauge!("weir_whep_viewers"),
            connecting: gauge!("weir_whep_connecting"),
            accepted: requests("accepted"),
            refused: requests("refused"),
            skipped: counter!("weir_whep_skipped_frames_total"),
            paced: counter!("weir_whep_paced_frames_total"),
            keyframes: counter!("weir_whep_keyframe_requests_total"),
            repeated: counter!("weir_whep_retransmissions_total"),
        }
    }
}
