//! A rule as configured.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::camera::Tampering;
use crate::infer::Class;
use crate::media::{BBox, Point, Polygon};

/// Name of a rule, unique within its camera; characters as in camera ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RuleId(pub String);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct RuleSpec {
    pub id: RuleId,
    pub kind: RuleKind,
    /// Which classes the rule looks at. Unused by the rules about the camera itself.
    pub classes: Vec<Class>,
    /// A track none of whose detections scored as high yet is not looked at, 0 to 1.
    pub min_score: f32,
    pub limits: Limits,
    pub severity: Severity,
    /// When the rule is on; `None`: always.
    pub schedule: Option<Schedule>,
    /// After an event, silence for the same rule and subject.
    pub cooldown: Duration,
}

/// Which things of its classes a rule does not look at.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// Least and greatest height of the box inside the picture, as a share of the picture's, 0 to 1. A
    /// thing that is smaller or larger for now counts as not found.
    pub min_size: f32,
    pub max_size: f32,
    /// What has stood at its place for so long, or since the camera was looked at first, does not count
    /// until it moves. For intrusion and crowd.
    pub ignore_still: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { min_size: 0.0, max_size: 1.0, ignore_still: None }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub enum RuleKind {
    /// Something of the classes is inside the zone. One event per visit.
    Intrusion { zone: Polygon, anchor: Anchor },
    /// Something crosses the line `a -> b` in the direction.
    LineCrossing { a: Point, b: Point, direction: Direction, anchor: Anchor },
    /// The same thing stays in the zone for at least `dwell`.
    Loitering { zone: Polygon, anchor: Anchor, dwell: Duration },
    /// Something moves in the zone against the way that is allowed there. One event per visit.
    WrongWay { zone: Polygon, anchor: Anchor, heading: Heading },
    /// At least `count` things are in the zone for at least `hold`.
    Crowd { zone: Polygon, anchor: Anchor, count: usize, hold: Duration },
    /// A face is visible in the zone (whole picture when `None`). One event per appearance.
    FaceSeen { zone: Option<Polygon> },
    /// Something moves in the zone (whole picture when `None`); one event per period of motion.
    Motion { zone: Option<Polygon> },
    /// Something that was not there stands in the zone (whole picture when `None`) for at least `dwell`
    /// after whoever was with it has left. `classes`: who may be with it.
    AbandonedObject { zone: Option<Polygon>, dwell: Duration },
    /// Likewise, something that was there is gone.
    RemovedObject { zone: Option<Polygon>, dwell: Duration },
    /// The camera's main stream delivers nothing for at least `after`. Clears by itself.
    CameraLost { after: Duration },
    /// The camera gets less than `below` (0 to 1) of the frames its rules need, for at least `hold`.
    /// Clears by itself.
    UnderWatched { below: f32, hold: Duration },
    /// The camera shows one of the signs, and nothing better, for at least `hold`. Clears by itself.
    Tamper { signs: Vec<Tampering>, hold: Duration },
}

impl RuleKind {
    /// Whether it is told of what stands in the picture.
    pub fn wants_standing(&self) -> bool {
        matches!(self, RuleKind::AbandonedObject { .. } | RuleKind::RemovedObject { .. })
    }

    pub fn as_str(&self) -> &'static str {
        match self {
            RuleKind::Intrusion { .. } => "intrusion",
            RuleKind::LineCrossing { .. } => "line_crossing",
            RuleKind::Loitering { .. } => "loitering",
            RuleKind::WrongWay { .. } => "wrong_way",
            RuleKind::Crowd { .. } => "crowd",
            RuleKind::FaceSeen { .. } => "face_seen",
            RuleKind::Motion { .. } => "motion",
            RuleKind::AbandonedObject { .. } => "abandoned_object",
            RuleKind::RemovedObject { .. } => "removed_object",
            RuleKind::CameraLost { .. } => "camera_lost",
            RuleKind::UnderWatched { .. } => "under_watched",
            RuleKind::Tamper { .. } => "tamper",
        }
    }
}

/// Which point of a box stands for the thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Bottom centre.
    #[default]
    Foot,
    Center,
}

impl Anchor {
    pub fn of(self, b: &BBox) -> Point {
        match self {
            Anchor::Foot => b.foot(),
            Anchor::Center => b.center(),
        }
    }
}

/// The way that is allowed, and what is against it. Lengths are in picture heights and angles as in a
/// picture of 16:9: rules do not know the true shape, and 4:3 turns a slanting way by 8 degrees at most.
#[derive(Clone, PartialEq, Debug)]
pub struct Heading {
    /// The right way leads from here …
    pub from: Point,
    /// … to here. Invariant: another point.
    pub to: Point,
    /// Degrees, above 0 and below 90: so far off the opposite of the right way still is the wrong one.
    pub tolerance: f32,
    /// How far a thing must have gone, in picture heights; `None`: its own height, and at least 0.05.
    pub distance: Option<f32>,
}

impl Heading {
    /// How far the way `from → to` leads along the right way (negative: against it) and aside of it.
    pub(super) fn moved(&self, from: Point, to: Point) -> (f32, f32) {
        const ASPECT: f32 = 16.0 / 9.0;
        let (rx, ry) = ((self.to.x - self.from.x) * ASPECT, self.to.y - self.from.y);
        let length = rx.hypot(ry).max(1e-6);
        let (dx, dy) = ((to.x - from.x) * ASPECT, to.y - from.y);
        ((dx * rx + dy * ry) / length, (dx * ry - dy * rx) / length)
    }
}

/// Seen in the direction from the line's first to its second end, on the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From its right side to its left side. For a line drawn from left to right: upwards.
    ToLeft,
    /// From its left side to its right side. For a line drawn from left to right: downwards.
    ToRight,
    #[default]
    Both,
}

#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    #[default]
    Warning,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// Daily hours in a time zone. A span whose end is not after its start runs past midnight.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    pub zone: jiff::tz::TimeZone,
    /// Weekdays on which a span may begin; empty: all.
    pub days: Vec<jiff::civil::Weekday>,
    pub spans: Vec<(jiff::civil::Time, jiff::civil::Time)>,
}
