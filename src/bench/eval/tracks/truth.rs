//! The truth that tracks are held against, and what of it is not to be judged.

use std::collections::BTreeSet;

use crate::track::assign::{assign, overlap};

use super::mot::{Numbered, Sequence};

/// Who is where, and where is what nobody need follow: a reflection, a poster, somebody hidden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    pub counted: Sequence<Numbered>,
    /// A track on one of these is neither found nor too much.
    pub ignored: Sequence<Numbered>,
}

impl Truth {
    /// Only the frames for which `looks` holds.
    pub fn thinned(&self, looks: impl Fn(u32) -> bool) -> Truth {
        let kept = |s: &Sequence<Numbered>| {
            s.iter().filter(|&(&f, _)| looks(f)).map(|(&f, b)| (f, b.clone())).collect()
        };
        Truth { counted: kept(&self.counted), ignored: kept(&self.ignored) }
    }

    /// What is told, without the boxes that stand for something ignored: of the pairs of a frame, the
    /// most that overlap by `min_iou` or more, with the most overlap, as in the preprocessing of MOTChallenge.
    pub fn judged(&self, told: &Sequence<Numbered>, min_iou: f32) -> Sequence<Numbered> {
        let mut told = told.clone();
        for (frame, ignored) in &self.ignored {
            let Some(found) = told.get_mut(frame) else { continue };
            let counted = super::score::of(&self.counted, *frame);
            let all: Vec<_> = counted.iter().chain(ignored).collect();
            let cost = |t: usize, f: usize| overlap(&all[t].bbox, &found[f].bbox, min_iou);
            let pairs = assign(all.len(), found.len(), cost);
            let absorbed: BTreeSet<usize> =
                pairs.into_iter().filter(|(t, _)| *t >= counted.len()).map(|(_, f)| f).collect();
            let places = 0..found.len();
            let kept = places.filter(|f| !absorbed.contains(f)).map(|f| found[f]).collect();
            *found = kept;
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::TrackScore;
    use super::super::score::testing::{at, frames};
    use super::*;

    /// Somebody, and ten pixels farther something that is to be ignored.
    fn scene() -> Truth {
        Truth { counted: frames(4, |_| vec![at(1, 0.0)]), ignored: frames(4, |_| vec![at(2, 10.0)]) }
    }

    #[test]
    fn a_track_on_what_is_ignored_is_neither_found_nor_too_much() {
        let both = frames(4, |_| vec![at(5, 10.0), at(6, 1.0)]);
        let score = TrackScore::of(&scene(), &both, 0.5);
        assert_eq!((score.clear.expected, score.clear.found, score.clear.extra), (4, 4, 0));
        assert_eq!((score.identity.told, score.identity.right), (4, 4));
        let nobody_misses_it = TrackScore::of(&scene(), &frames(4, |_| vec![at(6, 1.0)]), 0.5);
        assert_eq!(nobody_misses_it, score);
    }

    #[test]
    fn who_counts_is_not_taken_for_what_is_ignored_beside_them() {
        // Overlaps both enough, and somebody who counts more.
        let close = Truth { ignored: frames(4, |_| vec![at(2, 4.0)]), ..scene() };
        let one = frames(4, |_| vec![at(5, 1.0)]);
        assert_eq!(close.judged(&one, 0.5), one);
        // What overlaps neither is too much all the same.
        let elsewhere = frames(4, |_| vec![at(5, 0.0), at(9, 40.0)]);
        assert_eq!(TrackScore::of(&close, &elsewhere, 0.5).clear.extra, 4);
    }

    #[test]
    fn frames_that_are_not_looked_at_hold_nothing_to_ignore_either() {
        let thin = scene().thinned(|f| f == 3);
        assert_eq!((thin.counted.len(), thin.ignored.len()), (1, 1));
        assert_eq!(thin.judged(&frames(3, |_| vec![at(5, 10.0)]), 0.5)[&2].len(), 1);
    }
}
