//! Building one fragment: its tables, and the one copy of its data into the buffer that is written.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use pingan::archive::fmp4::{Sample, Track, encode_tables};
use pingan::base::Wall;

/// Floor: the GOP's megabyte copied once, 0.05 to 0.1 ms.
pub fn benches(c: &mut Criterion) {
    let sample = |i: usize| Sample {
        data: Bytes::from(vec![i as u8; if i == 0 { 180_000 } else { 16_700 }]),
        duration: 3_600,
        offset: 0,
        key: i == 0,
    };
    let video = Track { start: 0, samples: (0..50).map(sample).collect() };
    let bytes: usize = video.samples.iter().map(|s| s.data.len()).sum();
    let mut out = Vec::with_capacity(bytes + 8192);
    let mut group = c.benchmark_group("fragment");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("a GOP of 50 pictures, 1 MB", |b| {
        b.iter(|| {
            out.clear();
            let made = encode_tables(&mut out, 1, Wall(0), black_box(&video), &Track::default());
            black_box(made).expect("the fragment fits the format");
            video.samples.iter().for_each(|s| out.extend_from_slice(&s.data));
        });
    });
}
