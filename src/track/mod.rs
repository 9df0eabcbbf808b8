//! Detections of successive frames joined into tracks. Imports `infer`'s results.

pub mod assign;
mod kalman;
pub mod settings;
mod stature;
pub mod track_set;
pub mod tracker;

#[cfg(test)]
pub(crate) mod truth;

pub use settings::Settings;
pub use track_set::{Track, TrackId, TrackSet};
pub use tracker::{TrackNumbers, Tracker};
