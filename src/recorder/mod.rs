//! Access units into segment files, undecoded: queue → segmenter → one write per fragment, straight
//! into the final file, past the page cache.

mod blocks;
pub mod disk;
pub mod error;
mod handle;
mod lane;
pub mod segmenter;
pub mod settings;
pub mod thread;
mod writing;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use handle::{Inlet, RecorderHandle};
pub use settings::*;
pub use thread::Recorder;
