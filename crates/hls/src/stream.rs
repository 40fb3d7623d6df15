//! One stream: its renditions, and who waits for them.
//!
//! A rendition's state stands behind one short lock. A writer appends a part, throws the rendered playlist away and
//! wakes everybody once; the first of them renders anew and all the others share what it made. Nothing is rendered
//! that nobody asks for.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::{sync::Notify, time::Instant};
use weir_identity::{ChannelName, PublishId};

use crate::{
    error::Error,
    hold::Places,
    multivariant,
    name::Resource,
    playlist::{self, Context, Rendered},
    reload::{self, Cursor, Query, Reload},
    rendition::{Rendition, State},
    sink::{Sink, Tap},
    spec::{Body, RenditionId, RenditionKind, RenditionSpec, Timing},
    store::Limits,
};

/// How long a playlist is waited for that has no target duration yet: its first segment may last this long.
const FIRST_SEGMENT_WAIT: Duration = Duration::from_secs(12);
/// Target durations after which a held request is answered 503 (row D7).
const HOLD_TARGETS: u32 = 3;

/// Segments by which a rendition that stands still keeps the others' playlists longer than they would be.
const KEPT_FOR_OTHERS_MAX: u64 = 2;

/// A playlist for a viewer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The text, shared.
    pub playlist: Arc<Rendered>,
    /// How long a cache may keep it, in whole seconds; `None`: not at all.
    pub max_age: Option<u32>,
}

/// A stream that is live, or ended a moment ago.
#[derive(Debug)]
pub struct Stream {
    channel: ChannelName,
    session: PublishId,
    private: bool,
    started: SystemTime,
    limits: Arc<Limits>,
    places: Places,
    timing: OnceLock<Timing>,
    /// In the order of `describe`; before it, in the order of the first push.
    renditions: RwLock<Arc<[Arc<Rendition>]>>,
    /// Wakes who waits for `describe`, or for the bit rates of the first segments.
    described: Notify,
    multivariant: Mutex<Option<Arc<Rendered>>>,
    ended: OnceLock<Instant>,
    tap: Tap,
    /// Every segment was given to the sink that was there.
    drained: AtomicBool,
}

impl Stream {
    pub(crate) fn new(
        channel: ChannelName,
        session: PublishId,
        private: bool,
        limits: Arc<Limits>,
        places: Places,
    ) -> Self {
        Self {
            channel,
            session,
            private,
            started: SystemTime::now(),
            limits,
            places,
            timing: OnceLock::new(),
            renditions: RwLock::new(Arc::new([])),
            described: Notify::new(),
            multivariant: Mutex::new(None),
            ended: OnceLock::new(),
            tap: Tap::default(),
            drained: AtomicBool::new(false),
        }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// The publish, which stands in every URL.
    #[must_use]
    pub fn session(&self) -> PublishId {
        self.session
    }

    /// Whether only viewers with a token may learn the session.
    #[must_use]
    pub fn private(&self) -> bool {
        self.private
    }

    /// When the session was opened.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// When it ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Instant> {
        self.ended.get().copied()
    }

    /// The durations all renditions share, once they are known.
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        self.timing.get().copied()
    }

    /// What the stream offers, once it is known.
    #[must_use]
    pub fn renditions(&self) -> Vec<RenditionSpec> {
        self.all().iter().filter_map(|rendition| rendition.spec.get().cloned()).collect()
    }

    /// About how many watch, over the last seconds: one a part and viewer for players of low latency, one a
    /// target duration for others. A cache in front hides viewers.
    #[must_use]
    pub fn viewers(&self) -> u64 {
        let (None, Some(timing)) = (self.ended.get(), self.timing.get()) else { return 0 };
        let is_video = |rendition: &Rendition| {
            rendition.spec.get().is_some_and(|spec| matches!(spec.kind, RenditionKind::Video { .. }))
        };
        // Who watches takes one rendition of the pictures, or of the sound where there are none.
        let all = self.all();
        let of = all.first().is_some_and(|first| is_video(first));
        let viewers = all.iter().filter(|rendition| is_video(rendition) == of);
        viewers.map(|rendition| rendition.viewers.estimate(timing.target())).sum()
    }

    pub(crate) fn all(&self) -> Arc<[Arc<Rendition>]> {
        self.renditions.read().clone()
    }

    fn rendition(&self, id: &str) -> Option<Arc<Rendition>> {
        self.renditions.read().iter().find(|rendition| rendition.id.as_str() == id).cloned()
    }

    /// The rendition, made if it is new.
    pub(crate) fn rendition_or_new(&self, id: &RenditionId) -> Arc<Rendition> {
        if let Some(rendition) = self.rendition(id.as_str()) {
            return rendition;
        }
        let mut renditions = self.renditions.write();
        if let Some(rendition) = renditions.iter().find(|rendition| rendition.id == *id) {
            return rendition.clone();
        }
        let new = Arc::new(Rendition::new(id.clone(), &self.limits, self.timing.get(), self.tap.clone()));
        *renditions = renditions.iter().cloned().chain([new.clone()]).collect();
        new
    }

    pub(crate) fn describe(&self, timing: Timing, specs: Vec<RenditionSpec>) -> bool {
        if self.timing.get().is_some() {
            return false;
        }
        let mut order = Vec::new();
        for spec in specs {
            let rendition = self.rendition_or_new(&spec.id);
            rendition.state.lock().window.set_target(timing.target());
            if rendition.spec.set(spec).is_ok() {
                order.push(rendition);
            }
        }
        *self.renditions.write() = order.into();
        let first = self.timing.set(timing).is_ok();
        self.described.notify_waiters();
        first
    }

    /// Shows one more rendition, whose first segment is `msn`. One that is described already stays as it is.
    pub(crate) fn add(&self, spec: RenditionSpec, msn: u64) {
        let Some(timing) = self.timing.get() else { return };
        let discontinuities = self.all().first().map_or(0, |first| first.state.lock().window.discontinuities());
        let rendition = self.rendition_or_new(&spec.id);
        {
            let mut state = rendition.state.lock();
            state.window.set_target(timing.target());
            state.window.begin_at(msn, discontinuities);
            rendition.comes_late();
        }
        // An error means that it was there before.
        let _ = rendition.spec.set(spec);
        self.measured();
    }

    /// Lets old segments leave, those of one number in all renditions at once, so that every playlist starts with the
    /// same one. Players lay the renditions side by side from their first segments; hls.js holds nothing that comes
    /// before its first video segment, and loses its place in sound that starts earlier.
    pub(crate) fn leave_together(&self) {
        let all = self.all();
        let may = all.iter().filter_map(|rendition| {
            let state = rendition.state.lock();
            state.window.last().map(|_| state.window.may_start_at())
        });
        let may: Vec<u64> = may.collect();
        let (Some(least), Some(most)) = (may.iter().min(), may.iter().max()) else { return };
        let from = *least.max(&most.saturating_sub(KEPT_FOR_OTHERS_MAX));
        for rendition in all.iter() {
            let mut state = rendition.state.lock();
            if state.window.keep_from(from) {
                state.whole = None;
                state.delta = None;
            }
        }
    }

    /// New bit rates: the multivariant playlist is stale.
    pub(crate) fn measured(&self) {
        *self.multivariant.lock() = None;
        self.described.notify_waiters();
    }

    pub(crate) fn end(&self) -> bool {
        if self.ended.set(Instant::now()).is_err() {
            return false;
        }
        for rendition in self.all().iter() {
            rendition.change(|state| {
                state.end_segment();
                state.ended = true;
            });
        }
        self.measured();
        self.drained.store(true, Ordering::SeqCst);
        if let Some(sink) = self.tap.set(None) {
            sink.ended();
        }
        true
    }

    /// Gives every complete segment to `sink`, beginning with those that are kept and no sink had. In place of another
    /// sink, which gets no more. A stream that has ended gives what it has, and says that it ended.
    pub fn record(&self, sink: &Arc<dyn Sink>) {
        self.tap.set(Some(sink.clone()));
        for rendition in self.all().iter() {
            rendition.feed(&mut rendition.state.lock());
        }
        if self.drained.load(Ordering::SeqCst)
            && let Some(sink) = self.tap.set(None)
        {
            sink.ended();
        }
    }

    /// The multivariant playlist. Waits until the first segment told the timing and the bit rates.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the stream ended before that; [`Error::Late`] when it takes too long;
    /// [`Error::Crowded`].
    pub async fn multivariant(&self) -> Result<Reply, Error> {
        if let Some(reply) = self.try_multivariant() {
            return reply;
        }
        self.places.hold(&self.described, FIRST_SEGMENT_WAIT, || self.try_multivariant()).await?
    }

    fn try_multivariant(&self) -> Option<Result<Reply, Error>> {
        let max_age = (!self.private).then_some(1);
        let mut rendered = self.multivariant.lock();
        if let Some(playlist) = &*rendered {
            return Some(Ok(Reply { playlist: playlist.clone(), max_age }));
        }
        let mut renditions = Vec::new();
        for rendition in self.all().iter() {
            let rates = rendition.state.lock().rates;
            match rendition.spec.get() {
                Some(spec) if !rates.is_empty() => renditions.push((spec.clone(), rates)),
                // Not described: never shown.
                None if self.timing.get().is_some() => {}
                // A track that never sends anything is left out at the end, and waited for before.
                _ if self.ended.get().is_some() => {}
                // One that came late is shown once its first segment is whole.
                Some(_) if rendition.is_late() => {}
                _ => return None,
            }
        }
        if renditions.is_empty() || self.timing.get().is_none() {
            return self.ended.get().map(|_| Err(Error::NotFound));
        }
        let playlist = Arc::new(Rendered::new(multivariant::render(self.session, &renditions)));
        *rendered = Some(playlist.clone());
        Some(Ok(Reply { playlist, max_age }))
    }

    /// A rendition's playlist, once it has what `query` asks for.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a rendition that is not there, [`Error::Bad`] for directives that are refused,
    /// [`Error::Late`] when what is asked for takes longer than 3 target durations, [`Error::Crowded`] when too many
    /// wait already.
    pub async fn media_playlist(&self, rendition: &str, query: Query) -> Result<Reply, Error> {
        let timing = match self.timing.get() {
            Some(timing) => timing,
            None => {
                let known = || match (self.timing.get(), self.ended.get()) {
                    (Some(timing), _) => Some(Ok(timing)),
                    (None, Some(_)) => Some(Err(Error::NotFound)),
                    (None, None) => None,
                };
                self.places.hold(&self.described, FIRST_SEGMENT_WAIT, known).await??
            }
        };
        let described = |rendition: &Arc<Rendition>| rendition.spec.get().is_some();
        let rendition = self.rendition(rendition).filter(described).ok_or(Error::NotFound)?;
        rendition.viewers.asked(query.cursor.is_some());
        if let Some(reply) = self.try_playlist(&rendition, timing, &query) {
            return reply;
        }
        let at_most = timing.target() * HOLD_TARGETS;
        self.places.hold(&rendition.wake, at_most, || self.try_playlist(&rendition, timing, &query)).await?
    }

    fn try_playlist(&self, rendition: &Rendition, timing: &Timing, query: &Query) -> Option<Result<Reply, Error>> {
        let mut state = rendition.state.lock();
        match reload::decide(&state.window, timing, state.ended, query) {
            Reload::Wait => return None,
            Reload::Reject(bad) => return Some(Err(Error::Bad(bad))),
            Reload::Now => {}
        }
        // Nothing is there yet: a playlist without a segment says nothing, so the first part is waited for.
        if state.window.last().is_none() {
            return state.ended.then_some(Err(Error::NotFound));
        }
        let target = timing.target_seconds();
        let max_age = if query.cursor.is_some() { target * 6 } else { (target / 2).max(1) };
        let old = match query.cursor {
            Some(Cursor::Segment(msn) | Cursor::Part(msn, _)) => msn < state.window.media_sequence(),
            None => false,
        };
        let delta = query.skip && !state.ended && !old;
        let playlist = self.rendered(rendition, &mut state, timing, delta);
        Some(Ok(Reply { playlist, max_age: u32::try_from(max_age).ok() }))
    }

    fn rendered(&self, rendition: &Rendition, state: &mut State, timing: &Timing, delta: bool) -> Arc<Rendered> {
        let ready = if delta { &state.delta } else { &state.whole };
        if let Some(ready) = ready {
            return ready.clone();
        }
        let skipped = if delta { playlist::skippable(&state.window, timing) } else { 0 };
        if delta && skipped == 0 {
            let whole = self.rendered(rendition, state, timing, false);
            state.delta = Some(whole.clone());
            return whole;
        }
        let others: Vec<_> = self
            .all()
            .iter()
            .filter(|other| other.id != rendition.id && other.spec.get().is_some())
            .filter_map(|other| Some((other.id.clone(), other.position()?)))
            .collect();
        let context = Context { timing, ended: state.ended, others: &others };
        let ready = Arc::new(Rendered::new(playlist::render(&state.window, &context, skipped)));
        *(if delta { &mut state.delta } else { &mut state.whole }) = Some(ready.clone());
        ready
    }

    /// A part, segment or initialization section. The part that is hinted is waited for.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is neither there nor hinted, [`Error::Late`] and [`Error::Crowded`] as above.
    pub async fn resource(&self, rendition: &str, resource: Resource) -> Result<(Body, Media), Error> {
        let rendition = self.rendition(rendition).ok_or(Error::NotFound)?;
        let media = match rendition.spec.get().map(|spec| spec.kind) {
            Some(RenditionKind::Video { .. }) => Media::Video,
            Some(RenditionKind::Audio { .. }) => Media::Audio,
            // Nothing of a stream is handed out before it is described: its URLs are in no playlist.
            None => return Err(Error::NotFound),
        };
        let one = |bytes: Option<Bytes>| bytes.map(Body::One).ok_or(Error::NotFound);
        let body = match resource {
            Resource::Init(number) => one(rendition.state.lock().window.init_section(number)),
            Resource::Segment(msn) => rendition.state.lock().window.segment(msn).ok_or(Error::NotFound),
            Resource::Part(number) => {
                let part = || {
                    let state = rendition.state.lock();
                    match state.window.part(number) {
                        Some(bytes) => Some(Ok(Body::One(bytes))),
                        None if number == state.window.next_part() && !state.ended => None,
                        None => Some(Err(Error::NotFound)),
                    }
                };
                match part() {
                    Some(body) => body,
                    None => {
                        let target = self.timing.get().map_or(FIRST_SEGMENT_WAIT, Timing::target);
                        self.places.hold(&rendition.wake, target * HOLD_TARGETS, part).await?
                    }
                }
            }
        };
        body.map(|body| (body, media))
    }
}

/// What a resource's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Pictures: `video/mp4`.
    Video,
    /// Sound: `audio/mp4`.
    Audio,
}
