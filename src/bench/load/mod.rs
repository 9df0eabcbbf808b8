//! Load runs: simulated cameras, one server under measurement, what it cost, and whether every frame
//! that was sent is in its files.
//!
//! The server runs as a process of its own ([`process`]), so that its costs are its own; this
//! process generates the load and is shown apart. How the server is configured and started comes
//! from outside ([`site`]).

pub mod api;
pub mod beside;
pub mod budget;
pub mod content;
mod count;
pub mod events;
pub mod limits;
pub mod looks;
pub mod options;
pub mod process;
pub mod run;
pub mod sample;
pub mod setting;
pub mod site;
pub mod tally;
pub mod verdict;
pub mod watch;

pub use options::LoadOptions;
pub use run::{LoadRun, Measured};
pub use site::{CameraClips, Role, Server, Site};
