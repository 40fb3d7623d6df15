//! One media section of a description, as far as we want it.

use std::fmt;

use super::{BadSdp, lines::Line, transport::Transport};
use crate::agreed::{Extensions, Feedback};

/// Payload types of one section; the m-line can name 128 different ones.
const CODECS_MAX: usize = 128;
/// Longest `a=mid` and `a=rid`, in bytes. They travel in RTP header extensions of 16 bytes (RFC 8285 §4.2) in the
/// one-byte form.
pub(super) const ID_BYTES_MAX: usize = 16;
/// Layers of one simulcast. Browsers make three, OBS four.
const RIDS_MAX: usize = 4;
/// Synchronisation sources of one section that are remembered: a simulcast of four, each with retransmissions.
const SSRCS_MAX: usize = 8;

/// What a media section carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Data channels and whatever else there is.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Other => "other",
        })
    }
}

/// Which way media goes, seen from whoever wrote the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The writer sends.
    SendOnly,
    /// The writer receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    /// Whether the writer may send.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer may receive.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// One payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// RTP payload type, 0 to 127.
    pub pt: u8,
    /// The encoding's name as it was written; empty without `a=rtpmap`.
    pub name: String,
    /// RTP timestamp units a second; 0 without `a=rtpmap`.
    pub clock_rate: u32,
    /// What follows the payload type in `a=fmtp`.
    pub fmtp: String,
    /// Feedback that the writer understands.
    pub feedback: Feedback,
}

/// A media section.
#[derive(Debug, Clone)]
pub struct Section {
    /// What it carries.
    pub kind: Kind,
    /// The media's name in the m-line.
    pub media: String,
    /// The port in the m-line; 0 refuses the section, unless it is `bundle_only`.
    pub port: u16,
    /// The protocol in the m-line.
    pub proto: String,
    /// The first format of the m-line as it was written: an answer that refuses the section repeats it.
    pub format: String,
    /// Payload types in the writer's order.
    pub codecs: Vec<Codec>,
    /// Its name in the BUNDLE group.
    pub mid: Option<String>,
    /// Which way media goes.
    pub direction: Direction,
    /// Header extensions that we know.
    pub extensions: Extensions,
    /// Layers that the writer sends, in its order, at most 4.
    pub rids: Vec<String>,
    /// Media sources and who repairs them, as [`crate::agreed::Incoming::ssrcs`] has them, at most 8.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// RTCP comes on the same transport.
    pub rtcp_mux: bool,
    /// The writer is libwebrtc: Chromium, Safari and what is built of it.
    pub is_libwebrtc: bool,
    /// Port 0 does not refuse the section (RFC 8843 §6).
    pub bundle_only: bool,
    /// ICE and DTLS of this section.
    pub(super) transport: Transport,
    rids_declared: Vec<String>,
    simulcast: Vec<String>,
}

impl Section {
    /// A section from its m-line.
    pub(super) fn parse(line: &Line<'_>) -> Result<Self, BadSdp> {
        let mut words = line.value.split_ascii_whitespace();
        let (Some(media), Some(port), Some(proto)) = (words.next(), words.next(), words.next()) else {
            return Err(line.bad("an m-line has a media, a port, a protocol and formats"));
        };
        let port = port.split('/').next().unwrap_or_default();
        let port = port.parse().map_err(|_| line.bad("the port of an m-line is 0 to 65535"))?;
        let kind = match media {
            "audio" => Kind::Audio,
            "video" => Kind::Video,
            _ => Kind::Other,
        };
        let format = words.clone().next().ok_or_else(|| line.bad("an m-line has at least one format"))?.to_owned();
        let mut codecs: Vec<Codec> = Vec::new();
        if kind != Kind::Other {
            for word in words {
                let pt: u8 = word.parse().map_err(|_| line.bad("a payload type is 0 to 127"))?;
                if pt > 127 {
                    return Err(line.bad("a payload type is 0 to 127"));
                }
                if codecs.iter().any(|codec| codec.pt == pt) {
                    return Err(line.bad("a payload type stands twice in an m-line"));
                }
                if codecs.len() == CODECS_MAX {
                    return Err(line.bad("an m-line has more than 128 payload types"));
                }
                let (name, fmtp, feedback) = (String::new(), String::new(), Feedback::default());
                codecs.push(Codec { pt, name, clock_rate: 0, fmtp, feedback });
            }
        }
        Ok(Self {
            kind,
            media: media.to_owned(),
            port,
            proto: proto.to_owned(),
            format,
            codecs,
            mid: None,
            direction: Direction::default(),
            extensions: Extensions::default(),
            rids: Vec::new(),
            ssrcs: Vec::new(),
            rtcp_mux: false,
            is_libwebrtc: false,
            bundle_only: false,
            transport: Transport::default(),
            rids_declared: Vec::new(),
            simulcast: Vec::new(),
        })
    }

    /// Takes one attribute of the section.
    pub(super) fn attribute(&mut self, line: &Line<'_>) -> Result<(), BadSdp> {
        let (name, value) = line.attribute();
        match name {
            "mid" => self.mid = Some(id(value).ok_or_else(|| line.bad("a mid is a token of at most 16 bytes"))?),
            "rtpmap" => self.rtpmap(value).ok_or_else(|| line.bad("an rtpmap is PT NAME/CLOCK"))?,
            "fmtp" => self.fmtp(value).ok_or_else(|| line.bad("an fmtp is PT PARAMETERS"))?,
            "rtcp-fb" => self.feedback(value).ok_or_else(|| line.bad("an rtcp-fb is PT KIND"))?,
            "extmap" => self.extension(value).ok_or_else(|| line.bad("an extmap is ID URI with ID 1 to 255"))?,
            "rid" => self.rid(value).ok_or_else(|| line.bad("a rid is ID DIRECTION, ID of at most 16 bytes"))?,
            "simulcast" => self.simulcast(value),
            "ssrc" => self.ssrc(value).ok_or_else(|| line.bad("an ssrc is a number of 32 bits"))?,
            "ssrc-group" => self.ssrc_group(value).ok_or_else(|| line.bad("an ssrc-group is a name and numbers"))?,
            "rtcp-mux" => self.rtcp_mux = true,
            "bundle-only" => self.bundle_only = true,
            _ => match Direction::parse(name) {
                Some(direction) => self.direction = direction,
                None => self.transport.attribute(line)?,
            },
        }
        Ok(())
    }

    /// Once every line is read: brings together what stands in several.
    pub(super) fn finish(&mut self) {
        let declared = std::mem::take(&mut self.rids_declared);
        self.rids = std::mem::take(&mut self.simulcast).into_iter().filter(|rid| declared.contains(rid)).collect();
        // One layer is no simulcast, but its packets are still labelled.
        if self.rids.is_empty() && declared.len() == 1 {
            self.rids = declared;
        }
        let repairs: Vec<u32> = self.ssrcs.iter().filter_map(|(_, repair)| *repair).collect();
        self.ssrcs.retain(|(ssrc, _)| !repairs.contains(ssrc));
    }

    /// The codec of a payload type.
    #[must_use]
    pub fn codec(&self, pt: u8) -> Option<&Codec> {
        self.codecs.iter().find(|codec| codec.pt == pt)
    }

    /// Whether the section was refused by whoever wrote it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    fn codec_mut(&mut self, pt: &str) -> Option<Option<&mut Codec>> {
        let pt: u8 = pt.parse().ok()?;
        Some(self.codecs.iter_mut().find(|codec| codec.pt == pt))
    }

    fn rtpmap(&mut self, value: &str) -> Option<()> {
        let (pt, encoding) = value.split_once(' ')?;
        let mut parts = encoding.trim().split('/');
        let (name, clock_rate) = (parts.next()?, parts.next()?.parse().ok()?);
        if let Some(codec) = self.codec_mut(pt)? {
            codec.name = name.to_owned();
            codec.clock_rate = clock_rate;
        }
        Some(())
    }

    fn fmtp(&mut self, value: &str) -> Option<()> {
        let (pt, parameters) = value.split_once(' ')?;
        if let Some(codec) = self.codec_mut(pt)? {
            codec.fmtp = parameters.trim().to_owned();
        }
        Some(())
    }

    fn feedback(&mut self, value: &str) -> Option<()> {
        let (pt, kind) = value.split_once(' ')?;
        let note = |feedback: &mut Feedback| match kind.trim() {
            "nack" => feedback.nack = true,
            "nack pli" => feedback.pli = true,
            "ccm fir" => feedback.fir = true,
            "transport-cc" => feedback.transport_cc = true,
            _ => {}
        };
        if pt == "*" {
            self.codecs.iter_mut().for_each(|codec| note(&mut codec.feedback));
        } else if let Some(codec) = self.codec_mut(pt)? {
            note(&mut codec.feedback);
        }
        Some(())
    }

    fn extension(&mut self, value: &str) -> Option<()> {
        let mut words = value.split_ascii_whitespace();
        let (id, uri) = (words.next()?, words.next()?);
        let id: u16 = id.split('/').next()?.parse().ok()?;
        // Ids from 4096 on are offered to be chosen from (RFC 8285 §5), which nobody does; 15 means nothing.
        let Some(id) = u8::try_from(id).ok().filter(|id| *id != 15) else { return Some(()) };
        if id == 0 {
            return None;
        }
        self.is_libwebrtc |= uri == VIDEO_TIMING;
        if let Some(slot) = slot(&mut self.extensions, uri) {
            *slot = Some(id);
        }
        Some(())
    }

    fn rid(&mut self, value: &str) -> Option<()> {
        let mut words = value.split_ascii_whitespace();
        let (rid, direction) = (id(words.next()?)?, words.next()?);
        if direction == "send" && self.rids_declared.len() < RIDS_MAX && !self.rids_declared.contains(&rid) {
            self.rids_declared.push(rid);
        }
        Some(())
    }

    /// `send h;m,~n;l recv …` (RFC 8853 §5.1): of alternatives the first is taken, paused ones count.
    fn simulcast(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        while let (Some(direction), Some(layers)) = (words.next(), words.next()) {
            if direction == "send" {
                let first = |layer: &str| layer.split(',').next().and_then(|rid| id(rid.trim_start_matches('~')));
                self.simulcast = layers.split(';').take(RIDS_MAX).filter_map(first).collect();
                self.simulcast.dedup();
            }
        }
    }

    fn ssrc(&mut self, value: &str) -> Option<()> {
        let ssrc = value.split(' ').next()?.parse().ok()?;
        let known = self.ssrcs.iter().any(|(media, repair)| *media == ssrc || *repair == Some(ssrc));
        if !known && self.ssrcs.len() < 2 * SSRCS_MAX {
            self.ssrcs.push((ssrc, None));
        }
        Some(())
    }

    fn ssrc_group(&mut self, value: &str) -> Option<()> {
        let mut words = value.split_ascii_whitespace();
        let semantics = words.next()?;
        if semantics != "FID" {
            return Some(());
        }
        let (media, repair) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        if let Some((_, known)) = self.ssrcs.iter_mut().find(|(ssrc, _)| *ssrc == media) {
            *known = Some(repair);
        } else if self.ssrcs.len() < 2 * SSRCS_MAX {
            self.ssrcs.push((media, Some(repair)));
        }
        Some(())
    }
}

fn slot<'a>(extensions: &'a mut Extensions, uri: &str) -> Option<&'a mut Option<u8>> {
    Some(match uri {
        MID => &mut extensions.mid,
        RID => &mut extensions.rid,
        REPAIRED_RID => &mut extensions.repaired_rid,
        TRANSPORT_CC => &mut extensions.transport_cc,
        ABS_SEND_TIME => &mut extensions.abs_send_time,
        DEPENDENCY_DESCRIPTOR => &mut extensions.dependency_descriptor,
        PLAYOUT_DELAY => &mut extensions.playout_delay,
        _ => return None,
    })
}

pub(super) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(super) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
pub(super) const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
pub(super) const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
pub(super) const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
pub(super) const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
pub(super) const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// Nobody else writes it.
const VIDEO_TIMING: &str = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing";

/// A token that fits into a header extension.
pub(super) fn id(text: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&byte);
    (!text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(is_token)).then(|| text.to_owned())
}
