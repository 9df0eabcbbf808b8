//! `pingan bench analyse`: many simulated cameras, one server that records and watches them, what it
//! costs, how closely each is watched, how soon an alert is heard, and what is missed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use super::load::content::{self, Subs};
use super::load::options::in_folder;
use super::load::{LoadOptions, LoadRun, Server, run, verdict};
use super::report::AnalyseReport;
use crate::base::task::Stop;

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
    let (load, watch) = (&options.load, &options.watch);
    load.check()?;
    watch.check()?;
    ensure!(server.token.is_some(), "an analysis cannot be watched without a token");
    let (main, subs) = content::analysed(watch.footage.clone(), load.mbit, load.clips()).await?;
    in_folder(load.keep.as_deref(), async |folder| {
        let empty = if load.no_empty { None } else { Some(run::empty(&server, &folder).await?) };
        let clips = subs.of(load.cameras, watch.active / 100.0, &main);
        let alone = match options.no_alone {
            true => None,
            false => Some(alone(options, &subs, &main, &server, &folder, stop).await?),
        };
        let run = LoadRun { watched: true, ..load.run(clips, folder) };
        let measured = run.measure(&server, stop).await?;
        let mut record = measured.record;
        if let Some(empty) = empty {
            record.costs.above(empty, load.cameras);
        }
        let analysis = measured.analysis.context("the analysis was not watched")?;
        let analysis = verdict::of(&analysis, alone.as_deref());
        Ok(AnalyseReport { profile: watch.profile().to_owned(), record, analysis })
    })
    .await
}

/// What is told of each active clip when it is analysed alone, in the second of two rounds: by then
/// the server has learned what the place looks like.
async fn alone(
    options: &AnalyseOptions,
    subs: &Subs,
    main: &std::sync::Arc<super::Clip>,
    server: &Server<'_>,
    folder: &Path,
    stop: &Stop,
) -> anyhow::Result<Vec<verdict::Round>> {
    let clips = subs.alone(main);
    let longest = clips.iter().filter_map(|c| Some(c.sub.as_ref()?.duration)).max().unwrap_or_default();
    let round = longest.since(crate::media::Pts(0));
    let run = LoadRun {
        cameras: clips.len(),
        measured: round * 2 + TAIL,
        settle: Duration::ZERO,
        together: true,
        watched: true,
        ..options.load.run(clips, folder.join("alone"))
    };
    let analysis = run.measure(server, stop).await?.analysis;
    Ok(verdict::rounds(&analysis.context("the analysis was not watched")?))
}
