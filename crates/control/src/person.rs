//! Who said something, as moderators see it.

use serde::Serialize;
use utoipa::ToSchema;
use weir_identity::{AccountId, ChannelName};

use crate::{accounts, api::Api, channels::Channel, problem::Problem, roles::ChannelRole};

/// Who said something, as rooms show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ChatPerson)]
pub(crate) struct PersonView {
    /// The account.
    #[schema(format = "uuid")]
    id: String,
    /// Its name.
    #[schema(example = "berta")]
    name: String,
    /// What others read, where that is not the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// What it is in the channel now: `viewer`, `vip`, `moderator` or `owner`.
    role: &'static str,
}

impl PersonView {
    /// Of an account in a channel; of one that is gone, what it was called is left.
    pub(crate) async fn of(api: &Api, channel: &Channel, id: AccountId, then: &ChannelName) -> Result<Self, Problem> {
        let Some(account) = api.store.account(id).await? else {
            return Ok(Self { id: id.to_string(), name: then.to_string(), display_name: None, role: "viewer" });
        };
        let role = if account.role == accounts::Role::Admin || channel.owner == Some(id) {
            "owner"
        } else {
            api.store.role_of(channel.id, id).await?.map_or("viewer", ChannelRole::as_str)
        };
        let display_name = Some(account.display_name.to_string()).filter(|name| *name != account.name.as_str());
        Ok(Self { id: id.to_string(), name: account.name.to_string(), display_name, role })
    }
}
