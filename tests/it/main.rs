//! The integration tests: one binary, a file per behaviour.

mod layers;
mod tidy;
