//! Plays one clip through decoder, models, tracker and rules; nothing is skipped.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::chain::Chain;
use crate::app::pick::Pick;
use crate::base::{CameraId, StreamKind, Wall};
use crate::camera::{Frame, Pace};
use crate::decode::{Decoder, Mode, Profile};
use crate::infer::{Detection, Detectors, Outcome};
use crate::ingest::files::FilesSource;
use crate::ingest::{Source, SourceUnit};
use crate::media::{EncodedUnit, Params, Pts};
use crate::rules::{RuleEvent, RuleSpec};
use crate::track::TrackNumbers;

/// What a clip showed.
pub struct Played {
    pub frames: usize,
    /// Time of the first frame.
    pub start: Wall,
    /// Time of the last frame.
    pub end: Wall,
    pub events: Vec<RuleEvent>,
    /// Detections on the wanted frames, by frame index.
    pub wanted: Vec<(usize, Vec<Detection>)>,
}

/// What to do with a clip.
pub struct Play<'a> {
    pub path: &'a Path,
    pub rules: Vec<RuleSpec>,
    /// At most so many frames a second go to the tracker, as a camera's profile would have it.
    pub fps: f32,
    /// Frame indices whose detections are asked for.
    pub wanted: &'a [usize],
    /// Stop after the last wanted frame.
    pub wanted_only: bool,
}

/// Play a clip with the given detectors.
pub async fn play(job: Play<'_>, detectors: &mut Detectors) -> anyhow::Result<Played> {
    let camera = CameraId::new("eval")?;
    // Any start will do: times are told relative to it.
    let epoch = Wall::from_secs(1_700_000_000);
    let mut source = FilesSource::open(job.path, Pace::AsFastAsPossible, false, false).await?;
    let mut first = None;
    let mut chain = Chain::new(camera.clone(), job.rules.clone(), TrackNumbers::default());
    let mut played = Played { frames: 0, start: epoch, end: epoch, events: Vec::new(), wanted: Vec::new() };
    let (frames_out, frames) = crossbeam::channel::bounded::<Frame>(64);
    let mut open: Option<(Arc<Params>, Decoder)> = None;
    let mut pick = Pick::new(job.fps);
    let last_wanted = job.wanted.iter().copied().max().unwrap_or(0);
    let mut look = |frame: Frame, played: &mut Played| -> anyhow::Result<()> {
        let index = played.frames;
        played.frames += 1;
        if index == 0 {
            played.start = frame.at;
        }
        played.end = frame.at;
        let due = !job.wanted_only && pick.takes(frame.at);
        let wanted = job.wanted.contains(&index);
        if !due && !wanted {
            return Ok(());
        }
        let found = detectors.detect(&frame.image)?;
        if wanted {
            played.wanted.push((index, found.clone()));
        }
        if due {
            played.events.extend(chain.on_frame(frame.at, &Outcome::Done(found), &[]).events);
        }
        Ok(())
    };
    while let Some(unit) = source.next().await? {
        let begin = *first.get_or_insert(unit.pts);
        let unit = placed(unit, &camera, epoch, begin);
        let Some(params) = unit.params.video() else { continue };
        if open.as_ref().is_none_or(|(p, _)| **p != *unit.params) {
            let out = frames_out.clone();
            let deliver = Arc::new(move |f| {
                let _ = out.send(f);
            });
            let decoder = Decoder::open(camera.clone(), params, Mode::Follow, &Profile::default(), deliver)?;
            open = Some((unit.params.clone(), decoder));
        }
        if let Some((_, decoder)) = &mut open {
            decoder.push(&unit)?;
        }
        while let Ok(frame) = frames.try_recv() {
            look(frame, &mut played)?;
        }
        if job.wanted_only && played.frames > last_wanted {
            return Ok(played);
        }
    }
    if let Some((_, decoder)) = open {
        // The last frames are fewer than the channel holds.
        decoder.drain();
    }
    while let Ok(frame) = frames.try_recv() {
        look(frame, &mut played)?;
    }
    let (start, end) = (played.start, played.end);
    anyhow::ensure!(played.frames > 0, "{} has no picture in it", job.path.display());
    // Rules that wait for things to be over learn that nothing more comes.
    played.events.extend(chain.tick(end + Duration::from_secs(1)).into_iter().map(|mut e| {
        e.at = e.at.clamp(start, end);
        e
    }));
    Ok(played)
}

/// A unit with its time counted from the clip's first.
fn placed(unit: SourceUnit, camera: &CameraId, epoch: Wall, begin: i64) -> EncodedUnit {
    let pts = Pts(unit.pts - begin);
    EncodedUnit {
        camera: camera.clone(),
        stream: StreamKind::Main,
        connection: 1,
        pts,
        dts: Pts(unit.dts.unwrap_or(unit.pts) - begin),
        received: Wall(epoch.0 + pts.micros()),
        key: unit.key,
        lost_before: unit.lost_before,
        params: unit.params,
        data: unit.data,
    }
}
