//! The integration tests: one binary, a file per behaviour.

// clippy.toml lets tests unwrap; this says the same of what they share.
#![allow(clippy::unwrap_used)]

mod layers;
mod tidy;
