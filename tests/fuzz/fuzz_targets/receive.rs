#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_peer::receive::fuzz::receive(data));
