//! What a peer publishes: RTP becomes [`weir_media::Frame`]s and [`weir_media::Track`]s.
//!
//! [`Receiver`] is a value: decrypted packets and time go in; tracks, frames and RTCP come out. After every input, drain
//! [`Receiver::poll`] and [`Receiver::poll_rtcp`]. Reading order: `sources` (whose packet is it), `stream` (one stream:
//! `reorder` and `missing` put it in order, [`depacketize`] makes units of it), `timeline` (one clock for all of them).

pub mod depacketize;
mod missing;
mod reorder;
mod sources;
mod stream;
mod timeline;

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use weir_media::{Frame, Track, TrackId};

pub use self::sources::LAYERS_MAX;
use self::{
    sources::{Role, Sources},
    stream::{Arrived, Stream},
    timeline::{Source, Timeline},
};
use crate::{
    agreed::Incoming,
    rtp::{Header, Parsed},
};

/// What comes out.
#[derive(Debug, Clone)]
pub enum Output {
    /// What a track holds from its next frame on. Comes before the first frame of a track, and before a keyframe whenever
    /// its parameters change.
    Track(Track),
    /// A frame. For video the first is a keyframe, and so is the first after a loss.
    Frame(Frame),
    /// A layer of simulcast stopped: the peer saves bandwidth, or ended it. When it comes back, its track comes first.
    Gone(TrackId),
}

/// The receiving side of one peer.
pub struct Receiver {
    sources: Sources,
    streams: Vec<Option<Stream>>,
    ids: Vec<Option<TrackId>>,
    timeline: Timeline,
    arrived: Vec<Arrived>,
    out: VecDeque<Output>,
    out_rtcp: VecDeque<Bytes>,
}

impl Receiver {
    /// A receiver for what was agreed on: the first section with video and the first with sound.
    #[must_use]
    pub fn new(_now: Instant, mut incoming: Vec<Incoming>) -> Self {
        let (mut video, mut sound) = (false, false);
        incoming.retain(|incoming| !std::mem::replace(if incoming.video { &mut video } else { &mut sound }, true));
        let sources = Sources::new(incoming);
        let layers = sources.layers().len();
        let mut video = (0..).filter(|id| *id != TrackId::AUDIO.0).map(TrackId);
        let is_video = |layer| sources.section(layer).is_some_and(|incoming| incoming.video);
        let ids = (0..layers).map(|layer| if is_video(layer) { video.next() } else { Some(TrackId::AUDIO) }).collect();
        Self {
            sources,
            streams: (0..layers).map(|_| None).collect(),
            ids,
            timeline: Timeline::new(layers),
            arrived: Vec::new(),
            out: VecDeque::new(),
            out_rtcp: VecDeque::new(),
        }
    }

    /// A decrypted RTP packet.
    pub fn rtp(&mut self, now: Instant, packet: Bytes) {
        let Ok(Parsed { mut header, extensions, payload }) = Header::parse(&packet) else { return };
        let Some(role) = self.sources.role(header.ssrc).or_else(|| self.sources.learn(&header, extensions)) else {
            return;
        };
        let layer = role.layer();
        let mut payload = packet.slice(payload);
        if let Role::Repair(_) = role {
            // RFC 4588 §4: the original's number comes first. A packet without one probes for bandwidth.
            let Some((&[high, low], _)) = payload.split_first_chunk() else { return };
            let Some(pt) = self.sources.repaired(layer, header.payload_type) else { return };
            header.sequence = u16::from_be_bytes([high, low]);
            header.payload_type = pt;
            payload = payload.slice(2..);
        }
        let (Some(incoming), Some(slot)) = (self.sources.section(layer), self.streams.get_mut(layer)) else { return };
        let stream = slot.get_or_insert_with(|| Stream::new(incoming));
        stream.packet(now, incoming, &header, payload, &mut self.arrived);
        self.forward(layer);
    }

    /// A decrypted compound RTCP packet.
    pub fn rtcp(&mut self, _now: Instant, _compound: &[u8]) {}

    /// The next track or frame.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next compound RTCP packet to protect and send.
    pub fn poll_rtcp(&mut self) -> Option<Bytes> {
        self.out_rtcp.pop_front()
    }

    /// Asks every video layer for a keyframe, as soon as the last request is 500 ms ago, and again until one comes.
    pub fn request_keyframe(&mut self, _now: Instant) {}

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.streams.iter().flatten().filter_map(Stream::timeout).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for layer in 0..self.streams.len() {
            let (Some(incoming), Some(Some(stream))) = (self.sources.section(layer), self.streams.get_mut(layer))
            else {
                continue;
            };
            stream.handle_timeout(now, incoming, &mut self.arrived);
            self.forward(layer);
        }
    }

    fn forward(&mut self, layer: usize) {
        let Some(Some(track)) = self.ids.get(layer).copied() else { return };
        for Arrived { unit, at } in self.arrived.drain(..) {
            if let Some(params) = unit.params {
                self.out.push_back(Output::Track(Track { id: track, params }));
            }
            let source = if track == TrackId::AUDIO { Source::Sound } else { Source::Layer(layer) };
            let pts = self.timeline.map(source, unit.timestamp, at);
            let frame = Frame { track, pts, dts: pts, keyframe: unit.keyframe, arrived: at, data: unit.data };
            self.out.push_back(Output::Frame(frame));
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
