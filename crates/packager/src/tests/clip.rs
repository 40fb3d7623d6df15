//! Real frames: GStreamer encodes a test picture or tone.

use std::sync::Arc;

use bytes::Bytes;
use gst::prelude::*;
use parking_lot::Mutex;
use weir_media::{AudioCodec, Frame, Timestamp, Track, TrackId, TrackParams, VideoCodec, codec};

/// An encoded picture or tone.
#[derive(Clone)]
pub(crate) struct Clip {
    pub(crate) track: Track,
    pub(crate) frames: Vec<Coded>,
}

#[derive(Clone)]
pub(crate) struct Coded {
    /// In nanoseconds from the first frame's decoding.
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    pub(crate) keyframe: bool,
    pub(crate) data: Bytes,
}

/// What `audiotestsrc` needs to click: a millisecond of 2 kHz twice a second.
const CLICKS: &str = "wave=ticks tick-interval=500000000 sine-periods-per-tick=2 freq=2000 volume=0.8";

impl Clip {
    /// H.264 at 30 fps, `frames` long, a keyframe every `gop`.
    pub(crate) fn h264(frames: u32, gop: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1 \
             ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=400 key-int-max={gop} option-string=scenecut=0 \
             ! video/x-h264,stream-format=avc,alignment=au,profile=main"
        ))
    }

    /// The same with two reordered frames between others.
    pub(crate) fn h264_with_b_frames(frames: u32, gop: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1 \
             ! x264enc speed-preset=veryfast bframes=3 b-adapt=false b-pyramid=true bitrate=400 key-int-max={gop} \
             option-string=scenecut=0 \
             ! video/x-h264,stream-format=avc,alignment=au,profile=main"
        ))
    }

    /// H.264 of another size, so of another configuration.
    pub(crate) fn h264_large(frames: u32, gop: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=640,height=360,framerate=30/1 \
             ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=400 key-int-max={gop} option-string=scenecut=0 \
             ! video/x-h264,stream-format=avc,alignment=au,profile=main"
        ))
    }

    /// A layer of the picture that [`Self::h264`] makes: so high, on this track.
    pub(crate) fn layer(id: TrackId, height: u32, frames: u32, gop: u32) -> Self {
        let width = height * 16 / 9;
        let mut layer = Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate=30/1 \
             ! x264enc tune=zerolatency speed-preset=ultrafast bitrate={height} key-int-max={gop} option-string=scenecut=0 \
             ! video/x-h264,stream-format=avc,alignment=au,profile=constrained-baseline"
        ));
        layer.track.id = id;
        layer
    }

    pub(crate) fn hevc(frames: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1 \
             ! x265enc speed-preset=ultrafast bitrate=400 key-int-max=30 option-string=log-level=none:bframes=2 \
             ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au"
        ))
    }

    pub(crate) fn av1(frames: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1 \
             ! av1enc cpu-used=8 usage-profile=realtime lag-in-frames=0 target-bitrate=300 keyframe-max-dist=30 \
             ! av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu"
        ))
    }

    pub(crate) fn vp9(frames: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1 \
             ! vp9enc deadline=1 cpu-used=8 lag-in-frames=0 target-bitrate=300000 keyframe-max-dist=30 ! video/x-vp9"
        ))
    }

    pub(crate) fn vp8(frames: u32) -> Self {
        Self::video(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1 \
             ! vp8enc deadline=1 cpu-used=8 lag-in-frames=0 target-bitrate=300000 keyframe-max-dist=30 ! video/x-vp8"
        ))
    }

    /// AAC, stereo.
    pub(crate) fn aac(seconds: f64, rate: u32) -> Self {
        let frames = (seconds * f64::from(rate) / 1024.0) as u32;
        Self::audio(&format!(
            "audiotestsrc num-buffers={frames} samplesperbuffer=1024 ! audio/x-raw,rate={rate},channels=2 ! audioconvert \
             ! voaacenc bitrate=96000 ! aacparse ! audio/mpeg,mpegversion=4,stream-format=raw"
        ))
    }

    /// AAC, stereo: a click every half second.
    pub(crate) fn aac_clicks(seconds: f64, rate: u32) -> Self {
        let frames = (seconds * f64::from(rate) / 1024.0) as u32;
        Self::audio(&format!(
            "audiotestsrc num-buffers={frames} samplesperbuffer=1024 {CLICKS} ! audio/x-raw,rate={rate},channels=2 \
             ! audioconvert ! voaacenc bitrate=128000 ! aacparse ! audio/mpeg,mpegversion=4,stream-format=raw"
        ))
    }

    /// Opus, stereo: a click every half second.
    pub(crate) fn opus_clicks(seconds: f64) -> Self {
        let frames = (seconds * 50.0) as u32;
        Self::audio(&format!(
            "audiotestsrc num-buffers={frames} samplesperbuffer=960 {CLICKS} ! audio/x-raw,rate=48000,channels=2 \
             ! audioconvert ! opusenc frame-size=20 bitrate=128000"
        ))
    }

    pub(crate) fn opus(seconds: f64) -> Self {
        let frames = (seconds * 50.0) as u32;
        Self::audio(&format!(
            "audiotestsrc num-buffers={frames} samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! audioconvert \
             ! opusenc frame-size=20 bitrate=64000"
        ))
    }

    fn video(pipeline: &str) -> Self {
        let (caps, frames) = encode(pipeline);
        let s = caps.structure(0).expect("caps");
        let config = s.get::<gst::Buffer>("codec_data").ok().map(|config| bytes_of(&config));
        let (codec, config) = match s.name().as_str() {
            "video/x-h264" => (VideoCodec::H264, config.expect("avcC")),
            "video/x-h265" => (VideoCodec::Hevc, config.expect("hvcC")),
            "video/x-av1" => (VideoCodec::Av1, config.unwrap_or(Bytes::from_static(&[0x81, 0, 0x0c, 0]))),
            "video/x-vp8" => (VideoCodec::Vp8, Bytes::from_static(&[0, 10, 0x80, 2, 2, 2, 0, 0])),
            "video/x-vp9" => (VideoCodec::Vp9, Bytes::from_static(&[0, 10, 0x82, 1, 1, 1, 0, 0])),
            other => panic!("{other}"),
        };
        let mut params = codec::video(codec, config).expect("a good configuration");
        if params.width == 0 {
            (params.width, params.height) = match codec {
                VideoCodec::Vp8 | VideoCodec::Vp9 => (0, 0),
                _ => codec::av1_dimensions(&frames[0].data).expect("a keyframe with its sequence header"),
            };
        }
        Self { track: Track { id: TrackId::VIDEO, params: TrackParams::Video(params) }, frames }
    }

    fn audio(pipeline: &str) -> Self {
        let (caps, frames) = encode(pipeline);
        let s = caps.structure(0).expect("caps");
        let (codec, config) = match s.name().as_str() {
            "audio/mpeg" => (AudioCodec::Aac, bytes_of(&s.get::<gst::Buffer>("codec_data").expect("a configuration"))),
            "audio/x-opus" => {
                let headers = s.get::<gst::Array>("streamheader").expect("headers");
                (AudioCodec::Opus, bytes_of(&headers[0].get::<gst::Buffer>().expect("OpusHead")))
            }
            other => panic!("{other}"),
        };
        let params = codec::audio(codec, config).expect("a good configuration");
        Self { track: Track { id: TrackId::AUDIO, params: TrackParams::Audio(params) }, frames }
    }

    /// The frames with times as RTMP has them, in milliseconds, `at` milliseconds after the publisher's zero.
    pub(crate) fn frames_at(&self, at: i64) -> Vec<Frame> {
        let start = super::epoch();
        let ms = |nanos: i64| (nanos + 500_000).div_euclid(1_000_000);
        let frame = |coded: &Coded| Frame {
            track: self.track.id,
            dts: Timestamp::from_millis(at + ms(coded.dts)),
            pts: Timestamp::from_millis(at + ms(coded.pts)),
            keyframe: coded.keyframe,
            arrived: start + std::time::Duration::from_millis((at + ms(coded.dts)).max(0) as u64),
            data: coded.data.clone(),
        };
        self.frames.iter().map(frame).collect()
    }
}

/// Frames of several clips, in the order of decoding.
pub(crate) fn interleave(clips: &[&Clip], at: i64) -> Vec<Frame> {
    let mut frames: Vec<_> = clips.iter().flat_map(|clip| clip.frames_at(at)).collect();
    frames.sort_by_key(|frame| frame.dts);
    frames
}

fn bytes_of(buffer: &gst::Buffer) -> Bytes {
    Bytes::copy_from_slice(&buffer.map_readable().expect("readable"))
}

/// Runs an encoder to its end.
fn encode(pipeline: &str) -> (gst::Caps, Vec<Coded>) {
    crate::init().expect("GStreamer is installed");
    let pipeline = gst::parse::launch(&format!("{pipeline} ! fakesink name=out sync=false signal-handoffs=true"))
        .unwrap_or_else(|error| panic!("{error}: {pipeline}"))
        .downcast::<gst::Pipeline>()
        .expect("a pipeline");
    let coded: Arc<Mutex<(Option<gst::Caps>, Vec<Coded>)>> = Arc::default();
    let sink = pipeline.by_name("out").expect("the sink");
    let into = coded.clone();
    sink.connect("handoff", false, move |args| {
        let buffer = args[1].get::<gst::Buffer>().expect("a buffer");
        let pad = args[2].get::<gst::Pad>().expect("a pad");
        let mut into = into.lock();
        if buffer.flags().contains(gst::BufferFlags::HEADER) && buffer.pts().is_none() {
            return None;
        }
        into.0 = pad.current_caps();
        let pts = buffer.pts().expect("a time").nseconds() as i64;
        into.1.push(Coded {
            dts: buffer.dts().map_or(pts, |dts| dts.nseconds() as i64),
            pts,
            keyframe: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            data: bytes_of(&buffer),
        });
        None
    });
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let bus = pipeline.bus().expect("a bus");
    for message in bus.iter_timed(gst::ClockTime::from_seconds(60)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{}", error.error()),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    let (caps, mut frames) = std::mem::take(&mut *coded.lock());
    let start = frames.first().expect("frames").dts;
    for frame in &mut frames {
        frame.dts -= start;
        frame.pts -= start;
    }
    (caps.expect("caps"), frames)
}
