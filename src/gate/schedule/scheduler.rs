//! The cameras and their jobs.

use std::time::Duration;

use crate::base::Mono;
use crate::camera::{Attention, Need, WatchLevel};

use super::camera::Camera;
use super::cost::{Costs, Demand, Spent};
use super::line::{Line, Place};
use super::pace::Pace;
use super::plan::{self, Plan};
use super::slots::{Slot, Slots};

/// How often the stretch is computed anew.
const STEP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Threads that take jobs.
    pub workers: usize,
    /// Part of their time that may be planned with, 0 to 1; the rest is room for bursts.
    pub share: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { workers: 2, share: 0.98 }
    }
}

/// What there is to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// A new keyframe (and what came with it).
    Keyframe,
    /// Units after a keyframe: worth something only to a camera that is followed.
    Units,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobKind {
    /// Decode the newest keyframe, analyse it.
    Look,
    /// Decode all units since the last job (the first time: since the newest keyframe) but for the ends of
    /// GOPs, analyse `fps` frames of each second.
    Follow,
}

/// One piece of work. Comes back to [`Scheduler::done`], whatever became of it.
#[derive(PartialEq, Debug)]
#[must_use = "its camera is not looked at again before the job is done"]
pub struct Job {
    pub slot: Slot,
    pub kind: JobKind,
    /// Of each GOP so much is to be decoded, from its keyframe on.
    pub head: Duration,
    /// Frames a second to analyse of what is decoded: what is needed, or less where rates are shrunk and that pays.
    pub fps: f32,
    /// CPU time that may go into looking closer.
    pub closer: Duration,
    started: Mono,
}

/// The whole at a glance.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    pub cameras: usize,
    pub followed: usize,
    /// Cameras that wait for a worker.
    pub ready: usize,
    pub stretch: f32,
    /// Part of the GOPs of followed cameras that is followed. Below 1 the machine is too small for that; of the other
    /// GOPs there is a look at the keyframe.
    pub whole: f32,
    /// CPU seconds a second that all needs would take.
    pub demand: f32,
    /// CPU seconds a second that there are for it.
    pub capacity: f32,
}

/// Decides which camera is worked on next. Put it under one mutex; every call is O(log n) and takes
/// about a microsecond. `now` may run backwards by what threads lose between clock and lock.
#[derive(Debug)]
pub struct Scheduler {
    cameras: Slots<Camera>,
    line: Line,
    pace: Pace,
    plan: Plan,
    planned: Mono,
    /// Sum of all cameras' demands.
    demand: Demand,
    /// Over all cameras: what one is taken to cost of which nothing is known yet.
    costs: Costs,
    followed: usize,
    /// The fewest cameras that waited for a worker since the last plan.
    standing: usize,
    /// The next index to be asked whether its demand still holds.
    review: u32,
}

impl Scheduler {
    pub fn new(settings: Settings) -> Self {
        Scheduler {
            cameras: Slots::new(),
            line: Line::default(),
            pace: Pace::new(),
            plan: Plan::new(settings.workers.max(1) as f64 * f64::from(settings.share.clamp(0.05, 1.0))),
            planned: Mono::default(),
            demand: Demand::default(),
            costs: Costs::all(),
            followed: 0,
            standing: 0,
            review: 0,
        }
    }

    /// A camera to watch; idle, and looked at as soon as it offers a keyframe. A need outside
    /// 10 ms..1 h and 0.1..100 fps is brought within.
    pub fn insert(&mut self, need: Need, now: Mono) -> Slot {
        self.advance(now);
        // Multiples of the golden ratio lie evenly between 0 and 1, however many there are.
        let spread = (f64::from(self.cameras.next_index()) * 0.618_033_988_75).fract();
        let camera = Camera::new(sane(need), spread, &self.pace, now);
        let slot = self.cameras.insert(camera);
        self.settle(slot, now);
        slot
    }

    /// Forget the camera. A job of it may still run; its `done` then means nothing.
    pub fn remove(&mut self, slot: Slot) {
        let Some(camera) = self.cameras.remove(slot) else { return };
        self.line.shift(slot.index(), camera.place, Place::Nowhere);
        self.demand -= camera.demand;
        self.followed -= usize::from(camera.attention == Attention::Followed);
    }

    pub fn set_need(&mut self, slot: Slot, need: Need, now: Mono) {
        self.advance(now);
        let Some(camera) = self.cameras.get_mut(slot) else { return };
        camera.set_need(sane(need), &self.pace, now);
        self.step_out(slot);
        self.settle(slot, now);
    }

    /// Something moves, or no longer does. A camera that becomes active comes before all others.
    /// May be called while a job of the camera runs.
    pub fn attend(&mut self, slot: Slot, attention: Attention, now: Mono) {
        self.advance(now);
        let Some(camera) = self.cameras.get_mut(slot).filter(|c| c.attention != attention) else { return };
        camera.attend(attention, &self.pace, now);
        match attention {
            Attention::Followed => self.followed += 1,
            Attention::Idle => self.followed -= 1,
        }
        self.step_out(slot);
        self.settle(slot, now);
    }

    /// There is something to look at.
    pub fn offer(&mut self, slot: Slot, offer: Offer, now: Mono) {
        self.advance(now);
        let Some(camera) = self.cameras.get_mut(slot) else { return };
        if camera.offer(offer, &self.pace, now) {
            self.settle(slot, now);
        }
    }

    /// The job with the earliest deadline among what is offered and due. The camera is busy until
    /// [`done`](Self::done); a job that never comes back stops its own camera and no other.
    pub fn next(&mut self, now: Mono) -> Option<Job> {
        self.advance(now);
        self.look_over_one(now);
        self.release();
        let slot = self.line.first().and_then(|index| self.cameras.slot(index));
        self.standing = self.standing.min(self.line.ready().saturating_sub(1));
        let camera = self.cameras.get_mut(slot?)?;
        let job = Job {
            slot: slot?,
            kind: camera.kind(),
            head: camera.head(&self.pace),
            fps: camera.fps(&self.pace),
            closer: self.plan.spare(),
            started: now,
        };
        camera.start(&self.pace, now);
        self.line.shift(job.slot.index(), camera.place, Place::Busy);
        camera.place = Place::Busy;
        Some(job)
    }

    /// The job is done, or was not possible: then with no frames.
    pub fn done(&mut self, job: Job, now: Mono, spent: Spent) {
        self.advance(now);
        self.plan.spared(job.closer, spent.closer);
        let Some(camera) = self.cameras.get_mut(job.slot) else { return };
        let expected = match job.kind {
            JobKind::Look => {
                let expected = camera.costs.look(&self.costs);
                camera.looked();
                camera.costs.add_look(spent);
                self.costs.add_look(spent);
                Some(expected)
            }
            JobKind::Follow => {
                let decoded = |video: Duration| video.mul_f32(1.0 - spent.cut.clamp(0.0, 1.0));
                let video = camera.followed(job.started).map(decoded);
                let expected = video.map(|v| camera.costs.follow(&self.costs, v, spent.frames));
                camera.costs.add_follow(spent, video);
                self.costs.add_follow(spent, video);
                expected
            }
        };
        let expected = expected.unwrap_or(spent.cpu().as_secs_f64()) + spent.closer.as_secs_f64();
        self.plan.worked(now.since(job.started), expected);
        camera.tally.looked(now, camera.attention, camera.period(), spent.frames);
        self.line.shift(job.slot.index(), Place::Busy, Place::Nowhere);
        camera.place = Place::Nowhere;
        self.settle(job.slot, now);
    }

    /// When [`next`](Self::next) may give a job without an offer, a change of attention or a `done`
    /// before: at once, at the time told, or not at all.
    pub fn wake_at(&self, now: Mono) -> Option<Mono> {
        if self.line.ready() > 0 {
            return Some(now);
        }
        self.line.next_release().map(|then| self.pace.real(then).max(now))
    }

    /// By how much rates are shrunk now, at least 1; those of looks by a fifth less, not below 1 either.
    pub fn stretch(&self) -> f32 {
        self.pace.stretch() as f32
    }

    /// What a camera needed and what it got; `None`: it was removed.
    pub fn watched(&self, slot: Slot, now: Mono) -> Option<WatchLevel> {
        let camera = self.cameras.get(slot)?;
        Some(camera.tally.level(now, camera.attention, camera.need, &self.pace))
    }

    pub fn load(&self) -> Load {
        let d = &self.demand;
        let all = d.seconds();
        Load {
            cameras: self.cameras.len(),
            followed: self.followed,
            ready: self.line.ready(),
            stretch: self.stretch(),
            whole: plan::whole(self.pace.stretch(), all.keyframes()) as f32,
            demand: (all.looks + all.frames + all.decode) as f32,
            capacity: self.plan.capacity() as f32,
        }
    }

    fn advance(&mut self, now: Mono) {
        self.pace.advance(now);
        let passed = now.since(self.planned);
        if passed >= STEP {
            self.planned = now;
            self.plan.step(&self.demand, self.standing, passed.min(10 * STEP));
            self.standing = self.line.ready();
            self.pace.set_stretch(self.plan.stretch);
        }
    }

    /// Those whose time has come wait for a worker from now on.
    fn release(&mut self) {
        while let Some(index) = self.line.released(self.pace.now()) {
            let slot = self.cameras.slot(index).expect("who is held is there");
            let camera = self.cameras.get_mut(slot).expect("the slot was just given");
            let place = camera.stand(&self.pace);
            self.line.shift(index, std::mem::replace(&mut camera.place, place), place);
        }
    }

    /// Leave the line, to be placed anew.
    fn step_out(&mut self, slot: Slot) {
        let Some(camera) = self.cameras.get_mut(slot).filter(|c| c.place != Place::Busy) else { return };
        let was = std::mem::replace(&mut camera.place, Place::Nowhere);
        self.line.shift(slot.index(), was, Place::Nowhere);
    }

    /// Put the camera where it stands now, and its demand into the sum. Who is ready stays where it
    /// is: a fresher keyframe must not send it back in the line.
    fn settle(&mut self, slot: Slot, now: Mono) {
        let Some(camera) = self.cameras.get_mut(slot) else { return };
        let asks = camera.asks(&self.costs, now);
        if asks != camera.demand {
            self.demand -= std::mem::replace(&mut camera.demand, asks);
            self.demand += asks;
        }
        if !matches!(camera.place, Place::Busy | Place::Ready { .. }) {
            let place = camera.stand(&self.pace);
            self.line.shift(slot.index(), std::mem::replace(&mut camera.place, place), place);
        }
    }

    /// One camera at each call, so that those that offer nothing any more are noticed.
    fn look_over_one(&mut self, now: Mono) {
        self.review = if self.review + 1 < self.cameras.bound() { self.review + 1 } else { 0 };
        if let Some(slot) = self.cameras.slot(self.review) {
            self.settle(slot, now);
        }
    }
}

fn sane(need: Need) -> Need {
    let look_every = need.look_every.clamp(Duration::from_millis(10), Duration::from_secs(3600));
    let fps = if need.fps.is_finite() { need.fps.clamp(0.1, 100.0) } else { 100.0 };
    Need { look_every, fps }
}
