//! One track's muxer: a `cmafmux` between two pads of our own, without pipeline, appsrc or appsink.
//!
//! Frames go in on the caller's thread and are not copied; chunks come out on the muxer's thread, where [`Output`] must
//! not block. A chunk comes out when the first frame *after* it went in, so whoever feeds it pushes a part's frames
//! together, then the split, then the next frame at once: pushing each frame as it comes would only wake the muxer's
//! thread more often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use gst::prelude::*;
use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_media::{TrackParams, VideoCodec};

use crate::{caps, error::Error};

/// Timescale of video tracks: milliseconds and all usual frame rates fit.
pub(crate) const VIDEO_TIMESCALE: u32 = 90_000;
/// How long the muxer may hold back what was not split. It is split by hand, so this only says "never".
const LATENCY: gst::ClockTime = gst::ClockTime::from_seconds(30);
/// How long the end of a track may take before the rest is given up.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// A frame on its way into the muxer.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// When it is decoded, on the stream's timeline.
    pub(crate) at: Duration,
    /// Until the next frame, where that is known.
    pub(crate) duration: Duration,
    /// What the muxer is told: for H.264 and HEVC, true for the first frame only (see `moof`).
    pub(crate) keyframe: bool,
    /// The coded bytes.
    pub(crate) data: Bytes,
}

/// What ends before the next sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// A part.
    Part,
    /// A part and its segment.
    Segment,
}

/// Where chunks go. Called on the muxer's thread; must not block.
pub(crate) trait Output: Send + Sync + 'static {
    /// The initialization section: before the first chunk.
    fn init(&self, init: Bytes);
    /// The next chunk: its header (`styp`, `moof`, start of `mdat`) and its samples.
    fn chunk(&self, header: &[u8], samples: &[gst::Buffer]) -> Result<(), Error>;
}

/// A running muxer. Dropping it ends it at once and loses what it holds.
#[derive(Debug)]
pub(crate) struct Muxer {
    element: gst::Element,
    input: gst::Pad,
    output: gst::Pad,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    failure: Mutex<Option<Error>>,
    ended: AtomicBool,
    changed: Notify,
}

impl Shared {
    fn fail(&self, error: Error) {
        self.failure.lock().get_or_insert(error);
        self.changed.notify_one();
    }
}

/// Loads GStreamer and the muxer, which is linked in. Call it once, before anything else here.
///
/// # Errors
/// [`Error::Gstreamer`] when GStreamer cannot start.
pub fn init() -> Result<(), Error> {
    let failed = |error: gst::glib::Error| Error::Gstreamer(error.to_string());
    gst::init().map_err(failed)?;
    gstfmp4::plugin_register_static().map_err(|error| Error::Gstreamer(error.to_string()))
}

impl Muxer {
    /// A muxer for a track, whose segments count from `sequence`.
    pub(crate) fn new(params: &TrackParams, sequence: u32, output: impl Output) -> Result<Self, Error> {
        let caps = caps::of(params)?;
        // cmafmux follows the CMAF specification, which has no VP9; the DASH flavour of the same muxer takes it.
        let is_vp9 = matches!(params, TrackParams::Video(video) if video.codec == VideoCodec::Vp9);
        let name = if is_vp9 { "dashmp4mux" } else { "cmafmux" };
        let element = gst::ElementFactory::make(name)
            .property("manual-split", true)
            .property("latency", LATENCY)
            .property("start-fragment-sequence-number", sequence)
            .build()
            .map_err(|error| Error::Gstreamer(error.to_string()))?;
        let shared = Arc::new(Shared::default());
        let bus = gst::Bus::new();
        let watch = shared.clone();
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                watch.fail(Error::Muxer(error.error().to_string()));
            }
            gst::BusSyncReply::Drop
        });
        element.set_bus(Some(&bus));
        let (Some(sink), Some(source)) = (element.static_pad("sink"), element.static_pad("src")) else {
            return Err(Error::Gstreamer(format!("{name} has other pads than expected")));
        };
        if params.is_video() {
            sink.set_property("trak-timescale", VIDEO_TIMESCALE);
        }
        let out_pad = output_pad(Arc::new(output), shared.clone());
        let input = gst::Pad::builder(gst::PadDirection::Src).name("in").build();
        let muxer = Self { element, input, output: out_pad.clone(), shared };
        muxer.start(&source, &out_pad, &sink, &caps).map_err(|error| muxer.failure(&error))?;
        Ok(muxer)
    }

    fn start(
        &self,
        source: &gst::Pad,
        out_pad: &gst::Pad,
        sink: &gst::Pad,
        caps: &gst::Caps,
    ) -> Result<(), gst::glib::BoolError> {
        out_pad.set_active(true)?;
        source.link(out_pad).map_err(|error| gst::glib::bool_error!("{error}"))?;
        self.element.set_state(gst::State::Playing).map_err(|error| gst::glib::bool_error!("{error}"))?;
        self.input.set_active(true)?;
        self.input.link(sink).map_err(|error| gst::glib::bool_error!("{error}"))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let taken =
            self.input.push_event(gst::event::StreamStart::builder("in").group_id(gst::GroupId::next()).build())
                && self.input.push_event(gst::event::Caps::new(caps))
                && self.input.push_event(gst::event::Segment::new(&segment));
        if taken { Ok(()) } else { Err(gst::glib::bool_error!("the muxer does not take {caps}")) }
    }

    /// Hands over frames in decoding order.
    pub(crate) fn push(&self, samples: impl IntoIterator<Item = Sample>) -> Result<(), Error> {
        for sample in samples {
            let mut buffer = gst::Buffer::from_slice(sample.data);
            let fields = buffer.get_mut().expect("a new buffer has one owner");
            let at = clock_time(sample.at);
            fields.set_pts(at);
            fields.set_dts(at);
            fields.set_duration(clock_time(sample.duration));
            if !sample.keyframe {
                fields.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
            self.input.push(buffer).map_err(|error| self.failure(&error))?;
        }
        self.check()
    }

    /// Ends a part, or a segment, before the next frame.
    pub(crate) fn split(&self, split: Split) -> Result<(), Error> {
        let structure = gst::Structure::builder("FMP4MuxSplitNow").field("chunk", split == Split::Part).build();
        if self.input.push_event(gst::event::CustomDownstream::new(structure)) {
            Ok(())
        } else {
            Err(self.failure(&"a split was refused"))
        }
    }

    /// Ends the track and waits until its last chunk is out.
    pub(crate) async fn finish(self) -> Result<(), Error> {
        self.input.push_event(gst::event::Eos::new());
        let drained = async {
            loop {
                self.check()?;
                if self.shared.ended.load(Relaxed) {
                    return Ok(());
                }
                self.shared.changed.notified().await;
            }
        };
        match tokio::time::timeout(DRAIN_MAX, drained).await {
            Ok(result) => result,
            Err(_) => Err(Error::Muxer("it does not come to an end".into())),
        }
    }

    /// The first thing that failed on the muxer's own thread.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.shared.failure.lock().clone().map_or(Ok(()), Err)
    }

    fn failure(&self, otherwise: &dyn std::fmt::Display) -> Error {
        self.shared.failure.lock().clone().unwrap_or_else(|| Error::Muxer(otherwise.to_string()))
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // It cannot fail in a way that matters: nothing is asked of the element any more.
        let _ = self.element.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

fn clock_time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::try_from(time).unwrap_or(gst::ClockTime::MAX)
}

fn output_pad(output: Arc<dyn Output>, shared: Arc<Shared>) -> gst::Pad {
    let events = shared.clone();
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("out")
        .chain_list_function(move |_, _, list| {
            chunk(&*output, list).map_err(|error| {
                shared.fail(error);
                gst::FlowError::Error
            })?;
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(move |_, _, event| {
            match event.type_() {
                gst::EventType::StreamStart => do_not_preempt(),
                gst::EventType::Eos => {
                    events.ended.store(true, Relaxed);
                    events.changed.notify_one();
                }
                _ => {}
            }
            true
        })
        .query_function(|pad, parent, query| {
            if let gst::QueryViewMut::AcceptCaps(accept) = query.view_mut() {
                accept.set_result(true);
                return true;
            }
            gst::Pad::query_default(pad, parent, query)
        })
        .build()
}

/// Lets the calling thread, a muxer's own, wait its turn when it is woken. Every frame that is pushed wakes it; on a busy
/// core it would interrupt who pushes each time, only to find the part not yet whole. With the policy for batch work it
/// runs when the pushing is done: 26 context switches a second instead of 98 for a publisher of 30 frames a second.
fn do_not_preempt() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the parameters outlive the call. Every thread may ask for this policy; where
    // it is refused nothing changes.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
}

/// Takes one chunk apart: an optional initialization section, the header, the samples.
fn chunk(output: &dyn Output, list: gst::BufferList) -> Result<(), Error> {
    let unreadable = |_| Error::Muxer("a buffer cannot be read".into());
    let mut buffers: Vec<gst::Buffer> = list.iter_owned().collect();
    let is_init = |buffer: &gst::Buffer| buffer.flags().contains(gst::BufferFlags::HEADER | gst::BufferFlags::DISCONT);
    if buffers.first().is_some_and(is_init) {
        let init = buffers.remove(0);
        output.init(Bytes::copy_from_slice(&init.map_readable().map_err(unreadable)?));
    }
    let Some((header, samples)) = buffers.split_first() else { return Ok(()) };
    let header = header.map_readable().map_err(unreadable)?;
    output.chunk(&header, samples)
}
