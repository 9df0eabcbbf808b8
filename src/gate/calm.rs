//! What calm looks like for this camera: its level of effort, by how much it strays, and what looks
//! at decoded pictures say about it.
//!
//! The level is a low quantile of the last one and a half minutes, as noise is tracked in speech
//! (minimum statistics, R. Martin, IEEE Trans. Speech Audio Process. 9(5), 2001): something may move
//! for most of that time, and the level comes down soon after it stops, also where the camera
//! started while something moved. It rises slowly, over dusk as over dawn, except where looks say
//! that nothing moves.

use super::activity::PARTS;
use crate::base::Wall;

/// Samples that are remembered; at four a second, 96 s.
const MEMORY: usize = 384;
/// A verdict needs so many, without those of which looks say that something moved; where they always
/// say so, so many of all.
const ENOUGH: usize = 20;
const PATIENCE: usize = 120;
/// The quantile that is tracked; with normal noise the middle of calm lies 1.28 standard deviations
/// above it.
const QUANTILE: f32 = 0.1;
const TO_MIDDLE: f32 = 1.28;
/// A part of the GOP has its own level once it has many samples; until then this many of all parts
/// count with its own.
const BORROWED: f32 = 4.0;
/// How much calm strays shows in how much a sample differs from that of the same part of the GOP
/// before, for which motion that comes and goes hardly matters: this quantile of the differences is
/// 0.74 standard deviations of normal noise. Slow waves do not show there, but in the lower
/// quantiles of the samples, which are believed up to twice as much.
const STEP_QUANTILE: f32 = 0.4;
const STEP: f32 = 0.74;
const SPREAD_QUANTILES: [f32; 2] = [0.05, 0.35];
const SPREAD: f32 = 1.26;
/// From the middle of calm to the threshold, in standard deviations, within limits. log2 of effort.
const TIMES: f32 = 3.5;
const MARGIN: std::ops::RangeInclusive<f32> = 0.6..=0.8;
const LEAST_MARGIN: f32 = 0.3;
/// What looks may add to or take from the margin.
const BIAS: std::ops::RangeInclusive<f32> = -0.4..=1.0;
/// By how much one look moves it: what is missed costs an event, what is followed for nothing costs
/// some decoding.
const RAISE: f32 = 0.12;
const LOWER: f32 = 0.15;
/// The same where the verdict was active, but would not have been for this moment alone.
const SHARPEN: f32 = 0.03;
/// Per sample; half of it is forgotten in six minutes.
const FORGET: f32 = 0.9995;
/// A look speaks for the samples this near, hundredths of a second.
const NEAR: u32 = 30;
/// After so many looks in a row that find no motion where the threshold is passed, calm is learnt
/// anew from what came last, hundredths of a second.
const DISPUTED: u32 = 25;
const RECENT: u32 = 400;

/// 16 bytes: 1,000 cameras' samples are gone through all the time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Hundredths of a second, wrapping.
    at: u32,
    /// log2 of effort.
    level: f32,
    /// From the sample before of the same part, amount; not a number for the first.
    step: f32,
    part: u8,
    /// The threshold was passed since the sample before.
    passed: bool,
    /// The verdict was active.
    active: bool,
    /// A look says that something moved.
    moved: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Calm {
    samples: Vec<Sample>,
    next: usize,
    unmoved: usize,
    last: [f32; PARTS],
    passed: bool,
    /// The tracked quantile of all samples, and by how much that of each part of the GOP differs:
    /// rate controls and keyframes leave a pattern that repeats, up to a factor of five within two
    /// seconds.
    low: f32,
    parts: [f32; PARTS],
    stray: f32,
    bias: f32,
    disputed: u32,
    /// Part of the looks with motion for which the threshold was not passed, and how many looks
    /// stand behind it.
    missed: f32,
    seen: u32,
    scratch: Vec<f32>,
}

impl Calm {
    pub fn new() -> Self {
        Calm {
            samples: Vec::new(),
            next: 0,
            unmoved: 0,
            last: [f32::NAN; PARTS],
            passed: false,
            low: 0.0,
            parts: [0.0; PARTS],
            stray: 0.0,
            bias: 0.0,
            disputed: 0,
            missed: 0.0,
            seen: 0,
            scratch: Vec::new(),
        }
    }

    pub fn is_known(&self) -> bool {
        self.unmoved >= ENOUGH || self.samples.len() >= PATIENCE
    }

    /// How far this level lies above calm, as a part of the margin: 1 is the threshold.
    pub fn excess(&mut self, level: f32, part: usize) -> f32 {
        let excess = (level - self.low - self.parts[part] - TO_MIDDLE * self.stray) / self.margin();
        self.passed |= excess >= 1.0;
        excess
    }

    fn margin(&self) -> f32 {
        ((self.stray * TIMES).clamp(*MARGIN.start(), *MARGIN.end()) + self.bias).max(LEAST_MARGIN)
    }

    /// Calm strays so much that only the strongest motion rises above it, or looks keep finding
    /// motion that did not.
    pub fn hides_motion(&self) -> bool {
        self.is_known() && (self.stray * TIMES > 3.0 * MARGIN.end() || (self.seen >= 8 && self.missed > 0.7))
    }

    /// A sample of what is, to learn from.
    pub fn learn(&mut self, at: Wall, level: f32, part: usize, active: bool) {
        let step = (level - std::mem::replace(&mut self.last[part], level)).abs();
        let passed = std::mem::take(&mut self.passed);
        let sample =
            Sample { at: hundredths(at), level, step, part: part as u8, passed, active, moved: false };
        match self.samples.get_mut(self.next) {
            Some(oldest) => *oldest = sample,
            None => self.samples.push(sample),
        }
        self.next = (self.next + 1) % MEMORY;
        self.bias *= FORGET;
        // Going through all is what the gate costs; a level of so many samples moves slowly.
        if self.samples.len() < 64 || self.next.is_multiple_of(4) {
            self.settle();
        }
        self.settle_part(part);
    }

    fn settle(&mut self) {
        let calm = || self.samples.iter().filter(|s| !s.moved);
        let values = &mut self.scratch;
        fill(values, calm().map(|s| s.level));
        self.unmoved = values.len();
        let Some(low) = quantile(values, QUANTILE) else { return };
        self.low = low;
        fill(values, calm().map(|s| s.level - low - self.parts[usize::from(s.part)]));
        let [from, to] = SPREAD_QUANTILES.map(|q| quantile(values, q).unwrap_or(0.0));
        fill(values, calm().map(|s| s.step).filter(|s| !s.is_nan()));
        let step = quantile(values, STEP_QUANTILE).map_or(0.2, |step| step / STEP);
        self.stray = ((to - from) / SPREAD).clamp(step, 2.0 * step);
    }

    fn settle_part(&mut self, part: usize) {
        let own = self.samples.iter().filter(|s| usize::from(s.part) == part && !s.moved);
        fill(&mut self.scratch, own.map(|s| s.level));
        if let Some(own) = quantile(&mut self.scratch, QUANTILE) {
            let count = self.scratch.len() as f32;
            self.parts[part] = (own - self.low) * count / (count + BORROWED);
        }
    }

    /// A decoded picture of the time `at` showed motion, or none.
    pub fn looked(&mut self, at: Wall, moved: bool) {
        let at = hundredths(at);
        let (mut near, mut passed, mut active) = (0, false, false);
        for sample in self.samples.iter_mut().filter(|s| apart(s.at, at) <= NEAR) {
            sample.moved = moved;
            near += 1;
            passed |= sample.passed;
            active |= sample.active;
        }
        if near == 0 || !self.is_known() {
            return;
        }
        self.disputed = if passed && !moved { self.disputed + 1 } else { 0 };
        let change = match (moved, active) {
            (false, _) if passed => RAISE,
            (true, false) => -LOWER,
            (true, true) if !passed => -SHARPEN,
            _ => 0.0,
        };
        self.bias = (self.bias + change).clamp(*BIAS.start(), *BIAS.end());
        if moved {
            let missed = if active { 0.0 } else { 1.0 };
            self.missed += (missed - self.missed) * 0.1;
            self.seen = self.seen.saturating_add(1);
        }
        if self.disputed >= DISPUTED {
            self.begin_anew(at);
        }
    }

    /// Calm is not what it was (an infrared lamp, rain): only what came last counts.
    fn begin_anew(&mut self, now: u32) {
        self.samples.retain(|s| !s.moved && apart(s.at, now) < RECENT);
        self.next = self.samples.len() % MEMORY;
        self.disputed = 0;
        self.settle();
        (0..PARTS).for_each(|part| self.settle_part(part));
    }
}

fn hundredths(at: Wall) -> u32 {
    (at.micros() / 10_000) as u32
}

fn apart(a: u32, b: u32) -> u32 {
    (a.wrapping_sub(b) as i32).unsigned_abs()
}

fn fill(scratch: &mut Vec<f32>, values: impl Iterator<Item = f32>) {
    scratch.clear();
    scratch.extend(values);
}

/// Reorders `values`.
fn quantile(values: &mut [f32], q: f32) -> Option<f32> {
    let at = ((values.len() as f32 * q) as usize).min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable_by(at, f32::total_cmp).1)
}
