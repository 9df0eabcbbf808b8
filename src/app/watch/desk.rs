//! All cameras that are watched, and who works on which.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Gauge, gauge};

use crate::base::metrics::{WATCH_FOLLOWED, WATCH_STRETCH};
use crate::base::{Clock, Mono};
use crate::camera::{Need, WatchLevel};
use crate::decode::Leases;
use crate::gate::schedule::{self, Job, Load, Scheduler, Slot, Spent};

use super::analysis::Analysis;
use super::feed::Step;

/// Workers who have nothing to do look up after this long at the latest, and never sooner than the second.
const IDLE: Duration = Duration::from_secs(1);
const BREATH: Duration = Duration::from_millis(2);
/// Above this stretch no camera is followed only to be learnt, none is looked at more often than it needs, and
/// gates are not believed before they are taught.
const CROWDED: f32 = 1.25;

pub struct Desk {
    clock: Arc<dyn Clock>,
    /// Locked after nothing and before nothing: whoever holds it calls no camera.
    state: Mutex<State>,
    /// There may be a job, or no more will come.
    work: Condvar,
    /// Every camera, also those whose pictures nobody looks at.
    all: Mutex<Vec<Arc<Analysis>>>,
    pub(super) leases: Leases,
    stretch: Gauge,
    followed: Gauge,
}

struct State {
    scheduler: Scheduler,
    watched: HashMap<Slot, Arc<Analysis>>,
    closed: bool,
}

impl Desk {
    /// For `workers` threads and at most `max_follow` decoders that follow.
    pub fn new(workers: usize, max_follow: usize, clock: Arc<dyn Clock>) -> Desk {
        let settings = schedule::Settings { workers, ..schedule::Settings::default() };
        Desk {
            clock,
            state: Mutex::new(State {
                scheduler: Scheduler::new(settings),
                watched: HashMap::new(),
                closed: false,
            }),
            work: Condvar::new(),
            all: Mutex::default(),
            leases: Leases::new(max_follow),
            stretch: gauge!(WATCH_STRETCH),
            followed: gauge!(WATCH_FOLLOWED),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new camera.
    pub(super) fn enter(&self, analysis: Arc<Analysis>) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(analysis);
    }

    /// It is gone; a job at hand is finished.
    pub(super) fn leave(&self, analysis: &Analysis) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|a| !std::ptr::eq(&**a, analysis));
    }

    pub(super) fn all(&self) -> Vec<Arc<Analysis>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Look at this camera's pictures from now on.
    pub(super) fn watch(&self, analysis: Arc<Analysis>, need: Need) -> Slot {
        let now = self.clock.now();
        let mut state = self.state();
        let slot = state.scheduler.insert(need, now);
        state.watched.insert(slot, analysis);
        slot
    }

    pub(super) fn unwatch(&self, slot: Slot) {
        let mut state = self.state();
        state.scheduler.remove(slot);
        drop(state.watched.remove(&slot));
    }

    pub(super) fn level(&self, slot: Slot) -> Option<WatchLevel> {
        let now = self.clock.now();
        self.state().scheduler.watched(slot, now)
    }

    /// The whole at a glance.
    pub fn load(&self) -> Load {
        self.state().scheduler.load()
    }

    /// Whether there is no room to follow cameras only to learn them.
    pub(super) fn is_crowded(&self) -> bool {
        self.state().scheduler.stretch() > CROWDED || self.leases.is_exhausted()
    }

    /// What the gate thread found at a tick.
    pub(super) fn tell(&self, steps: impl IntoIterator<Item = (Slot, Step)>) {
        let now = self.clock.now();
        let mut state = self.state();
        for (slot, step) in steps {
            state.tell(slot, step, now);
        }
        let load = state.scheduler.load();
        let due = state.scheduler.wake_at(now).is_some();
        drop(state);
        self.stretch.set(f64::from(load.stretch));
        self.followed.set(load.followed as f64);
        if due {
            self.work.notify_all();
        }
    }

    /// Wait for the next job. `None`: no more will come.
    pub(super) fn next(&self) -> Option<(Job, Arc<Analysis>)> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            let now = self.clock.now();
            if let Some(job) = state.job(now) {
                return Some(job);
            }
            let then = state.scheduler.wake_at(now).map_or(IDLE, |then| then.since(now).clamp(BREATH, IDLE));
            state = self.work.wait_timeout(state, then).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next job, if there is one now.
    #[cfg(test)]
    pub(super) fn poll(&self) -> Option<(Job, Arc<Analysis>)> {
        let now = self.clock.now();
        self.state().job(now)
    }

    /// A job is done.
    pub(super) fn done(&self, job: Job, spent: Spent, step: Step) {
        let now = self.clock.now();
        let slot = job.slot;
        let mut state = self.state();
        state.scheduler.done(job, now, spent);
        state.tell(slot, step, now);
    }

    /// No more jobs, and no more cameras.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let watched = std::mem::take(&mut state.watched);
        drop(state);
        drop(watched);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.work.notify_all();
    }
}

impl State {
    /// The next job, if there is one now.
    fn job(&mut self, now: Mono) -> Option<(Job, Arc<Analysis>)> {
        while let Some(job) = self.scheduler.next(now) {
            match self.watched.get(&job.slot) {
                Some(analysis) => return Some((job, analysis.clone())),
                None => self.scheduler.done(job, now, Spent::default()),
            }
        }
        None
    }

    fn tell(&mut self, slot: Slot, step: Step, now: Mono) {
        if let Some(need) = step.need {
            self.scheduler.set_need(slot, need, now);
        }
        if let Some(attention) = step.attention {
            self.scheduler.attend(slot, attention, now);
        }
        if let Some(offer) = step.offer {
            self.scheduler.offer(slot, offer, now);
        }
    }
}
