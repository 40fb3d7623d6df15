//! Asks the limits before a request is answered.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Class, Wait, Who};
use crate::{api::Api, auth::Origin, auth::caller::bearer, problem::Problem};

/// Answers 429 to whoever used up what they may have.
pub(crate) async fn limited(State(api): State<Api>, origin: Origin, request: Request, next: Next) -> Response {
    let class = Class::of(request.method(), request.uri().path());
    let claims = bearer(request.headers()).filter(|_| !class.by_address()).map(|token| api.auth.verify(token));
    let who = match claims {
        Some(Ok(claims)) => Who::Account(claims.sub),
        _ => Who::Address(origin.address),
    };
    match api.limits.take(class, who).await {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            metrics::counter!("weir_api_requests_limited_total", "class" => class.as_str()).increment(1);
            Problem::from(wait).into_response()
        }
    }
}

impl From<Wait> for Problem {
    fn from(wait: Wait) -> Self {
        let detail = format!("Not done: {wait}.");
        let title = "Too many requests";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", title, detail).retry_after(wait.seconds())
    }
}
