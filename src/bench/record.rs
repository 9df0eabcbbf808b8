//! `pingan bench record`: many simulated cameras, one server that records them, and what it costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use super::clip::{Clip, files_of};
use super::encode::EncodeSettings;
use super::load_run::{CameraClips, LoadRun, Server, in_folder};
use super::report::RecordReport;
use super::rtsp::Send;
use super::scene::{Scene, Variant};
use crate::base::task::Stop;

/// Record many simulated cameras and measure CPU, memory and lost frames
#[derive(Args, Clone, Debug)]
pub struct RecordOptions {
    #[command(flatten)]
    pub load: LoadOptions,
    /// Let one `ffmpeg -c copy` per camera record the same clips at the same time, and compare
    #[arg(long)]
    pub compare: bool,
}

/// What all load runs ask for.
#[derive(Args, Clone, Debug)]
pub struct LoadOptions {
    /// Number of cameras
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub cameras: usize,
    /// Length of the measured part
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub seconds: u64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Folder with MP4 clips to play in turn. Without it: a made 1080p25 H.264 scene
    #[arg(long, value_name = "DIR")]
    pub footage: Option<PathBuf>,
    /// Bitrate of the made scene
    #[arg(long, value_name = "MBIT", default_value_t = 4.0, conflicts_with = "footage")]
    pub mbit: f64,
    /// Send packet by packet, as cameras on a LAN do, instead of a whole picture at once
    #[arg(long)]
    pub per_packet: bool,
    /// Where the run's files go; they are kept. Without it: a temporary folder, removed afterwards
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

impl LoadOptions {
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.cameras > 0 && self.seconds > 0, "--cameras and --seconds must be at least 1");
        ensure!((0.1..=100.0).contains(&self.mbit), "--mbit must be between 0.1 and 100");
        Ok(())
    }

    /// A run of `clips` in `folder`.
    pub fn run(&self, clips: Vec<CameraClips>, folder: PathBuf) -> LoadRun {
        LoadRun {
            cameras: self.cameras,
            measured: Duration::from_secs(self.seconds),
            settle: Duration::from_secs(3),
            clips,
            send: if self.per_packet { Send::PerPacket } else { Send::PerUnit },
            folder,
            compare: false,
        }
    }
}

/// Runs with the options of the command line.
pub async fn run(options: &RecordOptions, server: Server<'_>, stop: &Stop) -> anyhow::Result<RecordReport> {
    options.load.check()?;
    let (footage, mbit) = (options.load.footage.clone(), options.load.mbit);
    let clips = tokio::task::spawn_blocking(move || match footage {
        Some(dir) => footage_clips(&dir),
        None => {
            Ok(vec![CameraClips { main: Arc::new(load_clip(mbit, Duration::from_secs(10))?), sub: None }])
        }
    });
    let clips = clips.await.context("making the clips broke off")??;
    in_folder(options.load.keep.as_deref(), async |folder| {
        let run = LoadRun { compare: options.compare, ..options.load.run(clips, folder) };
        Ok(run.measure(server, stop).await?.record)
    })
    .await
}

/// The clips of a folder, each a camera without a sub stream.
pub fn footage_clips(dir: &Path) -> anyhow::Result<Vec<CameraClips>> {
    let clip = |file: &PathBuf| Ok(CameraClips { main: Arc::new(Clip::load(file)?), sub: None });
    files_of(dir)?.iter().map(clip).collect()
}

/// The made scene of load runs, `length` long.
pub fn load_scene(length: Duration) -> Scene {
    let mut scene = Scene::demo(Variant::Yard, 1);
    (scene.duration, scene.noise) = (length, 5);
    scene
}

/// The made scene as a main stream of exactly `mbit` Mbit/s.
pub fn load_clip(mbit: f64, length: Duration) -> anyhow::Result<Clip> {
    let settings = EncodeSettings { bitrate: (mbit * 1e6) as u32, ..EncodeSettings::main() };
    load_scene(length).encode("load", &settings)
}
