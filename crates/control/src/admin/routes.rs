//! `/api/v1/admin/accounts`.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use weir_identity::ChannelName;

use super::Operators;
use crate::{
    accounts::{Account, Role},
    api::Api,
    audit::Deed,
    auth::{Caller, Origin, caller::forbidden},
    page::{Page, PageByName, Paged},
    problem::Problem,
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/admin/accounts", get(list))
        .route("/v1/admin/accounts/{username}", get(one))
        .route("/v1/admin/accounts/{username}/suspension", put(suspend).delete(lift))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, one, suspend, lift))]
pub(crate) struct Description;

/// An account as operators see it.
#[derive(Serialize, ToSchema)]
struct AccountView {
    /// Its id.
    id: String,
    /// What it logs in with.
    #[schema(example = "anna")]
    username: String,
    /// What others read.
    display_name: String,
    /// Where it can be written to.
    email: Option<String>,
    /// What it may do beyond its own channel.
    #[schema(value_type = Role)]
    role: &'static str,
    /// Whether logging in asks for a code.
    second_factor: bool,
    /// Since when it is suspended, RFC 3339 in UTC; null when it is not.
    #[schema(format = "date-time")]
    suspended_at: Option<String>,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
struct AccountPage {
    /// The accounts, by name.
    items: Vec<AccountView>,
    /// Give it as `cursor` for what follows; null at the end.
    next: Option<String>,
}

/// Accounts, by name. For operators.
#[utoipa::path(get, path = "/api/v1/admin/accounts", tag = "admin", security(("access" = [])), params(PageByName), responses(
    (status = 200, description = "A page of accounts.", body = AccountPage),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    let (after, limit) = Page::of::<ChannelName>(page)?;
    let accounts = api.store.accounts(after, limit + 1).await?;
    let Paged { items, next } = Paged::of(accounts, limit, |account| account.name.to_string());
    let items = items.iter().map(view).collect();
    Ok(fresh(AccountPage { items, next }))
}

/// One account. For operators.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{username}", tag = "admin", security(("access" = [])),
    params(("username" = String, Path, description = "Its user name.")), responses(
    (status = 200, description = "The account.", body = AccountView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn one(State(api): State<Api>, caller: Caller, Path(username): Path<String>) -> Result<Response, Problem> {
    caller.must_be_admin()?;
    Ok(fresh(view(&api.account_called(&username).await?)))
}

/// Suspends an account: it is logged out everywhere, its streams end, and it may neither log in nor publish.
#[utoipa::path(put, path = "/api/v1/admin/accounts/{username}/suspension", tag = "admin", security(("access" = [])),
    params(("username" = String, Path, description = "Its user name.")), responses(
    (status = 204, description = "It is suspended."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn suspend(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(username): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_be_admin()?;
    let account = api.account_called(&username).await?;
    if account.id == caller.0.sub {
        return Err(forbidden("Nobody suspends themselves."));
    }
    operators(&api).suspend(&account.name, Deed::by(&caller, origin, "account.suspend")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts a suspension.
#[utoipa::path(delete, path = "/api/v1/admin/accounts/{username}/suspension", tag = "admin", security(("access" = [])),
    params(("username" = String, Path, description = "Its user name.")), responses(
    (status = 204, description = "It is not suspended."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn lift(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(username): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_be_admin()?;
    let account = api.account_called(&username).await?;
    operators(&api).lift(&account.name, Deed::by(&caller, origin, "account.unsuspend")).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn operators(api: &Api) -> Operators {
    Operators::new(api.store.clone(), api.auth.clone(), api.presence.clone())
}

fn view(account: &Account) -> AccountView {
    AccountView {
        id: account.id.to_string(),
        username: account.name.to_string(),
        display_name: account.display_name.to_string(),
        email: account.email.clone(),
        role: account.role.as_str(),
        second_factor: account.second_factor.as_ref().is_some_and(|factor| factor.confirmed),
        suspended_at: account.suspended_at.map(|at| at.to_string()),
        created_at: account.created_at.to_string(),
    }
}

fn fresh(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
