//! The `Idempotency-Key` header: a request that comes twice is done once.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use weir_identity::AccountId;

use crate::{api::Api, idempotency::Begun, problem::Problem, seal::Seal};

/// Longest key that is taken.
const KEY_BYTES_MAX: usize = 255;

/// The key that the client gave, if it did.
#[derive(Debug, Clone)]
pub(crate) struct Once(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(key) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let printable = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
        let key = key.to_str().ok().filter(printable).filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
        let key = key.ok_or_else(|| {
            Problem::bad_request(format!(
                "`Idempotency-Key` must be 1 to {KEY_BYTES_MAX} printable characters of ASCII without spaces."
            ))
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

impl Once {
    /// Does `job`, unless `account` did the `route` with the same key before: then it answers as it did.
    pub(crate) async fn answer<T: Serialize>(
        &self,
        api: &Api,
        account: AccountId,
        route: &str,
        job: impl AsyncFnOnce() -> Result<(StatusCode, T), Problem>,
    ) -> Result<Response, Problem> {
        let Some(key) = &self.0 else {
            let (status, value) = job().await?;
            return Ok(json(status, serde_json::to_vec(&value).unwrap_or_default()));
        };
        let mut hash = Sha256::new();
        for part in [&account.as_bytes()[..], route.as_bytes(), key.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let key: [u8; 32] = hash.finalize().into();
        // Answers carry what is shown once, so they are sealed.
        let seal = Seal::new(&api.secret, "idempotency");
        match api.store.begin_once(key, crate::store_time(Timestamp::now())).await? {
            Begun::First => {}
            Begun::Running => {
                let detail = "A request with this `Idempotency-Key` is being done. Ask again in a moment.";
                return Err(Problem::new(StatusCode::CONFLICT, "request-running", "It is being done", detail));
            }
            Begun::Answered { status, body } => {
                let body = seal.open(&body, &key).ok_or_else(Problem::not_found)?;
                return Ok(json(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body));
            }
        }
        match job().await {
            Ok((status, value)) => {
                let body = serde_json::to_vec(&value).unwrap_or_default();
                if let Err(error) = api.store.answered(key, status.as_u16(), seal.seal(&body, &key)).await {
                    tracing::warn!(%error, "an answer could not be remembered: the request may be done twice");
                }
                Ok(json(status, body))
            }
            Err(problem) => {
                // What failed may be tried again.
                let _ = api.store.give_up(key).await;
                Err(problem)
            }
        }
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
