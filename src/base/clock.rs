//! The only place that reads the time. Everything that decides takes time as input.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::time::{Mono, Wall};

/// A source of time. Tests replace it by [`SimClock`].
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Mono;
    fn wall(&self) -> Wall;
}

/// CPU time that the calling thread has used so far.
pub fn thread_cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec.unsigned_abs() as u32)
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        #[allow(clippy::disallowed_methods)]
        SystemClock { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Mono {
        Mono(self.origin.elapsed())
    }

    fn wall(&self) -> Wall {
        #[allow(clippy::disallowed_methods)]
        let d = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall(d.as_micros() as i64)
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct SimClock {
    start: Wall,
    elapsed_us: AtomicI64,
    /// What the wall clock was stepped by, as an NTP correction would.
    wall_step_us: AtomicI64,
}

impl SimClock {
    pub fn new(start: Wall) -> Self {
        SimClock { start, elapsed_us: AtomicI64::new(0), wall_step_us: AtomicI64::new(0) }
    }

    pub fn advance(&self, d: Duration) {
        self.elapsed_us.fetch_add(d.as_micros() as i64, Ordering::SeqCst);
    }

    /// Step the wall clock alone by `micros` (may be negative).
    pub fn step_wall(&self, micros: i64) {
        self.wall_step_us.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Mono {
        Mono(Duration::from_micros(self.elapsed_us.load(Ordering::SeqCst) as u64))
    }

    fn wall(&self) -> Wall {
        let us = self.elapsed_us.load(Ordering::SeqCst) + self.wall_step_us.load(Ordering::SeqCst);
        Wall(self.start.0 + us)
    }
}
