//! `pingan bench analyse`: many simulated cameras, one server that records and watches them, what it
//! costs, how closely each is watched, how soon an alert is heard, and what is missed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::clip::Clip;
use super::load::content::{self, Subs};
use super::load::options::in_folder;
use super::load::verdict::{self, Round};
use super::load::{LoadOptions, LoadRun, Server, process};
use super::report::AnalyseReport;
use crate::base::task::Stop;
use crate::media::Pts;

/// Record and analyse many simulated cameras: cost, memory, losses, how closely each is watched,
/// alert latency and missed events
#[derive(Args, Clone, Debug)]
pub struct AnalyseOptions {
    #[command(flatten)]
    pub load: LoadOptions,
    #[command(flatten)]
    pub watch: WatchOptions,
    /// Leave out the run in which the active clips are analysed alone, and with it the share of
    /// events that are found under load
    #[arg(long)]
    pub no_alone: bool,
}

/// What all runs with analytics ask for.
#[derive(Args, Clone, Debug)]
pub struct WatchOptions {
    /// Cameras where things happen, of 100
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    pub active: f64,
    /// Folder with MP4 clips whose people and empty scenes the sub streams show. Without it: made
    /// scenes
    #[arg(long, value_name = "DIR")]
    pub footage: Option<PathBuf>,
    /// Analytics profile. Without it: `people-light` for footage, `motion` for made scenes
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Folder with model files, as of `models pull --from`. Without it: the weights in data/models
    #[arg(long, value_name = "DIR")]
    pub models_from: Option<PathBuf>,
    /// From the moment all cameras play to the begin of measuring: the server learns what calm looks
    /// like on each camera
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub settle: u64,
}

impl WatchOptions {
    pub fn profile(&self) -> &str {
        let usual = if self.footage.is_some() { "people-light" } else { "motion" };
        self.profile.as_deref().unwrap_or(usual)
    }

    pub fn check(&self) -> anyhow::Result<()> {
        ensure!((0.0..=100.0).contains(&self.active), "--active must be between 0 and 100");
        Ok(())
    }
}

/// So long after the round's end an alert of its last moment may be heard.
const TAIL: Duration = Duration::from_secs(4);

/// Runs with the options of the command line; `server` must come with a token.
pub async fn run(options: &AnalyseOptions, server: Server<'_>, stop: &Stop) -> anyhow::Result<AnalyseReport> {
    in_folder(options.load.keep.as_deref(), async |folder| {
        let ground = Ground::prepare(&options.load, &options.watch, server, folder, stop).await?;
        let alone = match options.no_alone {
            true => None,
            false => Some(ground.alone(stop).await?),
        };
        ground.with(options.load.cameras, alone.as_deref(), stop).await
    })
    .await
}

/// What stays the same for any number of cameras.
pub struct Ground<'a> {
    load: &'a LoadOptions,
    watch: &'a WatchOptions,
    server: Server<'a>,
    folder: PathBuf,
    main: Arc<Clip>,
    subs: Subs,
    /// Memory of the server without a camera, MiB.
    empty: Option<(f64, f64)>,
}

impl<'a> Ground<'a> {
    /// Makes the clips and sees what the server takes without a camera.
    pub async fn prepare(
        load: &'a LoadOptions,
        watch: &'a WatchOptions,
        server: Server<'a>,
        folder: PathBuf,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        load.check()?;
        watch.check()?;
        ensure!(server.token.is_some(), "an analysis cannot be watched without a token");
        let made = content::analysed(watch.footage.clone(), load.mbit, load.clips());
        let (main, subs) = tokio::select! {
            made = made => made?,
            () = stop.cancelled() => bail!("stopped while the clips were made"),
        };
        let empty = if load.no_empty { None } else { Some(process::empty(&server, &folder).await?) };
        Ok(Ground { load, watch, server, folder, main, subs, empty })
    }

    /// A run with so many cameras; its events against those of [`alone`](Self::alone).
    pub async fn with(
        &self,
        cameras: usize,
        alone: Option<&[Round]>,
        stop: &Stop,
    ) -> anyhow::Result<AnalyseReport> {
        let clips = self.subs.of(cameras, self.watch.active / 100.0, &self.main);
        let folder = self.folder.join(format!("with-{cameras}"));
        let settle = Duration::from_secs(self.watch.settle);
        let run = LoadRun { cameras, watched: true, settle, ..self.load.run(clips, folder) };
        let measured = run.measure(&self.server, stop).await?;
        // Recordings of a run are of no use to the next, and the disk is small.
        if self.load.keep.is_none() {
            let _ = std::fs::remove_dir_all(&run.folder);
        }
        let mut record = measured.record;
        if let Some(empty) = self.empty {
            record.costs.above(empty, cameras);
        }
        let analysis = measured.analysis.context("the analysis was not watched")?;
        let analysis = verdict::of(&analysis, alone);
        Ok(AnalyseReport { profile: self.watch.profile().to_owned(), record, analysis })
    }

    /// What is told of each active clip when it is analysed alone, in the second of two rounds: by
    /// then the server has learned what the place looks like.
    pub async fn alone(&self, stop: &Stop) -> anyhow::Result<Vec<Round>> {
        let clips = self.subs.alone(&self.main);
        let longest = clips.iter().filter_map(|c| Some(c.sub.as_ref()?.duration)).max().unwrap_or_default();
        let run = LoadRun {
            cameras: clips.len(),
            measured: longest.since(Pts(0)) * 2 + TAIL,
            settle: Duration::ZERO,
            together: true,
            watched: true,
            ..self.load.run(clips, self.folder.join("alone"))
        };
        let analysis = run.measure(&self.server, stop).await?.analysis;
        Ok(verdict::rounds(&analysis.context("the analysis was not watched")?))
    }
}
