//! The installation's secret and its first rows, in SQLite.

use rusqlite::OptionalExtension;
use weir_identity::KeySecret;

use crate::{
    accounts, channels,
    error::Error,
    keys,
    sqlite::Sqlite,
    store::{Answer, Foundation, Installation},
};

impl Installation for Sqlite {
    fn key_secret(&self) -> Answer<'_, KeySecret> {
        self.write(|db| {
            db.execute(
                "INSERT OR IGNORE INTO installation (name, value) VALUES ('key_secret', ?1)",
                [KeySecret::random().as_bytes()],
            )?;
            let kept =
                db.query_row("SELECT value FROM installation WHERE name = 'key_secret'", [], |row| row.get(0))?;
            Ok(KeySecret::from_bytes(kept))
        })
    }

    fn found(&self, foundation: Foundation) -> Answer<'_, bool> {
        self.write(move |db| {
            let first: Option<i64> = db.query_row("SELECT 1 FROM accounts LIMIT 1", [], |row| row.get(0)).optional()?;
            if first.is_some() {
                return Ok(false);
            }
            accounts::insert(db, &foundation.account)?;
            channels::insert(db, &foundation.channel)?;
            keys::insert(db, &foundation.key)?;
            Ok::<_, Error>(true)
        })
    }
}
