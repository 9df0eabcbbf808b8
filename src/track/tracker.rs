//! After ByteTrack (Zhang et al. 2022), with real time steps: high scores are matched first, low
//! scores then continue what is left, so that somebody half hidden is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::Wall;
use crate::infer::{Class, Detection};
use crate::media::BBox;

use super::assign::{FORBIDDEN, assign};
use super::kalman::Course;
use super::settings::Settings;
use super::stature::Stature;
use super::track_set::{Track, TrackId, TrackSet};

/// A prediction and a detection that overlap so much belong together, whatever the score. Without
/// this pass, which ByteTrack does not have, a newcomer with a high score who comes in beside
/// somebody half hidden with a low one takes over that one's track.
const OVERLAP_CLEAR: f32 = 0.5;
/// Least overlap of prediction and detection.
const OVERLAP_LEAST: f32 = 0.2;
/// Last pass: the farthest centre, in box sizes, at which things that do not overlap may be the
/// same: something small and quick (a face, a car at few frames a second) leaves its own box.
const REACH: f32 = 1.2;
/// A detection of which this part lies in a track that was just found is the same thing twice.
const TWICE: f32 = 0.8;
/// So is one that overlaps it by this (IoU): a car that a model without suppression calls a truck too.
const TWICE_OVER: f32 = 0.6;

/// Joins the detections of one camera's frames into tracks.
pub struct Tracker {
    settings: Settings,
    /// Time of the last step or skip.
    last: Option<Wall>,
    numbers: TrackNumbers,
    paths: Vec<Path>,
}

/// Gives out track numbers from 1. Clones share the count: a tracker that takes the place of another
/// must not use its numbers again.
#[derive(Clone, Debug, Default)]
pub struct TrackNumbers(Arc<AtomicU64>);

impl TrackNumbers {
    fn next(&self) -> TrackId {
        TrackId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A track, perhaps not known yet.
struct Path {
    /// Given when it becomes known, so that false ones use up no numbers.
    id: Option<TrackId>,
    class: Class,
    course: Course,
    stature: Stature,
    /// The last detection's box; of a moving area that is a part of something known, the whole's.
    seen_box: BBox,
    score: f32,
    best_score: f32,
    hits: u32,
    first_seen: Wall,
    first_bbox: BBox,
    last_seen: Wall,
    observed: bool,
    /// How long it was looked for and not found.
    missed: Duration,
}

impl Tracker {
    pub fn new(settings: Settings, numbers: TrackNumbers) -> Self {
        Tracker { settings, last: None, numbers, paths: Vec::new() }
    }

    /// A frame was looked at and `detections` were seen. Time never runs backwards: an `at` before
    /// the last one counts as the last one.
    pub fn step(&mut self, at: Wall, detections: &[Detection]) -> TrackSet {
        let (at, dt) = self.advance(at);
        let mut ended = Vec::new();
        let keep_unseen = self.settings.keep_unseen;
        self.drop_paths(&mut ended, |p| at.since(p.last_seen) > keep_unseen);
        for p in &mut self.paths {
            p.course.predict(dt);
            p.observed = false;
        }
        for class in Class::ALL {
            self.step_class(class, at, detections);
        }
        for p in self.paths.iter_mut().filter(|p| !p.observed) {
            p.missed += dt;
            p.course.hold_size();
        }
        // At a frame every two seconds a single miss is no proof of absence either.
        let keep = self.settings.keep_lost.max(dt + dt / 2);
        self.drop_paths(&mut ended, |p| match p.id {
            Some(_) => p.missed > keep,
            None => p.missed > keep / 2,
        });
        self.confirm();
        let tracks = self.paths.iter().filter_map(Path::track).collect();
        TrackSet { at, tracks, ended }
    }

    /// Nobody looked at the frame of this time. What was not looked for is not lost.
    pub fn skip(&mut self, at: Wall) {
        let (_, dt) = self.advance(at);
        for p in &mut self.paths {
            p.course.predict(dt);
        }
    }

    /// What has a track and was found in the last frame that was looked at, as it was found there.
    pub fn followed(&self) -> Vec<Detection> {
        let found = self.paths.iter().filter(|p| p.id.is_some() && p.observed);
        let of = |p: &Path| Detection { class: p.class, bbox: p.seen_box, score: p.score, landmarks: None };
        found.map(of).collect()
    }

    fn advance(&mut self, at: Wall) -> (Wall, Duration) {
        let last = self.last.unwrap_or(at);
        let at = at.max(last);
        self.last = Some(at);
        (at, at.since(last))
    }

    fn drop_paths(&mut self, ended: &mut Vec<TrackId>, lost: impl Fn(&Path) -> bool) {
        self.paths.retain(|p| {
            let lost = lost(p);
            if lost {
                ended.extend(p.id);
            }
            !lost
        });
    }

    fn step_class(&mut self, class: Class, at: Wall, detections: &[Detection]) {
        let mut seen: Vec<&Detection> = detections
            .iter()
            .filter(|d| d.class == class && d.score >= self.settings.low_score && d.bbox.area() > 0.0)
            .collect();
        seen.sort_by(|a, b| b.score.total_cmp(&a.score));
        seen.truncate(self.settings.max_per_class);
        let is_high = |d: &&Detection| class == Class::Motion || d.score >= self.settings.high_score;
        let (mut high, mut low): (Vec<_>, Vec<_>) = seen.into_iter().partition(is_high);

        // Tracks not yet known come after the others, so that a false one never takes a known one's
        // detection.
        for known in [true, false] {
            for overlap_from in [OVERLAP_CLEAR, OVERLAP_LEAST] {
                for seen in [&mut high, &mut low] {
                    let left = self.indices(class, |p| !p.observed && p.id.is_some() == known);
                    self.match_up(&left, seen, at, |_, p, d| overlap(p, d, overlap_from));
                }
            }
        }
        let left = self.indices(class, |p| !p.observed);
        // People turn and stop: who is not where he was going may be where he was.
        self.match_up(&left, &mut high, at, |path, p, d| near(p, d).min(near(&path.seen_box, d)));

        for d in high {
            let twice = |p: &Path| {
                let inside = p.seen_box.intersection(&d.bbox) > TWICE * d.bbox.area();
                p.observed && p.class == class && (inside || p.seen_box.iou(&d.bbox) > TWICE_OVER)
            };
            if self.paths.len() < self.settings.max_per_class * Class::ALL.len()
                && !self.paths.iter().any(twice)
            {
                self.paths.push(Path::new(at, d));
            }
        }
    }

    fn indices(&self, class: Class, wanted: impl Fn(&Path) -> bool) -> Vec<usize> {
        (0..self.paths.len()).filter(|&i| self.paths[i].class == class && wanted(&self.paths[i])).collect()
    }

    /// Match the paths of these indices with detections; matched detections are taken out. `cost`: of a path,
    /// where it should be, and what is seen.
    fn match_up(
        &mut self,
        paths: &[usize],
        detections: &mut Vec<&Detection>,
        at: Wall,
        cost: impl Fn(&Path, &BBox, &BBox) -> f32,
    ) {
        let boxes: Vec<BBox> = paths.iter().map(|&i| self.paths[i].course.bbox()).collect();
        let seen_as = |r: usize, c: usize| self.paths[paths[r]].seen_as(&boxes[r], detections[c]);
        let pairs = assign(boxes.len(), detections.len(), |r, c| {
            cost(&self.paths[paths[r]], &boxes[r], &seen_as(r, c))
        });
        let mut taken = vec![false; detections.len()];
        for (r, c) in pairs {
            self.paths[paths[r]].found(at, detections[c]);
            taken[c] = true;
        }
        let mut taken = taken.into_iter();
        detections.retain(|_| !taken.next().unwrap_or(false));
    }

    fn confirm(&mut self) {
        let s = &self.settings;
        for p in self.paths.iter_mut().filter(|p| p.id.is_none() && p.observed) {
            let lasted = p.hits >= 2 && p.last_seen.since(p.first_seen) >= s.confirm_after;
            if p.hits >= s.confirm_hits || lasted {
                p.id = Some(self.numbers.next());
            }
        }
    }
}

/// Cost of a pair that must overlap.
fn overlap(predicted: &BBox, detected: &BBox, least: f32) -> f32 {
    let iou = predicted.iou(detected);
    if iou >= least { 1.0 - iou } else { FORBIDDEN }
}

/// Cost of a pair that need not overlap but must be near and of like size.
fn near(predicted: &BBox, detected: &BBox) -> f32 {
    let ratio = |a: f32, b: f32| a.max(b) / a.min(b).max(1e-6);
    let like = ratio(predicted.width(), detected.width()) < 2.0
        && ratio(predicted.height(), detected.height()) < 2.0;
    let (p, d) = (predicted.center(), detected.center());
    let far = ((p.x - d.x) / (predicted.width() + detected.width()))
        .hypot((p.y - d.y) / (predicted.height() + detected.height()))
        * 2.0;
    if like && far <= REACH { far } else { FORBIDDEN }
}

impl Path {
    fn new(at: Wall, d: &Detection) -> Self {
        Path {
            id: None,
            class: d.class,
            course: Course::new(&d.bbox),
            stature: Stature::of(&d.bbox),
            seen_box: d.bbox,
            score: d.score,
            best_score: d.score,
            hits: 1,
            first_seen: at,
            first_bbox: d.bbox,
            last_seen: at,
            observed: true,
            missed: Duration::ZERO,
        }
    }

    /// The box that a detection means if it is this one's; `expected`: where it should be.
    fn seen_as(&self, expected: &BBox, d: &Detection) -> BBox {
        if self.class == Class::Motion { self.stature.whole(expected, &d.bbox) } else { d.bbox }
    }

    fn found(&mut self, at: Wall, d: &Detection) {
        let bbox = self.seen_as(&self.course.bbox(), d);
        self.stature.learn(&d.bbox, at.since(self.last_seen));
        self.course.correct(&bbox);
        self.seen_box = bbox;
        self.score = d.score;
        self.best_score = self.best_score.max(d.score);
        self.hits += 1;
        self.last_seen = at;
        self.observed = true;
        self.missed = Duration::ZERO;
    }

    fn track(&self) -> Option<Track> {
        Some(Track {
            id: self.id?,
            class: self.class,
            bbox: if self.observed { self.seen_box } else { self.course.bbox() },
            score: self.score,
            best_score: self.best_score,
            observed: self.observed,
            first_seen: self.first_seen,
            first_bbox: self.first_bbox,
            last_seen: self.last_seen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(x: f32, score: f32) -> Detection {
        Detection { class: Class::Person, bbox: BBox::new(x, 0.4, x + 0.1, 0.7), score, landmarks: None }
    }

    fn ms(t: i64) -> Wall {
        Wall(t * 1000)
    }

    fn ids(set: &TrackSet) -> Vec<u64> {
        set.tracks.iter().map(|t| t.id.0).collect()
    }

    #[test]
    fn track_becomes_known_with_the_time_and_place_of_its_first_detection() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        assert!(t.step(ms(0), &[person(0.1, 0.9)]).tracks.is_empty());
        assert!(t.step(ms(100), &[person(0.11, 0.9)]).tracks.is_empty());
        let set = t.step(ms(200), &[person(0.12, 0.9)]);
        assert_eq!(ids(&set), [1]);
        assert_eq!(set.tracks[0].first_seen, ms(0));
        assert_eq!(set.tracks[0].first_bbox.x1, 0.1);
    }

    #[test]
    fn single_false_detection_is_never_told() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..50 {
            let seen = if i % 10 == 0 { vec![person(0.1, 0.9)] } else { vec![] };
            let set = t.step(ms(i * 100), &seen);
            assert!(set.tracks.is_empty() && set.ended.is_empty());
        }
    }

    #[test]
    fn two_detections_suffice_at_a_frame_a_second() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        t.step(ms(0), &[person(0.1, 0.9)]);
        assert_eq!(ids(&t.step(ms(1000), &[person(0.13, 0.9)])), [1]);
    }

    #[test]
    fn followed_is_what_has_a_track_and_was_found_last() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..3 {
            assert!(t.followed().is_empty(), "{i}");
            t.step(ms(100 * i), &[person(0.12, 0.9)]);
        }
        assert_eq!(t.followed(), [person(0.12, 0.9)]);
        t.step(ms(300), &[person(0.13, 0.2), person(0.7, 0.9)]);
        assert_eq!(t.followed(), [person(0.13, 0.2)], "the newcomer is not known yet");
        t.skip(ms(400));
        assert_eq!(t.followed().len(), 1, "nobody looked");
        t.step(ms(500), &[]);
        assert!(t.followed().is_empty());
    }

    #[test]
    fn low_scores_continue_a_track_and_never_begin_one() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..10 {
            let set = t.step(ms(i * 100), &[person(0.1, if i < 3 { 0.9 } else { 0.2 }), person(0.6, 0.3)]);
            assert!(ids(&set).len() <= 1);
            assert!(i < 3 || set.tracks[0].observed);
        }
    }

    #[test]
    fn short_loss_keeps_the_number_and_a_long_one_ends_it_for_good() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        let seen = [person(0.1, 0.9)];
        for i in 0..5 {
            t.step(ms(i * 100), &seen);
        }
        for i in 5..13 {
            let set = t.step(ms(i * 100), &[]);
            assert!(!set.tracks[0].observed && set.tracks[0].last_seen == ms(400));
        }
        assert_eq!(ids(&t.step(ms(1300), &seen)), [1]);
        let mut ended = Vec::new();
        for i in 14..30 {
            ended.extend(t.step(ms(i * 100), &[]).ended);
        }
        assert_eq!(ended, [TrackId(1)]);
        let back: Vec<_> = (30..35).flat_map(|i| ids(&t.step(ms(i * 100), &seen))).collect();
        assert_eq!(back, [2, 2, 2]);
    }

    #[test]
    fn frames_nobody_looked_at_do_not_end_a_track() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..5 {
            t.step(ms(i * 100), &[person(0.1, 0.9)]);
        }
        for i in 5..40 {
            t.skip(ms(i * 100));
        }
        assert_eq!(ids(&t.step(ms(4000), &[])), [1], "it was not looked for");
        assert_eq!(ids(&t.step(ms(4100), &[person(0.1, 0.9)])), [1]);
    }

    #[test]
    fn a_truck_that_is_seen_as_a_car_too_is_one_track() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..30 {
            let x = 0.1 + 0.01 * i as f32;
            let vehicle = |bbox, score| Detection { class: Class::Vehicle, bbox, score, landmarks: None };
            let truck = vehicle(BBox::new(x, 0.4, x + 0.3, 0.6), if i % 3 == 0 { 0.5 } else { 0.8 });
            let car = vehicle(BBox::new(x + 0.02, 0.42, x + 0.28, 0.6), 0.7);
            let seen = if i % 5 == 4 { vec![car] } else { vec![truck, car] };
            let set = t.step(ms(i * 100), &seen);
            assert!(i < 2 || ids(&set) == [1], "at {i}: {:?}", ids(&set));
        }
    }

    #[test]
    fn who_is_hidden_while_he_walks_or_turns_keeps_his_number() {
        // Found again after 0.9 s where he was going, and where he was last seen.
        for goes_on in [true, false] {
            let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
            for i in 0..10 {
                t.step(ms(i * 100), &[person(0.1 + 0.02 * i as f32, 0.9)]);
            }
            for i in 10..18 {
                t.step(ms(i * 100), &[]);
            }
            let x = if goes_on { 0.46 } else { 0.28 };
            let set = t.step(ms(1800), &[person(x, 0.9)]);
            assert!(ids(&set) == [1] && set.tracks[0].observed, "goes on: {goes_on}");
        }
    }

    #[test]
    fn different_classes_never_join() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        let both = [person(0.1, 0.9), Detection { class: Class::Face, ..person(0.1, 0.9) }];
        let last = (0..5).map(|i| t.step(ms(i * 100), &both)).last().unwrap();
        let classes: Vec<_> = last.tracks.iter().map(|t| t.class).collect();
        assert_eq!(classes, [Class::Person, Class::Face]);
    }

    #[test]
    fn two_who_pass_each_other_keep_their_numbers() {
        for step in [40, 100, 200] {
            let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
            let mut last = None;
            for time in (0..4000).step_by(step) {
                let x = 0.1 + 0.15 * time as f32 / 1000.0;
                // One of the two is half hidden while they overlap.
                let hidden = if (x - (0.9 - x)).abs() < 0.05 { 0.3 } else { 0.9 };
                last = Some(t.step(ms(time), &[person(x, 0.9), person(0.8 - x, hidden)]));
            }
            let last = last.unwrap();
            assert_eq!(ids(&last), [1, 2], "at a frame each {step} ms");
            assert!(last.tracks[0].bbox.x1 > last.tracks[1].bbox.x1);
        }
    }

    #[test]
    fn walker_is_followed_at_one_frame_a_second_and_at_uneven_rates() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for time in [0, 1000, 2000, 2040, 2080, 2500, 3500, 4500, 4540] {
            let set = t.step(ms(time), &[person(0.1 + 0.08 * time as f32 / 1000.0, 0.9)]);
            assert!(time == 0 || ids(&set) == [1], "at {time} ms: {:?}", ids(&set));
        }
    }

    #[test]
    fn memory_is_bounded_whatever_is_detected() {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..200i64 {
            let seen: Vec<_> =
                (0..500).map(|k| person(((i * 7919 + k * 104_729) % 1000) as f32 * 0.01, 0.9)).collect();
            t.step(ms(i * 100), &seen);
        }
        assert!(t.paths.len() <= 4 * 128);
        for i in 200..220 {
            t.step(ms(i * 100), &[]);
        }
        assert!(t.paths.is_empty());
    }
}
