//! The answer to a peer that sends (WHIP).

use super::{
    Unacceptable,
    answer::{self, Accepted, Answered},
    codec,
    local::Local,
    offer::Offer,
    section::{Codec, Kind, Section},
};
use crate::agreed::{Extensions, Feedback, Incoming, Payload, RtpCodec};

/// What video we take, best first: every LL-HLS player takes H.264, fewest take VP8.
const VIDEO: [RtpCodec; 5] = [RtpCodec::H264, RtpCodec::Hevc, RtpCodec::Av1, RtpCodec::Vp9, RtpCodec::Vp8];

/// What we ask an Opus sender for: music, not a telephone. 128 kbit/s is transparent in stereo; without
/// it browsers send speech in mono at 32.
const OPUS: &str = "minptime=10;useinbandfec=1;usedtx=0;stereo=1;sprop-stereo=1;maxaveragebitrate=128000";

/// Where libwebrtc begins with video, in kbit/s, instead of 300: otherwise the first seconds of a publish are a quarter
/// as wide, and each step up is a change of format for whoever plays it. A slower line is noticed within a second.
const START_KBITS: u32 = 2_500;

/// An answer to a publisher.
#[derive(Debug, Clone)]
pub struct PublishAnswer {
    /// Its text.
    pub sdp: String,
    /// What will come: at most one section of pictures and one of sound.
    pub incoming: Vec<Incoming>,
}

/// Answers a peer that wants to send: the first section of pictures and the first of sound are received. Of the codecs
/// we know only the best family is answered, so that the sender uses it.
///
/// # Errors
/// [`Unacceptable`] when nothing of the offer can be received.
pub fn publish(offer: &Offer, local: &Local) -> Result<PublishAnswer, Unacceptable> {
    offer.is_answerable()?;
    let mut answers: Vec<Option<Answered>> = offer.description.sections.iter().map(|_| None).collect();
    let mut incoming = Vec::new();
    let mut without_codec = None;
    for kind in [Kind::Video, Kind::Audio] {
        let mut sections = offer.usable().filter(|(_, section)| section.kind == kind && section.direction.sends());
        let Some((at, section)) = sections.next() else { continue };
        if !offer.multiplexes(section) {
            return Err(Unacceptable::NoRtcpMux);
        }
        let payloads = payloads(section);
        if payloads.is_empty() {
            without_codec = Some(section);
            continue;
        }
        let feedback = feedback(section, &payloads);
        let extensions = extensions(section, feedback);
        let rids = if extensions.rid.is_some() { section.rids.clone() } else { Vec::new() };
        incoming.push(Incoming {
            mid: section.mid.clone().unwrap_or_default(),
            video: kind == Kind::Video,
            payloads: payloads.clone(),
            extensions,
            rids: rids.clone(),
            ssrcs: section.ssrcs.clone(),
            feedback,
        });
        if let Some(slot) = answers.get_mut(at) {
            *slot = Some(Answered::Receive(Accepted { payloads, extensions, feedback, rids }));
        }
    }
    // Sound alone must not go live in silence about the pictures that were meant to come with it.
    if let Some(section) = without_codec {
        return Err(no_codec(section));
    }
    if incoming.is_empty() {
        return Err(Unacceptable::Direction("send pictures or sound"));
    }
    Ok(PublishAnswer { sdp: answer::write(&offer.description, &answers, local), incoming })
}

fn payloads(section: &Section) -> Vec<Payload> {
    let of = |family: RtpCodec| section.codecs.iter().filter(move |codec| is_receivable(codec, family));
    if section.kind == Kind::Audio {
        let opus = of(RtpCodec::Opus).take(1);
        return opus.map(|codec| payload(section, codec, RtpCodec::Opus, OPUS)).collect();
    }
    let Some(family) = VIDEO.into_iter().find(|family| of(*family).next().is_some()) else { return Vec::new() };
    let mut codecs: Vec<&Codec> = of(family).collect();
    if family == RtpCodec::H264 {
        // Mode 1 first: mode 0 cuts every picture into slices of one packet.
        codecs.sort_by_key(|codec| codec::packetization_mode(codec) == 0);
    }
    codecs.into_iter().map(|codec| payload(section, codec, family, &video_fmtp(section, codec))).collect()
}

fn video_fmtp(section: &Section, codec: &Codec) -> String {
    if !section.is_libwebrtc {
        return codec.fmtp.clone();
    }
    let separator = if codec.fmtp.is_empty() { "" } else { ";" };
    format!("{}{separator}x-google-start-bitrate={START_KBITS}", codec.fmtp)
}

fn is_receivable(codec: &Codec, family: RtpCodec) -> bool {
    // Interleaved mode (2) reorders NAL units across packets, which nobody sends.
    codec::known(codec) == Some(family) && (family != RtpCodec::H264 || codec::packetization_mode(codec) <= 1)
}

fn payload(section: &Section, codec: &Codec, known: RtpCodec, fmtp: &str) -> Payload {
    let rtx = codec::retransmission(&section.codecs, codec.pt);
    Payload { pt: codec.pt, codec: known, fmtp: fmtp.to_owned(), rtx }
}

/// What every agreed payload type understands.
pub(super) fn feedback(section: &Section, payloads: &[Payload]) -> Feedback {
    let agreed = |has: fn(&Feedback) -> bool| {
        let mut all = payloads.iter().map(|payload| section.codec(payload.pt));
        all.all(|codec| codec.is_some_and(|codec| has(&codec.feedback)))
    };
    Feedback {
        nack: agreed(|it| it.nack),
        pli: agreed(|it| it.pli),
        fir: agreed(|it| it.fir),
        transport_cc: agreed(|it| it.transport_cc) && section.extensions.transport_cc.is_some(),
    }
}

/// The extensions of use to a receiver. What is not agreed on costs the sender no bytes.
fn extensions(section: &Section, feedback: Feedback) -> Extensions {
    let offered = section.extensions;
    Extensions {
        mid: offered.mid,
        rid: offered.rid,
        repaired_rid: offered.repaired_rid,
        transport_cc: offered.transport_cc.filter(|_| feedback.transport_cc),
        abs_send_time: None,
        dependency_descriptor: None,
        playout_delay: None,
    }
}

fn no_codec(section: &Section) -> Unacceptable {
    let wanted = match section.kind {
        Kind::Audio => "takes Opus".to_owned(),
        _ => format!("takes {}", VIDEO.map(codec::name).join(", ")),
    };
    Unacceptable::Codecs { kind: section.kind, offered: offered(section), wanted }
}

/// The codecs of a section, for people, each once.
pub(super) fn offered(section: &Section) -> String {
    const HELPERS: [&str; 7] = ["rtx", "red", "ulpfec", "flexfec-03", "CN", "telephone-event", ""];
    let mut names: Vec<&str> = Vec::new();
    for codec in &section.codecs {
        let is_helper = HELPERS.iter().any(|helper| codec.name.eq_ignore_ascii_case(helper));
        if !is_helper && !names.contains(&codec.name.as_str()) {
            names.push(&codec.name);
        }
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
