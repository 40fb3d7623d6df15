//! Removing an account, in CQL.
//!
//! A note says that it is under way; then the row is marked as deleting, and with that the account is gone for
//! everyone. Then follow its channels (each row first, which makes it gone, then what belongs to it, its name last),
//! devices, identities, names and pointers, the row itself, and the note. Every step may run twice: whoever comes
//! across a half-removed account goes on with it (a node at its start, somebody who wants one of its names, the caller
//! who tries again).

use jiff::Timestamp;
use weir_identity::AccountId;

use super::State;
use crate::{
    cql::{
        Cql, Id, column,
        names::{Kind, YOUNG_FOR},
        statement::statements,
    },
    error::Error,
    families::Families,
};

statements! { Statements {
    mark: Decide = "UPDATE accounts SET state = 'deleting' WHERE id = ? IF state = 'live'";
    drop: Decide = "DELETE FROM accounts WHERE id = ? IF state = 'deleting'";
    note: Write = "INSERT INTO deletions (queue, account, at) VALUES ('accounts', ?, ?)";
    noted: Read = "SELECT account, at FROM deletions WHERE queue = 'accounts'";
    forget: Write = "DELETE FROM deletions WHERE queue = 'accounts' AND account = ?";
} }

impl Cql {
    pub(crate) async fn remove_account(&self, id: AccountId) -> Result<bool, Error> {
        let removal = &self.accounts.removal;
        let Some(State::Live | State::Deleting) = self.settled_state(id).await? else { return Ok(false) };
        self.put(&removal.note, (id.column(), column::at(Timestamp::now()))).await?;
        let took = || async { Ok(self.settled_state(id).await? != Some(State::Live)) };
        self.decide(&removal.mark, (id.column(),), took).await?;
        self.finish_deletion(id).await?;
        Ok(true)
    }

    /// Goes on with deletions that nodes left behind when they died.
    pub(crate) async fn finish_deletions(&self) -> Result<(), Error> {
        let noted: Vec<(uuid::Uuid, scylla::value::CqlTimestamp)> = self.rows(&self.accounts.removal.noted, ()).await?;
        let young = Timestamp::now() - YOUNG_FOR;
        for (id, at) in noted {
            if column::time(at)? < young {
                self.finish_deletion(AccountId::of(id)).await?;
            }
        }
        Ok(())
    }

    /// Removes what belongs to an account that is marked as deleting, and then it.
    pub(super) async fn finish_deletion(&self, id: AccountId) -> Result<(), Error> {
        let row = self.settled_account(id).await?;
        if let Some(row) = row.filter(|row| matches!(row.state(), Ok(State::Deleting))) {
            self.remove_channels_of(id).await?;
            self.end_families(id, None).await?;
            self.unlink_identities_of(id).await?;
            self.take_roles_of(id).await?;
            self.remove_messages_of(id).await?;
            self.end_follows_of(id).await?;
            let (name, look) = (row.name.unwrap_or_default(), row.looks_like.unwrap_or_default());
            self.release_of(Kind::Look, &look, id.column()).await?;
            self.release_of(Kind::Account, &name, id.column()).await?;
            self.put_all(vec![self.accounts.list.removing(&name, id.column())]).await?;
            let gone = || async { Ok(self.settled_account(id).await?.is_none()) };
            self.decide(&self.accounts.removal.drop, (id.column(),), gone).await?;
        }
        self.put(&self.accounts.removal.forget, (id.column(),)).await
    }
}
