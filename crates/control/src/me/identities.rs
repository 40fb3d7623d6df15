//! `/api/v1/me/identities`: accounts elsewhere that open one's own.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{delete, get},
};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::{account, prove};
use crate::{
    api::Api,
    auth::{Caller, Origin},
    json::Body,
    oidc::{
        Link, Linked, ReturnTo,
        routes::{Away, Base, away},
    },
    problem::Problem,
};

pub(super) fn router() -> Router<Api> {
    Router::new().route("/v1/me/identities", get(list).post(begin)).route("/v1/me/identities/{id}", delete(unlink))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, begin, unlink))]
pub(super) struct Description;

/// An account elsewhere.
#[derive(Serialize, ToSchema)]
struct IdentityView {
    /// Its id here.
    id: String,
    /// The provider's name; null when this server does not know it any more.
    provider: Option<String>,
    /// What people read of the provider.
    display_name: String,
    /// The provider's address.
    issuer: String,
}

/// One's accounts elsewhere.
#[derive(Serialize, ToSchema)]
struct Identities {
    /// All of them.
    items: Vec<IdentityView>,
    /// Always null.
    next: Option<String>,
}

/// What is linked.
#[derive(Deserialize, ToSchema)]
struct NewIdentity {
    /// The provider's name.
    provider: String,
    /// The password; not needed by an account that never had one.
    #[serde(default)]
    password: String,
    /// The page of this server to go to in the end; the studio without it.
    return_to: Option<String>,
}

/// The accounts elsewhere that open one's own.
#[utoipa::path(get, path = "/api/v1/me/identities", tag = "me", security(("access" = [])), responses(
    (status = 200, description = "The identities.", body = Identities),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Identities>, Problem> {
    let account = account(&*api.store, &caller).await?;
    let view = |linked: Linked| {
        let (provider, shown) = linked.provider.unzip();
        let display_name = shown.unwrap_or_else(|| linked.issuer.clone());
        IdentityView { id: linked.id, provider, display_name, issuer: linked.issuer }
    };
    let items = api.oidc.identities(&account).await?.into_iter().map(view).collect();
    Ok(Json(Identities { items, next: None }))
}

/// Begins to link an account elsewhere: the browser gets a cookie, and goes to `url`.
#[utoipa::path(post, path = "/api/v1/me/identities", tag = "me", request_body = NewIdentity, security(("access" = [])), responses(
    (status = 200, description = "Where to go.", body = Away),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such provider.", body = Problem, content_type = "application/problem+json"),
    (status = 502, description = "The provider answers nonsense.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The provider or the store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn begin(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    base: Base,
    Body(wanted): Body<NewIdentity>,
) -> Result<Response, Problem> {
    let account = account(&*api.store, &caller).await?;
    prove(&api, &account, origin, wanted.password).await?;
    let base = base.of(&api, origin)?;
    let return_to = ReturnTo::of(wanted.return_to.as_deref());
    let link = Link { account: account.id, device: caller.0.sid };
    Ok(away(api.oidc.begin(&wanted.provider, &base, return_to, Some(link)).await?, origin))
}

/// Unlinks an account elsewhere. The last way into an account stays.
#[utoipa::path(delete, path = "/api/v1/me/identities/{id}", tag = "me", security(("access" = [])),
    params(("id" = String, Path, description = "The identity.")), responses(
    (status = 204, description = "It opens the account no more."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Nothing else opens the account.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn unlink(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let account = account(&*api.store, &caller).await?;
    if api.oidc.unlink(&account, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
