//! From picture to tensor, motion, NMS.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use pingan::base::Wall;
use pingan::infer::layout::Layout;
use pingan::infer::preprocess::{Fit, InputForm, Order, Placement, Preprocessor};
use pingan::infer::{Class, Detection, MotionDetector, MotionSettings, ViewMeter, nms};
use pingan::media::{BBox, I420};

pub fn benches(c: &mut Criterion) {
    preprocess(c);
    motion(c);
    view(c);
    suppress(c);
}

/// A textured picture; `n` moves a bright thing through it.
fn picture(width: u32, height: u32, n: u32) -> I420 {
    let (w, h) = (width as usize, height as usize);
    let mut bytes = vec![128u8; w * h * 3 / 2];
    let mut noise = n.wrapping_mul(2_654_435_761) | 1;
    for (i, pixel) in bytes.iter_mut().enumerate() {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let (x, y) = (i % w, i / w);
        let thing = y < h && x / 8 == (n as usize + 4) % (w / 8) && (h / 3..2 * h / 3).contains(&y);
        *pixel =
            if thing { 220 } else { (60 + x / 16 * 37 % 80 + y / 16 * 53 % 40) as u8 + (noise % 7) as u8 };
    }
    I420::packed(width, height, bytes).expect("invariant: three whole planes")
}

/// Floor: every source byte is read once and every value of the tensor written once, 0.02 ms for a
/// 2:1 box filter of 640x360 and 0.4 ms for a general bilinear one (FLOORS: 0.022 and 0.37).
fn preprocess(c: &mut Criterion) {
    let mut group = c.benchmark_group("preprocess");
    use Layout::{Blocks, Planes};
    for (from, to, layout) in [
        ((640, 360), (320, 192), Planes),
        ((640, 360), (192, 192), Planes),
        ((640, 360), (384, 224), Planes),
        ((640, 360), (384, 224), Blocks),
        ((640, 360), (416, 416), Planes),
        ((1920, 1080), (416, 416), Planes),
    ] {
        let fit = Fit::Letterbox { pad: 114.0 };
        let form = InputForm { order: Order::Bgr, mean: 0.0, scale: 1.0, fit };
        let picture = picture(from.0, from.1, 0);
        let place = Placement::fitted(from, to, form.fit, 1.0);
        let mut kernel = Preprocessor::new(&picture, place, form, layout);
        group.throughput(Throughput::Elements(u64::from(from.0 * from.1)));
        group.bench_function(format!("{}x{} to {}x{} {layout:?}", from.0, from.1, to.0, to.1), |b| {
            b.iter(|| {
                black_box(kernel.run(black_box(&picture), false));
            });
        });
    }
}

/// Floor: the luma plane read once, 0.02 ms for 640x360 (FLOORS: 8x8 block difference 0.02).
fn motion(c: &mut Criterion) {
    let mut group = c.benchmark_group("motion");
    for (width, height) in [(640, 360), (1920, 1080)] {
        let pictures: Vec<I420> = (0..8).map(|n| picture(width, height, n)).collect();
        let mut detector = MotionDetector::new(MotionSettings::default());
        let mut n = 0;
        group.throughput(Throughput::Elements(u64::from(width * height)));
        group.bench_function(format!("{width}x{height}"), |b| {
            b.iter(|| {
                n += 1;
                black_box(detector.look(&pictures[n % 8], Wall(n as i64 * 200_000)))
            });
        });
    }
}

/// Floor: a sort of the candidates; most of them are gone after one comparison.
fn suppress(c: &mut Criterion) {
    let candidates: Vec<Detection> = (0..200)
        .map(|i| {
            // Ten things, each found by twenty cells.
            let (thing, cell) = ((i % 10) as f32, (i / 10) as f32);
            let x = thing * 0.09 + cell * 0.001;
            Detection {
                class: Class::Person,
                bbox: BBox::new(x, 0.2, x + 0.05, 0.5),
                score: 0.3 + 0.03 * cell,
                landmarks: None,
            }
        })
        .collect();
    c.bench_function("nms/200 candidates of 10 things", |b| {
        b.iter_batched(
            || candidates.clone(),
            |found| black_box(nms::suppress(found, 0.45)),
            criterion::BatchSize::SmallInput,
        );
    });
}

/// Floor: 120 of 360 rows read once for the means and twice 60 for the edges, 0.01 ms each for 640x360. A
/// camera that is followed has it done once a second.
fn view(c: &mut Criterion) {
    let mut group = c.benchmark_group("view");
    for (width, height) in [(640, 360), (1920, 1080)] {
        let pictures: Vec<I420> = (0..8).map(|n| picture(width, height, n)).collect();
        let mut meter = ViewMeter::default();
        let mut n = 0;
        group.throughput(Throughput::Elements(u64::from(width * height)));
        group.bench_function(format!("{width}x{height}"), |b| {
            b.iter(|| {
                n += 1;
                black_box(meter.look(&pictures[n % 8], Wall(n as i64 * 1_000_000)))
            });
        });
    }
}
