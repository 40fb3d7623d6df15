//! WHEP over HTTP (draft-ietf-wish-whep): the viewer offers, this server answers.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, RawQuery, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, options},
};
use weir_peer::resource::{Answer, BODY_BYTES_MAX, Problem};

use super::service::Whep;

/// Longest wait for a request's body: an offer fits a few packets.
const BODY_MAX: Duration = Duration::from_secs(10);

/// `POST /whep/{channel}`, and `PATCH` and `DELETE` of what it makes.
pub fn router(whep: Whep) -> Router {
    Router::new()
        .route("/whep/{channel}", endpoint())
        .route("/whep/{channel}/{id}", session())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(whep)
}

fn endpoint() -> MethodRouter<Whep> {
    options(async |State(whep): State<Whep>| respond(Answer::endpoint_options(whep.ice_servers())))
        .post(play)
        .fallback(async || respond(Problem::endpoint_method().answer()))
}

fn session() -> MethodRouter<Whep> {
    options(async || respond(Answer::session_options()))
        .patch(patch)
        .delete(delete)
        .fallback(async || respond(Problem::session_method().answer()))
}

async fn play(
    State(whep): State<Whep>,
    Path(channel): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let answer = match body {
        Ok(body) => whep.play(&channel, query.as_deref(), field(&headers, &header::CONTENT_TYPE), &body).await,
        Err(problem) => Err(problem),
    };
    respond(answer.unwrap_or_else(Problem::answer))
}

async fn patch(
    State(whep): State<Whep>,
    Path((channel, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let (content_type, if_match) = (field(&headers, &header::CONTENT_TYPE), field(&headers, &header::IF_MATCH));
    let answer = body.and_then(|body| whep.patch(&channel, &id, content_type, if_match, &body));
    respond(answer.unwrap_or_else(Problem::answer))
}

async fn delete(State(whep): State<Whep>, Path((channel, id)): Path<(String, String)>) -> Response {
    respond(whep.delete(&channel, &id).unwrap_or_else(Problem::answer))
}

/// A request's body, or why there is none.
struct Body(Result<Bytes, Problem>);

impl FromRequest<Whep> for Body {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, whep: &Whep) -> Result<Self, Self::Rejection> {
        let Ok(body) = tokio::time::timeout(BODY_MAX, Bytes::from_request(request, whep)).await else {
            let detail = format!("The body did not come within {} s.", BODY_MAX.as_secs());
            return Ok(Self(Err(Problem::new(408, "late-body", "The request took too long", detail))));
        };
        Ok(Self(body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_long(),
            status => Problem::new(status.as_u16(), "bad-request", "The request cannot be read", rejection.body_text()),
        })))
    }
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn respond(answer: Answer) -> Response {
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    response
}
