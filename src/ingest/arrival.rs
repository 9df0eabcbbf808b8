//! Server time of access units: arrival, freed from the network's jitter.
//!
//! A packet can be late, never early. So the least delayed units tell the truth: the estimate of
//! "server time minus stream time" drops at once to an earlier arrival, and rises only slowly, so
//! that a camera whose clock runs slow is followed while a late packet is not believed.

use std::time::Duration;

use crate::base::{Mono, Wall};

/// How fast the estimate may rise: 200 ppm follows any camera quartz (typically within 100 ppm).
const RISE_PER_SECOND_US: i64 = 200;
/// A change of the server's wall clock against its monotonic clock larger than this is a step.
const STEP_US: i64 = 1_000_000;
/// Units later than this, for longer than [`LATE_FOR`], are not late: the delay has changed.
const LATE_US: i64 = 1_000_000;
const LATE_FOR: Duration = Duration::from_secs(10);

/// Smooths arrival times of one connection. No I/O; every input is an argument.
#[derive(Debug, Default)]
pub struct Arrival {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    /// Server time minus stream time, microseconds.
    offset_us: i64,
    /// Wall minus monotonic time when the last unit arrived.
    wall_ahead_us: i64,
    last_at: Mono,
    late_since: Option<Mono>,
    last_out: Wall,
}

/// Server time of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smoothed {
    pub received: Wall,
    /// The server's clock was set back by more than a second: `received` is smaller than before,
    /// and what follows belongs to a new line of units.
    pub set_back: bool,
}

impl Arrival {
    /// `time_us`: stream time in decoding order, microseconds. Never later than `wall`; never
    /// decreasing, except where `set_back` says so.
    pub fn smooth(&mut self, time_us: i64, wall: Wall, now: Mono) -> Smoothed {
        let wall_ahead_us = wall.0 - now.0.as_micros() as i64;
        let fresh = State {
            offset_us: wall.0 - time_us,
            wall_ahead_us,
            last_at: now,
            late_since: None,
            last_out: wall,
        };
        let Some(s) = &mut self.state else {
            self.state = Some(fresh);
            return Smoothed { received: wall, set_back: false };
        };
        // Whatever happened to the server's clock happened to the estimate too.
        let step = wall_ahead_us - s.wall_ahead_us;
        s.wall_ahead_us = wall_ahead_us;
        s.offset_us += step;
        let set_back = step < -STEP_US;
        if set_back {
            s.last_out = Wall::MIN;
        }
        let late = wall.0 - (time_us + s.offset_us);
        let rise = now.since(s.last_at).as_micros() as i64 * RISE_PER_SECOND_US / 1_000_000;
        s.last_at = now;
        s.late_since = if late > LATE_US { s.late_since.or(Some(now)) } else { None };
        if s.late_since.is_some_and(|since| now.since(since) >= LATE_FOR) {
            s.offset_us += late;
            s.late_since = None;
        } else {
            // An early unit (`late` negative) lowers the estimate at once.
            s.offset_us += late.min(rise);
        }
        s.last_out = s.last_out.max(Wall(time_us + s.offset_us));
        Smoothed { received: s.last_out, set_back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const START: i64 = 1_700_000_000_000_000;
    const FRAME_US: i64 = 40_000;

    struct Run {
        /// `received` minus the true time of capture, microseconds.
        errors: Vec<i64>,
        set_back: usize,
    }

    /// Frames of 25 per second by a camera whose clock runs `ppm` slow, each late by `delay(i)`.
    /// `stepped(i)` is what the server's wall clock was set by until frame i.
    fn run(frames: i64, ppm: i64, delay: impl Fn(i64) -> i64, stepped: impl Fn(i64) -> i64) -> Run {
        let mut arrival = Arrival::default();
        let (mut errors, mut set_back, mut last) = (Vec::new(), 0, Wall::MIN);
        for i in 0..frames {
            let taken = i * FRAME_US;
            let stream = taken - taken / 1_000_000 * ppm;
            let mono = taken + delay(i);
            let wall = Wall(START + mono + stepped(i));
            let s = arrival.smooth(stream, wall, Mono(Duration::from_micros(mono as u64)));
            assert!(s.received <= wall, "frame {i} is received before it arrives");
            assert!(s.received >= last || s.set_back, "time went back at frame {i}");
            last = s.received;
            set_back += usize::from(s.set_back);
            errors.push(s.received.0 - START - taken - stepped(i));
        }
        Run { errors, set_back }
    }

    fn jitter(i: i64) -> i64 {
        5_000 + StdRng::seed_from_u64(i as u64).random_range(0..30_000)
    }

    #[test]
    fn jitter_does_not_show() {
        let r = run(10_000, 0, jitter, |_| 0);
        let settled = &r.errors[500..];
        let spread = settled.iter().max().unwrap() - settled.iter().min().unwrap();
        assert!(spread < 3_000, "{spread} us of jitter left of 30 ms");
    }

    #[test]
    fn a_camera_clock_off_by_100_ppm_is_followed() {
        for ppm in [100, -100] {
            let r = run(90_000, ppm, jitter, |_| 0);
            let worst = r.errors[500..].iter().map(|e| e.abs()).max().unwrap();
            assert!(worst < 40_000, "{worst} us off after an hour at {ppm} ppm");
        }
    }

    #[test]
    fn a_step_of_the_server_clock_is_taken_over_at_once() {
        let forth = run(2_000, 0, jitter, |i| if i < 1_000 { 0 } else { 5_000_000 });
        assert_eq!(forth.set_back, 0);
        assert!(forth.errors[1_000..].iter().all(|e| e.abs() < 40_000));
        let back = run(2_000, 0, jitter, |i| if i < 1_000 { 0 } else { -3_600_000_000 });
        assert_eq!(back.set_back, 1);
        assert!(back.errors[1_000..].iter().all(|e| e.abs() < 40_000));
    }

    #[test]
    fn a_stall_is_not_taken_for_a_later_capture() {
        // Frames 1000 to 1075 arrive together when a stall of 3 s ends.
        let r =
            run(2_000, 0, |i| if (1_000..1_075).contains(&i) { (1_075 - i) * FRAME_US } else { 0 }, |_| 0);
        let worst = r.errors.iter().map(|e| e.abs()).max().unwrap();
        assert!(worst < 5_000, "{worst} us");
    }

    #[test]
    fn a_delay_that_stays_is_accepted() {
        let r = run(3_000, 0, |i| if i < 1_000 { 0 } else { 2_000_000 }, |_| 0);
        assert!(r.errors[2_000..].iter().all(|e| (e - 2_000_000).abs() < 5_000));
    }
}
