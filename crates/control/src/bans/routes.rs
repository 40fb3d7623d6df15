//! `/api/v1/channels/{name}/bans`: who may not take part in a channel.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};
use weir_identity::AccountId;

use super::{Ban, REASON_CHARS_MAX};
use crate::{
    api::Api,
    audit::{Deed, Scope},
    auth::{Caller, Origin, caller::forbidden},
    channels::routes::seen,
    json::Body,
    page::{Page, PageById, Paged},
    problem::Problem,
    rights::Right,
    roles::ChannelRole,
    rooms::Changed,
    webhooks::Event,
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/channels/{name}/bans", get(list))
        .route("/v1/channels/{name}/bans/{username}", put(ban).delete(lift))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, ban, lift))]
pub(crate) struct Description;

/// A ban.
#[derive(Default, Deserialize, ToSchema)]
struct BanWanted {
    /// Why, for other moderators: at most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    reason: String,
    /// Whether whoever writes from the same address is held back as well, but for VIPs and moderators. The address is
    /// the one that the account last wrote from in the channel's room; where none is known, only the account is banned.
    #[serde(default)]
    address: bool,
    /// Until when, RFC 3339; for good without it.
    #[schema(value_type = Option<String>, format = "date-time")]
    until: Option<Timestamp>,
}

/// A ban as moderators see it.
#[derive(Serialize, ToSchema)]
struct BanView {
    /// Who; null when the account is gone.
    username: Option<String>,
    /// Who decided; null when that account is gone.
    by: Option<String>,
    /// Whether whoever writes from the same address is held back as well.
    address: bool,
    /// Why.
    reason: String,
    /// When.
    #[schema(format = "date-time")]
    at: String,
    /// Until when; null for good.
    #[schema(format = "date-time")]
    until: Option<String>,
}

/// A page of bans.
#[derive(Serialize, ToSchema)]
struct BanPage {
    /// The bans, by account.
    items: Vec<BanView>,
    /// Give it as `cursor` for what follows; null at the end.
    next: Option<String>,
}

/// Who is banned from a channel. For its owner and moderators.
#[utoipa::path(get, path = "/api/v1/channels/{name}/bans", tag = "bans", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), PageById), responses(
    (status = 200, description = "A page of bans.", body = BanPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (after, limit) = Page::of::<AccountId>(page)?;
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let bans = api.store.bans_in(channel.id, after, limit + 1).await?;
    let Paged { items: bans, next } = Paged::of(bans, limit, |ban| ban.account.to_string());
    let (mut items, now) = (Vec::new(), Timestamp::now());
    for ban in bans.into_iter().filter(|ban| ban.holds(now)) {
        items.push(view(&api, ban).await?);
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(BanPage { items, next })).into_response())
}

/// Bans somebody from a channel, in place of an earlier ban. For its owner and moderators; moderators are banned by the
/// owner only.
#[utoipa::path(put, path = "/api/v1/channels/{name}/bans/{username}", tag = "bans", request_body = BanWanted, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("username" = String, Path, description = "Who.")), responses(
    (status = 200, description = "The ban.", body = BanView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn ban(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, username)): Path<(String, String)>,
    Body(wanted): Body<BanWanted>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    if wanted.reason.chars().count() > REASON_CHARS_MAX || wanted.reason.chars().any(char::is_control) {
        return Err(invalid(format!("A reason is one line of at most {REASON_CHARS_MAX} characters.")));
    }
    let at = crate::store_time(Timestamp::now());
    let until = wanted.until.map(crate::store_time);
    if until.is_some_and(|until| until <= at) {
        return Err(invalid("A ban that has ended already bans nobody.".into()));
    }
    let account = api.account_called(&username).await?;
    if channel.owner == Some(account.id) || account.id == caller.0.sub {
        return Err(forbidden("Nobody bans the channel's owner, or themselves."));
    }
    let role = api.store.role_of(channel.id, account.id).await?;
    if role == Some(ChannelRole::Moderator) {
        right.at_least(Right::Owner)?;
    }
    let address = if wanted.address { api.store.spoke_from(channel.id, account.id).await? } else { None };
    let ban = Ban { account: account.id, address, by: caller.0.sub, reason: wanted.reason, at, until };
    let replaced = api.store.ban_of(channel.id, account.id).await?;
    api.store.ban(channel.id, ban.clone()).await?;
    api.presence.banned(channel.id, account.id, Some(&ban));
    if ban.address.is_some() || replaced.is_some_and(|ban| ban.address.is_some()) {
        api.presence.rights_changed(Changed::Addresses(channel.id));
    }
    let until = until.map(|until| until.to_string());
    let detail = json!({
        "account": account.name.as_str(), "reason": ban.reason, "until": until, "address": ban.address.is_some(),
    });
    let deed = Deed::by(&caller, origin, "ban").on(&channel).also(Scope::Account(account.id));
    deed.detail(&detail).note(&*api.store).await;
    let said =
        json!({"username": account.name.as_str(), "by": caller.0.name.as_str(), "reason": ban.reason, "until": until});
    api.announcer.announce(&channel, Event::Ban, said).await;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view(&api, ban).await?)).into_response())
}

/// Lifts a ban. For the channel's owner and moderators.
#[utoipa::path(delete, path = "/api/v1/channels/{name}/bans/{username}", tag = "bans", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."), ("username" = String, Path, description = "Who.")), responses(
    (status = 204, description = "It is lifted."),
    (status = "4XX", description = "Why not, or there is none.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn lift(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path((name, username)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let account = api.account_called(&username).await?;
    let lifted = api.store.ban_of(channel.id, account.id).await?;
    if !api.store.unban(channel.id, account.id).await? {
        let detail = "This account is not banned from this channel.";
        return Err(Problem::new(StatusCode::NOT_FOUND, "ban-not-found", "No ban", detail));
    }
    api.presence.banned(channel.id, account.id, None);
    if lifted.is_some_and(|ban| ban.address.is_some()) {
        api.presence.rights_changed(Changed::Addresses(channel.id));
    }
    let deed = Deed::by(&caller, origin, "unban").on(&channel).also(Scope::Account(account.id));
    deed.detail(&json!({"account": account.name.as_str()})).note(&*api.store).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn view(api: &Api, ban: Ban) -> Result<BanView, Problem> {
    let name = async |id| Ok::<_, Problem>(api.store.account(id).await?.map(|account| account.name.to_string()));
    Ok(BanView {
        username: name(ban.account).await?,
        by: name(ban.by).await?,
        address: ban.address.is_some(),
        reason: ban.reason,
        at: ban.at.to_string(),
        until: ban.until.map(|until| until.to_string()),
    })
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-ban", "Not a ban", detail)
}
