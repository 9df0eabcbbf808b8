//! Settings of the archive.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Folder of the segment files: `<root>/<camera>/<stream>/<date>/<start>.mp4`.
    pub root: PathBuf,
    /// The same on further disks; absolute, and none within another.
    pub more_roots: Vec<PathBuf>,
    /// The SQLite index.
    pub index: PathBuf,
    pub retention: Retention,
    /// SQLite store of what was seen.
    pub observations: PathBuf,
    /// Observations older than this are deleted; `None`: never.
    pub observations_max_age: Option<Duration>,
}

/// What is kept. Whole segments go, oldest first over all cameras.
#[derive(Clone, PartialEq, Debug)]
pub struct Retention {
    /// Segments that ended longer ago than this are deleted.
    pub max_age: Option<Duration>,
    /// The archive never holds more bytes than this.
    pub max_bytes: Option<u64>,
    /// At least so many bytes of the disk stay free.
    pub min_free_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            max_age: Some(Duration::from_secs(30 * 86_400)),
            max_bytes: None,
            min_free_bytes: 2 << 30,
        }
    }
}
