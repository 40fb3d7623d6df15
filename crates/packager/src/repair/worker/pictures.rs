//! Pictures of any codec become H.264 without B-frames, with a keyframe where the source has one.
//!
//! The decoder keeps each picture's time; the encoder gives one frame for each picture, in order, so that times go around
//! it.

use std::collections::VecDeque;

use bytes::Bytes;
use weir_media::{TrackParams, VideoCodec};

use super::chain::{Chain, Out};
use crate::{
    caps,
    repair::wire::{Codec, Coded, Coding, Message},
};

/// Where the decoder's clock stands at a source's first picture, in nanoseconds: room for times before it.
const ZERO_NANOS: i64 = 3_600_000_000_000;
/// A source whose time steps by more, or back by more than reordering does, begins anew.
const STEP_NANOS_MAX: i64 = 10_000_000_000;
/// Going back by more than this is no reordering.
const BACK_NANOS_MAX: i64 = 1_000_000_000;
/// Longest time without a keyframe, in nanoseconds: a little more than the usual interval, so that the source's own come
/// first.
const KEYFRAME_NANOS_MAX: i64 = 2_100_000_000;
/// The same in frames, for an encoder that counts them: never reached at any usual rate.
const KEYFRAME_FRAMES_MAX: u32 = 900;
/// Pictures between decoder and encoder, and those that the encoder holds, at most.
const HELD_MAX: usize = 64;
/// Bits a second that are made at least and at most, in kbit/s.
const KBIT: std::ops::RangeInclusive<i64> = 300..=8_000;
/// How long the source's bitrate is measured before the encoder follows it, in nanoseconds.
const MEASURE_NANOS: i64 = 2_000_000_000;

/// One track of pictures on its way to H.264.
#[derive(Default)]
pub(super) struct Pictures {
    decoder: Option<Decoder>,
    encoder: Option<Encoder>,
    coding: Option<Coding>,
    /// Times of the source's keyframes that the encoder has yet to see.
    keyframes: VecDeque<i64>,
    newest: Option<i64>,
    rate: Rate,
}

struct Decoder {
    chain: Chain,
    /// The source's time where the decoder's clock stands at 0.
    zero: i64,
}

struct Encoder {
    chain: Chain,
    /// What the decoder says it gives.
    raw: gst::Caps,
    /// Pictures a second that the encoder is told.
    nominal: f64,
    /// The source's times of pictures that have yet to come out.
    times: VecDeque<i64>,
    /// The encoder's own clock.
    clock: i64,
    last: Option<i64>,
    last_keyframe: Option<i64>,
}

/// What the source spends.
#[derive(Default)]
struct Rate {
    since: Option<i64>,
    bytes: i64,
    frames: u32,
    measured: Option<Spent>,
}

#[derive(Clone, Copy)]
struct Spent {
    kbit: i64,
    /// Pictures a second.
    pictures: f64,
}

impl Pictures {
    /// What follows is coded so.
    pub(super) fn track(&mut self, coding: &Coding, out: &mut Vec<Message>) -> Result<(), String> {
        self.drain(out)?;
        self.coding = Some(coding.clone());
        Ok(())
    }

    /// Takes a frame; what it makes is appended to `out`.
    pub(super) fn frame(&mut self, coded: &Coded, out: &mut Vec<Message>) -> Result<(), String> {
        let jumps = self.newest.is_some_and(|newest| {
            let step = coded.pts.saturating_sub(newest);
            !(-BACK_NANOS_MAX..=STEP_NANOS_MAX).contains(&step)
        });
        if jumps {
            self.drain(out)?;
        }
        self.newest = Some(self.newest.filter(|_| !jumps).map_or(coded.pts, |newest| newest.max(coded.pts)));
        if self.decoder.is_none() {
            if !coded.keyframe {
                return Ok(());
            }
            let coding = self.coding.as_ref().ok_or("Pictures came before their description.")?;
            self.decoder = Some(Decoder::new(coding, coded.dts.min(coded.pts))?);
        }
        if coded.keyframe {
            if self.keyframes.len() == HELD_MAX {
                self.keyframes.pop_front();
            }
            self.keyframes.push_back(coded.pts);
        }
        if self.rate.measure(coded)
            && let Some(encoder) = &self.encoder
        {
            encoder.follow(&self.rate);
        }
        let Some(decoder) = &self.decoder else { return Ok(()) };
        decoder.push(coded)?;
        self.encode(out)
    }

    /// What is held inside comes out, and the decoder begins anew.
    pub(super) fn drain(&mut self, out: &mut Vec<Message>) -> Result<(), String> {
        if let Some(decoder) = &self.decoder {
            decoder.chain.end();
        }
        let drained = self.encode(out);
        self.decoder = None;
        self.keyframes.clear();
        drained
    }

    /// Encodes what the decoder gave.
    fn encode(&mut self, out: &mut Vec<Message>) -> Result<(), String> {
        let Some(decoder) = &self.decoder else { return Ok(()) };
        for decoded in decoder.chain.take() {
            match decoded {
                Out::Caps(raw) if self.encoder.as_ref().is_some_and(|encoder| encoder.raw == raw) => {}
                Out::Caps(raw) => self.encoder = Some(Encoder::new(raw, &self.rate)?),
                Out::Buffer(picture) => {
                    let (Some(encoder), Some(at)) = (&mut self.encoder, picture.pts()) else { continue };
                    let at = i64::try_from(at.nseconds()).unwrap_or(i64::MAX).saturating_add(decoder.zero);
                    let mut is_keyframe = false;
                    // Those before it were not shown.
                    while self.keyframes.pop_front_if(|keyframe| *keyframe <= at).is_some() {
                        is_keyframe = true;
                    }
                    encoder.encode(at, is_keyframe, &picture, out)?;
                }
            }
        }
        Ok(())
    }
}

impl Decoder {
    fn new(coding: &Coding, first: i64) -> Result<Self, String> {
        let Codec::Video(codec) = coding.codec else { return Err("The pictures are no pictures.".into()) };
        let caps = match codec {
            VideoCodec::H264 | VideoCodec::Hevc => {
                let params = weir_media::codec::video(codec, coding.config.clone());
                let params = params.map_err(|error| error.to_string())?;
                caps::of(&TrackParams::Video(params)).map_err(|error| error.to_string())?
            }
            VideoCodec::Av1 => {
                let caps = gst::Caps::builder("video/x-av1").field("stream-format", "obu-stream");
                caps.field("alignment", "tu").build()
            }
            VideoCodec::Vp8 => gst::Caps::builder("video/x-vp8").build(),
            VideoCodec::Vp9 => gst::Caps::builder("video/x-vp9").build(),
        };
        let element = super::first_of(match codec {
            VideoCodec::H264 => &["avdec_h264", "openh264dec"],
            VideoCodec::Hevc => &["avdec_h265", "libde265dec"],
            VideoCodec::Av1 => &["dav1ddec", "av1dec"],
            VideoCodec::Vp8 => &["vp8dec"],
            VideoCodec::Vp9 => &["vp9dec"],
        })?;
        let description = format!("{element} name=decoder ! videoconvert ! capsfilter caps=video/x-raw,format=I420");
        let chain = Chain::new(&description, &caps)?;
        // Threads that decode a picture each would hold back as many pictures.
        chain.set("decoder", "max-threads", 1);
        // Damaged pictures are shown as they are, and no reason to end.
        chain.set("decoder", "max-errors", -1);
        Ok(Self { chain, zero: first.saturating_sub(ZERO_NANOS) })
    }

    fn push(&self, coded: &Coded) -> Result<(), String> {
        let mut buffer = gst::Buffer::from_slice(coded.data.clone());
        let fields = buffer.get_mut().expect("a new buffer has one owner");
        let time = |at: i64| u64::try_from(at.saturating_sub(self.zero)).ok().map(gst::ClockTime::from_nseconds);
        fields.set_pts(time(coded.pts));
        fields.set_dts(time(coded.dts));
        if !coded.keyframe {
            fields.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        self.chain.push(buffer)
    }
}

impl Encoder {
    fn new(raw: gst::Caps, rate: &Rate) -> Result<Self, String> {
        let structure = raw.structure(0).ok_or("The decoder gives nothing.")?;
        let side = |name| structure.get::<i32>(name).map(i64::from).map_err(|error| error.to_string());
        let (width, height) = (side("width")?, side("height")?);
        // Until the source's bitrate is known: 2.3 Mbit/s for 720p.
        let kbit = (width * height / 400).clamp(*KBIT.start(), *KBIT.end());
        let threads = (std::thread::available_parallelism().map_or(1, usize::from) / 2).clamp(1, 4);
        let description = format!(
            "x264enc name=encoder tune=zerolatency speed-preset=veryfast bframes=0 key-int-max={KEYFRAME_FRAMES_MAX} \
             option-string=scenecut=0 bitrate={kbit} threads={threads} \
             ! capsfilter caps=video/x-h264,stream-format=avc,alignment=au,profile=constrained-baseline"
        );
        // Without a frame rate it would hold every picture until the next one tells its length.
        let told = structure.get::<gst::Fraction>("framerate").ok().filter(|told| told.numer() > 0);
        let told = told.unwrap_or(gst::Fraction::new(30, 1));
        let mut caps = raw.clone();
        caps.make_mut().set("framerate", told);
        let chain = Chain::new(&description, &caps)?;
        let nominal = f64::from(told.numer()) / f64::from(told.denom().max(1));
        let (times, last) = (VecDeque::new(), None);
        let encoder = Self { chain, raw, nominal, times, clock: 0, last, last_keyframe: None };
        encoder.follow(rate);
        Ok(encoder)
    }

    /// Spends what the source spends. The encoder shares its bits out among as many pictures a second as it was told.
    fn follow(&self, rate: &Rate) {
        let Some(spent) = rate.measured else { return };
        let kbit = spent.kbit as f64 * (self.nominal / spent.pictures).clamp(0.1, 10.0);
        self.chain.set("encoder", "bitrate", (kbit as u32).clamp(1, 100_000));
    }

    fn encode(
        &mut self,
        at: i64,
        is_keyframe: bool,
        picture: &gst::Buffer,
        out: &mut Vec<Message>,
    ) -> Result<(), String> {
        if let Some(last) = self.last {
            self.clock += at.saturating_sub(last).clamp(1_000_000, 1_000_000_000);
        }
        let now = gst::ClockTime::from_nseconds(self.clock.unsigned_abs());
        let is_late = self.last_keyframe.is_some_and(|last| at.saturating_sub(last).abs() >= KEYFRAME_NANOS_MAX);
        if is_keyframe || is_late || self.last.is_none() {
            // The first one is a keyframe anyhow, and asking for it makes the encoder deaf for all that follow.
            if self.last.is_some() {
                self.chain.tell(force_keyframe(now));
            }
            self.last_keyframe = Some(at);
        }
        self.last = Some(at);
        // The buffer's memory is shared, its times are our own.
        let mut picture = picture.copy();
        let fields = picture.make_mut();
        fields.set_pts(now);
        fields.set_dts(gst::ClockTime::NONE);
        fields.set_duration(gst::ClockTime::NONE);
        self.times.push_back(at);
        self.chain.push(picture)?;
        self.give(out)
    }

    /// Passes on what came out.
    fn give(&mut self, out: &mut Vec<Message>) -> Result<(), String> {
        for made in self.chain.take() {
            match made {
                Out::Caps(caps) => out.push(Message::Track(described(&caps)?)),
                Out::Buffer(buffer) => {
                    let Some(at) = self.times.pop_front() else { return Err("The encoder made too much.".into()) };
                    let map = buffer.map_readable().map_err(|error| error.to_string())?;
                    let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                    let data = Bytes::copy_from_slice(&map);
                    out.push(Message::Frame(Coded { pts: at, dts: at, keyframe, data }));
                }
            }
        }
        if self.times.len() > HELD_MAX { Err("The encoder makes nothing.".into()) } else { Ok(()) }
    }
}

fn described(caps: &gst::Caps) -> Result<Coding, String> {
    let unexpected = || format!("The encoder makes {caps}.");
    let structure = caps.structure(0).ok_or_else(unexpected)?;
    let config = structure.get::<gst::Buffer>("codec_data").map_err(|_| unexpected())?;
    let config = Bytes::copy_from_slice(&config.map_readable().map_err(|error| error.to_string())?);
    let side = |name| structure.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
    Ok(Coding { codec: Codec::Video(VideoCodec::H264), width: side("width"), height: side("height"), config })
}

/// Asks an encoder to make the picture at `at` a keyframe.
fn force_keyframe(at: gst::ClockTime) -> gst::Event {
    let structure = gst::Structure::builder("GstForceKeyUnit")
        .field("timestamp", at)
        .field("stream-time", at)
        .field("running-time", at)
        .field("all-headers", false)
        .field("count", 0_u32);
    gst::event::CustomDownstream::new(structure.build())
}

impl Rate {
    /// Counts a frame. Whether what is measured is news.
    fn measure(&mut self, coded: &Coded) -> bool {
        let since = *self.since.get_or_insert(coded.dts);
        let span = coded.dts.saturating_sub(since);
        let mut is_news = false;
        if !(0..=4 * MEASURE_NANOS).contains(&span) {
            *self = Self { since: Some(coded.dts), measured: self.measured, ..Self::default() };
        } else if span >= MEASURE_NANOS && coded.keyframe {
            let kbit = (self.bytes.saturating_mul(8_000_000) / span).clamp(*KBIT.start(), *KBIT.end());
            let pictures = f64::from(self.frames.max(1)) * 1e9 / span as f64;
            let off = |before: Spent| {
                (kbit - before.kbit).abs() * 5 > before.kbit
                    || (pictures - before.pictures).abs() * 10.0 > before.pictures
            };
            is_news = self.measured.is_none_or(off);
            let measured = if is_news { Some(Spent { kbit, pictures }) } else { self.measured };
            *self = Self { since: Some(coded.dts), measured, ..Self::default() };
        }
        self.bytes += i64::try_from(coded.data.len()).unwrap_or(0);
        self.frames += 1;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of so many bytes at these milliseconds, a keyframe every second; what was measured then.
    fn measured(times: impl Iterator<Item = i64>, bytes: usize) -> Option<(i64, f64)> {
        let mut rate = Rate::default();
        let mut keyframe = i64::MIN;
        for at in times {
            let is_keyframe = at.saturating_sub(keyframe) >= 1_000;
            keyframe = if is_keyframe { at } else { keyframe };
            let (at, data) = (at * 1_000_000, Bytes::from(vec![0; bytes]));
            rate.measure(&Coded { pts: at, dts: at, keyframe: is_keyframe, data });
        }
        rate.measured.map(|spent| (spent.kbit, spent.pictures.round()))
    }

    #[test]
    fn the_encoder_is_told_what_the_source_spends() {
        assert_eq!(measured((0..100).map(|n| n * 40), 5_000), Some((1_000, 25.0)));
        assert_eq!(measured((0..200).map(|n| n * 20), 50_000), Some((*KBIT.end(), 50.0)));
        assert_eq!(measured((0..20).map(|n| n * 40), 5_000), None, "too early");
    }

    #[test]
    fn extreme_times_measure_nothing_and_do_not_overflow() {
        assert_eq!(measured([0, 9_000_000, -9_000_000, 5, 6, 7].into_iter(), 9), None);
    }
}
