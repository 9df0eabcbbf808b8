//! Line crossing: something's anchor moves from one side of a segment to the other.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;
use crate::infer::Class;
use crate::media::geometry::segments_meet;
use crate::media::{BBox, Point};
use crate::track::{Track, TrackId};

use super::event::{Edge, Subject};
use super::sight::{Finding, Sight, capital, place};
use super::spec::{Anchor, Direction};

/// So far from the line, in box heights and at least in picture sizes, is clearly on a side. In
/// between, a box that trembles on the line would count again and again.
const CLEAR_OF_BOX: f32 = 0.03;
const CLEAR_LEAST: f32 = 0.005;
/// Observations clearly on the new side that make a crossing; one may be a box that jumped.
const CLEAR_HITS: u32 = 2;
/// Who is lost on the way over the line (behind somebody, at the picture's edge) has crossed it if the
/// course led clearly over it within this time.
const COAST: Duration = Duration::from_millis(500);

pub(super) struct LineCrossing {
    a: Point,
    b: Point,
    direction: Direction,
    anchor: Anchor,
    ways: BTreeMap<TrackId, Way>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bank {
    Left,
    Right,
}

/// How a track moved as to the line.
struct Way {
    /// Where it was last, never on the line itself.
    last: (Point, Bank),
    /// Where it clearly was last. Invariant: a crossing is told when this changes, so the two
    /// directions alternate.
    settled: Option<Bank>,
    /// The last change of banks: when, and whether through the segment rather than past its ends.
    changed: Option<(Wall, bool)>,
    /// Observations in a row clearly on the bank that is not `settled`.
    clear_hits: u32,
    /// Not seen since, the course led over the line: when, and to which bank.
    coasted: Option<(Wall, Bank)>,
    class: Class,
    bbox: BBox,
    score: f32,
}

impl LineCrossing {
    pub fn new(a: Point, b: Point, direction: Direction, anchor: Anchor) -> Self {
        LineCrossing { a, b, direction, anchor, ways: BTreeMap::new() }
    }

    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        let mut out = Vec::new();
        for track in &sight.seen {
            if !self.ways.contains_key(&track.id) {
                self.begin(track);
            }
            self.observe(sight.at, track);
            out.extend(self.crossing(track.id, CLEAR_HITS));
        }
        for track in &sight.coasting {
            self.coast(sight.at, track);
        }
        for id in sight.ended {
            // Lost right behind the line: what was seen must do. Lost before it: the course must.
            self.believe_course(*id);
            out.extend(self.crossing(*id, 1));
            self.ways.remove(id);
        }
        out
    }

    /// Begin the way where the track was found first, which was before it became known.
    fn begin(&mut self, track: &Track) {
        let p = place(self.anchor, &track.first_bbox);
        let Some((bank, clear)) = self.bank(p, &track.first_bbox) else { return };
        self.ways.insert(
            track.id,
            Way {
                last: (p, bank),
                settled: clear.then_some(bank),
                changed: None,
                clear_hits: 0,
                coasted: None,
                class: track.class,
                bbox: track.bbox,
                score: track.score,
            },
        );
    }

    fn observe(&mut self, at: Wall, track: &Track) {
        let p = place(self.anchor, &track.bbox);
        let (Some((bank, clear)), Some(way)) = (self.bank(p, &track.bbox), self.ways.get_mut(&track.id))
        else {
            return;
        };
        if bank != way.last.1 {
            way.changed = Some((at, segments_meet(self.a, self.b, way.last.0, p)));
        }
        way.last = (p, bank);
        way.coasted = None;
        (way.bbox, way.score) = (track.bbox, track.score);
        match (way.settled, clear) {
            (None, true) => way.settled = Some(bank),
            (Some(settled), true) if settled != bank => way.clear_hits += 1,
            (Some(settled), _) if settled == bank => way.clear_hits = 0,
            _ => {}
        }
    }

    /// Note where the course of a track that is not seen leads.
    fn coast(&mut self, at: Wall, track: &Track) {
        let p = place(self.anchor, &track.bbox);
        let (Some((bank, true)), Some(way)) = (self.bank(p, &track.bbox), self.ways.get_mut(&track.id))
        else {
            return;
        };
        let soon = at.since(track.last_seen) <= COAST;
        if soon && way.coasted.is_none() && bank != way.last.1 && segments_meet(self.a, self.b, way.last.0, p)
        {
            way.coasted = Some((at, bank));
        }
    }

    /// The track has ended: nothing that was seen speaks against its course any more.
    fn believe_course(&mut self, id: TrackId) {
        let Some(way) = self.ways.get_mut(&id) else { return };
        if let Some((at, bank)) = way.coasted.take()
            && way.settled.is_some_and(|settled| settled != bank)
        {
            way.changed = Some((at, true));
            way.last.1 = bank;
            way.clear_hits = 1;
        }
    }

    fn crossing(&mut self, id: TrackId, hits: u32) -> Option<Finding> {
        let way = self.ways.get_mut(&id)?;
        if way.clear_hits < hits {
            return None;
        }
        let to = way.last.1;
        let (at, through) = way.changed.take()?;
        way.settled = Some(to);
        way.clear_hits = 0;
        let (name, message, wanted) = match to {
            Bank::Left => ("to_left", "to its left side", self.direction != Direction::ToRight),
            Bank::Right => ("to_right", "to its right side", self.direction != Direction::ToLeft),
        };
        (through && wanted).then(|| Finding {
            edge: Edge::Begin,
            at,
            subject: Subject::Track {
                id,
                class: way.class,
                bbox: way.bbox,
                score: way.score,
                direction: Some(name),
                dwell: None,
            },
            message: format!("{} crossed the line {message}.", capital(way.class.as_str())),
        })
    }

    /// The bank of a point, and whether it is clearly there; `None` on the line itself.
    fn bank(&self, p: Point, of: &BBox) -> Option<(Bank, bool)> {
        let (dx, dy) = (self.b.x - self.a.x, self.b.y - self.a.y);
        let cross = dx * (p.y - self.a.y) - dy * (p.x - self.a.x);
        let distance = cross / dx.hypot(dy).max(1e-6);
        // y grows downwards: the right side has the positive sign (`media::geometry::side`).
        let bank = if distance > 0.0 { Bank::Right } else { Bank::Left };
        let clear = distance.abs() >= (CLEAR_OF_BOX * of.height()).max(CLEAR_LEAST);
        (distance != 0.0).then_some((bank, clear))
    }
}
