//! What a packager hears: the publish, and what is made of it for players that cannot take it as it is.
//!
//! Sound in Opus is made to AAC beside it, for players that take no Opus in HLS. Pictures that no player takes, VP8, are
//! made to H.264 and stand in their place; where that cannot be done there is sound alone, or nothing, and the streamer
//! is told. WebRTC viewers see such a stream all the same, so its publisher is not refused.

use std::sync::Arc;

use tracing::info;
use weir_media::{
    AudioCodec, Event, Frame, Live, Notice, Subscriber, Track, TrackId, TrackParams, VideoCodec,
    derive::{Derived, Repair as _, Want},
};

use crate::{repair::Workers, tracks::AAC_SOUND};

/// What a [`Notice`] about pictures that cannot be packaged is about.
const VP8: &str = "hls-vp8";

/// One publish with what is made of it.
pub(crate) struct Intake {
    live: Arc<Live>,
    publish: Subscriber,
    repair: Option<Workers>,
    aac: Option<Derived>,
    plain: Option<Derived>,
    /// Layers whose own pictures are left out.
    left_out: Vec<TrackId>,
    /// What could not be made is not asked for again in the same publish.
    refused: Vec<Want>,
}

impl Intake {
    /// Hears `publish`, a subscription of `live`.
    pub(crate) fn new(live: Arc<Live>, publish: Subscriber, repair: Option<Workers>) -> Self {
        Self { live, publish, repair, aac: None, plain: None, left_out: Vec::new(), refused: Vec::new() }
    }

    /// The next event. `None` once the publish has ended. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                event = self.publish.recv() => match event? {
                    Event::Track(track) => {
                        if self.takes(&track) {
                            return Some(Event::Track(track));
                        }
                    }
                    Event::Frame(frame) if self.left_out.contains(&frame.track) => {}
                    other => return Some(other),
                },
                event = from(&mut self.aac) => match event {
                    Some(event) => if let Some(event) = of_track(event, AAC_SOUND) {
                        return Some(event);
                    },
                    None => self.aac = None,
                },
                event = from(&mut self.plain) => match event {
                    Some(event) => if let Some(event) = of_track(event, TrackId::VIDEO) {
                        return Some(event);
                    },
                    None => {
                        self.plain = None;
                        self.nothing_to_see("");
                    }
                },
            }
        }
    }

    /// Whether a track is packaged as it is. Has made what must stand beside it, or in its place.
    fn takes(&mut self, track: &Track) -> bool {
        match &track.params {
            TrackParams::Audio(audio) if track.id == TrackId::AUDIO => {
                let wanted = audio.codec == AudioCodec::Opus && self.repair.as_ref().is_some_and(Workers::wants_aac);
                if !wanted {
                    self.aac = None;
                } else if self.aac.is_none() {
                    self.aac = self.derive(Want::Aac).ok();
                }
                true
            }
            TrackParams::Video(video) if video.codec == VideoCodec::Vp8 => {
                if !self.left_out.contains(&track.id) {
                    self.left_out.push(track.id);
                }
                if track.id == TrackId::VIDEO && self.plain.is_none() {
                    match self.derive(Want::PlainH264) {
                        Ok(derived) => self.plain = Some(derived),
                        Err(why) => self.nothing_to_see(&why),
                    }
                }
                false
            }
            TrackParams::Video(_) => {
                self.left_out.retain(|id| *id != track.id);
                if track.id == TrackId::VIDEO {
                    self.plain = None;
                    self.live.notice_over(VP8);
                }
                true
            }
            TrackParams::Audio(_) => true,
        }
    }

    fn derive(&mut self, want: Want) -> Result<Derived, String> {
        if self.refused.contains(&want) {
            return Err(String::new());
        }
        let derived = match &self.repair {
            Some(repair) => repair.derive(&self.live, want).map_err(|why| why.to_string()),
            None => Err(String::new()),
        };
        if let Err(why) = &derived {
            info!(?want, why, "it is not made for HLS players");
            self.refused.push(want);
        }
        derived
    }

    fn nothing_to_see(&self, why: &str) {
        let text = format!(
            "These pictures are VP8, which HLS players do not take: only viewers over WebRTC see them. Let the encoder \
             send H.264. {why}"
        );
        self.live.notice(Notice { subject: VP8, text: text.trim_end().to_owned().into() });
    }
}

/// A derived event under the number of the track that it is packaged as.
fn of_track(event: Event, id: TrackId) -> Option<Event> {
    match event {
        Event::Track(track) => Some(Event::Track(Arc::new(Track { id, params: track.params.clone() }))),
        Event::Frame(frame) => Some(Event::Frame(Frame { track: id, ..frame })),
        // The derived track has a hole then, which shows by itself.
        Event::Lost => None,
    }
}

async fn from(derived: &mut Option<Derived>) -> Option<Event> {
    match derived {
        Some(derived) => derived.subscriber.recv().await,
        None => std::future::pending().await,
    }
}
