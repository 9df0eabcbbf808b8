//! The learnt background: per block its luma, its noise, and what may become its luma.

/// Background follows slow changes of light with this time constant, seconds.
const FOLLOW_S: f32 = 4.0;
/// While learning.
const LEARN_S: f32 = 0.3;
/// A block's noise is its mean deviation over this long, seconds.
const NOISE_S: f32 = 10.0;
/// Foreground begins at this many mean deviations (about 4 sigma of normal noise).
const NOISE_TIMES: f32 = 5.0;
/// A block that was foreground for a moment is taken for noisier by this, up to the limit:
/// leaves in the wind go quiet, a passer-by hardly counts. Grey levels.
const RESTLESS: f32 = 0.5;
const NOISIEST: f32 = 8.0;
/// Weak foreground, as a part of full: belongs to a region but cannot make one.
const WEAK: f32 = 0.55;
/// Shade keeps between these parts of the background's luma (above black, which is 16).
const SHADE: std::ops::Range<f32> = 0.6..1.2;
/// Shade that has not changed for this long is a shadow that lies there, seconds.
const SHADE_S: f32 = 1.0;
/// Shade below so many times the limit is too faint to be a thing.
const FAINT: f32 = 2.0;
/// A change of the whole picture's light below this is left to slow following, grey levels.
const LIGHT_STEP: f32 = 2.0;

/// How much a block differs from its background.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    Quiet,
    Weak,
    /// Foreground that is only a little darker or brighter: a shadow, a reflection in the floor,
    /// light through a door; or a thing of the background's brightness.
    Shade,
    Strong,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    luma: f32,
    /// Mean deviation while quiet, grey levels.
    noise: f32,
    /// What stands before the background, and for how long it was seen there more than anything else, seconds.
    candidate: f32,
    still: f32,
    foreground: bool,
}

#[derive(Debug)]
pub(super) struct Background {
    blocks: Vec<Block>,
    /// Least difference that counts, grey levels.
    least: f32,
    /// What stands still this long becomes background, seconds.
    blend: f32,
    differences: Vec<(f32, f32)>,
}

impl Background {
    pub fn new(means: &[f32], least: f32, blend: f32) -> Self {
        let block = |&luma: &f32| Block { luma, noise: 1.0, candidate: luma, still: 0.0, foreground: false };
        Background { blocks: means.iter().map(block).collect(), least, blend, differences: Vec::new() }
    }

    /// The learnt luma of a block, 0 to 255.
    pub fn luma(&self, block: usize) -> f32 {
        self.blocks[block].luma
    }

    /// For how long what stands before a block has been seen there, seconds; 0 where nothing does, or
    /// something so faint that it may be a shadow.
    pub fn stands(&self, block: usize) -> f32 {
        let b = &self.blocks[block];
        let limit = self.least.max(b.noise * NOISE_TIMES);
        if b.foreground && (b.candidate - b.luma).abs() >= limit * FAINT { b.still } else { 0.0 }
    }

    /// Take the picture for background, whatever it shows.
    pub fn learn(&mut self, means: &[f32], dt: f32) {
        let part = 1.0 - (-dt / LEARN_S).exp();
        for (b, m) in self.blocks.iter_mut().zip(means) {
            b.luma += (m - b.luma) * part;
        }
    }

    /// Compare with the background, and let it follow. `dt`: seconds since the last picture.
    pub fn compare(&mut self, means: &[f32], dt: f32, marks: &mut Vec<Mark>) {
        self.follow_light(means);
        let follow = 1.0 - (-dt / FOLLOW_S).exp();
        let settle = 1.0 - (-dt / NOISE_S).exp();
        marks.clear();
        for (b, &mean) in self.blocks.iter_mut().zip(means) {
            let limit = self.least.max(b.noise * NOISE_TIMES);
            let off = (mean - b.luma).abs();
            if off <= limit {
                if std::mem::take(&mut b.foreground) {
                    b.noise = (b.noise + RESTLESS).min(NOISIEST);
                }
                b.luma += (mean - b.luma) * follow;
                b.noise += (off - b.noise) * settle;
                b.still = (b.still - dt).max(0.0);
                marks.push(if off > limit * WEAK { Mark::Weak } else { Mark::Quiet });
                continue;
            }
            // The background is kept as it was, so that it is right again when the thing goes
            // away; only what does not change for long becomes background.
            let stands = (mean - b.candidate).abs() <= limit;
            if stands {
                b.still += dt;
                b.candidate += (mean - b.candidate) * follow;
            } else if b.still > dt {
                // Who passes in front of it does not make it a new thing. Otherwise somebody who stood there
                // while the background was learnt would leave his ghost in a busy place for ever.
                b.still -= dt;
            } else {
                b.candidate = mean;
                b.still = 0.0;
            }
            b.foreground = true;
            if b.still >= self.blend {
                b.luma = b.candidate;
                b.still = 0.0;
                b.foreground = false;
            }
            let ratio = (mean - 16.0).max(1.0) / (b.luma - 16.0).max(1.0);
            marks.push(match SHADE.contains(&ratio) {
                true if stands && b.still >= SHADE_S || off < limit * FAINT => Mark::Weak,
                true => Mark::Shade,
                false => Mark::Strong,
            });
        }
    }

    /// When the light of the whole picture changed (a lamp, a flash, the camera's exposure), the
    /// background changes with it at once: luma' = luma * gain + offset, fitted through the median
    /// differences of the darker and of the brighter half, which things that move do not sway as
    /// long as they cover less than half of each.
    fn follow_light(&mut self, means: &[f32]) {
        let points = &mut self.differences;
        points.clear();
        points.extend(self.blocks.iter().zip(means).map(|(b, m)| (b.luma, m - b.luma)));
        let half = points.len() / 2;
        points.select_nth_unstable_by(half, |a, b| a.0.total_cmp(&b.0));
        let (dark, bright) = points.split_at_mut(half);
        let (dark, bright) = (typical(dark), typical(bright));
        let Some(((x1, d1), (x2, d2))) = dark.zip(bright) else { return };
        if d1.abs().max(d2.abs()) < LIGHT_STEP {
            return;
        }
        // Halves of almost the same brightness say nothing about a gain.
        let slope = if x2 - x1 >= 16.0 { ((d2 - d1) / (x2 - x1)).clamp(-0.9, 2.0) } else { 0.0 };
        let change =
            |luma: f32| (luma + (d1 + d2) / 2.0 + slope * (luma - (x1 + x2) / 2.0)).clamp(0.0, 255.0);
        for b in &mut self.blocks {
            b.luma = change(b.luma);
            b.candidate = change(b.candidate);
        }
    }
}

/// Mean luma and median difference.
fn typical(points: &mut [(f32, f32)]) -> Option<(f32, f32)> {
    let middle = points.len() / 2;
    let luma = points.iter().map(|p| p.0).sum::<f32>() / points.len().max(1) as f32;
    (!points.is_empty())
        .then(|| (luma, points.select_nth_unstable_by(middle, |a, b| a.1.total_cmp(&b.1)).1.1))
}
