//! `/api/v1/channels/{name}/roles`: who may do what in a channel.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::{ChannelRole, Given, ROLES_PER_CHANNEL_MAX};
use crate::{
    accounts::Account,
    api::Api,
    audit::{Deed, Scope},
    auth::{Caller, Origin},
    channels::routes::seen,
    error::Error,
    json::Body,
    problem::Problem,
    rights::Right,
    rooms::Changed,
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/roles", get(list))
        .route("/v1/channels/{name}/roles/{username}", get(one).put(give).delete(take))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, one, give, take))]
pub(crate) struct Description;

/// A role that is given.
#[derive(Deserialize, ToSchema)]
struct RoleWanted {
    /// What it is to be.
    #[schema(value_type = ChannelRole)]
    role: String,
}

/// Somebody's role.
#[derive(Serialize, ToSchema)]
struct RoleView {
    /// Who.
    #[schema(example = "berta")]
    username: String,
    /// What others read.
    display_name: String,
    /// `owner`, `moderator` or `vip`.
    role: &'static str,
    /// Since when, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    since: String,
}

/// Who has a role in a channel.
#[derive(Serialize, ToSchema)]
struct Roles {
    /// Owner first, then by account.
    items: Vec<RoleView>,
    /// Always null: there are at most a thousand.
    next: Option<String>,
}

/// Who has a role in a channel, its owner first. For its owner and moderators.
#[utoipa::path(get, path = "/api/v1/channels/{name}/roles", tag = "roles", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "The roles.", body = Roles),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let mut items = Vec::new();
    if let Some(owner) = channel.owner
        && let Some(owner) = api.store.account(owner).await?
    {
        items.push(view(&owner, "owner", channel.created_at));
    }
    for given in api.store.roles_in(channel.id).await? {
        // One whose account goes in this moment has none.
        if let Some(account) = api.store.account(given.account).await? {
            items.push(view(&account, given.role.as_str(), given.at));
        }
    }
    Ok(fresh(Roles { items, next: None }))
}

/// Somebody's role in a channel. For its owner and moderators, and for oneself.
#[utoipa::path(get, path = "/api/v1/channels/{name}/roles/{username}", tag = "roles", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("username" = String, Path, description = "Whose.")), responses(
    (status = 200, description = "The role.", body = RoleView),
    (status = "4XX", description = "Why not, or there is none.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn one(
    State(api): State<Api>,
    caller: Caller,
    Path((name, username)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    let account = api.account_called(&username).await?;
    if account.id != caller.0.sub {
        right.at_least(Right::Moderator)?;
    }
    if channel.owner == Some(account.id) {
        return Ok(fresh(view(&account, "owner", channel.created_at)));
    }
    let given = api.store.roles_in(channel.id).await?.into_iter().find(|given| given.account == account.id);
    let given = given.ok_or_else(no_role)?;
    Ok(fresh(view(&account, given.role.as_str(), given.at)))
}

/// Gives somebody a role, in place of another. For the channel's owner.
#[utoipa::path(put, path = "/api/v1/channels/{name}/roles/{username}", tag = "roles", request_body = RoleWanted, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("username" = String, Path, description = "Who gets it.")), responses(
    (status = 200, description = "The role.", body = RoleView),
    (status = 409, description = "It is the owner, or there are too many roles.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn give(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, username)): Path<(String, String)>,
    Body(wanted): Body<RoleWanted>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Owner)?;
    let role = ChannelRole::parse(&wanted.role).ok_or_else(|| {
        let detail = "A role is `moderator` or `vip`.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-role", "Not a role", detail)
    })?;
    let account = api.account_called(&username).await?;
    if channel.owner == Some(account.id) {
        let detail = "This is the channel's owner, who may do everything.";
        return Err(Problem::new(StatusCode::CONFLICT, "is-owner", "It is the owner", detail));
    }
    let given = Given { account: account.id, role, at: crate::store_time(Timestamp::now()) };
    api.store.give_role(channel.id, given).await.map_err(|error| match error {
        Error::TooMany => {
            let detail = format!("A channel gives at most {ROLES_PER_CHANNEL_MAX} roles; take one first.");
            Problem::new(StatusCode::CONFLICT, "too-many-roles", "Too many roles", detail)
        }
        other => other.into(),
    })?;
    api.presence.rights_changed(Changed::Role(channel.id, account.id));
    let detail = serde_json::json!({"account": account.name.as_str(), "role": role.as_str()});
    let deed = Deed::by(&caller, origin, "role.give").on(&channel).also(Scope::Account(account.id));
    deed.detail(&detail).note(&*api.store).await;
    Ok(fresh(view(&account, role.as_str(), given.at)))
}

/// Takes somebody's role. For the channel's owner, and for oneself.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/roles/{username}", tag = "roles", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("username" = String, Path, description = "Whose.")), responses(
    (status = 204, description = "It is taken."),
    (status = "4XX", description = "Why not, or there is none.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn take(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, username)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    let account = api.account_called(&username).await?;
    if account.id != caller.0.sub {
        right.at_least(Right::Owner)?;
    }
    if !api.store.take_role(channel.id, account.id).await? {
        return Err(no_role());
    }
    api.presence.rights_changed(Changed::Role(channel.id, account.id));
    let detail = serde_json::json!({"account": account.name.as_str()});
    let deed = Deed::by(&caller, origin, "role.take").on(&channel).also(Scope::Account(account.id));
    deed.detail(&detail).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

fn view(account: &Account, role: &'static str, since: Timestamp) -> RoleView {
    let (username, display_name) = (account.name.to_string(), account.display_name.to_string());
    RoleView { username, display_name, role, since: since.to_string() }
}

fn fresh(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn no_role() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "role-not-found", "No role", "This account has no role in this channel.")
}
