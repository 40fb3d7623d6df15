//! One RTP stream: from packets to whole units, in order, with nothing after a hole before the next keyframe.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    depacketize::{Depacketizer, Piece, Unit},
    missing::{Missing, Patience},
    reception::Reception,
    reorder::{Next, Packet, Place, Reorder},
};
use crate::{
    agreed::{Incoming, RtpCodec},
    rtp::{Header, Unwrapper16},
};

/// How long a hole in video is waited for while it is asked for: four round trips over half the world.
const PATIENCE_VIDEO: Duration = Duration::from_millis(400);
/// The same for sound, where a hole costs 20 ms of it and nothing more.
const PATIENCE_SOUND: Duration = Duration::from_millis(150);
/// How long a hole is waited for that cannot be asked for: only the network's swaps are to be undone.
const PATIENCE_UNASKED: Duration = Duration::from_millis(60);

/// A unit and its way here.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) unit: Unit,
    /// When its first packet came.
    pub(super) began: Instant,
    /// When it was whole, and everything before it.
    pub(super) at: Instant,
}

pub(super) struct Stream {
    video: bool,
    numbers: Unwrapper16,
    reorder: Reorder,
    missing: Missing,
    /// What a stream that jumps must go on with to be believed.
    far: Option<u16>,
    depacketizer: Option<(u8, Depacketizer)>,
    /// Nothing comes out before a keyframe.
    waiting: bool,
    /// A unit was dropped, or will be.
    needs_keyframe: bool,
    /// The timestamp that came out last, and when its first packet came.
    began: Option<(u32, Instant)>,
    /// When the latest of the packets came that came out.
    latest: Option<Instant>,
    pub(super) reception: Reception,
    /// Payloads that could not be used.
    pub(super) refused: u64,
    /// Times that packets were given up.
    pub(super) holes: u64,
}

impl Stream {
    pub(super) fn new(now: Instant, incoming: &Incoming) -> Self {
        let give_up = match (incoming.feedback.nack, incoming.video) {
            (false, _) => PATIENCE_UNASKED,
            (true, true) => PATIENCE_VIDEO,
            (true, false) => PATIENCE_SOUND,
        };
        Self {
            video: incoming.video,
            numbers: Unwrapper16::default(),
            reorder: Reorder::default(),
            missing: Missing::new(Patience { nack: incoming.feedback.nack, give_up }),
            far: None,
            depacketizer: None,
            waiting: incoming.video,
            needs_keyframe: false,
            began: None,
            latest: None,
            reception: Reception::new(now, if incoming.video { 90_000 } else { 48_000 }),
            refused: 0,
            holes: 0,
        }
    }

    /// Takes a packet, or a repaired one; whole units are appended to `out`. `incoming` is what was agreed on for it.
    pub(super) fn packet(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        header: &Header,
        payload: Bytes,
        repaired: bool,
        out: &mut Vec<Arrived>,
    ) {
        let mut sequence = self.numbers.peek(header.sequence);
        match self.reorder.place(sequence) {
            Place::Stale => {
                if !repaired {
                    self.reception.packet(now, sequence, header.timestamp, payload.len());
                }
                return;
            }
            // A repair does not tell where its stream is.
            Place::Far if repaired => return,
            Place::Far if self.far != Some(header.sequence) => {
                self.far = Some(header.sequence.wrapping_add(1));
                return;
            }
            Place::Far => {
                self.restart();
                sequence = self.numbers.peek(header.sequence);
            }
            Place::Ahead => {}
        }
        self.far = None;
        let asked = self.missing.arrived(now, sequence);
        if repaired {
            self.reception.recovered(payload.len());
        } else {
            self.reception.packet(now, sequence, header.timestamp, payload.len());
            self.reception.totals.recovered += u64::from(asked);
        }
        if let Some(highest) = self.numbers.highest()
            && sequence > highest + 1
            && !self.missing.skipped(now, highest + 1..sequence)
        {
            self.missing.forget(sequence);
            self.reorder.give_up(sequence);
        }
        self.numbers.unwrap(header.sequence);
        let packet = Packet {
            payload_type: header.payload_type,
            marker: header.marker,
            timestamp: header.timestamp,
            arrived: now,
            payload,
        };
        if self.reorder.pass(sequence) {
            self.deliver(incoming, &packet, out);
        } else {
            self.reorder.insert(sequence, packet);
            self.drain(incoming, out);
        }
    }

    /// Gives up what was waited for long enough; what waited behind it comes out.
    pub(super) fn handle_timeout(&mut self, now: Instant, incoming: &Incoming, out: &mut Vec<Arrived>) {
        if let Some(before) = self.missing.give_up(now) {
            self.reorder.give_up(before);
            self.drain(incoming, out);
        }
    }

    /// Appends the numbers of packets to ask for.
    pub(super) fn ask(&mut self, now: Instant, out: &mut Vec<u16>) {
        self.missing.ask(now, out);
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.missing.timeout()
    }

    /// Whether something was dropped since the last question, so that only a keyframe helps.
    pub(super) fn take_need(&mut self) -> bool {
        std::mem::take(&mut self.needs_keyframe)
    }

    /// What came last.
    pub(super) fn codec(&self) -> Option<RtpCodec> {
        self.depacketizer.as_ref().map(|(_, depacketizer)| depacketizer.codec())
    }

    /// From a request for packets to what it brought.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.missing.round_trip()
    }

    fn drain(&mut self, incoming: &Incoming, out: &mut Vec<Arrived>) {
        while let Some(next) = self.reorder.pop() {
            match next {
                Next::Packet(packet) => self.deliver(incoming, &packet, out),
                Next::Hole => self.hole(),
            }
        }
        if let Some(next) = self.reorder.next() {
            self.missing.forget(next);
        }
    }

    fn hole(&mut self) {
        self.holes += 1;
        self.wait_for_keyframe();
        if let Some((_, depacketizer)) = &mut self.depacketizer {
            depacketizer.hole();
        }
    }

    fn deliver(&mut self, incoming: &Incoming, packet: &Packet, out: &mut Vec<Arrived>) {
        let at = self.latest.map_or(packet.arrived, |latest| latest.max(packet.arrived));
        self.latest = Some(at);
        if packet.payload.is_empty() {
            return; // a probe for bandwidth
        }
        // A packet may end the unit before, and that one only.
        let mut begun = [self.began.unwrap_or((packet.timestamp, packet.arrived)); 2];
        if begun[1].0 != packet.timestamp {
            begun[1] = (packet.timestamp, packet.arrived);
        }
        self.began = Some(begun[1]);
        if self.depacketizer.as_ref().is_none_or(|(pt, _)| *pt != packet.payload_type) {
            let Some(payload) = incoming.payloads.iter().find(|payload| payload.pt == packet.payload_type) else {
                self.refused += 1;
                return;
            };
            self.depacketizer = Some((packet.payload_type, Depacketizer::new(payload)));
            self.waiting = self.video;
        }
        let Some((_, depacketizer)) = &mut self.depacketizer else { return };
        let piece = Piece { timestamp: packet.timestamp, marker: packet.marker, payload: &packet.payload };
        let (waiting, needs_keyframe) = (&mut self.waiting, &mut self.needs_keyframe);
        let pushed = depacketizer.push(piece, &mut |unit| {
            *waiting &= !unit.keyframe;
            if *waiting {
                *needs_keyframe = true;
            } else {
                let (_, began) = begun[usize::from(begun[0].0 != unit.timestamp)];
                out.push(Arrived { unit, began, at });
            }
        });
        if pushed.is_err() {
            self.refused += 1;
            self.wait_for_keyframe();
        }
    }

    fn wait_for_keyframe(&mut self) {
        (self.waiting, self.needs_keyframe) = (self.video, self.video);
    }

    /// The sender began a new line of numbers.
    fn restart(&mut self) {
        self.numbers = Unwrapper16::default();
        self.reorder.restart();
        self.missing.forget(i64::MAX);
        self.reception.restart();
        self.hole();
    }
}
