//! The multivariant playlist (draft-pantos-hls-rfc8216bis §4.4.6): what the stream offers, with measured bit rates.

use std::{fmt::Write, time::Duration};

use weir_identity::PublishId;

use crate::{
    playlist::VERSION,
    spec::{RenditionKind, RenditionSpec},
    window::Segment,
};

/// Bit rates of a rendition as they were observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    segments: u64,
    /// Of the fattest segment, in bits a second.
    peak: u64,
    bytes: u64,
    duration: Duration,
}

impl Rates {
    /// Counts a complete segment. A gap tells nothing about rates, but a rendition that begins with one need not be
    /// waited for.
    pub(crate) fn count(&mut self, segment: &Segment) {
        self.segments += 1;
        if segment.gap || segment.duration.is_zero() {
            return;
        }
        self.peak = self.peak.max(rate(segment.bytes, segment.duration));
        self.bytes += segment.bytes;
        self.duration += segment.duration;
    }

    /// Whether nothing was counted yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments == 0
    }

    fn average(&self) -> u64 {
        rate(self.bytes, self.duration)
    }
}

fn rate(bytes: u64, duration: Duration) -> u64 {
    ((bytes as f64 * 8.0 / duration.as_secs_f64().max(0.001)).ceil() as u64).max(1)
}

/// Renders the playlist. URIs are relative to it: `SESSION/RENDITION/index.m3u8`.
pub(crate) fn render(session: PublishId, renditions: &[(RenditionSpec, Rates)]) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n");
    // Formatting into a `String` has no error to give.
    let _ = write_all(&mut text, session, renditions);
    text
}

fn write_all(text: &mut String, session: PublishId, renditions: &[(RenditionSpec, Rates)]) -> std::fmt::Result {
    let (pictures, sounds): (Vec<_>, Vec<_>) =
        renditions.iter().partition(|(spec, _)| matches!(spec.kind, RenditionKind::Video { .. }));
    if pictures.is_empty() {
        for (spec, rates) in sounds {
            write_variant(text, rates.peak, rates.average(), &spec.codecs)?;
            writeln!(text, "\n{session}/{}/index.m3u8", spec.id)?;
        }
        return Ok(());
    }
    for (index, (spec, _)) in sounds.iter().enumerate() {
        let default = if index == 0 { "YES" } else { "NO" };
        write!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{}\",DEFAULT={default},AUTOSELECT=YES",
            spec.id
        )?;
        if let RenditionKind::Audio { channels, .. } = spec.kind {
            write!(text, ",CHANNELS=\"{channels}\"")?;
        }
        writeln!(text, ",URI=\"{session}/{}/index.m3u8\"", spec.id)?;
    }
    // A variant costs its pictures and the fattest sound that may go with them.
    let sound_peak = sounds.iter().map(|(_, rates)| rates.peak).max().unwrap_or(0);
    let sound_average = sounds.iter().map(|(_, rates)| rates.average()).max().unwrap_or(0);
    for (spec, rates) in pictures {
        let mut codecs = spec.codecs.clone();
        let mut named = vec![spec.codecs.as_str()];
        for (sound, _) in &sounds {
            if !named.contains(&sound.codecs.as_str()) {
                named.push(&sound.codecs);
                codecs = format!("{codecs},{}", sound.codecs);
            }
        }
        let sound = if sounds.is_empty() { (0, 0) } else { (sound_peak, sound_average) };
        write_variant(text, rates.peak + sound.0, rates.average() + sound.1, &codecs)?;
        if let RenditionKind::Video { width, height, frame_rate } = spec.kind {
            if width > 0 && height > 0 {
                write!(text, ",RESOLUTION={width}x{height}")?;
            }
            if frame_rate.is_finite() && frame_rate > 0.0 {
                write!(text, ",FRAME-RATE={frame_rate:.3}")?;
            }
        }
        if !sounds.is_empty() {
            text.push_str(",AUDIO=\"audio\"");
        }
        writeln!(text, "\n{session}/{}/index.m3u8", spec.id)?;
    }
    Ok(())
}

fn write_variant(text: &mut String, peak: u64, average: u64, codecs: &str) -> std::fmt::Result {
    let peak = peak.max(1);
    write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\"")
}
