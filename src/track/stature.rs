//! How tall a moving thing is, though motion detection often shows only a part of it: clothes of the
//! background's colour hide legs in one picture and a head in the next.

use std::time::Duration;

use crate::media::BBox;

/// An area shorter than this part of the thing is a part of it.
const PART: f32 = 0.75;
/// What is seen taller is so soon, what is seen shorter late: parts go missing, nothing is added. Seconds.
const GROWS_S: f32 = 0.3;
const SHRINKS_S: f32 = 0.7;

/// Height that a thing is taken to have, as a part of the picture's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stature(f32);

impl Stature {
    pub fn of(first: &BBox) -> Self {
        Stature(first.height())
    }

    /// An area of this height was seen, `dt` after the last.
    pub fn learn(&mut self, seen: &BBox, dt: Duration) {
        let off = seen.height() - self.0;
        let slowness = if off > 0.0 { GROWS_S } else { SHRINKS_S };
        self.0 += off * (1.0 - (-dt.as_secs_f32() / slowness).exp());
    }

    /// The whole to which an area belongs. Of a part, the edge that lies nearer to where it was expected is
    /// the thing's own; the other one is where the missing part begins.
    pub fn whole(&self, expected: &BBox, seen: &BBox) -> BBox {
        if seen.height() >= self.0 * PART {
            return *seen;
        }
        if (seen.y1 - expected.y1).abs() < (seen.y2 - expected.y2).abs() {
            BBox { y2: seen.y1 + self.0, ..*seen }
        } else {
            BBox { y1: seen.y2 - self.0, ..*seen }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: BBox = BBox::new(0.4, 0.4, 0.5, 0.8);

    fn sees(seen: BBox) -> BBox {
        Stature::of(&FULL).whole(&FULL, &seen)
    }

    #[test]
    fn a_part_is_completed_at_the_edge_that_is_not_where_it_was_expected() {
        assert_eq!(sees(BBox { y2: 0.6, ..FULL }), FULL, "no legs");
        assert_eq!(sees(BBox { y1: 0.62, ..FULL }), FULL, "legs only");
        let moved = sees(BBox::new(0.42, 0.65, 0.5, 0.82));
        assert!(moved.y2 == 0.82 && (moved.y1 - 0.42).abs() < 1e-6 && moved.x1 == 0.42, "{moved:?}");
    }

    #[test]
    fn what_is_about_as_tall_or_taller_is_taken_as_seen() {
        for seen in [BBox { y1: 0.47, ..FULL }, BBox { y2: 0.72, ..FULL }, BBox { y2: 0.95, ..FULL }] {
            assert_eq!(sees(seen), seen);
        }
    }

    #[test]
    fn who_walks_away_becomes_shorter_and_who_is_half_hidden_for_a_moment_does_not() {
        let (step, half) = (Duration::from_millis(160), BBox { y2: 0.6, ..FULL });
        let mut stature = Stature::of(&FULL);
        stature.learn(&half, step);
        assert_eq!(stature.whole(&FULL, &half).y1, 0.4);
        assert!(stature.whole(&FULL, &half).y2 > 0.75);
        for _ in 0..12 {
            stature.learn(&half, step);
        }
        assert_eq!(stature.whole(&FULL, &half), half, "for two seconds it has been as tall as this");
        stature.learn(&FULL, step);
        stature.learn(&FULL, step);
        assert!(stature.whole(&FULL, &half).y2 > 0.7, "taller is believed at once");
    }
}
