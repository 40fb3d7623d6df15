//! Errors of the API: problem documents (RFC 9457) with a stable `type`.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// When to come back where nobody knows better.
const UNAVAILABLE_SECONDS: u64 = 2;

/// A problem document. `type` is stable and for programs; `title` and `detail` are for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:weir:problem:channel-not-found")]
    kind: String,
    /// The kind, in words.
    title: &'static str,
    /// The HTTP status again.
    status: u16,
    /// This occurrence, in words.
    detail: String,
    /// Seconds after which it is worth trying again: the `Retry-After` header.
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem of kind `urn:weir:problem:SLUG`.
    #[must_use]
    pub fn new(status: StatusCode, slug: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:weir:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The kind's own word, for the address of a page that tells it.
    pub(crate) fn slug(&self) -> Option<&str> {
        self.kind.strip_prefix("urn:weir:problem:")
    }

    /// It is worth trying again after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// There is no such channel.
    #[must_use]
    pub fn channel_not_found(name: &str) -> Self {
        let name: String = name.chars().take(weir_identity::name::NAME_CHARS_MAX).collect();
        let detail = format!("There is no channel named {name:?}.");
        Self::new(StatusCode::NOT_FOUND, "channel-not-found", "No such channel", detail)
    }

    /// There is no such account.
    #[must_use]
    pub fn account_not_found(name: &str) -> Self {
        let name: String = name.chars().take(weir_identity::name::NAME_CHARS_MAX).collect();
        let detail = format!("There is no account named {name:?}.");
        Self::new(StatusCode::NOT_FOUND, "account-not-found", "No such account", detail)
    }

    /// A parameter makes no sense.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request makes no sense", detail)
    }

    /// There is nothing at that address.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Nothing here", "There is nothing at this address.")
    }

    /// The address exists, the method does not.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let detail = "This address does not take that method.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
    }

    fn unavailable() -> Self {
        let detail = "What this needs is not available now. Streams that run go on.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "Not available now", detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.is_outage() {
            tracing::warn!(%error, "the store did not answer");
            return Self::unavailable();
        }
        let (slug, title) = match error {
            Error::Exists => ("exists", "It exists already"),
            Error::TooMany => ("too-many", "Too many"),
            _ => ("missing", "It does not exist"),
        };
        Self::new(StatusCode::CONFLICT, slug, title, format!("Not done: {error}."))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(seconds) = self.retry_after.or(unavailable.then_some(UNAVAILABLE_SECONDS)) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
