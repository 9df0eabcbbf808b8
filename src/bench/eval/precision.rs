//! How good boxes are at every score limit at once: average precision, and recall by size.

use serde::Serialize;

use crate::media::BBox;

use super::detections::{Compared, Told};
use super::facts::Score;

/// Boxes that cover less of the picture are small. This and [`LARGE_FROM`] are COCO's 32² and 96² pixels on a
/// picture of 640x480: a model sees the picture shrunk to its input, so the share counts, not the pixels.
const SMALL_BELOW: f32 = 32.0 * 32.0 / (640.0 * 480.0);
/// Boxes that cover this much of the picture or more are large.
const LARGE_FROM: f32 = 96.0 * 96.0 / (640.0 * 480.0);

/// What was found of the truth's boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recall {
    pub expected: usize,
    pub found: usize,
}

/// Figures of one class over all frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BoxScore {
    #[serde(flatten)]
    pub score: Score,
    /// Found of what is expected, 0 to 1; absent where nothing is.
    pub recall: Option<f64>,
    /// Right ones of what was told, 0 to 1; absent where nothing was.
    pub precision: Option<f64>,
    /// Average precision over what the model tells at all, 0 to 1; absent where the truth is empty. What
    /// lies below the score of its manifest is never told, so that a recall reached there counts as 0.
    pub ap: Option<f64>,
    /// Boxes that cover less than 0.33 % of the picture.
    pub small: Recall,
    pub middle: Recall,
    /// Boxes that cover 3 % of the picture or more.
    pub large: Recall,
}

/// Gathers frames.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    expected: Vec<(BBox, bool)>,
    told: Vec<Told>,
}

impl Tally {
    pub fn add(&mut self, frame: Compared) {
        self.expected.extend(frame.expected);
        self.told.extend(frame.told);
    }

    pub fn append(&mut self, other: Tally) {
        self.expected.extend(other.expected);
        self.told.extend(other.told);
    }

    pub fn score(&self) -> BoxScore {
        let mut all = BoxScore::default();
        for (b, found) in &self.expected {
            let of_size = match b.area() {
                a if a < SMALL_BELOW => &mut all.small,
                a if a < LARGE_FROM => &mut all.middle,
                _ => &mut all.large,
            };
            of_size.expected += 1;
            of_size.found += usize::from(*found);
        }
        let found = self.told.iter().filter(|t| t.right).count();
        all.score = Score { expected: self.expected.len(), found, extra: self.told.len() - found };
        let share = |of: usize| (of > 0).then(|| found as f64 / of as f64);
        (all.recall, all.precision) = (share(self.expected.len()), share(self.told.len()));
        all.ap = average_precision(&self.told, self.expected.len());
        all
    }
}

/// Area below the curve of precision over recall, interpolated at all points: at each recall the best
/// precision of this or a higher one (Pascal VOC from 2010 on). `None` where nothing is expected.
/// Detections of one score come in together, since no limit tells them apart.
fn average_precision(told: &[Told], expected: usize) -> Option<f64> {
    if expected == 0 {
        return None;
    }
    let mut told = told.to_vec();
    told.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut right, mut all) = (0, 0);
    // Right ones and precision at each score limit.
    let mut curve: Vec<(usize, f64)> = Vec::new();
    for same in told.chunk_by(|a, b| a.score == b.score) {
        all += same.len();
        right += same.iter().filter(|t| t.right).count();
        curve.push((right, right as f64 / all as f64));
    }
    let (mut area, mut best, mut above) = (0.0, 0.0f64, right);
    for (right, precision) in curve.into_iter().rev() {
        area += best * (above - right) as f64;
        best = best.max(precision);
        above = right;
    }
    area += best * above as f64;
    Some(area / expected as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Detections from the best score down: `+` is right, `-` is wrong, `=` is wrong with the score of the one
    /// before it.
    fn check(marks: &str, expected: usize) -> Option<f64> {
        let mut score = 1.0;
        let told = marks.chars().map(|mark| {
            if mark != '=' {
                score -= 0.01;
            }
            Told { bbox: BBox::default(), score, right: mark == '+' }
        });
        // The order they come in must not matter.
        let mut told: Vec<Told> = told.collect();
        let forwards = average_precision(&told, expected);
        told.reverse();
        assert_eq!(average_precision(&told, expected), forwards);
        forwards
    }

    fn near(got: Option<f64>, wanted: f64) {
        assert!((got.unwrap() - wanted).abs() < 1e-12, "{got:?}, expected {wanted}");
    }

    #[test]
    fn all_found_before_anything_false_is_one_and_what_comes_after_does_no_harm() {
        near(check("++++", 4), 1.0);
        near(check("++++---", 4), 1.0);
    }

    #[test]
    fn what_is_never_found_is_lost_and_nothing_found_is_nothing() {
        near(check("++", 4), 0.5);
        near(check("--", 4), 0.0);
        near(check("", 4), 0.0);
        assert_eq!(check("-", 0), None);
    }

    #[test]
    fn precision_at_a_recall_is_the_best_of_this_or_a_higher_one() {
        // Precision 1/1, 1/2, 2/3, 3/4, 3/5, 4/6: recall 1/5 at 1, 2/5 and 3/5 at 3/4, 4/5 at 2/3, 1 never.
        near(check("+-++-+", 5), (1.0 + 0.75 + 0.75 + 4.0 / 6.0) / 5.0);
        near(check("-+", 1), 0.5);
    }

    #[test]
    fn detections_of_one_score_come_in_together() {
        near(check("+=", 1), 0.5);
        near(check("++=", 2), (1.0 + 2.0 / 3.0) / 2.0);
    }

    #[test]
    fn recall_is_told_by_share_of_the_picture() {
        let square = |side: f32| BBox::new(0.0, 0.0, side, side);
        let mut tally = Tally::default();
        let told = |right| Told { bbox: BBox::default(), score: 0.9, right };
        tally.add(Compared {
            expected: vec![(square(0.05), false), (square(0.06), true), (square(0.17), true)],
            told: vec![told(true), told(true)],
        });
        tally.add(Compared { expected: vec![(square(0.18), true)], told: vec![told(true), told(false)] });
        let all = tally.score();
        let recall = |expected, found| Recall { expected, found };
        assert_eq!((all.small, all.middle, all.large), (recall(1, 0), recall(2, 2), recall(1, 1)));
        assert_eq!(all.score, Score { expected: 4, found: 3, extra: 1 });
        near(all.ap, 0.75 * 0.75);
        near(all.recall, 0.75);
        near(all.precision, 0.75);
        let nothing = Tally::default().score();
        assert_eq!((nothing.recall, nothing.precision), (None, None));
    }
}
