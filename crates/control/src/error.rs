//! What can go wrong with a store, as sentences that an operator can act on.

use std::{io, path::PathBuf};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The name, key or id is there already.
    #[error("it exists already")]
    Exists,
    /// What the new row belongs to is not there.
    #[error("what it belongs to does not exist")]
    Missing,
    /// The channel has as many as it may have.
    #[error("there are too many of them already; remove one first")]
    TooMany,
    /// More calls wait than the store takes, or one waited too long for a turn.
    #[error("the store is busy")]
    Busy,
    /// Too few servers of the store answer, or not in time.
    #[error("the store does not answer: {0}")]
    Unreachable(String),
    /// The disk under the store is full.
    #[error("the disk of the store is full")]
    Full,
    /// The store cannot be written: permissions, or a file system mounted read-only.
    #[error("the store cannot be written: {0}")]
    ReadOnly(String),
    /// The file is no database, or it is damaged.
    #[error(
        "the store at {path} is damaged or no Weir store ({reason}); restore it from a backup, or move it away to start anew"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        reason: String,
    },
    /// The file that was opened is no longer the one at its path.
    #[error("the store's file {0} was removed or replaced while the server runs; put it back and restart")]
    Replaced(PathBuf),
    /// A newer Weir wrote this store.
    #[error(
        "the store has schema version {found}, this weir knows {known}: start a newer weir, or restore an older backup"
    )]
    Newer {
        /// The store's schema version.
        found: u32,
        /// The newest one this build knows.
        known: u32,
    },
    /// It cannot be opened.
    #[error("the store at {path} cannot be opened: {reason}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// `store.url` does not name a store this build has.
    #[error("{0}")]
    Url(String),
    /// The store was closed, or its thread is gone.
    #[error("the store is closed")]
    Closed,
    /// Anything else; a fault of ours or of the disk.
    #[error("the store failed: {0}")]
    Other(String),
}

impl Error {
    /// Whether the store itself is unwell, rather than the question: decides the log level, and 503 over 409.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Exists | Self::Missing | Self::TooMany)
    }

    pub(crate) fn io(path: &std::path::Path, error: &io::Error) -> Self {
        Self::Open { path: path.into(), reason: error.to_string() }
    }
}
