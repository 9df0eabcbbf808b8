//! Detections of successive frames joined into tracks. Imports `infer`'s results.

pub mod track_set;

pub use track_set::{Track, TrackId, TrackSet};
