//! The internal listener: health, metrics, and the calls of the command line. For this machine only.
//!
//! `/livez`, `/readyz` and `/metrics` are open to whoever reaches it. Calls below `/internal/v1/` need the token that
//! lies in `data_dir`, readable by its owner only.

mod calls;
pub(crate) mod client;
mod people;
pub(crate) mod token;

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use weir_control::{admin::Operators, problem::Problem};

pub(crate) use calls::{Created, Cut, KeyChoice, KeyState, ListedKey, NewChannel, NewKey, Policy};
pub(crate) use people::{Listed, ListedAccount, ListedEntry};
pub(crate) use token::Token;

use crate::{health::Health, process, wiring::admin::Admin, wiring::presence::Streams};

/// What the routes ask.
#[derive(Clone)]
pub(crate) struct Internal {
    pub(crate) token: Token,
    pub(crate) health: Health,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) streams: Streams,
    pub(crate) admin: Admin,
    pub(crate) operators: Operators,
}

/// The routes.
pub(crate) fn router(internal: Internal) -> Router {
    let calls = Router::new()
        .route("/channels", get(calls::list).post(calls::create))
        .route("/channels/{name}/rotate-key", post(calls::rotate))
        .route("/channels/{name}/keys", get(calls::keys).post(calls::add_key))
        .route("/channels/{name}/keys/{id}", delete(calls::revoke_key))
        .route("/channels/{name}/second-publisher", post(calls::second_publisher))
        .route("/channels/{name}/session", delete(people::end_session))
        .route("/accounts", get(people::accounts))
        .route("/accounts/{name}/suspension", put(people::suspend).delete(people::lift))
        .route("/audit", get(people::audit))
        .route("/demo", post(calls::demo))
        .route_layer(middleware::from_fn_with_state(internal.clone(), with_token));
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .nest("/internal/v1", calls)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(internal)
}

async fn ready(State(internal): State<Internal>) -> Response {
    match internal.health.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
async fn render(State(internal): State<Internal>) -> Response {
    process::observe();
    let counts = internal.streams.counts();
    gauge!("weir_live_publishes").set(counts.publishes as f64);
    gauge!("weir_live_streams").set(counts.streams as f64);
    gauge!("weir_viewers").set(counts.viewers as f64);
    gauge!("weir_hls_held_requests").set(counts.held_requests as f64);
    let text = internal.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn with_token(State(internal): State<Internal>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(given) if internal.token.is(given) => next.run(request).await,
        _ => Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Not authorised",
            "Calls need the token in `data_dir/internal.token`.",
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests;
