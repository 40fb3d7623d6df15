//! `/api/v1/channels/{name}/webhooks` and `/api/v1/admin/webhooks`.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use weir_identity::HookId;

use super::{Event, HOOKS_MAX, Hook, Outcome, Secret, Whose, seal_secret};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin},
    channels::{Channel, routes::seen},
    error::Error,
    json::Body,
    once::Once,
    problem::Problem,
    rights::Right,
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/webhooks", get(of_channel).post(add_to_channel))
        .route("/v1/channels/{name}/webhooks/{id}", delete(remove_from_channel))
        .route("/v1/admin/webhooks", get(of_all).post(add_to_all))
        .route("/v1/admin/webhooks/{id}", delete(remove_from_all))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(of_channel, add_to_channel, remove_from_channel, of_all, add_to_all, remove_from_all))]
pub(crate) struct Description;

/// Who wants to be told, and what.
#[derive(Deserialize, ToSchema)]
struct HookWanted {
    /// Where messages are posted: `https://` or `http://`, and no address of a private network.
    #[schema(example = "https://example.org/hook", max_length = 1024, format = "uri")]
    url: String,
    /// What it is to be told.
    #[schema(value_type = Vec<Event>, min_items = 1, max_items = 4)]
    events: Vec<String>,
}

/// A hook.
#[derive(Serialize, ToSchema)]
struct HookView {
    /// Its id.
    id: String,
    /// Where messages are posted.
    url: String,
    /// What it is told.
    #[schema(value_type = Vec<Event>)]
    events: Vec<&'static str>,
    /// When it was made, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    created_at: String,
    /// How the last message went; null before the first.
    last: Option<OutcomeView>,
}

/// How a message went.
#[derive(Serialize, ToSchema)]
struct OutcomeView {
    /// When, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    at: String,
    /// Whether it was taken.
    ok: bool,
    /// What was answered, or what went wrong.
    note: String,
}

/// Hooks; there are never so many that they need pages.
#[derive(Serialize, ToSchema)]
struct Hooks {
    /// The hooks, oldest first.
    items: Vec<HookView>,
    /// Always null.
    next: Option<String>,
}

/// A hook that was just made.
#[derive(Serialize, ToSchema)]
struct HookMade {
    /// Its id.
    id: String,
    /// Where messages are posted.
    url: String,
    /// What it is told.
    #[schema(value_type = Vec<Event>)]
    events: Vec<&'static str>,
    /// What messages are signed with (Standard Webhooks, `whsec_` and base64). Shown this once.
    secret: String,
}

/// The hooks of a channel, for its owner.
#[utoipa::path(get, path = "/api/v1/channels/{name}/webhooks", tag = "webhooks", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "The hooks.", body = Hooks),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn of_channel(State(api): State<Api>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    let channel = owned(&api, &caller, &name).await?;
    list(&api, Whose::Channel(channel.id)).await
}

/// Adds a hook to a channel. Messages are signed as Standard Webhooks has it: `webhook-id`, `webhook-timestamp`,
/// `webhook-signature`. They come at least once, and not always in order.
#[utoipa::path(post, path = "/api/v1/channels/{name}/webhooks", tag = "webhooks", request_body = HookWanted, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]*$", description = "The same request with the same key within a day is answered the same, and done once.")), responses(
    (status = 201, description = "The hook, with its secret, shown this once.", body = HookMade),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn add_to_channel(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(name): Path<String>,
    once: Once,
    Body(wanted): Body<HookWanted>,
) -> Result<Response, Problem> {
    let channel = owned(&api, &caller, &name).await?;
    let deed = Deed::by(&caller, origin, "webhook.add").on(&channel);
    let route = format!("webhooks.add {}", channel.id);
    once.answer(&api, caller.0.sub, &route, async || add(&api, &caller, Whose::Channel(channel.id), wanted, deed).await)
        .await
}

/// Removes a hook of a channel. What waits for it is dropped.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/webhooks/{id}", tag = "webhooks", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("id" = String, Path, description = "The hook's id.")), responses(
    (status = 204, description = "It is gone."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_from_channel(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let channel = owned(&api, &caller, &name).await?;
    let deed = Deed::by(&caller, origin, "webhook.remove").on(&channel);
    remove(&api, Whose::Channel(channel.id), &id, deed).await
}

/// The hooks of the installation, for operators.
#[utoipa::path(get, path = "/api/v1/admin/webhooks", tag = "admin", security(("access" = [])), responses(
    (status = 200, description = "The hooks.", body = Hooks),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn of_all(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    list(&api, Whose::Installation).await
}

/// Adds a hook that is told what happens in every channel.
#[utoipa::path(post, path = "/api/v1/admin/webhooks", tag = "admin", request_body = HookWanted, security(("access" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]*$", description = "The same request with the same key within a day is answered the same, and done once.")), responses(
    (status = 201, description = "The hook, with its secret, shown this once.", body = HookMade),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn add_to_all(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    once: Once,
    Body(wanted): Body<HookWanted>,
) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    let deed = Deed::by(&caller, origin, "webhook.add");
    once.answer(&api, caller.0.sub, "admin.webhooks.add", async || {
        add(&api, &caller, Whose::Installation, wanted, deed).await
    })
    .await
}

/// Removes a hook of the installation.
#[utoipa::path(delete, path = "/api/v1/admin/webhooks/{id}", tag = "admin", security(("access" = [])),
    params(("id" = String, Path, description = "The hook's id.")), responses(
    (status = 204, description = "It is gone."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_from_all(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_be_admin()?;
    remove(&api, Whose::Installation, &id, Deed::by(&caller, origin, "webhook.remove")).await
}

/// The channel, for its owner.
async fn owned(api: &Api, caller: &Caller, name: &str) -> Result<Channel, Problem> {
    let (channel, right) = seen(api, Some(caller), name).await?;
    right.at_least(Right::Owner)?;
    Ok(channel)
}

async fn list(api: &Api, whose: Whose) -> Result<Response, Problem> {
    let hooks = api.store.hooks_of(whose).await?;
    let items = hooks.into_iter().map(|(hook, last)| view(&hook, last)).collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Hooks { items, next: None })).into_response())
}

async fn add(
    api: &Api,
    caller: &Caller,
    whose: Whose,
    wanted: HookWanted,
    deed: Deed,
) -> Result<(StatusCode, HookMade), Problem> {
    if wanted.events.len() > Event::ALL.len() {
        return Err(invalid("There are not so many events."));
    }
    let mut events: Vec<Event> = Vec::new();
    for name in &wanted.events {
        let event = Event::parse(name).ok_or_else(|| invalid("There is no such event."))?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(invalid("A hook wants at least one event."));
    }
    let url = api.webhooks.check(&wanted.url).map_err(|failed| invalid(&format!("Not done: {failed}.")))?;
    let (id, secret) = (HookId::new(), Secret::random());
    let hook = Hook {
        id,
        whose,
        url: url.to_string(),
        events: events.clone(),
        secret: seal_secret(&api.secret, id, &secret),
        by: caller.0.sub,
        created_at: crate::store_time(Timestamp::now()),
    };
    api.store.add_hook(hook).await.map_err(|error| match error {
        Error::TooMany => {
            let detail = format!("There are {HOOKS_MAX} hooks already; remove one first.");
            Problem::new(StatusCode::CONFLICT, "too-many-webhooks", "Too many hooks", detail)
        }
        other => other.into(),
    })?;
    // Addresses carry secrets of others at times: only the host is written down.
    let host = url.host_str().unwrap_or_default();
    deed.target(id).detail(&serde_json::json!({ "host": host })).note(&*api.store).await;
    let events = events.into_iter().map(Event::as_str).collect();
    Ok((StatusCode::CREATED, HookMade { id: id.to_string(), url: url.into(), events, secret: secret.reveal() }))
}

async fn remove(api: &Api, whose: Whose, id: &str, deed: Deed) -> Result<StatusCode, Problem> {
    let id: HookId = id.parse().map_err(|_| Problem::not_found())?;
    if !api.store.remove_hook(whose, id).await? {
        return Err(Problem::not_found());
    }
    deed.target(id).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

fn view(hook: &Hook, last: Option<Outcome>) -> HookView {
    HookView {
        id: hook.id.to_string(),
        url: hook.url.clone(),
        events: hook.events.iter().map(|event| event.as_str()).collect(),
        created_at: hook.created_at.to_string(),
        last: last.map(|last| OutcomeView { at: last.at.to_string(), ok: last.ok, note: last.note }),
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-webhook", "Not a hook", detail)
}
