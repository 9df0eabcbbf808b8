//! What happens in a scene, computed from the ways of its figures and not from pixels.

use std::time::Duration;

use super::figure::Figure;
use crate::infer::Class;
use crate::media::geometry::{Side, segments_meet, side};
use crate::media::{BBox, Point, Polygon};
use crate::rules::spec::{Anchor, Direction};

/// Steps in which the ways are looked at; times of events are exact to within it.
const STEP: Duration = Duration::from_millis(10);

/// A figure at one moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FigureBox {
    /// Number of the figure in its scene, from 0.
    pub figure: usize,
    pub class: Class,
    /// The whole figure; may lie partly outside the picture.
    pub bbox: BBox,
}

/// A figure crosses a line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Crossing {
    /// Since the start of the round.
    pub at: Duration,
    /// Never `Both`.
    pub direction: Direction,
    pub figure: usize,
    pub class: Class,
}

/// A figure is in a zone without a break.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stay {
    pub from: Duration,
    pub to: Duration,
    pub figure: usize,
    pub class: Class,
}

/// The truth of one round of a scene.
#[derive(Clone, Debug)]
pub struct SceneTruth {
    pub duration: Duration,
    figures: Vec<Figure>,
}

fn anchor_of(bbox: &BBox, anchor: Anchor) -> Point {
    match anchor {
        Anchor::Foot => bbox.foot(),
        Anchor::Center => bbox.center(),
    }
}

impl SceneTruth {
    pub(super) fn new(duration: Duration, figures: Vec<Figure>) -> Self {
        SceneTruth { duration, figures }
    }

    /// The figures of which at least a part is in the picture, `t` since the start of the round.
    pub fn figures(&self, t: Duration) -> Vec<FigureBox> {
        let boxes = self
            .figures
            .iter()
            .enumerate()
            .filter_map(|(figure, f)| Some(FigureBox { figure, class: f.class(), bbox: f.bbox(t)? }));
        boxes.filter(|b| b.bbox.clamped().area() > 0.0).collect()
    }

    /// The figures of each picture of a round at `fps` pictures per second.
    pub fn frames(&self, fps: u32) -> Vec<Vec<FigureBox>> {
        let count = (self.duration.as_secs_f64() * f64::from(fps)).round() as u32;
        (0..count).map(|i| self.figures(Duration::from_secs_f64(f64::from(i) / f64::from(fps)))).collect()
    }

    fn steps(&self) -> impl Iterator<Item = Duration> + use<> {
        (0..=(self.duration.as_millis() / STEP.as_millis()) as u32).map(|i| STEP * i)
    }

    /// Who crosses the segment `a -> b`, in the order of time.
    pub fn crossings(&self, a: Point, b: Point, anchor: Anchor) -> Vec<Crossing> {
        let mut found = Vec::new();
        for (figure, f) in self.figures.iter().enumerate() {
            let mut before: Option<Point> = None;
            for at in self.steps() {
                let now = f.bbox(at).map(|bbox| anchor_of(&bbox, anchor));
                if let (Some(from), Some(to)) = (before, now)
                    && segments_meet(a, b, from, to)
                {
                    let direction = match (side(a, b, from), side(a, b, to)) {
                        (Side::Right, Side::Left) => Some(Direction::ToLeft),
                        (Side::Left, Side::Right) => Some(Direction::ToRight),
                        _ => None,
                    };
                    found.extend(direction.map(|d| Crossing { at, direction: d, figure, class: f.class() }));
                }
                // A point on the line itself belongs to neither side: the next step decides.
                before = now.filter(|p| side(a, b, *p) != Side::On).or(before.filter(|_| now.is_some()));
            }
        }
        found.sort_by_key(|c| c.at);
        found
    }

    /// Who is in the zone from when to when, in the order of their coming.
    pub fn occupancy(&self, zone: &Polygon, anchor: Anchor) -> Vec<Stay> {
        let mut stays = Vec::new();
        for (figure, f) in self.figures.iter().enumerate() {
            let mut since = None;
            for at in self.steps() {
                let inside = f.bbox(at).is_some_and(|bbox| zone.contains(anchor_of(&bbox, anchor)));
                match (inside, since) {
                    (true, None) => since = Some(at),
                    (false, Some(from)) => {
                        stays.push(Stay { from, to: at, figure, class: f.class() });
                        since = None;
                    }
                    _ => {}
                }
            }
        }
        stays.sort_by_key(|s| s.from);
        stays
    }
}
