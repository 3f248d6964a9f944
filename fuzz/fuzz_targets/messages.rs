#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| spaxos_fuzz::wire::messages(data));
