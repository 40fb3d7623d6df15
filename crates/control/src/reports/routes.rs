//! `/api/v1/channels/{name}/reports`: messages that people reported.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};
use weir_identity::{ChannelId, MessageId};

use super::{Message, REASON_CHARS_MAX, REPORTED_PER_CHANNEL_MAX, Report, Reported};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin, caller::forbidden},
    channels::routes::seen,
    error::Error,
    json::Body,
    page::{Page, PageById, Paged},
    person::PersonView,
    problem::Problem,
    rights::Right,
    rooms::Waiting,
};

/// Most reasons of one message that are shown.
const REASONS_SHOWN: usize = 20;

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/reports", get(list).post(report))
        .route("/v1/channels/{name}/reports/{message}", delete(settle))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, report, settle))]
pub(crate) struct Description;

/// A report.
#[derive(Deserialize, ToSchema)]
struct ReportWanted {
    /// Which message.
    #[schema(value_type = String, format = "uuid")]
    message: MessageId,
    /// Why, for moderators: at most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    reason: String,
}

/// A report that was taken.
#[derive(Serialize, ToSchema)]
struct ReportTaken {
    /// The message.
    #[schema(format = "uuid")]
    message: String,
}

/// A message as it was when it was first reported.
#[derive(Serialize, ToSchema)]
struct ReportedMessage {
    /// Its id.
    #[schema(format = "uuid")]
    id: String,
    /// Who said it.
    user: PersonView,
    /// What was said.
    text: String,
    /// When, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    at: String,
}

/// A message that people reported.
#[derive(Serialize, ToSchema)]
struct ReportedView {
    /// The message.
    message: ReportedMessage,
    /// How many reported it.
    count: usize,
    /// What some of them wrote, at most 20.
    reasons: Vec<String>,
}

/// A page of messages that people reported.
#[derive(Serialize, ToSchema)]
struct ReportedPage {
    /// The messages, oldest first.
    items: Vec<ReportedView>,
    /// Give it as `cursor` for what follows; null at the end.
    next: Option<String>,
}

/// Messages of a channel's room that people reported and that are not settled. For its owner and moderators.
#[utoipa::path(get, path = "/api/v1/channels/{name}/reports", tag = "moderation", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), PageById), responses(
    (status = 200, description = "A page of messages.", body = ReportedPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (after, limit) = Page::of::<MessageId>(page)?;
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let reported = api.store.reported_in(channel.id, after, limit + 1).await?;
    let Paged { items: reported, next } = Paged::of(reported, limit, |reported| reported.message.id.to_string());
    let mut items = Vec::with_capacity(reported.len());
    for Reported { message, reports } in reported {
        let user = PersonView::of(&api, &channel, message.author, &message.author_name).await?;
        let count = reports.len();
        let reasons = reports.into_iter().map(|report| report.reason).filter(|reason| !reason.is_empty());
        let reasons = reasons.take(REASONS_SHOWN).collect();
        let (id, at) = (message.id.to_string(), message.at.to_string());
        items.push(ReportedView { message: ReportedMessage { id, user, text: message.text, at }, count, reasons });
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(ReportedPage { items, next })).into_response())
}

/// Reports a message to the channel's moderators. Whoever may watch may; reporting a message again changes nothing.
#[utoipa::path(post, path = "/api/v1/channels/{name}/reports", tag = "moderation", request_body = ReportWanted, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 201, description = "It is reported.", body = ReportTaken),
    (status = 409, description = "Too many messages are reported already.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn report(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Body(wanted): Body<ReportWanted>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    if !right.may_watch(channel.visibility) {
        return Err(forbidden("This room is not open to you."));
    }
    if wanted.reason.chars().count() > REASON_CHARS_MAX || wanted.reason.chars().any(char::is_control) {
        let detail = format!("A reason is one line of at most {REASON_CHARS_MAX} characters.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-report", "Not a report", detail));
    }
    let message = said(&api, channel.id, wanted.message).await?.ok_or_else(|| {
        let detail = "There is no such message in this room, or it was taken back.";
        Problem::new(StatusCode::NOT_FOUND, "message-not-found", "No such message", detail)
    })?;
    let at = crate::store_time(Timestamp::now());
    let report = Report { by: caller.0.sub, reason: wanted.reason, at };
    let is_new = api.store.report(channel.id, message, report).await.map_err(|error| match error {
        Error::TooMany => {
            let detail = format!("{REPORTED_PER_CHANNEL_MAX} messages of this room are reported already.");
            Problem::new(StatusCode::CONFLICT, "too-many-reports", "Too many reports", detail)
        }
        other => other.into(),
    })?;
    if is_new {
        api.presence.waiting(channel.id, Waiting::Reported(api.store.reported_count(channel.id).await?));
    }
    let taken = ReportTaken { message: wanted.message.to_string() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(taken)).into_response())
}

/// Nothing is left to be done about a message; who reports it from now on changes that no more. For the channel's owner
/// and moderators.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/reports/{message}", tag = "moderation", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("message" = String, Path, description = "The message's id.")), responses(
    (status = 204, description = "It is settled."),
    (status = "4XX", description = "Why not, or it is settled already.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn settle(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, message)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let not_found = || {
        let detail = "This message is not reported, or somebody has settled it.";
        Problem::new(StatusCode::NOT_FOUND, "report-not-found", "No report", detail)
    };
    let message: MessageId = message.parse().map_err(|_| not_found())?;
    if !api.store.settle(channel.id, message).await? {
        return Err(not_found());
    }
    let deed = Deed::by(&caller, origin, "reports.settle").on(&channel);
    deed.detail(&json!({"message": message})).note(&*api.store).await;
    api.presence.waiting(channel.id, Waiting::Reported(api.store.reported_count(channel.id).await?));
    Ok(StatusCode::NO_CONTENT)
}

/// A message as it stands: in the room if it was said lately, else in the store.
async fn said(api: &Api, channel: ChannelId, id: MessageId) -> Result<Option<Message>, Problem> {
    if let Some(message) = api.presence.message(channel, id).await {
        return Ok(Some(message));
    }
    let kept = api.store.message(channel, id).await?.filter(|message| !message.deleted);
    Ok(kept.map(|kept| Message { id, author: kept.account, author_name: kept.name, text: kept.text, at: kept.at }))
}
