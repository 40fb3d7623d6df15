//! `/api/v1/channels/{name}/follow` and `/api/v1/me/follows`.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use weir_identity::ChannelId;

use super::FOLLOWS_PER_ACCOUNT_MAX;
use crate::{
    api::Api,
    auth::{Caller, caller::forbidden},
    channels::{Visibility, routes::seen},
    error::Error,
    page::{Page, PageById, Paged},
    problem::Problem,
    rights::Right,
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/follow", get(show).put(follow).delete(unfollow))
        .route("/v1/me/follows", get(list))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(show, follow, unfollow, list))]
pub(crate) struct Description;

/// Whether the caller follows a channel.
#[derive(Serialize, ToSchema)]
struct FollowView {
    /// Whether.
    following: bool,
    /// Since when, RFC 3339 in UTC; null when not.
    #[schema(format = "date-time")]
    since: Option<String>,
}

/// A channel that the caller follows.
#[derive(Serialize, ToSchema)]
struct FollowedView {
    /// The channel's name.
    #[schema(example = "anna")]
    name: String,
    /// What people read above its player.
    title: String,
    /// Whether it is live.
    live: bool,
    /// Since when the caller follows it, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    since: String,
}

/// A page of channels that the caller follows.
#[derive(Serialize, ToSchema)]
struct FollowedPage {
    /// The channels, oldest channel first.
    items: Vec<FollowedView>,
    /// Give it as `cursor` for what follows; null at the end.
    next: Option<String>,
}

/// Whether one follows a channel.
#[utoipa::path(get, path = "/api/v1/channels/{name}/follow", tag = "follows", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "Whether, and since when.", body = FollowView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn show(State(api): State<Api>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    let (channel, _) = seen(&api, Some(&caller), &name).await?;
    let since = api.store.follows_since(channel.id, caller.0.sub).await?;
    Ok(fresh(FollowView { following: since.is_some(), since: since.map(|since| since.to_string()) }))
}

/// Follows a channel. Who follows already goes on doing so since then.
#[utoipa::path(put, path = "/api/v1/channels/{name}/follow", tag = "follows", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 204, description = "The caller follows it."),
    (status = 409, description = "The caller follows too many channels.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn follow(State(api): State<Api>, caller: Caller, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let (channel, _) = seen(&api, Some(&caller), &name).await?;
    if channel.owner == Some(caller.0.sub) {
        return Err(forbidden("Nobody follows a channel of their own."));
    }
    let now = crate::store_time(Timestamp::now());
    let since = api.store.follow(channel.id, caller.0.sub, now).await.map_err(|error| match error {
        Error::TooMany => {
            let detail = format!("An account follows at most {FOLLOWS_PER_ACCOUNT_MAX} channels.");
            Problem::new(StatusCode::CONFLICT, "too-many-follows", "Too many channels are followed", detail)
        }
        Error::Missing => Problem::channel_not_found(&name),
        other => other.into(),
    })?;
    api.presence.followed(channel.id, caller.0.sub, Some(since));
    Ok(StatusCode::NO_CONTENT)
}

/// Follows a channel no more.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/follow", tag = "follows", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 204, description = "The caller does not follow it, or did not."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn unfollow(State(api): State<Api>, caller: Caller, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let (channel, _) = seen(&api, Some(&caller), &name).await?;
    if api.store.unfollow(channel.id, caller.0.sub).await? {
        api.presence.followed(channel.id, caller.0.sub, None);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Which channels one follows.
#[utoipa::path(get, path = "/api/v1/me/follows", tag = "follows", security(("access" = [])), params(PageById), responses(
    (status = 200, description = "A page of channels. It may be short though more follow.", body = FollowedPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (after, limit) = Page::of::<ChannelId>(page)?;
    let follows = api.store.follows_of(caller.0.sub, after, limit + 1).await?;
    let Paged { items: follows, next } = Paged::of(follows, limit, |(channel, _)| channel.to_string());
    let mut items = Vec::with_capacity(follows.len());
    for (channel, since) in follows {
        let Some(channel) = api.store.channel(channel).await? else { continue };
        // One that became private is there only for who may watch it.
        let is_there = channel.visibility != Visibility::Private
            || Right::of(&*api.store, Some(&caller), &channel).await?.may_watch(channel.visibility);
        if is_there {
            let live = api.presence.live(&channel.name).is_some();
            let (name, since) = (channel.name.to_string(), since.to_string());
            items.push(FollowedView { name, title: channel.title, live, since });
        }
    }
    Ok(fresh(FollowedPage { items, next }))
}

fn fresh(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
