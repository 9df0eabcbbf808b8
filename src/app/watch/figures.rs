//! What one camera's watching is counted by.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::Wall;
use crate::camera::WatchLevel;

/// Figures of one camera's analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisFigures {
    pub frames_decoded: u64,
    pub frames_analysed: u64,
    /// Keyframes looked at.
    pub looks: u64,
    /// How often following began.
    pub follows: u64,
    /// Frames analysed per second, over the last ticks.
    pub fps: f32,
    pub last_frame: Option<Wall>,
    /// What it needs and what it gets; `None` while nothing looks at it.
    pub level: Option<WatchLevel>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub decoded: AtomicU64,
    pub analysed: AtomicU64,
    pub looks: AtomicU64,
    pub follows: AtomicU64,
    rate: Mutex<Rate>,
    /// Time of the last frame analysed, microseconds; 0: none yet.
    last_at: AtomicI64,
}

impl Counts {
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn seen(&self, at: Wall) {
        self.last_at.store(at.0, Ordering::Relaxed);
    }

    pub fn tick(&self, now: Wall) {
        let analysed = self.analysed.load(Ordering::Relaxed);
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).tick(now, analysed);
    }

    pub fn figures(&self, level: Option<WatchLevel>) -> AnalysisFigures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AnalysisFigures {
            frames_decoded: of(&self.decoded),
            frames_analysed: of(&self.analysed),
            looks: of(&self.looks),
            follows: of(&self.follows),
            fps: self.rate.lock().unwrap_or_else(PoisonError::into_inner).fps,
            last_frame: Some(self.last_at.load(Ordering::Relaxed)).filter(|us| *us != 0).map(Wall),
            level,
        }
    }
}

/// Rate of a counter, read at ticks.
#[derive(Default)]
struct Rate {
    since: Option<(Wall, u64)>,
    fps: f32,
}

impl Rate {
    /// Over at least this long, so that a look every few seconds still shows as a rate.
    const WINDOW: Duration = Duration::from_secs(4);

    fn tick(&mut self, now: Wall, count: u64) {
        match self.since {
            Some((then, _)) if now.since(then) < Self::WINDOW => {}
            Some((then, before)) => {
                self.fps = (count - before) as f32 / now.since(then).as_secs_f32();
                self.since = Some((now, count));
            }
            None => self.since = Some((now, count)),
        }
    }
}
