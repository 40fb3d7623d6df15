//! `/api/v1/admin/audit` and `/api/v1/channels/{name}/audit`: who did what.

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};
use weir_identity::{AccountId, AuditId};

use super::{Actor, Entry, Scope};
use crate::{
    api::Api,
    auth::Caller,
    channels::routes::seen,
    page::{Page, PageById, Paged},
    problem::Problem,
    rights::Right,
};

pub(crate) fn router() -> Router<Api> {
    Router::new().route("/v1/admin/audit", get(of_all)).route("/v1/channels/{name}/audit", get(of_channel))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(of_all, of_channel))]
pub(crate) struct Description;

/// Something that somebody did.
#[derive(Serialize, ToSchema)]
struct EntryView {
    /// Its id; sorts by time.
    id: String,
    /// When, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    at: String,
    /// Who: a user name, the id of an account that is gone, `operator` at the command line, or `server`.
    #[schema(example = "anna")]
    actor: String,
    /// From which address. For operators only; empty for others, and for the server itself.
    address: String,
    /// What.
    #[schema(example = "channel.change")]
    action: String,
    /// To what: an id or a name.
    target: String,
    /// What changed.
    #[schema(value_type = Object)]
    detail: Value,
}

/// A page of a log.
#[derive(Serialize, ToSchema)]
struct AuditPage {
    /// The entries, newest first.
    items: Vec<EntryView>,
    /// Give it as `cursor` for older ones; null at the end.
    next: Option<String>,
}

/// Everything that was done, newest first. For operators.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "admin", security(("access" = [])), params(PageById), responses(
    (status = 200, description = "A page of the log.", body = AuditPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn of_all(
    State(api): State<Api>,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    answer(&api, Scope::Installation, page, true).await
}

/// What was done in a channel, newest first. For its owner and moderators.
#[utoipa::path(get, path = "/api/v1/channels/{name}/audit", tag = "channels", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), PageById), responses(
    (status = 200, description = "A page of the log.", body = AuditPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn of_channel(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    answer(&api, Scope::Channel(channel.id), page, caller.is_admin()).await
}

async fn answer(
    api: &Api,
    scope: Scope,
    page: Result<Query<Page>, QueryRejection>,
    addresses: bool,
) -> Result<Response, Problem> {
    let (before, limit) = Page::of::<AuditId>(page)?;
    let entries = api.store.audit(scope, before, limit + 1).await?;
    let Paged { items: entries, next } = Paged::of(entries, limit, |entry| entry.id.to_string());
    let (mut items, mut names) = (Vec::with_capacity(entries.len()), HashMap::new());
    for entry in entries {
        let actor = match entry.actor {
            Actor::Account(id) => called(api, id, &mut names).await?,
            other => other.to_text(),
        };
        items.push(view(entry, actor, addresses));
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(AuditPage { items, next })).into_response())
}

/// The name of an account, asked once for a page.
async fn called(api: &Api, id: AccountId, names: &mut HashMap<AccountId, String>) -> Result<String, Problem> {
    if let Some(name) = names.get(&id) {
        return Ok(name.clone());
    }
    let name = api.store.account(id).await?.map_or_else(|| id.to_string(), |account| account.name.to_string());
    names.insert(id, name.clone());
    Ok(name)
}

fn view(entry: Entry, actor: String, addresses: bool) -> EntryView {
    EntryView {
        id: entry.id.to_string(),
        at: entry.at.to_string(),
        actor,
        address: if addresses { entry.address } else { String::new() },
        action: entry.action,
        target: entry.target,
        detail: serde_json::from_str(&entry.detail).unwrap_or(Value::Null),
    }
}
