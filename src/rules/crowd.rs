//! Crowd: at least `count` things are in the zone for at least `hold`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;
use crate::media::Polygon;
use crate::track::TrackId;

use super::event::{Edge, Seen, Subject};
use super::sight::{Finding, Sight, place};
use super::spec::Anchor;

/// Fewer for less than this is a detector's blink.
const BLINK: Duration = Duration::from_secs(1);

pub(super) struct Crowd {
    zone: Polygon,
    anchor: Anchor,
    count: usize,
    hold: Duration,
    inside: BTreeMap<TrackId, Seen>,
    /// Since when there have been enough, blinks apart.
    enough: Option<Wall>,
    /// Since when there have been too few.
    fewer: Option<Wall>,
    told: bool,
}

impl Crowd {
    pub fn new(zone: Polygon, anchor: Anchor, count: usize, hold: Duration) -> Self {
        Crowd { zone, anchor, count, hold, inside: BTreeMap::new(), enough: None, fewer: None, told: false }
    }

    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        // A track that was not found this time still stands where it was, until it ends.
        for track in &sight.seen {
            if self.zone.contains(place(self.anchor, &track.bbox)) {
                self.inside.insert(track.id, Seen::from(*track));
            } else {
                self.inside.remove(&track.id);
            }
        }
        for id in sight.ended.iter().chain(&sight.still) {
            self.inside.remove(id);
        }
        if self.inside.len() >= self.count {
            self.fewer = None;
            let since = *self.enough.get_or_insert(sight.at);
            if !self.told && sight.at.since(since) >= self.hold {
                self.told = true;
                let message = format!("{} in the zone, {} or more.", self.inside.len(), self.count);
                return vec![self.finding(Edge::Begin, sight.at, message)];
            }
        } else if self.enough.is_some() {
            let since = *self.fewer.get_or_insert(sight.at);
            if sight.at.since(since) >= BLINK {
                return self.over(since);
            }
        }
        Vec::new()
    }

    pub fn end_all(&mut self, last: Wall) -> Vec<Finding> {
        self.inside.clear();
        self.over(last)
    }

    fn over(&mut self, at: Wall) -> Vec<Finding> {
        (self.enough, self.fewer) = (None, None);
        if !std::mem::take(&mut self.told) {
            return Vec::new();
        }
        vec![self.finding(Edge::End, at, format!("Fewer than {} in the zone.", self.count))]
    }

    fn finding(&self, edge: Edge, at: Wall, message: String) -> Finding {
        let boxes: Vec<Seen> = self.inside.values().copied().collect();
        Finding { edge, at, subject: Subject::Scene { count: boxes.len(), boxes }, message }
    }
}
