//! A row of GStreamer elements that works on the caller's thread: what goes in comes out before the call returns.

use std::{collections::VecDeque, sync::Arc};

use gst::prelude::*;
use parking_lot::Mutex;

/// Things that one push may bring out at most: a flush of a decoder that reorders, many times over.
const OUT_MAX: usize = 512;

/// What comes out.
#[derive(Debug)]
pub(in crate::repair) enum Out {
    /// What follows has these caps.
    Caps(gst::Caps),
    /// A buffer; its times are running times.
    Buffer(gst::Buffer),
}

/// The elements, between two pads of our own.
#[derive(Debug)]
pub(in crate::repair) struct Chain {
    bin: gst::Bin,
    input: gst::Pad,
    output: gst::Pad,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    out: VecDeque<Out>,
    segment: gst::FormattedSegment<gst::ClockTime>,
    failure: Option<String>,
}

impl Chain {
    /// The elements of `description`, in the notation of `gst-launch`, fed with `caps`.
    pub(in crate::repair) fn new(description: &str, caps: &gst::Caps) -> Result<Self, String> {
        let bin = gst::parse::bin_from_description(description, true).map_err(|error| error.to_string())?;
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let bus = gst::Bus::new();
        let watch = shared.clone();
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                watch.lock().failure.get_or_insert(error.error().to_string());
            }
            gst::BusSyncReply::Drop
        });
        bin.set_bus(Some(&bus));
        let (Some(sink), Some(source)) = (bin.static_pad("sink"), bin.static_pad("src")) else {
            return Err(format!("{description} has no free ends"));
        };
        let input = gst::Pad::builder(gst::PadDirection::Src).name("in").build();
        let chain = Self { bin, input, output: output_pad(shared.clone()), shared };
        chain.start(&source, &sink, caps).map_err(|error| chain.failure(&error))?;
        Ok(chain)
    }

    fn start(&self, source: &gst::Pad, sink: &gst::Pad, caps: &gst::Caps) -> Result<(), gst::glib::BoolError> {
        self.output.set_active(true)?;
        source.link(&self.output).map_err(|error| gst::glib::bool_error!("{error}"))?;
        self.bin.set_state(gst::State::Playing).map_err(|error| gst::glib::bool_error!("{error}"))?;
        self.input.set_active(true)?;
        self.input.link(sink).map_err(|error| gst::glib::bool_error!("{error}"))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let taken =
            self.input.push_event(gst::event::StreamStart::builder("in").group_id(gst::GroupId::next()).build())
                && self.input.push_event(gst::event::Caps::new(caps))
                && self.input.push_event(gst::event::Segment::new(&segment));
        if taken { Ok(()) } else { Err(gst::glib::bool_error!("{caps} is not taken")) }
    }

    /// Hands over a buffer. What it brings is in [`Self::take`].
    pub(in crate::repair) fn push(&self, buffer: gst::Buffer) -> Result<(), String> {
        self.input.push(buffer).map_err(|error| self.failure(&error))?;
        match &self.shared.lock().failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Tells the elements something, ahead of the next buffer.
    pub(in crate::repair) fn tell(&self, event: gst::Event) {
        // Whoever does not take it goes on without.
        let _ = self.input.push_event(event);
    }

    /// Nothing more comes: what is held inside comes out.
    pub(in crate::repair) fn end(&self) {
        self.tell(gst::event::Eos::new());
    }

    /// What came out so far.
    pub(in crate::repair) fn take(&self) -> VecDeque<Out> {
        std::mem::take(&mut self.shared.lock().out)
    }

    /// Sets a property of an element inside, if it is there.
    pub(in crate::repair) fn set(&self, element: &str, property: &str, value: impl Into<gst::glib::Value>) {
        if let Some(element) = self.bin.by_name(element)
            && element.find_property(property).is_some()
        {
            element.set_property_from_value(property, &value.into());
        }
    }

    fn failure(&self, otherwise: &dyn std::fmt::Display) -> String {
        self.shared.lock().failure.clone().unwrap_or_else(|| otherwise.to_string())
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // It cannot fail in a way that matters: nothing is asked of the elements any more.
        let _ = self.bin.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

fn output_pad(shared: Arc<Mutex<Shared>>) -> gst::Pad {
    let events = shared.clone();
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("out")
        .chain_function(move |_, _, mut buffer| {
            let mut shared = shared.lock();
            if shared.out.len() >= OUT_MAX {
                return Err(gst::FlowError::Error);
            }
            let pts = buffer.pts().and_then(|at| shared.segment.to_running_time(at));
            let dts = buffer.dts().and_then(|at| shared.segment.to_running_time(at));
            let fields = buffer.make_mut();
            fields.set_pts(pts);
            fields.set_dts(dts);
            shared.out.push_back(Out::Buffer(buffer));
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(move |_, _, event| {
            let mut shared = events.lock();
            match event.view() {
                gst::EventView::Caps(caps) => shared.out.push_back(Out::Caps(caps.caps_owned())),
                gst::EventView::Segment(segment) => {
                    if let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() {
                        shared.segment = segment.clone();
                    }
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
