//! What is recorded, what is missing and why. Imports `base`, `media`, `camera`, and
//! for observations the results of `infer`.
//!
//! The files are the truth: each says in its header which camera, run and time it belongs to and
//! which gaps came before it, so the SQLite index can be deleted at any time. Rows are per segment;
//! nothing is ever written per frame.

mod blob;
pub mod coverage;
mod db;
pub mod disks;
pub mod error;
pub mod fmp4;
mod ledger;
pub mod observations;
mod recovery;
pub mod retention;
pub mod settings;
pub mod store;
#[cfg(test)]
pub mod testing;
mod trust;
pub mod types;
pub mod units;
mod varint;

#[cfg(test)]
mod tests;

pub use disks::{Disk, DiskId};
pub use error::{Error, Result};
pub use observations::{Block, Entry, Journal, Keeper, Look, Observations};
pub use retention::Deleted;
pub use settings::{Retention, Settings};
pub use store::{Archive, NewSegment, Totals};
pub use types::{Coverage, FragmentRef, Gap, RunId, SegmentId, SegmentRow};
