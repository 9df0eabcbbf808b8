//! Camera simulator, made scenes, load runs, accuracy runs and their reports.

pub mod analyse;
pub mod capacity;
pub mod clip;
pub mod clip_file;
pub mod connect;
pub mod encode;
pub mod eval;
pub mod frames;
pub mod load;
pub mod machine;
pub mod page;
pub mod record;
pub mod report;
pub mod rtsp;
pub mod scene;
pub mod search;
pub mod simulate;
pub mod transcode;
pub mod usage;

pub use clip::{Clip, ClipAudio, ClipUnit};
pub use encode::EncodeSettings;
pub use scene::Scene;
