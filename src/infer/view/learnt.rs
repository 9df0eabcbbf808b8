//! A view that was learnt, and what is left of it in a picture.

use super::measure::{BLOCKS, Means, TILE, TILES};

/// A tile whose block means deviate less than this has nothing to be known again by, grey levels.
const TEXTURE: f32 = 3.0;
/// Fewer tiles with texture than this are not enough to know a view by.
const TEXTURED_LEAST: usize = TILES / 4;
/// Correlation of a tile that shows what it showed; and of one that does not.
const LIKE: f32 = 0.5;
const STRANGE: f32 = 0.3;
/// So little of a tile's deviation is left that it is flat.
const FLAT: f32 = 0.35;

/// What a camera shows, in one light.
#[derive(Debug)]
pub(super) struct Learnt {
    pub means: Means,
    /// Energy of each tile's edges that are steeper than `steep`, in grey levels.
    pub edges: [f32; TILES],
    /// Differences up to this are no edge, at the contrast of `means`.
    steep: f32,
    /// Learnt without colour.
    pub grey: bool,
}

/// Differences up to this are no edge, in a new view; and the bounds of it. Below the lower one lies noise.
const STEEP: f32 = 8.0;
const STEEP_BOUNDS: std::ops::RangeInclusive<f32> = 3.0..=20.0;
/// Edges below this, mean over a tile's pixels in grey levels, are noise.
const EDGES_LEAST: f32 = 0.3;

/// How a picture's tiles compare, as shares of the tiles with texture, 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub like: f32,
    pub flat: f32,
    pub strange: f32,
    /// Contrast of the like tiles over the learnt one's; 1 where none is like.
    pub gain: f32,
    /// Which tiles are like.
    pub is_like: [bool; TILES],
}

impl Learnt {
    /// A view of one picture, whose edges were measured with [`Learnt::first_steep`].
    pub fn new(means: Means, edges: [f32; TILES], grey: bool) -> Self {
        Learnt { means, edges, steep: STEEP, grey }
    }

    pub fn first_steep() -> u8 {
        STEEP as u8
    }

    /// With what the edges of a picture that compares like this are measured: where contrast is lower, so
    /// are they.
    pub fn steep(&self, to: &Comparison) -> u8 {
        (self.steep * to.gain).clamp(*STEEP_BOUNDS.start(), *STEEP_BOUNDS.end()).round() as u8
    }

    /// How the picture with these block means compares; `None`: one of the two has too little in it.
    pub fn compare(&self, means: &[f32; BLOCKS]) -> Option<Comparison> {
        compare(&self.means, means)
    }

    /// How sharp the picture is where it is like this view, over how sharp the view is; `None`: the view
    /// has too few edges there.
    pub fn sharpness(&self, edges: &[f32; TILES], to: &Comparison) -> Option<f32> {
        let of = |e: &[f32; TILES]| -> f32 { (0..TILES).filter(|i| to.is_like[*i]).map(|i| e[i]).sum() };
        let known = of(&self.edges);
        let tiles = to.is_like.iter().filter(|l| **l).count();
        (known >= EDGES_LEAST * tiles as f32).then(|| of(edges) / (to.gain * known))
    }

    /// Become a little more like the picture, whose edges were measured with `steep`; `part` from 0 to 1.
    pub fn follow(&mut self, means: &[f32; BLOCKS], edges: &[f32; TILES], steep: u8, part: f32) {
        self.steep += (f32::from(steep) - self.steep) * part;
        self.means.iter_mut().zip(means).for_each(|(m, now)| *m += (now - *m) * part);
        self.edges.iter_mut().zip(edges).for_each(|(e, now)| *e += (now - *e) * part);
    }
}

/// How `now` compares with `then`.
pub(super) fn compare(then: &[f32; BLOCKS], now: &[f32; BLOCKS]) -> Option<Comparison> {
    let mut gains = Vec::with_capacity(TILES);
    let (mut textured, mut flat, mut strange) = (0, 0, 0);
    let mut is_like = [false; TILES];
    for (i, (a, b)) in then.chunks(TILE).zip(now.chunks(TILE)).enumerate() {
        let (deviation, other, covariance) = moments(a, b);
        if deviation < TEXTURE {
            continue;
        }
        textured += 1;
        let correlation = covariance / (deviation * other).max(1e-3);
        if correlation >= LIKE {
            is_like[i] = true;
            gains.push(covariance / (deviation * deviation));
        } else if other < FLAT * deviation {
            flat += 1;
        } else if correlation < STRANGE {
            strange += 1;
        }
    }
    let share = |n: usize| n as f32 / textured as f32;
    let middle = gains.len() / 2;
    let gain = match gains.is_empty() {
        true => 1.0,
        false => *gains.select_nth_unstable_by(middle, f32::total_cmp).1,
    };
    (textured >= TEXTURED_LEAST).then(|| Comparison {
        like: share(is_like.iter().filter(|l| **l).count()),
        flat: share(flat),
        strange: share(strange),
        gain,
        is_like,
    })
}

/// Tiles that have something in them to be known by.
pub(super) fn textured(means: &[f32; BLOCKS]) -> usize {
    means.chunks(TILE).filter(|t| moments(t, t).0 >= TEXTURE).count()
}

/// Whether there is enough in the picture to know it by.
pub(super) fn is_telling(means: &[f32; BLOCKS]) -> bool {
    textured(means) >= TEXTURED_LEAST
}

/// Standard deviations of both, and their covariance.
fn moments(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
    let n = a.len() as f32;
    let (mut sa, mut sb, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0);
    // One pass over whole sums: of 30 values up to 255, f32 loses nothing that matters.
    for (x, y) in a.iter().zip(b) {
        sa += x;
        sb += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    let (ma, mb) = (sa / n, sb / n);
    let deviation = |squares: f32, mean: f32| (squares / n - mean * mean).max(0.0).sqrt();
    (deviation(aa, ma), deviation(bb, mb), ab / n - ma * mb)
}
