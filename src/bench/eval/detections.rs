//! Boxes on single frames held against the truth.

use crate::infer::{Class, Detection};
use crate::media::BBox;

use super::truth::FrameTruth;

/// What was found on one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// The truth's boxes and whether they were found.
    pub expected: Vec<(BBox, bool)>,
    /// Detections, best score first, without those on ignored boxes.
    pub told: Vec<Told>,
}

/// A detection that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    pub bbox: BBox,
    /// 0 to 1.
    pub score: f32,
    /// Whether it stands for a box of the truth for which no better one stands.
    pub right: bool,
}

/// Greedy matching, best score first. A detection on an ignored box counts for nothing.
pub fn compare(truth: &FrameTruth, found: &[Detection], class: Class, min_iou: f32) -> Compared {
    let as_box = |b: &[f32; 4]| BBox::new(b[0], b[1], b[2], b[3]);
    let mut expected: Vec<(BBox, bool)> = truth.boxes.iter().map(|b| (as_box(b), false)).collect();
    let mut told = Vec::new();
    let mut found: Vec<&Detection> = found.iter().filter(|d| d.class == class).collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    for Detection { bbox, score, .. } in found {
        let best = expected
            .iter_mut()
            .filter(|(b, found)| !found && b.iou(bbox) >= min_iou)
            .max_by(|a, b| a.0.iou(bbox).total_cmp(&b.0.iou(bbox)));
        let right = best.is_some();
        if let Some((_, found)) = best {
            *found = true;
        } else if truth.ignore.iter().any(|b| as_box(b).iou(bbox) >= min_iou) {
            continue;
        }
        told.push(Told { bbox: *bbox, score: *score, right });
    }
    Compared { expected, told }
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
        let found = [at(0.11, 0.8), at(0.1, 0.9), at(0.8, 0.7)];
        let compared = compare(&truth, &found, Class::Face, 0.4);
        assert_eq!(compared.expected.iter().map(|e| e.1).collect::<Vec<_>>(), [true, false]);
        let told = |i: usize, right| Told { bbox: found[i].bbox, score: found[i].score, right };
        assert_eq!(compared.told, [told(1, true), told(0, false)]);
        assert!(compare(&truth, &found, Class::Person, 0.4).told.is_empty());
    }
}
