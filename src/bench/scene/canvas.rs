//! Drawing with soft edges into an I420 picture. Places and sizes are in pixels.

use crate::media::I420;

/// Red, green and blue, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour(pub f32, pub f32, pub f32);

impl Colour {
    /// Brighter (`k > 1`) or darker.
    pub fn times(self, k: f32) -> Colour {
        Colour(self.0 * k, self.1 * k, self.2 * k)
    }

    /// ITU-R BT.601, limited range.
    fn yuv(self) -> [f32; 3] {
        let c = |v: f32| v.clamp(0.0, 255.0);
        let (r, g, b) = (c(self.0), c(self.1), c(self.2));
        [
            16.0 + 0.257 * r + 0.504 * g + 0.098 * b,
            128.0 - 0.148 * r - 0.291 * g + 0.439 * b,
            128.0 + 0.439 * r - 0.368 * g - 0.071 * b,
        ]
    }
}

/// A place in pixels.
pub(super) type Px = (f32, f32);

#[derive(Clone)]
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub luma: Vec<u8>,
    /// U and V, each half as wide and high, rounded up.
    chroma: [Vec<u8>; 2],
}

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let quarter = width.div_ceil(2) * height.div_ceil(2);
        Canvas {
            width,
            height,
            luma: vec![16; width * height],
            chroma: [vec![128; quarter], vec![128; quarter]],
        }
    }

    /// Every pixel from its place.
    pub fn paint(&mut self, colour: impl Fn(f32, f32) -> Colour) {
        self.fill((0.0, 0.0), (self.width as f32, self.height as f32), |_, _| -1.0, colour);
    }

    /// A shape within the bounds `from..to`, given by its distance (negative inside, pixels).
    fn fill(
        &mut self,
        from: Px,
        to: Px,
        distance: impl Fn(f32, f32) -> f32,
        colour: impl Fn(f32, f32) -> Colour,
    ) {
        let low = |v: f32| (v - 1.0).floor().max(0.0) as usize;
        let high = |v: f32, end: usize| ((v + 1.0).ceil().max(0.0) as usize).min(end);
        let (x1, x2) = (low(from.0), high(to.0, self.width));
        let (y1, y2) = (low(from.1), high(to.1, self.height));
        // Half a pixel on each side of the edge is mixed.
        let cover = |x: f32, y: f32| (0.5 - distance(x, y)).clamp(0.0, 1.0);
        let mix = |old: &mut u8, new: f32, k: f32| *old = (f32::from(*old) * (1.0 - k) + new * k + 0.5) as u8;
        let half = self.width.div_ceil(2);
        for y in y1..y2 {
            for x in x1..x2 {
                let (cx, cy) = (x as f32 + 0.5, y as f32 + 0.5);
                let k = cover(cx, cy);
                if k > 0.0 {
                    let [luma, u, v] = colour(cx, cy).yuv();
                    mix(&mut self.luma[y * self.width + x], luma, k);
                    if x % 2 == 0 && y % 2 == 0 {
                        let i = y / 2 * half + x / 2;
                        mix(&mut self.chroma[0][i], u, k);
                        mix(&mut self.chroma[1][i], v, k);
                    }
                }
            }
        }
    }

    pub fn ellipse(&mut self, (cx, cy): Px, (rx, ry): Px, colour: Colour) {
        let distance = |x: f32, y: f32| (((x - cx) / rx).hypot((y - cy) / ry) - 1.0) * rx.min(ry);
        // Light from the upper left.
        let lit = |x: f32, y: f32| colour.times(1.0 - 0.12 * ((x - cx) / rx + (y - cy) / ry));
        self.fill((cx - rx, cy - ry), (cx + rx, cy + ry), distance, lit);
    }

    /// A thick stroke with round ends, `r1` at `a` and `r2` at `b`.
    pub fn limb(&mut self, a: Px, b: Px, r1: f32, r2: f32, colour: Colour) {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let len2 = (dx * dx + dy * dy).max(1e-6);
        let place = |x: f32, y: f32| (((x - a.0) * dx + (y - a.1) * dy) / len2).clamp(0.0, 1.0);
        let distance = |x: f32, y: f32| {
            let k = place(x, y);
            (x - a.0 - dx * k).hypot(y - a.1 - dy * k) - (r1 + (r2 - r1) * k)
        };
        let r = r1.max(r2);
        let lit = |x: f32, y: f32| colour.times(1.0 - 0.15 * ((x - a.0 - dx * place(x, y)) / r));
        let from = (a.0.min(b.0) - r, a.1.min(b.1) - r);
        self.fill(from, (a.0.max(b.0) + r, a.1.max(b.1) + r), distance, lit);
    }

    /// A convex polygon, corners clockwise on the screen; darker towards its lower edge.
    pub fn polygon(&mut self, corners: &[Px], colour: Colour) {
        let distance = |x: f32, y: f32| {
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            edges.fold(f32::NEG_INFINITY, |d, (p, q)| {
                let (ex, ey) = (q.0 - p.0, q.1 - p.1);
                d.max((ey * (x - p.0) - ex * (y - p.1)) / ex.hypot(ey).max(1e-6))
            })
        };
        let fold = |f: fn(f32, f32) -> f32| {
            corners.iter().copied().reduce(|a, b| (f(a.0, b.0), f(a.1, b.1))).unwrap_or_default()
        };
        let (from, to) = (fold(f32::min), fold(f32::max));
        let lit = |_: f32, y: f32| colour.times(1.06 - 0.16 * (y - from.1) / (to.1 - from.1).max(1.0));
        self.fill(from, to, distance, lit);
    }

    pub fn rect(&mut self, (x1, y1): Px, (x2, y2): Px, colour: Colour) {
        self.polygon(&[(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour);
    }

    pub fn into_image(self) -> I420 {
        let mut bytes = self.luma;
        bytes.extend_from_slice(&self.chroma[0]);
        bytes.extend_from_slice(&self.chroma[1]);
        I420::packed(self.width as u32, self.height as u32, bytes).expect("the planes have these sizes")
    }
}
