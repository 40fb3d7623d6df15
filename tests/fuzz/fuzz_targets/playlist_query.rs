#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_hls::fuzz::playlist_query(data));
