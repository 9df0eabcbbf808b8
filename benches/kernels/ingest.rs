//! Taking packets apart, and the gate.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use pingan::base::{CameraId, StreamKind, Wall};
use pingan::gate::Gate;
use pingan::ingest::direct::sets::Sets;
use pingan::ingest::direct::stream::{Streams, Track};
use pingan::ingest::direct::video::Video;
use pingan::media::{Codec, EncodedUnit, Params, Pts, VideoParams};

/// Baseline, 160x120.
const SPS: &[u8] =
    &[0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x1e, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xc8, 0x3c, 0x48, 0x99, 0x20];
const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];
const UNITS: usize = 50;

pub fn benches(c: &mut Criterion) {
    depacketise(c);
    gate(c);
}

/// Floor: each byte copied once, 0.05 to 0.1 ms for a megabyte, and some ns for each of 700 packets.
fn depacketise(c: &mut Criterion) {
    let bytes = gop();
    let hz = NonZeroU32::new(90_000).expect("invariant: not 0");
    let mut group = c.benchmark_group("depacketise");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("a GOP of 50 pictures in reads of 50 kB", |b| {
        b.iter(|| {
            let video = Video::new(Codec::H264, Sets::new(Codec::H264), 1 << 20);
            let mut streams = Streams::new(Track::new(0, hz, None, video), None);
            let (mut at, mut units) = (0, 0);
            while at < bytes.len() {
                let end = (at + 50_000).min(bytes.len());
                let Ok(used) = streams.take(black_box(&bytes[at..end]), drop) else {
                    unreachable!("the packets are well formed");
                };
                at += used;
                units += streams.ready.drain(..).count();
            }
            assert_eq!(units, UNITS);
        });
    });
}

/// `$`-framed RTP packets (RFC 2326 §10.12) of one GOP: FU-A fragments of 1,400 bytes (RFC 6184 §5.8).
fn gop() -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = 0u16;
    let mut packet = |time: usize, marker: bool, parts: [&[u8]; 2]| {
        let len = 12 + parts[0].len() + parts[1].len();
        out.extend_from_slice(&[b'$', 0, (len >> 8) as u8, len as u8, 0x80, 96 | u8::from(marker) << 7]);
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&(time as u32 * 3_600).to_be_bytes());
        out.extend_from_slice(&7u32.to_be_bytes());
        parts.iter().for_each(|part| out.extend_from_slice(part));
        sequence = sequence.wrapping_add(1);
    };
    for time in 0..UNITS {
        let (kind, len) = if time == 0 { (0x65, 180_000) } else { (0x41, 16_700) };
        if time == 0 {
            packet(time, false, [SPS, &[]]);
            packet(time, false, [PPS, &[]]);
        }
        let body = vec![0x9a; len];
        let pieces = body.chunks(1_400).count();
        for (i, piece) in body.chunks(1_400).enumerate() {
            let (first, last) = (i == 0, i + 1 == pieces);
            let header = [kind & 0xe0 | 28, u8::from(first) << 7 | u8::from(last) << 6 | kind & 0x1f];
            packet(time, last, [&header, piece]);
        }
    }
    out
}

/// Floor: reading 128 bytes, some tens of ns; a sample of calm now and then.
fn gate(c: &mut Criterion) {
    let avcc =
        [&[1, SPS[1], SPS[2], SPS[3], 0xff, 0xe1, 0, SPS.len() as u8], SPS, &[1, 0, PPS.len() as u8], PPS];
    let params = Arc::new(Params::Video(VideoParams {
        codec: Codec::H264,
        width: 640,
        height: 360,
        config: Bytes::from(avcc.concat()),
        rfc6381: "avc1.42C00A".into(),
    }));
    let unit = |n: i64| {
        let len = 2_000 + (n * 7 % 600) as u32;
        let mut data = len.to_be_bytes().to_vec();
        data.extend([0x41, 0x9a, 0x02, 0x05]);
        data.resize(4 + len as usize, 0x55);
        data.into()
    };
    let bodies: Vec<Bytes> = (0..64).map(unit).collect();
    let (camera, mut gate, mut n) = (CameraId::new("a").expect("a valid id"), Gate::new(), 0i64);
    c.bench_function("gate/a unit", |b| {
        b.iter(|| {
            n += 1;
            let key = n % 50 == 1;
            black_box(gate.push(&EncodedUnit {
                camera: camera.clone(),
                stream: StreamKind::Sub,
                connection: 1,
                pts: Pts(n * 3_600),
                dts: Pts(n * 3_600),
                received: Wall(n * 40_000),
                key,
                lost_before: 0,
                params: params.clone(),
                data: bodies[n as usize % bodies.len()].clone(),
            }))
        });
    });
}
