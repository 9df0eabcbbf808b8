//! One step of the tracker.

use std::hint::black_box;

use criterion::Criterion;
use pingan::base::Wall;
use pingan::infer::{Class, Detection};
use pingan::media::BBox;
use pingan::track::{Settings, TrackNumbers, Tracker};

/// Floor: one comparison of every track with every detection, some ns each.
pub fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker step");
    for things in [2, 10, 50] {
        let mut tracker = Tracker::new(Settings::default(), TrackNumbers::default());
        let mut n = 0i64;
        group.bench_function(format!("{things} things"), |b| {
            b.iter(|| {
                n += 1;
                let seen: Vec<Detection> = (0..things).map(|i| thing(i, n)).collect();
                black_box(tracker.step(Wall(n * 200_000), &seen))
            });
        });
    }
}

/// Thing `i` in frame `n`: they go to and fro, each in its own lane.
fn thing(i: usize, n: i64) -> Detection {
    let sway = (n % 100 - 50).unsigned_abs() as f32 / 500.0;
    let (x, y) = ((i % 10) as f32 / 10.0 + sway, (i / 10) as f32 / 5.0);
    Detection { class: Class::Person, bbox: BBox::new(x, y, x + 0.06, y + 0.15), score: 0.8, landmarks: None }
}
