//! The HTTP API: owns the wire types. [`router()`] stands on an [`ApiState`]; [`bind`] and [`serve()`]
//! put it on a socket.
//!
//! Invariants: nothing under `/api/v1` or `/metrics` runs without a token; every error answer is a
//! problem document; no handler touches a disk or database on an async thread; pictures and video
//! are handed out only through a place that tells `audit`.

mod alert_stream;
mod alerts;
mod audit;
mod auth;
mod backtest_report;
mod backtests;
mod cameras;
mod etag;
mod export;
mod extract;
mod health;
mod playback;
mod problem;
mod range;
mod recordings;
pub mod router;
pub mod serve;
pub mod settings;
pub mod state;
#[cfg(test)]
mod tests;
pub mod token_store;
mod tokens;
mod watch_level;

pub use backtest_report::{
    BacktestReport, CameraTrial, Counts, Replay, ReplayVerdict, Standing, TrialAlert, TrialBox,
};
pub use backtests::{Backtests, Job, JobState, Trial, TrialError};
pub use router::{document, router};
pub use serve::{Error, bind, serve};
pub use settings::*;
pub use state::{Analysis, ApiState, CameraView, Cameras, Health, Snapshot, SnapshotError};
pub use token_store::{Role, Token, TokenStore};
