//! CLEAR MOT (Bernardin and Stiefelhagen 2008): in each frame, whose box is whose, what is missed,
//! what is too much, and how often somebody's number changes.

use std::collections::BTreeMap;

use crate::track::assign::{assign, overlap};

use super::mot::{Numbered, Sequence};

/// Counts over all frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clear {
    /// Boxes of the truth.
    pub expected: usize,
    /// Boxes of the truth that a track's box stands for.
    pub found: usize,
    /// Boxes of tracks that stand for nothing.
    pub extra: usize,
    /// How often something is found under another number than the last time.
    pub switches: usize,
    /// How often a number is found on something else than the last time: switches of the other
    /// side, not in the paper. Where two people swap numbers there are two of each; somebody who only
    /// gets a new number, and nobody else's, is a switch and no handover.
    pub handovers: usize,
    /// Sum of the overlaps (IoU) of what was found.
    pub overlap: f64,
}

impl Clear {
    pub fn missed(&self) -> usize {
        self.expected - self.found
    }

    /// Multiple object tracking accuracy, at most 1, negative where more is wrong than there is;
    /// `None` where the truth is empty.
    pub fn mota(&self) -> Option<f64> {
        let wrong = self.missed() + self.extra + self.switches;
        (self.expected > 0).then(|| 1.0 - wrong as f64 / self.expected as f64)
    }

    /// Multiple object tracking precision as the mean overlap (IoU) of what was found, so that more is
    /// better, as MOTChallenge has it; the paper takes a distance. `None` where nothing was found.
    pub fn motp(&self) -> Option<f64> {
        (self.found > 0).then(|| self.overlap / self.found as f64)
    }
}

impl std::ops::AddAssign for Clear {
    fn add_assign(&mut self, o: Clear) {
        self.expected += o.expected;
        self.found += o.found;
        self.extra += o.extra;
        self.switches += o.switches;
        self.handovers += o.handovers;
        self.overlap += o.overlap;
    }
}

/// Counts of the paper's procedure; boxes from an overlap (IoU) of `min_iou` on may belong together.
pub fn clear(truth: &Sequence<Numbered>, told: &Sequence<Numbered>, min_iou: f32) -> Clear {
    let mut sum = Clear::default();
    let mut known = Known::default();
    for frame in super::score::frames(truth, told) {
        let (expected, found) = (super::score::of(truth, frame), super::score::of(told, frame));
        let pairs = known.pairs(expected, found, min_iou);
        sum.expected += expected.len();
        sum.found += pairs.len();
        sum.extra += found.len() - pairs.len();
        for (e, f) in pairs {
            let (whose, number) = (expected[e].id, found[f].id);
            sum.overlap += f64::from(expected[e].bbox.iou(&found[f].bbox));
            let last = known.number_of.insert(whose, (number, frame));
            sum.switches += usize::from(last.is_some_and(|(last, _)| last != number));
            let last = known.bearer_of.insert(number, whose);
            sum.handovers += usize::from(last.is_some_and(|last| last != whose));
        }
    }
    sum
}

/// The pairs made up to a frame, each of the truth's ids with its last one. They stay while either
/// side is out of sight, as in the paper's M(t).
#[derive(Default)]
struct Known {
    /// Number under which the truth's id was found last, and in which frame.
    number_of: BTreeMap<u64, (u64, u32)>,
    /// The truth's id on which a number was found last.
    bearer_of: BTreeMap<u64, u64>,
}

impl Known {
    /// Indices of boxes that belong together: first who was together before and still may be, even
    /// if another pair overlaps more; of the others as many as possible, with the most overlap.
    fn pairs(&self, expected: &[Numbered], found: &[Numbered], min_iou: f32) -> Vec<(usize, usize)> {
        let mut before: Vec<(u32, usize, usize)> = Vec::new();
        for (e, truth) in expected.iter().enumerate() {
            let Some(&(number, at)) = self.number_of.get(&truth.id) else { continue };
            let same = found.iter().position(|b| b.id == number && b.bbox.iou(&truth.bbox) >= min_iou);
            before.extend(same.map(|f| (at, e, f)));
        }
        // A number that went from one to the other belongs to whom it was found on last.
        before.sort_unstable_by(|a, b| b.cmp(a));
        let (mut open, mut free) = (vec![true; expected.len()], vec![true; found.len()]);
        let mut pairs = Vec::new();
        for (_, e, f) in before {
            if free[f] {
                (open[e], free[f]) = (false, false);
                pairs.push((e, f));
            }
        }
        let left = |flags: &[bool]| (0..flags.len()).filter(|&i| flags[i]).collect::<Vec<_>>();
        let (open, free) = (left(&open), left(&free));
        let cost = |e: usize, f: usize| overlap(&expected[open[e]].bbox, &found[free[f]].bbox, min_iou);
        pairs.extend(assign(open.len(), free.len(), cost).into_iter().map(|(e, f)| (open[e], free[f])));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::testing::{at, frames};
    use super::*;

    fn check(truth: &Sequence<Numbered>, told: &Sequence<Numbered>) -> Clear {
        clear(truth, told, 0.5)
    }

    /// Two who stand apart, for ten frames.
    fn two() -> Sequence<Numbered> {
        frames(10, |_| vec![at(1, 0.0), at(2, 50.0)])
    }

    #[test]
    fn what_is_the_truth_scores_one_whatever_its_numbers() {
        let told = frames(10, |_| vec![at(8, 50.0), at(9, 0.0)]);
        let score = check(&two(), &told);
        assert_eq!(score, Clear { expected: 20, found: 20, overlap: 20.0, ..Clear::default() });
        assert_eq!((score.mota(), score.motp()), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn two_who_swap_numbers_are_two_switches_and_two_handovers() {
        let told = frames(10, |f| match f {
            1..=5 => vec![at(1, 0.0), at(2, 50.0)],
            _ => vec![at(2, 0.0), at(1, 50.0)],
        });
        let score = check(&two(), &told);
        assert_eq!((score.switches, score.handovers), (2, 2), "once each, not once a frame");
        assert_eq!(score.mota(), Some(0.9));
    }

    #[test]
    fn one_miss_and_one_false_box_count_one_each() {
        let told = frames(10, |f| match f {
            4 => vec![at(1, 0.0)],
            7 => vec![at(1, 0.0), at(2, 50.0), at(3, 90.0)],
            _ => vec![at(1, 0.0), at(2, 50.0)],
        });
        let score = check(&two(), &told);
        assert_eq!((score.missed(), score.extra, score.switches), (1, 1, 0));
        assert_eq!(score.mota(), Some(0.9));
    }

    #[test]
    fn two_numbers_for_one_are_a_switch_and_no_handover_also_over_a_time_unseen() {
        let truth = frames(10, |_| vec![at(1, 0.0)]);
        for unseen in [0, 3] {
            let told = frames(10, |f| match f {
                1..=5 => vec![at(1, 0.0)],
                f if f <= 5 + unseen => vec![],
                _ => vec![at(2, 0.0)],
            });
            let score = check(&truth, &told);
            assert_eq!((score.switches, score.handovers), (1, 0));
            assert_eq!(score.missed(), unseen as usize);
        }
    }

    #[test]
    fn who_was_together_stays_together_though_another_overlaps_more() {
        // Of boxes 10 wide, 3 apart overlap by 7/13, and 1 apart by 9/11.
        let truth = frames(2, |_| vec![at(1, 0.0)]);
        let told = frames(2, |f| if f == 1 { vec![at(1, 0.0)] } else { vec![at(1, 3.0), at(2, 1.0)] });
        let score = check(&truth, &told);
        assert_eq!((score.switches, score.extra), (0, 1));
        assert!((score.motp().unwrap() - (1.0 + 7.0 / 13.0) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_number_that_went_over_stays_with_whom_it_was_found_on_last() {
        // Number 1 goes from 1 to 2 while 1 is out of sight; back again, 1 is new to it.
        let truth = frames(3, |f| match f {
            1 => vec![at(1, 0.0)],
            2 => vec![at(2, 0.0)],
            _ => vec![at(1, 2.0), at(2, 0.0)],
        });
        let told = frames(3, |f| if f < 3 { vec![at(1, 0.0)] } else { vec![at(1, 1.0), at(3, 2.0)] });
        let score = check(&truth, &told);
        assert_eq!((score.found, score.switches, score.handovers), (4, 1, 1));
    }

    #[test]
    fn as_many_as_possible_are_paired_before_the_overlap_counts() {
        // The best single pair (2 with 1) would leave 1 and 2 without any.
        let truth = frames(1, |_| vec![at(1, 0.0), at(2, 3.0)]);
        let told = frames(1, |_| vec![at(1, 3.0), at(2, 6.0)]);
        assert_eq!(check(&truth, &told).found, 2);
    }

    #[test]
    fn nothing_there_and_nothing_told_have_no_accuracy_to_speak_of() {
        let none = Sequence::new();
        assert_eq!(check(&none, &none).mota(), None);
        let all_missed = check(&two(), &none);
        assert_eq!((all_missed.mota(), all_missed.motp()), (Some(0.0), None));
        let all_false = check(&none, &two());
        assert_eq!((all_false.extra, all_false.mota()), (20, None));
    }

    #[test]
    fn more_wrong_than_there_is_falls_below_zero() {
        let truth = frames(2, |_| vec![at(1, 0.0)]);
        let told = frames(2, |_| vec![at(1, 50.0), at(2, 80.0)]);
        assert_eq!(check(&truth, &told).mota(), Some(-2.0));
    }
}
