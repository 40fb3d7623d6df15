//! `/api/v1/me`: one's own account, its devices and its second factor.

mod devices;
mod identities;
mod second_factor;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use crate::{
    accounts::{Account, DisplayName},
    api::Api,
    auth::{Caller, Origin, Refused, is_email, routes::UserView},
    error::Error,
    json::Body,
    precondition::{self, Version},
    problem::Problem,
    rooms::Changed,
    store::Store,
};

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/me", get(show).patch(change).delete(remove))
        .route("/v1/me/password", post(password))
        .merge(devices::router())
        .merge(identities::router())
        .merge(second_factor::router())
}

/// What these routes add to the API's description.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut all = Description::openapi();
    all.merge(devices::Description::openapi());
    all.merge(identities::Description::openapi());
    all.merge(second_factor::Description::openapi());
    all
}

#[derive(OpenApi)]
#[openapi(paths(show, change, remove, password))]
struct Description;

/// What changes; what is not there stays.
#[derive(Deserialize, ToSchema)]
struct AccountChange {
    /// What others read: 1 to 50 characters of any script, and not the look of somebody else's.
    #[schema(min_length = 1, max_length = 50)]
    display_name: Option<String>,
    /// Where the account can be written to; empty for nowhere.
    #[schema(pattern = r"^([^\s@]+@[^\s@.]+(\.[^\s@.]+)+)?$", max_length = 254)]
    email: Option<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
struct NewPassword {
    /// The password so far; not needed by an account that never had one.
    #[serde(default)]
    current: String,
    /// At least 8 characters, at most 1024 bytes.
    #[schema(min_length = 8, max_length = 1024)]
    new: String,
}

/// What proves that it is really the owner.
#[derive(Deserialize, ToSchema)]
struct Proof {
    /// The password; not needed by an account that never had one.
    #[serde(default)]
    password: String,
}

/// One's own account.
#[utoipa::path(get, path = "/api/v1/me", tag = "me", security(("access" = [])), responses(
    (status = 200, description = "The account; `ETag` is its version.", body = UserView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn show(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    Ok(view(&account(&*api.store, &caller).await?))
}

/// Changes one's own account.
#[utoipa::path(patch, path = "/api/v1/me", tag = "me", request_body = AccountChange, security(("access" = [])),
    params(("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]+")$"#, example = "\"1\"", description = "Only if the account is still of this version.")), responses(
    (status = 200, description = "The account as it is now.", body = UserView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn change(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(change): Body<AccountChange>,
) -> Result<Response, Problem> {
    let mut account = account(&*api.store, &caller).await?;
    precondition::check(&headers, Version(account.version))?;
    if let Some(name) = change.display_name {
        account.display_name = DisplayName::parse(&name).map_err(|error| {
            let detail = format!("Not done: {error}.");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-display-name", "Not a display name", detail)
        })?;
    }
    if let Some(email) = change.email {
        if !email.is_empty() && !is_email(&email) {
            return Err(Refused::InvalidEmail.into());
        }
        account.email = Some(email).filter(|email| !email.is_empty());
    }
    match api.store.update_account(account.clone()).await {
        Ok(true) => Ok(view(&Account { version: account.version + 1, ..account })),
        Ok(false) => Err(Refused::Changed.into()),
        Err(Error::Exists) => {
            let detail = "Somebody else's name looks like this one.";
            Err(Problem::new(StatusCode::CONFLICT, "display-name-taken", "The display name is taken", detail))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes one's own account, its channel and everything that belongs to it, for good.
#[utoipa::path(delete, path = "/api/v1/me", tag = "me", request_body = Proof, security(("access" = [])), responses(
    (status = 204, description = "It is gone."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn remove(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Body(proof): Body<Proof>,
) -> Result<StatusCode, Problem> {
    let account = account(&*api.store, &caller).await?;
    prove(&api, &account, origin, proof.password).await?;
    let channels = api.store.channels_of(account.id).await?;
    channels.iter().for_each(|channel| api.presence.end(&channel.name));
    api.store.delete_account(account.id).await?;
    channels.iter().for_each(|channel| api.presence.rights_changed(Changed::Channel(channel.id)));
    api.presence.rights_changed(Changed::Account(account.id));
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a password, and logs every other device out.
#[utoipa::path(post, path = "/api/v1/me/password", tag = "me", request_body = NewPassword, security(("access" = [])), responses(
    (status = 204, description = "It is set."),
    (status = 409, description = "The account was changed in this moment.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn password(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Body(wanted): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let account = account(&*api.store, &caller).await?;
    prove(&api, &account, origin, wanted.current).await?;
    api.auth.set_password(account.id, wanted.new, caller.0.sid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's account as it is now.
async fn account(store: &dyn Store, caller: &Caller) -> Result<Account, Problem> {
    let account = store.account(caller.0.sub).await?.ok_or(Refused::Gone)?;
    if account.suspended_at.is_some() {
        return Err(Refused::Suspended.into());
    }
    Ok(account)
}

/// Whoever has the password has the account; whoever only found a logged-in browser has not.
async fn prove(api: &Api, account: &Account, from: Origin, password: String) -> Result<(), Problem> {
    if account.password.is_none() {
        return Ok(());
    }
    let guess = api.limits.guess(&*api.store, Some(&account.name), from.address).await?;
    let right = api.auth.is_password(account, password).await;
    if !matches!(right, Ok(false)) {
        guess.does_not_count().await;
    }
    if right? {
        return Ok(());
    }
    let detail = "The password is wrong.";
    Err(Problem::new(StatusCode::FORBIDDEN, "wrong-password", "The password is wrong", detail))
}

fn view(account: &Account) -> Response {
    let mut response = Json(UserView::of(account)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, Version(account.version).etag());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
