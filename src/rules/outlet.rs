//! What of a rule's findings is told: only while its schedule is on, and not again within its
//! cooldown. A lasting condition that begins in silence is told as soon as it may be, if it still
//! holds then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;
use crate::track::TrackId;

use super::event::{Edge, Subject};
use super::sight::{Finding, Sight};
use super::spec::Schedule;

/// Whom a finding is about, as far as silence goes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Track(TrackId, Option<&'static str>),
    Scene,
    Camera,
}

impl Key {
    fn of(subject: &Subject) -> Key {
        match subject {
            Subject::Track { id, direction, .. } => Key::Track(*id, *direction),
            Subject::Scene { .. } => Key::Scene,
            Subject::Camera => Key::Camera,
        }
    }
}

struct Condition {
    begin: Finding,
    told: bool,
}

pub(super) struct Outlet {
    schedule: Option<Schedule>,
    cooldown: Duration,
    /// Whether an end follows a beginning.
    lasting: bool,
    /// Conditions that hold now, told or not.
    conditions: BTreeMap<Key, Condition>,
    /// When an event was last told. Only as old as the cooldown.
    told: BTreeMap<Key, Wall>,
}

impl Outlet {
    pub fn new(schedule: Option<Schedule>, cooldown: Duration, lasting: bool) -> Self {
        Outlet { schedule, cooldown, lasting, conditions: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// What of the findings made at `now` is told.
    pub fn pass(&mut self, now: Wall, findings: Vec<Finding>) -> Vec<Finding> {
        let mut out = Vec::new();
        for f in findings {
            let key = Key::of(&f.subject);
            match f.edge {
                Edge::Begin if self.lasting => {
                    self.conditions.insert(key, Condition { begin: f, told: false });
                }
                Edge::Begin => {
                    if self.may_speak(&key, f.at) {
                        self.told.insert(key, f.at);
                        out.push(f);
                    }
                }
                Edge::End => {
                    let known = self.conditions.remove(&key);
                    // An end without a beginning: see `camera_lost`.
                    if known.is_none_or(|c| c.told) {
                        self.told.insert(key, f.at);
                        out.push(f);
                    }
                }
            }
            // A condition may begin and end within one frame's findings: speak in order.
            out.extend(self.speak(now));
        }
        out.extend(self.speak(now));
        let cooldown = self.cooldown;
        self.told.retain(|_, at| now.since(*at) < cooldown);
        out
    }

    /// Things whose beginning was held back have moved on meanwhile.
    pub fn follow(&mut self, sight: &Sight) {
        for c in self.conditions.values_mut().filter(|c| !c.told) {
            if let Subject::Track { id, bbox, score, .. } = &mut c.begin.subject
                && let Some(track) = sight.seen.iter().find(|t| t.id == *id)
            {
                (*bbox, *score) = (track.bbox, track.score);
            }
        }
    }

    /// Tell beginnings that may be told now; end those that the schedule cuts off.
    fn speak(&mut self, now: Wall) -> Vec<Finding> {
        let mut out = Vec::new();
        let keys: Vec<Key> = self.conditions.keys().cloned().collect();
        for key in keys {
            let begun = &self.conditions[&key];
            let (on, told) = (self.is_on(now), begun.told);
            let at = begun.begin.at;
            if told && !on {
                let message = "The rule's hours are over.".into();
                let end = Finding { edge: Edge::End, at: now, message, ..begun.begin.clone() };
                self.told.insert(key.clone(), now);
                out.push(end);
                self.set_told(&key, false);
            } else if !told && on {
                // Held back until now: the frame that shows it is today's, not the first one.
                let late = !self.may_speak(&key, at);
                if late && !self.may_speak(&key, now) {
                    continue;
                }
                let mut f = begun.begin.clone();
                f.at = if late { now } else { at };
                self.told.insert(key.clone(), f.at);
                out.push(f);
                self.set_told(&key, true);
            }
        }
        out
    }

    fn set_told(&mut self, key: &Key, told: bool) {
        if let Some(c) = self.conditions.get_mut(key) {
            c.told = told;
        }
    }

    fn is_on(&self, at: Wall) -> bool {
        self.schedule.as_ref().is_none_or(|s| s.is_on(at))
    }

    fn may_speak(&self, key: &Key, at: Wall) -> bool {
        self.is_on(at) && self.told.get(key).is_none_or(|last| at.since(*last) >= self.cooldown)
    }
}
