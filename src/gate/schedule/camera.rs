//! One camera: when it is due, what it offers, where it therefore stands.

use std::time::Duration;

use crate::base::Mono;
use crate::camera::{Attention, Need};

use super::cost::{Costs, Demand};
use super::line::Place;
use super::pace::{Pace, Paced};
use super::plan::{self, THINNEST};
use super::scheduler::{JobKind, Offer};
use super::tally::Tally;

/// A look may come so much later than due to meet the next keyframe: cameras' keyframes and the tick
/// at which they are noticed are no exact clocks.
const LEEWAY: Duration = Duration::from_millis(250);
/// Up to this, looks are shrunk so little that none of a single camera falls out for it.
const ROOMY: f64 = 1.05;
/// Looked at so many periods too late, a camera was not here.
const AWAY: u32 = 3;
/// So much video is followed at a time, or a frame's worth: a decoder whose memory has left the caches
/// by the time it goes on costs a third more than one that goes on at once.
pub(super) const TOGETHER: Duration = Duration::from_millis(400);
/// A look has to begin before the next keyframe comes, or a GOP goes by without one: within this part of the
/// time between two.
const FRESH: f64 = 0.8;
/// A camera that offered nothing for so long asks nothing of the machine.
const GONE: Duration = Duration::from_secs(10);

/// Time from one frame to the next that the need asks for.
pub(super) fn period(need: &Need, attention: Attention) -> Duration {
    match attention {
        Attention::Idle => need.look_every,
        Attention::Followed => Duration::from_secs_f32(1.0 / need.fps),
    }
}

#[derive(Debug)]
pub(super) struct Camera {
    pub need: Need,
    pub attention: Attention,
    pub place: Place,
    pub costs: Costs,
    pub tally: Tally,
    /// What it asks of the machine now; part of the scheduler's sum.
    pub demand: Demand,
    /// When the next frame is due. Moves on by whole periods, so that early and late jobs even out.
    due: Paced,
    /// The part of a period after which it is due again when it is new or was away.
    spread: f64,
    /// Became active: goes first, as if it had waited for a whole period between looks.
    urgent: bool,
    /// When the newest keyframe nobody has looked at was offered.
    keyframe: Option<Paced>,
    /// Since when there are units to follow.
    units: Option<Paced>,
    /// Between the last two keyframes; zero while unknown.
    gap: Duration,
    /// Between those before, the last first.
    gaps: [Duration; 3],
    last_keyframe: Option<Mono>,
    last_offer: Mono,
    /// While followed: whether the present GOP is followed, or only its keyframe looked at.
    whole: bool,
    /// GOPs it is entitled to have followed, less those that were.
    credit: f64,
    /// Up to when it was followed without a break.
    followed_to: Option<Mono>,
    /// Whether frames of it are left out for want of time.
    thins: bool,
}

impl Camera {
    /// `spread`, 0 to 1, differs from camera to camera.
    pub fn new(need: Need, spread: f64, pace: &Pace, now: Mono) -> Self {
        Camera {
            need,
            attention: Attention::Idle,
            place: Place::Nowhere,
            costs: Costs::one(),
            tally: Tally::new(now),
            demand: Demand::default(),
            // The first keyframe is looked at as it comes.
            due: pace.now().before(need.look_every * AWAY),
            spread,
            urgent: false,
            keyframe: None,
            units: None,
            gap: Duration::ZERO,
            gaps: [Duration::ZERO; 3],
            last_keyframe: None,
            last_offer: now,
            whole: true,
            credit: 0.0,
            followed_to: None,
            thins: true,
        }
    }

    pub fn period(&self) -> Duration {
        period(&self.need, self.attention)
    }

    /// From one job to the next, in paced time.
    fn step(&self, pace: &Pace) -> Duration {
        match (self.kind(), self.attention) {
            (JobKind::Follow, _) => pace.paced(self.frames_apart(pace).max(TOGETHER)),
            (JobKind::Look, Attention::Idle) => self.period(),
            (JobKind::Look, Attention::Followed) => pace.paced(self.period().mul_f64(pace.stretch())),
        }
    }

    /// What the next job is.
    pub fn kind(&self) -> JobKind {
        if self.whole && self.attention == Attention::Followed { JobKind::Follow } else { JobKind::Look }
    }

    /// From one frame to the next of video that is followed. Where less of a GOP is left out than rates are
    /// shrunk, frames make up for it.
    fn frames_apart(&self, pace: &Pace) -> Duration {
        let period = period(&self.need, Attention::Followed);
        let thinner = pace.stretch().min(THINNEST) * plan::head(pace.stretch(), self.gop().as_secs_f64());
        if self.thins { period.mul_f64(thinner) } else { period }
    }

    /// How much of each GOP is decoded. Of what made the camera active nothing is left out.
    pub fn head(&self, pace: &Pace) -> Duration {
        let gop = self.gop();
        match plan::head(pace.stretch(), gop.as_secs_f64()) {
            part if part < 1.0 && !self.urgent => gop.mul_f64(part),
            _ => Duration::MAX,
        }
    }

    /// How long the present GOP is taken to be; zero while unknown. Cameras put keyframes in between where the
    /// picture changes: the next GOP is longer again.
    fn gop(&self) -> Duration {
        self.gaps.iter().copied().fold(self.gap, Duration::max)
    }

    /// Frames to analyse per second of video that is decoded.
    pub fn fps(&self, pace: &Pace) -> f32 {
        (1.0 / self.frames_apart(pace).as_secs_f64()) as f32
    }

    /// Which part of its GOPs is to be followed as a whole.
    fn wholes(&self, pace: &Pace) -> f64 {
        let keyframes = match self.gap {
            Duration::ZERO => 0.0,
            gap => 1.0 / (gap.as_secs_f64() * f64::from(self.need.fps)),
        };
        plan::whole(pace.stretch(), keyframes)
    }

    /// To be called when attention really changes.
    pub fn attend(&mut self, attention: Attention, pace: &Pace, now: Mono) {
        self.tally.changed(now, self.attention, self.period(), pace.of(self.attention) as f32);
        self.attention = attention;
        self.followed_to = None;
        match attention {
            Attention::Followed => {
                // The GOP at hand is followed, to be made up for by later ones.
                (self.whole, self.credit) = (true, self.wholes(pace) - 1.0);
                (self.urgent, self.due) = (true, pace.now());
            }
            // It was looked at a moment ago.
            Attention::Idle => (self.urgent, self.due) = (false, pace.now().after(self.period())),
        }
    }

    pub fn set_need(&mut self, need: Need, pace: &Pace, now: Mono) {
        self.tally.changed(now, self.attention, self.period(), pace.of(self.attention) as f32);
        self.need = need;
        self.due = self.due.min(pace.now().after(self.period()));
    }

    /// Whether anything changed by it: units after units change nothing, and they are most.
    pub fn offer(&mut self, offer: Offer, pace: &Pace, now: Mono) -> bool {
        self.last_offer = now;
        if offer == Offer::Units && self.units.is_some() {
            return false;
        }
        if offer == Offer::Keyframe {
            self.keyframe = Some(pace.now());
            self.gaps = [self.gap, self.gaps[0], self.gaps[1]];
            self.gap = self.last_keyframe.map_or(Duration::ZERO, |last| now.since(last));
            self.last_keyframe = Some(now);
            // Spread evenly over GOPs, as an error is in dithering.
            self.credit += self.wholes(pace);
            self.whole = self.credit >= 0.5;
            if self.whole {
                self.credit -= 1.0;
            }
        }
        self.units.get_or_insert(pace.now());
        if offer == Offer::Keyframe || self.attention == Attention::Followed {
            self.tally.offered(now, self.period());
        }
        true
    }

    /// Where it stands, with what is offered, as long as no worker has it.
    pub fn stand(&self, pace: &Pace) -> Place {
        let Some(since) = self.ready_since(pace) else { return Place::Nowhere };
        if since > pace.now() {
            return Place::Held { until: since };
        }
        let deadline = match (self.urgent, self.kind()) {
            (true, _) => since.before(self.need.look_every),
            (false, JobKind::Look) => since.after(pace.paced(self.fresh_for())),
            (false, JobKind::Follow) => since.after(self.step(pace)),
        };
        Place::Ready { deadline }
    }

    /// How long a keyframe is the newest, less some room for what may come in between.
    fn fresh_for(&self) -> Duration {
        let until_next = if self.gap.is_zero() { self.period() } else { self.gap };
        until_next.mul_f64(FRESH)
    }

    fn ready_since(&self, pace: &Pace) -> Option<Paced> {
        match (self.kind(), self.attention) {
            (JobKind::Follow, _) => self.units.map(|at| self.due.max(at)),
            (JobKind::Look, Attention::Followed) => self.keyframe.map(|at| self.due.max(at)),
            (JobKind::Look, Attention::Idle) => {
                let latest = self.due.after(LEEWAY.min(self.need.look_every / 8));
                // Pictures looked at should be fresh: the last keyframe before the time is up is
                // taken as it comes; an earlier one only when no other came.
                let last = |at: Paced| at.after(pace.paced(self.gap)) > latest;
                self.keyframe.map(|at| if last(at) { at } else { latest })
            }
        }
    }

    /// A worker takes it: what was offered is taken, the next frame is due a period later.
    pub fn start(&mut self, pace: &Pace, now: Mono) {
        let step = self.step(pace);
        let late = pace.now().since(self.due);
        // A look counts from its keyframe, which may have waited for a worker, or for a later one that never
        // came. With room, early ones make the next ones early too, so that no time between two is too long.
        // Without, they even out: else rates would fall in steps of whole GOPs.
        let shown = self.keyframe.filter(|_| self.kind() == JobKind::Look).unwrap_or(pace.now());
        let early = shown < self.due && pace.of(Attention::Idle) <= ROOMY;
        let from = if self.urgent || late >= step {
            pace.now()
        } else if early {
            shown
        } else {
            self.due
        };
        let back = late >= AWAY * step && self.attention == Attention::Idle;
        // Cameras that come (back) together would be due together ever after.
        self.due = from.after(if back { step.mul_f64(self.spread) } else { step });
        // Whatever the load, what made the camera active is seen, for that is in the first job.
        self.whole &= !self.urgent || self.wholes(pace) > 0.0;
        self.urgent = false;
        (self.keyframe, self.units) = (None, None);
        self.tally.taken(now);
    }

    /// A follow job that began at `start` is done; gives how much video had come since the one before, if known.
    pub fn followed(&mut self, start: Mono) -> Option<Duration> {
        self.followed_to.replace(start).map(|from| start.since(from))
    }

    pub fn looked(&mut self) {
        self.followed_to = None;
    }

    /// What it asks of the machine, by its measured costs.
    pub fn asks(&mut self, all: &Costs, now: Mono) -> Demand {
        self.thins = self.costs.thinning_pays(all, self.need.fps);
        let gone = now.since(self.last_offer) > GONE.max(2 * self.gap);
        if gone {
            return Demand::default();
        }
        let shortest = plan::shortest(self.gop().as_secs_f64());
        Demand::of(&self.costs, all, &self.need, self.attention, self.gap, shortest)
    }
}
