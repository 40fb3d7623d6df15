//! One channel's stream, as a supervised actor: its publishes, one after another, continue one playlist.
//!
//! Owner: the server's `streams` actor. Restart: never; with this actor its playlist ends, and the next publish begins
//! another.
//! Owns: the `packager` actor of the current publish. When that fails, it is started again as `RESTART` says, and
//! continues the playlist after a DISCONTINUITY.
//! Mailbox: control only.
//!
//! A publisher that leaves may come back within the grace time. One that was told to go for good ends the playlist at
//! once; so does [`Msg::Drain`]. Then the actor stops. An owner that has just sent [`Msg::Publish`] to an actor that
//! stops sends it to a new one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::counter;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tracing::{Instrument as _, info, info_span, warn};
use weir_hls::Store;
use weir_identity::ChannelName;
use weir_media::{EndReason, Kick, Live, Subscriber};
use weir_supervise::{Decision, Failures, Restart, decide};

use crate::{
    config::Config,
    error::{Error, Fault},
    health::Report,
    packager::{self, Packager},
    repair::Workers,
    session::Station,
    spool::Spool,
};

/// A packager that fails is started again, since the next keyframe may do better; one that keeps failing is not.
const RESTART: Restart = Restart {
    intensity: 5,
    window: Duration::from_secs(60),
    backoff_min: Duration::from_millis(100),
    backoff_max: Duration::from_secs(2),
};

/// Everything the owner may ask of a stream.
#[derive(Debug)]
pub enum Msg {
    /// A publish of this channel begins. The subscription is the one made when it began, so that no frame is missed. An
    /// older publish is ended.
    Publish(Arc<Live>, Subscriber),
    /// End the playlist now: the server stops.
    Drain,
    /// The grace time that began with this count of publishes is over.
    GraceOver(u64),
    /// The wait before the packager is started again is over, for this count of publishes.
    Restart(u64),
}

/// What a stream starts with.
#[derive(Debug, Clone)]
pub struct Args {
    /// Settings.
    pub config: Config,
    /// Whose stream it is.
    pub channel: ChannelName,
    /// Whether its playlist's address is a secret.
    pub private: bool,
    /// Where the playlist goes.
    pub store: Store,
    /// Where finished segments go, if they go to disk.
    pub spool: Option<Spool>,
    /// Who makes what players need and the publisher does not send.
    pub repair: Option<Workers>,
}

/// A running stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Its actor.
    pub actor: ActorRef<Msg>,
    station: Arc<Station>,
}

impl Stream {
    /// What was observed of the current publish.
    #[must_use]
    pub fn health(&self) -> Report {
        self.station.health.report()
    }
}

/// Starts a channel's stream under `supervisor`.
///
/// # Errors
/// When the supervisor is gone.
pub async fn spawn(args: Args, supervisor: ActorCell) -> Result<Stream, SpawnErr> {
    let Args { config, channel, private, store, spool, repair } = args;
    let station = Arc::new(Station::new(config, channel, private, store, spool, repair));
    let (actor, _) = Actor::spawn_linked(None, StreamActor, station.clone(), supervisor).await?;
    Ok(Stream { actor, station })
}

struct StreamActor;

struct State {
    station: Arc<Station>,
    current: Option<Current>,
    /// The newest publish that waits until the one before is ended.
    next: Option<(Arc<Live>, Subscriber)>,
    /// Publishes so far: tells timers of older ones apart.
    publishes: u64,
    failures: Failures,
    draining: bool,
}

struct Current {
    live: Arc<Live>,
    /// `None` while it waits to be started again.
    packager: Option<ActorRef<packager::Msg>>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.station.end();
    }
}

impl Actor for StreamActor {
    type Msg = Msg;
    type State = State;
    type Arguments = Arc<Station>;

    async fn pre_start(&self, _: ActorRef<Msg>, station: Arc<Station>) -> Result<State, ActorProcessingErr> {
        Ok(State { station, current: None, next: None, publishes: 0, failures: Failures::default(), draining: false })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Publish(live, _) if state.draining => live.kick(Kick::Shutdown),
            Msg::Publish(live, events) => match &state.current {
                Some(Current { packager: Some(packager), .. }) => {
                    finish(packager);
                    state.next = Some((live, events));
                }
                _ => state.publish(&me, live, events).await?,
            },
            Msg::Drain => {
                state.draining = true;
                match &state.current {
                    Some(Current { packager: Some(packager), .. }) => finish(packager),
                    _ => me.stop(None),
                }
            }
            Msg::GraceOver(publishes) if publishes == state.publishes && state.current.is_none() => {
                info!(channel = %state.station.channel, "the stream ended: its publisher did not come back");
                me.stop(None);
            }
            Msg::Restart(publishes) if publishes == state.publishes => state.restart(&me).await?,
            Msg::GraceOver(_) | Msg::Restart(_) => {}
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(who, ..) if state.is_packager(&who) => state.ended(&me).await,
            SupervisionEvent::ActorFailed(who, error) if state.is_packager(&who) => state.failed(&me, &error).await,
            _ => Ok(()),
        }
    }
}

/// Tells a packager to finish. An error means that it is ending already; its end is told in a moment.
fn finish(packager: &ActorRef<packager::Msg>) {
    let _ = packager.cast(packager::Msg::Finish);
}

impl State {
    fn is_packager(&self, who: &ActorCell) -> bool {
        let packager = self.current.as_ref().and_then(|current| current.packager.as_ref());
        packager.is_some_and(|packager| packager.get_id() == who.get_id())
    }

    async fn publish(
        &mut self,
        me: &ActorRef<Msg>,
        live: Arc<Live>,
        events: Subscriber,
    ) -> Result<(), ActorProcessingErr> {
        self.publishes += 1;
        self.failures = Failures::default();
        self.station.health.reset();
        self.package(me, live, events).await
    }

    async fn package(
        &mut self,
        me: &ActorRef<Msg>,
        live: Arc<Live>,
        events: Subscriber,
    ) -> Result<(), ActorProcessingErr> {
        let args = packager::Args { station: self.station.clone(), live: live.clone(), events };
        let span = info_span!("stream", channel = %self.station.channel, publish = %live.id);
        let (packager, _) = Actor::spawn_linked(None, Packager, args, me.get_cell()).instrument(span).await?;
        self.current = Some(Current { live, packager: Some(packager) });
        Ok(())
    }

    async fn restart(&mut self, me: &ActorRef<Msg>) -> Result<(), ActorProcessingErr> {
        let Some(Current { live, packager: None }) = &self.current else { return Ok(()) };
        let live = live.clone();
        let events = live.subscribe();
        self.package(me, live, events).await
    }

    /// The packager came to its end: the publish did, or it was told to finish.
    async fn ended(&mut self, me: &ActorRef<Msg>) -> Result<(), ActorProcessingErr> {
        let current = self.current.take();
        if self.draining {
            me.stop(None);
            return Ok(());
        }
        if let Some((live, events)) = self.next.take() {
            return self.publish(me, live, events).await;
        }
        match current.and_then(|current| current.live.end_reason()) {
            Some(EndReason::Kicked(Kick::TakenOver) | EndReason::Left) | None => {
                let publishes = self.publishes;
                let (channel, grace_time) = (&self.station.channel, self.station.config.grace_time);
                info!(%channel, ?grace_time, "the publisher is gone: the playlist waits for its grace time");
                // The timer's message is ignored if a publisher came meanwhile.
                me.send_after(grace_time, move || Msg::GraceOver(publishes));
            }
            Some(EndReason::Kicked(_)) => me.stop(None),
        }
        Ok(())
    }

    /// The packager failed.
    async fn failed(&mut self, me: &ActorRef<Msg>, error: &ActorProcessingErr) -> Result<(), ActorProcessingErr> {
        let Some(current) = &mut self.current else { return Ok(()) };
        current.packager = None;
        let channel = &self.station.channel;
        if let Some(Error::Unsupported(why)) = error.downcast_ref::<Error>() {
            info!(%channel, %why, "a publisher was refused");
            current.live.kick(Kick::Refused(why.clone()));
            me.stop(None);
            return Ok(());
        }
        let fault = error.downcast_ref::<Error>().map_or(Fault::Server, Error::fault);
        warn!(%channel, %error, ?fault, "the packager failed");
        counter!("weir_packager_failures_total").increment(1);
        self.station.health.note(|report| report.restarts += 1);
        if self.draining || self.next.is_some() || current.live.end_reason().is_some() {
            return self.ended(me).await;
        }
        match decide(&RESTART, &mut self.failures, Instant::now()) {
            Decision::Again { after } => {
                let publishes = self.publishes;
                me.send_after(after, move || Msg::Restart(publishes));
            }
            Decision::GiveUp => {
                warn!(%channel, "the packager failed too often: the publisher is told to go");
                current.live.kick(Kick::Refused("The server cannot package this stream.".into()));
                me.stop(None);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weir_hls::Limits;
    use weir_identity::KeyId;
    use weir_media::{Conflict, Publish, Publisher, Registry};

    use super::*;

    struct Nobody;

    impl Actor for Nobody {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_publisher_that_comes_as_the_packager_ends_waits_for_its_end() {
        let (registry, channel) = (Registry::new(9), ChannelName::parse("anna").expect("a good name"));
        let publish = || -> Publisher {
            let (channel, conflict) = (channel.clone(), Conflict::TakeOver);
            registry
                .publish(Publish { channel, key: KeyId::new(), conflict, private: false, protocol: "rtmp" })
                .expect("there is room")
        };
        let (older, newer) = (publish(), publish());
        let store = Store::new(Limits::default());
        let station = Arc::new(Station::new(Config::default(), channel.clone(), false, store, None, None));
        let (owner, _) = Actor::spawn(None, Nobody, ()).await.expect("it starts");
        let (me, _) =
            Actor::spawn_linked(None, StreamActor, station.clone(), owner.get_cell()).await.expect("it starts");
        let args =
            packager::Args { station: station.clone(), live: older.live().clone(), events: older.live().subscribe() };
        let (packager, _) = Actor::spawn(None, Packager, args).await.expect("it starts");
        packager.stop_and_wait(None, None).await.expect("it stops");
        let current = Some(Current { live: older.live().clone(), packager: Some(packager) });
        let failures = Failures::default();
        let mut state = State { station, current, next: None, publishes: 1, failures, draining: false };
        let message = Msg::Publish(newer.live().clone(), newer.live().subscribe());
        StreamActor.handle(me.clone(), message, &mut state).await.expect("that is no failure");
        assert!(state.next.is_some());
        StreamActor.handle(me, Msg::Drain, &mut state).await.expect("nor is this");
    }
}
