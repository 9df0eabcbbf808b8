//! Tracker and rules of one camera: from what was seen in a frame to what operators are told.
//! No threads, no clock: the server and the accuracy runs drive it alike.

use crate::base::{CameraId, Wall};
use crate::camera::StreamEvent;
use crate::infer::{Class, Detection, Outcome};
use crate::rules::{RuleEvent, RuleSet, RuleSpec};
use crate::track::{self, TrackSet, Tracker};

pub struct Chain {
    tracker: Tracker,
    rules: RuleSet,
}

/// What one frame led to.
pub struct Seen {
    pub tracks: Option<TrackSet>,
    pub events: Vec<RuleEvent>,
}

impl Chain {
    pub fn new(camera: CameraId, rules: Vec<RuleSpec>) -> Self {
        Chain { tracker: Tracker::new(track::Settings::default()), rules: RuleSet::new(camera, rules) }
    }

    /// Take the result of one frame, in the order of frames.
    pub fn on_frame(&mut self, at: Wall, outcome: &Outcome, motion: &[Detection]) -> Seen {
        match outcome {
            Outcome::Done(found) => {
                let mut all = found.clone();
                all.extend_from_slice(motion);
                let tracks = self.tracker.step(at, &all);
                let events = self.rules.on_tracks(&tracks);
                Seen { tracks: Some(tracks), events }
            }
            Outcome::Skipped(_) => {
                self.tracker.skip(at);
                Seen { tracks: None, events: self.rules.tick(at) }
            }
        }
    }

    pub fn on_stream(&mut self, event: &StreamEvent) -> Vec<RuleEvent> {
        self.rules.on_stream(event)
    }

    pub fn tick(&mut self, now: Wall) -> Vec<RuleEvent> {
        self.rules.tick(now)
    }
}

/// Rules for a camera whose models are missing: moving areas stand in for persons and vehicles, so
/// that zones and lines still work. Faces cannot be stood in for; those rules fall silent.
pub fn without_models(rules: &[RuleSpec]) -> Vec<RuleSpec> {
    rules
        .iter()
        .cloned()
        .map(|mut rule| {
            if rule.classes.iter().any(|c| matches!(c, Class::Person | Class::Vehicle)) {
                rule.classes = vec![Class::Motion];
                rule.min_score = 0.0;
            }
            rule
        })
        .collect()
}
