//! `/api/v1/channels/{name}/emotes` and `/api/v1/admin/emotes`.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, OpenApi, ToSchema};
use weir_identity::{ChannelId, EmoteId};

use super::{Code, Emote, NotMade, Whose, images};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin},
    channels::routes::seen,
    error::Error,
    problem::Problem,
    rights::Right,
};

/// Longest wait for a picture: a megabyte over a slow line.
const UPLOAD_MAX: Duration = Duration::from_secs(30);
/// When to come back to have a picture made.
const BUSY_SECONDS: u64 = 5;

/// `upload_bytes_max` pictures are taken.
pub(crate) fn router(upload_bytes_max: usize) -> Router<Api> {
    let limit = DefaultBodyLimit::max(upload_bytes_max);
    Router::new()
        .route("/v1/channels/{name}/emotes", get(list).post(add).layer(limit))
        .route("/v1/channels/{name}/emotes/{code}", delete(remove))
        .route("/v1/admin/emotes", get(list_global).post(add_global).layer(limit))
        .route("/v1/admin/emotes/{code}", delete(remove_global))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, add, remove, list_global, add_global, remove_global))]
pub(crate) struct Description;

/// What is to be written for a picture.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// 2 to 32 of `[A-Za-z0-9_]`; written between two colons.
    #[param(min_length = 2, max_length = 32, pattern = "^[A-Za-z0-9_]{2,32}$", example = "wave")]
    code: String,
}

/// An emote.
#[derive(Serialize, ToSchema)]
struct EmoteView {
    /// What is written for it, between two colons.
    #[schema(example = "wave")]
    code: String,
    /// Where its picture is, below this server.
    #[schema(example = "/emotes/0190c0de-0000-7000-8000-000000000000.png")]
    url: String,
    /// Pixels across, at most 128.
    width: u32,
    /// Pixels down, at most 128.
    height: u32,
    /// Whether it moves.
    animated: bool,
    /// `channel`, or `global` for one that may be written in every channel.
    scope: &'static str,
}

/// Emotes.
#[derive(Serialize, ToSchema)]
struct EmoteList {
    /// The channel's own, by code, then those of all channels whose code the channel has not given to another.
    items: Vec<EmoteView>,
    /// Always null: there are some hundred at most.
    next: Option<String>,
}

/// What can be written in a channel: its own emotes and those of all channels.
#[utoipa::path(get, path = "/api/v1/channels/{name}/emotes", tag = "emotes", security((), ("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "The emotes.", body = EmoteList),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, caller: Option<Caller>, Path(name): Path<String>) -> Result<Response, Problem> {
    let (channel, _) = seen(&api, caller.as_ref(), &name).await?;
    let own = api.store.emotes_of(Whose::Channel(channel.id)).await?;
    let others = api.store.emotes_of(Whose::Installation).await?;
    let others: Vec<_> = others.iter().filter(|other| own.iter().all(|own| own.code != other.code)).collect();
    Ok(fresh(own.iter().chain(others).map(view).collect()))
}

/// Adds an emote to a channel. The body is a picture: PNG, JPEG, GIF or WebP. What is kept is made anew of what it looks
/// like, at most 128 pixels across and down. For the channel's owner and moderators.
#[utoipa::path(post, path = "/api/v1/channels/{name}/emotes", tag = "emotes", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), Wanted),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The picture."), responses(
    (status = 201, description = "The emote.", body = EmoteView),
    (status = 409, description = "The code is taken, or there are too many.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer, or too many pictures are made.", body = Problem, content_type = "application/problem+json"),
))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(name): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let code = code_of(wanted)?;
    let emote = keep(&api, &caller, Whose::Channel(channel.id), code, request).await?;
    api.presence.emotes_changed(Some(channel.id));
    let deed = Deed::by(&caller, origin, "emote.add").on(&channel);
    deed.detail(&json!({"code": emote.code.as_str()})).note(&*api.store).await;
    Ok(made(&emote))
}

/// Removes a channel's emote. What was written with it stays, as the code. For the channel's owner and moderators.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/emotes/{code}", tag = "emotes", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("code" = String, Path, description = "Its code.")), responses(
    (status = 204, description = "It is removed."),
    (status = "4XX", description = "Why not, or there is none.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn remove(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, code)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    drop_one(&api, Whose::Channel(channel.id), &code).await?;
    let deed = Deed::by(&caller, origin, "emote.remove").on(&channel);
    deed.detail(&json!({"code": code})).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Emotes that may be written in every channel.
#[utoipa::path(get, path = "/api/v1/admin/emotes", tag = "admin", security(("access" = [])), responses(
    (status = 200, description = "The emotes.", body = EmoteList),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list_global(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    Ok(fresh(api.store.emotes_of(Whose::Installation).await?.iter().map(view).collect()))
}

/// Adds an emote that may be written in every channel, as `POST /channels/{name}/emotes` does for one.
#[utoipa::path(post, path = "/api/v1/admin/emotes", tag = "admin", security(("access" = [])), params(Wanted),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The picture."), responses(
    (status = 201, description = "The emote.", body = EmoteView),
    (status = 409, description = "The code is taken, or there are too many.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer, or too many pictures are made.", body = Problem, content_type = "application/problem+json"),
))]
async fn add_global(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    wanted: Result<Query<Wanted>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    let code = code_of(wanted)?;
    let emote = keep(&api, &caller, Whose::Installation, code, request).await?;
    api.presence.emotes_changed(None);
    let deed = Deed::by(&caller, origin, "emote.add");
    deed.detail(&json!({"code": emote.code.as_str()})).note(&*api.store).await;
    Ok(made(&emote))
}

/// Removes an emote that may be written in every channel.
#[utoipa::path(delete, path = "/api/v1/admin/emotes/{code}", tag = "admin", security(("access" = [])),
    params(("code" = String, Path, description = "Its code.")), responses(
    (status = 204, description = "It is removed."),
    (status = "4XX", description = "Why not, or there is none.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_global(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(code): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_be_admin()?;
    drop_one(&api, Whose::Installation, &code).await?;
    Deed::by(&caller, origin, "emote.remove").detail(&json!({"code": code})).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

fn code_of(wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Code, Problem> {
    let Query(wanted) = wanted.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    wanted.code.parse().map_err(|error| Problem::bad_request(format!("`code` is no code: {error}.")))
}

/// Has the picture of a request made anew, and keeps it.
async fn keep(api: &Api, caller: &Caller, whose: Whose, code: Code, request: Request) -> Result<Emote, Problem> {
    let most = match whose {
        Whose::Installation => api.emotes.global_max,
        Whose::Channel(_) => api.emotes.per_channel_max,
    };
    let sent = upload(api, request).await?;
    let picture = api.pictures.make(sent).await.map_err(not_made)?;
    let emote = Emote {
        id: EmoteId::new(),
        whose,
        code,
        width: picture.width,
        height: picture.height,
        animated: picture.animated,
        by: caller.0.sub,
        at: crate::store_time(Timestamp::now()),
    };
    api.store.add_emote(emote.clone(), picture.png, most).await.map_err(|error| match error {
        Error::Exists => {
            let detail = format!("There is an emote :{}: already.", emote.code);
            Problem::new(StatusCode::CONFLICT, "emote-taken", "The code is taken", detail)
        }
        Error::TooMany => {
            let detail = format!("There are at most {most}; remove one first.");
            Problem::new(StatusCode::CONFLICT, "too-many-emotes", "Too many emotes", detail)
        }
        other => other.into(),
    })?;
    Ok(emote)
}

async fn upload(api: &Api, request: Request) -> Result<Bytes, Problem> {
    match tokio::time::timeout(UPLOAD_MAX, Bytes::from_request(request, &())).await {
        Ok(Ok(sent)) => Ok(sent),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("A picture may have {} bytes.", api.emotes.upload_bytes_max);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Too long", detail))
        }
        Ok(Err(rejection)) => Err(Problem::bad_request(rejection.body_text())),
        Err(_) => {
            let detail = format!("The picture did not come within {} s.", UPLOAD_MAX.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "late-body", "The request took too long", detail))
        }
    }
}

fn not_made(error: NotMade) -> Problem {
    match error {
        NotMade::Refused(why) => {
            let detail = format!("Not done: {why}.");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-picture", "No picture for an emote", detail)
        }
        NotMade::Busy => {
            let detail = "Too many pictures are made right now. Try again.";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "pictures-busy", "Busy", detail);
            problem.retry_after(BUSY_SECONDS)
        }
    }
}

async fn drop_one(api: &Api, whose: Whose, code: &str) -> Result<(), Problem> {
    let none = || {
        let code: String = code.chars().take(super::CODE_CHARS_MAX).collect();
        Problem::new(StatusCode::NOT_FOUND, "emote-not-found", "No emote", format!("There is no emote :{code}:."))
    };
    let valid = code.parse().map_err(|_| none())?;
    let removed = api.store.remove_emote(whose, valid).await?.ok_or_else(none)?;
    api.images.forget(removed.id);
    api.presence.emotes_changed(channel_of(whose));
    Ok(())
}

fn channel_of(whose: Whose) -> Option<ChannelId> {
    match whose {
        Whose::Installation => None,
        Whose::Channel(channel) => Some(channel),
    }
}

fn view(emote: &Emote) -> EmoteView {
    EmoteView {
        code: emote.code.to_string(),
        url: images::address(emote.id),
        width: emote.width,
        height: emote.height,
        animated: emote.animated,
        scope: if emote.whose == Whose::Installation { "global" } else { "channel" },
    }
}

fn made(emote: &Emote) -> Response {
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view(emote))).into_response()
}

fn fresh(items: Vec<EmoteView>) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(EmoteList { items, next: None })).into_response()
}
