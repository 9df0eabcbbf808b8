//! What can go wrong in the archive.

use std::io;
use std::path::{Path, PathBuf};

use super::types::SegmentId;
use crate::base::Kind;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {path}: {source}; check that the folder exists, has space and may be written")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the index {path} refuses: {source}; if it is damaged, stop the server and delete it: it is rebuilt from the files"
    )]
    Index { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the observations {path} refuse: {source}; if they are damaged, stop the server and move them elsewhere"
    )]
    Observations { path: PathBuf, source: rusqlite::Error },
    #[error("{path} is not a segment of this archive: {reason}; move it elsewhere")]
    Format { path: PathBuf, reason: String },
    #[error("there is no segment {0}; it may have been deleted by retention")]
    NoSegment(SegmentId),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            Error::Io { .. } | Error::Index { .. } | Error::Observations { .. } => Kind::Storage,
            Error::Format { .. } => Kind::Internal,
            Error::NoSegment(_) => Kind::NotFound,
        }
    }

    /// The index cannot grow because its disk is full. SQLite says so, or that writing failed: in
    /// WAL mode the shared memory file beside the index may be what found no room.
    pub(super) fn is_full(&self) -> bool {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        matches!(self, Error::Index { source, .. }
            if matches!(source.sqlite_error_code(), Some(DiskFull | SystemIoFailure)))
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    }
}

pub type Result<T> = std::result::Result<T, Error>;
