//! The integration tests: one binary, a file per behaviour.

// clippy.toml lets tests unwrap; this says the same of what they share.
#![allow(clippy::unwrap_used)]
// Servers of other processes live in real time, and so does waiting for them.
#![allow(clippy::disallowed_methods)]

mod alert_flow;
mod backtest;
mod bad_input;
mod bench;
mod browser;
mod demo_scene;
mod disk_full;
mod eval;
mod export;
mod formats;
mod kill;
mod layers;
mod live;
mod models;
mod outage;
mod record_only;
mod reload;
mod shutdown_drain;
mod support;
mod tidy;
