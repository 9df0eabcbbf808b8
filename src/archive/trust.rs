//! Whether the wall clock may be believed when age decides what is deleted. A clock that is set a
//! month ahead by mistake must not cost a month of recordings.

use std::time::Duration;

use crate::base::{Mono, Wall};

/// A wall clock further ahead than this of what the monotonic clock says is doubted, and must go on
/// steadily for as long before it is believed.
pub const DOUBT: Duration = Duration::from_secs(3600);

/// A moment on both clocks.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Moment {
    wall: Wall,
    mono: Mono,
}

impl Moment {
    /// What the wall clock says at `mono` where nobody sets it.
    fn wall_at(self, mono: Mono) -> Wall {
        self.wall + mono.since(self.mono)
    }
}

/// What the wall clock is held against.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trust {
    good: Moment,
    doubted: Option<Moment>,
}

/// What to think of the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Good,
    /// It has just jumped ahead by so much.
    Jumped(Duration),
    /// It jumped ahead and has not yet held for long enough.
    Doubted,
}

impl Trust {
    /// `wall` is good at `mono`.
    pub fn new(wall: Wall, mono: Mono) -> Self {
        Trust { good: Moment { wall, mono }, doubted: None }
    }

    /// The wall clock says `wall`. A step back is always believed: it deletes nothing.
    pub fn look(&mut self, wall: Wall, mono: Mono) -> Verdict {
        let ahead = wall.since(self.good.wall_at(mono));
        let apart = |m: Moment| wall.since(m.wall_at(mono)).max(m.wall_at(mono).since(wall));
        match self.doubted {
            Some(m) if ahead > DOUBT && apart(m) <= DOUBT && mono.since(m.mono) < DOUBT => Verdict::Doubted,
            Some(m) if ahead <= DOUBT || apart(m) <= DOUBT => self.believe(wall, mono),
            None if ahead <= DOUBT => self.believe(wall, mono),
            _ => {
                self.doubted = Some(Moment { wall, mono });
                Verdict::Jumped(ahead)
            }
        }
    }

    fn believe(&mut self, wall: Wall, mono: Mono) -> Verdict {
        *self = Trust::new(wall, mono);
        Verdict::Good
    }

    pub fn is_doubting(&self) -> bool {
        self.doubted.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn look(trust: &mut Trust, wall: i64, mono: u64) -> Verdict {
        trust.look(Wall::from_secs(wall), Mono(Duration::from_secs(mono)))
    }

    #[test]
    fn a_jump_is_believed_once_the_clock_has_held_for_an_hour() {
        let mut t = Trust::new(Wall::from_secs(0), Mono::default());
        assert_eq!(look(&mut t, 7000, 7000), Verdict::Good);
        let ahead = Duration::from_secs(DAY as u64);
        assert_eq!(look(&mut t, DAY + 7010, 7010), Verdict::Jumped(ahead));
        assert_eq!(look(&mut t, DAY + 10_600, 10_600), Verdict::Doubted);
        assert_eq!(look(&mut t, DAY + 10_610, 10_610), Verdict::Good);
        // Another jump during the doubt begins it anew.
        assert!(matches!(look(&mut t, 9 * DAY, 10_620), Verdict::Jumped(_)));
        assert!(matches!(look(&mut t, 30 * DAY, 14_000), Verdict::Jumped(_)));
        assert_eq!(look(&mut t, 30 * DAY + 300, 14_300), Verdict::Doubted);
    }

    #[test]
    fn a_clock_that_is_set_right_again_is_believed_at_once() {
        let mut t = Trust::new(Wall::from_secs(0), Mono::default());
        assert!(matches!(look(&mut t, DAY, 10), Verdict::Jumped(_)));
        assert_eq!(look(&mut t, 20, 20), Verdict::Good);
        assert!(!t.is_doubting());
        assert_eq!(look(&mut t, -DAY, 30), Verdict::Good);
    }
}
