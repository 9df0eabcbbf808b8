//! What is known about a camera before it is connected.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::base::{CameraId, StreamKind};

use super::secret::SecretRef;
use super::unit_path::UnitPath;

/// A camera as configured.
#[derive(Clone, PartialEq, Debug)]
pub struct CameraSpec {
    pub id: CameraId,
    /// What operators call it.
    pub name: String,
    pub unit: UnitPath,
    pub main: StreamSpec,
    /// Analysed instead of the main stream where present.
    pub sub: Option<StreamSpec>,
    /// Record the main stream.
    pub record: bool,
    /// Record the main stream's AAC audio, if there is any.
    pub audio: bool,
}

impl CameraSpec {
    /// The stream that analytics looks at.
    pub fn analysed(&self) -> StreamKind {
        if self.sub.is_some() { StreamKind::Sub } else { StreamKind::Main }
    }

    pub fn streams(&self) -> impl Iterator<Item = (StreamKind, &StreamSpec)> {
        std::iter::once((StreamKind::Main, &self.main)).chain(self.sub.iter().map(|s| (StreamKind::Sub, s)))
    }
}

/// One stream of a camera.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamSpec {
    pub source: SourceSpec,
    /// No access unit for this long: the stream is given up and connected anew.
    pub silence: Duration,
}

/// Where a stream comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum SourceSpec {
    Rtsp {
        /// `rtsp://` or `rtsps://`, without credentials.
        url: Url,
        user: Option<String>,
        password: Option<SecretRef>,
        transport: Transport,
    },
    /// A clip, or a folder whose clips are played in the order of their names.
    Files { path: PathBuf, pace: Pace, repeat: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

/// How fast a file is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    RealTime,
    AsFastAsPossible,
}

impl SourceSpec {
    /// For people: the address without credentials.
    pub fn shown(&self) -> String {
        match self {
            SourceSpec::Rtsp { url, .. } => {
                let mut url = url.clone();
                // Belt and braces: `resolve` has already taken them out.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.to_string()
            }
            SourceSpec::Files { path, .. } => path.display().to_string(),
        }
    }
}
