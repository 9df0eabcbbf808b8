//! What can go wrong in the recorder.

use std::io;
use std::path::PathBuf;

use crate::archive;
use crate::base::{CameraId, Kind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start the recorder's thread: {0}; check the limit of threads")]
    Thread(io::Error),
    #[error("cannot {what} {path}: {source}; check the free space and the health of the disk")]
    Write { what: &'static str, path: PathBuf, source: io::Error },
    #[error("camera {camera}: {reason}; it is not recorded until its parameters change")]
    Format { camera: CameraId, reason: String },
    #[error(transparent)]
    Archive(#[from] archive::Error),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Thread(_) => Kind::Unavailable,
            Error::Write { .. } => Kind::Storage,
            Error::Format { .. } => Kind::Invalid,
            Error::Archive(e) => e.kind(),
        }
    }
}
