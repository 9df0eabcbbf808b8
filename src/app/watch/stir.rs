//! Whether something moves, as opposed to standing before the background: motion detection goes on boxing
//! what has come to stand until it has become background, half a minute later.

use std::time::Duration;

use crate::base::Wall;
use crate::infer::Detection;
use crate::media::BBox;

/// A box that covers a place so well stands there.
const SAME: f32 = 0.5;
/// After the last step the thing is taken to be still on its way for so long: at five pictures a second a
/// walker covers the same place for some of them.
const LINGER: Duration = Duration::from_millis(1500);
/// A place is forgotten when nothing stood there for this long.
const FORGET: Duration = Duration::from_secs(10);
/// Most places remembered.
const MOST: usize = 64;

/// The places where something stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Stir {
    places: Vec<(BBox, Wall)>,
    stepped: Option<Wall>,
}

impl Stir {
    /// Boxes of what differs from the background at the time `at`; gives whether anything moves. A thing that
    /// moves slowly leaves its place in the end: places do not move with it.
    pub fn moves(&mut self, boxes: &[Detection], at: Wall) -> bool {
        // Places of a later time are of before the clock was set back.
        self.places.retain(|(_, seen)| *seen <= at && at.since(*seen) <= FORGET);
        self.stepped = self.stepped.filter(|then| *then <= at && at.since(*then) <= LINGER);
        for found in boxes {
            match self.places.iter_mut().find(|(place, _)| place.iou(&found.bbox) >= SAME) {
                Some((_, seen)) => *seen = at,
                None => {
                    self.stepped = Some(at);
                    if self.places.len() == MOST {
                        self.places.remove(0);
                    }
                    self.places.push((found.bbox, at));
                }
            }
        }
        self.stepped.is_some() && !boxes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Class;

    /// Left edges of boxes 0.2 wide, one picture every two seconds; `-1`: nothing to see.
    fn check(places: &[f32], want: &[bool]) {
        let mut stir = Stir::default();
        let got: Vec<bool> = places
            .iter()
            .enumerate()
            .map(|(n, x)| {
                let bbox = BBox::new(*x, 0.2, x + 0.2, 0.6);
                let found = Detection { class: Class::Motion, bbox, score: 1.0, landmarks: None };
                stir.moves(
                    if *x < 0.0 { &[] } else { std::slice::from_ref(&found) },
                    Wall::from_secs(2 * n as i64),
                )
            })
            .collect();
        assert_eq!(got, want, "{places:?}");
    }

    #[test]
    fn a_walker_moves_and_whoever_stands_does_not() {
        check(&[0.1, 0.2, 0.3, 0.3, 0.31, 0.29, 0.4], &[true, true, true, false, false, false, true]);
    }

    #[test]
    fn a_slow_thing_moves_in_the_end() {
        let creeping: Vec<f32> = (0..10).map(|n| 0.1 + 0.02 * n as f32).collect();
        let mut stir_at = [false; 10];
        (stir_at[0], stir_at[4], stir_at[8]) = (true, true, true);
        check(&creeping, &stir_at);
    }

    #[test]
    fn a_walker_is_still_on_his_way_while_he_covers_the_same_place() {
        let at = |x: f32| Detection {
            class: Class::Motion,
            bbox: BBox::new(x, 0.2, x + 0.2, 0.6),
            score: 1.0,
            landmarks: None,
        };
        let mut stir = Stir::default();
        let moves = |n: i64, x: f32, stir: &mut Stir| stir.moves(&[at(x)], Wall(n * 200_000));
        assert!((0..10).all(|n| moves(n, 0.1 + 0.02 * n as f32, &mut stir)));
        assert!((10..15).all(|n| moves(n, 0.28, &mut stir)), "for a moment he may only have paused");
        assert!((16..30).all(|n| !moves(n, 0.28, &mut stir)));
    }

    #[test]
    fn a_place_is_forgotten_after_a_while() {
        let mut there = vec![0.1, 0.1];
        there.extend([-1.0; 6]);
        there.push(0.1);
        let mut want = vec![true, false];
        want.extend([false; 6]);
        want.push(true);
        check(&there, &want);
    }
}
