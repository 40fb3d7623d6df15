//! Why a login through a provider does not go on, and how HTTP says so.

use axum::http::StatusCode;

use crate::{auth, error::Error, problem::Problem};

/// Why.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// No such provider in the settings.
    #[error("This server knows no login provider of that name.")]
    UnknownProvider,
    /// The provider does not answer.
    #[error("{0} does not answer now. Try again in a moment, or log in another way.")]
    Unavailable(String),
    /// The provider answers nonsense, or somebody answers in its place.
    #[error("What {0} answered cannot be believed. If this goes on, tell whoever runs this server.")]
    Answer(String),
    /// The provider did not let them in, or they did not want to.
    #[error("{0} did not vouch for you.")]
    Denied(String),
    /// Not begun in this browser, begun too long ago, or done already.
    #[error("This login was not begun in this browser, was begun too long ago, or is done already. Begin again.")]
    Attempt,
    /// The identity opens another account.
    #[error("This identity opens another account here already.")]
    Taken,
    /// Nothing else opens the account.
    #[error("Nothing else opens this account. Set a password, or link another provider first.")]
    LastWayIn,
    /// Two requests about the account's identities at once.
    #[error("Another request changes what opens this account. Try again in a moment.")]
    Changing,
    /// The server does not know under which address the browser reaches it.
    #[error("This server cannot tell under which address you reach it: `auth.public_url` is missing.")]
    Place,
    /// Too many ask the same provider at once.
    #[error("Too many people log in this way at this moment. Try again in a second.")]
    Crowded,
    /// Logging in refuses.
    #[error(transparent)]
    Auth(#[from] auth::Refused),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Auth(error.into())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        let (status, slug, title) = match refused {
            Refused::UnknownProvider => (StatusCode::NOT_FOUND, "provider-not-found", "No such provider"),
            Refused::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "provider-unavailable", "The provider does not answer")
            }
            Refused::Answer(_) => (StatusCode::BAD_GATEWAY, "provider-answer", "The provider is not believed"),
            Refused::Denied(_) => (StatusCode::FORBIDDEN, "provider-denied", "The provider did not vouch"),
            Refused::Attempt => (StatusCode::BAD_REQUEST, "login-attempt", "Begin again"),
            Refused::Taken => (StatusCode::CONFLICT, "identity-taken", "It opens another account"),
            Refused::LastWayIn => (StatusCode::CONFLICT, "last-way-in", "The last way in"),
            Refused::Changing => (StatusCode::CONFLICT, "changed-meanwhile", "Changed meanwhile"),
            Refused::Place => (StatusCode::BAD_REQUEST, "unknown-address", "Under which address?"),
            Refused::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "crowded", "Too many at once"),
            Refused::Auth(refused) => return refused.into(),
        };
        Self::new(status, slug, title, detail)
    }
}
