//! Names and meanings of what is counted. No label names a stream, a channel or an address.

use metrics::{Unit, describe_counter, describe_gauge};

/// Sessions now, connected or not.
pub(super) const SESSIONS: &str = "weir_whip_sessions";
/// Bytes of datagrams that reached a session.
pub(super) const RECEIVED: &str = "weir_whip_received_bytes_total";
/// Datagrams that came faster than their session takes them.
pub(super) const DROPPED: &str = "weir_whip_dropped_datagrams_total";
/// Offers and publishes that were refused, by `reason`.
pub(super) const REFUSALS: &str = "weir_whip_refusals_total";
/// Sessions that ended with an error, by whose `fault` it was.
pub(super) const ERRORS: &str = "weir_whip_errors_total";

/// Tells the recorder what each one means.
pub(super) fn describe() {
    describe_gauge!(SESSIONS, Unit::Count, "WHIP sessions now, connected or not");
    describe_counter!(RECEIVED, Unit::Bytes, "Bytes received from WHIP peers, as datagrams");
    describe_counter!(DROPPED, Unit::Count, "Datagrams of WHIP peers that came faster than their session takes them");
    describe_counter!(REFUSALS, Unit::Count, "WHIP offers and publishes that were refused, by reason");
    describe_counter!(ERRORS, Unit::Count, "WHIP sessions that ended with an error, by whose fault it was");
}
