//! What a camera's next picture need not be asked about, because it has a track or was asked about a moment ago and not
//! believed; and how much may be asked about the rest.

use std::time::Duration;

use super::detection::{BEGINS, CONTINUES, Detection};
use super::{opinion, verifier};
use crate::base::Wall;
use crate::media::BBox;

/// So long an answer holds at first.
const HOLDS: Duration = Duration::from_secs(1);
/// The next one about the same, where it still stands there, twice as long, and at most so long.
const LONGEST: Duration = Duration::from_secs(8);
/// It does for what scores no more than this above what it did then: what looks more like it may be believed.
const MORE: f32 = 0.1;

/// In so long a camera may ask again what a single picture may ask: half a second opinion a second on average, and
/// two questions to the verifier. Where a crowd moves there is always somebody new to ask about: of five pictures a
/// second, the network's own run is then a fifth dearer at the most.
const REFILLS: Duration = Duration::from_secs(8);

/// Of one camera, from picture to picture.
#[derive(Clone, Debug)]
pub struct Known {
    at: Wall,
    tracked: Vec<Detection>,
    answers: Vec<Answer>,
    /// Second opinions that there are for the asking.
    pub(super) opinions: Allowance,
    /// Questions to the verifier.
    pub(super) verified: Allowance,
}

impl Default for Known {
    fn default() -> Self {
        Known {
            at: Wall::default(),
            tracked: Vec::new(),
            answers: Vec::new(),
            opinions: Allowance::new(opinion::MOST),
            verified: Allowance::new(verifier::MOST),
        }
    }
}

/// What a camera may ask still.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    most: f32,
    left: f32,
    /// In all.
    taken: usize,
}

impl Allowance {
    /// All of what a picture may ask.
    fn new(most: usize) -> Allowance {
        Allowance { most: most as f32, left: most as f32, taken: 0 }
    }

    fn refill(&mut self, time: Duration) {
        self.left = (self.left + self.most * time.div_duration_f32(REFILLS)).min(self.most);
    }

    pub fn left(&self) -> usize {
        self.left as usize
    }

    pub fn spend(&mut self, taken: usize) {
        self.left -= taken as f32;
        self.taken += taken;
    }
}

/// What became of a detection that was asked about and not believed.
#[derive(Clone, Debug)]
struct Answer {
    model: String,
    at: Wall,
    holds: Duration,
    /// As it was asked about; a first answer goes along with what moves, so here it is where it was seen last.
    asked: Detection,
    /// Where it was when it was asked about.
    stood: BBox,
    told: f32,
    /// When it was told last.
    seen: Wall,
}

impl Answer {
    fn holds_at(&self, at: Wall) -> bool {
        at.since(self.at) < self.holds
    }

    fn is_about(&self, model: &str, d: &Detection) -> bool {
        let Detection { class, bbox, score, .. } = &self.asked;
        self.model == model && *class == d.class && d.score <= score + MORE && bbox.iou(&d.bbox) >= CONTINUES
    }

    fn holds_for(&mut self, d: &mut Detection, at: Wall) {
        // A later one is about what stands there, and not about who passes by or walks off.
        if self.holds == HOLDS {
            self.asked.bbox = d.bbox;
        }
        self.seen = at;
        d.score = self.told;
    }
}

impl Known {
    /// A picture of this time comes next. `tracked`: what has a track, where it should be then.
    pub fn begin(&mut self, at: Wall, tracked: Vec<Detection>) {
        let time = at.since(self.at);
        self.opinions.refill(time);
        self.verified.refill(time);
        self.at = at;
        self.tracked = tracked;
        // A clock that was set back begins anew. What holds no more tells for how long the next one does, and what is told
        // while nothing may be asked.
        self.answers.retain(|answer| answer.at <= at && at.since(answer.seen) < 2 * answer.holds);
    }

    /// Second opinions that were taken so far, and detections that the verifier saw.
    pub fn taken(&self) -> [usize; 2] {
        [self.opinions.taken, self.verified.taken]
    }

    /// Take out of `found`, strongest first, what `model` need not be asked about, of what it `asks` about. What
    /// continues a track does with whatever score; what was not believed is told as it was then.
    pub(super) fn settle(
        &mut self,
        model: &str,
        asks: impl Fn(&Detection) -> bool,
        found: &mut Vec<Detection>,
    ) -> Vec<Detection> {
        let at = self.at;
        let mut tracked: Vec<(_, BBox)> = self.tracked.iter().map(|d| (d.class, d.bbox)).collect();
        let mut answers: Vec<&mut Answer> =
            self.answers.iter_mut().filter(|answer| answer.holds_at(at)).collect();
        let settled = |d: &mut Detection| {
            let same = |(class, bbox): &(_, BBox)| *class == d.class && bbox.iou(&d.bbox) >= CONTINUES;
            if let Some(track) = tracked.iter().position(same) {
                // It excuses one detection.
                tracked.swap_remove(track);
                return true;
            }
            // The last answer about it; it settles one detection.
            let answer = answers.iter().rposition(|answer| asks(d) && answer.is_about(model, d));
            answer.map(|i| answers.remove(i).holds_for(d, at)).is_some()
        };
        found.extract_if(.., settled).collect()
    }

    /// Tell `d`, which there was nothing left to ask `model` about, as it was told the last time, for as long as it stays
    /// there. `seen`: as it was before anybody was asked.
    pub(super) fn recall(&mut self, model: &str, seen: &Detection, d: &mut Detection) {
        if let Some(answer) = self.answers.iter_mut().rfind(|answer| answer.is_about(model, seen)) {
            answer.holds_for(d, self.at);
        }
    }

    /// `model` was asked about `asked`, and `told` with this score afterwards.
    pub(super) fn learn(&mut self, model: &str, asked: Detection, told: f32) {
        let same = |answer: &Answer| {
            let Answer { model: by, asked: before, .. } = answer;
            by == model && before.class == asked.class && before.bbox.iou(&asked.bbox) >= CONTINUES
        };
        let before = self.answers.iter().rposition(same).map(|i| self.answers.remove(i));
        if told >= BEGINS {
            return;
        }
        let stands = |before: &Answer| before.stood.iou(&asked.bbox) >= CONTINUES;
        let holds = match before {
            // What is asked about although an answer holds looks different now.
            Some(before) if stands(&before) && !before.holds_at(self.at) => (2 * before.holds).min(LONGEST),
            _ => HOLDS,
        };
        let (model, at, stood) = (model.to_owned(), self.at, asked.bbox);
        self.answers.push(Answer { model, at, holds, asked, stood, told, seen: at });
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

    /// When, in milliseconds up to 40 s, a face is asked about that `looks` so in a picture every so many of them and is
    /// never believed.
    fn asked(every: i64, looks: impl Fn(i64) -> Detection) -> Vec<i64> {
        let mut known = Known::default();
        let asked = |at: &i64| {
            known.begin(ms(*at), Vec::new());
            let d = looks(*at);
            let asked = told(&mut known, "ours", d).is_none();
            if asked {
                known.learn("ours", d, 0.35);
            }
            asked
        };
        (0..=40_000).step_by(every as usize).filter(asked).collect()
    }

    #[test]
    fn what_stands_there_and_is_not_believed_is_asked_about_ever_less_often() {
        let stands = [0, 1000, 3000, 7000, 15_000, 23_000, 31_000, 39_000];
        assert_eq!(asked(200, |_| face(0.3, 0.55)), stands);
        assert_eq!(asked(1000, |_| face(0.3, 0.55)), stands);
        // Not what walks by, a width in two seconds.
        let walks = asked(200, |at| face(0.05 * at as f32 / 1000.0, 0.55));
        assert_eq!(walks, (0..=40).map(|s| s * 1000).collect::<Vec<_>>());
        // What looks more like it is asked about at once, and as if it had not been there before.
        let grows = asked(200, |at| face(0.3, if at < 1200 { 0.4 } else { 0.55 }));
        assert_eq!(grows[..5], [0, 1000, 1200, 2200, 4200]);
        // Who walks off is asked about where nobody was before.
        let leaves = asked(200, |at| face(0.3 + 0.05 * (at - 4000).max(0) as f32 / 1000.0, 0.55));
        assert_eq!(leaves[..6], [0, 1000, 3000, 4800, 5800, 6800]);
        // What is believed for once begins anew.
        let mut known = after_one();
        known.begin(ms(2000), Vec::new());
        known.learn("ours", face(0.3, 0.55), BEGINS);
        known.learn("ours", face(0.3, 0.55), 0.35);
        assert!(known.answers.iter().all(|answer| answer.holds == HOLDS));
    }

    #[test]
    fn what_is_believed_is_no_longer_told_as_before_also_elsewhere() {
        let mut known = after_one();
        known.begin(ms(1200), Vec::new());
        assert_eq!(told(&mut known, "ours", face(0.34, 0.55)), None);
        for (at, x) in [(1400, 0.32), (1600, 0.34), (1800, 0.36)] {
            known.begin(ms(at), Vec::new());
            assert_eq!(told(&mut known, "ours", face(x, 0.55)), Some(0.35), "at {at} ms");
        }
        known.learn("ours", face(0.36, 0.66), 0.8);
        assert_eq!(told(&mut known, "ours", face(0.36, 0.55)), None);
    }

    #[test]
    fn what_there_is_nothing_left_to_ask_about_is_told_as_the_last_time_for_as_long_as_it_stays() {
        fn recalled(known: &mut Known, at: i64, model: &str) -> f32 {
            known.begin(ms(at), Vec::new());
            assert_eq!(told(known, "ours", face(0.3, 0.55)), None, "it would be asked about");
            // The verifier may have been asked already.
            let mut d = face(0.3, 0.69);
            known.recall(model, &face(0.3, 0.55), &mut d);
            d.score
        }
        for (at, want) in [(2000, 0.35), (2999, 0.35), (3000, 0.69)] {
            assert_eq!(recalled(&mut after_one(), at, "another"), 0.69);
            assert_eq!(recalled(&mut after_one(), at, "ours"), want, "at {at} ms");
        }
        let mut known = after_one();
        for at in (2000..=30_000).step_by(1000) {
            assert_eq!(recalled(&mut known, at, "ours"), 0.35, "at {at} ms");
        }
        known.begin(ms(30_500), Vec::new());
        let (seen, mut d) = (face(0.3, 0.7), face(0.3, 0.6));
        known.recall("ours", &seen, &mut d);
        assert_eq!(d.score, 0.6, "it looks more like it");
    }

    #[test]
    fn of_what_is_gone_nothing_is_kept() {
        let mut known = after_one();
        known.begin(ms(2999), Vec::new());
        assert_eq!(known.answers.len(), 1, "it may be asked about again");
        known.begin(ms(3000), Vec::new());
        assert!(known.answers.is_empty());
    }

    #[test]
    fn a_picture_by_itself_asks_what_it_may_and_a_minute_seven_and_a_half_times_that() {
        // With a picture every so many milliseconds.
        fn taken(every: i64, of: impl Fn(&mut Known) -> &mut Allowance) -> usize {
            let mut known = Known::default();
            let left = of(&mut known).left();
            of(&mut known).spend(left);
            let of_picture = |i| {
                known.begin(ms(every * i), Vec::new());
                let left = of(&mut known).left();
                of(&mut known).spend(left);
                left
            };
            (0..=60_000 / every).map(of_picture).sum()
        }
        assert_eq!((Known::default().opinions.left(), Known::default().verified.left()), (4, 16));
        for every in [40, 200, 1000] {
            let (opinions, verified) = (taken(every, |k| &mut k.opinions), taken(every, |k| &mut k.verified));
            assert!((29..=30).contains(&opinions), "{opinions} at one every {every} ms");
            assert!((119..=120).contains(&verified), "{verified} at one every {every} ms");
        }
        assert_eq!(taken(10_000, |k| &mut k.opinions), 6 * 4, "no more are saved up than a picture may ask");
        assert_eq!(taken(10_000, |k| &mut k.verified), 6 * 16);
    }
}
