//! What one camera's watching is counted by.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use crate::base::metrics::{CAMERA_FRAMES_ANALYSED, CAMERA_WATCH_RATIO, WATCH_LOOKS};
use crate::base::{CameraId, Wall};
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

pub(super) struct Counts {
    decoded: AtomicU64,
    analysed: AtomicU64,
    looks: AtomicU64,
    follows: AtomicU64,
    rate: Mutex<Rate>,
    /// Time of the last frame analysed, microseconds; 0: none yet.
    last_at: AtomicI64,
    looks_total: Counter,
    analysed_total: Counter,
    ratio: Gauge,
}

impl Counts {
    pub fn new(camera: &CameraId) -> Counts {
        let camera = camera.to_string();
        Counts {
            decoded: AtomicU64::new(0),
            analysed: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            follows: AtomicU64::new(0),
            rate: Mutex::default(),
            last_at: AtomicI64::new(0),
            looks_total: counter!(WATCH_LOOKS),
            analysed_total: counter!(CAMERA_FRAMES_ANALYSED, "camera" => camera.clone()),
            ratio: gauge!(CAMERA_WATCH_RATIO, "camera" => camera),
        }
    }

    pub fn decoded(&self) {
        self.decoded.fetch_add(1, Ordering::Relaxed);
    }

    pub fn looked(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.looks_total.increment(1);
    }

    pub fn follows(&self) {
        self.follows.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame of the time `at` was dealt with; `analysed`: nothing failed.
    pub fn seen(&self, at: Wall, analysed: bool) {
        self.last_at.store(at.0, Ordering::Relaxed);
        if analysed {
            self.analysed.fetch_add(1, Ordering::Relaxed);
            self.analysed_total.increment(1);
        }
    }

    pub fn tick(&self, level: Option<&WatchLevel>, now: Wall) {
        if let Some(level) = level {
            self.ratio.set(f64::from(level.ratio));
        }
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
