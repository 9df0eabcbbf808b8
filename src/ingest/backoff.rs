//! How long to wait before connecting anew.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::base::{Kind, Mono};

/// A connection that delivered for this long was a good one: the next failure starts from the
/// shortest wait again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Exponential backoff with full jitter: the wait is drawn evenly from zero up to a ceiling that
/// doubles with each failure (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
/// 2015), so that cameras lost together do not come back together.
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    online_since: Option<Mono>,
    rng: StdRng,
}

impl Backoff {
    pub fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Backoff { min, max: max.max(min), failures: 0, online_since: None, rng: StdRng::seed_from_u64(seed) }
    }

    /// The connection delivers from now on.
    pub fn online(&mut self, now: Mono) {
        self.online_since = Some(now);
    }

    /// The connection or the attempt failed; the wait until the next. Where somebody must change
    /// something first (password, path), never shorter than the longest wait: cameras lock users
    /// out that knock too often with a wrong password.
    pub fn after_failure(&mut self, kind: Kind, now: Mono) -> Duration {
        if self.online_since.take().is_some_and(|since| now.since(since) >= GOOD_AFTER) {
            self.failures = 0;
        }
        if !kind.is_transient() {
            return self.max + self.rng.random_range(Duration::ZERO..=self.max);
        }
        let ceiling = self.min.saturating_mul(1 << self.failures.min(16)).min(self.max);
        self.failures += 1;
        self.rng.random_range(Duration::ZERO..=ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, SimClock, Wall};

    const MIN: Duration = Duration::from_millis(500);
    const MAX: Duration = Duration::from_secs(4);

    /// The longest of many draws of the n-th wait, near its ceiling.
    fn longest(n: usize, before: impl Fn(&mut Backoff, &SimClock)) -> Duration {
        let draw = |seed| {
            let clock = SimClock::new(Wall(0));
            let mut b = Backoff::new(MIN, MAX, seed);
            before(&mut b, &clock);
            (0..n).map(|_| b.after_failure(Kind::Unavailable, clock.now())).last().unwrap()
        };
        (0..400).map(draw).max().unwrap()
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        for (n, ceiling_ms) in [(1, 500), (2, 1000), (3, 2000), (4, 4000), (40, 4000)] {
            let seen = longest(n, |_, _| {}).as_millis();
            assert!(seen <= ceiling_ms && seen > ceiling_ms * 9 / 10, "wait {n}: {seen} ms of {ceiling_ms}");
        }
    }

    #[test]
    fn only_a_connection_that_lasted_starts_afresh() {
        let after = |lasted: u64| {
            longest(1, move |b, clock| {
                for _ in 0..10 {
                    b.after_failure(Kind::Unavailable, clock.now());
                }
                b.online(clock.now());
                clock.advance(Duration::from_secs(lasted));
            })
        };
        assert!(after(11) <= MIN);
        assert!(after(1) > Duration::from_secs(3));
    }

    #[test]
    fn a_wrong_password_is_not_tried_often() {
        let mut b = Backoff::new(MIN, MAX, 7);
        for _ in 0..100 {
            assert!(b.after_failure(Kind::Unauthorized, Mono::default()) >= MAX);
        }
    }
}
