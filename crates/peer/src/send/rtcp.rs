//! Reads compound RTCP (RFC 3550 §6.1), as far as it is for a sender: reports and feedback. Nothing is allocated.

/// Most packets of one compound that are looked at. Browsers send a handful.
const PACKETS_MAX: usize = 32;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// One thing that the peer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A report block (RFC 3550 §6.4.1).
    Report(Report),
    /// A generic NACK (RFC 4585 §6.2.1): the stream, a lost packet, and a bit for each of the 16 after it.
    Nack { ssrc: u32, first: u16, more: u16 },
    /// The stream's pictures are broken (RFC 4585 §6.3.1, RFC 5104 §4.3.1).
    KeyframeWanted { ssrc: u32 },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1) from its base number on.
    TransportCc(&'a [u8]),
}

/// What the peer received of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) ssrc: u32,
    /// Share that was lost since the report before, in 256ths.
    pub(super) fraction_lost: u8,
    /// The middle 32 bits of the NTP timestamp of the last sender report; 0 when there was none.
    pub(super) last_report: u32,
    /// How long ago that came, in 65 536ths of a second.
    pub(super) delay: u32,
}

/// Calls `each` for all that is understood. Stops at the first damage.
pub(super) fn read<'a>(mut compound: &'a [u8], mut each: impl FnMut(Message<'a>)) {
    for _ in 0..PACKETS_MAX {
        let Some((&[flags, kind, l0, l1], rest)) = compound.split_first_chunk() else { return };
        let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let Some((body, after)) = rest.split_at_checked(length) else { return };
        compound = after;
        if flags >> 6 != 2 {
            return;
        }
        let body = if flags & 0x20 == 0 { body } else { unpadded(body) };
        let count = flags & 0x1f;
        match (kind, count) {
            (SENDER_REPORT, _) => reports(body.get(24..).unwrap_or_default(), count, &mut each),
            (RECEIVER_REPORT, _) => reports(body.get(4..).unwrap_or_default(), count, &mut each),
            (TRANSPORT_FEEDBACK, 1) => {
                let Some((ssrc, entries)) = media(body) else { continue };
                for entry in entries.chunks_exact(4) {
                    let &[f0, f1, m0, m1] = entry else { continue };
                    let (first, more) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([m0, m1]));
                    each(Message::Nack { ssrc, first, more });
                }
            }
            (TRANSPORT_FEEDBACK, 15) => {
                if let Some((_, feedback)) = media(body) {
                    each(Message::TransportCc(feedback));
                }
            }
            (PAYLOAD_FEEDBACK, 1) => {
                if let Some((ssrc, _)) = media(body) {
                    each(Message::KeyframeWanted { ssrc });
                }
            }
            (PAYLOAD_FEEDBACK, 4) => {
                // A full intra request names its streams in entries of eight bytes.
                for entry in media(body).map_or(&[][..], |(_, entries)| entries).chunks_exact(8) {
                    if let Some(ssrc) = entry.first_chunk() {
                        each(Message::KeyframeWanted { ssrc: u32::from_be_bytes(*ssrc) });
                    }
                }
            }
            _ => {}
        }
    }
}

fn unpadded(body: &[u8]) -> &[u8] {
    let padding = body.last().copied().map_or(0, usize::from);
    body.len().checked_sub(padding).and_then(|end| body.get(..end)).unwrap_or_default()
}

/// The stream that feedback is about, and what it says.
fn media(body: &[u8]) -> Option<(u32, &[u8])> {
    let (ssrc, rest) = body.get(4..)?.split_first_chunk()?;
    Some((u32::from_be_bytes(*ssrc), rest))
}

fn reports<'a>(blocks: &'a [u8], count: u8, each: &mut impl FnMut(Message<'a>)) {
    let word = |block: &[u8], at: usize| {
        block.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
    };
    for block in blocks.chunks_exact(24).take(usize::from(count)) {
        each(Message::Report(Report {
            ssrc: word(block, 0),
            fraction_lost: block.get(4).copied().unwrap_or_default(),
            last_report: word(block, 16),
            delay: word(block, 20),
        }));
    }
}
