//! What a camera is, and how it is doing. Imports `base` and `media`.

pub mod cause;
pub mod event;
pub mod frame;
pub mod secret;
pub mod spec;
pub mod status;
pub mod unit_path;
pub mod view;
pub mod watch_level;

pub use cause::GapCause;
pub use event::{StreamEvent, StreamWhat};
pub use frame::Frame;
pub use secret::SecretRef;
pub use spec::{CameraSpec, Pace, SourceSpec, StreamSpec, Transport};
pub use status::{CameraStatus, StreamState, StreamStatus};
pub use unit_path::UnitPath;
pub use view::{Change, StandingThing, Tampering, ViewReading};
pub use watch_level::{Attention, Need, WatchLevel};
