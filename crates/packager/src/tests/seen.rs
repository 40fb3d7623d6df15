//! What a viewer of a playlist sees: its text taken apart, and the media behind it.

use std::{io::Write as _, process::Command};

use bytes::Bytes;
use weir_hls::{Resource, Stream, reload};

/// A part as listed.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) duration: f64,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
    pub(crate) data: Bytes,
}

/// A segment as listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    pub(crate) duration: f64,
    pub(crate) discontinuity: bool,
    pub(crate) gap: bool,
    pub(crate) init: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) data: Bytes,
}

/// One rendition's playlist, with what it lists.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) segments: Vec<Segment>,
    pub(crate) inits: Vec<(String, Bytes)>,
}

async fn fetch(stream: &Stream, rendition: &str, name: &str) -> Bytes {
    let resource = Resource::parse(name).unwrap_or_else(|| panic!("{name}"));
    let (body, _) = stream.resource(rendition, resource).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    body.chunks().concat().into()
}

fn attribute(line: &str, name: &str) -> Option<String> {
    let at = line.find(&format!("{name}="))? + name.len() + 1;
    let rest = &line[at..];
    let end = if let Some(quoted) = rest.strip_prefix('"') {
        return Some(quoted[..quoted.find('"')?].to_owned());
    } else {
        rest.find(',').unwrap_or(rest.len())
    };
    Some(rest[..end].to_owned())
}

impl Seen {
    /// Reads a rendition as it is now.
    pub(crate) async fn of(stream: &Stream, rendition: &str) -> Self {
        let reply = stream.media_playlist(rendition, reload::Query::default()).await.expect("a playlist");
        let text = String::from_utf8(reply.playlist.plain().to_vec()).expect("text");
        let mut seen = Self { text: text.clone(), ..Self::default() };
        let mut open = Segment::default();
        let mut init = String::new();
        for line in text.lines() {
            let name = |uri: String| uri.rsplit('/').next().unwrap_or_default().to_owned();
            if line.starts_with("#EXT-X-PART:") {
                let uri = name(attribute(line, "URI").expect("a name"));
                let gap = line.contains("GAP=YES");
                let data = if gap { Bytes::new() } else { fetch(stream, rendition, &uri).await };
                open.parts.push(Part {
                    duration: attribute(line, "DURATION").expect("a duration").parse().expect("a number"),
                    independent: line.contains("INDEPENDENT=YES"),
                    gap,
                    data,
                });
            } else if line == "#EXT-X-GAP" {
                open.gap = true;
            } else if line == "#EXT-X-DISCONTINUITY" {
                open.discontinuity = true;
            } else if line.starts_with("#EXT-X-MAP:") {
                init = name(attribute(line, "URI").expect("a name"));
                seen.inits.push((init.clone(), fetch(stream, rendition, &init).await));
            } else if let Some(length) = line.strip_prefix("#EXTINF:") {
                open.duration = length.trim_end_matches(',').parse().expect("a number");
            } else if !line.starts_with('#') && !line.is_empty() {
                open.init.clone_from(&init);
                if !open.gap {
                    open.data = fetch(stream, rendition, &name(line.to_owned())).await;
                }
                seen.segments.push(std::mem::take(&mut open));
            }
        }
        seen
    }

    /// All media with its initialization sections, as one file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut init = String::new();
        for segment in &self.segments {
            if segment.init != init {
                init.clone_from(&segment.init);
                let (_, data) = self.inits.iter().find(|(name, _)| *name == init).expect("its init");
                out.extend_from_slice(data);
            }
            out.extend_from_slice(&segment.data);
        }
        out
    }
}

/// What a `moof` says: where it starts, and each sample's duration, composition offset and whether it is a sync sample.
pub(crate) struct Moof {
    pub(crate) tfdt: u64,
    pub(crate) samples: Vec<(u32, u32, bool)>,
}

fn boxes(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    let mut rest = data;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().expect("four")) as usize;
        found.push((&rest[4..8], &rest[8..size]));
        rest = &rest[size..];
    }
    assert!(rest.is_empty(), "whole boxes only");
    found
}

fn inner<'a>(data: &'a [u8], kind: &[u8]) -> &'a [u8] {
    boxes(data).into_iter().find(|(of, _)| *of == kind).expect("the box").1
}

/// Every `moof` of some media.
pub(crate) fn moofs(data: &[u8]) -> Vec<Moof> {
    let word = |data: &[u8], at: usize| u32::from_be_bytes(data[at..at + 4].try_into().expect("four"));
    let of = |moof: &[u8]| {
        let traf = inner(moof, b"traf");
        let tfdt = inner(traf, b"tfdt");
        let tfdt = if tfdt[0] == 1 {
            u64::from_be_bytes(tfdt[4..12].try_into().expect("eight"))
        } else {
            u64::from(word(tfdt, 4))
        };
        let tfhd = inner(traf, b"tfhd");
        let flags = word(tfhd, 0);
        let mut at = 8;
        let mut next = |flag: u32| {
            (flags & flag != 0).then(|| {
                at += 4;
                word(tfhd, at - 4)
            })
        };
        let (duration, _, default_flags) = (next(8), next(0x10), next(0x20));
        let trun = inner(traf, b"trun");
        let (flags, count) = (word(trun, 0), word(trun, 4));
        let mut at = 8;
        let mut next = |flag: u32| {
            (flags & flag != 0).then(|| {
                at += 4;
                word(trun, at - 4)
            })
        };
        next(1);
        let mut first = next(4);
        let samples = (0..count).map(|_| {
            let duration = next(0x100).or(duration).expect("a duration");
            next(0x200);
            let flags = next(0x400).or(first.take()).or(default_flags).expect("flags");
            (duration, next(0x800).unwrap_or(0), flags & 0x1_0000 == 0)
        });
        Moof { tfdt, samples: samples.collect() }
    };
    boxes(data).into_iter().filter(|(kind, _)| *kind == b"moof").map(|(_, moof)| of(moof)).collect()
}

/// What a tool prints on both channels; the file's name stands for `{}`.
pub(crate) fn tool(name: &str, args: &[&str], file: &[u8]) -> String {
    let mut temp = tempfile::Builder::new().suffix(".mp4").tempfile().expect("a file");
    temp.write_all(file).expect("written");
    let path = temp.path().to_str().expect("a name").to_owned();
    let args = args.iter().map(|arg| if *arg == "{}" { path.as_str() } else { arg });
    let output = Command::new(name).args(args).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
