//! IDF1 (Ristani et al. 2016): the one pairing of people and tracks over the whole clip that agrees in
//! the most boxes, and what lies outside of it.

use std::collections::BTreeMap;

use crate::track::assign::assign;

use super::mot::{Numbered, Sequence};

/// Counts of boxes over all frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Boxes of the truth.
    pub expected: usize,
    /// Boxes of tracks.
    pub told: usize,
    /// Boxes on which the best pairing agrees (IDTP).
    pub right: usize,
}

impl Identity {
    /// IDP, the part of the tracks' boxes that is right, 0 to 1; `None` without any.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.told)
    }

    /// IDR, the part of the truth's boxes that is found under the right number, 0 to 1; `None` without any.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.expected)
    }

    /// IDF1, the harmonic mean of the two, 0 to 1; `None` where nothing is there and nothing is told.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.right, self.expected + self.told)
    }
}

impl std::ops::AddAssign for Identity {
    fn add_assign(&mut self, o: Identity) {
        self.expected += o.expected;
        self.told += o.told;
        self.right += o.right;
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Boxes agree from an overlap (IoU) of `min_iou` on.
pub fn identity(truth: &Sequence<Numbered>, told: &Sequence<Numbered>, min_iou: f32) -> Identity {
    let mut agree: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for (frame, expected) in truth {
        for e in expected {
            for t in super::score::of(told, *frame).iter().filter(|t| t.bbox.iou(&e.bbox) >= min_iou) {
                *agree.entry((e.id, t.id)).or_default() += 1;
            }
        }
    }
    let ids = |ids: &mut dyn Iterator<Item = u64>| {
        let mut ids: Vec<u64> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let people = ids(&mut agree.keys().map(|k| k.0));
    let tracks = ids(&mut agree.keys().map(|k| k.1));
    let both = |p: usize, t: usize| agree.get(&(people[p], tracks[t])).copied().unwrap_or(0);
    // The paper's least IDFP + IDFN is the most IDTP, since all boxes of both sides are given. Counts
    // below 2^24 are exact.
    let pairs = assign(people.len(), tracks.len(), |p, t| -(both(p, t) as f32));
    Identity {
        expected: truth.values().map(Vec::len).sum(),
        told: told.values().map(Vec::len).sum(),
        right: pairs.into_iter().map(|(p, t)| both(p, t)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::testing::{at, frames};
    use super::*;

    fn check(truth: &Sequence<Numbered>, told: &Sequence<Numbered>) -> Identity {
        identity(truth, told, 0.5)
    }

    fn two() -> Sequence<Numbered> {
        frames(10, |_| vec![at(1, 0.0), at(2, 50.0)])
    }

    #[test]
    fn what_is_the_truth_scores_one_whatever_its_numbers() {
        let score = check(&two(), &frames(10, |_| vec![at(8, 50.0), at(9, 0.0)]));
        assert_eq!((score.f1(), score.precision(), score.recall()), (Some(1.0), Some(1.0), Some(1.0)));
    }

    #[test]
    fn two_who_swap_numbers_are_right_for_as_long_as_the_longer_part() {
        let told = frames(10, |f| match f {
            1..=3 => vec![at(1, 0.0), at(2, 50.0)],
            _ => vec![at(2, 0.0), at(1, 50.0)],
        });
        assert_eq!(check(&two(), &told).f1(), Some(0.7));
    }

    #[test]
    fn the_pairing_of_the_whole_counts_and_not_each_ones_best() {
        // 1 is found as 8 in 6 frames and as 9 in 4; 2 as 8 in 5 and never as 9. Together 1-9 and 2-8
        // agree on 9 boxes, 1-8 alone on 6.
        let truth = frames(11, |f| if f <= 10 { vec![at(1, 0.0), at(2, 50.0)] } else { vec![at(2, 50.0)] });
        let told = frames(11, |f| match f {
            1..=6 => vec![at(8, 0.0)],
            7..=10 => vec![at(8, 50.0), at(9, 0.0)],
            _ => vec![at(8, 50.0)],
        });
        assert_eq!(check(&truth, &told), Identity { expected: 21, told: 15, right: 9 });
    }

    #[test]
    fn two_numbers_for_one_count_the_longer() {
        let truth = frames(10, |_| vec![at(1, 0.0)]);
        let told = frames(10, |f| vec![at(if f <= 6 { 1 } else { 2 }, 0.0)]);
        let score = check(&truth, &told);
        assert_eq!((score.precision(), score.recall(), score.f1()), (Some(0.6), Some(0.6), Some(0.6)));
    }

    #[test]
    fn a_miss_costs_recall_and_a_false_box_precision() {
        let missed =
            check(&two(), &frames(10, |f| two()[&f].iter().copied().skip(usize::from(f == 4)).collect()));
        assert_eq!((missed.precision(), missed.recall()), (Some(1.0), Some(0.95)));
        let mut told = two();
        told.get_mut(&4).unwrap().push(at(3, 90.0));
        let extra = check(&two(), &told);
        assert_eq!((extra.precision(), extra.recall()), (Some(20.0 / 21.0), Some(1.0)));
    }

    #[test]
    fn empty_sides_have_no_shares() {
        let none = Sequence::new();
        assert_eq!(check(&none, &none).f1(), None);
        let missed = check(&two(), &none);
        assert_eq!((missed.f1(), missed.precision(), missed.recall()), (Some(0.0), None, Some(0.0)));
        let extra = check(&none, &two());
        assert_eq!((extra.f1(), extra.precision(), extra.recall()), (Some(0.0), Some(0.0), None));
    }
}
