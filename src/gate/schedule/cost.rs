//! What a camera's jobs cost, and what the camera therefore asks of the machine.

use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

use crate::camera::{Attention, Need};

/// What a job took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// CPU time of decoding.
    pub decode: Duration,
    /// CPU time of everything done with decoded frames: motion, models, tracks, rules.
    pub analyse: Duration,
    /// Frames analysed; 0 where there was nothing to look at after all.
    pub frames: u32,
}

impl Spent {
    pub fn cpu(&self) -> Duration {
        self.decode + self.analyse
    }
}

/// A mean that forgets, in seconds of CPU.
#[derive(Clone, Copy, Debug)]
struct Mean {
    value: f64,
    samples: u32,
}

impl Mean {
    fn new(value: f64) -> Self {
        Mean { value, samples: 0 }
    }

    /// The first samples count for much, later ones for `floor`.
    fn add(&mut self, sample: f64, floor: f64) {
        self.samples = self.samples.saturating_add(1);
        let weight = (1.0 / (f64::from(self.samples) + 1.0)).max(floor);
        self.value += (sample - self.value) * weight;
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
    floor: f64,
}

impl Costs {
    /// What a sub stream with one model costs, order of magnitude; forgotten after a few jobs.
    pub fn guess() -> Self {
        Costs { look: Mean::new(5e-3), decode: Mean::new(6e-3), frame: Mean::new(3e-3), floor: 0.02 }
    }

    /// Of a new camera: as the others cost.
    pub fn like(mean: &Costs) -> Self {
        let as_others = |m: &Mean| Mean::new(m.value);
        Costs {
            look: as_others(&mean.look),
            decode: as_others(&mean.decode),
            frame: as_others(&mean.frame),
            floor: 0.2,
        }
    }

    pub fn add_look(&mut self, spent: Spent) {
        self.look.add(spent.cpu().as_secs_f64(), self.floor);
    }

    /// `video`: how much of it was decoded; `None` where that is not known.
    pub fn add_follow(&mut self, spent: Spent, video: Option<Duration>) {
        if let Some(video) = video.filter(|v| *v >= Duration::from_millis(10)) {
            self.decode.add(spent.decode.as_secs_f64() / video.as_secs_f64(), self.floor);
        }
        if spent.frames > 0 {
            self.frame.add(spent.analyse.as_secs_f64() / f64::from(spent.frames), self.floor);
        }
    }
}

/// CPU asked for at stretch 1, in nanoseconds per second: whole numbers, so that sums over cameras
/// that come and go stay exact. What of it shrinks how is told in `plan`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Demand {
    /// Looks at idle cameras. Shrinks with the stretch.
    pub looks: i64,
    /// Analysing frames of followed cameras. Shrinks with the stretch.
    pub frames: i64,
    /// Decoding followed cameras. Does not shrink: each unit needs the one before it.
    pub decode: i64,
    /// Instead of following, a look at every keyframe.
    pub keys: i64,
    /// Instead of following, `fps` looks a second, if there were as many keyframes.
    pub dense: i64,
}

/// The same in CPU seconds per second.
pub(super) struct DemandSeconds {
    pub looks: f64,
    pub frames: f64,
    pub decode: f64,
    pub keys: f64,
    pub dense: f64,
}

impl Demand {
    /// `gap`: the time between two keyframes; zero while unknown.
    pub fn of(costs: &Costs, need: &Need, attention: Attention, gap: Duration) -> Self {
        let ns = |cpu_per_second: f64| (cpu_per_second * 1e9) as i64;
        let gap = gap.as_secs_f64();
        match attention {
            Attention::Idle => {
                // Looks meet keyframes: the last one within the period.
                let period = need.look_every.as_secs_f64();
                let every = if gap > 0.0 { gap * (period / gap + 0.1).floor().max(1.0) } else { period };
                Demand { looks: ns(costs.look.value / every), ..Demand::default() }
            }
            Attention::Followed => {
                let dense = costs.look.value * f64::from(need.fps);
                Demand {
                    frames: ns(costs.frame.value * f64::from(need.fps)),
                    decode: ns(costs.decode.value),
                    keys: ns(dense.min(costs.look.value / gap)),
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
            keys: s(self.keys),
            dense: s(self.dense),
        }
    }

    /// Keyframes per frame that followed cameras need.
    pub fn keyframes(&self) -> f64 {
        if self.dense > 0 { self.keys as f64 / self.dense as f64 } else { 0.0 }
    }
}

impl AddAssign for Demand {
    fn add_assign(&mut self, d: Demand) {
        self.looks += d.looks;
        self.frames += d.frames;
        self.decode += d.decode;
        self.keys += d.keys;
        self.dense += d.dense;
    }
}

impl SubAssign for Demand {
    fn sub_assign(&mut self, d: Demand) {
        self.looks -= d.looks;
        self.frames -= d.frames;
        self.decode -= d.decode;
        self.keys -= d.keys;
        self.dense -= d.dense;
    }
}
