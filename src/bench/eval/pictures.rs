//! The decoded pictures of a clip, one after the other, as a camera's stream would be decoded.

use std::path::Path;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::base::{CameraId, StreamKind, Wall};
use crate::camera::{Frame, Pace};
use crate::decode::{Decoder, Mode, Profile};
use crate::ingest::files::FilesSource;
use crate::ingest::{Source, SourceUnit};
use crate::media::{EncodedUnit, Params, Pts};

/// Time of a clip's first unit. Any would do: times are told relative to it.
const EPOCH: Wall = Wall::from_secs(1_700_000_000);

/// Gives the pictures of one clip in the order in which they are shown.
pub struct Pictures {
    camera: CameraId,
    source: FilesSource,
    /// Of the clip's first unit.
    begin: Option<i64>,
    open: Option<(Arc<Params>, Decoder)>,
    /// Bounded by what a decoder holds back: it is emptied after every unit.
    out: Sender<Frame>,
    decoded: Receiver<Frame>,
    ended: bool,
}

impl Pictures {
    /// # Errors
    /// The file cannot be read.
    pub async fn open(path: &Path) -> anyhow::Result<Pictures> {
        let source = FilesSource::open(path, Pace::AsFastAsPossible, false, false).await?;
        let (out, decoded) = bounded(64);
        let camera = CameraId::new("eval")?;
        Ok(Pictures { camera, source, begin: None, open: None, out, decoded, ended: false })
    }

    /// The next picture; `None` after the last one.
    ///
    /// # Errors
    /// The file is damaged, or nothing here decodes it.
    pub async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            if let Ok(frame) = self.decoded.try_recv() {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            match self.source.next().await? {
                Some(unit) => self.push(unit)?,
                None => {
                    self.ended = true;
                    if let Some((_, decoder)) = self.open.take() {
                        // The last frames are fewer than the channel holds.
                        decoder.drain();
                    }
                }
            }
        }
    }

    fn push(&mut self, unit: SourceUnit) -> anyhow::Result<()> {
        let begin = *self.begin.get_or_insert(unit.pts);
        let unit = placed(unit, &self.camera, begin);
        let Some(params) = unit.params.video() else { return Ok(()) };
        if self.open.as_ref().is_none_or(|(p, _)| **p != *unit.params) {
            let out = self.out.clone();
            let deliver = Arc::new(move |f| {
                let _ = out.send(f);
            });
            let decoder =
                Decoder::open(self.camera.clone(), params, Mode::Follow, &Profile::default(), deliver)?;
            self.open = Some((unit.params.clone(), decoder));
        }
        if let Some((_, decoder)) = &mut self.open {
            decoder.push(&unit)?;
        }
        Ok(())
    }
}

/// A unit with its time counted from the clip's first.
fn placed(unit: SourceUnit, camera: &CameraId, begin: i64) -> EncodedUnit {
    let pts = Pts(unit.pts - begin);
    EncodedUnit {
        camera: camera.clone(),
        stream: StreamKind::Main,
        connection: 1,
        pts,
        dts: Pts(unit.dts.unwrap_or(unit.pts) - begin),
        received: Wall(EPOCH.0 + pts.micros()),
        key: unit.key,
        lost_before: unit.lost_before,
        params: unit.params,
        data: unit.data,
    }
}
