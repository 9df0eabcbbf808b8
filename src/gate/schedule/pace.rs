//! Time that runs slower the larger the stretch is.
//!
//! Where looks come `s` times as seldom as needed, a second of real time is `1/s` seconds of paced time. Periods and
//! deadlines are kept in paced time, where those of looks never change; so all rates shrink together, and no queue has
//! to be rebuilt when the stretch does. (Virtual time as in fair queueing: Demers, Keshav, Shenker 1989.)
//! What followed cameras are shrunk by beyond that is put into their steps, which are short.

use std::time::Duration;

use crate::base::Mono;
use crate::camera::Attention;

use super::plan;

/// A point in paced time, nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Paced(pub u64);

impl Paced {
    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Paced) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub fn after(self, d: Duration) -> Paced {
        Paced(self.0.saturating_add(nanos(d)))
    }

    pub fn before(self, d: Duration) -> Paced {
        Paced(self.0.saturating_sub(nanos(d)))
    }
}

/// Saturates after 584 years.
fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock of paced time.
#[derive(Debug)]
pub(super) struct Pace {
    at: Mono,
    now: Paced,
    /// At least 1.
    stretch: f64,
    /// The same of looks: less.
    looks: f64,
}

impl Pace {
    /// Begins one hour in, so that there is a time before now.
    pub fn new() -> Self {
        Pace { at: Mono::default(), now: Paced(3_600_000_000_000), stretch: 1.0, looks: 1.0 }
    }

    /// Let time pass. A `now` before the last one (two threads read the clock, then took the lock
    /// in the other order) changes nothing.
    pub fn advance(&mut self, now: Mono) {
        let passed = now.since(self.at);
        self.at = self.at.max(now);
        self.now = self.now.after(passed.div_f64(self.looks));
    }

    pub fn now(&self) -> Paced {
        self.now
    }

    pub fn stretch(&self) -> f64 {
        self.stretch
    }

    /// By how much the rate of a camera is shrunk that gets this attention.
    pub fn of(&self, attention: Attention) -> f64 {
        match attention {
            Attention::Idle => self.looks,
            Attention::Followed => self.stretch,
        }
    }

    /// From now on. Values below 1 are taken for 1.
    pub fn set_stretch(&mut self, stretch: f64) {
        self.stretch = stretch.max(1.0);
        self.looks = plan::looks(self.stretch);
    }

    /// What a span of real time is in paced time at the present stretch.
    pub fn paced(&self, real: Duration) -> Duration {
        real.div_f64(self.looks)
    }

    /// When `then` comes if the stretch stays as it is.
    pub fn real(&self, then: Paced) -> Mono {
        self.at + then.since(self.now).mul_f64(self.looks)
    }
}
