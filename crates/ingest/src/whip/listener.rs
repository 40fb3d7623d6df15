//! The owner of the WHIP sessions, as a supervised actor.
//!
//! Owner: whoever called [`super::Whip::spawn`]. Restart: by the owner, with a new call.
//! Children: one `whip::session` a publisher, never restarted; a session that fails is logged and forgotten. When the
//! owner of the sessions ends, so do they.

use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tracing::error;

use super::session;
use crate::Error;

/// How often a draining listener looks whether the last session has gone: one whose start was cut off ends without an
/// event.
const DRAIN_CHECK: Duration = Duration::from_millis(100);

/// Everything that may be asked of the owner of the sessions.
#[derive(Debug)]
pub enum Msg {
    /// Tell every publisher that the server stops, and stop when the last has gone.
    Drain,
}

/// Spawns it under `supervisor`.
pub(super) async fn spawn(supervisor: ActorCell) -> Result<ActorRef<Msg>, Error> {
    let (listener, _) = Actor::spawn_linked(None, Listener, (), supervisor).await?;
    Ok(listener)
}

struct Listener;

impl Actor for Listener {
    type Msg = Msg;
    /// Whether it drains.
    type State = bool;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Msg>, (): ()) -> Result<bool, ActorProcessingErr> {
        Ok(false)
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, draining: &mut bool) -> Result<(), ActorProcessingErr> {
        let Msg::Drain = msg;
        *draining = true;
        drain(&me);
        me.send_after(DRAIN_CHECK, || Msg::Drain);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        draining: &mut bool,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            error!(%error, "a session failed; all others go on");
        }
        if *draining {
            drain(&me);
        }
        Ok(())
    }
}

/// Tells the sessions that there are to go, and stops when there are none. Telling them again changes nothing.
fn drain(me: &ActorRef<Msg>) {
    let mut sessions = me.get_children();
    sessions.retain(|session| session.get_status() < ActorStatus::Stopping);
    if sessions.is_empty() {
        me.stop(None);
    }
    for session in sessions {
        // An error means that it has ended by itself.
        let _ = session.send_message(session::Msg::Drain);
    }
}
