//! Names and meanings of what is counted. No label names a stream, a channel or an address.

use metrics::{Unit, describe_counter, describe_gauge};

/// Connections accepted, whatever became of them.
pub(super) const CONNECTIONS: &str = "weir_rtmp_connections_total";
/// Sessions now.
pub(super) const SESSIONS: &str = "weir_rtmp_sessions";
/// Bytes received, TLS taken off.
pub(super) const RECEIVED: &str = "weir_rtmp_received_bytes_total";
/// Connections and publishes that were refused, by `reason`.
pub(super) const REFUSALS: &str = "weir_rtmp_refusals_total";
/// Sessions that ended with an error, by whose `fault` it was.
pub(super) const ERRORS: &str = "weir_rtmp_errors_total";
/// Errors of accepting connections.
pub(super) const ACCEPT_ERRORS: &str = "weir_rtmp_accept_errors_total";

/// Tells the recorder what each one means.
pub(super) fn describe() {
    describe_counter!(CONNECTIONS, Unit::Count, "RTMP connections accepted, whatever became of them");
    describe_gauge!(SESSIONS, Unit::Count, "RTMP sessions now, publishing or not");
    describe_counter!(RECEIVED, Unit::Bytes, "Bytes received from RTMP peers");
    describe_counter!(REFUSALS, Unit::Count, "RTMP connections and publishes that were refused, by reason");
    describe_counter!(ERRORS, Unit::Count, "RTMP sessions that ended with an error, by whose fault it was");
    describe_counter!(ACCEPT_ERRORS, Unit::Count, "Errors of accepting RTMP connections, such as too many open files");
}
