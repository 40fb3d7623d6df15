//! What a fuzzer calls: whatever comes, nothing panics. Not part of the interface.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::{
    reload::{self, Query},
    spec::{Part, Timing},
    window::Window,
};

/// Reads `query` as a playlist's query and decides on it, for a young, a running and an ended rendition.
pub fn playlist_query(query: &[u8]) {
    let Ok(query) = std::str::from_utf8(query) else { return };
    let query = Query::parse(query);
    let timing = Timing { part_target: Duration::from_millis(220), target_duration: Duration::from_secs(2) };
    let mut window = Window::new(Duration::ZERO, u64::MAX);
    window.set_target(timing.target());
    for part in 0..=128_u64 {
        for ended in [false, true] {
            let _ = reload::decide(&window, &timing, ended, &query);
        }
        window.push(Part {
            data: Bytes::from_static(b"moof"),
            duration: Duration::from_millis(200),
            independent: part.is_multiple_of(10),
            gap: false,
            program_date_time: SystemTime::UNIX_EPOCH,
            media_time: Duration::from_millis(200) * part as u32,
        });
        if part % 10 == 9 {
            window.end_segment();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_known_query_does_harm() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/playlist_query");
        for input in std::fs::read_dir(corpus).expect("the corpus is in the repository") {
            super::playlist_query(&std::fs::read(input.unwrap().path()).unwrap());
        }
    }
}
