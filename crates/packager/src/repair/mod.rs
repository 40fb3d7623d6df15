//! Tracks that a publisher did not send are made of what it sends, in worker processes.
//!
//! Read [`Workers`] (who wants what, how many at once), then `making` (one derived track: its worker is fed, watched and
//! started again), `wire` (what they say to each other), `check` (why a worker's answers are not believed) and [`worker`]
//! (what runs there).
//!
//! A worker decodes what strangers made, with libraries in C. It shares nothing with the server but a socket; when it
//! falls, viewers of the derived track wait a moment, and nobody else hears of it.

mod check;
pub mod config;
mod making;
#[cfg(test)]
pub(crate) mod tests;
mod wire;
pub mod worker;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tracing::info;
use weir_identity::PublishId;
use weir_media::{
    AudioCodec, Live, TrackId, TrackParams,
    derive::{Derived, Repair, Unavailable, Want},
};

pub use config::Config;
pub use weir_worker::Program;

use making::{Making, Order};
use wire::Job;

/// How long a worker may be fed without an answer before it is taken for stuck.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a publish whose conversion was given up is not tried again.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// All that is converted on this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    program: Program,
    silence_max: Duration,
    sound: Arc<Semaphore>,
    video: Arc<Semaphore>,
    /// At most one for each slot, and those given up a moment ago.
    makings: Mutex<HashMap<(PublishId, Want), Entry>>,
}

#[derive(Debug)]
enum Entry {
    Making(Weak<Making>),
    GivenUp(Instant, String),
}

impl Entry {
    /// The making, if it goes on.
    fn running(&self) -> Option<Arc<Making>> {
        match self {
            Self::Making(making) => making.upgrade().filter(|making| !making.is_over()),
            Self::GivenUp(..) => None,
        }
    }

    /// Why it is not tried again yet.
    fn given_up(&self) -> Option<&str> {
        match self {
            Self::GivenUp(at, why) if at.elapsed() < GIVEN_UP => Some(why),
            _ => None,
        }
    }
}

impl Workers {
    /// Nothing is converted yet. `program` is what a worker is started from; it must call [`worker::run`].
    #[must_use]
    pub fn new(config: Config, program: Program) -> Self {
        Self::with_silence(config, program, SILENCE_MAX)
    }

    fn with_silence(config: Config, program: Program, silence_max: Duration) -> Self {
        let (sound, video) = (config.sound_max, config.video_slots());
        Self(Arc::new(Inner {
            config,
            program,
            silence_max,
            sound: Arc::new(Semaphore::new(sound)),
            video: Arc::new(Semaphore::new(video)),
            makings: Mutex::default(),
        }))
    }
}

impl Repair for Workers {
    fn derive(&self, live: &Arc<Live>, want: Want) -> Result<Derived, Unavailable> {
        let inner = &self.0;
        let unsupported = |why: &str| Err(Unavailable::Unsupported(why.to_owned()));
        if !inner.config.enabled || (want == Want::PlainH264 && !inner.config.video) {
            return unsupported("This server does not convert streams.");
        }
        if live.end_reason().is_some() {
            return unsupported("The stream has ended.");
        }
        let track = source(live, want)?;
        let mut makings = inner.makings.lock();
        makings.retain(|_, entry| entry.running().is_some() || entry.given_up().is_some());
        let making = match makings.get(&(live.id, want)) {
            Some(Entry::GivenUp(_, why)) => return unsupported(why),
            Some(entry @ Entry::Making(_)) => entry.running(),
            None => None,
        };
        let making = match making {
            Some(making) => making,
            None => {
                let making = Arc::new(self.start(live, want, track)?);
                makings.insert((live.id, want), Entry::Making(Arc::downgrade(&making)));
                making
            }
        };
        Ok(Derived { subscriber: making.feed.subscribe(), keep: making })
    }
}

impl Workers {
    /// Whether Opus is to be made to AAC for HLS players.
    pub(crate) fn wants_aac(&self) -> bool {
        self.0.config.enabled && self.0.config.aac_for_hls
    }

    fn start(&self, live: &Arc<Live>, want: Want, track: TrackId) -> Result<Making, Unavailable> {
        let inner = &self.0;
        let slots = if making::is_sound(want) { &inner.sound } else { &inner.video };
        let slot = slots.clone().try_acquire_owned().map_err(|_| Unavailable::Busy)?;
        info!(channel = %live.publish.channel, ?want, "a stream is converted");
        let job = Job { want, sound_bitrate: inner.config.sound_bitrate, opus_fec: inner.config.opus_fec };
        let (program, silence_max) = (inner.program.clone(), inner.silence_max);
        let order = Order { live: live.clone(), track, job, program, silence_max, slot };
        let (inner, key) = (Arc::downgrade(inner), (live.id, want));
        Ok(making::start(order, move |why| {
            if let Some(inner) = inner.upgrade() {
                inner.makings.lock().insert(key, Entry::GivenUp(Instant::now(), why));
            }
        }))
    }
}

/// The track that the wanted one is made of.
fn source(live: &Live, want: Want) -> Result<TrackId, Unavailable> {
    let wanted = if making::is_sound(want) { TrackId::AUDIO } else { TrackId::VIDEO };
    let tracks = live.tracks();
    let none = || Unavailable::Unsupported("The stream has nothing that could be converted.".to_owned());
    let track = tracks.iter().find(|track| track.id == wanted).ok_or_else(none)?;
    let is_so_already = match (&track.params, want) {
        (TrackParams::Audio(audio), Want::Opus) => audio.codec == AudioCodec::Opus,
        (TrackParams::Audio(audio), Want::Aac) => audio.codec == AudioCodec::Aac,
        (TrackParams::Video(_), Want::PlainH264) => false,
        _ => return Err(none()),
    };
    if is_so_already { Err(Unavailable::Unsupported("It is sent so already.".to_owned())) } else { Ok(wanted) }
}
