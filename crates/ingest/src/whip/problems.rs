//! What a refused publisher hears.

use weir_media::Busy;
use weir_peer::resource::Problem;

use crate::Denied;

/// How long a publisher should wait after too many wrong keys, in seconds.
const RETRY_AFTER_ATTEMPTS: &str = "60";
/// How long a publisher should wait for room or for the store, in seconds.
const RETRY_AFTER: &str = "5";

/// There is no `Authorization: Bearer` with something that could be a stream key.
pub(super) fn no_key() -> Problem {
    let detail = "Send the stream key: Authorization: Bearer KEY.";
    Problem::new(401, "no-stream-key", "The stream key is missing", detail).with("www-authenticate", "Bearer")
}

/// The gate said no.
pub(super) fn denied(denied: Denied) -> Problem {
    let (status, slug, title) = match &denied {
        Denied::UnknownKey => (401, "unknown-stream-key", "Unknown stream key"),
        Denied::Revoked => (403, "stream-key-revoked", "The stream key was revoked"),
        Denied::Expired => (403, "stream-key-expired", "The stream key has expired"),
        Denied::Suspended => (403, "channel-suspended", "The channel may not go live"),
        Denied::Refused(_) => (403, "publish-refused", "The publish was refused"),
        Denied::TooManyAttempts => (429, "too-many-attempts", "Too many attempts"),
        Denied::Unavailable => (503, "store-unavailable", "Not available now"),
    };
    let problem = Problem::new(status, slug, title, denied.to_string());
    match denied {
        Denied::UnknownKey => problem.with("www-authenticate", "Bearer error=\"invalid_token\""),
        Denied::TooManyAttempts => problem.with("retry-after", RETRY_AFTER_ATTEMPTS),
        Denied::Unavailable => problem.with("retry-after", RETRY_AFTER),
        Denied::Revoked | Denied::Expired | Denied::Suspended | Denied::Refused(_) => problem,
    }
}

/// The channel or the server takes no more publishers.
pub(super) fn busy(busy: Busy) -> Problem {
    match busy {
        Busy::Channel => Problem::new(409, "channel-busy", "The channel is live already", busy.to_string()),
        Busy::Server => full(&busy.to_string()),
    }
}

/// The server has no room.
pub(super) fn full(detail: &str) -> Problem {
    Problem::new(503, "server-full", "No room for another publisher", detail).with("retry-after", RETRY_AFTER)
}

/// The server stops, or the owner of the sessions is being restarted.
pub(super) fn stopping() -> Problem {
    let detail = "This server takes no publishers at the moment.";
    Problem::new(503, "stopping", "Not available now", detail).with("retry-after", RETRY_AFTER)
}

/// The body did not come in time.
pub(super) fn late() -> Problem {
    let detail = "The request did not come whole within 10 seconds.";
    Problem::new(408, "late", "The request took too long", detail)
}

/// ICE cannot be restarted now; the session goes on.
pub(super) fn no_restart(detail: &str) -> Problem {
    Problem::new(503, "no-restart", "ICE cannot be restarted now", detail).with("retry-after", RETRY_AFTER)
}
