//! Access units to pictures, by GStreamer.

pub mod settings;

pub use settings::*;
