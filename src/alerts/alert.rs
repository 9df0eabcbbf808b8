//! An alert as it is stored and handed to the API.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::{CameraId, StreamKind, Wall};
use crate::infer::{Class, ModelRef};
use crate::media::BBox;
use crate::rules::{RuleEvent, RuleId, Severity, Subject};

/// UUID v7: sorts by time of raising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AlertId(pub uuid::Uuid);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    pub id: AlertId,
    /// Position in the log of changes: grows with every insert or change of any alert, never used
    /// twice. This is the `id:` of SSE and what `Last-Event-ID` gives back.
    pub seq: u64,
    pub camera: CameraId,
    pub rule: RuleId,
    /// `RuleKind::as_str`.
    pub kind: String,
    pub severity: Severity,
    /// Time of the frame that shows it. Points into the recording: play from a little before.
    pub at: Wall,
    /// When a lasting condition was over.
    pub ended: Option<Wall>,
    /// When the alert was stored.
    pub raised: Wall,
    pub message: String,
    pub boxes: Vec<Box>,
    pub track: Option<u64>,
    pub direction: Option<String>,
    pub state: AlertState,
    /// Oldest first.
    pub history: Vec<Change>,
    /// Whether a snapshot is stored.
    pub snapshot: bool,
    /// `None`: an older program stored it.
    pub origin: Option<Origin>,
}

/// What was decided by: with it the decision can be made again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the rule, as [`version_of`] its text.
    pub rule: String,
    /// Stream whose frames were looked at; with `Alert::at` it names the frame.
    pub stream: StreamKind,
    /// What looked at them, besides motion detection.
    pub models: Vec<ModelRef>,
    /// Version of the program.
    pub program: String,
}

/// What decides: an origin to be, and the rule's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decider {
    pub origin: Origin,
    /// The rule as it is configured.
    pub rule_text: String,
}

impl Decider {
    /// `rule_text`: equal for equal rules.
    pub fn new(rule_text: String, stream: StreamKind, models: Vec<ModelRef>, program: &str) -> Self {
        let origin = Origin { rule: version_of(&rule_text), stream, models, program: program.into() };
        Decider { origin, rule_text }
    }
}

/// Tells a rule's text from all others: the first 16 hexadecimal digits of its SHA-256.
pub fn version_of(rule_text: &str) -> String {
    let hash = Sha256::digest(rule_text.as_bytes());
    hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Box {
    pub class: Class,
    pub bbox: BBox,
    pub score: f32,
}

impl Box {
    /// The boxes of what an event is about.
    pub fn all_of(event: &RuleEvent) -> Vec<Box> {
        match &event.subject {
            Subject::Track { class, bbox, score, .. } => {
                vec![Box { class: *class, bbox: *bbox, score: *score }]
            }
            Subject::Scene { boxes, .. } => {
                boxes.iter().map(|b| Box { class: b.class, bbox: b.bbox, score: b.score }).collect()
            }
            Subject::Camera => Vec::new(),
        }
    }
}

/// open → acknowledged → resolved | dismissed; open may also be resolved or dismissed at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AlertState {
    Open,
    Acknowledged,
    Resolved,
    Dismissed,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Open => "open",
            AlertState::Acknowledged => "acknowledged",
            AlertState::Resolved => "resolved",
            AlertState::Dismissed => "dismissed",
        }
    }

    /// Whether people may move an alert from `self` to `to`.
    pub fn allows(self, to: AlertState) -> bool {
        use AlertState::*;
        matches!(
            (self, to),
            (Open, Acknowledged | Resolved | Dismissed) | (Acknowledged, Resolved | Dismissed)
        )
    }
}

/// Who did what to an alert, when and why.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    pub to: AlertState,
    pub actor: String,
    pub at: Wall,
    pub reason: Option<String>,
}

/// Which alerts to list. Newest first.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Filter {
    pub camera: Option<CameraId>,
    pub kind: Option<String>,
    pub state: Option<AlertState>,
    pub severity: Option<Severity>,
    /// Bounds on `at`: `from <= at < to`.
    pub from: Option<Wall>,
    pub to: Option<Wall>,
}

/// One page of a list and where the next begins.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    pub alerts: Vec<Alert>,
    /// Opaque to clients: give it back to continue; `None`: this was the last page.
    pub next: Option<String>,
}
