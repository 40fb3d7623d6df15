#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_peer::send::fuzz::sender_rtcp(data));
