//! Loitering: the same thing stays in the zone for at least `dwell`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::media::Polygon;
use crate::track::TrackId;

use super::event::Edge;
use super::sight::{Finding, Sight, capital};
use super::spec::Anchor;
use super::visits::{Patience, Visit, Visits};

pub(super) struct Loitering {
    visits: Visits,
    dwell: Duration,
    told: BTreeSet<TrackId>,
}

impl Loitering {
    pub fn new(zone: Polygon, anchor: Anchor, dwell: Duration) -> Self {
        // More patient than intrusion: a box whose foot jumps behind a table for a moment must not
        // begin the count anew.
        let patience = Patience {
            outside: Duration::from_secs(2),
            lost: Duration::from_secs(3),
            reach: 0.5,
            remember_still: true,
        };
        Loitering { visits: Visits::new(Some(zone), anchor, patience), dwell, told: BTreeSet::new() }
    }

    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        let ended = self.visits.on_sight(sight);
        let mut out = self.ends(ended);
        for v in self.visits.open().filter(|v| v.counts() && v.dwell() >= self.dwell) {
            if self.told.insert(v.id) {
                let message =
                    format!("{} in the zone for {} s.", capital(v.class.as_str()), v.dwell().as_secs());
                let subject = v.subject(Some(v.dwell()));
                out.push(Finding { edge: Edge::Begin, at: v.last_inside, subject, message });
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
                let message = format!("{} left after {} s.", capital(v.class.as_str()), v.dwell().as_secs());
                let subject = v.subject(Some(v.dwell()));
                out.push(Finding { edge: Edge::End, at: v.last_inside, subject, message });
            }
        }
        out
    }
}
