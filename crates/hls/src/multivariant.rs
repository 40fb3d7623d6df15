//! The multivariant playlist (draft-pantos-hls-rfc8216bis §4.4.6): what the stream offers, with measured bit rates.

use std::{
    fmt::{Display, Write},
    time::Duration,
};

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
        self.add(segment.bytes, segment.duration);
    }

    /// Counts a segment of a recording.
    pub(crate) fn add(&mut self, bytes: u64, duration: Duration) {
        self.peak = self.peak.max(rate(bytes, duration));
        self.bytes += bytes;
        self.duration += duration;
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

/// Renders the playlist. URIs are relative to it: `SESSION/RENDITION/index.m3u8`, where the session is what every address
/// of the media carries.
pub(crate) fn render(session: impl Display, renditions: &[(RenditionSpec, Rates)]) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n");
    // Formatting into a `String` has no error to give.
    let _ = write_all(&mut text, &session, renditions);
    text
}

fn write_all(text: &mut String, session: &dyn Display, renditions: &[(RenditionSpec, Rates)]) -> std::fmt::Result {
    let (pictures, sounds): (Vec<_>, Vec<_>) =
        renditions.iter().partition(|(spec, _)| matches!(spec.kind, RenditionKind::Video { .. }));
    if pictures.is_empty() {
        for (spec, rates) in sounds {
            write_variant(text, rates.peak, rates.average(), &spec.codecs)?;
            writeln!(text, "\n{session}/{}/index.m3u8", spec.id)?;
        }
        return Ok(());
    }
    // Sound of one codec is a group, so that a variant promises one codec only and a player picks one it knows.
    let mut groups: Vec<(&str, Vec<&(RenditionSpec, Rates)>)> = Vec::new();
    for sound in &sounds {
        match groups.iter_mut().find(|(codec, _)| *codec == sound.0.codecs) {
            Some((_, group)) => group.push(sound),
            None => groups.push((&sound.0.codecs, vec![sound])),
        }
    }
    for (_, group) in &groups {
        for (index, (spec, _)) in group.iter().enumerate() {
            let (name, default) = (&group[0].0.id, if index == 0 { "YES" } else { "NO" });
            write!(
                text,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{name}\",NAME=\"{}\",DEFAULT={default},AUTOSELECT=YES",
                spec.id
            )?;
            if let RenditionKind::Audio { channels, .. } = spec.kind {
                write!(text, ",CHANNELS=\"{channels}\"")?;
            }
            writeln!(text, ",URI=\"{session}/{}/index.m3u8\"", spec.id)?;
        }
    }
    for picture in &pictures {
        if groups.is_empty() {
            write_pictures(text, session, picture, None)?;
        }
        for (codecs, group) in &groups {
            write_pictures(text, session, picture, Some((*codecs, group.as_slice())))?;
        }
    }
    Ok(())
}

/// One variant: pictures, and the group of sound that goes with them.
fn write_pictures(
    text: &mut String,
    session: &dyn Display,
    (spec, rates): &(RenditionSpec, Rates),
    sound: Option<(&str, &[&(RenditionSpec, Rates)])>,
) -> std::fmt::Result {
    let codecs = sound.map_or_else(|| spec.codecs.clone(), |(codecs, _)| format!("{},{codecs}", spec.codecs));
    // A variant costs its pictures and the fattest sound that may go with them.
    let group = sound.map_or(&[][..], |(_, group)| group);
    let peak = group.iter().map(|(_, rates)| rates.peak).max().unwrap_or(0);
    let average = group.iter().map(|(_, rates)| rates.average()).max().unwrap_or(0);
    write_variant(text, rates.peak + peak, rates.average() + average, &codecs)?;
    if let RenditionKind::Video { width, height, frame_rate } = spec.kind {
        if width > 0 && height > 0 {
            write!(text, ",RESOLUTION={width}x{height}")?;
        }
        if frame_rate.is_finite() && frame_rate > 0.0 {
            write!(text, ",FRAME-RATE={frame_rate:.3}")?;
        }
    }
    if let Some((first, _)) = group.first() {
        write!(text, ",AUDIO=\"{}\"", first.id)?;
    }
    writeln!(text, "\n{session}/{}/index.m3u8", spec.id)
}

fn write_variant(text: &mut String, peak: u64, average: u64, codecs: &str) -> std::fmt::Result {
    let peak = peak.max(1);
    write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\"")
}
