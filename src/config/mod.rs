//! Settings of a server run, read from TOML: `raw` (as written) → `resolve` (all problems at once)
//! → [`Settings`]. Imports the settings of every stage; no stage imports this.
//!
//! Passwords never pass through here: the file holds references (`env:`, `file:`), and what stands
//! where a reference should be is refused without being repeated.

mod diff;
mod document;
mod problem;
mod raw;
mod resolve;
mod schema;
mod settings;
mod units;
mod watch;
mod write;

pub use diff::{Changes, diff, reload};
pub use problem::{Problem, Problems};
pub use resolve::{load, rules};
pub use schema::schema;
pub use settings::{Camera, NO_ANALYTICS, Settings};
pub use units::duration;
pub use watch::{Trigger, Watch, WatchError};
pub use write::rule_text;

#[cfg(test)]
mod tests;
