//! `/api/v1/channels/{name}/health`: what the streamer needs to hear.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::OpenApi;

use super::routes::seen;
use crate::{api::Api, auth::Caller, presence::HealthInfo, problem::Problem};

pub(crate) fn router() -> Router<Api> {
    Router::new().route("/v1/channels/{name}/health", get(health))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(health))]
pub(crate) struct Description;

/// How the running publish is, in figures and in words.
#[utoipa::path(get, path = "/api/v1/channels/{name}/health", tag = "channels", security((), ("access" = [])), params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "How it is; figures are null while it is not live.", body = HealthInfo),
    (status = "4XX", description = "There is no such channel.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn health(State(api): State<Api>, caller: Option<Caller>, Path(name): Path<String>) -> Result<Response, Problem> {
    let (channel, _) = seen(&api, caller.as_ref(), &name).await?;
    let health = api.presence.health(&channel.name).unwrap_or_default();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(health)).into_response())
}
