//! Lets the server's tracker follow detections that a file gives.

use std::collections::BTreeMap;

use crate::base::Wall;
use crate::infer::{Class, Detection};
use crate::media::BBox;
use crate::track::{Settings, TrackNumbers, Tracker};

use super::mot::{Numbered, Scored, Sequence};

/// Pixels of the pictures that detections are of: width, height.
pub type Size = (u32, u32);

/// What the tracker says of persons seen at `fps` frames a second, up to the last frame with a
/// detection, when it looks at the frames for which `looks` holds. A box is told when a detection of
/// this very frame stands behind it: where somebody may be who is not seen is no box, as in ByteTrack.
pub fn replay(
    seen: &Sequence<Scored>,
    size: Size,
    fps: f64,
    looks: impl Fn(u32) -> bool,
) -> Sequence<Numbered> {
    let (w, h) = (size.0 as f32, size.1 as f32);
    let scaled = |b: &BBox, x: f32, y: f32| BBox::new(b.x1 * x, b.y1 * y, b.x2 * x, b.y2 * y);
    let mut tracker = Tracker::new(Settings::default(), TrackNumbers::default());
    let mut told = BTreeMap::new();
    let last = seen.keys().next_back().copied().unwrap_or(0);
    for frame in (1..=last).filter(|&f| looks(f)) {
        let at = Wall((f64::from(frame - 1) / fps * 1e6).round() as i64);
        let found = seen.get(&frame).into_iter().flatten().map(|d| Detection {
            class: Class::Person,
            bbox: scaled(&d.bbox, 1.0 / w, 1.0 / h),
            score: d.score,
            landmarks: None,
        });
        let set = tracker.step(at, &found.collect::<Vec<_>>());
        let boxes = set.tracks.iter().filter(|t| t.observed);
        let boxes: Vec<_> = boxes.map(|t| Numbered { id: t.id.0, bbox: scaled(&t.bbox, w, h) }).collect();
        if !boxes.is_empty() {
            told.insert(frame, boxes);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who walks to the right for 20 frames and is not seen in frame 10.
    fn walk() -> Sequence<Scored> {
        let seen = |f: u32| {
            let left = 10.0 * f as f32;
            vec![Scored { bbox: BBox::new(left, 100.0, left + 60.0, 220.0), score: 0.9 }]
        };
        (1..=20).filter(|&f| f != 10).map(|f| (f, seen(f))).collect()
    }

    #[test]
    fn what_is_seen_is_told_in_pixels_from_the_third_frame_on_and_where_it_is_not_seen_it_is_not() {
        let told = replay(&walk(), (640, 360), 10.0, |_| true);
        let frames: Vec<u32> = told.keys().copied().collect();
        assert_eq!(frames, (3..=20).filter(|&f| f != 10).collect::<Vec<_>>());
        let of_third = told[&3][0];
        assert_eq!(of_third.id, 1);
        assert!(of_third.bbox.iou(&walk()[&3][0].bbox) > 0.999, "{of_third:?}");
        assert!(told.values().flatten().all(|b| b.id == 1));
    }

    #[test]
    fn frames_not_looked_at_are_not_told() {
        let told = replay(&walk(), (640, 360), 10.0, |f| f % 2 == 1);
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), [5, 7, 9, 11, 13, 15, 17, 19]);
        assert!(replay(&Sequence::new(), (640, 360), 10.0, |_| true).is_empty());
    }
}
