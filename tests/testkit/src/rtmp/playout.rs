//! A movie's samples in the order and at the times at which an encoder sends them, looped without end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    chunk::{Message, kind},
    flv::{self, Style},
};
use crate::media::{Codec, Movie};

/// Message stream that servers give to a publisher first.
const STREAM: u32 = 1;

/// Cheap to clone: every publisher of the same file has one.
#[derive(Debug, Clone)]
pub struct Playout {
    movie: Arc<Movie>,
    style: Style,
    /// Decoding time, track, sample; sorted.
    order: Arc<Vec<(u64, usize, usize)>>,
    /// In nanoseconds.
    turn: u64,
    /// Added to every time, in nanoseconds.
    start: u64,
    /// Samples sent so far.
    sent: u64,
}

/// The next sample to send.
#[derive(Debug, Clone)]
pub struct Due {
    /// Decoding time since the beginning.
    pub at: Duration,
    /// Which track of the movie.
    pub track: usize,
    /// How it is coded.
    pub codec: Codec,
    /// Decodable by itself.
    pub keyframe: bool,
    /// Its message's type, message stream and timestamp.
    pub head: (u8, u32, u32),
    /// What stands before the sample in its message.
    pub prefix: Vec<u8>,
    /// The sample, shared with the movie.
    pub data: Bytes,
}

impl Due {
    /// The whole message, copied together.
    #[must_use]
    pub fn message(&self) -> Message {
        let (kind, stream, timestamp) = self.head;
        Message { kind, stream, timestamp, payload: [&self.prefix, &self.data[..]].concat().into() }
    }
}

impl Playout {
    /// Plays `movie` from its beginning.
    #[must_use]
    pub fn new(movie: Arc<Movie>, style: Style) -> Self {
        let turn = movie.turn().as_nanos() as u64;
        let mut order = Vec::new();
        for (number, track) in movie.tracks.iter().enumerate() {
            let first = track.samples.first().map_or(0, |sample| sample.dts);
            // Sound begins and ends later than pictures that are reordered: its overhang goes to the next turn's begin.
            // Times were rounded to nanoseconds, so the last few before the turn's end are the next turn's first.
            for (at, sample) in track.samples.iter().enumerate().filter(|(_, sample)| sample.dts - first + 1_000 < turn)
            {
                order.push((sample.dts % turn, number, at));
            }
        }
        order.sort();
        Self { movie, style, order: Arc::new(order), turn, start: 0, sent: 0 }
    }

    /// Adds `start` to all timestamps, as encoders that run for days do.
    #[must_use]
    pub fn starting_at(self, start: Duration) -> Self {
        Self { start: start.as_nanos() as u64, ..self }
    }

    /// What comes before the first sample: metadata and codec configurations.
    #[must_use]
    pub fn headers(&self) -> Vec<Message> {
        let timestamp = millis(self.start);
        let message = |kind, payload: Vec<u8>| Message { kind, stream: STREAM, timestamp, payload: payload.into() };
        let metadata = message(kind::DATA, flv::metadata(&self.movie, self.style));
        let configuration = |track: &crate::media::Track| {
            message(flv::message_kind(track.codec), flv::configuration(track, self.style))
        };
        std::iter::once(metadata).chain(self.movie.tracks.iter().map(configuration)).collect()
    }

    /// The sample that comes next, which then counts as sent.
    pub fn advance(&mut self) -> Due {
        let samples = self.order.len() as u64;
        let (turns, at) = (self.sent / samples, (self.sent % samples) as usize);
        self.sent += 1;
        let (dts, number, sample) = self.order[at];
        let track = &self.movie.tracks[number];
        let sample = &track.samples[sample];
        let since = turns * self.turn + dts;
        let time = self.start + since;
        // What players see is the rounded sum, so the offset is between rounded times.
        let offset = ((time + sample.pts - sample.dts) / 1_000_000) as i64 - (time / 1_000_000) as i64;
        let nanos = (time % 1_000_000) as u32;
        Due {
            at: Duration::from_nanos(since),
            track: number,
            codec: track.codec,
            keyframe: sample.keyframe,
            head: (flv::message_kind(track.codec), STREAM, millis(time)),
            prefix: flv::frame_head(track.codec, sample.keyframe, offset as i32, nanos, self.style),
            data: sample.data.clone(),
        }
    }
}

/// RTMP's timestamp, which wraps after 49.7 days.
fn millis(nanos: u64) -> u32 {
    (nanos / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media;

    #[test]
    fn a_loop_goes_on_where_it_ended() {
        let movie = Arc::new(Movie::open(&media::h264_aac(true)));
        let mut playout = Playout::new(movie, Style::Legacy);
        let dues: Vec<Due> = (0..2000).map(|_| playout.advance()).collect();
        assert!(dues.is_sorted_by_key(|due| due.at));
        for (track, step) in [(0, 33_333_333), (1, 21_333_333)] {
            let times: Vec<_> = dues.iter().filter(|due| due.track == track).map(|due| due.at).collect();
            for pair in times.windows(2) {
                let gap = (pair[1] - pair[0]).as_nanos().abs_diff(step);
                assert!(gap < 2_000_000, "{pair:?}");
            }
        }
    }

    #[test]
    fn pictures_out_of_order_have_offsets() {
        let movie = Arc::new(Movie::open(&media::h264_aac(true)));
        let mut playout = Playout::new(movie, Style::Legacy);
        let video: Vec<Due> = (0..200).map(|_| playout.advance()).filter(|due| due.track == 0).collect();
        let shown = |due: &Due| due.head.2 + u32::from_be_bytes([0, due.prefix[2], due.prefix[3], due.prefix[4]]);
        let mut times: Vec<u32> = video.iter().map(shown).collect();
        assert!(!times.is_sorted());
        times.sort();
        times.dedup();
        assert_eq!(times.len(), video.len());
    }
}
