//! One track on its way into the playlist: frames are held until a part is whole, go through the muxer, and come back
//! as the part that was planned for them.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use metrics::{Counter, Histogram, counter, histogram};
use parking_lot::Mutex;
use weir_hls::{Part, RenditionId, cut::Cut};
use weir_media::{TrackParams, VideoCodec};

use crate::{
    error::Error,
    moof::{self, Truth},
    mux::{Muxer, Output, Sample, Split},
    session::Session,
    spool::Spool,
};

/// One track's muxer, and the frames it has yet to get.
pub(crate) struct Lane {
    muxer: Muxer,
    plan: Plan,
    /// Frames of the open part that the muxer has yet to get.
    held: Vec<Sample>,
    /// All frames of the open part.
    truths: Vec<Truth>,
    /// What ends before the next frame.
    split: Option<Split>,
    /// Whether the muxer is told decoding times only (see `moof`).
    corrected: bool,
    /// Whether the muxer got a frame, or one is held.
    began: bool,
    /// The open part is its segment's first.
    starts_segment: bool,
    newest: Option<(Duration, Instant)>,
    /// Frames come as the publisher sends them, and not from what was gathered: only then does delay mean anything.
    is_live: bool,
    /// Usual length of a frame.
    frame: Duration,
}

/// A frame with its place.
pub(crate) struct Laid {
    pub(crate) at: Duration,
    pub(crate) composition_offset: u32,
    pub(crate) keyframe: bool,
    pub(crate) arrived: Instant,
    pub(crate) data: Bytes,
}

impl Lane {
    /// A lane that follows `plan`.
    pub(crate) fn new(params: &TrackParams, plan: Plan, frame: Duration) -> Result<Self, Error> {
        let sequence = u32::try_from(plan.0.session.writer.next_msn(&plan.0.rendition) + 1).unwrap_or(u32::MAX);
        let corrected = matches!(params, TrackParams::Video(video)
            if matches!(video.codec, VideoCodec::H264 | VideoCodec::Hevc));
        let muxer = Muxer::new(params, sequence, plan.clone())?;
        Ok(Self {
            muxer,
            plan,
            held: Vec::new(),
            truths: Vec::new(),
            split: None,
            corrected,
            began: false,
            starts_segment: true,
            newest: None,
            is_live: false,
            frame,
        })
    }

    /// Does what was decided before the next frame.
    pub(crate) fn cut(&mut self, cuts: &[Cut]) -> Result<(), Error> {
        for cut in cuts {
            match *cut {
                Cut::Part { at, duration, independent } => {
                    let arrived = self.newest.filter(|_| self.is_live).map(|(_, arrived)| arrived);
                    let truths = std::mem::take(&mut self.truths);
                    let starts_segment = std::mem::replace(&mut self.starts_segment, false);
                    let corrected = self.corrected;
                    self.plan.add(Step::Part { at, duration, independent, arrived, truths, starts_segment, corrected });
                    self.muxer.push(self.held.drain(..))?;
                    self.split = Some(Split::Part);
                }
                Cut::Gap { at, duration } => self.plan.add(Step::Gap { at, duration }),
                Cut::Segment => {
                    self.plan.add(Step::EndSegment);
                    self.starts_segment = true;
                    if self.split.is_some() {
                        self.split = Some(Split::Segment);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the next frame.
    pub(crate) fn frame(&mut self, laid: Laid) -> Result<(), Error> {
        if let (Some(before), Some((at, _))) = (self.held.last_mut(), self.newest) {
            before.duration = laid.at.saturating_sub(at);
        }
        self.newest = Some((laid.at, laid.arrived));
        self.truths.push(Truth { composition_offset: laid.composition_offset, sync: laid.keyframe });
        let keyframe = if self.corrected { !self.began } else { laid.keyframe };
        self.began = true;
        // Not known before the next frame. Half of the usual is never too long, and is all that a last frame gets
        // which went into the muxer alone.
        let sample = Sample { at: laid.at, duration: self.frame / 2, keyframe, data: laid.data };
        if let Some(split) = self.split.take() {
            self.muxer.split(split)?;
            self.muxer.push([sample])?;
        } else {
            self.held.push(sample);
        }
        Ok(())
    }

    /// Ends the track: what was decided last is done, and every part comes out.
    pub(crate) async fn finish(mut self, cuts: &[Cut]) -> Result<(), Error> {
        if let Some(last) = self.held.last_mut() {
            last.duration = self.frame;
        }
        self.cut(cuts)?;
        if self.began { self.muxer.finish().await } else { Ok(()) }
    }

    /// What was gathered is through: from now on frames come as the publisher sends them.
    pub(crate) fn caught_up(&mut self) {
        self.is_live = true;
    }

    /// Where the newest frame ends, roughly.
    pub(crate) fn end(&self) -> Option<Duration> {
        self.newest.map(|(at, _)| at + self.frame)
    }

    /// Usual length of a frame.
    pub(crate) fn frame_length(&self) -> Duration {
        self.frame
    }
}

/// What happens next to the rendition, in order.
enum Step {
    /// The muxer's next chunk is this part.
    Part {
        at: Duration,
        duration: Duration,
        independent: bool,
        arrived: Option<Instant>,
        truths: Vec<Truth>,
        starts_segment: bool,
        corrected: bool,
    },
    Gap {
        at: Duration,
        duration: Duration,
    },
    EndSegment,
}

/// What happens to one rendition: the steps that wait for its muxer. At most two parts and what stands between them. A
/// rendition keeps its plan while its track comes and goes.
#[derive(Clone)]
pub(crate) struct Plan(Arc<Shared>);

struct Shared {
    rendition: RenditionId,
    session: Arc<Session>,
    spool: Option<Spool>,
    zero: SystemTime,
    steps: Mutex<VecDeque<Step>>,
    meters: Meters,
}

/// Handles of the metrics that every part counts.
struct Meters {
    parts: Counter,
    segments: Counter,
    delay: Histogram,
}

impl Meters {
    fn new() -> Self {
        Self {
            parts: counter!("weir_packager_parts_total"),
            segments: counter!("weir_packager_segments_total"),
            delay: histogram!("weir_packager_part_delay_seconds"),
        }
    }
}

impl Plan {
    /// For `rendition` of `session`. `zero` is the wall clock where the stream's timeline is zero.
    pub(crate) fn new(rendition: RenditionId, session: Arc<Session>, spool: Option<Spool>, zero: SystemTime) -> Self {
        let (steps, meters) = (Mutex::default(), Meters::new());
        Self(Arc::new(Shared { rendition, session, spool, zero, steps, meters }))
    }

    /// Does what was decided while no track is there: parts are gaps.
    pub(crate) fn without_media(&self, cut: Cut) {
        self.add(match cut {
            Cut::Part { at, duration, .. } | Cut::Gap { at, duration } => Step::Gap { at, duration },
            Cut::Segment => Step::EndSegment,
        });
    }

    fn add(&self, step: Step) {
        let mut steps = self.0.steps.lock();
        steps.push_back(step);
        self.0.proceed(&mut steps);
    }
}

impl Shared {
    /// Does the steps that need no chunk.
    fn proceed(&self, steps: &mut VecDeque<Step>) {
        while let Some(step) = steps.pop_front_if(|step| !matches!(step, Step::Part { .. })) {
            match step {
                Step::Gap { at, duration } => self.write(at, duration, false, true, Bytes::new()),
                Step::EndSegment => {
                    self.session.writer.end_segment(&self.rendition);
                    self.meters.segments.increment(1);
                    if let Some(spool) = &self.spool {
                        spool.segment_ended(&self.session, &self.rendition);
                    }
                }
                Step::Part { .. } => {}
            }
        }
    }

    fn write(&self, at: Duration, duration: Duration, independent: bool, gap: bool, data: Bytes) {
        self.session.reached(at + duration);
        let program_date_time = self.zero + at;
        let part = Part { data, duration, independent, gap, program_date_time, media_time: at };
        self.session.writer.part(&self.rendition, part);
    }
}

impl Output for Plan {
    fn init(&self, init: Bytes) {
        self.0.session.init(&self.0.rendition, moof::undated(&init).into());
    }

    fn chunk(&self, header: &[u8], samples: &[gst::Buffer]) -> Result<(), Error> {
        let mut steps = self.0.steps.lock();
        let Some(Step::Part { at, duration, independent, arrived, truths, starts_segment, corrected }) =
            steps.pop_front()
        else {
            return Err(Error::Muxer("a chunk came that was not planned".into()));
        };
        if truths.len() != samples.len() {
            let (planned, came) = (truths.len(), samples.len());
            return Err(Error::Muxer(format!("a chunk of {planned} samples has {came}")));
        }
        let header = moof::open_ended(header, starts_segment);
        let header = if corrected {
            moof::correct(&header, &truths).map_err(|error| Error::Muxer(error.to_string()))?
        } else {
            header.into_owned()
        };
        let mut data = header;
        data.reserve_exact(samples.iter().map(|sample| sample.size()).sum());
        for sample in samples {
            let map = sample.map_readable().map_err(|_| Error::Muxer("a sample cannot be read".into()))?;
            data.extend_from_slice(&map);
        }
        self.0.write(at, duration, independent, false, data.into());
        self.0.meters.parts.increment(1);
        if let Some(arrived) = arrived {
            self.0.meters.delay.record(arrived.elapsed().as_secs_f64());
        }
        self.0.proceed(&mut steps);
        Ok(())
    }
}
