//! What a rule says.

use std::time::Duration;

use crate::base::{CameraId, Wall};
use crate::infer::Class;
use crate::media::BBox;
use crate::track::{Track, TrackId};

use super::spec::{RuleId, Severity};

/// A rule was met, or (for rules that last) is no longer met.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleEvent {
    pub camera: CameraId,
    pub rule: RuleId,
    /// `RuleKind::as_str`.
    pub kind: &'static str,
    pub severity: Severity,
    /// Time of the frame (server time of the access unit) that shows it.
    pub at: Wall,
    pub subject: Subject,
    pub edge: Edge,
    /// `RuleSpec::cooldown`: the alert store keeps to it over a restart, when this rule's own memory
    /// is gone.
    pub cooldown: Duration,
    /// One English sentence for the operator.
    pub message: String,
}

impl RuleEvent {
    /// Whether an `End` will follow this `Begin`. A crossing is over when it happens.
    pub fn lasts(&self) -> bool {
        !matches!(self.kind, "line_crossing" | "wrong_way")
    }

    /// Whether the frame at hand shows what the event is about. A camera that is gone shows nothing, one
    /// that is covered shows just that.
    pub fn is_shown(&self) -> bool {
        !matches!(self.subject, Subject::Camera) || self.kind == "tamper"
    }
}

/// Whether a lasting condition begins or ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// It happened, or begins.
    Begin,
    /// It is over; the alert that the matching `Begin` raised gets its end.
    End,
}

/// One of the things of a scene.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    pub class: Class,
    pub bbox: BBox,
    /// 0 to 1.
    pub score: f32,
}

impl From<&Track> for Seen {
    fn from(t: &Track) -> Self {
        Seen { class: t.class, bbox: t.bbox, score: t.score }
    }
}

/// Whom or what the event is about. Events of the same rule and subject key belong together.
#[derive(Clone, PartialEq, Debug)]
pub enum Subject {
    Track {
        id: TrackId,
        class: Class,
        bbox: BBox,
        score: f32,
        /// Which way a line was crossed: `to_left` or `to_right`.
        direction: Option<&'static str>,
        /// How long it had been there (loitering).
        dwell: Option<Duration>,
    },
    /// Several things at once (crowd) or a moving area.
    Scene { count: usize, boxes: Vec<Seen> },
    /// The camera as such.
    Camera,
}
