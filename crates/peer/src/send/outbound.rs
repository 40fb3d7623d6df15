//! Writes packets: header, payload and protection, straight into the batch. The hot path of the whole server.

use std::time::Instant;

use super::{
    clock,
    estimate::Estimator,
    history::Sent,
    packetize::vpx::{PICTURE_LONG, VP8_PICTURE_AT, VP9_PICTURE_AT},
    protect::Protect,
    sender::Stats,
    stream::Stream,
    template::Fields,
};
use crate::{agreed::RtpCodec, socket::Batch};

/// Padding of a probing packet, in bytes: as much as RTP can say (RFC 3550 §5.1).
const PADDING: u8 = 255;
/// Bytes of a probing packet, roughly.
pub(super) const PADDING_BYTES: usize = 20 + PADDING as usize;

/// Where packets go, and when.
pub(super) struct Wire<'a, P> {
    pub(super) now: Instant,
    send_time: u32,
    protect: &'a mut P,
    batch: &'a mut Batch,
}

impl<'a, P: Protect> Wire<'a, P> {
    pub(super) fn new(now: Instant, protect: &'a mut P, batch: &'a mut Batch) -> Self {
        Self { now, send_time: clock::send_time(now), protect, batch }
    }
}

/// What all packets of a viewer share.
#[derive(Debug)]
pub(super) struct Outbound {
    /// The packet that is being made, before protection.
    plain: Vec<u8>,
    /// The transport-wide number of the next packet that carries one: sections that did not agree on the extension take
    /// none, since the viewer could only report them missing.
    transport_sequence: u16,
    pub(super) estimator: Estimator,
    pub(super) stats: Stats,
}

impl Outbound {
    pub(super) fn new(estimator: Estimator) -> Self {
        Self { plain: Vec::new(), transport_sequence: 0, estimator, stats: Stats::default() }
    }

    /// Sends packet `index` of a frame under the stream's next sequence number. Returns the payload's bytes.
    pub(super) fn media<P: Protect>(
        &mut self,
        wire: &mut Wire<'_, P>,
        stream: &mut Stream,
        payload_type: u8,
        sent: &Frame<'_>,
        index: usize,
    ) -> usize {
        let fields = Fields {
            marker: sent.last_is_marked && index + 1 == sent.packets.len(),
            payload_type,
            sequence: stream.next_sequence(),
            timestamp: sent.timestamp,
            ssrc: stream.ssrc,
            transport_sequence: self.transport_sequence,
            send_time: wire.send_time,
        };
        stream.template().write(&fields, &mut self.plain);
        let bytes = self.payload(sent, index);
        if self.protect(wire, stream, false) {
            stream.count(bytes);
        }
        bytes
    }

    /// Sends a packet again as RFC 4588 has it: under the payload type, the source and a number of its own. Under the first
    /// number it could not be sealed again (RFC 7714 §8.1).
    pub(super) fn again<P: Protect>(
        &mut self,
        wire: &mut Wire<'_, P>,
        stream: &mut Stream,
        (payload_type, ssrc): (u8, u32),
        sent: &Sent,
        (sequence, index): (u16, usize),
    ) {
        let frame = Frame::of(sent);
        let fields = Fields {
            marker: frame.last_is_marked && index + 1 == frame.packets.len(),
            payload_type,
            sequence: stream.next_rtx_sequence(),
            timestamp: frame.timestamp,
            ssrc,
            transport_sequence: self.transport_sequence,
            send_time: wire.send_time,
        };
        stream.template().write(&fields, &mut self.plain);
        self.plain.extend_from_slice(&sequence.to_be_bytes());
        self.payload(&frame, index);
        self.stats.retransmissions += u64::from(self.protect(wire, stream, false));
    }

    /// Sends a packet of nothing but padding under the retransmissions' source, to see whether more gets through.
    pub(super) fn padding<P: Protect>(
        &mut self,
        wire: &mut Wire<'_, P>,
        stream: &mut Stream,
        (payload_type, ssrc): (u8, u32),
    ) {
        let fields = Fields {
            marker: false,
            payload_type,
            sequence: stream.next_rtx_sequence(),
            timestamp: 0,
            ssrc,
            transport_sequence: self.transport_sequence,
            send_time: wire.send_time,
        };
        stream.template().write(&fields, &mut self.plain);
        if let Some(flags) = self.plain.first_mut() {
            *flags |= 0x20;
        }
        self.plain.resize(self.plain.len() + usize::from(PADDING) - 1, 0);
        self.plain.push(PADDING);
        self.protect(wire, stream, true);
    }

    /// Sends RTCP that `write` makes.
    pub(super) fn control<P: Protect>(&mut self, wire: &mut Wire<'_, P>, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.plain);
        // Without a key there is nobody to report to yet.
        let _ = wire.batch.push(|out| wire.protect.protect_rtcp(&self.plain, out).then_some(()).ok_or(()));
    }

    /// Appends a payload to the header; returns its bytes.
    fn payload(&mut self, frame: &Frame<'_>, index: usize) -> usize {
        let (head, body) = frame.packets.payload(index);
        let at = self.plain.len();
        self.plain.extend_from_slice(head);
        self.plain.extend_from_slice(body);
        let picture_at = match frame.packets.codec {
            RtpCodec::Vp8 => VP8_PICTURE_AT,
            RtpCodec::Vp9 => VP9_PICTURE_AT,
            RtpCodec::H264 | RtpCodec::Hevc | RtpCodec::Av1 | RtpCodec::Opus => return head.len() + body.len(),
        };
        let [high, low] = frame.picture.to_be_bytes();
        if let Some(picture) = self.plain.get_mut(at + picture_at..at + picture_at + 2) {
            picture.copy_from_slice(&[high | PICTURE_LONG, low]);
        }
        head.len() + body.len()
    }

    /// Protects the packet, and counts it if it leaves.
    fn protect<P: Protect>(&mut self, wire: &mut Wire<'_, P>, stream: &Stream, probe: bool) -> bool {
        let pushed = wire.batch.push(|out| wire.protect.protect_rtp(&self.plain, out).then_some(()).ok_or(()));
        if pushed.is_err() {
            return false;
        }
        if stream.template().is_numbered() {
            self.estimator.sent(wire.now, self.transport_sequence, self.plain.len(), probe);
            self.transport_sequence = self.transport_sequence.wrapping_add(1);
        }
        self.stats.packets += 1;
        self.stats.bytes += self.plain.len() as u64;
        true
    }
}

/// A frame as one viewer gets it.
pub(super) struct Frame<'a> {
    pub(super) packets: &'a super::packets::Packets,
    pub(super) timestamp: u32,
    pub(super) picture: u16,
    /// Whether the marker is set in the last packet: it ends a picture (for sound it would begin a talk spurt).
    pub(super) last_is_marked: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn of(sent: &'a Sent) -> Self {
        Self {
            packets: &sent.packets,
            timestamp: sent.timestamp,
            picture: sent.picture,
            last_is_marked: sent.packets.is_video(),
        }
    }
}
