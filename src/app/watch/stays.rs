//! What stands still and is watched on all the same: a rule waits for the time it stays.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;
use crate::infer::Class;
use crate::media::Polygon;
use crate::rules::{Anchor, RuleKind, RuleSpec};
use crate::track::{TrackId, TrackSet};

/// Watched on for so much longer than the rule needs: visits begin a little after the thing came.
const SLACK: Duration = Duration::from_secs(3);

/// Tracks in the zones of rules that wait (loitering, crowd). The camera is followed until the rule has had
/// its time; what stands on after that is told already, and looks notice when it goes.
#[derive(Debug)]
pub(super) struct Stays {
    zones: Vec<Zone>,
    /// Since when each track stays, by the zone's place in the list.
    since: BTreeMap<(usize, TrackId), Wall>,
}

#[derive(Debug)]
struct Zone {
    area: Polygon,
    anchor: Anchor,
    classes: Vec<Class>,
    wait: Duration,
}

impl Stays {
    pub fn new(rules: &[RuleSpec]) -> Self {
        let zone = |rule: &RuleSpec| {
            let (area, anchor, wait) = match &rule.kind {
                RuleKind::Loitering { zone, anchor, dwell } => (zone, anchor, dwell),
                RuleKind::Crowd { zone, anchor, hold, .. } => (zone, anchor, hold),
                _ => return None,
            };
            let classes = rule.classes.clone();
            Some(Zone { area: area.clone(), anchor: *anchor, classes, wait: *wait + SLACK })
        };
        Stays { zones: rules.iter().filter_map(zone).collect(), since: BTreeMap::new() }
    }

    /// Whether a rule still waits for something that is here.
    pub fn waits(&mut self, set: &TrackSet) -> bool {
        let mut waits = false;
        let mut here = BTreeMap::new();
        for (i, zone) in self.zones.iter().enumerate() {
            let inside = set
                .tracks
                .iter()
                .filter(|t| zone.classes.contains(&t.class) && zone.area.contains(zone.anchor.of(&t.bbox)));
            for track in inside {
                let since = *self.since.get(&(i, track.id)).unwrap_or(&set.at);
                here.insert((i, track.id), since);
                waits |= set.at.since(since) < zone.wait;
            }
        }
        self.since = here;
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{BBox, Point};
    use crate::rules::{RuleId, Severity};
    use crate::track::Track;

    fn set(second: i64, tracks: &[(u64, f32)]) -> TrackSet {
        let at = Wall::from_secs(second);
        let track = |&(id, x): &(u64, f32)| {
            let bbox = BBox::new(x, 0.2, x + 0.1, 0.5);
            Track {
                id: TrackId(id),
                class: Class::Person,
                bbox,
                score: 0.9,
                best_score: 0.9,
                observed: true,
                first_seen: at,
                first_bbox: bbox,
                last_seen: at,
            }
        };
        TrackSet { at, tracks: tracks.iter().map(track).collect(), ended: Vec::new() }
    }

    fn rule(kind: RuleKind) -> RuleSpec {
        RuleSpec {
            id: RuleId("r".into()),
            kind,
            classes: vec![Class::Person],
            min_score: 0.3,
            limits: crate::rules::Limits::default(),
            severity: Severity::Info,
            schedule: None,
            cooldown: Duration::ZERO,
        }
    }

    fn left_half() -> Polygon {
        let at = |x, y| Point { x, y };
        Polygon::new(vec![at(0.0, 0.0), at(0.5, 0.0), at(0.5, 1.0), at(0.0, 1.0)]).unwrap()
    }

    #[test]
    fn whoever_stays_in_a_loitering_zone_is_waited_for_until_the_rule_has_had_its_time() {
        let dwell = Duration::from_secs(10);
        let kind = RuleKind::Loitering { zone: left_half(), anchor: Anchor::Foot, dwell };
        let mut stays = Stays::new(&[rule(kind)]);
        let waits: Vec<bool> = (0..16).map(|s| stays.waits(&set(s, &[(1, 0.2)]))).collect();
        assert_eq!(waits, [[true; 13].as_slice(), &[false; 3]].concat());
        // Another one is waited for anew, one outside never.
        assert!(stays.waits(&set(16, &[(1, 0.2), (2, 0.1)])));
        assert!(!stays.waits(&set(17, &[(3, 0.8)])));
    }

    #[test]
    fn other_rules_wait_for_nothing() {
        let kind = RuleKind::Intrusion { zone: left_half(), anchor: Anchor::Foot };
        assert!(!Stays::new(&[rule(kind)]).waits(&set(0, &[(1, 0.2)])));
    }
}
