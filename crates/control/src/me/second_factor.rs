//! `/api/v1/me/second-factor`: setting one up, and switching it off.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::{Proof, account, prove};
use crate::{
    accounts::Account,
    api::Api,
    auth::{Caller, Origin, Refused},
    json::Body,
    problem::Problem,
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/me/second-factor", post(begin).delete(end))
        .route("/v1/me/second-factor/confirm", post(confirm))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(begin, confirm, end))]
pub(super) struct Description;

/// What an authenticator app needs, and recovery codes. Shown this once.
#[derive(Serialize, ToSchema)]
struct Setup {
    /// For the app, as a link or a QR code.
    #[schema(example = "otpauth://totp/Weir:anna?secret=…")]
    url: String,
    /// The same secret in base32, to be typed.
    secret: String,
    /// Each logs in once without the app.
    recovery_codes: Vec<String>,
}

/// The app's first code.
#[derive(Deserialize, ToSchema)]
struct Code {
    /// Six digits.
    otp: String,
}

/// Begins to set a second factor up. It is asked for once its first code was confirmed.
#[utoipa::path(post, path = "/api/v1/me/second-factor", tag = "me", request_body = Proof, security(("access" = [])), responses(
    (status = 201, description = "What the app needs.", body = Setup),
    (status = 409, description = "There is a second factor already.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn begin(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Body(proof): Body<Proof>,
) -> Result<(StatusCode, Json<Setup>), Problem> {
    let account = account(&*api.store, &caller).await?;
    if account.second_factor.as_ref().is_some_and(|factor| factor.confirmed) {
        let detail = "This account has a second factor. Switch it off first.";
        return Err(Problem::new(StatusCode::CONFLICT, "second-factor-exists", "There is one already", detail));
    }
    prove(&api, &account, origin, proof.password).await?;
    let (factor, shown) = api.auth.codes().begin(account.id.as_bytes(), account.name.as_str());
    keep(&api, Account { second_factor: Some(factor), ..account }).await?;
    let setup = Setup { url: shown.url, secret: shown.secret, recovery_codes: shown.recovery_codes };
    Ok((StatusCode::CREATED, Json(setup)))
}

/// Confirms the first code: from now on logging in asks for one.
#[utoipa::path(post, path = "/api/v1/me/second-factor/confirm", tag = "me", request_body = Code, security(("access" = [])), responses(
    (status = 204, description = "It is on."),
    (status = 409, description = "None is being set up.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn confirm(State(api): State<Api>, caller: Caller, Body(code): Body<Code>) -> Result<StatusCode, Problem> {
    let account = account(&*api.store, &caller).await?;
    let waiting = account.second_factor.as_ref().filter(|factor| !factor.confirmed).ok_or_else(|| {
        let detail = "No second factor waits for its first code.";
        Problem::new(StatusCode::CONFLICT, "no-second-factor", "None is being set up", detail)
    })?;
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
    let spent = api.auth.codes().spend(account.id.as_bytes(), waiting, &code.otp, now);
    let spent = spent.ok_or_else(|| {
        let detail = Refused::WrongSecondFactor.to_string();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-second-factor", "The code is wrong", detail)
    })?;
    keep(&api, Account { second_factor: Some(spent), ..account }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switches the second factor off.
#[utoipa::path(delete, path = "/api/v1/me/second-factor", tag = "me", request_body = Proof, security(("access" = [])), responses(
    (status = 204, description = "It is off."),
    (status = 409, description = "The account was changed in this moment.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn end(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Body(proof): Body<Proof>,
) -> Result<StatusCode, Problem> {
    let account = account(&*api.store, &caller).await?;
    prove(&api, &account, origin, proof.password).await?;
    keep(&api, Account { second_factor: None, ..account }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keep(api: &Api, account: Account) -> Result<(), Problem> {
    if api.store.update_account(account).await? { Ok(()) } else { Err(Refused::Changed.into()) }
}
