//! Errors as problem documents (RFC 9457). There are few of them, all known beforehand: nothing is formatted.

use bytes::Bytes;
use http::StatusCode;

/// What went wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// No such file, now.
    NotFound,
    /// The channel is not live.
    NotLive,
    /// The recording lies on another node.
    Elsewhere,
    /// The store or the disk does not answer.
    Unknown,
    /// The channel is closed, and the request has no signature that counts.
    Closed,
    /// Neither GET nor HEAD nor OPTIONS.
    Method,
    /// A directive is no number.
    DirectiveNumber,
    /// A part without its segment.
    DirectivePart,
    /// A segment or part too far ahead.
    DirectiveAhead,
    /// A byte range past the end.
    Range,
    /// What was waited for did not come.
    Late,
    /// Too many wait.
    Crowded,
}

impl Problem {
    /// The status it is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotFound | Self::NotLive | Self::Elsewhere => StatusCode::NOT_FOUND,
            Self::Closed => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::DirectiveNumber | Self::DirectivePart | Self::DirectiveAhead => StatusCode::BAD_REQUEST,
            Self::Range => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Late | Self::Crowded | Self::Unknown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The document.
    #[must_use]
    pub fn document(self) -> Bytes {
        Bytes::from_static(match self {
            Self::NotFound => {
                br#"{"type":"urn:weir:problem:not-found","title":"There is nothing here","status":404}"#
            }
            Self::NotLive => {
                br#"{"type":"urn:weir:problem:not-live","title":"This channel is not live","status":404}"#
            }
            Self::Elsewhere => {
                br#"{"type":"urn:weir:problem:vod-on-another-node","title":"This recording lies on another node of this installation and is served there","status":404}"#
            }
            Self::Unknown => {
                br#"{"type":"urn:weir:problem:unavailable","title":"This cannot be read just now","status":503}"#
            }
            Self::Closed => {
                br#"{"type":"urn:weir:problem:signed-address-needed","title":"This is watched by a signed address, and this one does not count or has expired","status":403}"#
            }
            Self::Method => {
                br#"{"type":"urn:weir:problem:method","title":"Only GET, HEAD and OPTIONS work here","status":405}"#
            }
            Self::DirectiveNumber => {
                br#"{"type":"urn:weir:problem:bad-directive","title":"_HLS_msn and _HLS_part are decimal integers","status":400}"#
            }
            Self::DirectivePart => {
                br#"{"type":"urn:weir:problem:bad-directive","title":"_HLS_part needs _HLS_msn","status":400}"#
            }
            Self::DirectiveAhead => {
                br#"{"type":"urn:weir:problem:too-far-ahead","title":"The playlist is not that far yet","status":400}"#
            }
            Self::Range => {
                br#"{"type":"urn:weir:problem:range","title":"The file has no such range","status":416}"#
            }
            Self::Late => {
                br#"{"type":"urn:weir:problem:late","title":"What was asked for did not come in time","status":503}"#
            }
            Self::Crowded => {
                br#"{"type":"urn:weir:problem:crowded","title":"Too many requests are waiting","status":503}"#
            }
        })
    }
}

impl From<weir_hls::Error> for Problem {
    fn from(error: weir_hls::Error) -> Self {
        use weir_hls::{Error, reload::Bad};
        match error {
            Error::NotFound => Self::NotFound,
            Error::Bad(Bad::NotANumber) => Self::DirectiveNumber,
            Error::Bad(Bad::PartWithoutSegment) => Self::DirectivePart,
            Error::Bad(Bad::TooFarAhead) => Self::DirectiveAhead,
            Error::Late => Self::Late,
            Error::Crowded => Self::Crowded,
        }
    }
}
