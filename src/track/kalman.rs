//! Where a box is going: a Kalman filter of constant velocity with real time steps.
//!
//! SORT (Bewley et al. 2016) and ByteTrack (Zhang et al. 2022) filter a box in eight dimensions at
//! a fixed frame rate. With diagonal noise the four coordinates do not mix, so here each is a filter
//! of its own with two states, which needs no matrix library; the time step is in seconds because
//! cameras deliver 1 to 25 frames a second, and not evenly.

use std::time::Duration;

use crate::media::BBox;

/// Standard deviation of a measured coordinate, in box sizes.
const MEASURE: f32 = 0.06;
/// Standard deviation of the acceleration, in box sizes per second squared.
const ACCELERATE: f32 = 1.5;
/// Standard deviation of the velocity of something just found, in box sizes per second.
const START_SPEED: f32 = 1.5;
/// A velocity is not carried on for longer than this: people turn and stop.
const CARRY: f32 = 1.0;
/// Growth and shrinking are carried on for less: at a frame a second, arms that swing would make somebody
/// half or twice as wide.
const CARRY_SIZE: f32 = 0.2;

/// One coordinate and its velocity.
#[derive(Clone, Copy, Debug)]
struct Axis {
    x: f32,
    v: f32,
    /// Covariance: of x, of x with v, of v.
    p: [f32; 3],
}

impl Axis {
    fn new(x: f32, size: f32) -> Self {
        let (m, s) = (MEASURE * size, START_SPEED * size);
        Axis { x, v: 0.0, p: [m * m, 0.0, s * s] }
    }

    /// White noise acceleration over `dt` seconds; the velocity is carried on for `carry` at most.
    fn predict(&mut self, dt: f32, size: f32, carry: f32) {
        let q = (ACCELERATE * size).powi(2);
        let [xx, xv, vv] = self.p;
        self.x += self.v * dt.min(carry);
        self.p = [
            xx + 2.0 * dt * xv + dt * dt * vv + q * dt.powi(4) / 4.0,
            xv + dt * vv + q * dt.powi(3) / 2.0,
            vv + q * dt * dt,
        ];
    }

    fn correct(&mut self, measured: f32, size: f32) {
        let r = (MEASURE * size).powi(2);
        let [xx, xv, vv] = self.p;
        let (kx, kv) = (xx / (xx + r), xv / (xx + r));
        let miss = measured - self.x;
        self.x += kx * miss;
        self.v += kv * miss;
        self.p = [(1.0 - kx) * xx, (1.0 - kx) * xv, vv - kv * xv];
    }
}

/// A box in motion.
#[derive(Clone, Debug)]
pub struct Course {
    /// Centre x, centre y, width, height.
    axes: [Axis; 4],
    /// What the noise is measured in: the box's sizes, slowly followed.
    size: (f32, f32),
}

impl Course {
    pub fn new(b: &BBox) -> Self {
        let size = sizes(b);
        let c = b.center();
        let values = [c.x, c.y, b.width(), b.height()];
        let axes = std::array::from_fn(|i| Axis::new(values[i], scale(size, i)));
        Course { axes, size }
    }

    /// Move on by `dt`.
    pub fn predict(&mut self, dt: Duration) {
        let dt = dt.as_secs_f32();
        for (i, a) in self.axes.iter_mut().enumerate() {
            a.predict(dt, scale(self.size, i), if i < 2 { CARRY } else { CARRY_SIZE });
        }
    }

    /// A detection says where it is.
    pub fn correct(&mut self, b: &BBox) {
        let c = b.center();
        for (i, m) in [c.x, c.y, b.width(), b.height()].into_iter().enumerate() {
            self.axes[i].correct(m, scale(self.size, i));
        }
        self.size = sizes(&self.bbox());
    }

    /// No detection: a box that was growing (somebody coming in at the edge) does not grow unseen.
    pub fn hold_size(&mut self) {
        self.axes[2].v = 0.0;
        self.axes[3].v = 0.0;
    }

    pub fn bbox(&self) -> BBox {
        let [cx, cy, w, h] = [0, 1, 2, 3].map(|i| self.axes[i].x);
        let (w, h) = (w.max(1e-3), h.max(1e-3));
        BBox::new(cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0)
    }
}

/// Never zero: a degenerate box would make the filter divide by nothing.
fn sizes(b: &BBox) -> (f32, f32) {
    (b.width().max(1e-3), b.height().max(1e-3))
}

fn scale(size: (f32, f32), axis: usize) -> f32 {
    if axis.is_multiple_of(2) { size.0 } else { size.1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(t: f32) -> BBox {
        BBox::new(0.1 + 0.1 * t, 0.4, 0.2 + 0.1 * t, 0.7)
    }

    #[test]
    fn steady_walk_is_predicted_at_uneven_steps() {
        let mut m = Course::new(&at(0.0));
        let mut t = 0.0;
        for dt in [0.04, 0.2, 0.08, 0.5, 0.04, 0.3, 0.1] {
            t += dt;
            m.predict(Duration::from_secs_f32(dt));
            m.correct(&at(t));
        }
        m.predict(Duration::from_millis(400));
        let iou = m.bbox().iou(&at(t + 0.4));
        assert!(iou > 0.85, "the prediction overlaps by {iou} only");
    }

    #[test]
    fn arms_that_swung_do_not_make_somebody_wide_a_second_later() {
        let mut m = Course::new(&at(0.0));
        m.predict(Duration::from_secs(1));
        let wider = at(1.0);
        m.correct(&BBox::new(wider.x1 - 0.03, wider.y1, wider.x2 + 0.03, wider.y2));
        m.predict(Duration::from_secs(1));
        let width = m.bbox().width();
        assert!((0.14..0.18).contains(&width), "seen 0.1 and 0.16 wide, expected {width}");
    }

    #[test]
    fn long_silence_does_not_throw_it_out_of_the_picture() {
        let mut m = Course::new(&at(0.0));
        for i in 1..10 {
            m.predict(Duration::from_millis(100));
            m.correct(&at(i as f32 / 10.0));
        }
        let before = m.bbox().center().x;
        m.predict(Duration::from_secs(30));
        let moved = m.bbox().center().x - before;
        assert!(moved < 0.15, "moved by {moved}");
    }
}
