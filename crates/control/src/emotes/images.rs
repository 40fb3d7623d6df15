//! `/emotes/ID.png`: what emotes look like. They never change, so that whoever has one need not ask again.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use parking_lot::Mutex;
use weir_identity::EmoteId;

use super::cache::Cache;
use crate::{error::Error, problem::Problem, store::Store};

/// What stands before the id in an address.
pub(crate) const PATH: &str = "/emotes/";
/// What stands behind it.
const EXTENSION: &str = ".png";

/// Headers of every picture: it is one, whatever a browser may think of it, and may do nothing but be shown.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
];

/// The pictures of emotes, as they are given out.
#[derive(Clone)]
pub struct Images(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    cache: Mutex<Cache>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Images")
    }
}

impl Images {
    /// Those that `store` keeps.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner { store, cache: Mutex::default() }))
    }

    async fn get(&self, id: EmoteId) -> Result<Option<Bytes>, Error> {
        if let Some(image) = self.0.cache.lock().get(id, Instant::now()) {
            return Ok(Some(image));
        }
        let image = self.0.store.emote_image(id).await?;
        if let Some(image) = &image {
            self.0.cache.lock().put(id, image.clone(), Instant::now());
        }
        Ok(image)
    }

    /// One was removed.
    pub(crate) fn forget(&self, id: EmoteId) {
        self.0.cache.lock().forget(id);
    }

    /// The route, for the server's root.
    pub fn router(&self) -> Router {
        Router::new().route("/emotes/{file}", get(show)).with_state(self.clone())
    }
}

/// Where an emote's picture is.
pub(crate) fn address(id: EmoteId) -> String {
    format!("{PATH}{id}{EXTENSION}")
}

async fn show(State(images): State<Images>, Path(file): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let id =
        file.strip_suffix(EXTENSION).and_then(|id| id.parse::<EmoteId>().ok().filter(|read| read.to_string() == id));
    let id = id.ok_or_else(Problem::not_found)?;
    let image = images.get(id).await?.ok_or_else(Problem::not_found)?;
    let tag = format!("\"{id}\"");
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let known = known.flat_map(|tags| tags.split(',')).map(str::trim);
    let is_known = { known }.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let length = image.len();
        let mut response = Response::new(Body::from(image));
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        response
    };
    response.headers_mut().extend(HEADERS);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
