//! Settings of inference.

use std::path::PathBuf;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// `libonnxruntime.so`; `None`: `PINGAN_ORT`, then the usual places. Without it there is
    /// motion detection only.
    pub runtime: Option<PathBuf>,
    /// Worker threads; each has its own session of each model.
    pub workers: usize,
    /// Folder of `NAME/model.toml` manifests.
    pub manifests: PathBuf,
    /// Folder into which weights are pulled: `<store>/NAME/<file>`.
    pub store: PathBuf,
}

/// What analytics does with a camera: a file in `pipelines/`.
#[derive(Clone, PartialEq, Debug)]
pub struct AnalyticsProfile {
    pub name: String,
    /// Models by manifest name, each run on every analysed frame.
    pub models: Vec<String>,
    /// Motion detection on every analysed frame.
    pub motion: bool,
    /// Frames analysed per second, at most.
    pub fps: f32,
}
