//! Access units into segment files, undecoded.

pub mod error;
pub mod segmenter;
pub mod settings;

pub use error::Error;
pub use settings::*;
