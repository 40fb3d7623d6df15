//! `/api/v1/channels/{name}/held`: messages that wait until a moderator has read them.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};
use weir_identity::HeldId;

use super::Held;
use crate::{
    api::Api,
    audit::{Deed, Scope},
    auth::{Caller, Origin},
    channels::{Channel, routes::seen},
    page::{Page, PageById, Paged},
    person::PersonView,
    problem::Problem,
    rights::Right,
    rooms::{NotSaid, Waiting},
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/held", get(list))
        .route("/v1/channels/{name}/held/{id}", delete(refuse))
        .route("/v1/channels/{name}/held/{id}/allow", post(allow))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, allow, refuse))]
pub(crate) struct Description;

/// A message that waits.
#[derive(Serialize, ToSchema)]
struct HeldView {
    /// Its id, as long as it waits.
    #[schema(format = "uuid")]
    id: String,
    /// Who wants to say it.
    user: PersonView,
    /// What is to be said.
    text: String,
    /// When it came, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    at: String,
}

/// A page of messages that wait.
#[derive(Serialize, ToSchema)]
struct HeldPage {
    /// The messages, oldest first.
    items: Vec<HeldView>,
    /// Give it as `cursor` for what follows; null at the end.
    next: Option<String>,
}

/// Messages of a channel's room that wait until a moderator has read them, for a week. For its owner and moderators.
#[utoipa::path(get, path = "/api/v1/channels/{name}/held", tag = "moderation", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), PageById), responses(
    (status = 200, description = "A page of messages.", body = HeldPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (after, limit) = Page::of::<HeldId>(page)?;
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let held = api.store.held_in(channel.id, after, limit + 1).await?;
    let Paged { items: held, next } = Paged::of(held, limit, |held| held.id.to_string());
    let mut items = Vec::with_capacity(held.len());
    for held in held {
        let user = PersonView::of(&api, &channel, held.author, &held.author_name).await?;
        items.push(HeldView { id: held.id.to_string(), user, text: held.text, at: held.at.to_string() });
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(HeldPage { items, next })).into_response())
}

/// Lets a message be said now, in its author's name: once, though several moderators allow it. For the channel's owner
/// and moderators.
#[utoipa::path(post, path = "/api/v1/channels/{name}/held/{id}/allow", tag = "moderation", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("id" = String, Path, description = "Its id.")), responses(
    (status = 204, description = "It is said."),
    (status = 409, description = "Its author may not say anything now.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not, or somebody has decided about it.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store or the room does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn allow(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let id = id.parse().map_err(|_| gone())?;
    // Whoever asked may go away meanwhile; what was begun is finished.
    let deciding = tokio::spawn(async move {
        let held = api.store.take_held(channel.id, id, crate::store_time(Timestamp::now())).await?.ok_or_else(gone)?;
        if let Err(why) = api.presence.say(channel.id, held.clone()).await {
            api.store.return_held(channel.id, id).await?;
            return Err(not_said(why));
        }
        api.store.drop_held(channel.id, id).await?;
        decided(&api, &channel, &held, Deed::by(&caller, origin, "held.allow")).await
    });
    deciding.await.map_err(|_| not_said(NotSaid::Unavailable))??;
    Ok(StatusCode::NO_CONTENT)
}

/// A message that is never said. For the channel's owner and moderators.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/held/{id}", tag = "moderation", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("id" = String, Path, description = "Its id.")), responses(
    (status = 204, description = "It is gone."),
    (status = "4XX", description = "Why not, or somebody has decided about it.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn refuse(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let id = id.parse().map_err(|_| gone())?;
    // Taken first: what another moderator is about to let be said cannot be refused any more.
    let held = api.store.take_held(channel.id, id, crate::store_time(Timestamp::now())).await?.ok_or_else(gone)?;
    api.store.drop_held(channel.id, id).await?;
    decided(&api, &channel, &held, Deed::by(&caller, origin, "held.refuse")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes what became of a message, and tells the moderators what is left.
async fn decided(api: &Api, channel: &Channel, held: &Held, deed: Deed) -> Result<(), Problem> {
    let detail = json!({"account": held.author_name.as_str(), "text": held.text});
    deed.on(channel).also(Scope::Account(held.author)).detail(&detail).note(&*api.store).await;
    api.presence.waiting(channel.id, Waiting::Held(api.store.held_count(channel.id).await?));
    Ok(())
}

fn gone() -> Problem {
    let detail = "No such message waits here: somebody has decided about it, or is about to.";
    Problem::new(StatusCode::NOT_FOUND, "held-not-found", "No message waits", detail)
}

fn not_said(why: NotSaid) -> Problem {
    match why {
        NotSaid::Author => {
            let detail = "Whoever wrote it may not say anything here now.";
            Problem::new(StatusCode::CONFLICT, "author-may-not-speak", "Its author may not speak", detail)
        }
        NotSaid::Unavailable => {
            let detail = "The room does not answer. The message still waits.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "room-unavailable", "The room does not answer", detail)
        }
    }
}
