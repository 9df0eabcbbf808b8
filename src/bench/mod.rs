//! Camera simulator, made scenes, load runs, accuracy runs and their reports.

pub mod analyse;
pub mod beside;
pub mod clip;
pub mod encode;
pub mod eval;
pub mod frames;
pub mod load_run;
pub mod record;
pub mod report;
pub mod rtsp;
pub mod sample;
pub mod scene;
pub mod simulate;
pub mod usage;
pub mod watch;

pub use clip::{Clip, ClipAudio, ClipUnit};
pub use encode::EncodeSettings;
pub use scene::Scene;
