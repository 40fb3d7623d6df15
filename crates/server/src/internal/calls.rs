//! The calls of the command line.

use super::*;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use weir_control::channels::Conflict;
use weir_identity::{ChannelName, StreamKey};

use crate::wiring::admin::Opened;

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
    /// The new key.
    pub(crate) key: String,
    /// What OBS takes as its server.
    pub(crate) rtmp_server: String,
    /// Where WHIP publishers post, with the key as bearer token.
    pub(crate) whip_url: String,
    /// Publishers that were cut.
    pub(crate) cut: usize,
}

impl Created {
    fn of(internal: &Internal, opened: &Opened) -> Json<Self> {
        let addresses = internal.admin.addresses();
        Json(Self {
            channel: opened.channel.to_string(),
            page: addresses.page_url(&opened.channel),
            key: opened.key.reveal().to_owned(),
            rtmp_server: addresses.rtmp_url(),
            whip_url: addresses.whip_url(),
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

fn channel_name(text: &str) -> Result<ChannelName, Problem> {
    ChannelName::parse(text).map_err(|error| Problem::bad_request(format!("{text:?} cannot be a channel: {error}.")))
}

fn stream_key(text: Option<String>) -> Result<StreamKey, Problem> {
    match text {
        None => Ok(StreamKey::random()),
        Some(text) => StreamKey::parse(&text).map_err(|error| Problem::bad_request(format!("Not usable: {error}."))),
    }
}
