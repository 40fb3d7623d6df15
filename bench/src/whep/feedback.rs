//! What a viewer tells the server, as browsers do: receiver reports each second, and when each packet came
//! (transport-wide feedback) ten times a second.

use std::time::{Duration, Instant};

/// Reports sent at once: more packets than any stream sends between two.
const PACKETS_MAX: usize = 512;
/// Unit of receive deltas (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.5).
const TICK: Duration = Duration::from_micros(250);
/// Unit of the reference time.
const REFERENCE: Duration = Duration::from_millis(64);
/// Who speaks; viewers have no stream of their own.
const OUR_SSRC: u32 = 1;

/// Packets of one viewer since its last feedback.
#[derive(Debug)]
pub(crate) struct Feedback {
    epoch: Instant,
    count: u8,
    media_ssrc: u32,
    /// Transport-wide sequence numbers and times of arrival, in order of arrival.
    arrived: Vec<(u16, Instant)>,
    streams: Vec<Stream>,
}

/// One synchronisation source, for its receiver report.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Extended highest sequence number.
    highest: u32,
    lost: u32,
}

impl Feedback {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch, count: 0, media_ssrc: 0, arrived: Vec::new(), streams: Vec::new() }
    }

    /// A packet came. Gives how many before it did not.
    pub(crate) fn packet(&mut self, now: Instant, ssrc: u32, seq: u16, transport_seq: Option<u16>) -> u32 {
        if let Some(transport_seq) = transport_seq.filter(|_| self.arrived.len() < PACKETS_MAX) {
            self.media_ssrc = ssrc;
            self.arrived.push((transport_seq, now));
        }
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) else {
            self.streams.push(Stream { ssrc, highest: u32::from(seq), lost: 0 });
            return 0;
        };
        let ahead = seq.wrapping_sub(stream.highest as u16);
        if ahead == 0 || ahead > 0x8000 {
            // Late or again: it was counted as lost before.
            return 0;
        }
        stream.highest = stream.highest.wrapping_add(u32::from(ahead));
        let missing = u32::from(ahead) - 1;
        stream.lost += missing;
        missing
    }

    /// A receiver report (RFC 3550 §6.4.2) with an empty source description.
    pub(crate) fn receiver_report(&self) -> Vec<u8> {
        let count = self.streams.len().min(31);
        let mut packet = head(count as u8, 201, 1 + 6 * count);
        packet.extend_from_slice(&OUR_SSRC.to_be_bytes());
        for stream in &self.streams[..count] {
            packet.extend_from_slice(&stream.ssrc.to_be_bytes());
            packet.extend_from_slice(&(stream.lost & 0x00ff_ffff).to_be_bytes());
            packet.extend_from_slice(&stream.highest.to_be_bytes());
            packet.extend_from_slice(&[0; 12]);
        }
        packet
    }

    /// Transport-wide feedback for what came since the last, if anything did.
    pub(crate) fn transport_cc(&mut self) -> Option<Vec<u8>> {
        let &(first, at) = self.arrived.first()?;
        let base = self
            .arrived
            .iter()
            .map(|(seq, _)| *seq)
            .fold(first, |base, seq| if seq.wrapping_sub(base) > 0x8000 { seq } else { base });
        let span = self.arrived.iter().map(|(seq, _)| seq.wrapping_sub(base)).max()?;
        let mut at_of = vec![None; usize::from(span) + 1];
        for &(seq, at) in &self.arrived {
            at_of[usize::from(seq.wrapping_sub(base))] = Some(at);
        }
        self.arrived.clear();

        let reference = (at - self.epoch).as_micros() / REFERENCE.as_micros();
        let mut before = self.epoch + REFERENCE * reference as u32;
        let (mut symbols, mut deltas) = (Vec::with_capacity(at_of.len()), Vec::new());
        for at in &at_of {
            let Some(at) = at else {
                symbols.push(0u16);
                continue;
            };
            let ticks = match at.checked_duration_since(before) {
                Some(later) => (later.as_micros() / TICK.as_micros()) as i64,
                None => -((before.duration_since(*at).as_micros() / TICK.as_micros()) as i64),
            };
            if let Ok(small) = u8::try_from(ticks) {
                symbols.push(1);
                deltas.push(small);
            } else {
                symbols.push(2);
                deltas.extend_from_slice(&(ticks.clamp(-0x8000, 0x7fff) as i16).to_be_bytes());
            }
            // What was said, not what was: rounding must not add up.
            before = if ticks < 0 { before - TICK * (-ticks) as u32 } else { before + TICK * ticks as u32 };
        }
        let mut packet = Vec::with_capacity(64);
        packet.extend_from_slice(&base.to_be_bytes());
        packet.extend_from_slice(&(at_of.len() as u16).to_be_bytes());
        packet.extend_from_slice(&(reference as u32 & 0x00ff_ffff).to_be_bytes()[1..]);
        packet.push(self.count);
        self.count = self.count.wrapping_add(1);
        for seven in symbols.chunks(7) {
            // A status vector chunk with two-bit symbols (§3.1.4).
            let bits = seven.iter().enumerate().fold(0xc000, |bits, (at, symbol)| bits | symbol << (12 - 2 * at));
            packet.extend_from_slice(&bits.to_be_bytes());
        }
        packet.extend_from_slice(&deltas);
        packet.resize(packet.len().next_multiple_of(4), 0);
        let mut whole = head(15, 205, 2 + packet.len() / 4);
        whole.extend_from_slice(&OUR_SSRC.to_be_bytes());
        whole.extend_from_slice(&self.media_ssrc.to_be_bytes());
        whole.extend_from_slice(&packet);
        Some(whole)
    }
}

/// The first word of an RTCP packet with `words` more.
fn head(count: u8, kind: u8, words: usize) -> Vec<u8> {
    let mut packet = vec![0x80 | count, kind];
    packet.extend_from_slice(&(words as u16).to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_counted_once() {
        let begin = Instant::now();
        let mut feedback = Feedback::new(begin);
        let mut missing = |seq| feedback.packet(begin, 7, seq, None);
        assert_eq!([missing(65_534), missing(65_535), missing(2), missing(1), missing(3)], [0, 0, 2, 0, 0]);
        assert_eq!(feedback.receiver_report().len(), 32);
    }

    #[test]
    fn arrivals_are_told_in_ticks_of_a_quarter_millisecond() {
        let begin = Instant::now();
        let mut feedback = Feedback::new(begin);
        for (seq, millis) in [(9, 64), (10, 65), (12, 165)] {
            feedback.packet(begin + Duration::from_millis(millis), 7, seq, Some(seq));
        }
        let packet = feedback.transport_cc().unwrap();
        assert_eq!(packet[..4], [0x8f, 205, 0, 6]);
        assert_eq!(packet[12..], [0, 9, 0, 4, 0, 0, 1, 0, 0xd4, 0x80, 0, 4, 0x01, 0x90, 0, 0]);
        assert_eq!(feedback.transport_cc(), None);
    }
}
