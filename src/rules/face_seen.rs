//! Face seen: a face is visible in the zone. One event per appearance: a face that a hand hides for
//! a moment appears once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::media::Polygon;
use crate::track::TrackId;

use super::event::Edge;
use super::sight::{Finding, Sight};
use super::spec::Anchor;
use super::visits::{Patience, Visit, Visits};

pub(super) struct FaceSeen {
    visits: Visits,
    told: BTreeSet<TrackId>,
}

impl FaceSeen {
    pub fn new(zone: Option<Polygon>) -> Self {
        let patience = Patience {
            outside: Duration::from_millis(2500),
            lost: Duration::from_millis(2500),
            // A face is small beside the way a head moves while it is hidden.
            reach: 1.5,
            remember_still: false,
        };
        FaceSeen { visits: Visits::new(zone, Anchor::Center, patience), told: BTreeSet::new() }
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
                    message: "A face is visible.".into(),
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
                let message = "The face is no longer visible.".into();
                out.push(Finding { edge: Edge::End, at: v.last_inside, subject: v.subject(None), message });
            }
        }
        out
    }
}
