//! The text of an answer.

use std::fmt::Write as _;

use super::{
    description::Description,
    local::Local,
    section::{self, Section},
};
use crate::agreed::{CNAME, Extensions, Feedback, Payload};

/// A section as we answer it.
pub(super) enum Answered {
    /// We receive what it sends.
    Receive(Accepted),
    /// We send what it receives.
    Send(Accepted, Sources),
}

/// What is agreed on for a section.
pub(super) struct Accepted {
    pub(super) payloads: Vec<Payload>,
    pub(super) extensions: Extensions,
    pub(super) feedback: Feedback,
    pub(super) rids: Vec<String>,
}

/// Synchronisation sources that we send.
pub(super) struct Sources {
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
}

/// Writes the answer to `offer`: one entry a section, `None` refuses it.
pub(super) fn write(offer: &Description, answers: &[Option<Answered>], local: &Local) -> String {
    let pairs = || offer.sections.iter().zip(answers);
    let mut out = String::with_capacity(2048);
    line(&mut out, format_args!("v=0"));
    // The id is a number of 63 bits (RFC 9429 §5.2.1); the version stays, since nothing is offered again.
    line(&mut out, format_args!("o=- {} 1 IN IP4 127.0.0.1", session_id()));
    line(&mut out, format_args!("s=-"));
    line(&mut out, format_args!("t=0 0"));
    if !offer.bundle.is_empty() {
        let accepted = pairs().filter(|(_, answer)| answer.is_some()).filter_map(|(section, _)| section.mid.as_deref());
        let mids: Vec<&str> = accepted.collect();
        line(&mut out, format_args!("a=group:BUNDLE {}", mids.join(" ")));
    }
    if offer.extmap_allow_mixed {
        line(&mut out, format_args!("a=extmap-allow-mixed"));
    }
    line(&mut out, format_args!("a=msid-semantic:WMS *"));
    line(&mut out, format_args!("a=ice-lite"));
    line(&mut out, format_args!("a=ice-options:ice2 trickle"));
    let mut is_first = true;
    for (section, answer) in pairs() {
        match answer {
            Some(answered) => {
                accept(&mut out, section, answered, local, is_first);
                is_first = false;
            }
            None => refuse(&mut out, section),
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).and_then(|()| out.write_str("\r\n")).expect("writing to a String does not fail");
}

fn refuse(out: &mut String, section: &Section) {
    line(out, format_args!("m={} 0 {} {}", section.media, section.proto, section.format));
    line(out, format_args!("c=IN IP4 0.0.0.0"));
    if let Some(mid) = &section.mid {
        line(out, format_args!("a=mid:{mid}"));
    }
    line(out, format_args!("a=inactive"));
}

fn accept(out: &mut String, section: &Section, answered: &Answered, local: &Local, is_first: bool) {
    let (Answered::Receive(accepted) | Answered::Send(accepted, _)) = answered;
    let _ = write!(out, "m={} 9 {}", section.media, section.proto);
    for payload in &accepted.payloads {
        let _ = write!(out, " {}", payload.pt);
    }
    for rtx in accepted.payloads.iter().filter_map(|payload| payload.rtx) {
        let _ = write!(out, " {rtx}");
    }
    out.push_str("\r\nc=IN IP4 0.0.0.0\r\n");
    if let Some(mid) = &section.mid {
        line(out, format_args!("a=mid:{mid}"));
    }
    line(out, format_args!("a=ice-ufrag:{}", local.credentials.ufrag));
    line(out, format_args!("a=ice-pwd:{}", local.credentials.pwd));
    line(out, format_args!("a=fingerprint:{} {}", local.fingerprint.algorithm, local.fingerprint.value));
    line(out, format_args!("a=setup:passive"));
    if is_first {
        for candidate in local.candidates.iter() {
            line(out, format_args!("a={candidate}"));
        }
        line(out, format_args!("a=end-of-candidates"));
    }
    line(out, format_args!("a=rtcp-mux"));
    line(out, format_args!("a=rtcp-rsize"));
    extensions(out, &accepted.extensions);
    let sends = matches!(answered, Answered::Send(..));
    for payload in &accepted.payloads {
        // What we send is sent again over RTX or not at all; a peer may do it otherwise.
        let nack = accepted.feedback.nack && (!sends || payload.rtx.is_some());
        describe(out, section, payload, Feedback { nack, ..accepted.feedback });
    }
    match answered {
        Answered::Receive(accepted) => {
            line(out, format_args!("a=recvonly"));
            for rid in &accepted.rids {
                line(out, format_args!("a=rid:{rid} recv"));
            }
            if accepted.rids.len() > 1 {
                line(out, format_args!("a=simulcast:recv {}", accepted.rids.join(";")));
            }
        }
        Answered::Send(_, sources) => {
            line(out, format_args!("a=sendonly"));
            send(out, section, sources);
        }
    }
}

fn describe(out: &mut String, section: &Section, payload: &Payload, feedback: Feedback) {
    let pt = payload.pt;
    // The name and clock as the offer wrote them: some peers compare letters.
    if let Some(codec) = section.codec(pt) {
        let channels = if codec.clock_rate == 48_000 { "/2" } else { "" };
        line(out, format_args!("a=rtpmap:{pt} {}/{}{channels}", codec.name, codec.clock_rate));
    }
    if !payload.fmtp.is_empty() {
        line(out, format_args!("a=fmtp:{pt} {}", payload.fmtp));
    }
    let kinds = [
        ("nack", feedback.nack),
        ("nack pli", feedback.pli),
        ("ccm fir", feedback.fir),
        ("transport-cc", feedback.transport_cc),
    ];
    for (kind, _) in kinds.into_iter().filter(|(_, agreed)| *agreed) {
        line(out, format_args!("a=rtcp-fb:{pt} {kind}"));
    }
    if let Some(rtx) = payload.rtx {
        line(out, format_args!("a=rtpmap:{rtx} rtx/90000"));
        line(out, format_args!("a=fmtp:{rtx} apt={pt}"));
    }
}

fn extensions(out: &mut String, extensions: &Extensions) {
    let all = [
        (extensions.mid, section::MID),
        (extensions.rid, section::RID),
        (extensions.repaired_rid, section::REPAIRED_RID),
        (extensions.transport_cc, section::TRANSPORT_CC),
        (extensions.abs_send_time, section::ABS_SEND_TIME),
        (extensions.dependency_descriptor, section::DEPENDENCY_DESCRIPTOR),
        (extensions.playout_delay, section::PLAYOUT_DELAY),
    ];
    for (id, uri) in all {
        if let Some(id) = id {
            line(out, format_args!("a=extmap:{id} {uri}"));
        }
    }
}

fn send(out: &mut String, section: &Section, sources: &Sources) {
    let Sources { ssrc, rtx_ssrc } = *sources;
    let track = section.kind;
    line(out, format_args!("a=msid:{CNAME} {track}"));
    if let Some(rtx) = rtx_ssrc {
        line(out, format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
    }
    for ssrc in std::iter::once(ssrc).chain(rtx_ssrc) {
        line(out, format_args!("a=ssrc:{ssrc} cname:{CNAME}"));
        line(out, format_args!("a=ssrc:{ssrc} msid:{CNAME} {track}"));
    }
}

fn session_id() -> u64 {
    u64::from_be_bytes(random()) >> 1
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
