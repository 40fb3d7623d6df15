//! WHIP publishers (RFC 9725): an offer over HTTP, then RTP over WebRTC.
//!
//! | file | is |
//! |---|---|
//! | `routes` | the HTTP requests: POST, PATCH, DELETE, OPTIONS |
//! | `problems` | what a refused publisher hears |
//! | `table` | the sessions there are, by the id in their address |
//! | `mailbox` | where the sockets leave a session's datagrams |
//! | `pump` | a session's transport, its receiver and its publish |
//! | `session` | the pump's actor |
//! | `listener` | the sessions' owner |
//! | `meters` | what is counted |
//!
//! The key is checked when the offer comes, so that a refusal is told. The channel is taken when the peer is connected:
//! somebody who never connects ends no running stream.

mod config;
mod listener;
mod mailbox;
mod meters;
mod problems;
mod pump;
mod routes;
mod session;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;
use ractor::{ActorCell, ActorRef};
use weir_media::Registry;
use weir_peer::{IceServer, socket::Sockets, transport::Certificate};

pub use config::Config;
pub use listener::Msg;
pub use routes::Remote;

use self::table::Table;
use crate::{Error, Gate};

/// WHIP on this node: its routes, and the owner of its sessions. Clones are the same.
pub struct Whip<G>(Arc<Shared<G>>);

impl<G> Clone for Whip<G> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What every session and request needs.
struct Shared<G> {
    config: Config,
    gate: Arc<G>,
    registry: Registry,
    sockets: Sockets,
    certificate: Certificate,
    ice_servers: Vec<IceServer>,
    table: Arc<Table>,
    /// Who owns the sessions. Without one, and while it drains, offers are turned away.
    listener: Mutex<Option<ActorRef<Msg>>>,
}

impl<G: Gate> Whip<G> {
    /// WHIP over `sockets`. Offers are turned away until [`Self::spawn`]. Publishers are told to use `ice_servers`.
    #[must_use]
    pub fn new(
        config: Config,
        gate: Arc<G>,
        registry: Registry,
        sockets: Sockets,
        certificate: Certificate,
        ice_servers: Vec<IceServer>,
    ) -> Self {
        meters::describe();
        let table = Arc::new(Table::new(config.pending_max));
        let listener = Mutex::new(None);
        Self(Arc::new(Shared { config, gate, registry, sockets, certificate, ice_servers, table, listener }))
    }

    /// Spawns the owner of the sessions under `supervisor`; offers are taken from now on. After a failure it may be
    /// called again.
    ///
    /// # Errors
    /// [`Error::Spawn`].
    pub async fn spawn(&self, supervisor: ActorCell) -> Result<ActorRef<Msg>, Error> {
        let listener = listener::spawn(supervisor).await?;
        *self.0.listener.lock() = Some(listener.clone());
        Ok(listener)
    }

    /// Takes no more offers, tells every publisher that the server stops, and waits until the last session has ended.
    pub async fn drain(&self) {
        let listener = self.0.listener.lock().take();
        if let Some(listener) = listener {
            // An error means that the listener has stopped, which is what was wanted.
            let _ = listener.cast(Msg::Drain);
            let _ = listener.wait(None).await;
        }
    }

    /// `/whip` and `/whip/{id}`. Whoever serves them says who asks by the extension [`Remote`].
    pub fn router(&self) -> axum::Router {
        routes::router(self.0.clone())
    }
}
