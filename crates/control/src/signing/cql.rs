//! Signing keys in CQL: one partition of a few rows.

use scylla::value::CqlTimestamp;

use super::{GENERATIONS_KEPT, SigningKey, SigningKeys};
use crate::{
    cql::{Cql, column, statement::statements},
    error::Error,
    store::Answer,
};

statements! { Statements {
    all: Read = "SELECT generation, kid, seed, created_at FROM signing_keys WHERE ring = 'tokens'";
    one: Read = "SELECT kid FROM signing_keys WHERE ring = 'tokens' AND generation = ?";
    add: Decide = "INSERT INTO signing_keys (ring, generation, kid, seed, created_at) VALUES ('tokens', ?, ?, ?, ?) \
        IF NOT EXISTS";
    forget: Decide = "DELETE FROM signing_keys WHERE ring = 'tokens' AND generation = ? IF EXISTS";
} }

type Row = (i32, String, Vec<u8>, CqlTimestamp);

impl SigningKeys for Cql {
    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>> {
        Box::pin(async {
            let rows: Vec<Row> = self.rows(&self.signing.all, ()).await?;
            rows.into_iter().take(GENERATIONS_KEPT as usize).map(key).collect()
        })
    }

    fn add_signing_key(&self, key: SigningKey) -> Answer<'_, bool> {
        Box::pin(async move {
            let generation = |of: u32| i32::try_from(of).unwrap_or(i32::MAX);
            let took = || async {
                let kept: Option<(String,)> = self.settled(&self.signing.one, (generation(key.generation),)).await?;
                Ok(kept.is_some_and(|(kid,)| kid == key.kid))
            };
            let created_at = column::at(key.created_at);
            let values = (generation(key.generation), key.kid.as_str(), key.seed.as_slice(), created_at);
            let added = self.decide(&self.signing.add, values, took).await?;
            let oldest = generation(key.generation.saturating_sub(GENERATIONS_KEPT - 1));
            let rows: Vec<Row> = self.rows(&self.signing.all, ()).await?;
            for (old, ..) in rows.into_iter().filter(|(of, ..)| *of < oldest) {
                let gone = || async { Ok(self.settled::<(String,)>(&self.signing.one, (old,)).await?.is_none()) };
                self.decide(&self.signing.forget, (old,), gone).await?;
            }
            Ok(added)
        })
    }
}

fn key((generation, kid, seed, created_at): Row) -> Result<SigningKey, Error> {
    let generation = u32::try_from(generation).unwrap_or_default();
    Ok(SigningKey { generation, kid, seed, created_at: column::time(created_at)? })
}
