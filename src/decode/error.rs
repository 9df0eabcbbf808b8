//! What can go wrong in decoding.

use crate::base::profile::ProfileError;
use crate::base::{CameraId, Kind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "GStreamer does not start: {0}; install gstreamer1.0-plugins-base, -good, -bad and gstreamer1.0-libav"
    )]
    Gstreamer(gstreamer::glib::Error),
    #[error("{camera}: {codec} is no video codec that can be decoded")]
    NotVideo { camera: CameraId, codec: &'static str },
    #[error(
        "{camera}: no {codec} decoder works here (tried: {tried}); install gstreamer1.0-libav, or change the decode profile '{profile}'"
    )]
    NoDecoder { camera: CameraId, codec: &'static str, tried: String, profile: String },
    #[error(
        "{camera}: the GStreamer element {element} is missing; install gstreamer1.0-plugins-{{base,bad}}"
    )]
    NoElement { camera: CameraId, element: &'static str },
    #[error("{camera}: the decoder cannot be set up: {message}")]
    Setup { camera: CameraId, message: String },
    #[error("{camera}: the decoder gave up: {message}")]
    GaveUp { camera: CameraId, message: String },
    #[error("{camera}: no picture came out of its keyframe")]
    NoPicture { camera: CameraId },
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotVideo { .. } => Kind::Invalid,
            Error::GaveUp { .. } | Error::NoPicture { .. } => Kind::Unavailable,
            Error::Gstreamer(_) | Error::NoDecoder { .. } | Error::NoElement { .. } | Error::Setup { .. } => {
                Kind::Internal
            }
            Error::Profile(e) => e.kind(),
        }
    }
}
