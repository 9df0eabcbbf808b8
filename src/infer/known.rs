//! What a camera's next picture need not be asked about, because it has a track or was asked about a moment ago and not
//! believed; and how much may be asked about the rest.

use std::time::Duration;

use super::detection::{BEGINS, CONTINUES, Detection};
use super::opinion::MOST;
use crate::base::Wall;
use crate::media::BBox;

/// So long an answer holds.
const HOLDS: Duration = Duration::from_secs(1);
/// It does for what scores no more than this above what it did then: what looks more like it may be believed.
const MORE: f32 = 0.1;

/// Second opinions that a camera may take in a second, on average. Each costs a run, and where a crowd moves there is
/// always somebody new to ask about: at five pictures a second they take half as much again, no more.
const A_SECOND: f32 = 2.5;

/// Of one camera, from picture to picture.
#[derive(Clone, Debug)]
pub struct Known {
    at: Wall,
    tracked: Vec<Detection>,
    answers: Vec<Answer>,
    /// Second opinions that there are for the asking; a single picture has as many as it may take.
    runs: f32,
}

impl Default for Known {
    fn default() -> Self {
        Known { at: Wall::default(), tracked: Vec::new(), answers: Vec::new(), runs: MOST as f32 }
    }
}

/// What became of a detection that was asked about and not believed.
#[derive(Clone, Debug)]
struct Answer {
    model: String,
    at: Wall,
    /// As it was asked about, but where it was seen last.
    asked: Detection,
    told: f32,
}

impl Answer {
    fn is_about(&self, model: &str, d: &Detection) -> bool {
        let Detection { class, bbox, score, .. } = &self.asked;
        self.model == model && *class == d.class && d.score <= score + MORE && bbox.iou(&d.bbox) >= CONTINUES
    }

    fn holds_for(&mut self, d: &mut Detection) {
        self.asked.bbox = d.bbox;
        d.score = self.told;
    }
}

impl Known {
    /// A picture of this time comes next. `tracked`: what has a track, where it should be then.
    pub fn begin(&mut self, at: Wall, tracked: Vec<Detection>) {
        self.runs = (self.runs + A_SECOND * at.since(self.at).as_secs_f32()).min(MOST as f32);
        self.at = at;
        self.tracked = tracked;
        // A clock that was set back begins anew.
        self.answers.retain(|answer| answer.at <= at && at.since(answer.at) < HOLDS);
    }

    /// Take out of `found`, strongest first, what `model` need not be asked about, of what it `asks` about. What
    /// continues a track does with whatever score; what was not believed is told as it was then.
    pub(super) fn settle(
        &mut self,
        model: &str,
        asks: impl Fn(&Detection) -> bool,
        found: &mut Vec<Detection>,
    ) -> Vec<Detection> {
        let mut tracked: Vec<(_, BBox)> = self.tracked.iter().map(|d| (d.class, d.bbox)).collect();
        let mut answers: Vec<&mut Answer> = self.answers.iter_mut().collect();
        let settled = |d: &mut Detection| {
            let same = |(class, bbox): &(_, BBox)| *class == d.class && bbox.iou(&d.bbox) >= CONTINUES;
            if let Some(track) = tracked.iter().position(same) {
                // It excuses one detection.
                tracked.swap_remove(track);
                return true;
            }
            // The last answer about it; it settles one detection.
            let answer = answers.iter().rposition(|answer| asks(d) && answer.is_about(model, d));
            answer.map(|at| answers.remove(at).holds_for(d)).is_some()
        };
        found.extract_if(.., settled).collect()
    }

    /// Second opinions that the picture may take still.
    pub(super) fn runs(&self) -> usize {
        self.runs as usize
    }

    /// So many were taken.
    pub(super) fn spend(&mut self, runs: usize) {
        self.runs -= runs as f32;
    }

    /// `model` was asked about `asked`, and `told` with this score afterwards.
    pub(super) fn learn(&mut self, model: &str, asked: Detection, told: f32) {
        if told < BEGINS {
            self.answers.push(Answer { model: model.to_owned(), at: self.at, asked, told });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Class;

    fn face(x: f32, score: f32) -> Detection {
        Detection { class: Class::Face, bbox: BBox::new(x, 0.4, x + 0.1, 0.6), score, landmarks: None }
    }

    fn ms(at: i64) -> Wall {
        Wall(at * 1000)
    }

    /// Asked about a face of 0.55 at a time of 1000 ms, and told 0.35.
    fn after_one() -> Known {
        let mut known = Known::default();
        known.begin(ms(1000), Vec::new());
        known.learn("ours", face(0.3, 0.55), 0.35);
        known
    }

    /// The score that `d` is told with unasked, if it is.
    fn told(known: &mut Known, model: &str, d: Detection) -> Option<f32> {
        let mut found = vec![d];
        let settled = known.settle(model, |d| d.score < 0.7, &mut found);
        assert_eq!(settled.len() + found.len(), 1);
        settled.first().map(|d| d.score)
    }

    #[test]
    fn what_was_not_believed_is_told_as_then_for_as_long_as_it_looks_no_more_like_it() {
        let asked = |d| told(&mut after_one(), "ours", d);
        assert_eq!(asked(face(0.3, 0.55)), Some(0.35));
        assert_eq!(asked(face(0.3, 0.64)), Some(0.35), "a little stronger");
        assert_eq!(asked(face(0.3, 0.66)), None, "stronger");
        assert_eq!(asked(face(0.3, 0.3)), Some(0.35), "weaker");
        assert_eq!(asked(face(0.34, 0.55)), None, "elsewhere");
        assert_eq!(asked(Detection { class: Class::Person, ..face(0.3, 0.55) }), None);
        assert_eq!(told(&mut after_one(), "another", face(0.3, 0.55)), None);
        let mut sure = vec![face(0.3, 0.64)];
        assert!(after_one().settle("ours", |_| false, &mut sure).is_empty(), "nobody would have been asked");
    }

    #[test]
    fn an_answer_goes_along_with_what_moves_and_the_last_one_counts() {
        let mut known = after_one();
        for x in [0.32, 0.34, 0.36, 0.38] {
            assert_eq!(told(&mut known, "ours", face(x, 0.55)), Some(0.35), "at {x}");
        }
        assert_eq!(told(&mut known, "ours", face(0.3, 0.55)), None, "it has left");
        known.learn("ours", face(0.38, 0.66), 0.4);
        assert_eq!(told(&mut known, "ours", face(0.38, 0.55)), Some(0.4));
    }

    #[test]
    fn an_answer_settles_one_detection() {
        let mut found = vec![face(0.3, 0.6), face(0.31, 0.5)];
        let settled = after_one().settle("ours", |_| true, &mut found);
        assert_eq!((settled, found), (vec![face(0.3, 0.35)], vec![face(0.31, 0.5)]));
    }

    #[test]
    fn an_answer_holds_for_a_second_and_not_before_it_was_given() {
        for (at, want) in [(1000, true), (1999, true), (2000, false), (999, false)] {
            let mut known = after_one();
            known.begin(ms(at), Vec::new());
            assert_eq!(told(&mut known, "ours", face(0.3, 0.55)).is_some(), want, "at {at} ms");
        }
    }

    #[test]
    fn what_was_believed_is_asked_about_until_it_has_a_track() {
        let mut known = Known::default();
        known.learn("ours", face(0.3, 0.55), BEGINS);
        assert_eq!(told(&mut known, "ours", face(0.3, 0.55)), None);
        known.begin(ms(200), vec![face(0.32, 0.8)]);
        let mut found = vec![face(0.3, 0.55), face(0.31, 0.5)];
        let settled = known.settle("ours", |_| true, &mut found);
        assert_eq!((settled, found), (vec![face(0.3, 0.55)], vec![face(0.31, 0.5)]), "a track excuses one");
    }

    #[test]
    fn a_picture_by_itself_takes_four_second_opinions_and_a_minute_a_hundred_and_fifty() {
        // With a picture every so many milliseconds.
        let taken = |every: i64| {
            let mut known = Known::default();
            assert_eq!(known.runs(), 4);
            known.spend(4);
            let runs = (0..=60_000 / every).map(|i| {
                known.begin(ms(every * i), Vec::new());
                let runs = known.runs();
                known.spend(runs);
                runs
            });
            runs.sum::<usize>()
        };
        for every in [40, 200, 1000] {
            assert!((149..=150).contains(&taken(every)), "{} at one every {every} ms", taken(every));
        }
        assert_eq!(taken(5000), 12 * 4, "no more are saved up than a picture may take");
    }
}
