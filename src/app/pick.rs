//! Which frames of a stream are analysed. The server and the accuracy runs choose alike.

use std::time::Duration;

use crate::base::Wall;

/// Chooses frames so that at most `fps` a second are analysed.
pub struct Pick {
    period: Duration,
    next: Option<Wall>,
}

impl Pick {
    /// `fps` must be above 0.
    pub fn new(fps: f32) -> Self {
        Pick { period: Duration::from_secs_f32(1.0 / fps), next: None }
    }

    /// From the next frame on at most `fps`, above 0, a second.
    pub fn set_fps(&mut self, fps: f32) {
        self.period = Duration::from_secs_f32(1.0 / fps);
    }

    /// Whether the frame at `at` is analysed. Ask once per frame, in order.
    pub fn takes(&mut self, at: Wall) -> bool {
        // A frame a little early is better than one a whole frame late.
        let slack = self.period / 4;
        // Were the next one further away, the clock would have been set back.
        match self.next.filter(|next| *next < at + self.period * 2) {
            Some(next) if at + slack < next => false,
            Some(next) if at < next + self.period * 4 => {
                self.next = Some(next + self.period);
                true
            }
            _ => {
                self.next = Some(at + self.period);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_picked_at_the_rate_also_after_the_clock_was_set_back() {
        let mut pick = Pick::new(5.0);
        let mut taken = |from: i64| (0..50).filter(|i| pick.takes(Wall(from + i * 40_000))).count();
        // Five a second for two seconds, and the first.
        assert_eq!(taken(7_200_000_000), 11);
        assert_eq!(taken(3_600_000_000), 11);
        assert_eq!(taken(9_000_000_000), 11);
    }
}
