//! The RTP header (RFC 3550 §5.1) and its extension elements (RFC 8285).

use std::ops::Range;

/// Bytes of the header without contributing sources and extensions.
pub const FIXED_BYTES: usize = 12;
/// `defined by profile` of the one-byte form (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;
/// `defined by profile` of the two-byte form, without its four application bits (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x1000;
/// The highest id of the one-byte form; 15 ends the list (RFC 8285 §4.2).
const ONE_BYTE_ID_MAX: u8 = 14;
/// Bytes of the longest element of the one-byte form.
const ONE_BYTE_LENGTH_MAX: usize = 16;

/// A packet that is no RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// It ends before what its header announces.
    #[error("the packet is cut short")]
    Short,
    /// Its version is not 2.
    #[error("the packet is not of RTP version 2")]
    Version,
    /// Its padding is empty or longer than what it carries.
    #[error("the padding does not fit the packet")]
    Padding,
}

/// The fixed part of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// For video: the last packet of a picture.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Media time in units of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// A packet taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The fixed part of the header.
    pub header: Header,
    /// The extension elements.
    pub extensions: Elements<'a>,
    /// Where the payload lies in the packet, without padding. May be empty.
    pub payload: Range<usize>,
}

impl Header {
    /// Takes a packet apart. Extensions of an unknown form are skipped, as RFC 3550 §5.3.1 allows.
    ///
    /// # Errors
    /// [`BadPacket`] when it is no RTP packet.
    pub fn parse(packet: &[u8]) -> Result<Parsed<'_>, BadPacket> {
        let &[flags, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ref rest @ ..] = packet else {
            return Err(BadPacket::Short);
        };
        if flags >> 6 != 2 {
            return Err(BadPacket::Version);
        }
        let mut rest = rest.get(usize::from(flags & 15) * 4..).ok_or(BadPacket::Short)?;
        let mut extensions = Elements { form: Form::None, data: &[] };
        if flags & 0x10 != 0 {
            let (&[p0, p1, l0, l1], after) = rest.split_first_chunk().ok_or(BadPacket::Short)?;
            let words = usize::from(u16::from_be_bytes([l0, l1]));
            let (data, after) = after.split_at_checked(words * 4).ok_or(BadPacket::Short)?;
            extensions = Elements { form: Form::of(u16::from_be_bytes([p0, p1])), data };
            rest = after;
        }
        let mut end = packet.len();
        if flags & 0x20 != 0 {
            let padding = rest.last().copied().map_or(0, usize::from);
            if padding == 0 || padding > rest.len() {
                return Err(BadPacket::Padding);
            }
            end -= padding;
        }
        let header = Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok(Parsed { header, extensions, payload: packet.len() - rest.len()..end })
    }

    /// Appends this header with extension elements (id and bytes), in the one-byte form where all of them fit it. The
    /// payload is the caller's to append. Elements with id 0, or longer than 255 bytes, cannot be written and are left
    /// out; an element of no bytes takes the two-byte form.
    pub fn write(&self, extensions: &[(u8, &[u8])], out: &mut Vec<u8>) {
        let writable = || extensions.iter().filter(|(id, data)| *id != 0 && data.len() <= usize::from(u8::MAX));
        let extended = writable().next().is_some();
        out.push(0x80 | u8::from(extended) << 4);
        out.push(u8::from(self.marker) << 7 | self.payload_type & 0x7f);
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        if !extended {
            return;
        }
        let short =
            writable().all(|(id, data)| *id <= ONE_BYTE_ID_MAX && (1..=ONE_BYTE_LENGTH_MAX).contains(&data.len()));
        out.extend(if short { ONE_BYTE } else { TWO_BYTE }.to_be_bytes());
        let length_at = out.len();
        out.extend([0; 2]);
        for (id, data) in writable() {
            let length = data.len() as u8; // at most 255, see `writable`
            if short {
                out.push(id << 4 | (length - 1));
            } else {
                out.extend([*id, length]);
            }
            out.extend(*data);
        }
        let bytes = out.len() - length_at - 2;
        let words = bytes.div_ceil(4);
        out.resize(length_at + 2 + words * 4, 0);
        // 255 elements of 257 bytes are 16 384 words: a count of words always fits.
        let words = u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes();
        out.splice(length_at..length_at + 2, words);
    }
}

/// The extension elements of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elements<'a> {
    form: Form,
    data: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    OneByte,
    TwoByte,
}

impl Form {
    fn of(profile: u16) -> Self {
        match profile {
            ONE_BYTE => Self::OneByte,
            _ if profile & 0xfff0 == TWO_BYTE => Self::TwoByte,
            _ => Self::None,
        }
    }
}

impl<'a> Elements<'a> {
    /// The first element with this id.
    #[must_use]
    pub fn get(self, id: u8) -> Option<&'a [u8]> {
        self.into_iter().find_map(|(found, data)| (found == id).then_some(data))
    }

    /// An element that is a number of 16 bits, such as a transport-wide sequence number.
    #[must_use]
    pub fn get_u16(self, id: u8) -> Option<u16> {
        let &[high, low, ..] = self.get(id)? else { return None };
        Some(u16::from_be_bytes([high, low]))
    }

    /// An element that is text, such as a MID.
    #[must_use]
    pub fn get_str(self, id: u8) -> Option<&'a str> {
        std::str::from_utf8(self.get(id)?).ok().filter(|text| !text.is_empty())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    /// Stops at the end, and at the first element that does not fit.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&first, rest) = self.data.split_first()?;
            if first == 0 {
                self.data = rest; // padding
                continue;
            }
            let (id, length, rest) = match self.form {
                Form::None => return None,
                Form::OneByte if first >> 4 > ONE_BYTE_ID_MAX => return None,
                Form::OneByte => (first >> 4, usize::from(first & 15) + 1, rest),
                Form::TwoByte => {
                    let (&length, rest) = rest.split_first()?;
                    (first, usize::from(length), rest)
                }
            };
            let (data, rest) = rest.split_at_checked(length)?;
            self.data = rest;
            return Some((id, data));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { marker: true, payload_type: 96, sequence: 65_535, timestamp: 0xdead_beef, ssrc: 0x0102_0304 };

    fn written(extensions: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        HEADER.write(extensions, &mut packet);
        packet.extend(payload);
        packet
    }

    #[test]
    fn a_plain_packet_is_read_back() {
        let packet = written(&[], b"media");
        let parsed = Header::parse(&packet).unwrap();
        assert_eq!(parsed.header, HEADER);
        assert_eq!(&packet[parsed.payload], b"media");
        assert_eq!(parsed.extensions.count(), 0);
    }

    #[test]
    fn extensions_are_found_by_id_in_both_forms() {
        for (id, form) in [(14, [0xbe, 0xde]), (15, [0x10, 0])] {
            let packet = written(&[(3, &[1, 2]), (id, b"video")], b"media");
            assert_eq!(packet[12..14], form);
            let parsed = Header::parse(&packet).unwrap();
            assert_eq!(parsed.extensions.get_u16(3), Some(0x0102));
            assert_eq!(parsed.extensions.get_str(id), Some("video"));
            assert_eq!(parsed.extensions.get(4), None);
            assert_eq!(&packet[parsed.payload], b"media");
        }
    }

    #[test]
    fn contributing_sources_and_padding_are_no_payload() {
        let mut packet = written(&[], b"");
        packet[0] |= 0x20 | 2;
        packet.extend([9; 8]);
        packet.extend(b"media\0\0\x03");
        let parsed = Header::parse(&packet).unwrap();
        assert_eq!(&packet[parsed.payload], b"media");
    }

    #[test]
    fn padding_longer_than_the_packet_is_refused() {
        for padding in [0, 6] {
            let mut packet = written(&[], b"1234");
            packet[0] |= 0x20;
            packet.push(padding);
            assert_eq!(Header::parse(&packet), Err(BadPacket::Padding));
        }
        let mut packet = written(&[], b"1234");
        packet[0] |= 0x20;
        packet.push(5);
        assert!(Header::parse(&packet).unwrap().payload.is_empty());
    }

    #[test]
    fn an_id_of_15_ends_the_one_byte_form() {
        let mut packet = written(&[(1, &[7]), (2, &[8])], b"");
        packet[18] = 0xf0;
        assert_eq!(Header::parse(&packet).unwrap().extensions.count(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(parsed) = Header::parse(&packet) {
                prop_assert!(packet.get(parsed.payload).is_some());
                prop_assert!(parsed.extensions.count() <= packet.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            elements in prop::collection::btree_map(1_u8..=20, prop::collection::vec(any::<u8>(), 0..20), 0..6),
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let elements: Vec<_> = elements.iter().map(|(id, data)| (*id, data.as_slice())).collect();
            let packet = written(&elements, &payload);
            let parsed = Header::parse(&packet).unwrap();
            prop_assert_eq!(parsed.extensions.collect::<Vec<_>>(), elements);
            prop_assert_eq!(&packet[parsed.payload], payload);
        }
    }
}
