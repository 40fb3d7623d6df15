//! `/api/v1/channels`.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};
use weir_identity::ChannelName;

use super::{
    CATEGORY_CHARS_MAX, Channel, ChannelView, Conflict, DESCRIPTION_CHARS_MAX, LANGUAGE_CHARS_MAX, Latency,
    TAG_CHARS_MAX, TAGS_MAX, TITLE_CHARS_MAX, Visibility, Watching,
};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin, Refused},
    json::Body,
    playback::{LIFETIME, LIFETIME_MAX},
    precondition::{self, Version},
    problem::Problem,
    rights::Right,
    rooms::Changed,
};

/// Items of a page without `limit`.
const PAGE_DEFAULT: usize = 50;
/// Most items of a page: what a page of pictures shows, and little to render.
const PAGE_MAX: usize = 200;
/// Channels looked at for one page, of which some stand in no list.
const SCANNED_MAX: usize = 2_000;

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels", get(list))
        .route("/v1/channels/{name}", get(one).patch(change))
        .route("/v1/channels/{name}/session", axum::routing::delete(end_session))
        .route("/v1/channels/{name}/playback-tokens", post(playback_token))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, one, change, end_session, playback_token))]
pub(crate) struct Description;

/// A page of channels.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelPage {
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
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{3,32}$")]
    cursor: Option<String>,
}

/// What changes; what is not there stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChannelChange {
    /// 1 to 140 characters.
    #[schema(
        min_length = 1,
        max_length = 140,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    title: Option<String>,
    /// At most 5 000 characters.
    #[schema(max_length = 5000, pattern = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$")]
    description: Option<String>,
    /// At most 10, of 1 to 32 characters each.
    #[schema(max_items = 10, value_type = Option<Vec<Tag>>)]
    tags: Option<Vec<String>>,
    /// At most 64 characters.
    #[schema(max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    category: Option<String>,
    /// A language tag of BCP 47, or empty.
    #[schema(max_length = 35, pattern = "^[A-Za-z0-9-]*$", example = "ko")]
    language: Option<String>,
    /// Who may watch.
    #[schema(value_type = Option<Visibility>)]
    visibility: Option<String>,
    /// How much safety is given away for speed.
    #[schema(value_type = Option<Latency>)]
    latency: Option<String>,
    /// What a second publisher gets: the channel (`take_over`), or a refusal (`refuse`).
    #[schema(value_type = Option<Conflict>)]
    conflict: Option<String>,
    /// Whether the streams that begin from now on are recorded.
    record: Option<bool>,
}

/// A tag, as the description of the API has it.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 32, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+( [^\s\x00-\x1f\x7f-\x9f]+)*$")]
#[expect(dead_code, reason = "it is described, and read as text")]
struct Tag(String);

/// How long a signed address is to count.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct TokenWanted {
    /// Seconds, at most 30 days; 12 hours without it.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 2_592_000)]
    expires_in: Option<serde_json::Number>,
}

/// Signed addresses of a closed channel.
#[derive(Debug, Serialize, ToSchema)]
struct TokenMade {
    /// The token, for `?token=`.
    token: String,
    /// Until when it counts, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    expires_at: String,
    /// The channel with addresses that carry it.
    channel: ChannelView,
}

/// Channels, by name. Those that are not public stand in no list.
#[utoipa::path(get, path = "/api/v1/channels", tag = "channels", params(Wanted), responses(
    (status = 200, description = "A page of channels.", body = ChannelPage),
    (status = "4XX", description = "A parameter makes no sense.", body = Problem, content_type = "application/problem+json"),
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
        is_live => page(&api, after, limit, is_live == Some(false)).await?,
    };
    let view = |channel: &Channel| ChannelView::of(channel, &*api.presence, &Watching::Open);
    Ok(fresh(&ChannelPage { items: channels.iter().map(view).collect(), next }))
}

/// One channel. A private one is there only for who may watch it.
#[utoipa::path(get, path = "/api/v1/channels/{name}", tag = "channels", security((), ("access" = [])), params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "The channel; `ETag` is the version of its settings.", body = ChannelView),
    (status = "4XX", description = "There is no such channel.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn one(State(api): State<Api>, caller: Option<Caller>, Path(name): Path<String>) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, caller.as_ref(), &name).await?;
    view(&api, &channel, right).await
}

/// Changes a channel: its owner and moderators.
#[utoipa::path(patch, path = "/api/v1/channels/{name}", tag = "channels", request_body = ChannelChange, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]+")$"#, example = "\"1\"", description = "Only if its settings are still of this version.")), responses(
    (status = 200, description = "The channel as it is now.", body = ChannelView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn change(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(change): Body<ChannelChange>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    precondition::check(&headers, Version(channel.version))?;
    let changed = change.of(channel.clone())?;
    if !api.store.update_channel(changed.clone()).await? {
        return Err(Refused::Changed.into());
    }
    let changed = Channel { version: changed.version + 1, ..changed };
    if changed.visibility != channel.visibility {
        api.presence.visibility_changed(&changed.name, changed.visibility);
        api.presence.rights_changed(Changed::Channel(changed.id));
    }
    let detail = serde_json::json!({
        "title": changed.title, "visibility": changed.visibility.as_str(), "record": changed.record,
    });
    Deed::by(&caller, origin, "channel.change").on(&changed).detail(&detail).note(&*api.store).await;
    view(&api, &changed, right).await
}

/// Ends the running publish: the channel's owner and moderators, and operators.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/session", tag = "channels", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 204, description = "It ends, or there was none."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn end_session(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    api.presence.end(&channel.name);
    Deed::by(&caller, origin, "session.end").on(&channel).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs addresses of a closed channel, to be given to those who may watch: its owner and moderators.
#[utoipa::path(post, path = "/api/v1/channels/{name}/playback-tokens", tag = "channels", request_body = TokenWanted, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 201, description = "The addresses.", body = TokenMade),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn playback_token(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(name): Path<String>,
    Body(wanted): Body<TokenWanted>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let life = wanted.expires_in.map_or(Some(LIFETIME), |seconds| whole(&seconds).map(SignedDuration::from_secs));
    let life = life.filter(|life| life.is_positive() && *life <= LIFETIME_MAX);
    let life = life.ok_or_else(|| invalid("`expires_in` must be 1 s to 30 days, in whole seconds."))?;
    let end = Timestamp::now() + life;
    let token = api.playback.sign(&channel.name, channel.id, end);
    Deed::by(&caller, origin, "playback.sign").on(&channel).note(&*api.store).await;
    let expires_at = Timestamp::from_second(end.as_second()).unwrap_or(end).to_string();
    let view = ChannelView::of(&channel, &*api.presence, &Watching::Signed(token.clone()));
    let made = TokenMade { token, expires_at, channel: view };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

/// A whole number, which JSON may write as `60.0` as well.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let fraction = || number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    number.as_i64().or_else(|| fraction().map(|number| number as i64))
}

/// The channel, if the caller may know of it, and what they may do there.
pub(crate) async fn seen(api: &Api, caller: Option<&Caller>, name: &str) -> Result<(Channel, Right), Problem> {
    let valid = ChannelName::parse(name).map_err(|_| Problem::channel_not_found(name))?;
    let channel = api.store.channel_named(&valid).await?.ok_or_else(|| Problem::channel_not_found(name))?;
    let right = Right::of(&*api.store, caller, &channel).await?;
    if channel.visibility == Visibility::Private && !right.may_watch(channel.visibility) {
        return Err(Problem::channel_not_found(name));
    }
    Ok((channel, right))
}

async fn view(api: &Api, channel: &Channel, right: Right) -> Result<Response, Problem> {
    let followers = api.store.followers(channel.id).await?;
    let watching = match channel.visibility {
        open if !open.is_closed() => Watching::Open,
        closed if right.may_watch(closed) => {
            Watching::Signed(api.playback.sign(&channel.name, channel.id, Timestamp::now() + LIFETIME))
        }
        _ => Watching::Closed,
    };
    let mut response = fresh(&ChannelView::of(channel, &*api.presence, &watching).with_followers(followers));
    let headers = response.headers_mut();
    headers.insert(header::ETAG, Version(channel.version).etag());
    if channel.visibility.is_closed() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

impl ChannelChange {
    /// The channel with the change.
    fn of(self, channel: Channel) -> Result<Channel, Problem> {
        let text = |wanted: Option<String>, kept: String, most: usize, what: &str| match wanted {
            Some(text) if text.chars().count() > most => {
                Err(invalid(&format!("`{what}` has at most {most} characters.")))
            }
            Some(text) if text.chars().any(|c| c.is_control() && !(what == "description" && c == '\n')) => {
                Err(invalid(&format!("`{what}` has a control character.")))
            }
            wanted => Ok(wanted.unwrap_or(kept)),
        };
        let language = text(self.language, channel.language, LANGUAGE_CHARS_MAX, "language")?;
        if !language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(invalid("`language` must be a language tag such as `ko` or `zh-Hant`."));
        }
        let title = text(self.title, channel.title, TITLE_CHARS_MAX, "title")?;
        if title.trim().is_empty() {
            return Err(invalid("`title` must not be empty."));
        }
        Ok(Channel {
            title,
            description: text(self.description, channel.description, DESCRIPTION_CHARS_MAX, "description")?,
            category: text(self.category, channel.category, CATEGORY_CHARS_MAX, "category")?,
            language,
            tags: self.tags.map_or(Ok(channel.tags), tags)?,
            visibility: named(self.visibility, channel.visibility, Visibility::parse, "visibility")?,
            latency: named(self.latency, channel.latency, Latency::parse, "latency")?,
            conflict: named(self.conflict, channel.conflict, Conflict::parse, "conflict")?,
            record: self.record.unwrap_or(channel.record),
            ..channel
        })
    }
}

fn tags(wanted: Vec<String>) -> Result<Vec<String>, Problem> {
    if wanted.len() > TAGS_MAX {
        return Err(invalid(&format!("`tags` has at most {TAGS_MAX} items.")));
    }
    let tags = wanted.into_iter().map(|tag| tag.trim().to_owned());
    let mut tags: Vec<String> = tags.collect();
    let fine = |tag: &String| (1..=TAG_CHARS_MAX).contains(&tag.chars().count()) && !tag.chars().any(char::is_control);
    if !tags.iter().all(fine) {
        return Err(invalid(&format!("A tag has 1 to {TAG_CHARS_MAX} characters.")));
    }
    let mut known = std::collections::HashSet::new();
    tags.retain(|tag| known.insert(tag.to_lowercase()));
    Ok(tags)
}

fn named<T>(wanted: Option<String>, kept: T, parse: fn(&str) -> Option<T>, what: &str) -> Result<T, Problem> {
    match wanted {
        Some(text) => parse(&text).ok_or_else(|| invalid(&format!("`{what}` cannot be that."))),
        None => Ok(kept),
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-channel", "The channel cannot be so", detail)
}

type Page = (Vec<Channel>, Option<String>);

/// Live channels are few beside all channels, so they are sorted and cut here.
async fn live_page(api: &Api, after: Option<ChannelName>, limit: usize) -> Result<Page, Problem> {
    let mut names = api.presence.live_channels();
    names.retain(|name| after.as_ref().is_none_or(|after| name > after));
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for some in names.chunks(PAGE_MAX) {
        found.extend(api.store.channels_named(some.to_vec()).await?.into_iter().filter(is_listed));
        if found.len() > limit {
            break;
        }
    }
    found.sort_unstable_by(|one, two| one.name.cmp(&two.name));
    Ok(full_page(found, limit))
}

/// All channels in order of their names, or those that are not live.
async fn page(api: &Api, mut after: Option<ChannelName>, limit: usize, offline: bool) -> Result<Page, Problem> {
    let live: std::collections::HashSet<_> =
        if offline { api.presence.live_channels().into_iter().collect() } else { Default::default() };
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let batch = api.store.channels(after.take(), limit + 1).await?;
        let whole = batch.len() > limit;
        scanned += batch.len();
        after = batch.last().map(|channel| channel.name.clone());
        found.extend(batch.into_iter().filter(|channel| is_listed(channel) && !live.contains(&channel.name)));
        if found.len() > limit || !whole {
            return Ok(full_page(found, limit));
        }
        if scanned >= SCANNED_MAX {
            return Ok((found, after.map(|name| name.to_string())));
        }
    }
}

fn is_listed(channel: &Channel) -> bool {
    channel.visibility == Visibility::Public
}

/// Cuts one channel too many off a page, which tells that there is a next one.
fn full_page(mut channels: Vec<Channel>, limit: usize) -> Page {
    let next = (channels.len() > limit).then(|| channels[limit - 1].name.to_string());
    channels.truncate(limit);
    (channels, next)
}

/// An answer that is true now and may be old in a second.
fn fresh<T: Serialize>(body: &T) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(body)).into_response()
}
