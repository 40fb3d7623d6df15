//! `/api/v1`: channels, as JSON, described by `/api/openapi.json`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use weir_identity::ChannelName;

use crate::{
    auth::{self, Auth},
    channels::Channel,
    json::BODY_BYTES_MAX,
    me,
    presence::{Presence, RenditionInfo},
    problem::Problem,
    store::Store,
};

/// Items of a page without `limit`.
const PAGE_DEFAULT: usize = 50;
/// Most items of a page: what a page of pictures shows, and little to render.
const PAGE_MAX: usize = 200;

/// What the routes ask.
#[derive(Clone)]
pub struct Api {
    /// Where channels are kept.
    pub store: Arc<dyn Store>,
    /// What is live.
    pub presence: Arc<dyn Presence>,
    /// Who is logged in.
    pub auth: Arc<Auth>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

/// The routes below `/api`. Anything else there is a problem document.
pub fn router(api: Api) -> Router {
    let routes = Router::new()
        .route("/v1/channels", get(list))
        .route("/v1/channels/{name}", get(one))
        .merge(auth::routes::router())
        .merge(me::router())
        .route("/openapi.json", get(description))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(api);
    Router::new().nest("/api", routes)
}

/// What `/api/openapi.json` says.
#[derive(OpenApi)]
#[openapi(
    info(title = "Weir", description = "Live streams. Errors are problem documents (RFC 9457) with a stable `type`."),
    paths(list, one),
    components(schemas(Problem)),
    modifiers(&Access)
)]
pub struct Description;

/// How callers say who they are.
struct Access;

impl Modify for Access {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("access", SecurityScheme::Http(bearer));
    }
}

/// A channel, as everybody may see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChannelView {
    /// Its name, which is its address.
    #[schema(example = "anna")]
    name: String,
    /// What people read above the player.
    title: String,
    /// Whether it is live.
    live: bool,
    /// When the running stream began, RFC 3339 in UTC; null while it is not live.
    #[schema(format = "date-time")]
    started_at: Option<String>,
    /// Viewers now, an estimate.
    viewers: u64,
    /// What the running stream comes in; empty while it is not live.
    renditions: Vec<RenditionInfo>,
    /// Where to watch.
    playback: Playback,
}

/// Addresses of a stream, below this server; null for what this server does not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Playback {
    /// Low-Latency HLS.
    #[schema(example = "/live/anna/index.m3u8")]
    hls: Option<String>,
    /// Low-latency DASH.
    dash: Option<String>,
    /// WHEP: real time, over WebRTC.
    #[schema(example = "/whep/anna")]
    whep: Option<String>,
}

/// A page of channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelPage {
    /// The channels, by name.
    items: Vec<ChannelView>,
    /// Give it as `cursor` for what follows; null at the end.
    next: Option<String>,
}

/// Which channels.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only those that are live (`true`), or that are not (`false`).
    live: Option<bool>,
    /// At most so many, 1 to 200; 50 without it.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Channels, by name.
#[utoipa::path(get, path = "/api/v1/channels", params(Wanted), responses(
    (status = 200, description = "A page of channels.", body = ChannelPage),
    (status = 400, description = "A parameter makes no sense.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {PAGE_MAX}.")));
    }
    let after = match wanted.cursor.as_deref().map(ChannelName::parse) {
        None => None,
        Some(Ok(name)) => Some(name),
        Some(Err(_)) => return Err(Problem::bad_request("`cursor` must be the `next` of an earlier page.")),
    };
    let (channels, next) = match wanted.live {
        Some(true) => live_page(&api, after, limit).await?,
        Some(false) => offline_page(&api, after, limit).await?,
        None => full_page(api.store.channels(after, limit + 1).await?, limit),
    };
    let items = channels.iter().map(|channel| view(channel, &*api.presence)).collect();
    Ok(fresh(&ChannelPage { items, next }))
}

/// One channel.
#[utoipa::path(get, path = "/api/v1/channels/{name}", params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "The channel.", body = ChannelView),
    (status = 404, description = "There is no such channel.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn one(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Problem> {
    let valid = ChannelName::parse(&name).map_err(|_| Problem::channel_not_found(&name))?;
    let channel = api.store.channel_named(&valid).await?.ok_or_else(|| Problem::channel_not_found(&name))?;
    Ok(fresh(&view(&channel, &*api.presence)))
}

async fn description() -> Response {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let text = TEXT.get_or_init(openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The description as it is served and committed.
fn openapi_json() -> String {
    let mut all = Description::openapi();
    all.merge(auth::routes::Description::openapi());
    all.merge(me::description());
    let mut text = all.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Live channels are few beside all channels, so they are sorted and cut here.
async fn live_page(api: &Api, after: Option<ChannelName>, limit: usize) -> Result<Page, Problem> {
    let mut names = api.presence.live_channels();
    names.retain(|name| after.as_ref().is_none_or(|after| name > after));
    names.sort_unstable();
    names.dedup();
    names.truncate(limit + 1);
    let next = (names.len() > limit).then(|| names[limit - 1].to_string());
    names.truncate(limit);
    let mut channels = api.store.channels_named(names).await?;
    channels.sort_unstable_by(|one, two| one.name.cmp(&two.name));
    Ok((channels, next))
}

async fn offline_page(api: &Api, after: Option<ChannelName>, limit: usize) -> Result<Page, Problem> {
    let live: std::collections::HashSet<_> = api.presence.live_channels().into_iter().collect();
    let mut channels = api.store.channels(after, limit + 1 + live.len()).await?;
    channels.retain(|channel| !live.contains(&channel.name));
    Ok(full_page(channels, limit))
}

type Page = (Vec<Channel>, Option<String>);

/// Cuts one channel too many off a page, which tells that there is a next one.
fn full_page(mut channels: Vec<Channel>, limit: usize) -> Page {
    let next = (channels.len() > limit).then(|| channels[limit - 1].name.to_string());
    channels.truncate(limit);
    (channels, next)
}

fn view(channel: &Channel, presence: &dyn Presence) -> ChannelView {
    let live = presence.live(&channel.name);
    ChannelView {
        name: channel.name.to_string(),
        title: channel.title.clone(),
        live: live.is_some(),
        started_at: live.as_ref().map(|live| live.started_at.to_string()),
        viewers: live.as_ref().map_or(0, |live| live.viewers),
        renditions: live.map(|live| live.renditions).unwrap_or_default(),
        playback: Playback {
            hls: Some(format!("/live/{}/index.m3u8", channel.name)),
            dash: None,
            whep: presence.serves_whep().then(|| format!("/whep/{}", channel.name)),
        },
    }
}

/// An answer that is true now and may be old in a second.
fn fresh<T: Serialize>(body: &T) -> Response {
    let mut response = Json(body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests;
