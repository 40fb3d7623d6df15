//! The receiving side of one peer: what goes where.

use std::{
    any::Any,
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rtc::rtcp::{goodbye::Goodbye, packet::unmarshal, sender_report::SenderReport};
use weir_media::{Frame, Timestamp, Track, TrackId, TrackParams, VideoParams, codec};

use super::{
    LayerStats, Output, Stats,
    decoding::Decoding,
    feedback::Voice,
    keyframes::Keyframes,
    layers::Layers,
    sources::{Role, Sources},
    stream::{Arrived, Stream},
    timeline::{Source, Timeline},
    twcc::{self, Arrivals},
};
use crate::{
    agreed::Incoming,
    rtp::{Header, Parsed},
};

/// Between two receiver reports. RFC 3550 §6.2 allows 5 s; browsers find out about loss from these.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A layer of simulcast that is silent for so long is gone: four missing pictures of a layer with 2 a second.
const SILENCE: Duration = Duration::from_secs(2);
/// A stream that is silent for so long may go on under another synchronisation source. Before, one that comes beside it
/// is nobody's.
const SOURCE_SILENCE: Duration = Duration::from_secs(1);
/// Bytes of frames that wait until it is known which layer is which: half a second of 64 Mbit/s.
const GATHERED_BYTES_MAX: usize = 4 << 20;
/// Compound packets that wait to be sent: more than one input ever makes.
const RTCP_MAX: usize = 64;

/// Parts of one compound packet that are read. Browsers send a handful.
const PARTS_MAX: usize = 32;

/// The receiving side of one peer.
pub struct Receiver {
    sources: Sources,
    states: Vec<Layer>,
    layers: Layers,
    timeline: Timeline,
    arrivals: Arrivals,
    keyframes: Keyframes,
    voice: Voice,
    /// When reports go, once anything came.
    report_at: Option<Instant>,
    twcc_at: Option<Instant>,
    /// Frames of layers whose track is not decided yet.
    gathered: Vec<(usize, Frame, Option<TrackParams>)>,
    gathered_bytes: usize,
    /// The latest decoding time that each track was given.
    decoded: Vec<(TrackId, Timestamp)>,
    arrived: Vec<Arrived>,
    numbers: Vec<u16>,
    out: VecDeque<Output>,
    out_rtcp: VecDeque<Bytes>,
    unknown: u64,
    unknown_rtcp: u64,
}

/// The state of one layer, or of the sound.
#[derive(Default)]
struct Layer {
    video: bool,
    ssrc: u32,
    stream: Option<Stream>,
    decoding: Decoding,
    params: Option<TrackParams>,
    /// The track under which these parameters were given out.
    announced: Option<TrackId>,
    heard: Option<Instant>,
}

impl Receiver {
    /// A receiver for what was agreed on: the first section with video and the first with sound.
    #[must_use]
    pub fn new(now: Instant, mut incoming: Vec<Incoming>) -> Self {
        let (mut video, mut sound) = (false, false);
        incoming.retain(|incoming| !std::mem::replace(if incoming.video { &mut video } else { &mut sound }, true));
        let sources = Sources::new(incoming);
        let count = sources.layers().len();
        let is_video = |layer| sources.section(layer).is_some_and(|incoming| incoming.video);
        let pictures = (0..count).filter(|layer| is_video(*layer)).count();
        Self {
            states: (0..count).map(|layer| Layer { video: is_video(layer), ..Layer::default() }).collect(),
            layers: Layers::new(pictures),
            timeline: Timeline::new(count, pictures > 1),
            arrivals: Arrivals::new(now),
            keyframes: Keyframes::new(count),
            voice: Voice::new(),
            sources,
            report_at: None,
            twcc_at: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            decoded: Vec::new(),
            arrived: Vec::new(),
            numbers: Vec::new(),
            out: VecDeque::new(),
            out_rtcp: VecDeque::new(),
            unknown: 0,
            unknown_rtcp: 0,
        }
    }

    /// A decrypted RTP packet.
    pub fn rtp(&mut self, now: Instant, packet: Bytes) {
        let Ok(Parsed { mut header, extensions, payload }) = Header::parse(&packet) else {
            self.unknown += 1;
            return;
        };
        let is_alive = |layer| {
            let heard = self.states.get(layer).and_then(|state: &Layer| state.heard);
            heard.is_some_and(|heard| now.saturating_duration_since(heard) < SOURCE_SILENCE)
        };
        let role = self.sources.role(header.ssrc).or_else(|| self.sources.learn(&header, extensions, is_alive));
        let Some((role, incoming)) = role.and_then(|role| Some((role, self.sources.section(role.layer())?))) else {
            self.unknown += 1;
            return;
        };
        let layer = role.layer();
        if incoming.feedback.transport_cc
            && let Some(number) = incoming.extensions.transport_cc.and_then(|id| extensions.get_u16(id))
        {
            self.arrivals.packet(now, header.ssrc, number);
            self.twcc_at.get_or_insert(now + twcc::INTERVAL);
        }
        self.report_at.get_or_insert(now + REPORT_INTERVAL);
        let Some(state) = self.states.get_mut(layer) else { return };
        let mut payload = packet.slice(payload);
        let repaired = matches!(role, Role::Repair(_));
        if repaired {
            // RFC 4588 §4: the original's number comes first. A packet without one probes for bandwidth.
            let Some((&[high, low], _)) = payload.split_first_chunk() else { return };
            let Some(pt) = self.sources.repaired(layer, header.payload_type) else { return };
            header.sequence = u16::from_be_bytes([high, low]);
            header.payload_type = pt;
            payload = payload.slice(2..);
        } else if state.ssrc != header.ssrc {
            // Its first packet, or the peer began the layer anew.
            (state.ssrc, state.stream) = (header.ssrc, None);
            self.timeline.restart(if state.video { Source::Layer(layer) } else { Source::Sound });
        }
        if state.stream.is_none() && repaired {
            return;
        }
        state.heard = Some(now);
        let stream = state.stream.get_or_insert_with(|| Stream::new(now, incoming));
        stream.packet(now, incoming, &header, payload, repaired, &mut self.arrived);
        self.forward(now, layer);
        if self.arrivals.is_full() {
            self.tell_arrivals(now);
        }
        self.ask_for_keyframes(now);
    }

    /// A decrypted compound RTCP packet. What stands before damage in it counts.
    pub fn rtcp(&mut self, now: Instant, compound: &[u8]) {
        let mut rest = compound;
        for _ in 0..PARTS_MAX {
            let Some((part, after)) = part(rest) else { break };
            let Ok(packets) = unmarshal(&mut &part[..]) else { break };
            for packet in packets {
                self.told(now, packet.as_any());
            }
            rest = after;
            if rest.is_empty() {
                return;
            }
        }
        self.unknown_rtcp += 1;
    }

    /// One part of a compound.
    fn told(&mut self, now: Instant, packet: &dyn Any) {
        if let Some(report) = packet.downcast_ref::<SenderReport>() {
            let Some(Role::Media(layer)) = self.sources.role(report.ssrc) else { return };
            let Some(state) = self.states.get_mut(layer) else { return };
            let source = if state.video { Source::Layer(layer) } else { Source::Sound };
            self.timeline.report(source, report.ntp_time, report.rtp_time);
            if let Some(stream) = &mut state.stream {
                stream.reception.sender_report(now, report.ntp_time);
            }
        } else if let Some(goodbye) = packet.downcast_ref::<Goodbye>() {
            for &source in &goodbye.sources {
                if let Some(Role::Media(layer)) = self.sources.role(source) {
                    self.gone(layer);
                }
            }
        }
    }

    /// The next track or frame.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next compound RTCP packet to protect and send.
    pub fn poll_rtcp(&mut self) -> Option<Bytes> {
        self.out_rtcp.pop_front()
    }

    /// Asks every video layer for a keyframe, as soon as the last request is 500 ms ago, and every 500 ms until one comes,
    /// ten times at most.
    pub fn request_keyframe(&mut self, now: Instant) {
        let heard = |heard: Instant| now.saturating_duration_since(heard) < SILENCE;
        for (layer, state) in self.states.iter().enumerate() {
            if state.video && state.heard.is_some_and(heard) {
                self.keyframes.want(layer);
            }
        }
        self.ask_for_keyframes(now);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let streams = self.states.iter().filter_map(|state| state.stream.as_ref()?.timeout());
        // A request that could go at once has gone.
        let keyframes = self.keyframes.timeout().flatten();
        streams.chain([self.report_at, self.twcc_at, self.layers.timeout(), keyframes].into_iter().flatten()).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for layer in 0..self.states.len() {
            let (Some(incoming), Some(state)) = (self.sources.section(layer), self.states.get_mut(layer)) else {
                continue;
            };
            let Some(stream) = &mut state.stream else { continue };
            stream.handle_timeout(now, incoming, &mut self.arrived);
            self.numbers.clear();
            stream.ask(now, &mut self.numbers);
            for nack in self.voice.nack(state.ssrc, &self.numbers) {
                let compound = self.voice.compound(Vec::new(), [nack]);
                self.say(compound);
            }
            self.forward(now, layer);
        }
        if self.layers.timeout().is_some_and(|at| at <= now) {
            self.end_gathering();
        }
        if self.twcc_at.is_some_and(|at| at <= now) {
            self.tell_arrivals(now);
        }
        if self.report_at.is_some_and(|at| at <= now) {
            self.report_at = Some(now + REPORT_INTERVAL);
            self.report(now);
        }
        self.ask_for_keyframes(now);
    }

    /// What came so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let layers =
            self.states.iter().zip(self.sources.layers()).enumerate().filter_map(|(layer, (state, expected))| {
                let stream = state.stream.as_ref()?;
                let (reception, totals) = (&stream.reception, stream.reception.totals);
                let (bitrate, frame_rate) = reception.rates();
                Some(LayerStats {
                    track: self.track(layer),
                    video: state.video,
                    rid: expected.rid.clone(),
                    codec: stream.codec(),
                    packets: reception.packets(),
                    bytes: totals.bytes,
                    lost: reception.lost(),
                    recovered: totals.recovered,
                    holes: stream.holes,
                    refused: stream.refused,
                    jitter: reception.jitter(),
                    round_trip: stream.round_trip(),
                    frames: totals.frames,
                    keyframes: totals.keyframes,
                    bitrate,
                    frame_rate,
                })
            });
        Stats { layers: layers.collect(), unknown: self.unknown, unknown_rtcp: self.unknown_rtcp }
    }

    /// Units that a layer's stream gave out become frames.
    fn forward(&mut self, now: Instant, layer: usize) {
        let mut arrived = std::mem::take(&mut self.arrived);
        for Arrived { unit, began, at } in arrived.drain(..) {
            let Some(state) = self.states.get_mut(layer) else { break };
            let source = if state.video { Source::Layer(layer) } else { Source::Sound };
            let pts = self.timeline.map(source, unit.timestamp, began);
            if let Some(TrackParams::Video(VideoParams { codec, config, .. })) = &unit.params {
                state.decoding.reorders(codec::reorder_frames(*codec, config).unwrap_or(0));
            }
            let dts = state.decoding.time(pts);
            if let Some(stream) = &mut state.stream {
                stream.reception.frame(unit.keyframe);
            }
            if state.video && unit.keyframe {
                self.keyframes.came(layer);
                let pixels = match unit.params.as_ref().or(state.params.as_ref()) {
                    Some(TrackParams::Video(video)) => u64::from(video.width) * u64::from(video.height),
                    _ => 0,
                };
                if self.layers.came(now, layer, pixels) {
                    self.flush_gathered();
                }
            }
            let frame =
                Frame { track: TrackId::VIDEO, pts, dts, keyframe: unit.keyframe, arrived: at, data: unit.data };
            self.give(layer, frame, unit.params);
        }
        self.arrived = arrived;
        if self.states.get_mut(layer).and_then(|state| state.stream.as_mut()).is_some_and(Stream::take_need) {
            self.keyframes.need(layer);
        }
    }

    /// Gives out a frame of a layer, and its track before it where that is new.
    fn give(&mut self, layer: usize, frame: Frame, params: Option<TrackParams>) {
        let Some(track) = self.track(layer) else {
            self.gathered_bytes += frame.data.len();
            self.gathered.push((layer, frame, params));
            if self.gathered_bytes > GATHERED_BYTES_MAX {
                self.end_gathering();
            }
            return;
        };
        let Some(state) = self.states.get_mut(layer) else { return };
        if params.is_some() {
            (state.params, state.announced) = (params, None);
        }
        if state.announced != Some(track) {
            let Some(params) = state.params.clone().filter(|_| frame.keyframe) else {
                self.keyframes.need(layer);
                return;
            };
            state.announced = Some(track);
            self.out.push_back(Output::Track(Track { id: track, params }));
        }
        let (pts, dts) = self.in_order(track, frame.pts, frame.dts);
        self.out.push_back(Output::Frame(Frame { track, pts, dts, ..frame }));
    }

    /// The times of a track's next frame. Those of one layer grow; but a track whose layer changes may get a picture again
    /// that it had from the other one.
    fn in_order(&mut self, track: TrackId, pts: Timestamp, dts: Timestamp) -> (Timestamp, Timestamp) {
        let Some((_, last)) = self.decoded.iter_mut().find(|(known, _)| *known == track) else {
            self.decoded.push((track, dts));
            return (pts, dts);
        };
        if dts > *last {
            *last = dts;
            return (pts, dts);
        }
        *last = last.offset(1);
        (pts.max(*last), *last)
    }

    fn track(&self, layer: usize) -> Option<TrackId> {
        if self.states.get(layer)?.video { self.layers.track(layer) } else { Some(TrackId::AUDIO) }
    }

    fn end_gathering(&mut self) {
        self.layers.end_gathering();
        self.flush_gathered();
    }

    fn flush_gathered(&mut self) {
        self.gathered_bytes = 0;
        for (layer, frame, params) in std::mem::take(&mut self.gathered) {
            self.give(layer, frame, params);
        }
    }

    /// A layer ended, for now.
    fn gone(&mut self, layer: usize) {
        if let Some(state) = self.states.get_mut(layer).filter(|state| state.video)
            && let Some(track) = state.announced.take()
        {
            self.out.push_back(Output::Gone(track));
        }
    }

    fn report(&mut self, now: Instant) {
        let mut reports = Vec::new();
        for layer in 0..self.states.len() {
            let Some(state) = self.states.get_mut(layer) else { continue };
            let Some(stream) = &mut state.stream else { continue };
            reports.push(stream.reception.report(now, state.ssrc));
            let silent = state.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= SILENCE);
            if silent && self.layers.several() {
                self.gone(layer);
            }
        }
        let compound = self.voice.compound(reports, []);
        self.say(compound);
    }

    fn tell_arrivals(&mut self, now: Instant) {
        let mut compound = self.voice.compound(Vec::new(), []);
        self.arrivals.feedback(self.voice.ssrc, &mut compound);
        self.say(compound);
        self.twcc_at = (!self.arrivals.is_empty()).then(|| now + twcc::INTERVAL);
    }

    fn ask_for_keyframes(&mut self, now: Instant) {
        if !self.keyframes.due(now) {
            return;
        }
        let mut requests = Vec::new();
        for layer in self.keyframes.take(now) {
            let (Some(incoming), Some(state)) = (self.sources.section(layer), self.states.get(layer)) else { continue };
            if incoming.feedback.pli {
                requests.push(self.voice.picture_loss(state.ssrc));
            } else if incoming.feedback.fir {
                requests.push(self.voice.full_intra(state.ssrc));
            }
        }
        if !requests.is_empty() {
            let compound = self.voice.compound(Vec::new(), requests);
            self.say(compound);
        }
    }

    fn say(&mut self, compound: Vec<u8>) {
        if self.out_rtcp.len() < RTCP_MAX {
            self.out_rtcp.push_back(compound.into());
        }
    }
}

/// The first part of a compound packet, by the length in its header (RFC 3550 §6.4.1), and what follows it.
fn part(compound: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[_, _, high, low, ..] = compound else { return None };
    compound.split_at_checked(4 + 4 * usize::from(u16::from_be_bytes([high, low])))
}
