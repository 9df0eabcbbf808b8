//! Visits to a zone: who came in, when, and who left. Shared by the rules about zones.
//!
//! A visit outlives its track: when a detector loses somebody who stands still and finds him again
//! a moment later, the tracker gives a new number, and the visit goes on by its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::Wall;
use crate::infer::Class;
use crate::media::{BBox, Polygon};
use crate::track::{Track, TrackId};

use super::event::Subject;
use super::sight::{Sight, place, within};
use super::spec::Anchor;

/// Observations inside that make a visit; one may be a box that jumped.
const ENTER_HITS: u32 = 2;
/// Somebody whose box overlaps itself this much has not moved.
const STILL_OVERLAP: f32 = 0.5;
/// Standing this long, a thing is taken to be part of the scene when it is lost and found again.
const STILL_FOR: Duration = Duration::from_secs(10);
/// How long a thing that stood still is remembered after it was lost.
const PARKED_FOR: Duration = Duration::from_secs(600);
/// Overlap by which a remembered thing is known again.
const PARKED_OVERLAP: f32 = 0.6;
/// Most things remembered.
const PARKED_MOST: usize = 64;

/// How patient a rule is.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// Seen outside for this long (and twice): it left.
    pub outside: Duration,
    /// Track lost for this long: it left.
    pub lost: Duration,
    /// How far, in box sizes, from where it was lost a thing may be found again.
    pub reach: f32,
    /// Whether a thing that stood still is remembered, so that a parked car is told once.
    pub remember_still: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Visit {
    /// The track under which it was begun; its name for good.
    pub id: TrackId,
    /// The track that it is now.
    track: TrackId,
    pub class: Class,
    pub bbox: BBox,
    pub score: f32,
    pub entered: Wall,
    pub last_inside: Wall,
    hits: u32,
    outside: Option<(Wall, u32)>,
    /// Its track has ended; it may yet be found again.
    lost: bool,
    /// Since when and where it has been standing still.
    still: (Wall, BBox),
    /// It had been there before and was told then.
    known: bool,
}

impl Visit {
    /// It is a visit and nobody was told of it before.
    pub fn counts(&self) -> bool {
        self.hits >= ENTER_HITS && !self.known
    }

    pub fn dwell(&self) -> Duration {
        self.last_inside.since(self.entered)
    }

    pub fn subject(&self, dwell: Option<Duration>) -> Subject {
        Subject::Track {
            id: self.id,
            class: self.class,
            bbox: self.bbox,
            score: self.score,
            direction: None,
            dwell,
        }
    }
}

/// Something that stood still when it was lost.
struct Parked {
    class: Class,
    bbox: BBox,
    since: Wall,
}

pub(super) struct Visits {
    zone: Option<Polygon>,
    anchor: Anchor,
    patience: Patience,
    /// By the visit's id.
    open: BTreeMap<TrackId, Visit>,
    parked: Vec<Parked>,
    /// Living tracks seen at least once, inside or outside.
    met: BTreeSet<TrackId>,
}

impl Visits {
    pub fn new(zone: Option<Polygon>, anchor: Anchor, patience: Patience) -> Self {
        Visits { zone, anchor, patience, open: BTreeMap::new(), parked: Vec::new(), met: BTreeSet::new() }
    }

    /// Visits going on, some of them perhaps not (yet) counting.
    pub fn open(&self) -> impl Iterator<Item = &Visit> {
        self.open.values()
    }

    /// Take in a frame; returns the visits that ended, at their `last_inside`.
    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Visit> {
        self.parked.retain(|p| sight.at.since(p.since) <= PARKED_FOR);
        for track in &sight.seen {
            if within(self.zone.as_ref(), place(self.anchor, &track.bbox)) {
                self.inside(sight, track);
            } else {
                self.outside(sight.at, track.id);
            }
        }
        // Found, but not looked at until now: a visit of theirs begins when it is.
        self.met.extend(sight.still.iter().chain(&sight.unfit));
        for id in sight.ended {
            self.met.remove(id);
        }
        for visit in self.open.values_mut() {
            visit.lost |= sight.ended.contains(&visit.track);
        }
        let patience = self.patience.clone();
        self.close(|v| {
            let left = v.outside.is_some_and(|(since, hits)| {
                v.hits < ENTER_HITS || (hits >= 2 && sight.at.since(since) >= patience.outside)
            });
            left || (v.lost && sight.at.since(v.last_inside) > patience.lost)
        })
    }

    /// Nothing was seen for long: everybody counts as gone since last seen.
    pub fn end_all(&mut self) -> Vec<Visit> {
        self.close(|_| true)
    }

    fn inside(&mut self, sight: &Sight, track: &Track) {
        let of_track = self.open.values().find(|v| v.track == track.id).map(|v| v.id);
        match of_track.or_else(|| self.found_again(sight, track)) {
            Some(id) => {
                self.met.insert(track.id);
                if let Some(visit) = self.open.get_mut(&id) {
                    visit.go_on(sight.at, track);
                }
            }
            None => {
                let visit = self.begin(sight.at, track);
                self.open.insert(visit.id, visit);
            }
        }
    }

    fn outside(&mut self, at: Wall, track: TrackId) {
        self.met.insert(track);
        if let Some(visit) = self.open.values_mut().find(|v| v.track == track) {
            let (since, hits) = visit.outside.unwrap_or((at, 0));
            visit.outside = Some((since, hits + 1));
        }
    }

    /// The visit that lost its track where this one came up.
    fn found_again(&self, sight: &Sight, track: &Track) -> Option<TrackId> {
        let free = |v: &&Visit| {
            v.class == track.class
                && v.outside.is_none()
                && sight.at.since(v.last_inside) <= self.patience.lost
                && !sight.seen.iter().any(|t| t.id == v.track)
        };
        let distance = |v: &Visit| far(&v.bbox, &track.first_bbox).min(far(&v.bbox, &track.bbox));
        self.open
            .values()
            .filter(free)
            .map(|v| (distance(v), v.id))
            .filter(|(d, _)| *d <= self.patience.reach)
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, id)| id)
    }

    fn begin(&mut self, at: Wall, track: &Track) -> Visit {
        let first_time = self.met.insert(track.id);
        // What it did before it became known as a track counts.
        let from_start = first_time && within(self.zone.as_ref(), place(self.anchor, &track.first_bbox));
        let entered = if from_start { track.first_seen } else { at };
        let same = |p: &Parked| p.class == track.class && p.bbox.iou(&track.first_bbox) >= PARKED_OVERLAP;
        let parked = self.parked.iter().position(same).filter(|_| first_time);
        let known = parked.map(|i| self.parked.swap_remove(i)).is_some();
        Visit {
            id: track.id,
            track: track.id,
            class: track.class,
            bbox: track.bbox,
            score: track.score,
            entered,
            last_inside: at,
            hits: if entered < at { ENTER_HITS } else { 1 },
            outside: None,
            lost: false,
            still: (at, track.bbox),
            known,
        }
    }

    fn close(&mut self, over: impl Fn(&Visit) -> bool) -> Vec<Visit> {
        let ids: Vec<TrackId> = self.open.values().filter(|v| over(v)).map(|v| v.id).collect();
        let ended: Vec<Visit> = ids.iter().filter_map(|id| self.open.remove(id)).collect();
        for v in &ended {
            let stood = v.last_inside.since(v.still.0) >= STILL_FOR;
            if self.patience.remember_still && v.outside.is_none() && (stood || v.known) {
                if self.parked.len() == PARKED_MOST {
                    self.parked.remove(0);
                }
                self.parked.push(Parked { class: v.class, bbox: v.bbox, since: v.last_inside });
            }
        }
        ended
    }
}

impl Visit {
    fn go_on(&mut self, at: Wall, track: &Track) {
        if track.bbox.iou(&self.still.1) < STILL_OVERLAP {
            self.still = (at, track.bbox);
        }
        self.track = track.id;
        self.bbox = track.bbox;
        self.score = track.score;
        self.last_inside = at;
        self.hits += 1;
        self.outside = None;
        self.lost = false;
    }
}

/// Distance of the centres in box sizes; boxes of unlike size are infinitely far.
fn far(a: &BBox, b: &BBox) -> f32 {
    let size = |b: &BBox| b.width().max(b.height()).max(1e-3);
    let (sa, sb) = (size(a), size(b));
    if sa.max(sb) > 2.0 * sa.min(sb) {
        return f32::INFINITY;
    }
    let (p, q) = (a.center(), b.center());
    (p.x - q.x).hypot(p.y - q.y) * 2.0 / (sa + sb)
}
