//! After ByteTrack (Zhang et al. 2022), with real time steps: high scores are matched first, low
//! scores then continue what is left, so that somebody half hidden is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::Wall;
use crate::infer::{Class, Detection, detection};
use crate::media::BBox;

use crate::track::assign::{FORBIDDEN, assign, overlap};
use crate::track::kalman::Course;
use crate::track::settings::Settings;
use crate::track::stature::Stature;
use crate::track::track_set::{Track, TrackId, TrackSet};

/// A prediction and a detection that overlap so much belong together, whatever the score. Without
/// this pass, which ByteTrack does not have, a newcomer with a high score who comes in beside
/// somebody half hidden with a low one takes over that one's track.
const OVERLAP_CLEAR: f32 = detection::CONTINUES;
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

    /// What has a track that scored at least `least` once and was found in the last frame that was looked at: where it
    /// should be at this time.
    pub fn tracked(&self, at: Wall, least: f32) -> Vec<Detection> {
        let dt = self.last.map_or(Duration::ZERO, |last| at.max(last).since(last));
        let known = self.paths.iter().filter(|p| p.id.is_some() && p.observed && p.best_score >= least);
        let expected = |p: &Path| {
            let mut course = p.course.clone();
            course.predict(dt);
            Detection { class: p.class, bbox: course.bbox(), score: p.score, landmarks: None }
        };
        known.map(expected).collect()
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
mod tests;
