//! One viewer.

mod feedback;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_media::TrackId;

use super::{
    clock::Line,
    estimate::Estimator,
    gate::{Admission, Gate, Target},
    history::History,
    layers::Layers,
    meter::Meter,
    outbound::{Frame, Outbound, PADDING_BYTES, Wire},
    pacer::{self, Pacer, Queued},
    packets::Packets,
    protect::Protect,
    repair::Repair,
    report,
    stream::Stream,
};
use crate::{
    agreed::{Outgoing, RtpCodec},
    socket::Batch,
};

/// A frame of up to so many packets leaves at once while nothing is known about the link: 115 kB, a keyframe of a
/// 2.5 Mbit/s stream.
const BURST_PACKETS: usize = 100;
/// The estimate over the video's rate, in percent, from which on nothing is paced.
const HEADROOM_PERCENT: u64 = 150;
/// How often sender reports are made.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The second report comes sooner: lip sync and the round trip are known then.
const REPORT_SECOND: Duration = Duration::from_millis(200);
/// Frames that are drawn together when a viewer joins are this far apart on its line, in nanoseconds.
const JOIN_STEP: i64 = 1_000_000;

/// A video layer that the viewer could get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Its track.
    pub track: TrackId,
    /// What it needs, as measured lately, in bits per second.
    pub bits_per_second: u64,
}

/// Which video a viewer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The layer that is sent, or will be from its next keyframe on; `None`: sound only.
    pub video: Option<TrackId>,
}

/// What an RTCP packet led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Feedback {
    /// A keyframe of this track is wanted now (as [`Sender::keyframe_wanted`] tells, which need not be asked again).
    pub keyframe_wanted: Option<TrackId>,
}

/// What a viewer got so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// RTP packets sent, retransmissions and probes included.
    pub packets: u64,
    /// Their bytes before protection.
    pub bytes: u64,
    /// Packets that were sent again.
    pub retransmissions: u64,
    /// Requests for packets that were not met: sent too long ago, sent again just now, too many, or of a codec whose
    /// retransmissions were not agreed.
    pub refused_retransmissions: u64,
    /// Video frames that were left out because the viewer's link was behind.
    pub skipped_frames: u64,
    /// Video frames that were not sent at once, but at the pace of the viewer's link.
    pub paced_frames: u64,
    /// Changes of the video layer, the first one included.
    pub switches: u64,
    /// Round trip by the viewer's last report, in microseconds; 0 while unknown.
    pub round_trip_us: u32,
    /// Share of packets that the viewer last reported lost, in thousandths.
    pub loss_permille: u16,
}

/// Sends a publish to one viewer. See the [module](super) for how it is driven.
#[derive(Debug)]
pub struct Sender {
    video: Option<Stream>,
    audio: Option<Stream>,
    line: Line,
    gate: Gate,
    layers: Layers,
    pacer: Pacer,
    history: History,
    repair: Repair,
    outbound: Outbound,
    video_rate: Meter,
    audio_rate: Meter,
    round_trip: Option<Duration>,
    reports: u32,
    next_report: Option<Instant>,
}

impl Sender {
    /// A sender for what was agreed. The first video and the first audio section are used.
    #[must_use]
    pub fn new(now: Instant, outgoing: Vec<Outgoing>) -> Self {
        let first = |video| outgoing.iter().find(|section| section.video == video);
        let transport_wide = outgoing.iter().any(|section| section.extensions.transport_cc.is_some());
        let (video, audio) = (first(true).map(Stream::new), first(false).map(Stream::new));
        Self {
            video,
            audio,
            line: Line::default(),
            gate: Gate::new(),
            layers: Layers::new(),
            pacer: Pacer::default(),
            history: History::default(),
            repair: Repair::new(),
            outbound: Outbound::new(Estimator::new(now, transport_wide)),
            video_rate: Meter::new(now),
            audio_rate: Meter::new(now),
            round_trip: None,
            reports: 0,
            next_report: None,
        }
    }

    /// Whether frames of this codec can be sent: a payload type was agreed for it.
    #[must_use]
    pub fn accepts(&self, codec: RtpCodec) -> bool {
        let stream = if codec == RtpCodec::Opus { &self.audio } else { &self.video };
        stream.as_ref().is_some_and(|stream| stream.payload_type(codec).is_some())
    }

    /// Catches up with a publish that is running: `gop` are the video frames from the last keyframe to now. Their
    /// timestamps are drawn together to just before the last one, so that the viewer decodes them at once and is live.
    /// Later frames keep their exact timestamps. Sound in `gop` is left out.
    pub fn join(&mut self, now: Instant, gop: &[Arc<Packets>], transport: &mut impl Protect, batch: &mut Batch) {
        let pictures = || gop.iter().filter(|packets| packets.is_video() && !packets.is_empty());
        // Of several layers the best one: whether it is too much shows soon.
        let best = pictures().filter(|packets| packets.keyframe).map(|packets| packets.track).min();
        let frames: Vec<_> = pictures().filter(|packets| Some(packets.track) == best).collect();
        let places: Vec<i64> = frames.iter().map(|packets| self.line.place(packets)).collect();
        let Some(edge) = places.iter().copied().max() else { return };
        let small = frames.iter().map(|packets| packets.len()).sum::<usize>() <= BURST_PACKETS;
        for (packets, place) in frames.into_iter().zip(&places) {
            // Pictures may be reordered: each keeps its rank.
            let later = places.iter().filter(|other| *other > place).count();
            self.enqueue(packets, edge - later as i64 * JOIN_STEP); // as few as fit a GOP
        }
        let wire = &mut Wire::new(now, transport, batch);
        self.drain(wire, small);
        self.report(wire);
    }

    /// Takes a frame. What is due now is appended to `batch`, the rest is paced; frames of layers that are not chosen
    /// are left out.
    pub fn send(&mut self, now: Instant, packets: &Arc<Packets>, transport: &mut impl Protect, batch: &mut Batch) {
        if packets.is_empty() {
            return;
        }
        let place = self.line.place(packets);
        let wire = &mut Wire::new(now, transport, batch);
        if packets.is_video() {
            let at_once = self.pacer.is_empty() && self.has_headroom(packets.len());
            if self.enqueue(packets, place) {
                self.outbound.stats.paced_frames += u64::from(!at_once);
                self.drain(wire, at_once);
            }
        } else {
            self.send_sound(wire, packets, place);
        }
        self.report(wire);
    }

    /// The track of which a keyframe is needed, if one is: the viewer asked, fell behind or changes layers. At most one
    /// answer in 500 ms.
    pub fn keyframe_wanted(&mut self, now: Instant) -> Option<TrackId> {
        self.video.as_ref()?;
        self.gate.wish(now)
    }

    /// When [`Self::handle_timeout`] is due; may lie in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.outbound.estimator.probe_due();
        [self.pacer.due(), self.repair.due(), self.next_report, probe].into_iter().flatten().min()
    }

    /// Sends what became due: paced packets, retransmissions, sender reports, probes.
    pub fn handle_timeout(&mut self, now: Instant, transport: &mut impl Protect, batch: &mut Batch) {
        let wire = &mut Wire::new(now, transport, batch);
        self.resend(wire);
        self.drain(wire, false);
        self.probe(wire);
        self.report(wire);
    }

    /// What the viewer's link is believed to carry, in bits per second; `None` until something is known.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        self.outbound.estimator.rate()
    }

    /// Picks the video layer by the estimate. `layers` is best first; the change happens at the layer's next keyframe.
    /// Without any call the first layer whose keyframe comes is sent.
    pub fn choose(&mut self, now: Instant, layers: &[Layer]) -> Choice {
        let carried = self.estimate().map(|rate| rate.saturating_sub(self.audio_rate.rate()));
        let decision = self.layers.decide(now, carried, layers);
        self.gate.aim(decision.layer.map_or(Target::Nothing, Target::Track));
        if decision.layer.is_none() {
            self.outbound.stats.skipped_frames += self.pacer.give_up();
        }
        if let Some(rate) = decision.probe
            && self.probing().is_some()
        {
            self.outbound.estimator.probe(now, rate.saturating_add(self.audio_rate.rate()));
        }
        Choice { video: decision.layer }
    }

    /// The layer that is sent now; `None` before the first keyframe and while there is sound only.
    #[must_use]
    pub fn layer(&self) -> Option<TrackId> {
        self.gate.current()
    }

    /// What was sent so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.outbound.stats
    }

    /// Payload bytes that wait for their turn; bounded by time at the pace of the link.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.pacer.bytes()
    }

    fn has_headroom(&self, packets: usize) -> bool {
        match self.estimate() {
            None => packets <= BURST_PACKETS,
            Some(rate) => rate.saturating_mul(100) >= self.video_rate.rate().saturating_mul(HEADROOM_PERCENT),
        }
    }

    fn send_sound<P: Protect>(&mut self, wire: &mut Wire<'_, P>, packets: &Packets, place: i64) {
        let Some(stream) = &mut self.audio else { return };
        let Some(payload_type) = stream.payload_type(packets.codec) else { return };
        let timestamp = stream.timestamp(place, packets.codec.clock_rate());
        let frame = Frame { packets, timestamp, picture: 0, last_is_marked: false };
        for index in 0..packets.len() {
            self.outbound.media(wire, stream, payload_type, &frame, index);
        }
        self.audio_rate.add(wire.now, packets.bytes);
        self.next_report.get_or_insert(wire.now);
    }

    /// Queues a video frame, if the viewer gets it.
    fn enqueue(&mut self, packets: &Arc<Packets>, place: i64) -> bool {
        let Some(stream) = &mut self.video else { return false };
        let Some(payload_type) = stream.payload_type(packets.codec) else { return false };
        match self.gate.admit(packets.track, packets.keyframe) {
            Admission::Other => return false,
            Admission::Skipped => {
                self.outbound.stats.skipped_frames += 1;
                return false;
            }
            Admission::Switched => self.outbound.stats.switches += 1,
            Admission::Sent => {}
        }
        let rate = pacer::pace(self.outbound.estimator.rate());
        if packets.keyframe && self.pacer.is_behind(rate) {
            // The picture is whole again with this frame: what waits before it would only delay it.
            self.outbound.stats.skipped_frames += self.pacer.give_up();
        }
        stream.clock_rate = packets.codec.clock_rate();
        let timestamp = stream.timestamp(place, stream.clock_rate);
        self.pacer.push(Queued { packets: Arc::clone(packets), timestamp, payload_type, picture: 0, next: 0 });
        if self.pacer.is_overfull(rate) {
            self.outbound.stats.skipped_frames += self.pacer.give_up();
            self.gate.interrupt();
        }
        true
    }

    /// Sends of the queue what may leave now: all of it if `at_once`.
    fn drain<P: Protect>(&mut self, wire: &mut Wire<'_, P>, at_once: bool) {
        let Some(stream) = &mut self.video else { return };
        let rate = pacer::pace(self.outbound.estimator.rate());
        let mut sent = 0;
        while at_once || self.pacer.may(wire.now) {
            let Some(queued) = self.pacer.front_mut() else { break };
            if queued.next == 0 {
                queued.picture = stream.next_picture();
                if stream.feedback.nack {
                    let first = stream.peek_sequence();
                    self.history.begin(wire.now, &queued.packets, queued.timestamp, queued.picture, first);
                }
            }
            let frame = Frame {
                packets: &queued.packets,
                timestamp: queued.timestamp,
                picture: queued.picture,
                last_is_marked: true,
            };
            let bytes = self.outbound.media(wire, stream, queued.payload_type, &frame, queued.next);
            queued.next += 1;
            let whole = queued.next >= queued.packets.len();
            if stream.feedback.nack {
                self.history.sent();
                self.repair.earn(bytes);
            }
            if whole {
                self.pacer.pop();
            }
            if !at_once {
                self.pacer.spend(wire.now, bytes, rate);
            }
            sent += bytes;
        }
        if sent > 0 {
            self.video_rate.add(wire.now, sent);
            self.next_report.get_or_insert(wire.now);
        }
    }

    /// What probes can be sent as, if they can tell anything: the retransmissions' payload type and source.
    fn probing(&self) -> Option<(u8, u32)> {
        let video = self.video.as_ref()?;
        self.outbound.estimator.can_probe().then(|| video.padding()).flatten()
    }

    /// Sends the burst of a probe, if one is due.
    fn probe<P: Protect>(&mut self, wire: &mut Wire<'_, P>) {
        let (Some(as_what), Some(video)) = (self.probing(), &mut self.video) else { return };
        for _ in 0..self.outbound.estimator.burst(wire.now, PADDING_BYTES) {
            self.outbound.padding(wire, video, as_what);
        }
    }

    /// Makes a sender report if one is due.
    fn report<P: Protect>(&mut self, wire: &mut Wire<'_, P>) {
        if self.next_report.is_none_or(|due| due > wire.now) {
            return;
        }
        let Some(nanos) = self.line.now(wire.now) else { return };
        let streams = [&self.video, &self.audio].into_iter().flatten().filter(|stream| stream.packets > 0);
        let now = wire.now;
        self.outbound.control(wire, |out| report::write(now, nanos, streams, out));
        self.next_report = Some(now + if self.reports == 0 { REPORT_SECOND } else { REPORT_EVERY });
        self.reports = self.reports.saturating_add(1);
    }
}
