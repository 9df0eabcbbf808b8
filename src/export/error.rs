//! What can go wrong when recordings are handed out.

use std::io;
use std::path::PathBuf;

use crate::archive;
use crate::base::{CameraId, Kind, Wall, WallSpan};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("camera {camera} has no recording from {} to {}; {}", span.start, span.end, told(nearest))]
    NotRecorded { camera: CameraId, span: WallSpan, nearest: Option<WallSpan> },
    #[error(
        "the picture or sound format of camera {camera} changed at {at}; export up to there and from there on separately"
    )]
    FormatChanged { camera: CameraId, at: Wall },
    #[error("the range ends before it begins; give a start before the end")]
    EmptyRange,
    #[error(
        "cannot read {path}: {source}; it may just have been deleted by retention: ask for a later range"
    )]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is damaged at byte {offset}; restart the server to have the archive checked")]
    Damaged { path: PathBuf, offset: u64 },
    #[error("the range cannot be written as MP4: {0}; ask for a shorter one")]
    Format(String),
    #[error(transparent)]
    Archive(#[from] archive::Error),
}

fn told(nearest: &Option<WallSpan>) -> String {
    match nearest {
        Some(s) => format!("the nearest recording is from {} to {}", s.start, s.end),
        None => "nothing of it is recorded at all".into(),
    }
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotRecorded { .. } => Kind::NotFound,
            Error::FormatChanged { .. } => Kind::Conflict,
            Error::EmptyRange => Kind::Invalid,
            Error::Read { .. } | Error::Damaged { .. } => Kind::Storage,
            Error::Format(_) => Kind::Internal,
            Error::Archive(e) => e.kind(),
        }
    }
}
