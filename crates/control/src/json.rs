//! Bodies of requests: JSON of a bounded length, and problem documents for what is not.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Most bytes of a body that is JSON.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for a body.
const BODY_MAX: Duration = Duration::from_secs(10);

/// The JSON of a request's body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match tokio::time::timeout(BODY_MAX, Json::<T>::from_request(request, state)).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) => Err(problem(&rejection)),
            Err(_) => {
                let detail = format!("The body did not come within {} s.", BODY_MAX.as_secs());
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "late-body", "The request took too long", detail))
            }
        }
    }
}

fn problem(rejection: &JsonRejection) -> Problem {
    let detail = rejection.body_text();
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let title = "Not JSON";
            Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                title,
                "Send `application/json`.",
            )
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = "The body is longer than what this takes.";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Too long", detail)
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "The body makes no sense", detail)
        }
        _ => Problem::bad_request(detail),
    }
}
