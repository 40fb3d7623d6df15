//! Who calls, and from where.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use weir_identity::token::Claims;

use super::Auth;
use crate::{accounts::Role, problem::Problem};

/// From where a request comes, seen through the proxies that the operator trusts. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address.
    pub address: IpAddr,
    /// Whether the caller speaks TLS, to us or to a trusted proxy.
    pub tls: bool,
}

impl Origin {
    /// Nobody said; only tests send such requests.
    const UNKNOWN: Self = Self { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), tls: false };
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::UNKNOWN))
    }
}

/// Somebody who is logged in, by the bearer token of the request.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Claims>);

impl Caller {
    /// Whether it is an operator.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.role == Role::Admin.as_str()
    }

    /// Only operators go on.
    ///
    /// # Errors
    /// A problem of status 403.
    pub fn must_be_admin(&self) -> Result<(), Problem> {
        if self.is_admin() { Ok(()) } else { Err(forbidden("This is for operators.")) }
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(|| unauthorized("This needs an access token."))?;
        let auth = Arc::<Auth>::from_ref(state);
        auth.verify(token).map(Self).map_err(|error| unauthorized(&format!("Not done: {error}.")))
    }
}

impl<S> OptionalFromRequestParts<S> for Caller
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    /// Without a token it is nobody; with a bad one it is refused, so that a client notices.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not logged in", detail)
}

/// A problem of status 403.
pub(crate) fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
}
