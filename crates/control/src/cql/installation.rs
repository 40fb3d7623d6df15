//! The installation's secret and its first rows, in CQL.

use std::time::Duration;

use weir_identity::KeySecret;

use super::{
    Cql, column, names,
    statement::{statements, step_aside},
};
use crate::{
    error::Error,
    store::{Answer, Foundation, Installation},
};

/// Longest wait for another node's first start, or for the names that a node which died in the middle of its own has
/// taken.
const FOUNDING_MAX: Duration = Duration::from_secs(names::YOUNG_FOR.as_secs().unsigned_abs() + 5);

statements! { Statements {
    find: Read = "SELECT value FROM installation WHERE name = ?";
    add: Decide = "INSERT INTO installation (name, value) VALUES (?, ?) IF NOT EXISTS";
    ping: Write = "INSERT INTO pings (node, at) VALUES (?, ?)";
} }

impl Installation for Cql {
    fn key_secret(&self) -> Answer<'_, KeySecret> {
        Box::pin(async {
            let name = ("key_secret",);
            if let Some((kept,)) = self.one::<(Vec<u8>,)>(&self.installation.find, name).await? {
                return Ok(KeySecret::from_bytes(column::hash(kept)?));
            }
            let new = KeySecret::random();
            // Whether it is ours or another node's that counts, the row says.
            let took = || async { Ok(true) };
            self.decide(&self.installation.add, (name.0, new.as_bytes().as_slice()), took).await?;
            let kept = self.settled::<(Vec<u8>,)>(&self.installation.find, name).await?;
            let (kept,) = kept.ok_or_else(|| Error::Unreachable("the installation's secret was not kept".into()))?;
            Ok(KeySecret::from_bytes(column::hash(kept)?))
        })
    }

    fn found(&self, foundation: Foundation) -> Answer<'_, bool> {
        Box::pin(async move {
            let begin = tokio::time::Instant::now();
            let Foundation { account, channel, key } = foundation;
            loop {
                if !crate::accounts::Accounts::accounts(self, None, 1).await?.is_empty() {
                    return Ok(false);
                }
                match self.enter(&account, &channel, Some(&key)).await {
                    Ok(()) => return Ok(true),
                    // Another node is about to, or was when it died.
                    Err(Error::Exists) if begin.elapsed() < FOUNDING_MAX => step_aside().await,
                    Err(error) => return Err(error),
                }
            }
        })
    }
}
