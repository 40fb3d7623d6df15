//! One playlist: from its first part to its end, over all the publishes that continue it.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;
use weir_hls::{Part, RenditionId, RenditionSpec, Store, StreamWriter, Timing};
use weir_identity::{ChannelName, PublishId};
use weir_media::{AudioCodec, Track, TrackId, TrackParams, VideoCodec};

use crate::{config::Config, error::Error, health::Health, repair::Workers, spool::Spool};

/// What must stay the same for a playlist to go on: which tracks there are, and their codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Make {
    pub(crate) video: Option<VideoCodec>,
    pub(crate) audio: Option<AudioCodec>,
}

/// One channel's place: its settings, and the session that runs there, if one does.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) config: Config,
    pub(crate) channel: ChannelName,
    pub(crate) private: bool,
    pub(crate) health: Health,
    pub(crate) store: Store,
    pub(crate) spool: Option<Spool>,
    pub(crate) repair: Option<Workers>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Station {
    pub(crate) fn new(
        config: Config,
        channel: ChannelName,
        private: bool,
        store: Store,
        spool: Option<Spool>,
        repair: Option<Workers>,
    ) -> Self {
        Self { config, channel, private, health: Health::default(), store, spool, repair, session: Mutex::default() }
    }

    /// The running session, if a publish of this make can continue it.
    pub(crate) fn continued(&self, make: Make) -> Option<Arc<Session>> {
        self.session.lock().clone().filter(|session| session.make == make)
    }

    /// The session for a publish of this make: the running one or a new one, which ends any other.
    pub(crate) fn session(&self, make: Make) -> Result<Arc<Session>, Error> {
        if let Some(session) = self.continued(make) {
            return Ok(session);
        }
        // An id of its own, not the publish's: that one stands in logs, and a private channel's session is a secret.
        let id = PublishId::random();
        let writer = self.store.open(self.channel.clone(), id, self.private).map_err(|_| Error::Full)?;
        let session = Arc::new(Session {
            writer,
            make,
            timing: OnceLock::new(),
            end: AtomicU64::new(0),
            inits: Mutex::default(),
        });
        let before = self.session.lock().replace(session.clone());
        if let Some(before) = before {
            before.writer.end();
        }
        Ok(session)
    }

    /// Ends the playlist, if one runs.
    pub(crate) fn end(&self) {
        if let Some(session) = self.session.lock().take() {
            session.writer.end();
        }
    }
}

/// A running playlist.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) writer: StreamWriter,
    make: Make,
    timing: OnceLock<Timing>,
    /// Where its media ends, in nanoseconds of its timeline.
    end: AtomicU64,
    /// The newest initialization section of each rendition.
    inits: Mutex<HashMap<RenditionId, Bytes>>,
}

impl Session {
    /// What it is for.
    pub(crate) fn make(&self) -> Make {
        self.make
    }

    /// The durations it keeps to, once they are fixed.
    pub(crate) fn timing(&self) -> Option<Timing> {
        self.timing.get().copied()
    }

    /// Fixes the durations and describes the renditions. The first call counts.
    pub(crate) fn describe(&self, timing: Timing, renditions: Vec<RenditionSpec>) {
        if self.timing.set(timing).is_ok() {
            self.writer.describe(timing, renditions);
        }
    }

    /// The renditions it has, once it is described.
    pub(crate) fn renditions(&self) -> Vec<RenditionId> {
        self.writer.stream().renditions().into_iter().map(|spec| spec.id).collect()
    }

    /// Adds a rendition that begins with segment `msn`, after the durations were fixed.
    pub(crate) fn add(&self, rendition: RenditionSpec, msn: u64) {
        self.writer.add(rendition, msn);
    }

    /// Where its media ends on its timeline.
    pub(crate) fn end(&self) -> Duration {
        Duration::from_nanos(self.end.load(Relaxed))
    }

    pub(crate) fn reached(&self, end: Duration) {
        self.end.fetch_max(u64::try_from(end.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Prepares for a publish that continues it: every rendition ends its segment at the same sequence number, whatever
    /// state the one before left, and a DISCONTINUITY follows.
    pub(crate) fn discontinue(&self, renditions: &[RenditionId]) {
        for rendition in renditions {
            self.writer.end_segment(rendition);
        }
        let next = renditions.iter().map(|rendition| self.writer.next_msn(rendition)).max().unwrap_or(0);
        for rendition in renditions {
            while self.writer.next_msn(rendition) < next {
                let duration = self.timing().map_or(Duration::from_millis(1), |timing| timing.part_target);
                self.writer.part(
                    rendition,
                    Part {
                        data: Bytes::new(),
                        duration,
                        independent: false,
                        gap: true,
                        program_date_time: SystemTime::now(),
                        media_time: self.end(),
                    },
                );
                self.writer.end_segment(rendition);
            }
        }
        if next > 0 {
            self.writer.discontinuity();
        }
    }

    /// Sets a rendition's initialization section; the same one again changes nothing.
    pub(crate) fn init(&self, rendition: &RenditionId, init: Bytes) {
        let mut inits = self.inits.lock();
        if inits.get(rendition) != Some(&init) {
            inits.insert(rendition.clone(), init.clone());
            self.writer.init(rendition, init);
        }
    }
}

/// The make of a publish with these tracks.
pub(crate) fn make(tracks: &[Arc<Track>]) -> Make {
    Make {
        video: tracks.iter().find_map(|track| match &track.params {
            TrackParams::Video(video) => Some(video.codec),
            TrackParams::Audio(_) => None,
        }),
        audio: tracks.iter().find_map(|track| match &track.params {
            TrackParams::Audio(audio) if track.id == TrackId::AUDIO => Some(audio.codec),
            _ => None,
        }),
    }
}
