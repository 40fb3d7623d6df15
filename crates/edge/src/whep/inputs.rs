//! Where a channel's frames come from: the publish itself, and what is made of it for those who cannot take it as it is.

use std::sync::Arc;

use weir_media::{
    AudioCodec, Event, Live, Notice, Subscriber, Track, TrackId, TrackParams, VideoCodec, codec,
    derive::{Derived, Repair, Want},
};

/// What [`Notice`]s about sound are about.
const SOUND: &str = "webrtc-sound";
/// What [`Notice`]s about B-frames are about.
const B_FRAMES: &str = "webrtc-b-frames";

/// Who an event is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The publisher.
    Publish,
    /// The sound, made to Opus.
    Opus,
    /// The pictures, made without B-frames.
    Plain,
}

/// One publish with what is made of it.
pub(super) struct Inputs {
    live: Arc<Live>,
    publish: Subscriber,
    opus: Option<Derived>,
    plain: Option<Derived>,
    repair: Option<Arc<dyn Repair>>,
    /// Somebody watches: before that nothing is made for them.
    watched: bool,
    b_frames: bool,
    /// What was asked for once is not asked for again in the same publish.
    asked: Vec<Want>,
}

impl Inputs {
    /// Listens to a publish from its last keyframe on.
    pub(super) fn new(live: Arc<Live>, repair: Option<Arc<dyn Repair>>, watched: bool) -> Self {
        let publish = live.subscribe_from_keyframe();
        Self { live, publish, opus: None, plain: None, repair, watched, b_frames: false, asked: Vec::new() }
    }

    /// Somebody watches from now on: what they need is made.
    pub(super) fn watched(&mut self) {
        self.watched = true;
        for track in self.live.tracks() {
            self.look_at(&track);
        }
        if self.b_frames {
            self.has_b_frames();
        }
    }

    pub(super) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Whether its sound becomes Opus, or will once somebody watches.
    pub(super) fn makes_opus(&self) -> bool {
        self.opus.is_some() || self.repair.is_some() && !self.asked.contains(&Want::Opus)
    }

    /// The next event. `None` from a derived track ends that only. Cancel safe.
    pub(super) async fn next(&mut self) -> (Origin, Option<Event>) {
        tokio::select! {
            event = self.publish.recv() => (Origin::Publish, event),
            event = from(&mut self.opus) => (Origin::Opus, event),
            event = from(&mut self.plain) => (Origin::Plain, event),
        }
    }

    /// An event of the publish that is there already.
    pub(super) fn ready(&mut self) -> Option<Event> {
        self.publish.try_recv()
    }

    /// Whether frames of this track are to be sent when they are from `origin`: of what is made twice, the derived.
    pub(super) fn wants(&self, origin: Origin, track: TrackId) -> bool {
        match (origin, track) {
            (Origin::Publish, TrackId::VIDEO) => self.plain.is_none(),
            (Origin::Publish, TrackId::AUDIO) => self.opus.is_none(),
            _ => true,
        }
    }

    /// Has made what this track needs for viewers over WebRTC.
    pub(super) fn look_at(&mut self, track: &Track) {
        if !self.watched {
            return;
        }
        match &track.params {
            TrackParams::Audio(audio) if audio.codec == AudioCodec::Aac => {
                if self.opus.is_none() {
                    self.opus = self.derive(
                        Want::Opus,
                        SOUND,
                        "Viewers over WebRTC hear nothing, since browsers take \
                        Opus there and this stream has AAC.",
                    );
                }
            }
            // The publisher's own is what they take.
            TrackParams::Audio(_) => self.opus = None,
            TrackParams::Video(video) if track.id == TrackId::VIDEO && video.codec == VideoCodec::H264 => {
                if codec::reorder_frames(video.codec, &video.config).is_some_and(|frames| frames > 0) {
                    self.has_b_frames();
                }
            }
            TrackParams::Video(_) => {}
        }
    }

    /// Pictures come in another order than they are shown in.
    pub(super) fn has_b_frames(&mut self) {
        self.b_frames = true;
        if self.watched && self.plain.is_none() {
            self.plain = self.derive(
                Want::PlainH264,
                B_FRAMES,
                "This stream has B-frames, which players over WebRTC \
                show jerkily. Set B-frames to 0 in the encoder.",
            );
        }
    }

    /// A derived track ended: its maker gave up.
    pub(super) fn ended(&mut self, origin: Origin) {
        match origin {
            Origin::Opus => self.opus = None,
            Origin::Plain => self.plain = None,
            Origin::Publish => {}
        }
    }

    fn derive(&mut self, want: Want, subject: &'static str, sentence: &'static str) -> Option<Derived> {
        if self.asked.contains(&want) {
            return None;
        }
        self.asked.push(want);
        let why = match self.repair.as_ref().map(|repair| repair.derive(&self.live, want)) {
            Some(Ok(derived)) => {
                self.live.notice_over(subject);
                return Some(derived);
            }
            Some(Err(why)) => why.to_string(),
            None => String::new(),
        };
        let text = format!("{sentence} {why}").trim_end().to_owned();
        tracing::info!(publish = %self.live.id, channel = %self.live.publish.channel, text, "a notice to the streamer");
        self.live.notice(Notice { subject, text: text.into() });
        None
    }
}

impl Drop for Inputs {
    /// Without viewers over WebRTC there is nothing to complain of.
    fn drop(&mut self) {
        self.live.notice_over(SOUND);
        self.live.notice_over(B_FRAMES);
    }
}

async fn from(derived: &mut Option<Derived>) -> Option<Event> {
    match derived {
        Some(derived) => derived.subscriber.recv().await,
        None => std::future::pending().await,
    }
}
