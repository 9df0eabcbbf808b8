//! What ingest tells about a stream besides its access units.

use crate::base::{CameraId, StreamKind, Wall};

use super::cause::GapCause;

#[derive(Clone, Debug)]
pub struct StreamEvent {
    pub camera: CameraId,
    pub stream: StreamKind,
    pub at: Wall,
    pub what: StreamWhat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamWhat {
    /// A connection attempt begins.
    Connecting,
    /// The first access unit of a connection has arrived.
    Online { connection: u32 },
    /// The stream ended or could not be had. `message` is for people and holds no credentials.
    Lost { cause: GapCause, message: String },
    /// A source of files has come to its end; it will not be tried again.
    Ended,
}
