//! What a caller may do in a channel.

use crate::{
    auth::{Caller, caller::forbidden},
    channels::{Channel, Visibility},
    error::Error,
    problem::Problem,
    roles::ChannelRole,
    store::Store,
};

/// From nothing to everything; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// What everybody may.
    Nobody,
    /// A VIP: watches what is for members.
    Vip,
    /// A moderator: changes settings, bans, ends a stream.
    Moderator,
    /// The owner, and operators: gives roles, sees keys.
    Owner,
}

impl Right {
    /// Of a caller in a channel.
    ///
    /// # Errors
    /// [`Error`] of the store.
    pub async fn of(store: &dyn Store, caller: Option<&Caller>, channel: &Channel) -> Result<Self, Error> {
        let Some(caller) = caller else { return Ok(Self::Nobody) };
        if caller.is_admin() || channel.owner == Some(caller.0.sub) {
            return Ok(Self::Owner);
        }
        Ok(match store.role_of(channel.id, caller.0.sub).await? {
            Some(ChannelRole::Moderator) => Self::Moderator,
            Some(ChannelRole::Vip) => Self::Vip,
            None => Self::Nobody,
        })
    }

    /// Whether it is enough to watch.
    #[must_use]
    pub fn may_watch(self, visibility: Visibility) -> bool {
        match visibility {
            Visibility::Public | Visibility::Unlisted => true,
            Visibility::Members => self >= Self::Vip,
            Visibility::Private => self >= Self::Moderator,
        }
    }

    /// Goes on only with at least that right.
    ///
    /// # Errors
    /// A problem of status 403.
    pub fn at_least(self, needed: Self) -> Result<(), Problem> {
        if self >= needed {
            return Ok(());
        }
        Err(forbidden(match needed {
            Self::Owner => "This is for the channel's owner.",
            Self::Moderator => "This is for the channel's owner and moderators.",
            _ => "This is for the channel's members.",
        }))
    }
}
