//! The running server: the only place that wires stages.
//!
//! `cli` is the command line; `server` starts and stops everything; `camera` is one camera's
//! streams and where they go; `watch` is the way from access units to
//! alerts; `directory`
//! answers the API's questions about live cameras; `reload` applies a changed configuration.

pub mod backtest;
pub mod camera;
pub mod chain;
pub mod cli;
pub mod commands;
pub mod demo;
mod descriptors;
pub mod directory;
pub mod doctor;
pub mod load;
pub mod logging;
pub mod metrics;
pub mod models;
pub mod pick;
pub mod reload;
pub mod server;
pub mod still;
pub mod watch;
