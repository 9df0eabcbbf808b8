//! Camera simulator, made scenes, load runs, accuracy runs and their reports.

pub mod clip;
pub mod encode;
pub mod rtsp;
pub mod scene;

pub use clip::{Clip, ClipAudio, ClipUnit};
pub use encode::EncodeSettings;
pub use scene::Scene;
