//! Who and what: ids, channel names and stream keys.
//!
//! Read [`name`] (what a channel may be called), [`key`] (the secret a publisher presents, and the only form in
//! which it is kept), [`token`] (what somebody who is logged in presents), [`id`] (identifiers that sort by the time they
//! were made), [`site`] (whose page it is that makes a browser send something).
//!
//! No IO, no clock beyond what an id needs. Every other crate may use this one; it uses none of them.

pub mod id;
pub mod key;
pub mod name;
pub mod site;
pub mod token;

pub use id::{
    AccountId, AuditId, ChannelId, DeliveryId, EmoteId, FamilyId, HeldId, HookId, KeyId, MessageId, NodeId, PublishId,
    VodId, WatchId,
};
pub use key::{InvalidKey, KeyHash, KeySecret, StreamKey};
pub use name::{ChannelName, InvalidName};
