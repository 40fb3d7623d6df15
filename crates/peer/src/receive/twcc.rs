//! When packets arrived, for the peer's congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! All streams of a peer share one line of numbers. Every packet is told once, in the first feedback after it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::rtp::Unwrapper16;

/// Between two feedbacks: what browsers expect of each other.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// Packets in one feedback. At 100 ms this is 40 Mbit/s, and what is more goes at once. Told at its
/// longest, it fits one datagram.
const PACKETS_MAX: usize = 400;
/// Numbers that are skipped at most as lost. After more, the line begins anew.
const GAP_MAX: i64 = 1_000;
/// Numbers that wait to be told at most. A peer that skips many with every packet begins anew as well.
const WAITING_MAX: i64 = PACKETS_MAX as i64 + GAP_MAX;
/// Unit of arrival times, in microseconds (§3.1.5).
const DELTA_MICROS: i64 = 250;
/// Unit of a feedback's base time, in units of arrival times: 64 ms (§3.1).
const REFERENCE_DELTAS: i64 = 256;
/// RTCP packet type and format of the feedback (§3.1).
const TRANSPORT_FEEDBACK: u8 = 205;
const FORMAT: u8 = 15;

#[derive(Debug)]
pub(super) struct Arrivals {
    origin: Instant,
    numbers: Unwrapper16,
    /// The number that the next feedback begins with, once there was one.
    next: Option<i64>,
    /// Arrivals of the numbers from `next` on, in units of arrival times.
    arrived: VecDeque<Option<i64>>,
    /// The source that feedback is sent about: any of the peer's.
    media: u32,
    count: u8,
}

impl Arrivals {
    pub(super) fn new(now: Instant) -> Self {
        Self { origin: now, numbers: Unwrapper16::default(), next: None, arrived: VecDeque::new(), media: 0, count: 0 }
    }

    /// A packet arrived.
    pub(super) fn packet(&mut self, now: Instant, media: u32, number: u16) {
        self.media = media;
        let extended = self.numbers.peek(number);
        let mut at = extended - *self.next.get_or_insert(extended);
        let end = (self.arrived.len() as i64 + GAP_MAX).min(WAITING_MAX);
        if !(-GAP_MAX..end).contains(&at) {
            self.numbers = Unwrapper16::default();
            self.next = Some(self.numbers.peek(number));
            self.arrived.clear();
            at = 0;
        }
        self.numbers.unwrap(number);
        let Ok(at) = usize::try_from(at) else { return }; // told as lost already
        if self.arrived.len() <= at {
            self.arrived.resize(at + 1, None);
        }
        let micros = now.saturating_duration_since(self.origin).as_micros();
        self.arrived[at].get_or_insert(micros as i64 / DELTA_MICROS);
    }

    /// Whether anything waits to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// Whether so much waits that it should be told at once.
    pub(super) fn is_full(&self) -> bool {
        self.arrived.len() >= PACKETS_MAX
    }

    /// Appends feedback about what waits, as far as one packet tells it.
    pub(super) fn feedback(&mut self, sender: u32, out: &mut Vec<u8>) {
        let (Some(next), Some(first)) = (self.next, self.arrived.iter().flatten().next()) else { return };
        let reference = first.div_euclid(REFERENCE_DELTAS);
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        let mut last = reference * REFERENCE_DELTAS;
        for arrived in self.arrived.iter().take(PACKETS_MAX) {
            let delta = arrived.map(|arrived| arrived - last);
            match (delta.map(u8::try_from), delta.map(i16::try_from)) {
                (Some(Ok(small)), _) => {
                    symbols.push(1);
                    deltas.push(small);
                }
                (_, Some(Ok(large))) => {
                    symbols.push(2);
                    deltas.extend(large.to_be_bytes());
                }
                (None, _) => symbols.push(0),
                _ => break, // too long after the packet before: the next feedback has its own reference
            }
            last = arrived.unwrap_or(last);
        }
        let start = out.len();
        out.extend([0x80 | FORMAT, TRANSPORT_FEEDBACK, 0, 0]);
        out.extend(sender.to_be_bytes());
        out.extend(self.media.to_be_bytes());
        out.extend((next as u16).to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.count);
        put_chunks(&symbols, out);
        out.extend(deltas);
        let padding = (out.len() - start).next_multiple_of(4) - (out.len() - start);
        if padding > 0 {
            out[start] |= 0x20;
            out.resize(out.len() + padding - 1, 0);
            out.push(padding as u8);
        }
        let words = ((out.len() - start) / 4 - 1) as u16;
        out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
        self.count = self.count.wrapping_add(1);
        self.next = Some(next + symbols.len() as i64);
        self.arrived.drain(..symbols.len());
    }
}

/// Appends packet status chunks (§3.1.2): runs where they are long, else vectors of 14 small or 7 large symbols.
fn put_chunks(mut symbols: &[u8], out: &mut Vec<u8>) {
    /// Symbols of a vector with one bit each, and with two.
    const SMALL: usize = 14;
    const LARGE: usize = 7;
    while let Some(&symbol) = symbols.first() {
        let run = symbols.iter().take_while(|next| **next == symbol).count();
        let small = symbols.iter().take(SMALL);
        let (chunk, taken) = if run >= SMALL || run == symbols.len() {
            (u16::from(symbol) << 13 | run as u16, run) // at most `PACKETS_MAX`
        } else if small.clone().all(|symbol| *symbol < 2) {
            let bits = small.enumerate().fold(0, |bits, (at, symbol)| bits | u16::from(*symbol) << (SMALL - 1 - at));
            (0x8000 | bits, SMALL)
        } else {
            let large = symbols.iter().take(LARGE).enumerate();
            let bits = large.fold(0, |bits, (at, symbol)| bits | u16::from(*symbol) << (2 * (LARGE - 1 - at)));
            (0xc000 | bits, LARGE)
        };
        out.extend(chunk.to_be_bytes());
        symbols = symbols.get(taken..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::{
        rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc},
        shared::marshal::Unmarshal as _,
    };

    use super::*;

    /// What another implementation reads: numbers, and arrivals in units of 250 us.
    fn read(feedback: &[u8]) -> Vec<(u16, Option<i64>)> {
        let cc = TransportLayerCc::unmarshal(&mut &feedback[..]).unwrap();
        let symbols = cc.packet_chunks.iter().flat_map(|chunk| match chunk {
            PacketStatusChunk::RunLengthChunk(run) => vec![run.packet_status_symbol; usize::from(run.run_length)],
            PacketStatusChunk::StatusVectorChunk(vector) => vector.symbol_list.clone(),
        });
        let mut last = i64::from(cc.reference_time) * REFERENCE_DELTAS;
        let mut deltas = cc.recv_deltas.iter();
        let count = usize::from(cc.packet_status_count);
        let told = symbols.take(count).enumerate().map(|(at, symbol)| {
            let arrived = (symbol != SymbolTypeTcc::PacketNotReceived).then(|| {
                last += deltas.next().unwrap().delta / DELTA_MICROS;
                last
            });
            (cc.base_sequence_number.wrapping_add(at as u16), arrived)
        });
        told.collect()
    }

    fn told(arrivals: &mut Arrivals) -> Vec<(u16, Option<i64>)> {
        let mut all = Vec::new();
        while !arrivals.is_empty() {
            let mut out = Vec::new();
            arrivals.feedback(1, &mut out);
            assert!(!out.is_empty() && out.len() < 1_100);
            all.extend(read(&out));
        }
        all
    }

    #[test]
    fn arrivals_and_losses_are_told() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        for (number, micros) in [(65_534, 70_000), (65_535, 71_000), (1, 200_000), (2, 199_000)] {
            arrivals.packet(start + Duration::from_micros(micros), 7, number);
        }
        let expected = [(65_534, Some(280)), (65_535, Some(284)), (0, None), (1, Some(800)), (2, Some(796))];
        assert_eq!(told(&mut arrivals), expected);
    }

    #[test]
    fn a_long_silence_begins_a_new_feedback() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        arrivals.packet(start, 7, 10);
        arrivals.packet(start + Duration::from_secs(60), 7, 11);
        assert_eq!(told(&mut arrivals), [(10, Some(0)), (11, Some(240_000))]);
    }

    proptest! {
        #[test]
        fn every_packet_is_told_once(
            packets in prop::collection::vec((0_u16..4, 0_u64..20_000), 1..1_000),
            first in any::<u16>(),
        ) {
            let start = Instant::now();
            let mut arrivals = Arrivals::new(start);
            let (mut number, mut now, mut sent, mut heard) = (first, start, Vec::new(), Vec::new());
            for (skip, micros) in packets {
                number = number.wrapping_add(1 + skip * skip);
                now += Duration::from_micros(micros);
                arrivals.packet(now, 7, number);
                sent.push((number, now.duration_since(start).as_micros() as i64 / DELTA_MICROS));
                if arrivals.is_full() {
                    heard.extend(told(&mut arrivals));
                }
            }
            heard.extend(told(&mut arrivals));
            let heard: Vec<_> = heard.into_iter().filter_map(|(number, at)| Some((number, at?))).collect();
            prop_assert_eq!(heard, sent);
        }

        #[test]
        fn no_numbers_take_much_memory(numbers in prop::collection::vec(any::<u16>(), 1..200)) {
            let start = Instant::now();
            let mut arrivals = Arrivals::new(start);
            for number in numbers {
                arrivals.packet(start, 7, number);
                prop_assert!(arrivals.arrived.len() as i64 <= WAITING_MAX);
                if arrivals.is_full() {
                    arrivals.feedback(1, &mut Vec::new());
                }
            }
        }
    }
}
