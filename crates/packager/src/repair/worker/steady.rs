//! Decoded sound on an even timeline: whatever the publisher's times do, blocks of one length come out that follow each
//! other without a hole, unless there is one.

/// Samples a second, of all sound between decoder and encoder.
pub(super) const RATE: u32 = 48_000;
/// Sound off by more than this begins anew at its own time: encoders jitter by less.
const HOLE_NANOS: i64 = 120_000_000;
/// Sound off by more than this for a while is moved slowly, until it is off by less than [`SETTLED_NANOS`].
const DRIFT_NANOS: i64 = 4_000_000;
/// What times in whole milliseconds are off by anyhow.
const SETTLED_NANOS: i64 = 1_000_000;
/// Weight of what is new in the mean offset: the last 32 frames count.
const MEAN: i64 = 32;
/// Samples that are left out or said twice at once, so that sound catches up: half a millisecond.
const NUDGE_SAMPLES: usize = 24;

/// The sound that has yet to fill a block.
#[derive(Debug)]
pub(super) struct Steady {
    channels: usize,
    /// Samples in a block, of each channel.
    block: usize,
    held: Vec<i16>,
    /// The publisher's time at [`Self::position`] 0.
    anchor: Option<i64>,
    /// Samples since then, the held ones not counted.
    position: u64,
    /// Mean of how far the publisher's times are ahead of ours, in nanoseconds.
    ahead: i64,
    /// Frames that the mean is made of, up to [`MEAN`].
    frames: i64,
    is_moving: bool,
}

/// A block of sound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// When its first sample is heard, in the publisher's time.
    pub(super) at: i64,
    /// Samples, channel by channel.
    pub(super) samples: Vec<i16>,
}

impl Steady {
    /// A timeline of blocks of so many samples.
    pub(super) fn new(channels: usize, block: usize) -> Self {
        Self {
            channels: channels.max(1),
            block,
            held: Vec::new(),
            anchor: None,
            position: 0,
            ahead: 0,
            frames: 0,
            is_moving: false,
        }
    }

    /// Takes sound that is heard at `at`, and gives what fills a block.
    pub(super) fn push(&mut self, at: i64, samples: &[i16]) -> Vec<Block> {
        let mut samples = samples;
        match self.anchor {
            Some(anchor) => {
                let off = at.saturating_sub(anchor.saturating_add(nanos(self.next())));
                if off.unsigned_abs() > HOLE_NANOS.unsigned_abs() {
                    self.begin(at);
                } else {
                    self.frames = (self.frames + 1).min(MEAN);
                    self.ahead += (off - self.ahead) / self.frames;
                    samples = self.nudge(samples);
                }
            }
            None => self.begin(at),
        }
        self.held.extend_from_slice(samples);
        let whole = self.block * self.channels;
        let mut blocks = Vec::new();
        while self.held.len() >= whole {
            let rest = self.held.split_off(whole);
            let at = self.anchor.unwrap_or(at).saturating_add(nanos(self.position));
            blocks.push(Block { at, samples: std::mem::replace(&mut self.held, rest) });
            self.position += self.block as u64;
        }
        blocks
    }

    fn begin(&mut self, at: i64) {
        self.held.clear();
        (self.anchor, self.position, self.ahead, self.frames) = (Some(at), 0, 0, 0);
    }

    /// Where the next sample goes.
    fn next(&self) -> u64 {
        self.position + (self.held.len() / self.channels) as u64
    }

    /// Moves the sound a little towards the publisher's times.
    fn nudge<'a>(&mut self, samples: &'a [i16]) -> &'a [i16] {
        let some = NUDGE_SAMPLES * self.channels;
        let most = if self.is_moving { SETTLED_NANOS } else { DRIFT_NANOS };
        self.is_moving = self.ahead.abs() > most && self.frames * 4 >= MEAN;
        if !self.is_moving || samples.len() <= some {
            return samples;
        }
        let moved = nanos(NUDGE_SAMPLES as u64);
        if self.ahead > 0 {
            self.held.extend_from_slice(&samples[..some]);
            self.ahead -= moved;
            samples
        } else {
            self.ahead += moved;
            &samples[some..]
        }
    }
}

/// How long so many samples last.
pub(super) fn nanos(samples: u64) -> i64 {
    i64::try_from(u128::from(samples) * 1_000_000_000 / u128::from(RATE)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds frames of 1024 samples at these times in nanoseconds; gives the times of blocks of 960.
    fn blocks(times: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut steady = Steady::new(2, 960);
        times.into_iter().flat_map(|at| steady.push(at, &[0; 2048])).map(|block| block.at).collect()
    }

    fn is_even(at: &[i64]) -> bool {
        at.windows(2).all(|two| (two[1] - two[0] - 20_000_000).abs() <= 1)
    }

    #[test]
    fn times_in_milliseconds_make_even_blocks() {
        let at = blocks((0..5_000).map(|n| n * 1024 * 1000 / 48_000 * 1_000_000));
        assert!(is_even(&at));
        assert_eq!(at.len(), 5_000 * 1024 / 960);
    }

    #[test]
    fn a_hole_stays_where_it_is() {
        let at = blocks((0..100).map(|n| nanos(n * 1024) + if n > 50 { 500_000_000 } else { 0 }));
        let longest = at.windows(2).map(|two| two[1] - two[0]).max().expect("blocks");
        assert!((500_000_000..545_000_000).contains(&longest), "{longest}");
    }

    #[test]
    fn a_clock_that_goes_back_is_followed() {
        let at = blocks((0..100).map(|n| nanos(n * 1024) - if n > 50 { 5_000_000_000 } else { 0 }));
        assert!(at.last().is_some_and(|last| *last < 0));
    }

    #[test]
    fn a_drifting_clock_is_followed_within_a_few_milliseconds() {
        for per_mille in [999, 1001] {
            let time = |n: u64| nanos(n * 1024) / 1000 * per_mille;
            let at = blocks((0..40_000).map(time));
            assert!(is_even(&at));
            // The last block ends within the last frame, half a minute of drift later.
            let end = at.last().expect("blocks") + 20_000_000;
            let off = time(40_000) - end;
            assert!((-8_000_000..28_000_000).contains(&off), "{off}");
        }
    }

    #[test]
    fn a_first_time_that_was_off_is_made_good_within_a_second() {
        let mut steady = Steady::new(1, 960);
        let off = |block: Block| block.at - nanos(u64::from(block.samples[0].unsigned_abs()) * 1024);
        let mut off_by = 0;
        for n in 0..60 {
            // Every sample tells its frame, and so when it should be heard.
            let at = nanos(n * 1024) + if n == 0 { 30_000_000 } else { 0 };
            steady.push(at, &[n as i16; 1024]).into_iter().for_each(|block| off_by = off(block));
        }
        // A block begins anywhere in its frame.
        assert!((-2_000_000..24_000_000).contains(&off_by), "{off_by}");
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        blocks([0, i64::MAX, i64::MIN, 5, i64::MIN, i64::MAX, i64::MAX]);
    }
}
