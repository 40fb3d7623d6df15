//! Messages that people reported: copied as they were then, so that a later deletion hides nothing from moderators.

pub(crate) mod cql;
pub(crate) mod routes;
mod sqlite;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use weir_identity::{AccountId, ChannelId, ChannelName, MessageId};

use crate::store::Answer;

/// Most messages of one channel that are reported and not settled: more than moderators read in one go.
pub const REPORTED_PER_CHANNEL_MAX: usize = 1_000;
/// Most reports of one message that are kept; more say nothing new.
pub const REPORTS_PER_MESSAGE_MAX: usize = 100;
/// Most characters of a report's reason.
pub const REASON_CHARS_MAX: usize = 500;
/// How long a report is kept, settled or not.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A message as it was when it was first reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who said it.
    pub author: AccountId,
    /// Their name, then.
    pub author_name: ChannelName,
    /// What was said.
    pub text: String,
    /// When it was said, in whole milliseconds.
    pub at: Timestamp,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who reports.
    pub by: AccountId,
    /// Why. At most [`REASON_CHARS_MAX`] characters; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A message with its reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The message.
    pub message: Message,
    /// Who reported it, by account; at most [`REPORTS_PER_MESSAGE_MAX`].
    pub reports: Vec<Report>,
}

/// Reports, kept. What was first reported longer than [`KEPT_FOR`] ago is not there.
pub trait Reports: Send + Sync + 'static {
    /// Adds a report, with the message where it is the first. False when it changes nothing for moderators: they have
    /// settled the message, the same account has reported it, or it has [`REPORTS_PER_MESSAGE_MAX`].
    /// [`Error::Missing`](crate::Error::Missing) without the channel, [`Error::TooMany`](crate::Error::TooMany) past
    /// [`REPORTED_PER_CHANNEL_MAX`].
    fn report(&self, channel: ChannelId, message: Message, report: Report) -> Answer<'_, bool>;

    /// Messages of a channel that are reported and not settled, in the order of their ids, after `after`, at most
    /// `limit`.
    fn reported_in(&self, channel: ChannelId, after: Option<MessageId>, limit: usize) -> Answer<'_, Vec<Reported>>;

    /// How many messages of a channel are reported and not settled.
    fn reported_count(&self, channel: ChannelId) -> Answer<'_, u64>;

    /// Nothing is left to be done about a message; what is reported of it from now on changes that no more. False when
    /// it is not reported, or settled already.
    fn settle(&self, channel: ChannelId, message: MessageId) -> Answer<'_, bool>;
}
