//! Why a viewer does not get what was asked for.

use crate::reload::Bad;

/// Why a viewer does not get what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither there nor announced.
    #[error("there is nothing here")]
    NotFound,
    /// Directives that are refused.
    #[error(transparent)]
    Bad(#[from] Bad),
    /// What was waited for did not come in time.
    #[error("what was asked for did not come in time")]
    Late,
    /// More requests wait than may.
    #[error("too many requests are waiting")]
    Crowded,
}

/// The store holds as many streams as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this server carries as many streams as it may")]
pub struct Full;
