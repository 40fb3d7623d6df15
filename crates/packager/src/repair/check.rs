//! What a worker answers, looked at before anyone hears it: a worker that fell to a stranger's picture may say anything.

use std::{collections::VecDeque, time::Instant};

use weir_media::{AudioCodec, Frame, Timestamp, Track, TrackId, TrackParams, VideoCodec, codec, derive::Want};

use super::wire::{Codec, Message};

/// Times of source frames that are remembered, the newest ones: more than any encoder holds back.
const TIMES_MAX: usize = 256;
/// How far a made frame may be from a frame of its source, in nanoseconds.
const AWAY_NANOS_MAX: u64 = 2_000_000_000;
/// Made frames for each frame of the source, at most: 120 ms of sound in one make 6.
const FRAMES_EACH_MAX: u64 = 16;
/// Made frames beyond that.
const FRAMES_MORE_MAX: u64 = 64;
/// Descriptions in one worker's life: one for each of its source's, and a few more.
const TRACKS_MORE_MAX: u64 = 8;

/// What was sent to a worker, as far as its answers are measured by it.
#[derive(Debug)]
pub(crate) struct Check {
    want: Want,
    track: TrackId,
    times: VecDeque<i64>,
    fed: u64,
    made: u64,
    tracks_fed: u64,
    tracks_made: u64,
}

/// An answer that may be passed on.
#[derive(Debug)]
pub(crate) enum Made {
    /// What follows is coded so.
    Track(Track),
    /// A frame.
    Frame(Frame),
    /// The worker cannot go on.
    Failed(String),
}

/// An answer that no sound worker gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// A message that only the server sends.
    #[error("it gave an order")]
    Order,
    /// Another codec than the wanted one, or a configuration that is none.
    #[error("its track is not what was wanted: {0}")]
    Track(String),
    /// A frame before any description.
    #[error("a frame came without description")]
    Undescribed,
    /// A time far from all that it was given.
    #[error("a frame has a time that its source has not")]
    Time,
    /// More than can be made of what it was given.
    #[error("it makes more than can be made of its source")]
    TooMuch,
}

impl Check {
    pub(crate) fn new(want: Want, track: TrackId) -> Self {
        Self { want, track, times: VecDeque::new(), fed: 0, made: 0, tracks_fed: 0, tracks_made: 0 }
    }

    /// A description was sent.
    pub(crate) fn fed_track(&mut self) {
        self.tracks_fed += 1;
    }

    /// A frame was sent.
    pub(crate) fn fed(&mut self, pts: Timestamp) {
        if self.times.len() == TIMES_MAX {
            self.times.pop_front();
        }
        self.times.push_back(pts.nanos());
        self.fed += 1;
    }

    /// Looks at an answer.
    pub(crate) fn answer(&mut self, message: Message) -> Result<Made, Wrong> {
        match message {
            Message::Begin(_) => Err(Wrong::Order),
            Message::Failed(why) => Ok(Made::Failed(why)),
            Message::Track(coding) => {
                self.tracks_made += 1;
                if self.tracks_made > self.tracks_fed + TRACKS_MORE_MAX {
                    return Err(Wrong::TooMuch);
                }
                let bad = |error: codec::BadConfig| Wrong::Track(error.to_string());
                let params = match (self.want, coding.codec) {
                    (Want::Opus, Codec::Audio(codec @ AudioCodec::Opus))
                    | (Want::Aac, Codec::Audio(codec @ AudioCodec::Aac)) => {
                        TrackParams::Audio(codec::audio(codec, coding.config).map_err(bad)?)
                    }
                    (Want::PlainH264, Codec::Video(codec @ VideoCodec::H264)) => {
                        TrackParams::Video(codec::video(codec, coding.config).map_err(bad)?)
                    }
                    (_, other) => return Err(Wrong::Track(format!("{other:?}"))),
                };
                Ok(Made::Track(Track { id: self.track, params }))
            }
            Message::Frame(coded) => {
                if self.tracks_made == 0 {
                    return Err(Wrong::Undescribed);
                }
                self.made += 1;
                if self.made > self.fed.saturating_mul(FRAMES_EACH_MAX) + FRAMES_MORE_MAX {
                    return Err(Wrong::TooMuch);
                }
                let is_near = |time: &&i64| {
                    time.abs_diff(coded.pts) <= AWAY_NANOS_MAX && time.abs_diff(coded.dts) <= AWAY_NANOS_MAX
                };
                if !self.times.iter().rev().any(|time| is_near(&time)) {
                    return Err(Wrong::Time);
                }
                Ok(Made::Frame(Frame {
                    track: self.track,
                    pts: Timestamp::from_nanos(coded.pts),
                    dts: Timestamp::from_nanos(coded.dts),
                    keyframe: coded.keyframe,
                    arrived: Instant::now(),
                    data: coded.data,
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::repair::wire::{Coded, Coding, Job};

    const HEAD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00";

    fn track(codec: AudioCodec, config: &'static [u8]) -> Message {
        let config = Bytes::from_static(config);
        Message::Track(Coding { codec: Codec::Audio(codec), width: 0, height: 0, config })
    }

    fn frame(millis: i64) -> Message {
        let pts = millis * 1_000_000;
        Message::Frame(Coded { pts, dts: pts, keyframe: true, data: Bytes::new() })
    }

    fn check() -> Check {
        let mut check = Check::new(Want::Opus, TrackId::AUDIO);
        check.fed_track();
        check.fed(Timestamp::from_millis(1_000));
        check
    }

    #[test]
    fn what_is_wanted_passes() {
        let mut check = check();
        assert!(matches!(check.answer(track(AudioCodec::Opus, HEAD)), Ok(Made::Track(_))));
        assert!(matches!(check.answer(frame(990)), Ok(Made::Frame(_))));
    }

    #[test]
    fn other_codecs_and_broken_configurations_do_not() {
        let mut check = check();
        assert!(matches!(check.answer(track(AudioCodec::Aac, &[0x11, 0x90])), Err(Wrong::Track(_))));
        assert!(matches!(check.answer(track(AudioCodec::Opus, b"OpusHead")), Err(Wrong::Track(_))));
        assert_eq!(check.answer(frame(990)).err(), None, "its description was bad, but one came");
    }

    #[test]
    fn frames_of_another_time_or_without_description_do_not() {
        let mut check = check();
        assert_eq!(check.answer(frame(990)).err(), Some(Wrong::Undescribed));
        let _ = check.answer(track(AudioCodec::Opus, HEAD));
        assert_eq!(check.answer(frame(4_000)).err(), Some(Wrong::Time));
        assert_eq!(check.answer(frame(i64::MIN / 1_000_000)).err(), Some(Wrong::Time));
    }

    #[test]
    fn orders_and_floods_do_not() {
        let mut check = check();
        let order = Message::Begin(Job { want: Want::Opus, sound_bitrate: 1, opus_fec: false });
        assert_eq!(check.answer(order).err(), Some(Wrong::Order));
        let _ = check.answer(track(AudioCodec::Opus, HEAD));
        let taken = (0..1_000).take_while(|_| check.answer(frame(1_000)).is_ok()).count();
        assert_eq!(taken as u64, FRAMES_EACH_MAX + FRAMES_MORE_MAX);
    }
}
