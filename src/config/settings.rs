//! Everything a server run is told, checked and complete.

use std::path::PathBuf;

use crate::camera::CameraSpec;
use crate::decode::Pictures;
use crate::rules::RuleSpec;
use crate::{alerts, api, archive, infer, ingest, recorder};

use super::problem::Problem;

/// The analytics profile of a camera that is recorded only.
pub const NO_ANALYTICS: &str = "none";

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The main file.
    pub file: PathBuf,
    /// Folders in which the main file and the included files stand: what `watch` looks at.
    pub folders: Vec<PathBuf>,
    /// Everything not placed elsewhere lies below this folder.
    pub data: PathBuf,
    /// Holds `analytics/NAME.toml` and `decode/NAME.toml`.
    pub pipelines: PathBuf,
    pub archive: archive::Settings,
    pub recorder: recorder::Settings,
    pub ingest: ingest::Settings,
    pub watch: Watch,
    pub infer: infer::Settings,
    /// Name of a decode profile: `auto`, or a file in `pipelines/decode/`.
    pub decode: String,
    pub alerts: alerts::Settings,
    pub api: api::Settings,
    /// In the order of the files; ids are unique.
    pub cameras: Vec<Camera>,
    /// What works but is doubtful.
    pub warnings: Vec<Problem>,
}

/// How cameras are watched.
#[derive(Clone, PartialEq, Debug)]
pub struct Watch {
    /// Threads that decode and analyse.
    pub workers: usize,
    /// Cameras of which every picture may be decoded at the same time.
    pub max_follow: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Camera {
    pub spec: CameraSpec,
    pub rules: Vec<RuleSpec>,
    /// Name of an analytics profile (a file in `pipelines/analytics/`), or [`NO_ANALYTICS`].
    pub profile: String,
    pub decode: Pictures,
    /// Pictures analysed per second while something moves, at most; `None`: as the profile says.
    pub fps: Option<f32>,
}
