//! `/api/v1/auth/providers`, `/api/v1/auth/oidc` and `/api/v1/auth/ticket`.

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::{Arrived, Begin, Brought, Refused, ReturnTo, attempt::STEP_MAX, finish::Asked};
use crate::{
    api::Api,
    auth::{
        Origin, Sender,
        routes::{Tokens, device, keep_refresh_token, tokens},
    },
    json::Body,
    limits::{Class, Who},
    problem::Problem,
};

/// The cookie of somebody who is at a provider. `Lax`, because the provider sends the browser back.
const ATTEMPT: &str = "weir_oidc";
/// The cookie of somebody who is asked for one more thing.
const TICKET: &str = "weir_oidc_ticket";
const ATTRIBUTES: &str = "Path=/api/v1/auth; HttpOnly; SameSite=Lax";

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/v1/auth/providers", get(providers))
        .route("/v1/auth/oidc/{provider}", post(begin))
        .route("/v1/auth/oidc/{provider}/callback", get(callback))
        .route("/v1/auth/ticket", get(waiting).post(finish))
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(providers, begin, callback, waiting, finish))]
pub(crate) struct Description;

/// Somebody else who may vouch for people.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderView {
    /// Its name in addresses.
    #[schema(example = "keycloak")]
    name: String,
    /// What people read.
    display_name: String,
}

/// The providers of this server.
#[derive(Serialize, ToSchema)]
struct ProviderList {
    /// All of them, by name.
    items: Vec<ProviderView>,
    /// Always null.
    next: Option<String>,
}

/// What a browser wants from a provider.
#[derive(Default, Deserialize, ToSchema)]
struct Wanted {
    /// The page of this server to go to in the end; the studio without it.
    #[schema(example = "/studio")]
    return_to: Option<String>,
}

/// Where the browser must go now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Away {
    /// The provider's page.
    url: String,
}

/// What a provider sends a browser back with (RFC 6749 §4.1.2).
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Back {
    /// What the provider exchanges for a token, once.
    code: Option<String>,
    /// What the browser was sent with.
    state: Option<String>,
    /// Why the provider does not vouch.
    error: Option<String>,
    /// Who the provider is (RFC 9207).
    iss: Option<String>,
}

/// What is still missing.
#[derive(Serialize, ToSchema)]
struct WaitingView {
    /// `code`: a code of the second factor; `username`: a name for the new account.
    wants: &'static str,
    /// What people read of the provider that vouched.
    provider: String,
    /// A user name that is free.
    username: Option<String>,
    /// The page of this server to go to then.
    return_to: String,
}

/// What was missing.
#[derive(Deserialize, ToSchema)]
struct Answer {
    /// The code, or a recovery code.
    otp: Option<String>,
    /// The new account's name: 3 to 32 of `[a-z0-9_]`.
    username: Option<String>,
}

/// Who else may vouch for people.
#[utoipa::path(get, path = "/api/v1/auth/providers", tag = "auth", responses(
    (status = 200, description = "The providers.", body = ProviderList),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
async fn providers(State(api): State<Api>) -> Json<ProviderList> {
    let view = |(name, shown): (&str, &str)| ProviderView { name: name.into(), display_name: shown.into() };
    Json(ProviderList { items: api.oidc.providers().map(view).collect(), next: None })
}

/// Begins to log a browser in through a provider: it gets a cookie, and goes to `url`.
#[utoipa::path(post, path = "/api/v1/auth/oidc/{provider}", tag = "auth", request_body = Wanted,
    params(("provider" = String, Path, description = "The provider's name.")), responses(
    (status = 200, description = "Where to go.", body = Away),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 502, description = "The provider answers nonsense.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The provider does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn begin(
    State(api): State<Api>,
    Path(provider): Path<String>,
    origin: Origin,
    _: Sender,
    base: Base,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let return_to = ReturnTo::of(wanted.return_to.as_deref());
    let base = base.of(&api, origin)?;
    Ok(away(api.oidc.begin(&provider, &base, return_to, None).await?, origin))
}

/// Where a provider sends a browser back to. Whoever it is is logged in by the same cookie as with a password, linked,
/// or asked for one more thing; a browser goes on to a page, with `problem` if it was not let in.
#[utoipa::path(get, path = "/api/v1/auth/oidc/{provider}/callback", tag = "auth",
    params(("provider" = String, Path, description = "The provider's name."), Back), responses(
    (status = 303, description = "To the page that comes next."),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The identity opens another account, or the account has too many.", body = Problem, content_type = "application/problem+json"),
    (status = 502, description = "The provider answers nonsense.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The provider or the store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn callback(
    State(api): State<Api>,
    Path(provider): Path<String>,
    origin: Origin,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Response {
    let attempt = cookie(&headers, ATTEMPT);
    let is_link = api.oidc.is_link(attempt.as_deref());
    let arrived = match back {
        Ok(Query(Back { code, state, error, iss })) => {
            let brought = Brought { code, state, error, issuer: iss, attempt };
            api.oidc.arrive(&provider, brought, device(&headers, origin)).await
        }
        Err(_) => Err(Refused::Attempt),
    };
    let outcome = match &arrived {
        Ok(Arrived::In(..)) => "logged_in",
        Ok(Arrived::Linked(_)) => "linked",
        Ok(Arrived::AskedForCode(_) | Arrived::AskedForUsername(_)) => "asked",
        Err(_) => "refused",
    };
    metrics::counter!("weir_oidc_callbacks_total", "outcome" => outcome).increment(1);
    let mut response = match arrived {
        Ok(Arrived::In(done, return_to)) => {
            let mut response = see(return_to.as_str());
            keep_refresh_token(&mut response, &done.refresh_token, origin);
            response
        }
        Ok(Arrived::Linked(return_to)) => see(return_to.as_str()),
        Ok(Arrived::AskedForCode(ticket)) => asked("/login?ticket", &ticket, origin),
        Ok(Arrived::AskedForUsername(ticket)) => asked("/register?ticket", &ticket, origin),
        Err(refused) => {
            let problem = Problem::from(refused);
            match problem.slug() {
                Some(slug) if wants_page(&headers) && is_link => see(&format!("/studio?problem={slug}#account")),
                Some(slug) if wants_page(&headers) => see(&format!("/login?problem={slug}")),
                _ => problem.into_response(),
            }
        }
    };
    // Good or bad, the attempt is over.
    set_cookie(&mut response, ATTEMPT, "", 0, origin);
    response
}

/// What a browser whom a provider vouched for is still asked for.
#[utoipa::path(get, path = "/api/v1/auth/ticket", tag = "auth", responses(
    (status = 200, description = "What is missing.", body = WaitingView),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
async fn waiting(State(api): State<Api>, _: Sender, headers: HeaderMap) -> Result<Response, Problem> {
    let waiting = api.oidc.waiting(cookie(&headers, TICKET).as_deref())?;
    let (wants, username) = match waiting.asked() {
        Asked::Code => ("code", None),
        Asked::Username(suggested) => ("username", Some(suggested)),
    };
    let view = WaitingView {
        wants,
        provider: api.oidc.vouching(&waiting).into(),
        username,
        return_to: waiting.return_to().as_str().into(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Says what was missing, and logs the browser in.
#[utoipa::path(post, path = "/api/v1/auth/ticket", tag = "auth", request_body = Answer, responses(
    (status = 200, description = "Logged in.", body = Tokens),
    (status = 201, description = "The account is made and logged in.", body = Tokens),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The name is taken.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn finish(
    State(api): State<Api>,
    origin: Origin,
    _: Sender,
    headers: HeaderMap,
    Body(answer): Body<Answer>,
) -> Result<Response, Problem> {
    let waiting = api.oidc.waiting(cookie(&headers, TICKET).as_deref())?;
    let device = device(&headers, origin);
    let (status, done) = match api.oidc.account_waiting(&waiting).await? {
        Some(account) => {
            let guess = api.limits.guess(&*api.store, Some(&account.name), origin.address).await?;
            let done = api.oidc.with_code(account, answer.otp.as_deref().unwrap_or_default(), device).await;
            if !matches!(&done, Err(Refused::Auth(refused)) if refused.is_wrong_guess()) {
                guess.does_not_count().await;
            }
            (StatusCode::OK, done?)
        }
        None => {
            api.limits.take(Class::Register, Who::Address(origin.address)).await?;
            let username = answer.username.unwrap_or_default();
            (StatusCode::CREATED, api.oidc.with_username(&waiting, &username, device).await?)
        }
    };
    // Whoever has the ticket has cookies.
    let mut response = tokens(status, done, Sender::Page, origin);
    set_cookie(&mut response, TICKET, "", 0, origin);
    Ok(response)
}

/// Sends a browser to a provider.
pub(crate) fn away(Begin { url, attempt }: Begin, origin: Origin) -> Response {
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(Away { url })).into_response();
    set_cookie(&mut response, ATTEMPT, &attempt, STEP_MAX.as_secs(), origin);
    response
}

/// To a page of ours.
fn see(path: &str) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    let mut response = (StatusCode::SEE_OTHER, headers).into_response();
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn asked(page: &str, ticket: &str, origin: Origin) -> Response {
    let mut response = see(page);
    set_cookie(&mut response, TICKET, ticket, STEP_MAX.as_secs(), origin);
    response
}

/// Whether a person looks at the answer.
fn wants_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text("sec-fetch-mode") == "navigate" || text("accept").contains("text/html")
}

fn set_cookie(response: &mut Response, name: &str, value: &str, age_seconds: i64, origin: Origin) {
    let secure = if origin.tls { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; {ATTRIBUTES}; Max-Age={age_seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
}

/// Host and port under which the caller reached us, if they could stand in an address.
pub(crate) struct Base(Option<String>);

impl Base {
    /// The address that browsers come back to, without a path.
    pub(crate) fn of(self, api: &Api, origin: Origin) -> Result<String, Refused> {
        match (api.oidc.public_url(), self.0) {
            (Some(url), _) => Ok(url.to_owned()),
            (None, Some(authority)) => Ok(format!("{}://{authority}", if origin.tls { "https" } else { "http" })),
            (None, None) => Err(Refused::Place),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has it in the request's target.
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let host = host.filter(|host| !host.is_empty() && host.len() <= 255 && host.bytes().all(plain));
        Ok(Self(host.map(str::to_owned)))
    }
}
