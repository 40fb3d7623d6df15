//! `/api/v1/me/keys`: the stream keys of one's own channel.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use weir_identity::{ChannelName, KeyId, StreamKey};

use super::{Key, check_name};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin, Refused},
    channels::Channel,
    error::Error,
    json::Body,
    once::Once,
    problem::Problem,
};

pub(crate) fn router() -> Router<Api> {
    Router::new().route("/v1/me/keys", get(list).post(make)).route("/v1/me/keys/{id}", axum::routing::delete(revoke))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, make, revoke))]
pub(crate) struct Description;

/// What the key is to be.
#[derive(Default, Deserialize, ToSchema)]
struct KeyWanted {
    /// What its owner calls it, 1 to 64 characters; `stream key` without it.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// From when on it is refused, RFC 3339; never without it.
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
    /// Of which of one's channels; the one with one's own name without it.
    #[schema(pattern = "^[A-Za-z0-9_]{3,32}$")]
    channel: Option<String>,
}

/// A key as it is listed: never the key itself.
#[derive(Serialize, ToSchema)]
struct KeyView {
    /// Its id.
    id: String,
    /// The channel it publishes.
    #[schema(example = "anna")]
    channel: String,
    /// What its owner calls it.
    name: String,
    /// When it was made, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    created_at: String,
    /// From when on it is refused.
    #[schema(format = "date-time")]
    expires_at: Option<String>,
    /// When it was last used to publish.
    #[schema(format = "date-time")]
    last_used_at: Option<String>,
    /// When it was revoked.
    #[schema(format = "date-time")]
    revoked_at: Option<String>,
}

/// The keys of one's channels; there are never so many that they need pages.
#[derive(Serialize, ToSchema)]
struct Keys {
    /// The keys, by channel, oldest first.
    items: Vec<KeyView>,
    /// Always null.
    next: Option<String>,
}

/// A key that was just made. The key is shown this once.
#[derive(Serialize, ToSchema)]
struct Made {
    /// Its id.
    id: String,
    /// The key.
    key: String,
    /// For OBS and other RTMP encoders.
    rtmp: Rtmp,
    /// For WHIP encoders.
    whip: Whip,
}

/// What an RTMP encoder wants to know.
#[derive(Serialize, ToSchema)]
struct Rtmp {
    /// The server.
    #[schema(example = "rtmp://live.example.org:1935/live")]
    server: String,
    /// The stream key.
    key: String,
}

/// What a WHIP encoder wants to know.
#[derive(Serialize, ToSchema)]
struct Whip {
    /// The address.
    #[schema(example = "https://live.example.org/whip")]
    url: String,
    /// The bearer token, which is the stream key.
    token: String,
}

/// The stream keys of one's channels, those that were revoked lately included.
#[utoipa::path(get, path = "/api/v1/me/keys", tag = "keys", security(("access" = [])), responses(
    (status = 200, description = "The keys.", body = Keys),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let mut items = Vec::new();
    for channel in api.store.channels_of(caller.0.sub).await? {
        let keys = api.store.keys_of(channel.id).await?;
        items.extend(keys.iter().map(|key| view(key, &channel)));
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Keys { items, next: None })).into_response())
}

/// Makes a stream key.
#[utoipa::path(post, path = "/api/v1/me/keys", tag = "keys", request_body = KeyWanted, security(("access" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]*$", description = "The same request with the same key within a day is answered the same, and done once.")), responses(
    (status = 201, description = "The key, shown this once.", body = Made),
    (status = 404, description = "There is no such channel.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn make(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    headers: HeaderMap,
    once: Once,
    Body(wanted): Body<KeyWanted>,
) -> Result<Response, Problem> {
    let account = caller.0.sub;
    once.answer(&api, account, "keys.make", async || {
        let name = wanted.name.as_deref().unwrap_or("stream key");
        check_name(name).map_err(|error| unusable("invalid-key-name", format!("Not done: {error}.")))?;
        if wanted.expires_at.is_some_and(|end| end <= Timestamp::now()) {
            return Err(unusable("invalid-expiry", "A key that has expired already opens nothing.".into()));
        }
        let channel = own_channel(&api, &caller, wanted.channel.as_deref()).await?;
        let key = StreamKey::random();
        let expires_at = wanted.expires_at.map(crate::store_time);
        let kept = Key { expires_at, ..Key::new(channel.id, name, api.secret.hash(&key)) };
        let id = kept.id;
        api.store.add_key(kept).await.map_err(|error| match error {
            Error::TooMany => {
                let detail = format!("A channel has at most {} keys; revoke one first.", super::KEYS_PER_CHANNEL_MAX);
                Problem::new(StatusCode::CONFLICT, "too-many-keys", "Too many keys", detail)
            }
            other => other.into(),
        })?;
        let deed = Deed::by(&caller, origin, "key.make").on(&channel).target(id);
        deed.note(&*api.store).await;
        let authority = authority(&headers);
        let host = authority.map(host_of);
        let key = key.reveal().to_owned();
        let rtmp = Rtmp { server: api.places.rtmp_server(host), key: key.clone() };
        let whip = Whip { url: api.places.whip(authority, origin.tls), token: key.clone() };
        Ok((StatusCode::CREATED, Made { id: id.to_string(), key, rtmp, whip }))
    })
    .await
}

/// Revokes a stream key. Whoever publishes with it is cut within a second.
#[utoipa::path(delete, path = "/api/v1/me/keys/{id}", tag = "keys", security(("access" = [])),
    params(("id" = String, Path, description = "The key's id.")), responses(
    (status = 204, description = "It is revoked."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: KeyId = id.parse().map_err(|_| Problem::not_found())?;
    for channel in api.store.channels_of(caller.0.sub).await? {
        let known = api.store.keys_of(channel.id).await?.iter().any(|key| key.id == id);
        if known {
            // Once more changes nothing.
            if api.store.revoke_key(channel.id, id, crate::store_time(Timestamp::now())).await? {
                Deed::by(&caller, origin, "key.revoke").on(&channel).target(id).note(&*api.store).await;
            }
            api.presence.revoked(&[id]);
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(Problem::not_found())
}

/// The channel of the caller that is meant.
async fn own_channel(api: &Api, caller: &Caller, wanted: Option<&str>) -> Result<Channel, Problem> {
    let name = match wanted {
        Some(name) => ChannelName::parse(name).map_err(|_| Problem::channel_not_found(name))?,
        None => caller.0.name.clone(),
    };
    let channel = api.store.channel_named(&name).await?;
    let own = channel.filter(|channel| channel.owner == Some(caller.0.sub) || caller.is_admin());
    match own {
        Some(channel) => Ok(channel),
        None if wanted.is_none() => Err(Refused::Gone.into()),
        None => Err(Problem::channel_not_found(name.as_str())),
    }
}

fn view(key: &Key, channel: &Channel) -> KeyView {
    KeyView {
        id: key.id.to_string(),
        channel: channel.name.to_string(),
        name: key.name.clone(),
        created_at: key.created_at.to_string(),
        expires_at: key.expires_at.map(|at| at.to_string()),
        last_used_at: key.last_used_at.map(|at| at.to_string()),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
    }
}

fn unusable(slug: &str, detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, slug, "The key cannot be made so", detail)
}

/// Host and port under which the caller reached us, if the header could stand in a URL.
fn authority(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(plain)).then_some(host)
}

/// The host of `host:port`.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}
