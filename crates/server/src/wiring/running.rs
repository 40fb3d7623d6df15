//! The streams that run on this node, for whoever asks how they are.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use weir_control::{HealthInfo, HealthMessage};
use weir_identity::{ChannelName, PublishId};
use weir_media::Live;
use weir_packager::stream::Stream;

/// Over how long a bit rate is measured at least.
const MEASURED_OVER: Duration = Duration::from_secs(2);

/// Shared by the actor that owns the streams and by who asks. Holds what runs, and nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<ChannelName, Entry>>>);

#[derive(Debug)]
struct Entry {
    stream: Stream,
    rate: Option<Rate>,
}

/// What came in of one publish up to a moment.
#[derive(Debug, Clone, Copy)]
struct Rate {
    publish: PublishId,
    at: Instant,
    bytes: u64,
    bits_per_second: u64,
}

impl Running {
    /// A channel's stream begins, in place of another.
    pub(crate) fn began(&self, channel: &ChannelName, stream: Stream) {
        self.0.lock().insert(channel.clone(), Entry { stream, rate: None });
    }

    /// A channel's stream is over.
    pub(crate) fn ended(&self, channel: &ChannelName) {
        self.0.lock().remove(channel);
    }

    /// How a publish is.
    pub(crate) fn health(&self, live: &Live) -> HealthInfo {
        let (report, bitrate) = {
            let mut running = self.0.lock();
            let entry = running.get_mut(&live.publish.channel);
            let report = entry.as_ref().map(|entry| entry.stream.health()).unwrap_or_default();
            (report, entry.and_then(|entry| entry.bitrate(live)))
        };
        let advice = report.advice().into_iter();
        let advice = advice.map(|advice| HealthMessage { subject: advice.subject.into(), text: advice.text });
        let notices = live.notices().into_iter();
        let notices = notices.map(|notice| HealthMessage { subject: notice.subject.into(), text: notice.text.into() });
        HealthInfo {
            live: true,
            protocol: Some(live.publish.protocol),
            bitrate,
            frame_rate: report.frame_rate,
            keyframe_interval: report.keyframe_interval.map(|interval| interval.as_secs_f64()),
            b_frames: Some(report.b_frames),
            dropped_frames: Some(report.dropped_frames),
            clock_jumps: Some(report.clock_jumps),
            skips: Some(report.skips),
            codecs: live.tracks().iter().map(|track| track.params.rfc6381().to_owned()).collect(),
            messages: advice.chain(notices).collect(),
        }
    }
}

impl Entry {
    /// Since the last time it was asked, or since the publish began.
    fn bitrate(&mut self, live: &Live) -> Option<u64> {
        let (now, bytes) = (Instant::now(), live.counts.bytes.load(Relaxed));
        let known = self.rate.filter(|rate| rate.publish == live.id);
        if let Some(rate) = known.filter(|rate| now - rate.at < MEASURED_OVER) {
            return Some(rate.bits_per_second);
        }
        let (span, before) = match known {
            Some(rate) => (now - rate.at, rate.bytes),
            None => (live.started.elapsed().ok()?, 0),
        };
        let bits = 8.0 * bytes.saturating_sub(before) as f64;
        let bits_per_second = (bits / span.as_secs_f64().max(0.1)) as u64;
        self.rate = Some(Rate { publish: live.id, at: now, bytes, bits_per_second });
        Some(bits_per_second)
    }
}
