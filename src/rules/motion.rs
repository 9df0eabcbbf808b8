//! Motion: something moves in the zone. One event per period of motion.

use std::time::Duration;

use crate::base::Wall;
use crate::media::geometry::segments_meet;
use crate::media::{BBox, Point, Polygon};

use super::event::{Edge, Seen, Subject};
use super::sight::{Finding, Sight};

/// Quiet for this long ends the period.
pub(super) const QUIET: Duration = Duration::from_secs(5);

pub(super) struct Motion {
    zone: Option<Polygon>,
    /// When something last moved; `None`: quiet.
    moving: Option<Wall>,
}

impl Motion {
    pub fn new(zone: Option<Polygon>) -> Self {
        Motion { zone, moving: None }
    }

    pub fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        let mut out = Vec::new();
        if self.moving.is_some_and(|last| sight.at.since(last) >= QUIET) {
            out = self.end_all();
        }
        let touches = |s: &Seen| self.zone.as_ref().is_none_or(|z| touches(z, &s.bbox));
        let boxes: Vec<Seen> = sight.seen.iter().map(|t| Seen::from(*t)).filter(touches).collect();
        if !boxes.is_empty() && self.moving.replace(sight.at).is_none() {
            out.push(Finding {
                edge: Edge::Begin,
                at: sight.at,
                subject: Subject::Scene { count: boxes.len(), boxes },
                message: "Something moves.".into(),
            });
        }
        out
    }

    pub fn end_all(&mut self) -> Vec<Finding> {
        let end = |at| Finding {
            edge: Edge::End,
            at,
            subject: Subject::Scene { count: 0, boxes: Vec::new() },
            message: "Nothing moves any more.".into(),
        };
        self.moving.take().map(end).into_iter().collect()
    }
}

/// Whether box and zone have a point in common. A moving area has no foot: any part of it may be
/// what moved.
fn touches(zone: &Polygon, b: &BBox) -> bool {
    let corners =
        [Point::new(b.x1, b.y1), Point::new(b.x2, b.y1), Point::new(b.x2, b.y2), Point::new(b.x1, b.y2)];
    let holds = |p: &Point| (b.x1..=b.x2).contains(&p.x) && (b.y1..=b.y2).contains(&p.y);
    let points = zone.points();
    let edges = |i: usize| (points[i], points[(i + 1) % points.len()]);
    let cut = |i: usize| {
        let (p, q) = edges(i);
        (0..4).any(|k| segments_meet(p, q, corners[k], corners[(k + 1) % 4]))
    };
    points.iter().any(holds) || corners.iter().any(|c| zone.contains(*c)) || (0..points.len()).any(cut)
}
