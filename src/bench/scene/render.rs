//! From a scene and a time to a picture.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::canvas::Canvas;
use super::{Scene, background};
use crate::media::I420;

/// Noise values; a prime, so that rows and pictures do not line up with it.
const NOISE: usize = 65_537;

/// Renders a scene in one picture size.
pub struct Renderer {
    scene: Scene,
    still: Canvas,
    noise: Vec<i8>,
}

impl Renderer {
    /// `width` and `height` in pixels; see [`super::ASPECT`].
    pub fn new(scene: &Scene, width: u32, height: u32) -> Self {
        let still = background::draw(scene.variant, scene.seed, width, height);
        let mut rng = StdRng::seed_from_u64(scene.seed ^ 0x006e_6f69_7365);
        let n = scene.noise.min(40) as i8;
        // The sum of two even draws: small values are more frequent, as in a sensor.
        let noise = (0..NOISE).map(|_| (rng.random_range(-n..=n) + rng.random_range(-n..=n)) / 2).collect();
        Renderer { scene: scene.clone(), still, noise }
    }

    /// The picture `t` after the start of a round.
    pub fn frame(&self, t: Duration) -> I420 {
        let mut canvas = self.still.clone();
        let mut figures: Vec<_> = self.scene.figures.iter().filter_map(|f| Some((f.depth(t)?, f))).collect();
        figures.sort_by(|a, b| a.0.total_cmp(&b.0));
        figures.iter().for_each(|(_, f)| f.draw(t, &mut canvas));
        if self.scene.noise > 0 {
            let mut rng = StdRng::seed_from_u64(self.scene.seed ^ t.as_micros() as u64);
            let shift = rng.random_range(0..NOISE);
            let (late, early) = self.noise.split_at(shift);
            let mut rest = canvas.luma.as_mut_slice();
            // In runs, so that the compiler can do many at once.
            for run in [early, late].into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at_mut(run.len().min(rest.len()));
                now.iter_mut().zip(run).for_each(|(p, n)| *p = p.saturating_add_signed(*n));
                rest = later;
            }
        }
        canvas.into_image()
    }
}
