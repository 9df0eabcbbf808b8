//! Parameter sets and slice headers of any bytes: `cargo +nightly fuzz run slice_headers`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pingan::media::slice::probe;

fuzz_target!(|data: &[u8]| {
    probe(data);
});
