//! What a model sees in a frame, and what moves in it. Imports `base`, `media`, `camera`.

pub mod detection;
pub mod detectors;
pub mod error;
pub mod layout;
pub mod manifest;
pub mod model;
pub mod motion;
pub mod nms;
pub mod preprocess;
pub mod provider;
pub mod registry;
pub mod runtime;
pub mod settings;
pub mod view;
pub mod windows;
mod corroboration;
mod fastestdet;
mod input;
mod known;
mod odds;
mod opinion;
mod output;
mod resample;
mod rfb;
mod sessions;
mod verifier;
mod yolox;
mod yunet;
#[cfg(test)]
pub(crate) mod testing;

pub use detection::{Class, Detection, ModelRef, Outcome, SkipReason};
pub use detectors::{Closer, Detectors};
pub use error::Error;
pub use known::Known;
pub use manifest::{Family, Manifest};
pub use motion::{MotionDetector, MotionSettings, StandingDetector};
pub use provider::Provider;
pub use registry::{ModelState, PullFrom, Registry};
pub use settings::{AnalyticsProfile, Settings};
pub use view::ViewMeter;
