//! What a camera's jobs cost, and what the camera therefore asks of the machine.

use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

use crate::camera::{Attention, Need};

/// Frames are left out for want of time where analysing them costs at least this part of decoding.
const WORTH: f64 = 0.25;

/// What a job took.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Spent {
    /// CPU time of decoding.
    pub decode: Duration,
    /// CPU time of everything done with decoded frames: motion, models, tracks, rules.
    pub analyse: Duration,
    /// CPU time of looking closer, which nothing depends on and no plan is made with.
    pub closer: Duration,
    /// Frames analysed; 0 where there was nothing to look at after all.
    pub frames: u32,
    /// Of the video that came since the last job, the part that was left out for want of time, 0 to 1: the ends of
    /// GOPs, and what was late.
    pub cut: f32,
}

impl Spent {
    /// All but looking closer.
    pub fn cpu(&self) -> Duration {
        self.decode + self.analyse
    }
}

/// A mean that forgets, in seconds of CPU. Until something was measured it is a guess.
#[derive(Clone, Copy, Debug)]
struct Mean {
    value: f64,
    samples: u32,
}

impl Mean {
    fn guess(value: f64) -> Self {
        Mean { value, samples: 0 }
    }

    /// The first samples count for as much as they are, later ones for `least`.
    fn add(&mut self, sample: f64, least: f64) {
        self.samples = self.samples.saturating_add(1);
        self.value += (sample - self.value) * (1.0 / f64::from(self.samples)).max(least);
    }

    /// What was measured here, else the mean over all cameras.
    fn or(&self, all: &Mean) -> f64 {
        if self.samples > 0 { self.value } else { all.value }
    }
}

/// Measured costs of one camera, or the mean over all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// A look at a keyframe.
    look: Mean,
    /// Decoding every unit, per second of video.
    decode: Mean,
    /// What is done with a frame, once decoded.
    frame: Mean,
    /// Weight of a sample.
    weight: f64,
}

impl Costs {
    /// Of one camera.
    pub fn one() -> Self {
        Costs { weight: 0.2, ..Costs::all() }
    }

    /// Over all cameras. At first a guess: a sub stream with one small model.
    pub fn all() -> Self {
        let guess = Mean::guess;
        Costs { look: guess(5e-3), decode: guess(6e-3), frame: guess(3e-3), weight: 0.02 }
    }

    /// CPU seconds that a look is expected to take.
    pub fn look(&self, all: &Costs) -> f64 {
        self.look.or(&all.look)
    }

    /// CPU seconds that following `video` is expected to take with so many frames analysed.
    pub fn follow(&self, all: &Costs, video: Duration, frames: u32) -> f64 {
        self.decode.or(&all.decode) * video.as_secs_f64() + self.frame.or(&all.frame) * f64::from(frames)
    }

    /// Whether leaving out some of `fps` frames a second makes following much cheaper. Where no model
    /// looks, decoding is nearly all of it, and frames left out would be lost for nothing.
    pub fn thinning_pays(&self, all: &Costs, fps: f32) -> bool {
        self.frame.or(&all.frame) * f64::from(fps) >= WORTH * self.decode.or(&all.decode)
    }

    pub fn add_look(&mut self, spent: Spent) {
        self.look.add(spent.cpu().as_secs_f64(), self.weight);
    }

    /// `video`: how much of it was decoded; `None` where that is not known.
    pub fn add_follow(&mut self, spent: Spent, video: Option<Duration>) {
        if let Some(video) = video.filter(|v| *v >= Duration::from_millis(10)) {
            self.decode.add(spent.decode.as_secs_f64() / video.as_secs_f64(), self.weight);
        }
        if spent.frames > 0 {
            self.frame.add(spent.analyse.as_secs_f64() / f64::from(spent.frames), self.weight);
        }
    }
}

/// CPU asked for at stretch 1, in nanoseconds per second: whole numbers, so that sums over cameras
/// that come and go stay exact. What of it shrinks how is told in `plan`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Demand {
    /// Looks at idle cameras. Shrinks with the stretch from 1.25 on.
    pub looks: i64,
    /// Analysing frames of followed cameras. Shrinks with the stretch.
    pub frames: i64,
    /// Decoding followed cameras, and analysing where leaving out frames does not pay. Shrinks as long as it is
    /// more than `heads`.
    pub decode: i64,
    /// The same with as much of each GOP left out as may be.
    pub heads: i64,
    /// Instead of following, a look at every keyframe.
    pub keys: i64,
    /// Instead of following, `fps` looks a second, if there were as many keyframes.
    pub dense: i64,
}

/// The same in CPU seconds per second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DemandSeconds {
    pub looks: f64,
    pub frames: f64,
    pub decode: f64,
    pub heads: f64,
    pub keys: f64,
    pub dense: f64,
}

impl Demand {
    /// `gap`: the time between two keyframes; zero while unknown. `shortest`: the part of each GOP that is decoded at
    /// the least.
    pub fn of(
        costs: &Costs,
        all: &Costs,
        need: &Need,
        attention: Attention,
        gap: Duration,
        shortest: f64,
    ) -> Self {
        let ns = |cpu_per_second: f64| (cpu_per_second * 1e9) as i64;
        let look = costs.look.or(&all.look);
        let gap = gap.as_secs_f64();
        match attention {
            Attention::Idle => {
                // Looks meet keyframes: the last one within the period.
                let period = need.look_every.as_secs_f64();
                let every = if gap > 0.0 { gap * (period / gap + 0.1).floor().max(1.0) } else { period };
                Demand { looks: ns(look / every), ..Demand::default() }
            }
            Attention::Followed => {
                let dense = look * f64::from(need.fps);
                let frames = ns(costs.frame.or(&all.frame) * f64::from(need.fps));
                let decode = ns(costs.decode.or(&all.decode));
                let thins = costs.thinning_pays(all, need.fps);
                let (frames, decode) = if thins { (frames, decode) } else { (0, decode + frames) };
                Demand {
                    frames,
                    decode,
                    heads: (decode as f64 * shortest) as i64,
                    keys: ns(dense.min(look / gap)),
                    dense: ns(dense),
                    ..Demand::default()
                }
            }
        }
    }
}

impl Demand {
    pub fn seconds(&self) -> DemandSeconds {
        let s = |ns: i64| ns as f64 * 1e-9;
        DemandSeconds {
            looks: s(self.looks),
            frames: s(self.frames),
            decode: s(self.decode),
            heads: s(self.heads),
            keys: s(self.keys),
            dense: s(self.dense),
        }
    }
}

impl DemandSeconds {
    /// Keyframes per frame that followed cameras need.
    pub fn keyframes(&self) -> f64 {
        if self.dense > 0.0 { self.keys / self.dense } else { 0.0 }
    }

    /// Go `part` of the way to `other`.
    pub fn approach(&mut self, other: &DemandSeconds, part: f64) {
        let go = |from: &mut f64, to: f64| *from += (to - *from) * part;
        go(&mut self.looks, other.looks);
        go(&mut self.frames, other.frames);
        go(&mut self.decode, other.decode);
        go(&mut self.heads, other.heads);
        go(&mut self.keys, other.keys);
        go(&mut self.dense, other.dense);
    }
}

impl AddAssign for Demand {
    fn add_assign(&mut self, d: Demand) {
        self.looks += d.looks;
        self.frames += d.frames;
        self.decode += d.decode;
        self.heads += d.heads;
        self.keys += d.keys;
        self.dense += d.dense;
    }
}

impl SubAssign for Demand {
    fn sub_assign(&mut self, d: Demand) {
        self.looks -= d.looks;
        self.frames -= d.frames;
        self.decode -= d.decode;
        self.heads -= d.heads;
        self.keys -= d.keys;
        self.dense -= d.dense;
    }
}
