//! The answer to a peer that receives (WHEP).

use super::{
    Unacceptable,
    answer::{self, Accepted, Answered, Sources, random},
    codec::{self, Fit, Source},
    local::Local,
    offer::Offer,
    publish::{feedback, offered},
    section::{Kind, Section},
};
use crate::agreed::{Extensions, Feedback, Outgoing, Payload, RtpCodec};

/// What a viewer is told about the sound it gets.
const OPUS: &str = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1";

/// An answer to a viewer.
#[derive(Debug, Clone)]
pub struct PlayAnswer {
    /// Its text.
    pub sdp: String,
    /// What is to be sent: at most one section of pictures and one of sound.
    pub outgoing: Vec<Outgoing>,
    /// Whether the viewer named a profile that contains the stream's. Only H.264 is answered without: many viewers decode
    /// High without saying so. The caller may re-encode or try.
    pub exact: bool,
}

/// Answers a peer that wants to receive: its first section of pictures and its first of sound get what `sources` has,
/// in the order of `sources` where they are several. A section without a source is refused, and so is a source without
/// a section: a viewer may ask for sound only.
///
/// # Errors
/// [`Unacceptable`] when a section and the sources of its kind have no codec in common, or nothing is left to send.
pub fn play(offer: &Offer, sources: &[Source], local: &Local) -> Result<PlayAnswer, Unacceptable> {
    offer.is_answerable()?;
    let mut answers: Vec<Option<Answered>> = offer.description.sections.iter().map(|_| None).collect();
    let mut outgoing: Vec<Outgoing> = Vec::new();
    let mut exact = true;
    for kind in [Kind::Video, Kind::Audio] {
        let is_video = kind == Kind::Video;
        let sources: Vec<&Source> = sources.iter().filter(|it| (it.codec != RtpCodec::Opus) == is_video).collect();
        let mut sections = offer.usable().filter(|(_, section)| section.kind == kind && section.direction.receives());
        let (false, Some((at, section))) = (sources.is_empty(), sections.next()) else { continue };
        if !offer.multiplexes(section) {
            return Err(Unacceptable::NoRtcpMux);
        }
        let payloads = payloads(section, &sources);
        if payloads.is_empty() {
            let mut names: Vec<&str> = sources.iter().map(|source| codec::name(source.codec)).collect();
            names.dedup();
            let wanted = format!("has {}", names.join(", "));
            return Err(Unacceptable::Codecs { kind, offered: offered(section), wanted });
        }
        exact &= payloads.iter().all(|(_, fit)| *fit > Fit::Beyond);
        let payloads: Vec<Payload> = payloads.into_iter().map(|(payload, _)| payload).collect();
        let mut feedback = feedback(section, &payloads);
        // Who cannot send again under another number cannot send again at all: AEAD seals each number once.
        feedback.nack &= payloads.iter().any(|payload| payload.rtx.is_some());
        let extensions = extensions(section, feedback);
        let ssrc = ssrc(&outgoing, None);
        let rtx_ssrc = feedback.nack.then(|| self::ssrc(&outgoing, Some(ssrc)));
        outgoing.push(Outgoing {
            mid: section.mid.clone().unwrap_or_default(),
            video: is_video,
            payloads: payloads.clone(),
            ssrc,
            rtx_ssrc,
            extensions,
            feedback,
        });
        let accepted = Accepted { payloads, extensions, feedback, rids: Vec::new() };
        if let Some(slot) = answers.get_mut(at) {
            *slot = Some(Answered::Send(accepted, Sources { ssrc, rtx_ssrc }));
        }
    }
    if outgoing.is_empty() {
        return Err(Unacceptable::Direction("receive what this channel has"));
    }
    Ok(PlayAnswer { sdp: answer::write(&offer.description, &answers, local), outgoing, exact })
}

/// For each source the payload type that fits best; none twice.
fn payloads(section: &Section, sources: &[&Source]) -> Vec<(Payload, Fit)> {
    let mut chosen: Vec<(Payload, Fit)> = Vec::new();
    for source in sources {
        let fitting = section.codecs.iter().filter_map(|codec| Some((codec, codec::fit(source, codec)?)));
        // Of equals the first, which the peer likes better.
        let best = fitting.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((codec, fit)) = best else { continue };
        if chosen.iter().any(|(payload, _)| payload.pt == codec.pt) {
            continue;
        }
        let rtx = codec::retransmission(&section.codecs, codec.pt);
        let fmtp = if source.codec == RtpCodec::Opus { OPUS } else { &codec.fmtp };
        chosen.push((Payload { pt: codec.pt, codec: source.codec, fmtp: fmtp.to_owned(), rtx }, fit));
    }
    chosen
}

/// The extensions of use to a sender. Its sections and layers are known by their synchronisation sources.
fn extensions(section: &Section, feedback: Feedback) -> Extensions {
    let offered = section.extensions;
    Extensions {
        rid: None,
        repaired_rid: None,
        transport_cc: offered.transport_cc.filter(|_| feedback.transport_cc),
        ..offered
    }
}

/// A synchronisation source that the session does not have yet.
fn ssrc(outgoing: &[Outgoing], also: Option<u32>) -> u32 {
    loop {
        let ssrc = u32::from_be_bytes(random());
        let is_taken = outgoing.iter().any(|other| other.ssrc == ssrc || other.rtx_ssrc == Some(ssrc));
        if ssrc != 0 && !is_taken && also != Some(ssrc) {
            return ssrc;
        }
    }
}
