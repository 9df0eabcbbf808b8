//! Demand against capacity: by how much all rates shrink.
//!
//! The stretch is not found by trial. Costs are measured per camera; the machine's speed, which is one
//! for all and changes faster, from how long jobs take against what they were expected to cost; the
//! stretch that fits is then computed. What this model misses (a worker that hangs, work between
//! jobs) shows as a backlog that stands, and the backlog counts as missing capacity *in proportion*.
//!
//! What is wanted for moments only, such as many cameras followed at once, is let wait: demand and speed
//! are means over seconds, and a small backlog is worked off slowly.

use std::time::Duration;

use super::cost::{Demand, DemandSeconds};

/// Up to this, the ends of a followed camera's GOPs are left out, and frames are thinned out where that pays;
/// beyond it whole GOPs are left out, but for a look at their keyframe.
pub(super) const THINNEST: f64 = 3.0;
/// Rates of followed cameras are shrunk by so much before looks are: a look that is late comes with the next keyframe, half
/// as late again as it should, while a followed camera misses a fifth of its pictures.
const SPARED: f64 = 1.25;
/// So many seconds at the end of a GOP are left out at most: a track that is not seen for a second is lost.
const BLIND: f64 = 0.8;
/// However wrong the measured costs are, rates shrink no further, so that costs are measured again.
const MOST: f64 = 64.0;
/// Of the way to the stretch that fits, gone at each step.
const STEP: f64 = 0.5;
/// What stands in the line is to be worked off within so many seconds.
const RELIEF: f64 = 5.0;
/// Of more than so many seconds of work, what is above them is to be worked off within one: alerts come so
/// much later.
const BURST: f64 = 0.5;
/// Seconds in which all but a third of what was seen of the machine's speed and of the demand is
/// forgotten.
const MEMORY: f64 = 8.0;

/// Of the time that nothing is planned for, this part may go into closer looks; seconds of it that are
/// kept for when they are wanted, and the most that one job gets.
const SPARE: f64 = 0.8;
const SPARE_KEPT: f64 = 1.0;
const SPARE_MOST: f64 = 0.25;

/// What the machine gives and what is asked of it.
#[derive(Debug)]
pub(super) struct Plan {
    /// Seconds of work a second that may be planned with.
    workers: f64,
    /// The last jobs, fading: seconds they took, CPU seconds they were expected to cost, their number.
    /// As if some had been seen already: a single odd job does not turn the plan.
    work: f64,
    expected: f64,
    jobs: f64,
    /// What was asked, fading, and the seconds over which it is a mean: at first all there were.
    asked: DemandSeconds,
    over: f64,
    /// Seconds of work that stand in the line; the least of the last step.
    backlog: f64,
    pub stretch: f64,
    /// CPU seconds that may go into closer looks.
    spare: f64,
}

impl Plan {
    pub fn new(workers: f64) -> Self {
        Plan {
            workers,
            work: 0.1,
            expected: 0.1,
            jobs: 20.0,
            asked: DemandSeconds::default(),
            over: 0.0,
            backlog: 0.0,
            stretch: 1.0,
            spare: 0.0,
        }
    }

    /// A job took `work` from start to end, and was expected to cost so many CPU seconds.
    pub fn worked(&mut self, work: Duration, expected: f64) {
        self.work += work.as_secs_f64();
        self.expected += expected;
        self.jobs += 1.0;
    }

    /// CPU time for a job's closer looks. What it leaves comes [`back`](Self::spared).
    pub fn spare(&mut self) -> Duration {
        let some = self.spare.min(SPARE_MOST);
        self.spare -= some;
        Duration::from_secs_f64(some)
    }

    pub fn spared(&mut self, given: Duration, used: Duration) {
        self.spare = (self.spare + given.as_secs_f64() - used.as_secs_f64()).max(0.0);
    }

    /// CPU seconds a second.
    pub fn capacity(&self) -> f64 {
        let relief = self.backlog / RELIEF + (self.backlog - BURST).max(0.0);
        self.workers * self.expected / self.work / (1.0 + relief)
    }

    /// Plan anew. `standing`: the fewest cameras that waited for a worker since the last time,
    /// `passed` before now.
    pub fn step(&mut self, demand: &Demand, standing: usize, passed: Duration) {
        self.backlog = standing as f64 * (self.work / self.jobs) / self.workers;
        let now = demand.seconds();
        self.over = (self.over + passed.as_secs_f64()).min(MEMORY);
        self.asked.approach(&now, passed.as_secs_f64() / self.over);
        let fits = stretch_for(&self.asked, self.capacity());
        self.stretch += (fits - self.stretch) * STEP;
        if self.stretch < 1.005 {
            self.stretch = 1.0;
        }
        // In a machine that is full, and be it for a moment, there is nothing to spare, whatever was kept.
        let free = self.capacity() - cost(&now, 1.0);
        self.spare = if self.stretch > 1.0 || free < 0.0 {
            0.0
        } else {
            (self.spare + free * SPARE * passed.as_secs_f64()).min(SPARE_KEPT)
        };
        let kept = (-passed.as_secs_f64() / MEMORY).exp();
        for sum in [&mut self.work, &mut self.expected, &mut self.jobs] {
            *sum *= kept;
        }
        // Never nothing to divide by; what was seen last stays the belief.
        let little = 1e-3 / self.work.max(1e-9);
        if little > 1.0 {
            self.work *= little;
            self.expected *= little;
            self.jobs *= little;
        }
    }
}

/// By how much looks are shrunk at this stretch.
pub(super) fn looks(stretch: f64) -> f64 {
    (stretch / SPARED).max(1.0)
}

/// Which part of a followed camera's GOPs is followed as a whole at this stretch, so that it gets
/// `fps / stretch` frames a second: the rest come from keyframes, of which there are `keyframes`
/// per frame needed.
pub(super) fn whole(stretch: f64, keyframes: f64) -> f64 {
    if stretch <= THINNEST {
        1.0
    } else if keyframes >= 1.0 / THINNEST {
        0.0
    } else {
        ((1.0 / stretch - keyframes) / (1.0 / THINNEST - keyframes)).clamp(0.0, 1.0)
    }
}

/// Which part of a GOP, from its keyframe on, is decoded at this stretch; `gap`: seconds from keyframe to
/// keyframe, zero while unknown.
pub(super) fn head(stretch: f64, gap: f64) -> f64 {
    (1.0 / stretch.min(THINNEST)).max(shortest(gap))
}

/// Which part of a GOP is decoded at the least.
pub(super) fn shortest(gap: f64) -> f64 {
    if gap > 0.0 { (1.0 - BLIND / gap).max(0.0) } else { 1.0 }
}

/// CPU seconds a second that `demand` takes at this stretch. Falls as the stretch grows.
fn cost(d: &DemandSeconds, stretch: f64) -> f64 {
    let whole = whole(stretch, d.keyframes());
    let within = stretch.min(THINNEST);
    // Exact where all GOPs are as long; else a little low, and the backlog makes up for it.
    let followed = (d.decode / within).max(d.heads) + d.frames / within;
    d.looks / looks(stretch) + whole * followed + (1.0 - whole) * d.keys.min(d.dense / stretch)
}

/// The least stretch at which `demand` fits, by halving.
fn stretch_for(demand: &DemandSeconds, capacity: f64) -> f64 {
    if cost(demand, 1.0) <= capacity {
        return 1.0;
    }
    let (mut low, mut high) = (1.0, MOST);
    for _ in 0..16 {
        let middle = (low + high) / 2.0;
        if cost(demand, middle) <= capacity { high = middle } else { low = middle }
    }
    high
}
