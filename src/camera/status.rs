//! How a camera is doing now.

use crate::base::{CameraId, StreamKind, Wall};

use super::cause::GapCause;

#[derive(Clone, Debug, PartialEq)]
pub struct CameraStatus {
    pub camera: CameraId,
    pub streams: Vec<StreamStatus>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StreamStatus {
    pub stream: StreamKind,
    pub state: StreamState,
    /// Since when it is in this state.
    pub since: Wall,
    pub last_unit: Option<Wall>,
    /// Connections begun after the first.
    pub reconnects: u64,
    pub units: u64,
    pub bytes: u64,
    pub packets_lost: u64,
    /// Such as `h264 1920x1080`, once known.
    pub format: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    Connecting,
    Online,
    Offline { cause: GapCause, message: String },
    Ended,
}

impl StreamState {
    pub fn as_str(&self) -> &'static str {
        match self {
            StreamState::Connecting => "connecting",
            StreamState::Online => "online",
            StreamState::Offline { .. } => "offline",
            StreamState::Ended => "ended",
        }
    }
}
