//! Who owns what: accounts, channels, stream keys and the record of publishes, and where they are kept.
//!
//! Read a domain folder first: [`accounts`], [`channels`], [`keys`], [`roles`], [`bans`], [`families`] (devices that are
//! logged in), [`signing`], [`sessions`], [`vods`], [`audit`] and the rest. Each has its model and the trait
//! that asks a store for it, and beside it `sqlite.rs` with the statements of the one-machine store. [`store`] joins
//! the traits into one [`Store`] and opens the one that a URL names; [`sqlite`] is the machinery below the
//! statements (threads, migrations), and [`cql`] is that of the cluster's store, whose statements stand in `cql.rs`.
//! [`conformance`] holds what every store must do, as tests over the trait.
//! [`transfer`] moves the one into the other.
//! Above them: [`admission`] (may this key publish?), [`first_start`], and [`api`] (routes and `openapi.json`).
//!
//! This crate does not know RTMP, HLS or pages. What is live it asks of [`Presence`].

pub mod accounts;
pub mod admin;
pub mod admission;
pub mod admission_call;
pub mod api;
pub mod audit;
pub mod auth;
pub mod bans;
mod breaker;
pub mod channels;
#[cfg(test)]
mod conformance;
pub mod cql;
pub mod emotes;
pub mod error;
pub mod families;
pub mod first_start;
pub mod follows;
pub mod held;
pub mod idempotency;
mod json;
pub mod keys;
pub mod limits;
mod me;
pub mod messages;
pub mod oidc;
pub mod oidc_identities;
mod once;
mod page;
mod person;
pub mod places;
pub mod playback;
mod precondition;
pub mod presence;
pub mod problem;
pub mod reports;
pub mod rights;
pub mod roles;
pub mod rooms;
pub mod seal;
pub mod second_factor;
pub mod sessions;
pub mod signing;
pub mod sqlite;
pub mod store;
#[cfg(test)]
mod testing;
pub mod transfer;
pub mod vods;
pub mod webhooks;
pub mod words;

pub use error::Error;
pub use places::Places;
pub use presence::{HealthInfo, HealthMessage, LiveInfo, Presence, RenditionInfo};
pub use rooms::Rooms;
pub use store::{Config, Store, open};

/// `time` as a store keeps it: whole milliseconds.
pub(crate) fn store_time(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(time.as_millisecond()).expect("a timestamp's milliseconds make a timestamp")
}
