//! What a camera sends over its connection, whatever it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pingan::ingest::direct::stream::read_anything(input));
