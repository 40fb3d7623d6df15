//! One frame as RTP payloads, shared by all viewers.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use weir_media::{Frame, Timestamp, TrackId};

use crate::agreed::RtpCodec;

/// Longest datagram that is made, in bytes: what passes every tunnel that carries IPv6 (1 280) with room for the
/// headers of a relay.
pub const DATAGRAM_MAX: usize = 1200;
/// Bytes of a datagram that are kept for what is written per viewer: the RTP header (12), extensions (MID of up to 3
/// characters, playout delay, transport-wide number, absolute send time: 20), the original sequence number of a
/// retransmission (2) and the authentication tag (16).
const OVERHEAD_MAX: usize = 12 + 20 + 2 + 16;
/// Longest RTP payload, in bytes.
pub const PAYLOAD_MAX: usize = DATAGRAM_MAX - OVERHEAD_MAX;

/// The RTP payloads of one frame. What differs from viewer to viewer (header, picture number) is not in here.
#[derive(Debug)]
pub struct Packets {
    /// Whose frame it was.
    pub track: TrackId,
    /// When it is shown or heard.
    pub pts: Timestamp,
    /// A viewer may begin here. Always true for sound.
    pub keyframe: bool,
    /// When the frame's last byte came in.
    pub arrived: Instant,
    /// What the payloads are.
    pub codec: RtpCodec,
    /// Bytes of all payloads together.
    pub bytes: usize,
    /// The frame, which most payload bytes stay in.
    data: Bytes,
    /// Payload headers, and payloads that are gathered from small parts.
    heads: Vec<u8>,
    pieces: Vec<Piece>,
}

/// One payload: bytes of `heads`, then bytes of `data`.
#[derive(Debug, Clone, Copy)]
struct Piece {
    head: u32,
    body: u32,
    head_bytes: u16,
    body_bytes: u16,
}

impl Packets {
    /// How many packets it is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nothing is to be sent. Never so for what [`super::Packetizer`] made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The two parts of a payload, which follow each other on the wire; empty beyond the last.
    #[must_use]
    pub fn payload(&self, index: usize) -> (&[u8], &[u8]) {
        let Some(piece) = self.pieces.get(index) else { return (&[], &[]) };
        let head = piece.head as usize;
        let body = piece.body as usize;
        (
            self.heads.get(head..head + usize::from(piece.head_bytes)).unwrap_or_default(),
            self.data.get(body..body + usize::from(piece.body_bytes)).unwrap_or_default(),
        )
    }

    /// Whether it is video.
    #[must_use]
    pub fn is_video(&self) -> bool {
        self.codec != RtpCodec::Opus
    }
}

/// Collects the payloads of a frame.
pub(super) struct Writer {
    data: Bytes,
    heads: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Writer {
    pub(super) fn new(data: Bytes) -> Self {
        let packets = data.len() / PAYLOAD_MAX + 2;
        Self { data, heads: Vec::with_capacity(packets * 4), pieces: Vec::with_capacity(packets), bytes: 0 }
    }

    /// Appends a payload of `head` and then `length` bytes of the frame from `start` on.
    pub(super) fn push(&mut self, head: &[u8], start: usize, length: usize) {
        let at = self.heads.len() as u32; // frames are far smaller than 4 GiB
        self.heads.extend_from_slice(head);
        self.pieces.push(Piece {
            head: at,
            body: start as u32,
            head_bytes: head.len() as u16,
            body_bytes: length as u16,
        });
        self.bytes += head.len() + length;
    }

    pub(super) fn finish(self, frame: &Frame, codec: RtpCodec) -> Arc<Packets> {
        Arc::new(Packets {
            track: frame.track,
            pts: frame.pts,
            keyframe: frame.keyframe,
            arrived: frame.arrived,
            codec,
            bytes: self.bytes,
            data: self.data,
            heads: self.heads,
            pieces: self.pieces,
        })
    }
}
