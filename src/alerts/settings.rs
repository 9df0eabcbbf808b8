//! Settings of alerts.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The SQLite store.
    pub store: PathBuf,
    /// Folder of the snapshot JPEGs.
    pub snapshots: PathBuf,
    /// Resolved and dismissed alerts older than this are deleted with their snapshots.
    pub max_age: Duration,
}
