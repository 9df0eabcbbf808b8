//! The models there are, and those of one worker.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::counter;
use tracing::error;

use crate::base::metrics::INFER_SKIPPED;
use crate::camera::Frame;
use crate::infer::{
    AnalyticsProfile, Class, Closer, Detection, Detectors, Known, ModelRef, Outcome, SkipReason,
};

/// The models that were loaded.
#[derive(Clone, Debug, Default)]
pub struct Models {
    pub loaded: BTreeMap<String, Loaded>,
}

/// A model that was loaded.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What it finds.
    pub classes: Vec<Class>,
    /// Of its weights, and of its manifest.
    pub sha256: String,
    pub manifest_sha256: String,
}

impl Models {
    /// Those of a profile's models that are here.
    pub(super) fn of(&self, profile: &AnalyticsProfile) -> Vec<String> {
        profile.models.iter().filter(|m| self.loaded.contains_key(*m)).cloned().collect()
    }

    pub(super) fn found_by(&self, models: &[String]) -> Vec<Class> {
        models.iter().filter_map(|m| self.loaded.get(m)).flat_map(|m| &m.classes).copied().collect()
    }

    pub(super) fn refs(&self, models: &[String]) -> Vec<ModelRef> {
        let of = |name: &String| {
            let Loaded { sha256, manifest_sha256, .. } = self.loaded.get(name)?.clone();
            Some(ModelRef { name: name.clone(), sha256, manifest_sha256 })
        };
        models.iter().filter_map(of).collect()
    }
}

/// The models of one worker, each with a session of its own.
pub(super) struct Inference {
    detectors: Option<Detectors>,
    failing: bool,
}

impl Inference {
    pub fn new(detectors: Option<Detectors>) -> Self {
        Inference { detectors, failing: false }
    }

    /// What `models` see in the frame; `known` as in [`Detectors::detect_with`].
    pub fn look(&mut self, frame: &Frame, models: &[String], known: &mut Known) -> Outcome {
        let Some(detectors) = self.detectors.as_mut().filter(|_| !models.is_empty()) else {
            return Outcome::Done(Vec::new());
        };
        match detectors.detect_with(&frame.image, models, known) {
            Ok(found) => {
                self.failing = false;
                Outcome::Done(found)
            }
            Err(e) => {
                // A broken model fails on every frame: say it once, until it has worked again.
                if !std::mem::replace(&mut self.failing, true) {
                    error!(camera = %frame.camera, "{e}");
                }
                counter!(INFER_SKIPPED, "reason" => SkipReason::ModelFailed.as_str()).increment(1);
                Outcome::Skipped(SkipReason::ModelFailed)
            }
        }
    }

    /// Add to what `models` found in the frame what they see closer; gives the CPU time it took.
    pub fn look_closer(
        &mut self,
        frame: &Frame,
        models: &[String],
        closer: Closer<'_>,
        known: &mut Known,
        found: &mut Vec<Detection>,
    ) -> Duration {
        let Some(detectors) = self.detectors.as_mut() else { return Duration::ZERO };
        detectors.look_closer(&frame.image, models, closer, known, found).unwrap_or_else(|e| {
            // The whole picture was looked at, so nothing is skipped.
            if !std::mem::replace(&mut self.failing, true) {
                error!(camera = %frame.camera, "{e}");
            }
            Duration::ZERO
        })
    }
}
