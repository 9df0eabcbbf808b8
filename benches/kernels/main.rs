//! `cargo bench`: the kernels that all cameras share, each by itself. One file per stage.
//!
//! The floors beside them are what the same work must cost at least on the machine on which they were
//! measured (2 vCPU, Zen 4 class); see `docs/PERFORMANCE.md`.

mod archive;
mod infer;
mod ingest;
mod track;

use criterion::{criterion_group, criterion_main};

criterion_group!(kernels, ingest::benches, infer::benches, track::benches, archive::benches);
criterion_main!(kernels);
