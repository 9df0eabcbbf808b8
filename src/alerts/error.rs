//! What can go wrong with alerts.

use std::path::PathBuf;

use crate::base::Kind;

use super::alert::{AlertId, AlertState};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open the alert store {path}: {source}; check that its folder may be written")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("cannot make the folder {path}: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the alert store {path} has schema {found}, this program knows up to {known}; use a newer one")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the alert store {path} refuses: {source}; check the free space of its disk")]
    Store { path: PathBuf, source: rusqlite::Error },
    #[error("cannot write the snapshot {path}: {source}; check the free space of its disk")]
    Snapshot { path: PathBuf, source: std::io::Error },
    #[error("cannot encode the snapshot: {0}")]
    Encode(#[from] jpeg_encoder::EncodingError),
    #[error("there is no alert {0}")]
    NotFound(AlertId),
    #[error("alert {id} is {}, it cannot become {}", .state.as_str(), .to.as_str())]
    Conflict { id: AlertId, state: AlertState, to: AlertState },
    #[error("this is not a cursor that a list of alerts gave; leave it out to begin anew")]
    BadCursor,
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Open { .. } | Error::Folder { .. } | Error::Store { .. } | Error::Snapshot { .. } => {
                Kind::Storage
            }
            Error::Newer { .. } | Error::Encode(_) => Kind::Internal,
            Error::NotFound(_) => Kind::NotFound,
            Error::Conflict { .. } => Kind::Conflict,
            Error::BadCursor => Kind::Invalid,
        }
    }
}
