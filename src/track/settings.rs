//! Settings of tracking.

use std::time::Duration;

use crate::infer::detection;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Detections from this score on are matched first and may begin a track, 0 to 1. Moving areas
    /// count as such whatever their score.
    pub high_score: f32,
    /// Detections below this score are not looked at. Between the two, a detection may only
    /// continue a track.
    pub low_score: f32,
    /// Detections that make a track known. A single false detection then never becomes one.
    pub confirm_hits: u32,
    /// Two detections this far apart make a track known as well: at a frame a second, waiting for
    /// a third costs more than it protects.
    pub confirm_after: Duration,
    /// A track not found for this long, in frames that were looked at, ends.
    pub keep_lost: Duration,
    /// A track not found for this long ends even if nobody looked: nothing says it is the same.
    pub keep_unseen: Duration,
    /// Most detections of a class considered in a frame; the best by score. Bounds memory and time.
    pub max_per_class: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            high_score: detection::BEGINS,
            low_score: 0.1,
            confirm_hits: 3,
            confirm_after: Duration::from_secs(1),
            keep_lost: Duration::from_secs(1),
            keep_unseen: Duration::from_secs(10),
            max_per_class: 128,
        }
    }
}
