//! The integration tests: one binary, a file per behaviour.

// clippy.toml lets tests unwrap; this says the same of what they share.
#![allow(clippy::unwrap_used)]
// Servers of other processes live in real time, and so does waiting for them.
#![allow(clippy::disallowed_methods)]

mod bad_input;
mod bench;
mod export;
mod kill;
mod layers;
mod live;
mod outage;
mod support;
mod tidy;
