//! Why a stream could not be had, or ended.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::Kind;
use crate::camera::GapCause;

/// `address` is the URL without credentials. No variant ever holds a password or user name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{address}: {source}")]
    Secret { address: String, source: crate::camera::secret::SecretError },
    #[error("{address}: cannot connect: {message}; is the camera on, and the address right?")]
    Connect { address: String, message: String },
    #[error(
        "{address}: the camera refused the user or password (401 Unauthorized); check `user` and `password`"
    )]
    Unauthorized { address: String },
    #[error("{address}: the camera has no such stream (404 Not Found); check the path in the URL")]
    NotFound { address: String },
    #[error("{address}: the camera answered {status} to our request; see its manual or log")]
    Answered { address: String, status: u16 },
    #[error("{address}: no picture within {after:?} of connecting")]
    NoPicture { address: String, after: Duration },
    #[error("{address}: the camera fell silent for {after:?}")]
    Silent { address: String, after: Duration },
    #[error("{address}: the camera closed the connection")]
    Closed { address: String },
    #[error("{address}: the connection broke: {message}")]
    Broken { address: String, message: String },
    #[error("{address}: the camera offers no H.264 or H.265 video; change its encoding")]
    NoVideo { address: String },
    /// Not understood by this client; another one may be more lenient.
    #[error("{address}: cannot make sense of the stream: {message}")]
    Protocol { address: String, message: String },
    #[error(
        "{address}: the camera's certificate is not trusted; add its authority to the system, or relax the check of certificates"
    )]
    Certificate { address: String },
    #[error(
        "{address}: an access unit of {bytes} bytes is larger than the limit of {limit}; raise `max_unit_bytes` or lower the camera's bit rate"
    )]
    TooLarge { address: String, bytes: usize, limit: usize },
    #[error("cannot read footage {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("footage {path} cannot be played: {message}")]
    BadFile { path: PathBuf, message: String },
    #[error("GStreamer lacks the element {element}; install the package gstreamer1.0-plugins-{package}")]
    NoElement { element: &'static str, package: &'static str },
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Secret { .. } | Error::BadFile { .. } | Error::NoVideo { .. } => Kind::Invalid,
            Error::Unauthorized { .. } | Error::Certificate { .. } => Kind::Unauthorized,
            Error::NotFound { .. } => Kind::NotFound,
            Error::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Kind::NotFound
            }
            Error::NoElement { .. } => Kind::Internal,
            Error::Connect { .. }
            | Error::Answered { .. }
            | Error::NoPicture { .. }
            | Error::Silent { .. }
            | Error::Closed { .. }
            | Error::Broken { .. }
            | Error::Protocol { .. }
            | Error::TooLarge { .. }
            | Error::Unreadable { .. } => Kind::Unavailable,
        }
    }

    /// Whether another client may get further with the camera: this one did not understand it, or the
    /// camera did not like how it was asked.
    pub fn other_client_may_do(&self) -> bool {
        match self {
            Error::Protocol { .. } => true,
            Error::Answered { status, .. } => {
                matches!(status, 400 | 405 | 406 | 415 | 451 | 455..=462 | 501 | 505 | 551)
            }
            _ => false,
        }
    }

    /// What a gap in the recording that this error began is put down to.
    pub fn cause(&self) -> GapCause {
        match self {
            Error::TooLarge { .. } => GapCause::Overload,
            Error::Secret { .. } | Error::NoElement { .. } => GapCause::NotConfigured,
            _ => GapCause::CameraLost,
        }
    }
}
