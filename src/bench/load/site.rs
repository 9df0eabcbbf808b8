//! What the server under measurement must be told, and how it is told: `app` knows that.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::clip::Clip;
use crate::media::Pts;

/// A camera as the server's configuration must name it.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteCamera {
    pub id: String,
    pub url: String,
    pub sub: Option<String>,
}

/// How the archive is kept small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Retention deletes the oldest beyond this.
    pub max_bytes: u64,
    /// Length of a segment: an open segment cannot be deleted, so they must be short.
    pub segment: Duration,
}

/// What the server's configuration must say.
#[derive(Clone, Debug, Default)]
pub struct Site {
    pub cameras: Vec<SiteCamera>,
    /// Folder for everything the server writes; recordings are counted in its whole tree.
    pub data: PathBuf,
    /// Without it the archive keeps all.
    pub bound: Option<Bound>,
}

type Config<'a> = Box<dyn Fn(&Site) -> anyhow::Result<String> + 'a>;
type Token<'a> = Box<dyn Fn(&Path) -> anyhow::Result<String> + 'a>;

/// The server under measurement. A run may start it several times, one after the other.
pub struct Server<'a> {
    /// Writes the text of a configuration file.
    pub config: Config<'a>,
    /// The command that serves the file at the given path and ends cleanly on SIGTERM. It must log
    /// `listening on http://ADDRESS` where there is a `token`.
    pub serve: Box<dyn Fn(&Path) -> Command + 'a>,
    /// Makes a token for the API of the server with this configuration file. Without it the server
    /// is asked nothing.
    pub token: Option<Token<'a>>,
}

/// What a camera is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Role {
    /// Nothing is known of what it shows.
    #[default]
    Any,
    /// Nothing ever happens there.
    Idle,
    /// Things happen; with the number of its clip among those that are told apart.
    Active(usize),
}

/// When somebody is in the picture, from the clip's start; empty: not known.
pub type Busy = Arc<[(Pts, Pts)]>;

/// The streams of a camera.
#[derive(Clone)]
pub struct CameraClips {
    pub main: Arc<Clip>,
    pub sub: Option<Arc<Clip>>,
    pub role: Role,
    /// Of the sub stream.
    pub busy: Busy,
}

impl CameraClips {
    pub fn recorded(main: Arc<Clip>) -> Self {
        CameraClips { main, sub: None, role: Role::Any, busy: Arc::default() }
    }
}
