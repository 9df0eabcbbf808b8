//! Motion: what differs from a background that is learnt block by block. Needs no model.
//!
//! Each picture becomes a grid of about 96 block means of its luma along the longer side. A block
//! that differs from its background by more than its own noise is foreground; neighbouring
//! foreground blocks are joined to boxes.

mod background;
mod blocks;
mod detector;
mod regions;
mod standing;

pub use detector::{MotionDetector, MotionSettings};
pub use standing::StandingDetector;
