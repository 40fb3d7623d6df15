//! WHEP over HTTP (draft-ietf-wish-whep): the viewer offers, this server answers.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, options},
};
use weir_peer::resource::{Answer, BODY_BYTES_MAX, Problem};

use super::service::Whep;

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
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = match read(body) {
        Ok(body) => whep.play(&channel, query.as_deref(), field(&headers, &header::CONTENT_TYPE), &body).await,
        Err(problem) => Err(problem),
    };
    respond(answer.unwrap_or_else(Problem::answer))
}

async fn patch(
    State(whep): State<Whep>,
    Path((channel, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (content_type, if_match) = (field(&headers, &header::CONTENT_TYPE), field(&headers, &header::IF_MATCH));
    let answer = read(body).and_then(|body| whep.patch(&channel, &id, content_type, if_match, &body));
    respond(answer.unwrap_or_else(Problem::answer))
}

async fn delete(State(whep): State<Whep>, Path((channel, id)): Path<(String, String)>) -> Response {
    respond(whep.delete(&channel, &id).unwrap_or_else(Problem::answer))
}

fn read(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_long(),
        status => Problem::new(status.as_u16(), "bad-request", "The request cannot be read", rejection.body_text()),
    })
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
