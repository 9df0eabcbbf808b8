//! What calm looks like for this camera: its level of effort, and by how much it strays.
//!
//! The level is a low quantile of the last two minutes, as noise is tracked in speech (minimum
//! statistics, R. Martin, IEEE Trans. Speech Audio Process. 9(5), 2001): something may move for
//! most of that time, and the level comes down soon after it stops, also where the camera started
//! while something moved. It rises slowly, except where looks say that nothing moves.

use super::activity::PARTS;
use crate::base::Wall;

/// Samples that are remembered; at three a second two minutes.
const MEMORY: usize = 384;
/// A verdict needs so many.
const ENOUGH: usize = 20;
/// The quantile that is tracked; with normal noise the middle of calm lies 1.28 standard deviations
/// above it.
const QUANTILE: f32 = 0.1;
const TO_MIDDLE: f32 = 1.28;
/// How much calm strays shows in how much successive samples differ, for which motion that comes
/// and goes hardly matters. This quantile of the differences' amounts is 0.74 standard deviations of
/// normal noise.
const STRAY_QUANTILE: f32 = 0.4;
const STRAY: f32 = 0.74;
/// From the middle of calm to the threshold, in standard deviations, within limits. log2 of effort.
const TIMES: f32 = 3.5;
const MARGIN: std::ops::RangeInclusive<f32> = 0.45..=1.4;
/// What looks may add to or take from the margin.
const BIAS: std::ops::RangeInclusive<f32> = -0.3..=1.0;
/// A part of the GOP has its own level once it has many samples; until then this many of all parts
/// count with its own.
const BORROWED: f32 = 4.0;

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Wall,
    part: usize,
    /// log2 of effort.
    level: f32,
    /// From the sample before of the same part, amount.
    step: f32,
    moved: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Calm {
    samples: Vec<Sample>,
    next: usize,
    last: [Option<f32>; PARTS],
    /// The tracked quantile, of all samples and of each part of the GOP: rate controls and keyframes
    /// leave a pattern that repeats, up to a factor of five within two seconds.
    low: f32,
    parts: [f32; PARTS],
    stray: f32,
    bias: f32,
    scratch: Vec<f32>,
}

impl Calm {
    pub fn new() -> Self {
        Calm {
            samples: Vec::new(),
            next: 0,
            last: [None; PARTS],
            low: 0.0,
            parts: [0.0; PARTS],
            stray: 0.0,
            bias: 0.0,
            scratch: Vec::new(),
        }
    }

    pub fn is_known(&self) -> bool {
        self.samples.len() >= ENOUGH
    }

    /// How far this level lies above calm, as a part of the margin: 1 is the threshold.
    pub fn excess(&self, level: f32, part: usize) -> f32 {
        (level - self.parts[part] - TO_MIDDLE * self.stray) / self.margin()
    }

    fn margin(&self) -> f32 {
        ((self.stray * TIMES).clamp(*MARGIN.start(), *MARGIN.end()) + self.bias).max(0.3)
    }

    /// A sample of what is, to learn from.
    pub fn learn(&mut self, at: Wall, level: f32, part: usize) {
        let step = self.last[part].replace(level).map_or(f32::NAN, |last| (level - last).abs());
        let sample = Sample { at, part, level, step, moved: false };
        if self.samples.len() < MEMORY {
            self.samples.push(sample);
        } else {
            self.samples[self.next] = sample;
        }
        self.next = (self.next + 1) % MEMORY;
        self.settle(part);
        self.bias *= 0.9995;
    }

    fn settle(&mut self, part: usize) {
        let calm = || self.samples.iter().filter(|s| !s.moved);
        let values = &mut self.scratch;
        let Some((low, _)) = quantile(values, calm().map(|s| s.level), QUANTILE) else { return };
        self.low = low;
        let own = quantile(values, calm().filter(|s| s.part == part).map(|s| s.level), QUANTILE);
        if let Some((own, count)) = own {
            let weight = count as f32 / (count as f32 + BORROWED);
            self.parts[part] = low + (own - low) * weight;
        }
        let steps = calm().map(|s| s.step).filter(|s| !s.is_nan());
        let step = quantile(values, steps, STRAY_QUANTILE).map_or(0.2, |(step, _)| step / STRAY);
        let above = |s: &Sample| s.level - self.parts[s.part];
        let q = |v: &mut Vec<f32>, q| {
            quantile(v, self.samples.iter().filter(|s| !s.moved).map(above), q).map_or(0.0, |x| x.0)
        };
        let spread = (q(values, 0.35) - q(values, 0.05)) / 1.26;
        self.stray = spread.clamp(step, 2.0 * step);
    }

    /// A decoded picture of the time `at` showed motion, or none.
    pub fn looked(&mut self, at: Wall, moved: bool) {
        let nearest = self.samples.iter_mut().min_by_key(|s| (s.at.0 - at.0).abs());
        let Some(sample) = nearest.filter(|s| (s.at.0 - at.0).abs() < 1_000_000) else { return };
        sample.moved = moved;
        let (level, part) = (sample.level, sample.part);
        let above = self.excess(level, part) > 1.0;
        if above && !moved {
            self.bias = (self.bias + 0.05).min(*BIAS.end());
        } else if !above && moved {
            self.bias = (self.bias - 0.1).max(*BIAS.start());
        }
    }
}

/// The quantile `q` of `values`, and how many there are. `scratch` is overwritten.
fn quantile(scratch: &mut Vec<f32>, values: impl Iterator<Item = f32>, q: f32) -> Option<(f32, usize)> {
    scratch.clear();
    scratch.extend(values);
    let n = scratch.len();
    let at = ((n as f32 * q) as usize).min(n.checked_sub(1)?);
    Some((*scratch.select_nth_unstable_by(at, f32::total_cmp).1, n))
}
