//! Why something is missing from the archive.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Cause of a gap in the recording of a camera.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The camera could not be reached, refused us or fell silent.
    CameraLost,
    /// Packets were lost on the way; the camera itself was there.
    Network,
    /// The server could not take in what arrived.
    Overload,
    /// The disk was full or refused to write.
    Disk,
    /// The server was not running.
    ServerDown,
    /// Recording of this camera was switched off, or the camera was not configured.
    NotConfigured,
    /// Recorded, and later deleted by retention.
    Retention,
    /// The file is damaged or was taken away from outside.
    FileLost,
    /// Nothing tells why.
    Unknown,
}

impl GapCause {
    pub const ALL: [GapCause; 9] = [
        GapCause::CameraLost,
        GapCause::Network,
        GapCause::Overload,
        GapCause::Disk,
        GapCause::ServerDown,
        GapCause::NotConfigured,
        GapCause::Retention,
        GapCause::FileLost,
        GapCause::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            GapCause::CameraLost => "camera_lost",
            GapCause::Network => "network",
            GapCause::Overload => "overload",
            GapCause::Disk => "disk",
            GapCause::ServerDown => "server_down",
            GapCause::NotConfigured => "not_configured",
            GapCause::Retention => "retention",
            GapCause::FileLost => "file_lost",
            GapCause::Unknown => "unknown",
        }
    }
}

impl fmt::Display for GapCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GapCause {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        GapCause::ALL.into_iter().find(|c| c.as_str() == s).ok_or_else(|| format!("'{s}' is not a gap cause"))
    }
}
