use super::*;

/// A link with a queue, and a viewer that tells what arrives every 100 ms.
struct Link {
    start: Instant,
    estimator: Estimator,
    /// In bits per second.
    capacity: u64,
    /// Every so many packets one is lost; 0: none.
    lose_every: u32,
    /// When the queue is empty, in microseconds.
    free_at: i64,
    sequence: u16,
    now: i64,
    /// Sequence and arrival of what the viewer did not tell yet.
    untold: Vec<(u16, Option<i64>)>,
    told_at: i64,
}

impl Link {
    fn new(capacity: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            estimator: Estimator::new(start, true),
            capacity,
            lose_every: 0,
            free_at: 0,
            sequence: 65_000,
            now: 0,
            untold: Vec::new(),
            told_at: 0,
        }
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now.unsigned_abs())
    }

    /// Sends so many bits per second, 30 frames a second, for this long.
    fn send(&mut self, rate: u64, seconds: u64) {
        for _ in 0..seconds * 30 {
            self.now += 33_333;
            let packets = (rate / 30 / 8).div_ceil(1000);
            for _ in 0..packets {
                self.packet(1000, false);
            }
            for _ in 0..6 {
                let burst = self.estimator.burst(self.instant(), 300);
                for _ in 0..burst {
                    self.packet(300, true);
                }
                if self.estimator.probe_due().is_some() {
                    self.now += 5_000;
                }
            }
            if self.now - self.told_at >= 100_000 {
                self.tell();
            }
        }
    }

    fn packet(&mut self, bytes: usize, probe: bool) {
        self.estimator.sent(self.instant(), self.sequence, bytes, probe);
        let lost = self.lose_every != 0 && u32::from(self.sequence) % self.lose_every == 0;
        self.free_at = self.free_at.max(self.now) + (bytes as u64 * 8_000_000 / self.capacity).cast_signed();
        self.untold.push((self.sequence, (!lost).then_some(self.free_at + 20_000)));
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// The viewer tells what arrived until now.
    fn tell(&mut self) {
        self.told_at = self.now;
        let count = self.untold.iter().take_while(|(_, at)| at.is_none_or(|at| at <= self.now)).count();
        let told: Vec<_> = self.untold.drain(..count).collect();
        let Some((base, _)) = told.first() else { return };
        let reference = told.iter().find_map(|(_, at)| *at).unwrap_or(0) / 64_000;
        let mut content = base.to_be_bytes().to_vec();
        content.extend(u16::try_from(count).unwrap().to_be_bytes());
        content.extend(&u32::try_from(reference).unwrap().to_be_bytes()[1..]);
        content.push(0);
        let mut deltas = Vec::new();
        let mut before = reference * 64_000 / 250;
        for (_, at) in &told {
            match at {
                None => content.extend([0x00, 1]),
                Some(at) => {
                    content.extend([0x40, 1]);
                    deltas.extend(i16::try_from(at / 250 - before).unwrap().to_be_bytes());
                    before = at / 250;
                }
            }
        }
        content.extend(deltas);
        self.estimator.feedback(self.instant(), &content);
    }
}

#[test]
fn a_link_that_carries_everything_has_no_estimate() {
    let mut link = Link::new(20_000_000);
    link.send(2_500_000, 20);
    assert_eq!(link.estimator.rate(), None);
}

#[test]
fn too_much_for_the_link_is_found_out_within_seconds() {
    let mut link = Link::new(1_000_000);
    link.send(2_500_000, 3);
    let found = link.estimator.rate().unwrap();
    assert!((600_000..1_100_000).contains(&found), "{found}");
}

#[test]
fn little_to_send_does_not_make_the_link_small() {
    let mut link = Link::new(1_500_000);
    link.send(2_500_000, 4);
    link.send(300_000, 30);
    let found = link.estimator.rate().unwrap();
    assert!(found >= 550_000, "{found}");
}

#[test]
fn a_probe_finds_the_rest_of_the_link() {
    let mut link = Link::new(1_000_000);
    link.send(2_500_000, 4);
    link.send(200_000, 10);
    link.capacity = 6_000_000;
    link.send(200_000, 5);
    let before = link.estimator.rate().unwrap();
    link.estimator.probe(link.instant(), 3_000_000);
    link.send(200_000, 1);
    let found = link.estimator.rate().unwrap();
    assert!(before < 1_500_000 && (2_000_000..=3_000_000).contains(&found), "{before} {found}");
}

#[test]
fn a_probe_of_a_small_link_does_not_raise_its_estimate_beyond_it() {
    let mut link = Link::new(1_000_000);
    link.send(2_500_000, 4);
    link.send(200_000, 10);
    link.estimator.probe(link.instant(), 3_000_000);
    link.send(200_000, 2);
    let found = link.estimator.rate().unwrap();
    assert!(found <= 1_100_000, "{found}");
}

#[test]
fn some_loss_is_the_weather_and_much_is_not() {
    let mut link = Link::new(20_000_000);
    link.lose_every = 25;
    link.send(2_500_000, 10);
    assert_eq!(link.estimator.rate(), None);
    link.lose_every = 4;
    link.send(2_500_000, 5);
    let found = link.estimator.rate().unwrap();
    assert!(found < 1_500_000, "{found}");
}

#[test]
fn reports_alone_make_it_fall_and_grow() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start, false);
    let at = |second| start + Duration::from_secs(second);
    estimator.report(at(1), 0, 2_000_000);
    assert_eq!(estimator.rate(), None);
    estimator.report(at(2), 100, 2_000_000);
    let fallen = estimator.rate().unwrap();
    assert!((1_500_000..1_700_000).contains(&fallen), "{fallen}");
    for second in 3..30 {
        estimator.report(at(second), 2, 1_000_000);
    }
    assert_eq!(estimator.rate(), Some(4_000_000));
}
