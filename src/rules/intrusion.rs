//! Intrusion: something is inside the zone. One event per visit; its end when the visit ends.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::media::Polygon;
use crate::track::TrackId;

use super::event::Edge;
use super::sight::{Finding, Sight, capital};
use super::spec::Anchor;
use super::visits::{Patience, Visit, Visits};

pub(super) struct Intrusion {
    visits: Visits,
    told: BTreeSet<TrackId>,
}

impl Intrusion {
    pub fn new(zone: Polygon, anchor: Anchor) -> Self {
        let patience = Patience {
            outside: Duration::from_millis(500),
            lost: Duration::from_secs(3),
            reach: 0.5,
            remember_still: true,
        };
        Intrusion { visits: Visits::new(Some(zone), anchor, patience), told: BTreeSet::new() }
    }

    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        let ended = self.visits.on_sight(sight);
        let mut out = self.ends(ended);
        for v in self.visits.open().filter(|v| v.counts()) {
            if self.told.insert(v.id) {
                out.push(Finding {
                    edge: Edge::Begin,
                    at: v.entered,
                    subject: v.subject(None),
                    message: format!("{} in the zone.", capital(v.class.as_str())),
                });
            }
        }
        out
    }

    pub fn end_all(&mut self) -> Vec<Finding> {
        let ended = self.visits.end_all();
        self.ends(ended)
    }

    fn ends(&mut self, ended: Vec<Visit>) -> Vec<Finding> {
        let mut out = Vec::new();
        for v in ended {
            if self.told.remove(&v.id) {
                let message = format!("{} left the zone.", capital(v.class.as_str()));
                out.push(Finding { edge: Edge::End, at: v.last_inside, subject: v.subject(None), message });
            }
        }
        out
    }
}
