//! One publish's packager, as a supervised actor: it owns the muxers.
//!
//! Owner: the channel's `stream` actor. Restart: as that decides; a new one continues the playlist after a
//! DISCONTINUITY, from the next keyframe on.
//! Mailbox: control only. Frames stay in the intake task, which reads the publish's bounded bus.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::Notify, task::JoinHandle};
use tracing::Instrument as _;
use weir_media::{Live, Subscriber};

use crate::{error::Error, intake::Intake, package::Package, session::Station};

/// All that may be said to a packager.
pub(crate) enum Msg {
    /// Finish what came so far; frames to come are not wanted.
    Finish,
    /// The intake ended: the publish is over, or packaging failed.
    Ended(Result<(), Error>),
}

/// What a packager starts with.
pub(crate) struct Args {
    pub(crate) station: Arc<Station>,
    pub(crate) live: Arc<Live>,
    pub(crate) events: Subscriber,
}

pub(crate) struct State {
    intake: JoinHandle<()>,
    finish: Arc<Notify>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.intake.abort();
    }
}

pub(crate) struct Packager;

impl Actor for Packager {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let finish = Arc::new(Notify::new());
        let events = Intake::new(args.live.clone(), args.events, args.station.repair.clone());
        let package = Package::new(args.station, args.live);
        let work = tokio::spawn(package.run(events, finish.clone()).in_current_span());
        let intake = tokio::spawn(async move {
            let mut work = Aborting(work);
            let result = match (&mut work.0).await {
                Ok(result) => result,
                Err(error) if error.is_panic() => Err(Error::Panicked(panic_text(error.into_panic()))),
                // Aborted together with this task.
                Err(_) => return,
            };
            // An error means that the actor is gone, and with it whoever would care.
            let _ = me.cast(Msg::Ended(result));
        });
        Ok(State { intake, finish })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Finish => state.finish.notify_one(),
            Msg::Ended(Ok(())) => me.stop(None),
            Msg::Ended(Err(error)) => return Err(error.into()),
        }
        Ok(())
    }
}

/// A task that ends with its owner.
struct Aborting<T>(JoinHandle<T>);

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".into())
}
