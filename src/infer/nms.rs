//! Non-maximum suppression.

use super::detection::Detection;

/// Of detections of one class that overlap by more than `limit` (IoU), only the strongest stays.
/// The result is ordered from the strongest down.
pub fn suppress(mut found: Vec<Detection>, limit: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for d in found {
        if kept.iter().all(|k| k.class != d.class || k.bbox.iou(&d.bbox) <= limit) {
            kept.push(d);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Class;
    use crate::media::BBox;

    #[test]
    fn the_weaker_of_two_of_a_class_goes_and_other_classes_stay() {
        let d = |class, x: f32, score| Detection {
            class,
            bbox: BBox::new(x, 0.0, x + 0.2, 0.2),
            score,
            landmarks: None,
        };
        let found = vec![
            d(Class::Vehicle, 0.0, 0.5),
            d(Class::Vehicle, 0.01, 0.9),
            d(Class::Person, 0.01, 0.4),
            d(Class::Vehicle, 0.5, 0.3),
        ];
        let kept: Vec<f32> = suppress(found, 0.45).iter().map(|d| d.score).collect();
        assert_eq!(kept, [0.9, 0.4, 0.3]);
    }
}
