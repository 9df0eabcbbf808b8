//! The way of a figure: where its foot is at which time.

use std::time::Duration;

use crate::media::Point;

/// Where the horizon lies: figures whose foot is there would have no height.
const HORIZON: f32 = 0.2;
/// Height of a person per distance of the foot below the horizon, both in picture heights.
const GROWTH: f32 = 0.6;

/// Height of a person, in picture heights, whose foot is at `y`.
pub(super) fn person_height(y: f32) -> f32 {
    ((y - HORIZON) * GROWTH).max(0.01)
}

/// Waypoints: seconds since the scene's start, and the foot's place. Straight and even in between.
///
/// Invariant: at least two, times increasing.
#[derive(Clone, Debug)]
pub(super) struct Path(Vec<(f32, Point)>);

impl Path {
    pub fn new(points: &[(f32, f32, f32)]) -> Self {
        debug_assert!(points.len() > 1 && points.is_sorted_by(|a, b| a.0 < b.0));
        Path(points.iter().map(|&(t, x, y)| (t, Point::new(x, y))).collect())
    }

    /// The foot at `t`; `None` before the first and after the last waypoint.
    pub fn foot(&self, t: Duration) -> Option<Point> {
        let t = t.as_secs_f32();
        let i = self.0.partition_point(|(at, _)| *at <= t);
        let ((t0, a), (t1, b)) = (self.0.get(i.checked_sub(1)?)?, self.0.get(i)?);
        let k = (t - t0) / (t1 - t0);
        Some(Point::new(a.x + (b.x - a.x) * k, a.y + (b.y - a.y) * k))
    }

    /// Movement at `t` in picture sizes per second.
    pub fn velocity(&self, t: Duration) -> Point {
        let i = self.0.partition_point(|(at, _)| *at <= t.as_secs_f32());
        match (i.checked_sub(1).and_then(|i| self.0.get(i)), self.0.get(i)) {
            (Some((t0, a)), Some((t1, b))) => Point::new((b.x - a.x) / (t1 - t0), (b.y - a.y) / (t1 - t0)),
            _ => Point::default(),
        }
    }

    /// Way gone up to `t` in heights of the person at each place: the phase of the gait follows it.
    pub fn strides(&self, t: Duration) -> f32 {
        let t = t.as_secs_f32();
        let mut sum = 0.0;
        for w in self.0.windows(2) {
            let ((t0, a), (t1, b)) = (w[0], w[1]);
            if t <= t0 {
                break;
            }
            let k = ((t.min(t1) - t0) / (t1 - t0)).clamp(0.0, 1.0);
            let way = ((b.x - a.x) * super::ASPECT).hypot(b.y - a.y) * k;
            sum += way / person_height((a.y + b.y) / 2.0);
        }
        sum
    }
}
