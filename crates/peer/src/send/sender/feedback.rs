//! What a viewer tells its sender, and what follows from it.

use std::time::{Duration, Instant};

use super::{Feedback, Sender};
use crate::send::{
    clock,
    outbound::Wire,
    protect::Protect,
    rtcp::{self, Message, Report},
};

/// Lost packets that one compound can ask for. More is no repair.
const NACKS_MAX: usize = 512;
/// Round trips above this are damage or a clock that stepped.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

impl Sender {
    /// Takes a compound RTCP packet: NACK, PLI, FIR, transport-wide feedback, receiver reports. Anything else, and
    /// anything damaged, is ignored. Retransmissions leave with the next [`Self::handle_timeout`].
    pub fn rtcp(&mut self, now: Instant, compound: &[u8]) -> Feedback {
        let mut nacks = NACKS_MAX;
        rtcp::read(compound, |message| match message {
            Message::Report(report) => self.reported(now, &report),
            Message::Nack { ssrc, first, more } => {
                for bit in 0..=16 {
                    let lost = bit == 0 || more >> (bit - 1) & 1 == 1;
                    if lost && nacks > 0 {
                        nacks -= 1;
                        self.missing(now, ssrc, first.wrapping_add(bit));
                    }
                }
            }
            Message::KeyframeWanted { ssrc } => {
                if self.video.as_ref().is_some_and(|video| video.ssrc == ssrc || video.rtx_ssrc == Some(ssrc)) {
                    self.gate.ask(now);
                }
            }
            Message::TransportCc(content) => {
                if let Some(round_trip) = self.outbound.estimator.feedback(now, content) {
                    // It includes how long the viewer collected: good enough until a report tells better.
                    self.round_trip.get_or_insert(round_trip);
                }
            }
        });
        Feedback { keyframe_wanted: self.keyframe_wanted(now) }
    }

    /// Sends again what the viewer misses.
    pub(super) fn resend<P: Protect>(&mut self, wire: &mut Wire<'_, P>) {
        while let Some(sequence) = self.repair.pop() {
            let Some(stream) = &mut self.video else { continue };
            let Some((sent, index)) = self.history.find(wire.now, sequence) else { continue };
            let Some(rtx) = stream.retransmission(sent.packets.codec) else { continue };
            self.outbound.again(wire, stream, rtx, sent, (sequence, index));
        }
    }

    /// The viewer misses a packet.
    fn missing(&mut self, now: Instant, ssrc: u32, sequence: u16) {
        let Some(video) = self.video.as_ref().filter(|video| video.ssrc == ssrc && video.feedback.nack) else { return };
        let known = self.history.find(now, sequence).and_then(|(sent, index)| {
            video.retransmission(sent.packets.codec)?;
            let (head, body) = sent.packets.payload(index);
            Some(head.len() + body.len())
        });
        if !known.is_some_and(|bytes| self.repair.ask(now, sequence, bytes, self.round_trip)) {
            self.outbound.stats.refused_retransmissions += 1;
        }
    }

    /// The viewer tells what it received.
    fn reported(&mut self, now: Instant, report: &Report) {
        let stats = &mut self.outbound.stats;
        let Some(stream) = [&mut self.video, &mut self.audio].into_iter().flatten().find(|s| s.ssrc == report.ssrc)
        else {
            return;
        };
        stream.reported();
        let sent = self.video_rate.rate() + self.audio_rate.rate();
        self.outbound.estimator.report(now, report.fraction_lost, sent);
        stats.loss_permille = (u32::from(report.fraction_lost) * 1000 / 256) as u16;
        if report.last_report != 0 {
            // RFC 3550 §6.4.1, in 65 536ths of a second.
            let middle = (clock::ntp(now) >> 16) as u32;
            let passed = middle.wrapping_sub(report.last_report).wrapping_sub(report.delay);
            let round_trip = Duration::from_micros((u64::from(passed) * 1_000_000) >> 16);
            if round_trip <= ROUND_TRIP_MAX {
                self.round_trip = Some(round_trip);
                stats.round_trip_us = round_trip.as_micros() as u32; // at most ROUND_TRIP_MAX
            }
        }
    }
}
