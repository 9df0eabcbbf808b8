//! What all load runs ask for on the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use super::run::LoadRun;
use super::site::CameraClips;
use crate::bench::rtsp::Send;

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
    /// Write the report as a page with plots as well
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Bitrate of the main streams
    #[arg(long, value_name = "MBIT", default_value_t = 4.0)]
    pub mbit: f64,
    /// Send packet by packet, as cameras on a LAN do, instead of a whole picture at once
    #[arg(long)]
    pub per_packet: bool,
    /// Disk space for recordings. A longer run deletes what is oldest and was counted
    #[arg(long, value_name = "GB", default_value_t = 12.0)]
    pub disk_budget: f64,
    /// Where the run's files go; they are kept. Without it: a temporary folder, removed afterwards
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Where made and transcoded clips are kept for the next run. Without it: a temporary folder
    #[arg(long, value_name = "DIR")]
    pub clips: Option<PathBuf>,
    /// Leave out the run without cameras, which tells the memory of the empty server
    #[arg(long)]
    pub no_empty: bool,
}

impl LoadOptions {
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.cameras > 0 && self.seconds > 0, "--cameras and --seconds must be at least 1");
        ensure!((0.1..=100.0).contains(&self.mbit), "--mbit must be between 0.1 and 100");
        ensure!((1.0..=1e6).contains(&self.disk_budget), "--disk-budget must be between 1 and 1000000");
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
            together: false,
            folder,
            disk_budget: (self.disk_budget * 1e9) as u64,
            watched: false,
            compare: Vec::new(),
        }
    }

    /// Where clips are kept.
    pub fn clips(&self) -> PathBuf {
        self.clips.clone().unwrap_or_else(|| std::env::temp_dir().join("pingan-bench-clips"))
    }
}

/// Runs `work` in `keep`, or in a temporary folder that is removed afterwards.
pub async fn in_folder<T>(
    keep: Option<&Path>,
    work: impl AsyncFnOnce(PathBuf) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let Some(keep) = keep {
        return work(keep.to_owned()).await;
    }
    let temporary = std::env::temp_dir().join(format!("pingan-bench-{}", std::process::id()));
    let result = work(temporary.clone()).await;
    // Left-overs in the temporary folder are no reason to withhold the result.
    let _ = std::fs::remove_dir_all(&temporary);
    result
}
