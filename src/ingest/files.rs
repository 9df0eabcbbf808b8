//! Footage as a camera: a clip, or the clips of a folder in the order of their names, on one time
//! line, in real time or as fast as its takers can follow.

use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::camera::Pace;
use crate::media::Pts;

use super::clip::Clip;
use super::error::Error;
use super::source::{Source, SourceUnit};

/// Extensions of what a folder is searched for; anything else in it is left alone.
const EXTENSIONS: [&str; 9] = ["mp4", "mov", "mkv", "h264", "264", "h265", "265", "hevc", "m4v"];

pub struct FilesSource {
    /// The clip, or those of the folder; never empty.
    clips: Vec<PathBuf>,
    is_folder: bool,
    pace: Pace,
    repeat: bool,
    want_audio: bool,
    next_clip: usize,
    current: Option<Clip>,
    /// Units delivered since the list was begun.
    units: u64,
    line: Line,
    begun: Option<(Instant, i64)>,
}

/// Joins the clips' own times to one line.
#[derive(Debug, Default)]
struct Line {
    shift: i64,
    /// Whether the running clip has its place.
    placed: bool,
    /// End of the last picture shown, and of the last decoded.
    end: Option<(i64, i64)>,
}

impl Line {
    fn place(&mut self, unit: &mut SourceUnit, duration: i64) {
        let dts = unit.dts.unwrap_or(unit.pts);
        if !self.placed {
            // Neither may a picture be shown before the end of the clip before, nor decoded.
            self.shift = self.end.map_or(0, |(shown, decoded)| (shown - unit.pts).max(decoded - dts));
            self.placed = true;
        }
        unit.pts += self.shift;
        unit.dts = Some(dts + self.shift);
        let (shown, decoded) = (unit.pts + duration, dts + self.shift + duration);
        self.end = Some(self.end.map_or((shown, decoded), |(s, d)| (s.max(shown), d.max(decoded))));
    }
}

impl FilesSource {
    pub async fn open(path: &Path, pace: Pace, repeat: bool, want_audio: bool) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { path: path.into(), source };
        let is_folder = tokio::fs::metadata(path).await.map_err(unreadable)?.is_dir();
        let clips = if is_folder { clips_in(path).await? } else { vec![path.into()] };
        Ok(FilesSource {
            clips,
            is_folder,
            pace,
            repeat,
            want_audio,
            next_clip: 0,
            current: None,
            units: 0,
            line: Line::default(),
            begun: None,
        })
    }

    async fn next_unit(&mut self) -> Result<Option<SourceUnit>, Error> {
        loop {
            let Some(clip) = &mut self.current else {
                if !self.begin_clip().await? {
                    return Ok(None);
                }
                continue;
            };
            match clip.next().await {
                Ok(Some((mut unit, duration))) => {
                    self.line.place(&mut unit, duration);
                    self.units += 1;
                    self.wait_for(unit.dts.unwrap_or(unit.pts)).await;
                    return Ok(Some(unit));
                }
                Ok(None) => self.current = None,
                Err(e) => {
                    self.current = None;
                    self.skip_or_fail(e)?;
                }
            }
        }
    }

    /// Opens the next clip; `false` when all have been played.
    async fn begin_clip(&mut self) -> Result<bool, Error> {
        if self.next_clip == self.clips.len() {
            if !self.repeat || self.units == 0 {
                return Ok(false);
            }
            (self.next_clip, self.units) = (0, 0);
        }
        let path = &self.clips[self.next_clip];
        self.next_clip += 1;
        self.line.placed = false;
        match Clip::open(path, self.want_audio).await {
            Ok(clip) => self.current = Some(clip),
            Err(e) => self.skip_or_fail(e)?,
        }
        Ok(true)
    }

    /// A bad clip in a folder is passed over, unless it is the last hope.
    fn skip_or_fail(&self, e: Error) -> Result<(), Error> {
        if self.is_folder && (self.units > 0 || self.next_clip < self.clips.len()) {
            tracing::warn!("{e}; going on with the next clip");
            return Ok(());
        }
        Err(e)
    }

    /// In real time, a unit is due when as much time has passed as on the line.
    async fn wait_for(&mut self, dts: i64) {
        if self.pace == Pace::RealTime {
            let (start, first) = *self.begun.get_or_insert_with(|| (Instant::now(), dts));
            tokio::time::sleep_until(start + Pts(dts).since(Pts(first))).await;
        }
    }
}

impl Source for FilesSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<SourceUnit>, Error>> {
        Box::pin(self.next_unit())
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self) })
    }
}

async fn clips_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Unreadable { path: folder.into(), source };
    let mut entries = tokio::fs::read_dir(folder).await.map_err(unreadable)?;
    let mut clips = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
        let path = entry.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if EXTENSIONS.contains(&extension.as_str()) {
            clips.push(path);
        }
    }
    clips.sort();
    if clips.is_empty() {
        let message = format!("the folder holds no clip ({})", EXTENSIONS.join(", "));
        return Err(Error::BadFile { path: folder.into(), message });
    }
    Ok(clips)
}
