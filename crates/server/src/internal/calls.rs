//! The calls of the command line.

use std::time::Duration;

use super::*;
use axum::extract::rejection::JsonRejection;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use weir_control::channels::Conflict;
use weir_identity::{ChannelName, KeyId, StreamKey};

use crate::wiring::admin::{Opened, Shown};

/// A channel to make.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewChannel {
    /// Its name.
    pub(crate) name: String,
    /// Its key; a made one if nothing.
    pub(crate) key: Option<String>,
}

/// A key to set.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct KeyChoice {
    /// The key; a made one if nothing.
    pub(crate) key: Option<String>,
}

/// A key to add.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NewKey {
    /// What it is called in lists.
    pub(crate) name: Option<String>,
    /// The key; a made one if nothing.
    pub(crate) key: Option<String>,
    /// How long it opens the channel; for ever if nothing.
    #[serde(with = "humantime_serde")]
    pub(crate) expires: Option<Duration>,
}

/// A key in a list. The key itself is not kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListedKey {
    /// Its id.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: String,
    /// When it was made, RFC 3339 UTC, as all times here.
    pub(crate) created_at: String,
    /// When it last opened the channel.
    pub(crate) last_used_at: Option<String>,
    /// From when on it is refused.
    pub(crate) expires_at: Option<String>,
    /// What it does now.
    pub(crate) state: KeyState,
}

/// What a key does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyState {
    /// Somebody publishes with it.
    Live,
    /// It opens the channel.
    Usable,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl ListedKey {
    fn of(shown: &Shown, now: Timestamp) -> Self {
        let key = &shown.key;
        let state = match () {
            () if key.revoked_at.is_some() => KeyState::Revoked,
            () if shown.is_live => KeyState::Live,
            () if key.has_expired(now) => KeyState::Expired,
            () => KeyState::Usable,
        };
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            created_at: key.created_at.to_string(),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
            expires_at: key.expires_at.map(|at| at.to_string()),
            state,
        }
    }
}

/// What revoking a key did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// Publishers that were cut.
    pub(crate) cut: usize,
}

/// What a second publisher gets while the channel is live.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// A refusal, instead of the channel.
    pub(crate) refuse: bool,
}

/// What a streamer needs. The key is shown this once.
#[derive(Serialize, Deserialize)]
pub(crate) struct Created {
    /// The channel.
    pub(crate) channel: String,
    /// Its page.
    pub(crate) page: String,
    /// Names the key in lists and calls.
    pub(crate) key_id: String,
    /// The new key.
    pub(crate) key: String,
    /// What OBS takes as its server.
    pub(crate) rtmp_server: String,
    /// Where WHIP publishers post, with the key as bearer token.
    pub(crate) whip_url: String,
    /// From when on the key is refused, if ever.
    pub(crate) expires_at: Option<String>,
    /// Publishers that were cut.
    pub(crate) cut: usize,
}

impl Created {
    fn of(internal: &Internal, opened: &Opened) -> Json<Self> {
        let addresses = internal.admin.addresses();
        Json(Self {
            channel: opened.channel.to_string(),
            page: addresses.page_url(&opened.channel),
            key_id: opened.id.to_string(),
            key: opened.key.reveal().to_owned(),
            rtmp_server: addresses.rtmp_url(),
            whip_url: addresses.whip_url(),
            expires_at: opened.expires_at.map(|at| at.to_string()),
            cut: opened.cut,
        })
    }
}

type Given<T> = Result<Json<T>, JsonRejection>;

pub(super) async fn list(State(internal): State<Internal>) -> Result<Response, Problem> {
    let items: Vec<_> = internal
        .admin
        .channels()
        .await?
        .into_iter()
        .map(|(channel, keys)| {
            let live = internal.streams.is_live(&channel.name);
            json!({ "name": channel.name, "title": channel.title, "live": live, "keys": keys })
        })
        .collect();
    Ok(Json(json!({ "items": items, "next": null })).into_response())
}

pub(super) async fn create(State(internal): State<Internal>, body: Given<NewChannel>) -> Result<Response, Problem> {
    let Json(wanted) = body.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let name = channel_name(&wanted.name)?;
    let opened = internal.admin.create(name, stream_key(wanted.key)?).await?;
    Ok((StatusCode::CREATED, Created::of(&internal, &opened)).into_response())
}

pub(super) async fn rotate(
    State(internal): State<Internal>,
    Path(name): Path<String>,
    body: Given<KeyChoice>,
) -> Result<Response, Problem> {
    let Json(wanted) = body.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let opened = internal.admin.rotate(&channel_name(&name)?, stream_key(wanted.key)?).await?;
    Ok(Created::of(&internal, &opened).into_response())
}

pub(super) async fn keys(State(internal): State<Internal>, Path(name): Path<String>) -> Result<Response, Problem> {
    let (keys, now) = (internal.admin.keys(&channel_name(&name)?).await?, Timestamp::now());
    let items: Vec<_> = keys.iter().map(|key| ListedKey::of(key, now)).collect();
    Ok(Json(json!({ "items": items, "next": null })).into_response())
}

pub(super) async fn add_key(
    State(internal): State<Internal>,
    Path(name): Path<String>,
    body: Given<NewKey>,
) -> Result<Response, Problem> {
    let Json(wanted) = body.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let (name, key) = (channel_name(&name)?, stream_key(wanted.key)?);
    let opened = internal.admin.add_key(&name, key, wanted.name, wanted.expires).await?;
    Ok((StatusCode::CREATED, Created::of(&internal, &opened)).into_response())
}

pub(super) async fn revoke_key(
    State(internal): State<Internal>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = channel_name(&name)?;
    let id: KeyId = id.parse().map_err(|_| Problem::bad_request(format!("{id:?} is no id of a key.")))?;
    Ok(Json(Cut { cut: internal.admin.revoke_key(&name, id).await? }).into_response())
}

pub(super) async fn second_publisher(
    State(internal): State<Internal>,
    Path(name): Path<String>,
    body: Given<Policy>,
) -> Result<Response, Problem> {
    let Json(wanted) = body.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let conflict = if wanted.refuse { Conflict::Refuse } else { Conflict::TakeOver };
    internal.admin.set_conflict(&channel_name(&name)?, conflict).await?;
    Ok(Json(json!({})).into_response())
}

pub(super) async fn demo(State(internal): State<Internal>) -> Result<Response, Problem> {
    let opened = internal.admin.demo().await?;
    Ok(Created::of(&internal, &opened).into_response())
}

pub(super) fn channel_name(text: &str) -> Result<ChannelName, Problem> {
    ChannelName::parse(text).map_err(|error| Problem::bad_request(format!("{text:?} cannot be a channel: {error}.")))
}

fn stream_key(text: Option<String>) -> Result<StreamKey, Problem> {
    match text {
        None => Ok(StreamKey::random()),
        Some(text) => StreamKey::parse(&text).map_err(|error| Problem::bad_request(format!("Not usable: {error}."))),
    }
}
