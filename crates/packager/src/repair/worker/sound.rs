//! Sound from one codec to another, with its times kept to the sample.
//!
//! Decoder and encoder are told nothing of the publisher's times. What they take and give is counted in samples; what
//! each delays is known, and taken off.

use std::collections::VecDeque;

use bytes::Bytes;
use weir_media::{AudioCodec, derive::Want};

use super::{
    chain::{Chain, Out},
    steady::{RATE, Steady, nanos},
};
use crate::repair::wire::{Codec, Coded, Coding, Job, Message};

/// Samples in a packet of Opus: 20 ms, what WebRTC sends.
const OPUS_BLOCK: usize = 960;
/// Samples in a frame of AAC-LC.
const AAC_BLOCK: usize = 1024;
/// Samples that an AAC decoder gives before what went into `voaacenc` first.
const AAC_ENCODER_DELAY: u64 = 1600;
/// Blocks an encoder may hold back.
const HELD_BACK_MAX: usize = 64;

/// One track of sound on its way from codec to codec.
pub(super) struct Sound {
    job: Job,
    decoder: Option<Decoder>,
    encoder: Option<Encoder>,
}

struct Decoder {
    chain: Chain,
    channels: usize,
}

struct Encoder {
    chain: Chain,
    channels: usize,
    steady: Steady,
    /// Samples that went in, for times that only the encoder sees.
    taken: u64,
    block: u64,
    /// The times of blocks that have yet to come out.
    times: VecDeque<i64>,
    /// Samples that a decoder will give before what went in first.
    delay: u64,
}

impl Sound {
    pub(super) fn new(job: Job) -> Self {
        Self { job, decoder: None, encoder: None }
    }

    /// What follows is coded so.
    pub(super) fn track(&mut self, coding: &Coding) -> Result<(), String> {
        let Codec::Audio(codec) = coding.codec else { return Err("The sound is no sound.".into()) };
        let params = weir_media::codec::audio(codec, coding.config.clone()).map_err(|error| error.to_string())?;
        let channels = usize::from(params.channels.clamp(1, 2));
        self.decoder = Some(Decoder::new(codec, &coding.config, params.sample_rate, params.channels, channels)?);
        if self.encoder.as_ref().is_none_or(|encoder| encoder.channels != channels) {
            self.encoder = Some(Encoder::new(&self.job, channels)?);
        }
        Ok(())
    }

    /// Takes a frame; what it makes is appended to `out`.
    pub(super) fn frame(&mut self, coded: &Coded, out: &mut Vec<Message>) -> Result<(), String> {
        let (Some(decoder), Some(encoder)) = (&mut self.decoder, &mut self.encoder) else {
            return Err("Sound came before its description.".into());
        };
        let samples = decoder.decode(coded.data.clone())?;
        // A decoder may keep its first frame for itself.
        if samples.is_empty() {
            return Ok(());
        }
        for block in encoder.steady.push(coded.pts, &samples) {
            encoder.encode(block.at, &block.samples, out)?;
        }
        Ok(())
    }
}

impl Decoder {
    fn new(codec: AudioCodec, config: &Bytes, rate: u32, coded: u8, channels: usize) -> Result<Self, String> {
        let (rate, coded) = (i32::try_from(rate).map_err(|error| error.to_string())?, i32::from(coded));
        let (element, caps) = match codec {
            AudioCodec::Aac => {
                let caps = gst::Caps::builder("audio/mpeg")
                    .field("mpegversion", 4)
                    .field("stream-format", "raw")
                    .field("framed", true)
                    .field("codec_data", gst::Buffer::from_slice(config.clone()))
                    .field("rate", rate)
                    .field("channels", coded);
                (super::first_of(&["avdec_aac", "faad"])?, caps.build())
            }
            // Without its header, so that nothing is skipped at the beginning: every packet is all that it says.
            AudioCodec::Opus if coded <= 2 => {
                let caps = gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0).field("rate", 48_000);
                ("opusdec", caps.field("channels", coded).build())
            }
            AudioCodec::Opus => return Err(format!("Opus with {coded} channels cannot be converted.")),
        };
        let raw =
            format!("capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate={RATE},channels={channels}");
        let description = format!("{element} name=decoder ! audioconvert ! audioresample ! {raw}");
        let chain = Chain::new(&description, &caps)?;
        // Damaged frames are silence, and no reason to end.
        chain.set("decoder", "max-errors", -1);
        Ok(Self { chain, channels })
    }

    fn decode(&mut self, data: Bytes) -> Result<Vec<i16>, String> {
        self.chain.push(gst::Buffer::from_slice(data))?;
        let mut samples = Vec::new();
        for out in self.chain.take() {
            let Out::Buffer(buffer) = out else { continue };
            let map = buffer.map_readable().map_err(|error| error.to_string())?;
            samples.extend(map.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])));
        }
        samples.truncate(samples.len() / self.channels * self.channels);
        Ok(samples)
    }
}

impl Encoder {
    fn new(job: &Job, channels: usize) -> Result<Self, String> {
        let bitrate = if channels == 1 { job.sound_bitrate / 2 } else { job.sound_bitrate };
        let (description, block, delay) = match job.want {
            Want::Opus => {
                let fec = if job.opus_fec { "inband-fec=true packet-loss-percentage=5" } else { "" };
                let opus = format!("opusenc bitrate={bitrate} bitrate-type=constrained-vbr frame-size=20 {fec}");
                (opus, OPUS_BLOCK, 0)
            }
            Want::Aac => {
                let aac = format!("voaacenc bitrate={bitrate} ! capsfilter caps=audio/mpeg,stream-format=raw");
                (aac, AAC_BLOCK, AAC_ENCODER_DELAY)
            }
            Want::PlainH264 => return Err("Pictures are not sound.".into()),
        };
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", RATE as i32)
            .field("channels", channels as i32);
        // Left and right.
        let caps = if channels == 2 { caps.field("channel-mask", gst::Bitmask::new(3)) } else { caps }.build();
        let steady = Steady::new(channels, block);
        let chain = Chain::new(&description, &caps)?;
        Ok(Self { chain, channels, steady, taken: 0, block: block as u64, times: VecDeque::new(), delay })
    }

    fn encode(&mut self, at: i64, samples: &[i16], out: &mut Vec<Message>) -> Result<(), String> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let fields = buffer.get_mut().expect("a new buffer has one owner");
        fields.set_pts(gst::ClockTime::from_nseconds(nanos(self.taken).unsigned_abs()));
        fields.set_duration(gst::ClockTime::from_nseconds(nanos(self.block).unsigned_abs()));
        self.taken += self.block;
        self.times.push_back(at);
        self.chain.push(buffer)?;
        for made in self.chain.take() {
            match made {
                Out::Caps(caps) => self.described(&caps, out)?,
                Out::Buffer(buffer) if buffer.flags().contains(gst::BufferFlags::HEADER) => {}
                Out::Buffer(buffer) => {
                    let Some(at) = self.times.pop_front() else { return Err("The encoder made too much.".into()) };
                    let map = buffer.map_readable().map_err(|error| error.to_string())?;
                    let pts = at.saturating_sub(nanos(self.delay));
                    let data = Bytes::copy_from_slice(&map);
                    out.push(Message::Frame(Coded { pts, dts: pts, keyframe: true, data }));
                }
            }
        }
        if self.times.len() > HELD_BACK_MAX { Err("The encoder makes nothing.".into()) } else { Ok(()) }
    }

    fn described(&mut self, caps: &gst::Caps, out: &mut Vec<Message>) -> Result<(), String> {
        let coding = |codec, config| Coding { codec: Codec::Audio(codec), width: 0, height: 0, config };
        let unexpected = || format!("The encoder makes {caps}.");
        let structure = caps.structure(0).ok_or_else(unexpected)?;
        let bytes = |buffer: &gst::Buffer| {
            buffer.map_readable().map(|map| Bytes::copy_from_slice(&map)).map_err(|error| error.to_string())
        };
        if structure.name() == "audio/x-opus" {
            let headers = structure.get::<gst::Array>("streamheader").map_err(|_| unexpected())?;
            let head = headers.first().and_then(|head| head.get::<gst::Buffer>().ok()).ok_or_else(unexpected)?;
            let head = bytes(&head)?;
            // Pre-skip, in samples at 48 kHz (RFC 7845 §5.1).
            let &[low, high] = head.get(10..12).and_then(|two| two.first_chunk()).ok_or_else(unexpected)?;
            self.delay = u64::from(u16::from_le_bytes([low, high]));
            out.push(Message::Track(coding(AudioCodec::Opus, head)));
        } else {
            let config = structure.get::<gst::Buffer>("codec_data").map_err(|_| unexpected())?;
            out.push(Message::Track(coding(AudioCodec::Aac, bytes(&config)?)));
        }
        Ok(())
    }
}
