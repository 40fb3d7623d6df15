//! One timeline for all streams of a publish.
//!
//! A stream's first timestamp lies where it arrived. What the network did to it then stays in it, and shows as sound
//! beside the lips, until sender reports (RFC 3550 §6.4.1) tell which timestamps of sound and pictures belong to the
//! same moment. From then on pictures follow the sound: the difference is taken out little by little, never in a step,
//! and never from the sound, since the ear would hear it. That also takes out the drift between their clocks.
//!
//! The layers of simulcast share one line, so that a picture has the same time in all of them: their timestamps differ
//! by a constant, which is guessed from arrivals, told by sender reports, and made exact by the pictures themselves.

mod line;

use std::{collections::VecDeque, time::Instant};

use weir_media::Timestamp;

use self::line::{Line, Slew, nanos, since, ticks};
use crate::rtp::Unwrapper32;

/// Ticks a second of sound (RFC 7587 §4.1) and of pictures.
const SOUND_RATE: i64 = 48_000;
const PICTURE_RATE: i64 = 90_000;
/// How far sender reports may move pictures against the sound, in nanoseconds. What says more has confused clocks.
const REPORT_MAX: i64 = 3_000_000_000;
/// How far a report may be from the stream's timestamps, in seconds.
const REPORT_AGE_MAX: i64 = 10;
/// Pictures that are remembered for the other layers: half a second at 120 fps.
const PICTURES_MAX: usize = 64;
/// Timestamps of two layers that are the same picture, in ticks: 4 ms, less than half of 120 fps. Reports tell
/// milliseconds.
const SAME: i64 = 360;

/// Whose timestamp it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The sound.
    Sound,
    /// A simulcast layer of the pictures, counted from 0.
    Layer(usize),
}

/// What a sender report says: these ticks are this moment, in nanoseconds of the peer's clock.
type Report = (i64, i64);

#[derive(Debug)]
pub(super) struct Timeline {
    /// The first arrival of all.
    origin: Option<Instant>,
    sound_numbers: Unwrapper32,
    sound: Option<Line>,
    sound_report: Option<Report>,
    /// The next timestamp of the sound is of another line.
    sound_anew: bool,
    /// The line that all layers share. Its ticks are those of the layer that came first.
    pictures: Option<Line>,
    pictures_report: Option<Report>,
    layers: Vec<Layer>,
    /// Whether several layers have the same pictures.
    simulcast: bool,
    /// Pictures and their places, latest last.
    recent: VecDeque<(i64, i64)>,
}

#[derive(Debug, Default)]
struct Layer {
    numbers: Unwrapper32,
    /// Its ticks are so many more than the line's.
    ahead: Option<i64>,
    /// What a corrected `ahead` has still to take out.
    rest: Slew,
    /// Its last timestamp on the line.
    last: i64,
}

impl Timeline {
    /// A timeline for layers with numbers below `layers`; whether several of them have the same pictures.
    pub(super) fn new(layers: usize, simulcast: bool) -> Self {
        Self {
            origin: None,
            simulcast,
            sound_numbers: Unwrapper32::default(),
            sound: None,
            sound_report: None,
            sound_anew: false,
            pictures: None,
            pictures_report: None,
            layers: (0..layers).map(|_| Layer::default()).collect(),
            recent: VecDeque::new(),
        }
    }

    /// Where on the timeline a unit belongs that came in at `arrived`.
    pub(super) fn map(&mut self, source: Source, timestamp: u32, arrived: Instant) -> Timestamp {
        let arrived = since(*self.origin.get_or_insert(arrived), arrived);
        Timestamp::from_nanos(match source {
            Source::Sound => self.sound(timestamp, arrived),
            Source::Layer(layer) => self.picture(layer, timestamp, arrived),
        })
    }

    /// A stream begins anew: its next timestamp has nothing to do with those before.
    pub(super) fn restart(&mut self, source: Source) {
        match source {
            Source::Sound => self.sound_anew = self.sound.is_some(),
            Source::Layer(layer) => {
                if let Some(layer) = self.layers.get_mut(layer) {
                    *layer = Layer::default();
                }
            }
        }
    }

    /// A sender report: the moment `ntp` (RFC 3550 §4, 32.32 bits) has this RTP timestamp.
    pub(super) fn report(&mut self, source: Source, ntp: u64, timestamp: u32) {
        let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
        let moment = (seconds * 1_000_000_000 + ((fraction * 1_000_000_000) >> 32)) as i64; // less than 2^62
        match source {
            Source::Sound => {
                let Some(line) = &self.sound else { return };
                let ticks = self.sound_numbers.peek(timestamp);
                if (ticks - line.last()).abs() > REPORT_AGE_MAX * SOUND_RATE {
                    return;
                }
                self.sound_report = Some((ticks, moment));
            }
            Source::Layer(layer) => self.layer_report(layer, timestamp, moment),
        }
        self.align();
    }

    fn sound(&mut self, timestamp: u32, arrived: i64) -> i64 {
        if self.sound_anew {
            self.sound_numbers = Unwrapper32::default();
        }
        let ticks = self.sound_numbers.unwrap(timestamp);
        let line = self.sound.get_or_insert_with(|| Line::new(SOUND_RATE, ticks, arrived));
        if std::mem::take(&mut self.sound_anew) || !line.believes(ticks, arrived) {
            line.break_off(ticks, arrived);
            self.sound_report = None;
        }
        line.place(ticks, arrived)
    }

    fn picture(&mut self, layer: usize, timestamp: u32, arrived: i64) -> i64 {
        let Some(layer) = self.layers.get_mut(layer) else { return arrived };
        let own = layer.numbers.unwrap(timestamp);
        let line = self.pictures.get_or_insert_with(|| Line::new(PICTURE_RATE, own, arrived));
        let guess = || match self.recent.is_empty() {
            true => 0,
            false if self.simulcast => own - nearest(&self.recent, line.expected(arrived)),
            false => own - line.expected(arrived),
        };
        let mut ahead = *layer.ahead.get_or_insert_with(guess);
        if !line.believes(own - ahead, arrived) {
            ahead = own - line.expected(arrived);
            layer.rest = Slew::default();
        }
        let same = |(ticks, _): &&(i64, i64)| self.simulcast && (ticks - (own - ahead)).abs() <= SAME;
        let known = self.recent.iter().rev().find(same).copied();
        let (ticks, at) = known.unwrap_or_else(|| (own - ahead, line.place(own - ahead, arrived)));
        if known.is_none() {
            if self.recent.len() == PICTURES_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back((ticks, at));
        }
        layer.ahead = Some(own - ticks);
        layer.rest.pass(nanos(ticks - layer.last, PICTURE_RATE));
        layer.last = ticks;
        at + layer.rest.now
    }

    fn layer_report(&mut self, layer: usize, timestamp: u32, moment: i64) {
        let (Some(line), Some(layer)) = (&self.pictures, self.layers.get_mut(layer)) else { return };
        let Some(ahead) = layer.ahead else { return };
        let own = layer.numbers.peek(timestamp);
        let far = REPORT_AGE_MAX * PICTURE_RATE;
        if (own - ahead - line.last()).abs() > far {
            return;
        }
        if let Some((known, then)) = self.pictures_report {
            // Where the reports of other layers, or earlier ones, say that this moment is.
            let told = own - known.saturating_add(ticks(moment.saturating_sub(then), PICTURE_RATE));
            let error = told.saturating_sub(ahead);
            if error.abs() > far {
                // The peer's clock was set.
                self.pictures_report = Some((own - ahead, moment));
                return;
            }
            let fresh = moment.saturating_sub(then).abs() <= REPORT_AGE_MAX * 1_000_000_000;
            if error.abs() > SAME && fresh && self.simulcast {
                layer.ahead = Some(told);
                layer.rest.now += nanos(error, PICTURE_RATE);
                return;
            }
        }
        self.pictures_report = Some((own - ahead, moment));
    }

    /// Lets the pictures go where the reports want them.
    fn align(&mut self) {
        let (Some(sound), Some(pictures)) = (&self.sound, &mut self.pictures) else { return };
        let (Some((sound_ticks, sound_moment)), Some((picture_ticks, picture_moment))) =
            (self.sound_report, self.pictures_report)
        else {
            return;
        };
        // From the timeline to the peer's clock, as sound and as pictures have it.
        let by_sound = sound_moment - sound.at(sound_ticks);
        let by_pictures = picture_moment - pictures.at(picture_ticks);
        let late = by_pictures - by_sound;
        if late.abs() <= REPORT_MAX {
            pictures.slew.target = pictures.slew.now + late;
        }
    }
}

/// The picture nearest to these ticks, unless all are far.
fn nearest(recent: &VecDeque<(i64, i64)>, ticks: i64) -> i64 {
    /// A tenth of a second.
    const NEAR: i64 = PICTURE_RATE / 10;
    let near = recent.iter().map(|(known, _)| *known).min_by_key(|known| (known - ticks).abs());
    near.filter(|known| (known - ticks).abs() <= NEAR).unwrap_or(ticks)
}

#[cfg(test)]
mod tests;
