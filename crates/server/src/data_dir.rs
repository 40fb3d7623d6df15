//! `data_dir`: made if missing, used by one server at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The directory, held until this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    _lock: File,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// No permission, no space, no directory.
    #[error("data_dir {path} cannot be used: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Two servers would write over each other.
    #[error("data_dir {0} is in use by another weir: stop it, or give this one a data_dir of its own")]
    Taken(PathBuf),
}

impl DataDir {
    /// Makes the directory if it is missing, readable by its owner only, and takes it.
    pub(crate) fn take(path: &Path) -> Result<Self, DataDirError> {
        let refuse = |source| DataDirError::Io { path: path.into(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refuse)?;
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(path.join("lock")).map_err(refuse)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Taken(path.into())),
            Err(TryLockError::Error(source)) => Err(refuse(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time() {
        let path = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
        let held = DataDir::take(&path).unwrap();
        assert!(matches!(DataDir::take(&path), Err(DataDirError::Taken(_))));
        drop(held);
        DataDir::take(&path).unwrap();
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_made_is_named() {
        let said = DataDir::take(Path::new("/proc/nowhere")).unwrap_err().to_string();
        assert!(said.starts_with("data_dir /proc/nowhere cannot be used: "), "{said}");
    }
}
