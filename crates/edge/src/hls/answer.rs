//! Answers with the headers that caches and players on other sites need.
//!
//! What never changes is kept for a year, under one entity tag: a URL holds the session, so it names one sequence of
//! bytes for ever, and a tag is only compared with tags of the same URL. Playlists have no tag, since their two
//! encodings may not share a strong one. Errors are never kept: what is not there now may be there in a moment.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use weir_hls::{Media, Rendered, Reply};

use super::negotiate::{self, Range};
use crate::{body::Body, problem::Problem};

const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const VIDEO: HeaderValue = HeaderValue::from_static("video/mp4");
const AUDIO: HeaderValue = HeaderValue::from_static("audio/mp4");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const ANYONE: HeaderValue = HeaderValue::from_static("*");
const EXPOSED: HeaderValue = HeaderValue::from_static("Date, Age, ETag, Location, Link, Content-Range, Retry-After");
const VARY: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const A_DAY: HeaderValue = HeaderValue::from_static("86400");
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const TAG_TEXT: &str = "\"immutable\"";
const TAG: HeaderValue = HeaderValue::from_static(TAG_TEXT);

/// Seconds for which a `Cache-Control` is made beforehand; a playlist's is 6 target durations at most.
const AGES: u32 = 600;
static MAX_AGE: LazyLock<Box<[HeaderValue]>> = LazyLock::new(|| (0..=AGES).map(max_age_value).collect());

fn max_age_value(seconds: u32) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={seconds}")).unwrap_or(NO_STORE)
}

fn max_age(seconds: Option<u32>) -> HeaderValue {
    match seconds {
        None => NO_STORE,
        Some(seconds) => MAX_AGE.get(seconds as usize).cloned().unwrap_or_else(|| max_age_value(seconds)),
    }
}

/// An answer, with what every answer has.
fn dressed<const N: usize>(status: StatusCode, body: Body, headers: [(HeaderName, HeaderValue); N]) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let map = response.headers_mut();
    // `Date`, `Content-Length` and two for a fallback that decorates.
    map.reserve(N + 6);
    map.append(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANYONE);
    map.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    for (name, value) in headers {
        map.append(name, value);
    }
    response
}

/// A stream's playlist.
pub(crate) fn playlist(gzip: bool, reply: &Reply) -> Response<Body> {
    with_cache(gzip, &reply.playlist, max_age(reply.max_age))
}

/// A recording's playlist, which a cache may keep for so many seconds.
pub(crate) fn text(gzip: bool, playlist: &Rendered, seconds: u32) -> Response<Body> {
    with_cache(gzip, playlist, max_age(Some(seconds)))
}

fn with_cache(gzip: bool, playlist: &Rendered, cache: HeaderValue) -> Response<Body> {
    let headers = [(header::CONTENT_TYPE, PLAYLIST), (header::CACHE_CONTROL, cache), (header::VARY, VARY)];
    if !gzip {
        return dressed(StatusCode::OK, Body::one(playlist.plain()), headers);
    }
    let mut response = dressed(StatusCode::OK, Body::one(playlist.gzip()), headers);
    response.headers_mut().append(header::CONTENT_ENCODING, GZIP);
    response
}

/// A part, segment or initialization section: whole, a range of it, or the word that the client has it already.
pub(crate) fn file(request: &HeaderMap, body: weir_hls::Body, media: Media) -> Response<Body> {
    let kind = match media {
        Media::Video => VIDEO,
        Media::Audio => AUDIO,
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, IMMUTABLE),
        (header::ETAG, TAG),
        (header::ACCEPT_RANGES, BYTES),
    ];
    let has = |name| request.get(name).map(HeaderValue::as_bytes);
    if has(header::IF_NONE_MATCH).is_some_and(|tags| negotiate::names_tag(tags, TAG_TEXT.as_bytes())) {
        let [_, cache, tag, _] = headers;
        return dressed(StatusCode::NOT_MODIFIED, Body::empty(), [cache, tag]);
    }
    let wanted = match has(header::RANGE) {
        // A range of another version than ours is answered with the whole of ours (RFC 9110 §13.1.5).
        Some(range) if has(header::IF_RANGE).is_none_or(|tag| tag == TAG_TEXT.as_bytes()) => {
            negotiate::range(range, body.len() as u64)
        }
        _ => Range::Whole,
    };
    match wanted {
        Range::Whole => dressed(StatusCode::OK, body.into(), headers),
        Range::Unsatisfiable => {
            let mut response = problem(Problem::Range);
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{}", body.len())) {
                response.headers_mut().append(header::CONTENT_RANGE, value);
            }
            response
        }
        Range::Part { first, last } => {
            let length = body.len();
            let mut response = dressed(StatusCode::PARTIAL_CONTENT, slice(&body, first, last), headers);
            if let Ok(value) = HeaderValue::try_from(format!("bytes {first}-{last}/{length}")) {
                response.headers_mut().append(header::CONTENT_RANGE, value);
            }
            response
        }
    }
}

/// The bytes from `first` to `last`, which lie within the body.
fn slice(body: &weir_hls::Body, first: u64, last: u64) -> Body {
    let (mut at, mut chunks) = (0_u64, Vec::new());
    for chunk in body.chunks() {
        let end = at + chunk.len() as u64;
        let (from, to) = (first.max(at), (last + 1).min(end));
        if from < to {
            chunks.push(chunk.slice((from - at) as usize..(to - at) as usize));
        }
        at = end;
    }
    Body::many(Arc::<[Bytes]>::from(chunks))
}

/// The same answer to a HEAD request.
pub(crate) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && parts.status != StatusCode::NOT_MODIFIED
    {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}

/// Leave for pages on other sites to ask with any simple header.
pub(crate) fn preflight() -> Response<Body> {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ANYONE),
        (header::ACCESS_CONTROL_MAX_AGE, A_DAY),
        (header::ALLOW, METHODS),
    ];
    dressed(StatusCode::NO_CONTENT, Body::empty(), headers)
}

/// An error, which no cache may keep.
pub(crate) fn problem(problem: Problem) -> Response<Body> {
    let headers = [(header::CONTENT_TYPE, PROBLEM), (header::CACHE_CONTROL, NO_STORE)];
    let status = problem.status();
    let mut response = dressed(status, Body::one(problem.document()), headers);
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().append(header::RETRY_AFTER, RETRY_AFTER);
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            response.headers_mut().append(header::ALLOW, METHODS);
        }
        _ => {}
    }
    response
}
