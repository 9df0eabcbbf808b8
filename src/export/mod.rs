//! Recordings handed out: playlists and MP4 exports, always as recorded, never re-encoded.

pub mod error;
pub mod hls;
pub mod mp4;
mod tables;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use hls::{Form, playlist};
pub use mp4::{Export, ExportReader, export};
