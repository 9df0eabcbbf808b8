//! Abandoned and removed object: something stands where nothing stood, or is gone from where it was, for
//! at least `dwell` after whoever was with it has left.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;
use crate::camera::{Change, StandingThing};
use crate::infer::Class;
use crate::media::{BBox, Polygon};
use crate::track::TrackId;

use super::event::{Edge, Seen, Subject};
use super::sight::{Finding, Sight, within};
use super::spec::Limits;

/// Boxes that overlap so much are the same thing.
const SAME: f32 = 0.3;
/// Whoever is near for so long is with it; who passes by is not.
const WITH_IT: Duration = Duration::from_secs(10);
/// Near is within so many of the thing's own sizes.
const NEAR: f32 = 0.5;
/// A thing that is hidden for less than this is still there.
const HIDDEN: Duration = Duration::from_secs(15);

pub(super) struct LeftObject {
    zone: Option<Polygon>,
    dwell: Duration,
    change: Change,
    limits: Limits,
    things: Vec<Thing>,
    /// Tracks of the rule's classes as they were seen last, until they end.
    others: BTreeMap<TrackId, (Class, BBox)>,
    told: bool,
}

struct Thing {
    bbox: BBox,
    seen: Wall,
    /// When somebody was last with it; at first, when it came.
    left: Wall,
    /// Since when each track has been near.
    near: BTreeMap<TrackId, Wall>,
    counts: bool,
}

impl LeftObject {
    pub fn new(zone: Option<Polygon>, dwell: Duration, change: Change, limits: Limits) -> Self {
        LeftObject { zone, dwell, change, limits, things: Vec::new(), others: BTreeMap::new(), told: false }
    }

    /// Who is there, who could be with a thing.
    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        for track in sight.seen.iter().chain(&sight.coasting) {
            self.others.insert(track.id, (track.class, track.bbox));
        }
        for id in sight.ended {
            self.others.remove(id);
        }
        Vec::new()
    }

    /// What stands now.
    pub fn on_standing(&mut self, standing: &[StandingThing], at: Wall) -> Vec<Finding> {
        for thing in standing {
            if !self.is_wanted(thing) {
                continue;
            }
            match self.things.iter_mut().find(|t| t.bbox.iou(&thing.bbox) >= SAME) {
                Some(known) => (known.bbox, known.seen) = (thing.bbox, at),
                None => self.things.push(Thing {
                    bbox: thing.bbox,
                    seen: at,
                    left: at - thing.stood,
                    near: BTreeMap::new(),
                    counts: false,
                }),
            }
        }
        self.things.retain(|t| t.seen <= at && at.since(t.seen) < HIDDEN);
        for thing in &mut self.things {
            thing.attend(&self.others, at);
            thing.counts |= thing.seen == at && at.since(thing.left) >= self.dwell;
        }
        let boxes: Vec<Seen> = self.things.iter().filter(|t| t.counts).map(Thing::shown).collect();
        if boxes.is_empty() != self.told {
            return Vec::new();
        }
        self.told = !boxes.is_empty();
        let (edge, message) = match (self.told, self.change) {
            (true, Change::Came) => (Edge::Begin, "An object was left behind."),
            (true, Change::Gone) => (Edge::Begin, "Something was taken away."),
            (false, Change::Came) => (Edge::End, "The object is gone, or part of the scene by now."),
            (false, Change::Gone) => (Edge::End, "It is back, or the place is part of the scene by now."),
        };
        vec![Finding {
            edge,
            at,
            subject: Subject::Scene { count: boxes.len(), boxes },
            message: message.into(),
        }]
    }

    fn is_wanted(&self, thing: &StandingThing) -> bool {
        let size = thing.bbox.clamped().height();
        thing.change == self.change
            && (self.limits.min_size..=self.limits.max_size).contains(&size)
            && within(self.zone.as_ref(), thing.bbox.center())
    }
}

impl Thing {
    /// Take in who is near.
    fn attend(&mut self, others: &BTreeMap<TrackId, (Class, BBox)>, at: Wall) {
        let (w, h) = (self.bbox.width() * NEAR, self.bbox.height() * NEAR);
        let around = BBox::new(self.bbox.x1 - w, self.bbox.y1 - h, self.bbox.x2 + w, self.bbox.y2 + h);
        let is_near = |class: &Class, b: &BBox| {
            // What moved there was the thing itself.
            let itself = *class == Class::Motion && b.iou(&self.bbox) >= SAME;
            !itself && around.intersection(b) > 0.0
        };
        let near = others.iter().filter(|(_, (class, b))| is_near(class, b));
        self.near = near.map(|(id, _)| (*id, *self.near.get(id).unwrap_or(&at))).collect();
        if self.near.values().any(|since| at.since(*since) >= WITH_IT) {
            self.left = at;
        }
    }

    fn shown(&self) -> Seen {
        Seen { class: Class::Motion, bbox: self.bbox, score: 1.0 }
    }
}
