//! Chunks as peers cut them, honest and otherwise.

use proptest::prelude::*;

use super::*;
use crate::rtmp::chunks::Writer;

const LIMITS: Limits = Limits { message_bytes_max: 1 << 20, held_bytes_max: 1 << 20, streams_max: 8 };

/// A chunk with a header of format 0.
fn full(id: u8, time: u32, length: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![id];
    out.extend(&time.min(0xff_ffff).to_be_bytes()[1..]);
    out.extend(&length.to_be_bytes()[1..]);
    out.push(kind);
    out.extend(1_u32.to_le_bytes());
    if time >= 0xff_ffff {
        out.extend(time.to_be_bytes());
    }
    out.extend(payload);
    out
}

/// A chunk with a header of format 3.
fn next(id: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xc0 | id], payload].concat()
}

fn read_all(reader: &mut Reader, bytes: &[u8], cut: usize) -> Result<Vec<Message>, ChunkError> {
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(cut.max(1)) {
        while let Some(message) = reader.next(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty(), "all is taken");
    }
    Ok(messages)
}

/// Reads chunks, cut in several ways, and compares `type@timestamp:length` of what comes out.
fn check(chunks: &[Vec<u8>], expected: &str) {
    let bytes = chunks.concat();
    for cut in [1, 2, 3, 5, 17, 64, 1 << 20] {
        let mut reader = Reader::new(LIMITS);
        let told: Vec<String> = match read_all(&mut reader, &bytes, cut) {
            Ok(messages) => messages
                .iter()
                .map(|message| format!("{}@{}:{}", message.kind, message.timestamp, message.payload.len()))
                .collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(told.join(" "), expected, "cut into pieces of {cut}");
    }
}

#[test]
fn chunk_streams_may_interleave() {
    let chunks = [full(6, 0, 200, 9, &[9; 128]), full(4, 5, 10, 8, &[8; 10]), next(6, &[9; 72])];
    check(&chunks, "8@5:10 9@0:200");
    let messages = read_all(&mut Reader::new(LIMITS), &chunks.concat(), 999).unwrap();
    assert!(messages.iter().all(|message| message.payload.iter().all(|byte| *byte == message.kind)));
}

#[test]
fn later_messages_leave_out_what_is_known() {
    let delta = |format: u8, head: &[u8], payload: &[u8]| [&[format << 6 | 4], head, payload].concat();
    check(
        &[
            full(4, 1000, 2, 9, &[1; 2]),
            delta(1, &[0, 0, 20, 0, 0, 3, 8], &[1; 3]),
            delta(2, &[0, 0, 30], &[1; 3]),
            next(4, &[1; 3]),
        ],
        "9@1000:2 8@1020:3 8@1050:3 8@1080:3",
    );
}

#[test]
fn a_message_that_leaves_out_everything_adds_the_first_timestamp_again() {
    check(&[full(4, 23, 1, 8, &[1]), next(4, &[1])], "8@23:1 8@46:1");
}

#[test]
fn extended_timestamps_are_repeated_in_every_chunk() {
    let time = 0x0102_0304_u32;
    let rest = next(6, &[&time.to_be_bytes()[..], &[9; 72]].concat());
    check(&[full(6, time, 200, 9, &[9; 128]), rest], "9@16909060:200");
}

#[test]
fn encoders_that_do_not_repeat_the_extended_timestamp_are_understood() {
    let end = full(5, 1, 1, 8, &[8]);
    check(&[full(6, 0x0102_0304, 200, 9, &[9; 128]), next(6, &[9; 72]), end.clone()], "9@16909060:200 8@1:1");
    check(&[full(6, 0x0102_0304, 130, 9, &[9; 128]), next(6, &[9; 2]), end], "9@16909060:130 8@1:1");
}

#[test]
fn timestamps_wrap() {
    let delta = [vec![0x84], vec![0, 0, 20], vec![1]].concat();
    check(&[full(4, u32::MAX - 9, 1, 8, &[1]), delta], "8@4294967286:1 8@10:1");
}

#[test]
fn empty_messages_are_messages() {
    check(&[full(4, 0, 0, 9, &[]), next(4, &[])], "9@0:0 9@0:0");
}

#[test]
fn a_larger_chunk_size_is_obeyed() {
    check(&[full(2, 0, 4, 1, &[0, 0, 1, 0]), full(4, 0, 256, 9, &[1; 256])], "9@0:256");
    check(&[full(2, 0, 4, 1, &[0x7f, 255, 255, 255]), full(4, 0, 9999, 9, &[1; 9999])], "9@0:9999");
}

#[test]
fn impossible_chunk_sizes_are_refused() {
    check(&[full(2, 0, 4, 1, &[0, 0, 0, 0])], "chunk size 0 is not within 1 to 2147483647");
    check(&[full(2, 0, 4, 1, &[128, 0, 0, 0])], "chunk size 2147483648 is not within 1 to 2147483647");
    check(&[full(2, 0, 3, 1, &[0, 0, 1])], "control message of type 1 is too short");
}

#[test]
fn an_aborted_message_is_forgotten() {
    let chunks = [full(6, 0, 200, 9, &[9; 128]), full(2, 0, 4, 2, &[0, 0, 0, 6]), full(6, 7, 2, 9, &[9; 2])];
    check(&chunks, "9@7:2");
}

#[test]
fn aborting_what_does_not_exist_changes_nothing() {
    check(&[full(2, 0, 4, 2, &[0, 1, 0, 6]), full(6, 7, 2, 9, &[9; 2])], "9@7:2");
}

#[test]
fn a_message_inside_another_is_refused() {
    check(
        &[full(6, 0, 200, 9, &[9; 128]), full(6, 0, 200, 9, &[9; 128])],
        "chunk stream 6 begins a message inside another",
    );
    check(&[next(6, &[])], "chunk stream 6 continues a message that never began");
}

#[test]
fn a_message_that_never_ends_holds_no_more_than_has_come() {
    let mut reader = Reader::new(Limits { message_bytes_max: 16 << 20, held_bytes_max: 16 << 20, ..LIMITS });
    read_all(&mut reader, &full(6, 0, 0xf0_0000, 9, &[9; 128]), 99).unwrap();
    assert!(reader.held_bytes <= WHOLE_BYTES_MAX, "{} bytes for 128", reader.held_bytes);
    for _ in 0..10_000 {
        read_all(&mut reader, &next(6, &[9; 128]), 999).unwrap();
    }
    assert!(reader.held_bytes <= 2 * 10_001 * 128, "{} bytes for 1 280 128", reader.held_bytes);
}

#[test]
fn unfinished_messages_are_limited_together() {
    let chunks: Vec<_> = (3..8).map(|id| full(id, 0, 1 << 18, 9, &[9; 128])).collect();
    let mut reader = Reader::new(Limits { held_bytes_max: 4 * WHOLE_BYTES_MAX, ..LIMITS });
    let refusal = read_all(&mut reader, &chunks.concat(), 999).unwrap_err();
    assert_eq!(refusal, ChunkError::TooMuchUnfinished(4 * WHOLE_BYTES_MAX));
}

#[test]
fn long_messages_are_refused_when_they_begin() {
    check(&[full(6, 0, 0xff_ffff, 9, &[])], "a message of type 9 and 16777215 bytes; at most 1048576 are taken");
    check(&[full(3, 0, 70_000, 20, &[])], "a message of type 20 and 70000 bytes; at most 65536 are taken");
}

#[test]
fn chunk_streams_are_limited() {
    let chunks: Vec<_> = (3..12).map(|id| full(id, 0, 0, 9, &[])).collect();
    check(&chunks, "more than 8 chunk streams");
}

#[test]
fn a_finished_message_is_no_longer_counted() {
    let mut reader = Reader::new(LIMITS);
    for _ in 0..100 {
        read_all(&mut reader, &full(4, 0, 100, 9, &[1; 100]), 7).unwrap();
    }
    assert_eq!(reader.held_bytes, 0);
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_is_cut(
        sizes in prop::collection::vec((2_u8..64, any::<u32>(), 0_usize..2000), 1..20),
        chunk_bytes in 1_u32..700,
        cut in 1_usize..900,
    ) {
        let mut writer = Writer::new();
        let mut bytes = Vec::new();
        writer.set_chunk_bytes(chunk_bytes, &mut bytes);
        for (id, time, size) in &sizes {
            writer.message(*id, *time, 9, 1, &vec![*id; *size], &mut bytes);
        }
        let mut reader = Reader::new(Limits { streams_max: 64, ..LIMITS });
        let messages = read_all(&mut reader, &bytes, cut).unwrap();
        prop_assert_eq!(messages.len(), sizes.len());
        for (message, (id, time, size)) in messages.iter().zip(&sizes) {
            prop_assert_eq!(message.timestamp, *time);
            prop_assert_eq!(&message.payload[..], &vec![*id; *size][..]);
        }
    }

    #[test]
    fn garbage_is_refused_or_waits_within_the_limits(
        bytes in prop::collection::vec(any::<u8>(), 0..4000),
        cut in 1_usize..99,
    ) {
        let mut reader = Reader::new(LIMITS);
        let _ = read_all(&mut reader, &bytes, cut);
        prop_assert!(reader.held_bytes <= LIMITS.held_bytes_max + WHOLE_BYTES_MAX);
        prop_assert!(reader.streams.len() <= LIMITS.streams_max);
        prop_assert!(reader.partial.len() < Header::BYTES_MAX);
    }
}
