//! Access units into segment files, undecoded.

pub mod settings;

pub use settings::*;
