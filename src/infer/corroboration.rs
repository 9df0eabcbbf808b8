//! Corroboration: a face where the head would be speaks for a doubtful person.
//!
//! A network finds faces and people each for itself, so a face at the right place in a person's box is evidence that
//! the person's score does not hold yet. It costs no run. That no face is there says nothing: people are seen from
//! behind, and far away.

use std::ops::RangeInclusive;

use super::detection::{BEGINS, Class, Detection};
use super::odds::added;
use crate::media::BBox;

/// Where a face lies in a person's box: its middle across and down, and its width, in sides of that box.
const ACROSS: RangeInclusive<f32> = 0.1..=0.9;
const DOWN: RangeInclusive<f32> = 0.0..=0.6;
const WIDE: RangeInclusive<f32> = 0.08..=0.95;

/// Add `odds` to the log odds of each doubtful person among these, strongest first, who has a face of one's own. A face
/// that may begin a track speaks for the strongest alone of those whose head it may be.
pub(super) fn corroborate(found: &mut [Detection], doubtful: &RangeInclusive<f32>, odds: f32) {
    let mut faces: Vec<BBox> =
        found.iter().filter(|d| d.class == Class::Face && d.score >= BEGINS).map(|d| d.bbox).collect();
    for person in found.iter_mut().filter(|d| d.class == Class::Person && d.score >= *doubtful.start()) {
        let Some(own) = faces.iter().position(|face| is_head(face, &person.bbox)) else { continue };
        faces.remove(own);
        if person.score <= *doubtful.end() {
            person.score = added(person.score, odds);
        }
    }
}

fn is_head(face: &BBox, person: &BBox) -> bool {
    let (middle, width, height) = (face.center(), person.width(), person.height());
    ACROSS.contains(&((middle.x - person.x1) / width))
        && DOWN.contains(&((middle.y - person.y1) / height))
        && WIDE.contains(&(face.width() / width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::testing::settings;

    const DOUBTFUL: RangeInclusive<f32> = 0.3..=0.7;

    fn of(class: Class, [x, y, w, h]: [f32; 4], score: f32) -> Detection {
        Detection { class, bbox: BBox::new(x, y, x + w, y + h), score, landmarks: None }
    }

    fn person(x: f32, score: f32) -> Detection {
        of(Class::Person, [x, 0.2, 0.2, 0.6], score)
    }

    fn face(x: f32, score: f32) -> Detection {
        of(Class::Face, [x, 0.22, 0.06, 0.1], score)
    }

    /// The scores afterwards, where one bit more is added: 0.5 becomes 2 to 1.
    fn told(mut found: Vec<Detection>) -> Vec<f32> {
        corroborate(&mut found, &DOUBTFUL, 2f32.ln());
        found.iter().map(|d| (d.score * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn a_face_speaks_for_the_doubtful_person_whose_head_it_is() {
        assert_eq!(told(vec![person(0.1, 0.5), face(0.17, 0.5)]), [0.667, 0.5]);
        for (why, told, wanted) in [
            ("sure already", told(vec![face(0.17, 0.9), person(0.1, 0.75)]), [0.9, 0.75]),
            ("not even doubtful", told(vec![face(0.17, 0.9), person(0.1, 0.29)]), [0.9, 0.29]),
            ("doubtful itself", told(vec![person(0.1, 0.5), face(0.17, 0.49)]), [0.5, 0.49]),
            ("beside the box", told(vec![face(0.05, 0.9), person(0.1, 0.5)]), [0.9, 0.5]),
        ] {
            assert_eq!(told, wanted, "{why}");
        }
    }

    #[test]
    fn no_head_is_at_the_feet_or_as_wide_as_the_body_or_as_a_button() {
        for [x, y, w, h] in [[0.17, 0.6, 0.06, 0.1], [0.1, 0.22, 0.2, 0.3], [0.2, 0.22, 0.01, 0.02]] {
            let face = of(Class::Face, [x, y, w, h], 0.9);
            assert_eq!(told(vec![face, person(0.1, 0.5)]), [0.9, 0.5], "{face:?}");
        }
        let nowhere = of(Class::Person, [0.1, 0.2, 0.0, 0.0], 0.5);
        assert_eq!(told(vec![face(0.1, 0.9), nowhere]), [0.9, 0.5]);
    }

    #[test]
    fn one_face_speaks_for_one_person() {
        let (sure, doubtful) = (person(0.1, 0.8), person(0.12, 0.5));
        assert_eq!(told(vec![face(0.17, 0.9), sure, doubtful]), [0.9, 0.8, 0.5]);
        assert_eq!(told(vec![face(0.17, 0.9), face(0.2, 0.85), sure, doubtful]), [0.9, 0.85, 0.8, 0.667]);
    }

    #[test]
    fn the_recipe_corroborates_by_the_same_numbers() {
        let text = std::fs::read_to_string(settings().manifests.join("train/corroboration.py")).unwrap();
        let names = "LEAST, ACROSS, DOWN, WIDE = ";
        let line = text.lines().find_map(|l| l.strip_prefix(names)).expect(names).replace(['(', ')'], "");
        let numbers: Vec<f32> = line.split(", ").map(|n| n.parse().unwrap()).collect();
        let ours = [ACROSS, DOWN, WIDE].map(|r| [*r.start(), *r.end()]).concat();
        assert_eq!(numbers, [&[BEGINS][..], &ours].concat());
    }
}
