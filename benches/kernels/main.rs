//! `cargo bench`: the kernels that all cameras share, each by itself. One file per stage.
//!
//! The floors beside them are what the same work must cost at least on the machine on which they were
//! measured (2 vCPU, Zen 4 class); see `docs/PERFORMANCE.md`.

mod archive;
mod infer;
mod track;

use criterion::{criterion_group, criterion_main};

criterion_group!(kernels, infer::benches, track::benches, archive::benches);
criterion_main!(kernels);
