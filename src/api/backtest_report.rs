//! What came of trying rules on the past, and of deciding an alert once more: as the API and the command line
//! tell it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::Wall;
use crate::infer::{Class, ModelRef};
use crate::rules::Severity;

/// What rules would have told of recorded time, beside what was told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct BacktestReport {
    #[schema(value_type = String, format = DateTime)]
    pub from: Wall,
    #[schema(value_type = String, format = DateTime)]
    pub to: Wall,
    /// Of all cameras together.
    pub counts: Counts,
    /// How long it took.
    pub seconds_taken: f64,
    pub cameras: Vec<CameraTrial>,
}

/// How many alerts there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// That would be raised and were.
    pub kept: usize,
    /// That would be raised and were not.
    pub new: usize,
    /// That were raised and would not be.
    pub gone: usize,
}

/// What was tried of one camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct CameraTrial {
    #[schema(example = "gate-1")]
    pub camera: String,
    pub counts: Counts,
    /// Seconds for which what was seen then was at hand.
    pub observed_s: f64,
    /// Seconds of which the recording was decoded. Where some rules look at pictures and others do not, a second may
    /// count here and there.
    pub decoded_s: f64,
    /// Seconds of which there is neither, so that nothing is known of them.
    pub unknown_s: f64,
    /// Frames that rules were told of, and frames decoded for it.
    pub frames: u64,
    pub frames_decoded: u64,
    /// What the figures do not say by themselves, such as rules that could not be tried.
    pub notes: Vec<String>,
    /// By time.
    pub alerts: Vec<TrialAlert>,
}

/// How an alert of the trial stands to those that were raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It would be raised, and was.
    Kept,
    /// It would be raised, and was not.
    New,
    /// It was raised, and would not be.
    Gone,
}

/// An alert that would be raised, or was.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TrialAlert {
    pub standing: Standing,
    pub rule: String,
    #[schema(example = "intrusion")]
    pub kind: String,
    pub severity: Severity,
    /// Time of the picture that shows it.
    #[schema(value_type = String, format = DateTime)]
    pub at: Wall,
    /// When a lasting condition was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Wall>,
    pub message: String,
    pub boxes: Vec<TrialBox>,
    /// Which way a line was crossed.
    pub direction: Option<String>,
    /// The alert that was raised.
    pub alert: Option<String>,
    /// Address of a picture of it; null where there is none.
    pub picture: Option<String>,
}

/// What was seen where, in fractions of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct TrialBox {
    pub class: Class,
    pub score: f32,
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

/// What came of deciding an alert once more.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Replay {
    pub alert: String,
    pub verdict: ReplayVerdict,
    /// One sentence: what was found, or what is missing.
    pub detail: String,
    /// The rule as it was, as it is configured; null where it is not known.
    pub rule: Option<String>,
    pub rule_version: Option<String>,
    pub models: Vec<ModelRef>,
    /// Frames that it was decided from again.
    pub frames: usize,
}

/// Whether a decision came out as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayVerdict {
    /// The same alert at the same time about the same thing.
    Same,
    /// Something else, or nothing.
    Different,
    /// What it was decided from is not at hand.
    Impossible,
}
