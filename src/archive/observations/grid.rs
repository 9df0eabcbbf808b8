//! Detections in whole numbers. Tracker and rules are given what is left after rounding, so that what is kept
//! is exactly what decided.

use crate::infer::{Class, Detection};
use crate::media::BBox;

/// Steps of a picture's width or height: 0.06 pixels of 1920.
const STEPS: f32 = 32_768.0;
/// Boxes may lie outside the picture by as much as this.
const MARGIN: f32 = 0.5;

/// A detection as it is kept: class, x1, y1, x2, y2, score. Landmarks decide nothing and are left out.
pub(super) const BYTES: usize = 11;

/// The detection as it comes back from being kept. Applied again it changes nothing.
pub fn on_grid(d: &Detection) -> Detection {
    Detection { landmarks: d.landmarks, ..read(&write(d)).expect("invariant: what was written can be read") }
}

pub(super) fn write(d: &Detection) -> [u8; BYTES] {
    let b = d.bbox;
    let side = |v: f32| ((v + MARGIN) * STEPS).round().clamp(0.0, 65_535.0) as u16;
    let score = (d.score * 65_535.0).round().clamp(0.0, 65_535.0) as u16;
    let mut out = [0; BYTES];
    out[0] = number(d.class);
    let values = [side(b.x1), side(b.y1), side(b.x2), side(b.y2), score];
    for (place, value) in out[1..].chunks_exact_mut(2).zip(values) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    out
}

/// `None`: no class has this number.
pub(super) fn read(bytes: &[u8; BYTES]) -> Option<Detection> {
    let value = |i: usize| u16::from_le_bytes([bytes[1 + 2 * i], bytes[2 + 2 * i]]);
    let side = |i: usize| f32::from(value(i)) / STEPS - MARGIN;
    Some(Detection {
        class: Class::ALL.into_iter().find(|c| number(*c) == bytes[0])?,
        bbox: BBox::new(side(0), side(1), side(2), side(3)),
        score: f32::from(value(4)) / 65_535.0,
        landmarks: None,
    })
}

/// Numbers of classes on the disk; never given to another.
fn number(class: Class) -> u8 {
    match class {
        Class::Person => 0,
        Class::Vehicle => 1,
        Class::Face => 2,
        Class::Motion => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_grid_stays_where_it_is() {
        let mut x = 0.123_f32;
        for class in Class::ALL.into_iter().cycle().take(10_000) {
            // A walk over all kinds of numbers, some outside the picture.
            x = (x * 997.0 + 0.1).fract();
            let bbox = BBox::new(x * 1.9 - 0.45, x - 0.2, x * 1.9 - 0.4, x + 0.4);
            let d = Detection { class, bbox, score: x, landmarks: None };
            let once = on_grid(&d);
            assert_eq!(on_grid(&once), once);
            let near = |a: f32, b: f32| (a - b).abs() <= 0.6 / STEPS;
            let (a, b) = (once.bbox, d.bbox);
            assert!(near(a.x1, b.x1) && near(a.y1, b.y1) && near(a.x2, b.x2) && near(a.y2, b.y2), "{d:?}");
            assert!((once.score - d.score).abs() < 1e-4 && once.class == class);
        }
    }

    #[test]
    fn what_lies_far_outside_ends_at_the_margin() {
        let far = Detection {
            class: Class::Vehicle,
            bbox: BBox::new(-3.0, -0.1, 4.0, f32::NAN),
            score: 2.0,
            landmarks: None,
        };
        let kept = on_grid(&far);
        assert_eq!((kept.bbox.x1, kept.score), (-0.5, 1.0));
        assert!(kept.bbox.x2 < 1.5 && kept.bbox.y2 == -0.5, "{kept:?}");
    }
}
