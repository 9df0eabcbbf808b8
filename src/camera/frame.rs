//! A decoded frame of a camera: what decoding hands to motion detection and inference.

use std::sync::Arc;

use crate::base::{CameraId, Wall};
use crate::media::{I420, Pts};

#[derive(Clone, Debug)]
pub struct Frame {
    pub camera: CameraId,
    pub pts: Pts,
    /// Server time of the access unit (`EncodedUnit::received`).
    pub at: Wall,
    pub image: Arc<I420>,
}
