//! `pingan bench record`: many simulated cameras, one server that records them, and what it costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::clip::{Clip, files_of};
use super::load::beside::Recorder;
use super::load::options::in_folder;
use super::load::{CameraClips, LoadOptions, LoadRun, Server, content, process};
use super::report::RecordReport;
use crate::base::task::Stop;

/// Record many simulated cameras and measure CPU, memory and lost frames
#[derive(Args, Clone, Debug)]
pub struct RecordOptions {
    #[command(flatten)]
    pub load: LoadOptions,
    /// Folder with MP4 clips to play in turn. Without it: a made 1080p25 H.264 scene
    #[arg(long, value_name = "DIR", conflicts_with = "mbit")]
    pub footage: Option<PathBuf>,
    /// Let one process per camera record the same clips at the same time, and compare: ffmpeg, or
    /// those named
    #[arg(long, value_name = "RECORDER", value_enum, num_args = 0.., value_delimiter = ',',
          default_missing_value = "ffmpeg")]
    pub compare: Vec<Recorder>,
}

/// Runs with the options of the command line.
pub async fn run(options: &RecordOptions, server: Server<'_>, stop: &Stop) -> anyhow::Result<RecordReport> {
    let load = &options.load;
    load.check()?;
    let (footage, mbit, kept) = (options.footage.clone(), load.mbit, load.clips());
    let clips = tokio::task::spawn_blocking(move || match footage {
        Some(dir) => footage_clips(&dir),
        None => Ok(vec![CameraClips::recorded(content::main(mbit, &kept)?)]),
    });
    let clips = clips.await.context("making the clips broke off")??;
    in_folder(load.keep.as_deref(), async |folder| {
        let empty = if load.no_empty { None } else { Some(process::empty(&server, &folder).await?) };
        let run = LoadRun { compare: options.compare.clone(), ..load.run(clips, folder) };
        let mut report = run.measure(&server, stop).await?.record;
        if let Some(empty) = empty {
            report.costs.above(empty, load.cameras);
        }
        Ok(report)
    })
    .await
}

/// The clips of a folder, each a camera without a sub stream.
pub fn footage_clips(dir: &Path) -> anyhow::Result<Vec<CameraClips>> {
    let clip = |file: &PathBuf| Ok(CameraClips::recorded(Arc::new(Clip::load(file)?)));
    files_of(dir)?.iter().map(clip).collect()
}
