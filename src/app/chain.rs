//! Tracker and rules of one camera: from what was seen in a frame to what operators are told.
//! No threads, no clock: the server and the accuracy runs drive it alike.

use std::time::Duration;

use crate::archive::Journal;
use crate::archive::observations::on_grid;
use crate::base::{CameraId, Wall};
use crate::camera::{StandingThing, StreamEvent, ViewReading, WatchLevel};
use crate::infer::{Class, Detection, Outcome};
use crate::rules::{RuleEvent, RuleSet, RuleSpec};
use crate::track::{self, TrackNumbers, TrackSet, Tracker};

/// Frames whose time lies so far before the last one's are from after the clock was set back: tracks
/// and rules that remember a later time begin anew. Less may be a frame that was looked at for so long
/// that later ones were skipped meanwhile; that they bear.
const SET_BACK: Duration = Duration::from_secs(10);

pub struct Chain {
    camera: CameraId,
    specs: Vec<RuleSpec>,
    numbers: TrackNumbers,
    tracker: Tracker,
    rules: RuleSet,
    last: Option<Wall>,
    /// Keeps what the tracker is told.
    journal: Option<Journal>,
}

/// What one frame led to.
pub struct Seen {
    pub tracks: Option<TrackSet>,
    pub events: Vec<RuleEvent>,
}

impl Chain {
    /// `numbers`: of the whole server run, because alerts of one run are told apart by them.
    pub fn new(camera: CameraId, specs: Vec<RuleSpec>, numbers: TrackNumbers) -> Self {
        Chain {
            tracker: Tracker::new(track::Settings::default(), numbers.clone()),
            rules: RuleSet::new(camera.clone(), specs.clone()),
            camera,
            specs,
            numbers,
            last: None,
            journal: None,
        }
    }

    /// What the tracker is told from now on goes into `journal` as well.
    pub fn keep(&mut self, journal: Journal) {
        self.journal = Some(journal);
    }

    /// Take the result of one frame, in the order of frames.
    pub fn on_frame(&mut self, at: Wall, outcome: &Outcome, motion: &[Detection]) -> Seen {
        if self.last.is_some_and(|last| at + SET_BACK < last) {
            let journal = self.journal.take();
            *self = Chain::new(self.camera.clone(), self.specs.clone(), self.numbers.clone());
            self.journal = journal;
            self.journal.iter_mut().for_each(Journal::begin);
        }
        self.last = Some(at);
        // What decides is what is kept, to the last digit.
        let outcome = match outcome {
            Outcome::Done(found) => Outcome::Done(found.iter().chain(motion).map(on_grid).collect()),
            Outcome::Skipped(why) => Outcome::Skipped(*why),
        };
        if let Some(journal) = &mut self.journal {
            journal.note(at, &outcome);
        }
        match &outcome {
            Outcome::Done(all) => {
                let tracks = self.tracker.step(at, all);
                let events = self.rules.on_tracks(&tracks);
                Seen { tracks: Some(tracks), events }
            }
            Outcome::Skipped(_) => {
                self.tracker.skip(at);
                Seen { tracks: None, events: self.rules.tick(at) }
            }
        }
    }

    /// What has a track whose score no rule waits for, where it should be at this time.
    pub fn tracked(&self, at: Wall) -> Vec<Detection> {
        let least = self.specs.iter().map(|rule| rule.min_score).fold(0.0, f32::max);
        self.tracker.tracked(at, least)
    }

    pub fn on_stream(&mut self, event: &StreamEvent) -> Vec<RuleEvent> {
        self.rules.on_stream(event)
    }

    /// What a frame says of the camera itself, in the order of frames.
    pub fn on_view(&mut self, at: Wall, reading: &ViewReading) -> Vec<RuleEvent> {
        self.rules.on_view(reading, at)
    }

    /// What stands in a frame, after `on_frame`.
    pub fn on_standing(&mut self, at: Wall, things: &[StandingThing]) -> Vec<RuleEvent> {
        self.rules.on_standing(things, at)
    }

    /// How closely the camera is watched now.
    pub fn on_watched(&mut self, level: &WatchLevel, now: Wall) -> Vec<RuleEvent> {
        self.rules.on_watched(level, now)
    }

    pub fn tick(&mut self, now: Wall) -> Vec<RuleEvent> {
        if let Some(journal) = &mut self.journal {
            journal.tick(now);
        }
        self.rules.tick(now)
    }
}

/// Rules for a camera of whose models only those that find `found` are here: moving areas stand in for
/// persons and vehicles, so that zones and lines still work. Faces cannot be stood in for; those
/// rules fall silent.
pub fn without_models(rules: &[RuleSpec], found: &[Class]) -> Vec<RuleSpec> {
    rules
        .iter()
        .cloned()
        .map(|mut rule| {
            let moves = rule.classes.iter().any(|c| matches!(c, Class::Person | Class::Vehicle));
            if moves && !rule.classes.iter().any(|c| found.contains(c)) {
                rule.classes = vec![Class::Motion];
                rule.min_score = 0.0;
            }
            rule
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::BBox;
    use crate::rules::{RuleId, RuleKind, Severity};

    fn rule(classes: &[Class]) -> RuleSpec {
        RuleSpec {
            id: RuleId("r".into()),
            kind: RuleKind::Motion { zone: None },
            classes: classes.to_vec(),
            min_score: 0.4,
            limits: crate::rules::Limits::default(),
            severity: Severity::Info,
            schedule: None,
            cooldown: Duration::ZERO,
        }
    }

    #[test]
    fn motion_stands_in_for_what_no_model_here_finds_and_for_nothing_else() {
        let rules = [rule(&[Class::Person]), rule(&[Class::Person, Class::Vehicle]), rule(&[Class::Face])];
        let classes = |found: &[Class]| -> Vec<Vec<Class>> {
            without_models(&rules, found).into_iter().map(|r| r.classes).collect()
        };
        let (motion, face) = (vec![Class::Motion], vec![Class::Face]);
        assert_eq!(classes(&[]), [motion.clone(), motion.clone(), face.clone()]);
        assert_eq!(classes(&[Class::Face]), [motion.clone(), motion.clone(), face.clone()]);
        assert_eq!(classes(&[Class::Vehicle]), [motion, vec![Class::Person, Class::Vehicle], face]);
    }

    /// Numbers of the tracks that two frames a second for three seconds from `from` lead to.
    fn tracks(chain: &mut Chain, from: i64) -> Vec<u64> {
        let person = Detection {
            class: Class::Person,
            bbox: BBox::new(0.4, 0.4, 0.5, 0.6),
            score: 0.9,
            landmarks: None,
        };
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..6 {
            let set =
                chain.on_frame(Wall(from + i * 500_000), &Outcome::Done(vec![person]), &[]).tracks.unwrap();
            assert_eq!(set.at, Wall(from + i * 500_000), "tracks keep to the frames' time");
            seen.extend(set.tracks.iter().map(|t| t.id.0));
        }
        seen.into_iter().collect()
    }

    #[test]
    fn a_clock_set_back_and_a_new_chain_begin_anew_under_new_numbers() {
        let numbers = TrackNumbers::default();
        let new = || Chain::new(CameraId::new("a").unwrap(), vec![], numbers.clone());
        let mut chain = new();
        assert_eq!(tracks(&mut chain, 7_200_000_000), [1]);
        assert_eq!(tracks(&mut chain, 3_600_000_000), [2]);
        assert_eq!(tracks(&mut new(), 3_610_000_000), [3], "alerts of one server run are told apart by it");
    }

    #[test]
    fn a_track_is_one_when_no_rule_waits_for_a_higher_score() {
        let tracked = |min_scores: &[f32]| {
            let rules = min_scores.iter().map(|s| RuleSpec { min_score: *s, ..rule(&[Class::Person]) });
            let mut chain = Chain::new(CameraId::new("a").unwrap(), rules.collect(), TrackNumbers::default());
            tracks(&mut chain, 0);
            chain.tracked(Wall(3_000_000)).len()
        };
        assert_eq!([tracked(&[]), tracked(&[0.3, 0.9]), tracked(&[0.3, 0.95])], [1, 1, 0]);
    }
}
