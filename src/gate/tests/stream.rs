//! A camera made of nothing but slice headers: its pictures have the sizes and QPs that a test says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::base::{CameraId, StreamKind, Wall};
use crate::gate::{Gate, Verdict};
use crate::media::{Codec, EncodedUnit, Params, Pts, VideoParams};

pub(super) const FPS: u32 = 25;
const GOP: u64 = 50;

/// Writes bits, high ones first.
#[derive(Default)]
struct Writer {
    bits: Vec<bool>,
}

impl Writer {
    fn u(mut self, width: u32, value: u32) -> Self {
        self.bits.extend((0..width).rev().map(|i| value >> i & 1 == 1));
        self
    }

    fn ue(self, value: u32) -> Self {
        let width = 32 - (value + 1).leading_zeros();
        self.u(width - 1, 0).u(width, value + 1)
    }

    fn se(self, value: i32) -> Self {
        self.ue(if value > 0 { value as u32 * 2 - 1 } else { value.unsigned_abs() * 2 })
    }

    fn nal(mut self, header: u8) -> Vec<u8> {
        self.bits.push(true);
        let byte = |c: &[bool]| c.iter().fold(0, |b, &bit| b << 1 | u8::from(bit)) << (8 - c.len());
        let bytes = self.bits.chunks(8).map(byte);
        std::iter::once(header).chain(bytes).collect()
    }
}

/// Baseline, 640x368, output order is decoding order (ITU-T H.264 §7.3.2.1.1, §7.3.2.2).
pub(super) fn params(init_qp: i32) -> Arc<Params> {
    let sps = Writer::default().u(8, 66).u(8, 0).u(8, 30).ue(0).ue(0).ue(2).ue(1).u(1, 0).ue(39).ue(22);
    let sps = sps.u(1, 1).u(1, 1).u(2, 0).nal(0x67);
    let pps = Writer::default().ue(0).ue(0).u(2, 0).ue(0).ue(0).ue(0).u(3, 0).se(init_qp - 26).se(0).se(0);
    let pps = pps.u(3, 0).nal(0x68);
    let mut config = vec![1, 66, 0, 30, 0xff, 0xe1, 0, sps.len() as u8];
    config.extend(sps);
    config.extend([1, 0, pps.len() as u8]);
    config.extend(pps);
    let config = Bytes::from(config);
    Arc::new(Params::Video(VideoParams {
        codec: Codec::H264,
        width: 640,
        height: 368,
        config,
        rfc6381: String::new(),
    }))
}

/// A slice of `size` bytes (§7.3.3).
fn slice(key: bool, size: usize, qp: i32, init_qp: i32) -> Vec<u8> {
    let head = Writer::default().ue(0).ue(if key { 7 } else { 5 }).ue(0).u(4, 0);
    let head = if key { head.ue(0).u(2, 0) } else { head.u(2, 0).u(1, 0) };
    let mut nal = head.se(qp - init_qp).nal(if key { 0x65 } else { 0x41 });
    nal.resize(size.max(nal.len()), 0xaa);
    nal
}

pub(super) fn unit_of(slices: &[Vec<u8>]) -> Bytes {
    let with_length = |nal: &Vec<u8>| [&(nal.len() as u32).to_be_bytes()[..], nal].concat();
    slices.iter().flat_map(with_length).collect::<Vec<_>>().into()
}

/// A camera and its gate, with a second's verdicts at a time.
pub(super) struct Camera {
    pub gate: Gate,
    pub params: Arc<Params>,
    pub init_qp: i32,
    pub slices: usize,
    /// Standard deviation of sizes, as a part of them (log-normal).
    pub noise: f32,
    /// Every so many units something was lost before one, which then holds the rest of others too; 0:
    /// never.
    pub lose_every: u64,
    pub connection: u32,
    count: u64,
    since_key: u64,
    started: u64,
    rng: StdRng,
}

impl Camera {
    pub fn new(noise: f32) -> Camera {
        Camera {
            gate: Gate::new(),
            params: params(26),
            init_qp: 26,
            slices: 1,
            noise,
            lose_every: 0,
            connection: 1,
            count: 0,
            since_key: 0,
            started: 0,
            rng: StdRng::seed_from_u64(7),
        }
    }

    pub fn now(&self) -> Wall {
        let us = self.count * 1_000_000 / u64::from(FPS);
        Wall::from_secs(1_700_000_000) + Duration::from_micros(us)
    }

    pub fn reconnect(&mut self) {
        self.connection += 1;
        self.since_key = 0;
        self.started = self.count;
    }

    /// The next unit, its predicted picture of about `size` bytes.
    pub fn unit(&mut self, size: f32, qp: i32) -> EncodedUnit {
        let key = self.since_key.is_multiple_of(GOP);
        // The sum of twelve even draws is as good as normal.
        let normal = (0..12).map(|_| self.rng.random::<f32>()).sum::<f32>() - 6.0;
        let size = if key { 20_000.0 } else { size * (self.noise * normal).exp() };
        let lost = self.lose_every > 0 && self.count % self.lose_every == self.lose_every - 1;
        let size = if lost { size * 8.0 } else { size } as usize / self.slices;
        let slices: Vec<_> = (0..self.slices).map(|_| slice(key, size, qp, self.init_qp)).collect();
        let pts = Pts((self.count - self.started) as i64 * Pts::HZ / i64::from(FPS));
        let unit = EncodedUnit {
            camera: CameraId::new("made").unwrap(),
            stream: StreamKind::Sub,
            connection: self.connection,
            pts,
            dts: pts,
            received: self.now(),
            key,
            lost_before: u32::from(lost),
            params: self.params.clone(),
            data: unit_of(&slices),
        };
        self.count += 1;
        self.since_key += 1;
        unit
    }

    pub fn push(&mut self, size: f32, qp: i32) -> Verdict {
        let unit = self.unit(size, qp);
        self.gate.push(&unit)
    }

    /// Verdicts of so many seconds.
    pub fn run(&mut self, seconds: f32, size: f32, qp: i32) -> Vec<Verdict> {
        (0..(seconds * FPS as f32) as u32).map(|_| self.push(size, qp)).collect()
    }

    /// The same, with looks of decoded pictures five times a second while the camera is followed
    /// and every four seconds else.
    pub fn watched(&mut self, seconds: f32, size: f32, qp: i32, moved: bool) -> Vec<Verdict> {
        let look = |c: &mut Camera| {
            let verdict = c.push(size, qp);
            let every = if verdict == Verdict::Active { FPS / 5 } else { 4 * FPS };
            if c.count.is_multiple_of(u64::from(every)) {
                let at = c.now() - Duration::from_millis(400);
                c.gate.looked(at, moved);
            }
            verdict
        };
        (0..(seconds * FPS as f32) as u32).map(|_| look(self)).collect()
    }
}

/// Part of the seconds in which the gate was active at any time.
pub(super) fn active_seconds(verdicts: &[Verdict]) -> f32 {
    let seconds: Vec<_> = verdicts.chunks(FPS as usize).collect();
    seconds.iter().filter(|s| s.contains(&Verdict::Active)).count() as f32 / seconds.len() as f32
}

/// Seconds until the first such verdict.
pub(super) fn until(verdicts: &[Verdict], wanted: Verdict) -> Option<f32> {
    verdicts.iter().position(|&v| v == wanted).map(|i| i as f32 / FPS as f32)
}
