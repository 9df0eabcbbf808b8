//! Cameras in: access units from RTSP, files and odd sources, kept connected.
//!
//! [`supervisor::run`] owns one stream: it asks the [`ConnectGate`] for leave, opens a [`Source`]
//! (RTSP by our own client, by retina or by GStreamer, or files), gives every access unit its place in time
//! ([`stamp`]) and hands it to the [`Sink`], and begins anew when the source fails or falls silent.

pub mod arrival;
pub mod backoff;
pub mod clip;
pub mod direct;
pub mod display_order;
pub mod dts;
pub mod error;
pub mod files;
pub mod gate;
pub mod gst_pipeline;
pub mod gst_rtsp;
pub mod headers;
pub mod params;
pub mod rtsp;
pub mod settings;
pub mod sink;
pub mod source;
pub mod stamp;
pub mod status;
pub mod supervisor;
pub mod threads;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use gate::ConnectGate;
pub use settings::*;
pub use sink::Sink;
pub use source::{Source, SourceUnit};
pub use status::StatusBoard;
pub use supervisor::{StreamJob, run};
pub use threads::Threads;
