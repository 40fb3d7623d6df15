//! Signing keys in SQLite.

use rusqlite::params;

use super::{GENERATIONS_KEPT, SigningKey, SigningKeys};
use crate::{
    sqlite::{Sqlite, column},
    store::Answer,
};

impl SigningKeys for Sqlite {
    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT generation, kid, seed, created_at_ms FROM signing_keys ORDER BY generation DESC LIMIT ?1",
            )?;
            let keys = query.query_map([GENERATIONS_KEPT], |row| {
                Ok(SigningKey {
                    generation: row.get(0)?,
                    kid: row.get(1)?,
                    seed: row.get(2)?,
                    created_at: column::time(row, 3)?,
                })
            })?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
    }

    fn add_signing_key(&self, key: SigningKey) -> Answer<'_, bool> {
        self.write(move |db| {
            let added = db.execute(
                "INSERT OR IGNORE INTO signing_keys (generation, kid, seed, created_at_ms) VALUES (?1, ?2, ?3, ?4)",
                params![key.generation, key.kid, key.seed, key.created_at.as_millisecond()],
            )?;
            let oldest = key.generation.saturating_sub(GENERATIONS_KEPT - 1);
            db.execute("DELETE FROM signing_keys WHERE generation < ?1", [oldest])?;
            Ok(added == 1)
        })
    }
}
