//! `/api/v1/channels/{name}/vods` and `/api/v1/vods`: recordings.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};
use weir_identity::{VodId, WatchId};

use super::{State as Stage, Vod};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin, Refused},
    channels::{Channel, Playback, TITLE_CHARS_MAX, Visibility, routes::seen},
    json::Body,
    page::{Page, PageById},
    playback::LIFETIME,
    precondition::{self, Version},
    problem::Problem,
    rights::Right,
};

/// Recordings looked at for one page, of which some stand in no list.
const SCANNED_MAX: usize = 1_000;

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/vods", get(list))
        .route("/v1/vods/{id}", get(one).patch(change).delete(remove))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, one, change, remove))]
pub(crate) struct Description;

/// A recording.
#[derive(Serialize, ToSchema)]
#[schema(as = VodView)]
struct View {
    /// Its id.
    #[schema(format = "uuid")]
    id: String,
    /// Of which channel.
    #[schema(example = "anna")]
    channel: String,
    /// What people read above the player.
    title: String,
    /// How far it is. What is still recorded can be watched from its beginning.
    #[schema(value_type = Stage)]
    state: &'static str,
    /// Why it failed, or ended before its stream did; empty when all is well.
    note: String,
    /// Who may watch.
    #[schema(value_type = Visibility)]
    visibility: &'static str,
    /// When its stream began, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    started_at: String,
    /// How long it plays, in milliseconds; 0 while it is recorded.
    duration_ms: u64,
    /// What it takes on the disk, in bytes; 0 while it is recorded.
    bytes: u64,
    /// Where to watch; null for what this server does not serve, or not to this caller.
    playback: Playback,
}

/// A page of recordings.
#[derive(Serialize, ToSchema)]
struct VodPage {
    /// The recordings, newest first.
    items: Vec<View>,
    /// Give it as `cursor` for what follows; null at the end. A page may be short, and there may be more all the same.
    next: Option<String>,
}

/// What changes; what is not there stays.
#[derive(Deserialize, ToSchema)]
struct VodChange {
    /// 1 to 140 characters.
    #[schema(
        min_length = 1,
        max_length = 140,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    title: Option<String>,
    /// Who may watch.
    #[schema(value_type = Option<Visibility>)]
    visibility: Option<String>,
}

/// A channel's recordings, newest first: those that are public; for its owner and moderators all.
#[utoipa::path(get, path = "/api/v1/channels/{name}/vods", tag = "vods", security((), ("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), PageById), responses(
    (status = 200, description = "A page of recordings.", body = VodPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Option<Caller>,
    Path(name): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (mut before, limit) = Page::of::<VodId>(page)?;
    let (channel, right) = seen(&api, caller.as_ref(), &name).await?;
    let is_listed =
        |vod: &Vod| right >= Right::Moderator || (vod.visibility == Visibility::Public && vod.state != Stage::Failed);
    let (mut found, mut scanned, mut more) = (Vec::new(), 0, true);
    while more && found.len() < limit && scanned < SCANNED_MAX {
        let batch = api.store.vods_of(channel.id, before, limit + 1).await?;
        more = batch.len() > limit;
        scanned += batch.len();
        for vod in batch {
            if found.len() == limit {
                more = true;
                break;
            }
            before = Some(vod.id);
            found.extend(Some(vod).filter(is_listed));
        }
    }
    let next = before.filter(|_| more).map(|id| id.to_string());
    let items = found.into_iter().map(|vod| View::of(&api, vod, &channel, right)).collect();
    let cache = if right >= Right::Moderator { "no-store" } else { "no-cache" };
    Ok(([(header::CACHE_CONTROL, cache)], Json(VodPage { items, next })).into_response())
}

/// One recording. A private one is there only for who may watch it.
#[utoipa::path(get, path = "/api/v1/vods/{id}", tag = "vods", security((), ("access" = [])),
    params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, description = "The recording; `ETag` is the version of its settings.", body = View),
    (status = "4XX", description = "There is no such recording.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn one(State(api): State<Api>, caller: Option<Caller>, Path(id): Path<String>) -> Result<Response, Problem> {
    let (vod, channel, right) = found(&api, caller.as_ref(), &id).await?;
    Ok(view(&api, vod, &channel, right))
}

/// Changes a recording: the channel's owner and moderators. With another visibility its media has other addresses.
#[utoipa::path(patch, path = "/api/v1/vods/{id}", tag = "vods", request_body = VodChange, security(("access" = [])),
    params(("id" = String, Path, description = "Its id."),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]+")$"#, example = "\"1\"", description = "Only if its settings are still of this version.")), responses(
    (status = 200, description = "The recording as it is now.", body = View),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn change(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<VodChange>,
) -> Result<Response, Problem> {
    let (vod, channel, right) = found(&api, Some(&caller), &id).await?;
    right.at_least(Right::Moderator)?;
    precondition::check(&headers, Version(vod.version))?;
    let changed = change.of(vod.clone())?;
    if !api.store.update_vod(changed.clone()).await? {
        return Err(Refused::Changed.into());
    }
    if changed.watch != vod.watch {
        api.presence.vod_changed(vod.id);
    }
    let detail = json!({"title": changed.title, "visibility": changed.visibility.as_str()});
    Deed::by(&caller, origin, "vod.change").on(&channel).target(vod.id).detail(&detail).note(&*api.store).await;
    let changed = Vod { version: changed.version + 1, ..changed };
    Ok(view(&api, changed, &channel, right))
}

/// Removes a recording with its media, also while it is recorded: for the channel's owner.
#[utoipa::path(delete, path = "/api/v1/vods/{id}", tag = "vods", security(("access" = [])),
    params(("id" = String, Path, description = "Its id.")), responses(
    (status = 204, description = "It is gone."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn remove(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (vod, channel, right) = found(&api, Some(&caller), &id).await?;
    right.at_least(Right::Owner)?;
    if !api.store.delete_vod(vod.id).await? {
        return Err(missing());
    }
    api.presence.vod_changed(vod.id);
    let detail = json!({"title": vod.title});
    Deed::by(&caller, origin, "vod.remove").on(&channel).target(vod.id).detail(&detail).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The recording, if the caller may know of it, its channel, and what they may do there.
async fn found(api: &Api, caller: Option<&Caller>, id: &str) -> Result<(Vod, Channel, Right), Problem> {
    let id: VodId = id.parse().map_err(|_| missing())?;
    let vod = api.store.vod(id).await?.ok_or_else(missing)?;
    let channel = api.store.channel(vod.channel).await?.ok_or_else(missing)?;
    let right = Right::of(&*api.store, caller, &channel).await?;
    let is_hidden = vod.state == Stage::Failed || vod.visibility == Visibility::Private;
    if is_hidden && right < Right::Moderator {
        return Err(missing());
    }
    Ok((vod, channel, right))
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "vod-not-found", "No recording", "There is no such recording.")
}

fn view(api: &Api, vod: Vod, channel: &Channel, right: Right) -> Response {
    let (etag, is_closed) = (Version(vod.version).etag(), vod.visibility.is_closed());
    let mut response = Json(View::of(api, vod, channel, right)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    let cache = if is_closed { "no-store" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

impl View {
    fn of(api: &Api, vod: Vod, channel: &Channel, right: Right) -> Self {
        let signature = || api.playback.sign_vod(vod.id, Timestamp::now() + LIFETIME);
        let query = match vod.visibility {
            open if !open.is_closed() => Some(String::new()),
            closed if right.may_watch(closed) => Some(format!("?token={}", signature())),
            _ => None,
        };
        let query = query.filter(|_| vod.state != Stage::Failed);
        Self {
            id: vod.id.to_string(),
            channel: channel.name.to_string(),
            title: vod.title,
            state: vod.state.as_str(),
            note: vod.note,
            visibility: vod.visibility.as_str(),
            started_at: vod.started_at.to_string(),
            duration_ms: vod.duration_ms,
            bytes: vod.bytes,
            playback: Playback::of_vod(query.map(|query| format!("/vod/{}/index.m3u8{query}", vod.id))),
        }
    }
}

impl VodChange {
    /// The recording with the change.
    fn of(self, vod: Vod) -> Result<Vod, Problem> {
        let title = self.title.unwrap_or(vod.title);
        if title.chars().count() > TITLE_CHARS_MAX || title.trim().is_empty() || title.chars().any(char::is_control) {
            return Err(invalid(format!("A title is one line of 1 to {TITLE_CHARS_MAX} characters.")));
        }
        let visibility = match self.visibility {
            Some(text) => Visibility::parse(&text).ok_or_else(|| invalid("`visibility` cannot be that.".into()))?,
            None => vod.visibility,
        };
        let watch = if visibility == vod.visibility { vod.watch } else { WatchId::random() };
        Ok(Vod { title, visibility, watch, ..vod })
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-vod", "The recording cannot be so", detail)
}
