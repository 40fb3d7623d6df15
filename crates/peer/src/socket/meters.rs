//! What the sockets count. Handles are made once: a counter then costs one addition.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// Sessions that have a user fragment registered.
const SESSIONS: &str = "weir_webrtc_sessions";
/// Datagrams that arrived, by `carrier`.
const RECEIVED: &str = "weir_webrtc_received_datagrams_total";
/// Bytes of them.
const RECEIVED_BYTES: &str = "weir_webrtc_received_bytes_total";
/// Datagrams handed to the kernel or to a connection's queue, by `carrier`.
const SENT: &str = "weir_webrtc_sent_datagrams_total";
/// Bytes of them.
const SENT_BYTES: &str = "weir_webrtc_sent_bytes_total";
/// Datagrams that did not leave, by `reason`.
const DROPPED: &str = "weir_webrtc_dropped_datagrams_total";
/// Datagrams that came for nobody.
const UNKNOWN: &str = "weir_webrtc_unknown_datagrams_total";

/// TCP connections now.
const CONNECTIONS: &str = "weir_webrtc_tcp_connections";
/// TCP connections that were accepted.
const ACCEPTED: &str = "weir_webrtc_tcp_connections_total";
/// TCP connections that were closed because of the limit.
const REFUSED: &str = "weir_webrtc_tcp_connections_refused_total";

/// Handles of all of them.
pub(super) struct Meters {
    pub(super) sessions: Gauge,
    pub(super) udp: Traffic,
    pub(super) tcp: Traffic,
    pub(super) connections: Gauge,
    pub(super) connections_accepted: Counter,
    pub(super) connections_refused: Counter,
    pub(super) unknown: Counter,
    /// The socket's buffer was full.
    pub(super) dropped_full: Counter,
    /// The kernel has no way there, or the datagram is too long for it.
    pub(super) dropped_unreachable: Counter,
    /// A TCP connection reads slower than it is written to.
    pub(super) dropped_slow: Counter,
}

/// Both directions of one carrier.
pub(super) struct Traffic {
    pub(super) received: Counter,
    pub(super) received_bytes: Counter,
    pub(super) sent: Counter,
    pub(super) sent_bytes: Counter,
}

impl Traffic {
    fn new(carrier: &'static str) -> Self {
        Self {
            received: counter!(RECEIVED, "carrier" => carrier),
            received_bytes: counter!(RECEIVED_BYTES, "carrier" => carrier),
            sent: counter!(SENT, "carrier" => carrier),
            sent_bytes: counter!(SENT_BYTES, "carrier" => carrier),
        }
    }
}

impl Meters {
    pub(super) fn new() -> Self {
        describe_gauge!(SESSIONS, Unit::Count, "WebRTC sessions that the sockets know");
        describe_counter!(RECEIVED, Unit::Count, "WebRTC datagrams that arrived, by carrier");
        describe_counter!(RECEIVED_BYTES, Unit::Bytes, "Bytes of WebRTC datagrams that arrived, by carrier");
        describe_counter!(SENT, Unit::Count, "WebRTC datagrams sent, by carrier");
        describe_counter!(SENT_BYTES, Unit::Bytes, "Bytes of WebRTC datagrams sent, by carrier");
        describe_counter!(DROPPED, Unit::Count, "WebRTC datagrams that could not be sent, by reason");
        describe_counter!(UNKNOWN, Unit::Count, "Datagrams on the WebRTC port that belong to no session");
        describe_gauge!(CONNECTIONS, Unit::Count, "TCP connections of WebRTC peers now");
        describe_counter!(ACCEPTED, Unit::Count, "TCP connections of WebRTC peers that were accepted");
        describe_counter!(REFUSED, Unit::Count, "TCP connections of WebRTC peers closed because of the limit");
        let dropped = |reason: &'static str| counter!(DROPPED, "reason" => reason);
        Self {
            sessions: gauge!(SESSIONS),
            udp: Traffic::new("udp"),
            tcp: Traffic::new("tcp"),
            connections: gauge!(CONNECTIONS),
            connections_accepted: counter!(ACCEPTED),
            connections_refused: counter!(REFUSED),
            unknown: counter!(UNKNOWN),
            dropped_full: dropped("full"),
            dropped_unreachable: dropped("unreachable"),
            dropped_slow: dropped("slow"),
        }
    }
}
