//! A room: what happens in it as values, and the actor that has them.

pub(crate) mod actor;
pub mod event;
pub(crate) mod history;
pub mod log;
pub(crate) mod order;
pub(crate) mod outlet;
pub(crate) mod presence;
pub mod rules;
pub mod settings;
pub(crate) mod window;

pub use event::{ClientId, Entry, Event, MessageId, Person, Role};
pub use settings::Settings;
