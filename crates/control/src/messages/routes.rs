//! `/api/v1/channels/{name}/messages`: what was said in a channel's room.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};
use weir_identity::{AccountId, ChannelName, MessageId};

use super::{Flight, Found, Message, Wanted, Words, first_of, words::QUERY_CHARS_MAX, words::WORDS_MAX};
use crate::{
    api::Api,
    auth::{Caller, caller::forbidden},
    channels::routes::seen,
    problem::Problem,
};

/// Messages of a page without `limit`.
const PAGE_DEFAULT: usize = 50;
/// Most messages of a page.
const PAGE_MAX: usize = 200;

pub(crate) fn router() -> Router<Api> {
    Router::new().route("/v1/channels/{name}/messages", get(list))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub(crate) struct Description;

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MessagesWanted {
    /// At most so many, 1 to 200; 50 without it.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(format = "uuid", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    cursor: Option<String>,
    /// Only messages that have all of these words: up to 16, in at most 200 characters. Case, width and accents' spelling
    /// do not count; of Chinese, Japanese and Korean any part of a text is found.
    #[param(min_length = 1, max_length = 200, example = "hello 안녕")]
    q: Option<String>,
    /// Only messages of the account of this name.
    #[param(min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9_]{3,32}$", example = "anna")]
    user: Option<String>,
    /// Only messages from before this time, RFC 3339.
    #[param(format = "date-time", example = "2026-11-21T07:00:00Z")]
    before: Option<String>,
    /// `true` also for comments that only flew over the picture. Not with `q` or `user`.
    comments: Option<bool>,
}

/// Who said something, as they were then.
#[derive(Serialize, ToSchema)]
struct SpeakerView {
    /// The account.
    #[schema(format = "uuid")]
    id: String,
    /// Its name.
    #[schema(example = "anna")]
    name: String,
    /// What others read, where that is not the name.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    display_name: String,
    /// `owner`, `moderator`, `vip` or `viewer`.
    role: &'static str,
}

/// The message that another one answers.
#[derive(Serialize, ToSchema)]
struct ReplyView {
    /// Which message.
    #[schema(format = "uuid")]
    id: String,
    /// The name of who said it.
    #[schema(example = "berta")]
    name: String,
}

/// A message.
#[derive(Serialize, ToSchema)]
struct MessageView {
    /// Its id; sorts by time.
    #[schema(format = "uuid")]
    id: String,
    /// Who said it.
    user: SpeakerView,
    /// What was said. Empty once it was taken back.
    text: String,
    /// When, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    at: String,
    /// Which message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<ReplyView>,
    /// Whether it was taken back. Not there otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    deleted: bool,
    /// How it flew over the picture. Only of a comment that was said nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    danmaku: Option<FlightView>,
}

/// How a comment flew over the picture.
#[derive(Serialize, ToSchema)]
struct FlightView {
    /// `scroll`, `top` or `bottom`.
    mode: &'static str,
    /// Its color.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "#ffcc00")]
    color: Option<String>,
}

/// A page of messages.
#[derive(Serialize, ToSchema)]
struct MessagePage {
    /// The messages, newest first. A search may find none on a page and have a next one.
    items: Vec<MessageView>,
    /// Give it as `cursor` for older ones; null at the end.
    next: Option<String>,
}

/// What was said in a channel's room, newest first, for whoever may watch the channel. What was taken back stands there
/// without words, and is not found by `q` or `user`. A message is there within a second of its `ack`.
#[utoipa::path(get, path = "/api/v1/channels/{name}/messages", tag = "channels", security((), ("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), MessagesWanted), responses(
    (status = 200, description = "A page of messages.", body = MessagePage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Option<Caller>,
    Path(name): Path<String>,
    wanted: Result<Query<MessagesWanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, caller.as_ref(), &name).await?;
    if !right.may_watch(channel.visibility) {
        return Err(forbidden("This room is not open to you."));
    }
    let Query(wanted) = wanted.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let found = match wanted.user.as_deref() {
        None => api.store.messages(channel.id, wanted.of(None)?).await?,
        Some(user) => {
            let valid = ChannelName::parse(user).map_err(|_| Problem::bad_request("`user` must be a user name."))?;
            match api.store.account_named(&valid).await? {
                Some(account) => api.store.messages(channel.id, wanted.of(Some(account.id))?).await?,
                // Still nonsense where the rest of it is.
                None => wanted.of(None).map(|_| Found::default())?,
            }
        }
    };
    let page = MessagePage {
        items: found.messages.into_iter().map(view).collect(),
        next: found.next.map(|id| id.to_string()),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response())
}

impl MessagesWanted {
    fn of(&self, account: Option<AccountId>) -> Result<Wanted, Problem> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::bad_request(format!("`limit` must be 1 to {PAGE_MAX}.")));
        }
        let cursor = self.cursor.as_deref().map(str::parse::<MessageId>).transpose();
        let cursor = cursor.map_err(|_| Problem::bad_request("`cursor` must be the `next` of an earlier page."))?;
        let before = self.before.as_deref().map(str::parse::<Timestamp>).transpose();
        let before = before.map_err(|_| Problem::bad_request("`before` must be a time as of RFC 3339."))?;
        let before = before.map(|time| first_of(time.as_millisecond()));
        let words = self.q.as_deref().map(|q| {
            Words::parse(q).ok_or_else(|| {
                let limits = format!("1 to {WORDS_MAX} words, in at most {QUERY_CHARS_MAX} characters");
                Problem::bad_request(format!("`q` must have {limits}."))
            })
        });
        let before = [cursor, before].into_iter().flatten().min();
        let comments = self.comments.unwrap_or(false);
        Ok(Wanted { before, limit, words: words.transpose()?, account, comments })
    }
}

fn view(message: Message) -> MessageView {
    MessageView {
        id: message.id.to_string(),
        user: SpeakerView {
            id: message.account.to_string(),
            name: message.name.to_string(),
            display_name: message.display_name,
            role: message.role.as_str(),
        },
        text: message.text,
        at: message.at.to_string(),
        reply_to: message.reply_to.map(|(id, name)| ReplyView { id: id.to_string(), name: name.to_string() }),
        deleted: message.deleted,
        danmaku: message.flight.map(|Flight { way, color }| FlightView { mode: way.as_str(), color }),
    }
}
