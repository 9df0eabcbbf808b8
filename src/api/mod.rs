//! The HTTP API: owns the wire types.

pub mod settings;

pub use settings::*;
