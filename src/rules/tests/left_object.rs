//! Abandoned and removed objects.

use super::*;
use crate::camera::{Change, StandingThing};

fn bag() -> BBox {
    BBox::new(0.6, 0.6, 0.66, 0.7)
}

/// A rule with a dwell of 60 s over the right half, and one frame every two seconds.
struct Play {
    rules: RuleSet,
    t: i64,
    out: Vec<RuleEvent>,
}

impl Play {
    fn new(change: Change, limits: Limits) -> Self {
        let (zone, dwell) = (Some(right_half()), 60 * SECOND);
        let kind = match change {
            Change::Came => RuleKind::AbandonedObject { zone, dwell },
            Change::Gone => RuleKind::RemovedObject { zone, dwell },
        };
        let rules = RuleSet::new(camera(), vec![RuleSpec { limits, ..spec("r", kind) }]);
        Play { rules, t: 0, out: Vec::new() }.until(16, &[], &[])
    }

    /// Until second `until`; who is seen, and what has stood since when.
    fn until(mut self, until: i64, tracks: &[Track], standing: &[(BBox, i64, Change)]) -> Self {
        while self.t < until {
            let at = ms(self.t * 1000);
            self.out.extend(self.rules.on_tracks(&set(at, tracks.to_vec(), &[])));
            let things: Vec<_> = standing
                .iter()
                .map(|&(bbox, since, change)| {
                    let stood = Duration::from_secs((self.t - since).max(0) as u64);
                    StandingThing { bbox, stood, change }
                })
                .collect();
            self.out.extend(self.rules.on_standing(&things, at));
            self.t += 2;
        }
        self
    }

    /// As [`until`](Self::until); the tracks of before have ended.
    fn alone_until(mut self, until: i64, standing: &[(BBox, i64, Change)]) -> Self {
        self.out.extend(self.rules.on_tracks(&set(ms(self.t * 1000 - 1), vec![], &[1])));
        self.until(until, &[], standing)
    }

    fn said(&self) -> Vec<String> {
        said(&self.out)
    }
}

#[test]
fn a_thing_is_told_when_it_has_stood_alone_for_the_dwell_and_ends_when_it_is_taken() {
    let came = [(bag(), 10, Change::Came)];
    let play = || Play::new(Change::Came, Limits::default());
    assert_eq!(play().until(200, &[], &came).until(240, &[], &[]).said(), ["+70", "-214"]);
    assert!(play().until(68, &[], &came).until(240, &[], &[]).said().is_empty());
    // Somebody passes in front of it: what is hidden for a moment still stands.
    let hidden = play().until(50, &[], &came).until(60, &[], &[]).until(200, &[], &came);
    assert_eq!(hidden.said(), ["+70"]);
    // A rule about what is gone says nothing of what came, and the other way round.
    assert!(Play::new(Change::Gone, Limits::default()).until(200, &[], &came).said().is_empty());
    let gone = [(bag(), 10, Change::Gone)];
    assert_eq!(Play::new(Change::Gone, Limits::default()).until(200, &[], &gone).said(), ["+70"]);
}

#[test]
fn the_dwell_begins_when_whoever_was_with_it_has_left() {
    let came = [(bag(), 10, Change::Came)];
    let owner = [track(1, 0.68, 0.72)];
    let play = Play::new(Change::Came, Limits::default()).until(100, &owner, &came);
    assert_eq!(play.alone_until(300, &came).said(), ["+158"]);
    // One who passes is not with it, nor is one who stands somewhere else.
    let play = Play::new(Change::Came, Limits::default()).until(60, &[], &came).until(68, &owner, &came);
    assert_eq!(play.alone_until(300, &came).said(), ["+70"]);
    let elsewhere = [track(1, 0.3, 0.7)];
    let play = Play::new(Change::Came, Limits::default()).until(300, &elsewhere, &came);
    assert_eq!(play.said(), ["+70"]);
    // Somebody who sits still is with himself, for as long as he is found.
    let sitting = [(at_foot(0.68, 0.72), 10, Change::Came)];
    assert!(Play::new(Change::Came, Limits::default()).until(600, &owner, &sitting).said().is_empty());
}

#[test]
fn what_lies_outside_the_zone_or_is_too_small_or_too_large_does_not_count() {
    let at = |x: f32| [(BBox::new(x, 0.6, x + 0.06, 0.7), 10, Change::Came)];
    assert!(Play::new(Change::Came, Limits::default()).until(200, &[], &at(0.3)).said().is_empty());
    for (min_size, max_size, told) in [(0.05, 0.2, true), (0.15, 1.0, false), (0.0, 0.08, false)] {
        let limits = Limits { min_size, max_size, ignore_still: None };
        assert_eq!(Play::new(Change::Came, limits).until(200, &[], &at(0.6)).said().len() == 1, told);
    }
}

#[test]
fn a_second_thing_belongs_to_the_alert_of_the_first() {
    let other = BBox::new(0.8, 0.6, 0.86, 0.7);
    let (one, two) = ((bag(), 10, Change::Came), (other, 60, Change::Came));
    let play = Play::new(Change::Came, Limits::default())
        .until(150, &[], &[one, two])
        .until(200, &[], &[two])
        .until(240, &[], &[]);
    assert_eq!(play.said(), ["+70", "-214"]);
}
