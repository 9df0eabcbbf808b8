//! Boxes on single frames held against the truth.

use crate::infer::{Class, Detection};
use crate::media::BBox;

use super::facts::Score;
use super::truth::FrameTruth;

/// Greedy matching, best score first. A detection on an ignored box counts for nothing.
pub fn score(truth: &FrameTruth, found: &[Detection], class: Class, min_iou: f32) -> Score {
    let as_box = |b: &[f32; 4]| BBox::new(b[0], b[1], b[2], b[3]);
    let mut open: Vec<BBox> = truth.boxes.iter().map(as_box).collect();
    let mut score = Score { expected: open.len(), ..Score::default() };
    let mut found: Vec<&Detection> = found.iter().filter(|d| d.class == class).collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    for detection in found {
        let best = open
            .iter()
            .map(|b| b.iou(&detection.bbox))
            .enumerate()
            .filter(|(_, iou)| *iou >= min_iou)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((i, _)) => {
                open.swap_remove(i);
                score.found += 1;
            }
            None if truth.ignore.iter().any(|b| as_box(b).iou(&detection.bbox) >= min_iou) => {}
            None => score.extra += 1,
        }
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_box_on_the_same_face_is_extra_and_an_ignored_one_is_not() {
        let truth = FrameTruth {
            file: String::new(),
            frame: 0,
            boxes: vec![[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6]],
            ignore: vec![[0.8, 0.8, 0.9, 0.9]],
        };
        let at = |x: f32, score| Detection {
            class: Class::Face,
            bbox: BBox::new(x, x, x + 0.1, x + 0.1),
            score,
            landmarks: None,
        };
        let found = [at(0.1, 0.9), at(0.11, 0.8), at(0.8, 0.7)];
        assert_eq!(score(&truth, &found, Class::Face, 0.4), Score { expected: 2, found: 1, extra: 1 });
        assert_eq!(score(&truth, &found, Class::Person, 0.4), Score { expected: 2, found: 0, extra: 0 });
    }
}
