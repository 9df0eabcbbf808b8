//! Cameras in: access units from RTSP, files and odd sources, kept connected.

pub mod settings;

pub use settings::*;
