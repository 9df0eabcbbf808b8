//! What is recorded, what is missing and why. Imports `base`, `media`, `camera`.

pub mod settings;
pub mod types;

pub use settings::{Retention, Settings};
pub use types::{Coverage, FragmentRef, Gap, RunId, SegmentId, SegmentRow};
