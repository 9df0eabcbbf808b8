//! Wrong way: something moves against the way that is allowed in the zone. One event per visit.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;
use crate::media::{BBox, Point, Polygon};
use crate::track::TrackId;

use super::event::Edge;
use super::sight::{Finding, Sight, capital, place};
use super::spec::{Anchor, Heading};
use super::visits::{Patience, Visits};

/// Observations in a row that make it sure; one may be a box that jumped.
const HITS: u32 = 2;
/// Least distance, in picture heights, of what is small or far away.
const LEAST: f32 = 0.05;

pub(super) struct WrongWay {
    visits: Visits,
    anchor: Anchor,
    heading: Heading,
    courses: BTreeMap<TrackId, Course>,
}

/// How a visitor has moved.
struct Course {
    /// Where he was furthest on the right way. Invariant: no later place lies further along it.
    furthest: Point,
    /// Since when, and how often in a row, he was found to have gone against it.
    against: Option<(Wall, u32)>,
    told: bool,
}

impl WrongWay {
    pub fn new(zone: Polygon, anchor: Anchor, heading: Heading) -> Self {
        let patience = Patience {
            outside: Duration::from_millis(500),
            lost: Duration::from_secs(3),
            reach: 0.5,
            remember_still: false,
        };
        WrongWay {
            visits: Visits::new(Some(zone), anchor, patience),
            anchor,
            heading,
            courses: BTreeMap::new(),
        }
    }

    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        for visit in self.visits.on_sight(sight) {
            self.courses.remove(&visit.id);
        }
        let mut out = Vec::new();
        for visit in self.visits.open().filter(|v| v.last_inside == sight.at) {
            let here = place(self.anchor, &visit.bbox);
            let course = self.courses.entry(visit.id).or_insert_with(|| {
                // What it did before it became known as a track counts.
                let first = sight.seen.iter().find(|t| t.id == visit.id && visit.entered < sight.at);
                let from = first.map_or(here, |t| place(self.anchor, &t.first_bbox));
                Course { furthest: from, against: None, told: false }
            });
            if course.observe(here, &visit.bbox, &self.heading, sight.at)
                && let Some((at, _)) = course.against
            {
                course.told = true;
                let message = format!("{} goes the wrong way.", capital(visit.class.as_str()));
                out.push(Finding { edge: Edge::Begin, at, subject: visit.subject(None), message });
            }
        }
        out
    }

    pub fn end_all(&mut self) {
        self.visits.end_all();
        self.courses.clear();
    }
}

impl Course {
    /// Whether it is to be told now.
    fn observe(&mut self, here: Point, bbox: &BBox, heading: &Heading, at: Wall) -> bool {
        let (along, aside) = heading.moved(self.furthest, here);
        if along >= 0.0 {
            self.furthest = here;
        }
        let far = heading.distance.unwrap_or_else(|| bbox.height().max(LEAST));
        let against = along < 0.0
            && along.hypot(aside) >= far
            && aside.abs() <= -along * heading.tolerance.to_radians().tan();
        self.against = match self.against {
            _ if !against => None,
            None => Some((at, 1)),
            Some((since, hits)) => Some((since, hits + 1)),
        };
        !self.told && self.against.is_some_and(|(_, hits)| hits >= HITS)
    }
}
