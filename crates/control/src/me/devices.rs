//! `/api/v1/me/devices`: where one is logged in.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{api::Api, auth::Caller, families::Family, problem::Problem};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/me/devices", get(list).delete(end_others))
        .route("/v1/me/devices/{id}", axum::routing::delete(end))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, end, end_others))]
pub(super) struct Description;

/// A device that is logged in.
#[derive(Serialize, ToSchema)]
struct DeviceView {
    /// Its id.
    id: String,
    /// What it calls itself: its `User-Agent`.
    device: String,
    /// From which address it was used last.
    address: String,
    /// When it logged in, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was used last.
    #[schema(format = "date-time")]
    used_at: String,
    /// Whether it is the one that asks.
    current: bool,
}

/// All devices of an account; there are never so many that they need pages.
#[derive(Serialize, ToSchema)]
struct Devices {
    /// The devices, the last used first.
    items: Vec<DeviceView>,
    /// Always null.
    next: Option<String>,
}

/// Where one is logged in.
#[utoipa::path(get, path = "/api/v1/me/devices", tag = "me", security(("access" = [])), responses(
    (status = 200, description = "The devices.", body = Devices),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Devices>, Problem> {
    let families = api.store.families_of(caller.0.sub).await?;
    let view = |family: Family| DeviceView {
        current: family.id == caller.0.sid,
        id: family.id.to_string(),
        device: family.device,
        address: family.address,
        created_at: family.created_at.to_string(),
        used_at: family.used_at.to_string(),
    };
    Ok(Json(Devices { items: families.into_iter().map(view).collect(), next: None }))
}

/// Logs a device out.
#[utoipa::path(delete, path = "/api/v1/me/devices/{id}", tag = "me", security(("access" = [])),
    params(("id" = String, Path, description = "The device.")), responses(
    (status = 204, description = "Logged out."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn end(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    if api.store.end_family(caller.0.sub, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}

/// Logs every device out but the one that asks.
#[utoipa::path(delete, path = "/api/v1/me/devices", tag = "me", security(("access" = [])), responses(
    (status = 204, description = "Logged out."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn end_others(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    api.store.end_families(caller.0.sub, Some(caller.0.sid)).await?;
    Ok(StatusCode::NO_CONTENT)
}
