//! The one-machine store: SQLite in WAL mode, off the runtime's threads.
//!
//! One thread writes, so that writers never meet; a few read, each with its own connection, and see the last commit.
//! Calls are closures sent to those threads over bounded queues; a queue that stays full is [`Error::Busy`], not a
//! wait without end. The statements stand in the domain folders.

pub(crate) mod column;
mod installation;
mod migrate;
pub(crate) mod worker;

use std::{
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi};

use crate::{
    breaker::Breaker,
    error::Error,
    store::{Answer, Config, Store},
};
use worker::Worker;

/// How long SQLite waits for another process that holds the file, for example somebody's `sqlite3` shell.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
/// Prepared statements a connection keeps; more than there are.
const STATEMENTS_KEPT: usize = 64;
/// Calls that may wait for one reader.
const READS_WAITING_MAX: usize = 1024;

/// The store in one file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// Device and inode of the file that was opened: SQLite goes on writing into a file that was removed, and all of
    /// it would be lost at the next start.
    identity: (u64, u64),
    writer: Worker,
    readers: Vec<Worker>,
    turn: AtomicUsize,
    /// Readers and the writer hang each for themselves: the writer waits for other programs' locks, readers do not.
    reading: Breaker,
    writing: Breaker,
}

impl Sqlite {
    /// Opens or makes the file, readable by its owner only, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or was written by a newer Weir.
    pub async fn open(path: PathBuf, config: &Config) -> Result<Self, Error> {
        let (readers, writes_waiting_max) = (config.readers, config.writes_waiting_max);
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(path, readers, writes_waiting_max));
        opening.await.map_err(|panic| Error::Other(panic.to_string()))?
    }

    fn open_blocking(path: PathBuf, readers: usize, writes_waiting_max: usize) -> Result<Self, Error> {
        let file = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Error::io(&path, &error))?;
        let metadata = file.metadata().map_err(|error| Error::io(&path, &error))?;
        drop(file);
        let mut writer = connect(&path)?;
        migrate::migrate(&mut writer).map_err(|error| locked(error, &path).at(&path))?;
        let writer = Worker::start("weir-store-write", writer, writes_waiting_max)?;
        let readers = (0..readers)
            .map(|_| {
                let reader = connect(&path)?;
                reader.pragma_update(None, "query_only", true)?;
                Worker::start("weir-store-read", reader, READS_WAITING_MAX)
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            path,
            identity: (metadata.dev(), metadata.ino()),
            writer,
            readers,
            turn: AtomicUsize::new(0),
            reading: Breaker::new("read"),
            writing: Breaker::new("write"),
        })
    }

    /// Runs `job` on a reading thread.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Answer<'_, T> {
        let reader = &self.readers[self.turn.fetch_add(1, Relaxed) % self.readers.len()];
        let answer = self.reading.call(reader.call(move |db| job(db)));
        Box::pin(async move { answer.await.map_err(|error| error.at(&self.path)) })
    }

    /// Runs `job` on the writing thread, in a transaction that is committed if it succeeds.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<'_, T> {
        let job = move |db: &mut Connection| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = job(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let answer = self.writing.call(self.writer.call(job));
        Box::pin(async move { answer.await.map_err(|error| error.at(&self.path)) })
    }
}

#[cfg(test)]
impl Sqlite {
    /// Holds every thread until what is given is dropped.
    pub(crate) fn stall(&self) -> Vec<std::sync::mpsc::Sender<()>> {
        let workers = [&self.writer].into_iter().chain(&self.readers);
        workers
            .map(|worker| {
                let (held, until) = std::sync::mpsc::channel::<()>();
                worker.run(move |_| until.recv().unwrap_or_default());
                held
            })
            .collect()
    }
}

impl Store for Sqlite {
    fn ping(&self) -> Answer<'_, ()> {
        let (path, identity) = (self.path.clone(), self.identity);
        self.write(move |db| {
            let same = std::fs::metadata(&path).is_ok_and(|file| (file.dev(), file.ino()) == identity);
            if !same {
                return Err(Error::Replaced(path));
            }
            // Writes a page, so that a full disk, a read-only file system or a damaged file shows.
            db.execute("INSERT OR REPLACE INTO installation (name, value) VALUES ('ping', x'')", [])?;
            Ok(())
        })
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let open = || -> rusqlite::Result<Connection> {
        let db = Connection::open(path)?;
        db.busy_timeout(LOCK_WAIT_MAX)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // With WAL a commit survives the process without a sync each; a power cut may undo the last few.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(db)
    };
    open().map_err(|error| locked(Error::from(error), path).at(path))
}

/// Opens a store's file, brings its schema up to date, and keeps every other process off it.
pub(crate) fn open_alone(path: &Path) -> Result<Connection, Error> {
    std::fs::metadata(path).map_err(|error| Error::io(path, &error))?;
    let open = || -> Result<Connection, Error> {
        let mut db = Connection::open(path)?;
        // Before anything is read: then it is the whole file that is locked, and a server's connections hold a part.
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        migrate::migrate(&mut db)?;
        Ok(db)
    };
    open().map_err(|error| locked(error, path).at(path))
}

/// At the start, busy means that another program holds the file.
fn locked(error: Error, path: &Path) -> Error {
    match error {
        Error::Busy => Error::Open { path: path.into(), reason: "another program holds a lock on it".into() },
        other => other,
    }
}

impl Error {
    /// Names the file in an error that SQLite gave without it.
    fn at(self, path: &Path) -> Self {
        match self {
            Self::Corrupt { path: unnamed, reason } if unnamed.as_os_str().is_empty() => {
                Self::Corrupt { path: path.into(), reason }
            }
            Self::Open { path: unnamed, reason } if unnamed.as_os_str().is_empty() => {
                Self::Open { path: path.into(), reason }
            }
            other => other,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let reason = error.to_string();
        let rusqlite::Error::SqliteFailure(failure, _) = error else {
            return if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) {
                Self::Corrupt { path: PathBuf::new(), reason }
            } else {
                Self::Other(reason)
            };
        };
        match (failure.code, failure.extended_code) {
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Self::Exists,
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing,
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy,
            (ErrorCode::DiskFull, _) => Self::Full,
            (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => Self::ReadOnly(reason),
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => Self::Corrupt { path: PathBuf::new(), reason },
            (ErrorCode::CannotOpen, _) => Self::Open { path: PathBuf::new(), reason },
            _ => Self::Other(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance, sessions::Sessions, store::Installation};

    /// A directory of one test, removed with it.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("weir-store-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        async fn store(&self) -> Result<Sqlite, Error> {
            Sqlite::open(self.0.join("weir.db"), &Config::default()).await
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn it_does_what_every_store_does() {
        let directory = Directory::new();
        conformance::all(&directory.store().await.unwrap()).await;
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_a_restart_and_the_file_is_private() {
        let directory = Directory::new();
        let secret = directory.store().await.unwrap().key_secret().await.unwrap();
        let again = directory.store().await.unwrap().key_secret().await.unwrap();
        assert_eq!(secret.as_bytes(), again.as_bytes());
        let mode = std::fs::metadata(directory.0.join("weir.db")).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_store_is_refused_with_its_name() {
        let directory = Directory::new();
        std::fs::write(directory.0.join("weir.db"), "no database, but long enough to look like one ".repeat(99))
            .unwrap();
        let error = directory.store().await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt { path, .. } if path.ends_with("weir.db")), "{error}");
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_refused_with_its_name() {
        let error = Sqlite::open("/proc/weir.db".into(), &Config::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Open { path, .. } if path.ends_with("weir.db")), "{error}");
    }

    #[tokio::test]
    async fn a_file_removed_under_the_server_is_noticed() {
        let directory = Directory::new();
        let store = directory.store().await.unwrap();
        store.ping().await.unwrap();
        std::fs::remove_file(directory.0.join("weir.db")).unwrap();
        assert!(matches!(store.ping().await, Err(Error::Replaced(_))));
    }

    #[tokio::test]
    async fn a_row_of_nonsense_is_an_error_and_not_a_panic() {
        let directory = Directory::new();
        let store = directory.store().await.unwrap();
        store
            .write(|db| {
                db.execute("INSERT INTO sessions VALUES ('x', 'anna', 'no id', 'rtmp', 1, NULL, NULL, NULL)", [])?;
                Ok(())
            })
            .await
            .unwrap();
        let sessions = store.sessions_of(&"anna".parse().unwrap(), 9).await;
        assert!(matches!(sessions, Err(Error::Corrupt { .. })), "{sessions:?}");
    }

    #[tokio::test]
    async fn a_call_that_panics_harms_no_other() {
        let directory = Directory::new();
        let store = directory.store().await.unwrap();
        let broken = store.write::<()>(|_| panic!("on purpose")).await;
        assert!(matches!(broken, Err(Error::Other(_))));
        store.ping().await.unwrap();
    }
}
