//! What every stage stands on: time, ids, error kinds, queues, tasks, metrics, profiles. Imports nothing of ours.

pub mod clock;
pub mod error;
pub mod id;
pub mod metrics;
pub mod profile;
pub mod queue;
pub mod task;
pub mod time;
pub mod tray;

pub use clock::{Clock, SimClock, SystemClock};
pub use error::Kind;
pub use id::{CameraId, StreamKind};
pub use time::{Mono, Wall, WallSpan};
