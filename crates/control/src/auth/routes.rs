//! `/api/v1/auth`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use weir_identity::ChannelName;

use super::{Auth, Device, LoggedIn, Origin, Refused, Registration, Sender};
use crate::{
    accounts::{Account, Role},
    api::Api,
    json::Body,
    problem::Problem,
};

/// Where the refresh cookie is sent, and its name. `Strict` keeps it from requests that other sites cause.
const COOKIE: &str = "weir_refresh";
const COOKIE_ATTRIBUTES: &str = "Path=/api/v1/auth; HttpOnly; SameSite=Strict";

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/auth/register", post(register))
        .route("/v1/auth/login", post(login))
        .route("/v1/auth/refresh", post(refresh))
        .route("/v1/auth/logout", post(logout))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(register, login, refresh, logout))]
pub(crate) struct Description;

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
struct Register {
    /// 3 to 32 of `[a-z0-9_]`, compared without case; the channel that comes with it has the same name.
    #[schema(example = "anna", min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9_]*$")]
    username: String,
    /// At least 8 characters, at most 1024 bytes.
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// Where the account can be written to; empty for nowhere.
    #[schema(pattern = r"^([^\s@]+@[^\s@.]+(\.[^\s@.]+)+)?$", max_length = 254)]
    email: Option<String>,
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
struct Login {
    /// The user name, in any case.
    username: String,
    /// The password.
    password: String,
    /// The code of the second factor, or a recovery code, for accounts that have one.
    otp: Option<String>,
}

/// A refresh token. Browsers send theirs as a cookie.
#[derive(Default, Deserialize, ToSchema)]
struct Refresh {
    /// The token.
    refresh_token: Option<String>,
}

/// Somebody, as they see themselves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// The account's id.
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
    /// When it was made, RFC 3339 in UTC.
    #[schema(format = "date-time")]
    created_at: String,
}

impl UserView {
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            username: account.name.to_string(),
            display_name: account.display_name.to_string(),
            email: account.email.clone(),
            role: account.role.as_str(),
            second_factor: account.second_factor.as_ref().is_some_and(|factor| factor.confirmed),
            created_at: account.created_at.to_string(),
        }
    }
}

/// What a device gets when its owner logs in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// Who it is.
    user: UserView,
    /// A JWT for `Authorization: Bearer`.
    access_token: String,
    /// For the next pair of tokens; counts once. Null for a browser, which gets it as a cookie that pages cannot read.
    refresh_token: Option<String>,
    /// Seconds that the access token counts.
    expires_in: u64,
}

/// Makes an account with its channel, and logs it in.
#[utoipa::path(post, path = "/api/v1/auth/register", request_body = Register, tag = "auth", responses(
    (status = 201, description = "The account.", body = Tokens),
    (status = 403, description = "Registration is closed, or a page of another site caused the request.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The name is taken.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer, or too many log in at once.", body = Problem, content_type = "application/problem+json"),
))]
async fn register(
    State(auth): State<Arc<Auth>>,
    origin: Origin,
    sender: Sender,
    headers: HeaderMap,
    Body(wanted): Body<Register>,
) -> Result<Response, Problem> {
    let wanted = Registration { username: wanted.username, password: wanted.password, email: wanted.email };
    let done = auth.register(wanted, device(&headers, origin)).await?;
    Ok(tokens(StatusCode::CREATED, done, sender, origin))
}

/// Logs in.
#[utoipa::path(post, path = "/api/v1/auth/login", request_body = Login, tag = "auth", responses(
    (status = 200, description = "Logged in.", body = Tokens),
    (status = 401, description = "Name or password is wrong; `urn:weir:problem:second-factor-needed` asks for `otp`.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "A page of another site caused the request, or the account is suspended.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer, or too many log in at once.", body = Problem, content_type = "application/problem+json"),
))]
async fn login(
    State(api): State<Api>,
    origin: Origin,
    sender: Sender,
    headers: HeaderMap,
    Body(wanted): Body<Login>,
) -> Result<Response, Problem> {
    let name = ChannelName::parse(&wanted.username).ok();
    let guess = api.limits.guess(&*api.store, name.as_ref(), origin.address).await?;
    let code = wanted.otp.as_deref();
    let done = api.auth.login(&wanted.username, wanted.password, code, device(&headers, origin)).await;
    if !done.as_ref().is_err_and(Refused::is_wrong_guess) {
        guess.does_not_count().await;
    }
    Ok(tokens(StatusCode::OK, done?, sender, origin))
}

/// The next pair of tokens. A refresh token that comes twice logs its device out.
#[utoipa::path(post, path = "/api/v1/auth/refresh", request_body = Refresh, tag = "auth", responses(
    (status = 200, description = "The next pair.", body = Tokens),
    (status = 401, description = "This device is logged out.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "A page of another site caused the request, or the account is suspended.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn refresh(
    State(auth): State<Arc<Auth>>,
    origin: Origin,
    sender: Sender,
    headers: HeaderMap,
    Body(given): Body<Refresh>,
) -> Result<Response, Problem> {
    let token = given.refresh_token.or_else(|| cookie(&headers)).ok_or(Refused::WrongRefreshToken)?;
    let done = auth.refresh(&token, device(&headers, origin)).await?;
    Ok(tokens(StatusCode::OK, done, sender, origin))
}

/// Logs this device out. Its access token counts until it expires.
#[utoipa::path(post, path = "/api/v1/auth/logout", request_body = Refresh, tag = "auth", responses(
    (status = 204, description = "Logged out."),
    (status = 403, description = "A page of another site caused the request.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn logout(
    State(auth): State<Arc<Auth>>,
    origin: Origin,
    sender: Sender,
    headers: HeaderMap,
    Body(given): Body<Refresh>,
) -> Result<Response, Problem> {
    if let Some(token) = given.refresh_token.or_else(|| cookie(&headers)) {
        auth.logout(&token).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if sender == Sender::Page {
        set_cookie(&mut response, "", 0, origin);
    }
    Ok(response)
}

pub(crate) fn device(headers: &HeaderMap, origin: Origin) -> Device {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    Device { agent: agent.to_owned(), address: origin.address.to_string() }
}

/// The answer of whoever was logged in. Not to be kept by anybody.
pub(crate) fn tokens(status: StatusCode, done: LoggedIn, sender: Sender, origin: Origin) -> Response {
    let browser = sender == Sender::Page;
    let (access_token, expires_in, refresh) = (done.access_token, done.expires_in, done.refresh_token);
    let refresh_token = (!browser).then(|| refresh.clone());
    let body = Tokens { user: UserView::of(&done.account), access_token, refresh_token, expires_in };
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
    if browser {
        keep_refresh_token(&mut response, &refresh, origin);
    }
    response
}

/// Has the browser keep its refresh token.
pub(crate) fn keep_refresh_token(response: &mut Response, token: &str, origin: Origin) {
    /// Browsers keep a cookie for 400 days at most (RFC 6265bis §5.5); the store knows when it ends.
    const AGE_SECONDS: u64 = 400 * 24 * 3_600;
    set_cookie(response, token, AGE_SECONDS, origin);
}

fn set_cookie(response: &mut Response, value: &str, age_seconds: u64, origin: Origin) {
    let secure = if origin.tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; {COOKIE_ATTRIBUTES}; Max-Age={age_seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// The refresh token of the browser's cookie.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
}

impl FromRef<Api> for Arc<Auth> {
    fn from_ref(api: &Api) -> Self {
        api.auth.clone()
    }
}
