//! A viewer behind a link with a rate, a queue, a delay and loss: it reports, asks again and shows what is whole.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_media::TrackId;

use super::{
    tests::{
        AUDIO_SSRC, Plain, RTX_SSRC, Seen, VIDEO_SSRC, h264_track, nack, opus_track, outgoing, picture, seen, sound,
    },
    *,
};
use crate::{
    rtp::{Unwrapper16, Unwrapper32},
    socket::Batch,
};

/// Simulated time goes in steps of so many milliseconds.
const STEP_MS: u64 = 1;

struct World {
    start: Instant,
    now_ms: u64,
    sender: Sender,
    batch: Batch,
    /// Tracks, bits per second; 30 pictures a second, a keyframe every 60.
    layers: Vec<(u8, u64)>,
    packetizers: Vec<Packetizer>,
    sound: Packetizer,
    link: Link,
    viewer: Viewer,
    last_choice_ms: u64,
}

struct Link {
    bits_per_second: u64,
    delay_us: u64,
    /// Every so many packets one is lost; 0: none.
    lose_every: u64,
    queue_bytes_max: u64,
    free_at_us: u64,
    count: u64,
    /// What is under way, and when it arrives in microseconds.
    under_way: VecDeque<(u64, Vec<Seen>)>,
}

#[derive(Default)]
struct Viewer {
    video: Unwrapper16,
    timestamps: Unwrapper32,
    /// Packets by extended number: timestamp, marker, payload.
    packets: BTreeMap<i64, (u32, bool, usize)>,
    asked: BTreeMap<i64, u64>,
    first: Option<i64>,
    arrivals: BTreeMap<u16, u64>,
    told: Option<u16>,
    sound: usize,
    padding: usize,
    bytes: u64,
    repaired: BTreeSet<i64>,
}

impl World {
    fn new(layers: &[(u8, u64)], bits_per_second: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now_ms: 0,
            sender: Sender::new(start, outgoing()),
            batch: Batch::new(),
            layers: layers.to_vec(),
            packetizers: layers.iter().map(|(track, _)| Packetizer::new(&h264_track(*track)).unwrap()).collect(),
            sound: Packetizer::new(&opus_track()).unwrap(),
            link: Link {
                bits_per_second,
                delay_us: 20_000,
                lose_every: 0,
                queue_bytes_max: 200_000,
                free_at_us: 0,
                count: 0,
                under_way: VecDeque::new(),
            },
            viewer: Viewer::default(),
            last_choice_ms: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 1000 / STEP_MS {
            self.now_ms += STEP_MS;
            self.publish();
            while self.sender.poll_timeout().is_some_and(|due| due <= self.now()) {
                self.sender.handle_timeout(self.now(), &mut Plain, &mut self.batch);
                self.transmit();
            }
            self.arrive();
            if self.now_ms.is_multiple_of(100) {
                self.feedback();
            }
            if self.now_ms - self.last_choice_ms >= 1000 {
                self.last_choice_ms = self.now_ms;
                let layers: Vec<Layer> = self
                    .layers
                    .iter()
                    .map(|(track, rate)| Layer { track: TrackId(*track), bits_per_second: *rate })
                    .collect();
                self.sender.choose(self.now(), &layers);
            }
        }
    }

    fn publish(&mut self) {
        if self.now_ms.is_multiple_of(33) {
            let number = self.now_ms / 33;
            let keyframe = number % 60 == 1;
            for (index, (track, rate)) in self.layers.iter().enumerate() {
                // A keyframe is as large as six pictures.
                let usual = rate / 8 / 30 * 60 / 65;
                let bytes = usize::try_from(if keyframe { usual * 6 } else { usual }).unwrap();
                let frame = picture(self.start, *track, self.now_ms, keyframe, bytes);
                let packets: Arc<Packets> = self.packetizers[index].packetize(&frame);
                self.sender.send(self.now(), &packets, &mut Plain, &mut self.batch);
            }
        }
        if self.now_ms.is_multiple_of(20) {
            let packets = self.sound.packetize(&sound(self.start, self.now_ms));
            self.sender.send(self.now(), &packets, &mut Plain, &mut self.batch);
        }
        self.transmit();
    }

    fn transmit(&mut self) {
        let now_us = self.now_ms * 1000;
        let link = &mut self.link;
        let sizes: Vec<u64> = self.batch.datagrams().map(|datagram| datagram.len() as u64).collect();
        let (packets, reports) = seen(&mut self.batch);
        if !reports.is_empty() {
            return;
        }
        for (packet, bytes) in packets.into_iter().zip(sizes) {
            link.count += 1;
            let waiting = link.free_at_us.saturating_sub(now_us) * link.bits_per_second / 8_000_000;
            let lost = link.lose_every != 0 && link.count.is_multiple_of(link.lose_every);
            if lost || waiting > link.queue_bytes_max {
                continue;
            }
            link.free_at_us = link.free_at_us.max(now_us) + bytes * 8_000_000 / link.bits_per_second;
            link.under_way.push_back((link.free_at_us + link.delay_us, vec![packet]));
        }
    }

    fn arrive(&mut self) {
        while self.link.under_way.front().is_some_and(|(at, _)| *at <= self.now_ms * 1000) {
            let (at, packets) = self.link.under_way.pop_front().unwrap();
            for packet in packets {
                self.viewer.packet(at, packet);
            }
        }
    }

    /// What the viewer says every 100 ms.
    fn feedback(&mut self) {
        let now = self.now();
        if let Some(packet) = self.viewer.transport_feedback() {
            self.sender.rtcp(now, &packet);
        }
        for number in self.viewer.missing(self.now_ms) {
            self.sender.rtcp(now, &nack(VIDEO_SSRC, number as u16, 0));
        }
        let _ = self.sender.keyframe_wanted(now);
    }
}

impl Viewer {
    fn packet(&mut self, at_us: u64, packet: Seen) {
        self.bytes += packet.payload.len() as u64;
        if let Some(number) = packet.transport_sequence {
            self.arrivals.insert(number, at_us);
        }
        let Seen { header, payload, .. } = packet;
        match header.ssrc {
            AUDIO_SSRC => self.sound += 1,
            RTX_SSRC if payload.is_empty() => self.padding += 1,
            RTX_SSRC => {
                let number = self.video.unwrap(u16::from_be_bytes([payload[0], payload[1]]));
                self.repaired.insert(number);
                self.packets.insert(number, (header.timestamp, header.marker, payload.len() - 2));
            }
            ssrc => {
                assert_eq!(ssrc, VIDEO_SSRC);
                let number = self.video.unwrap(header.sequence);
                self.first.get_or_insert(number);
                self.packets.insert(number, (header.timestamp, header.marker, payload.len()));
            }
        }
    }

    /// Numbers that are missing and were not asked for lately.
    fn missing(&mut self, now_ms: u64) -> Vec<i64> {
        let (Some(first), Some(highest)) = (self.first, self.video.highest()) else { return Vec::new() };
        let from = first.max(highest - 300);
        let missing: Vec<i64> = (from..highest)
            .filter(|number| !self.packets.contains_key(number))
            .filter(|number| self.asked.get(number).is_none_or(|at| now_ms - at >= 150))
            .collect();
        self.asked.extend(missing.iter().map(|number| (*number, now_ms)));
        missing
    }

    fn transport_feedback(&mut self) -> Option<Vec<u8>> {
        let last = *self.arrivals.iter().max_by_key(|(_, at)| **at)?.0;
        let base = self.told.map_or(*self.arrivals.iter().min_by_key(|(_, at)| **at)?.0, |told| told.wrapping_add(1));
        let count = last.wrapping_sub(base).wrapping_add(1);
        if count == 0 || count > 1000 {
            self.arrivals.clear();
            return None;
        }
        self.told = Some(last);
        let mut at = *self.arrivals.values().min()? as i64 / 64_000 * 256;
        let mut content = [base.to_be_bytes(), count.to_be_bytes()].concat();
        content.extend(&u32::try_from(at / 256).unwrap().to_be_bytes()[1..]);
        content.push(0);
        let mut deltas = Vec::new();
        for offset in 0..count {
            match self.arrivals.get(&base.wrapping_add(offset)) {
                None => content.extend([0, 1]),
                Some(arrival) => {
                    let arrival = *arrival as i64 / 250;
                    content.extend([0x40, 1]);
                    deltas.extend(i16::try_from(arrival - at).unwrap().to_be_bytes());
                    at = arrival;
                }
            }
        }
        self.arrivals.clear();
        content.extend(deltas);
        content.resize(content.len().next_multiple_of(4), 0);
        let mut packet = vec![0x8f, 205];
        packet.extend(u16::try_from(content.len() / 4 + 2).unwrap().to_be_bytes());
        packet.extend([0, 0, 0, 9]);
        packet.extend(VIDEO_SSRC.to_be_bytes());
        packet.extend(content);
        Some(packet)
    }

    /// Whole pictures, and those with holes, up to a second ago.
    fn pictures(&mut self) -> (usize, usize) {
        let (Some(first), Some(highest)) = (self.first, self.video.highest()) else { return (0, 0) };
        let (mut whole, mut broken, mut hole) = (0, 0, false);
        for number in first..highest - 100 {
            match self.packets.get(&number) {
                None => hole = true,
                Some((timestamp, true, _)) => {
                    self.timestamps.unwrap(*timestamp);
                    if std::mem::take(&mut hole) { broken += 1 } else { whole += 1 }
                }
                Some(_) => {}
            }
        }
        (whole, broken)
    }
}

const ONE: [(u8, u64); 1] = [(0, 2_500_000)];
const THREE: [(u8, u64); 3] = [(0, 2_500_000), (2, 500_000), (3, 200_000)];

#[test]
fn a_good_link_gets_everything_at_once() {
    let mut world = World::new(&ONE, 50_000_000);
    world.run(10);
    let (whole, broken) = world.viewer.pictures();
    assert!(whole > 280 && broken == 0, "{whole} {broken}");
    assert_eq!(world.sender.stats().skipped_frames, 0);
    assert_eq!(world.sender.estimate(), None);
}

#[test]
fn sound_without_transport_wide_numbers_is_not_taken_for_lost() {
    // As Firefox has it, which agrees on the numbers for pictures only.
    let mut world = World::new(&ONE, 50_000_000);
    let mut outgoing = outgoing();
    outgoing[1].extensions.transport_cc = None;
    world.sender = Sender::new(world.start, outgoing);
    world.run(20);
    assert!(world.viewer.sound > 900, "{}", world.viewer.sound);
    assert_eq!(world.sender.estimate(), None);
    assert_eq!(world.sender.stats().skipped_frames, 0);
}

#[test]
fn what_a_lossy_link_loses_is_sent_again() {
    let mut world = World::new(&ONE, 50_000_000);
    world.link.lose_every = 33;
    world.run(20);
    let (whole, broken) = world.viewer.pictures();
    assert!(whole > 550 && broken <= 2, "{whole} {broken}");
    assert!(world.viewer.repaired.len() > 100);
    assert_eq!(world.sender.layer(), Some(TrackId(0)));
}

#[test]
fn a_small_link_gets_the_layer_that_fits_and_a_larger_one_when_it_grows() {
    let mut world = World::new(&THREE, 1_000_000);
    world.run(20);
    assert_eq!(world.sender.layer(), Some(TrackId(2)), "{:?}", world.sender.estimate());
    let sound = world.viewer.sound;
    world.run(10);
    assert!(world.viewer.sound - sound > 480, "sound has no holes: {}", world.viewer.sound - sound);
    world.link.bits_per_second = 20_000_000;
    world.run(40);
    assert_eq!(world.sender.layer(), Some(TrackId(0)), "{:?}", world.sender.estimate());
    assert!(world.viewer.padding > 0, "it was probed for");
}

#[test]
fn numbers_have_no_holes_over_changes_of_the_layer() {
    let mut world = World::new(&THREE, 1_000_000);
    world.link.queue_bytes_max = u64::MAX;
    world.run(8);
    world.link.bits_per_second = 20_000_000;
    world.run(30);
    assert!(world.sender.stats().switches >= 3, "{:?}", world.sender.stats());
    assert_eq!(world.viewer.pictures().1, 0);
}

#[test]
fn a_link_for_sound_alone_gets_sound_and_pictures_once_it_grows() {
    let mut world = World::new(&ONE, 300_000);
    world.run(20);
    assert_eq!(world.sender.layer(), None, "{:?}", world.sender.estimate());
    let sound = world.viewer.sound;
    world.run(5);
    assert!(world.viewer.sound - sound > 240);
    world.link.bits_per_second = 20_000_000;
    world.run(40);
    assert_eq!(world.sender.layer(), Some(TrackId(0)), "{:?}", world.sender.estimate());
}

#[test]
fn a_link_that_falls_to_nothing_fills_no_memory() {
    let mut world = World::new(&ONE, 5_000_000);
    world.run(5);
    world.link.bits_per_second = 20_000;
    for _ in 0..20 {
        world.run(1);
        assert!(world.sender.waiting_bytes() < 400_000, "{}", world.sender.waiting_bytes());
    }
}
