//! What a model sees in a frame. Imports `base`, `media`, `camera`.

pub mod detection;
pub mod settings;

pub use detection::{Class, Detection, Outcome, SkipReason};
pub use settings::{AnalyticsProfile, Settings};
