//! Why somebody is not let in, and how HTTP says so.

use axum::http::StatusCode;
use weir_identity::name::InvalidName;

use super::hashing::Crowded;
use crate::{accounts::InvalidPassword, error::Error, problem::Problem};

/// Why a call of [`Auth`](super::Auth) did nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The operator lets nobody register.
    #[error("Registration is closed on this server.")]
    RegistrationClosed,
    /// Not a user name.
    #[error("A user name cannot be this: {0}.")]
    InvalidName(InvalidName),
    /// Not a password.
    #[error("A password cannot be this: {0}.")]
    InvalidPassword(InvalidPassword),
    /// Not an e-mail address.
    #[error("This is no e-mail address.")]
    InvalidEmail,
    /// Somebody has that name, or one that looks the same.
    #[error("This user name is taken, or it looks like one that is.")]
    NameTaken,
    /// Name or password is wrong; which one is not said.
    #[error("User name or password is wrong.")]
    WrongCredentials,
    /// A code is needed as well.
    #[error("This account asks for a code of its second factor, or a recovery code (`otp`).")]
    SecondFactorNeeded,
    /// The code is wrong, too old, or was used.
    #[error("The code is wrong, too old, or was used before.")]
    WrongSecondFactor,
    /// An operator suspended the account.
    #[error("This account was suspended.")]
    Suspended,
    /// The refresh token does not count.
    #[error("This device is logged out. Log in again.")]
    WrongRefreshToken,
    /// The account was removed.
    #[error("This account does not exist any more.")]
    Gone,
    /// Somebody else changed it in this moment.
    #[error("The account was changed by somebody else in this moment. Look again, then try again.")]
    Changed,
    /// Too many log in at this moment.
    #[error("Too many people log in at this moment. Try again in a second.")]
    Crowded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Refused {
    /// Whether somebody may have tried a secret that is not theirs.
    pub(crate) fn is_wrong_guess(&self) -> bool {
        matches!(self, Self::WrongCredentials | Self::WrongSecondFactor)
    }
}

impl From<Crowded> for Refused {
    fn from(_: Crowded) -> Self {
        Self::Crowded
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        let (status, slug, title) = match refused {
            Refused::RegistrationClosed => (StatusCode::FORBIDDEN, "registration-closed", "Registration is closed"),
            Refused::InvalidName(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-username", "Not a user name"),
            Refused::InvalidPassword(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-password", "Not a password"),
            Refused::InvalidEmail => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-email", "Not an e-mail address"),
            Refused::NameTaken => (StatusCode::CONFLICT, "username-taken", "The name is taken"),
            Refused::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong-credentials", "Not let in"),
            Refused::SecondFactorNeeded => (StatusCode::UNAUTHORIZED, "second-factor-needed", "A code is needed"),
            Refused::WrongSecondFactor => (StatusCode::UNAUTHORIZED, "wrong-second-factor", "The code is wrong"),
            Refused::Suspended => (StatusCode::FORBIDDEN, "account-suspended", "The account is suspended"),
            Refused::WrongRefreshToken => (StatusCode::UNAUTHORIZED, "wrong-refresh-token", "Logged out"),
            Refused::Gone => (StatusCode::UNAUTHORIZED, "account-gone", "No such account"),
            Refused::Changed => (StatusCode::CONFLICT, "changed-meanwhile", "Changed meanwhile"),
            Refused::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "crowded", "Too many at once"),
            Refused::Store(error) => return error.into(),
        };
        Self::new(status, slug, title, detail)
    }
}
